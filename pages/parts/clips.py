"""The clips of a form: earlier takes, uploaded MP4s and stills, in an order that the user arranges."""

from typing import Any, cast

import streamlit as st

from core import samples
from core.errors import AppError, InvalidMedia, StorageFull
from core.jobs.job import State
from core.media import content, framing, images
from core.models.spec import ClipItem, Clips, FormField
from core.studio import current
from pages.parts import live, words

THUMB_PX = 240
OFFERED = 12  # earlier takes in the menu


def widget(key: str, field: FormField, owner: str) -> list[dict[str, Any]]:
    """The field; its items as JSON, in order."""
    kind = cast(Clips, field.kind)
    items: list[ClipItem] = st.session_state.setdefault(key, [])
    st.caption(f"{field.label} · {len(items)} of {kind.least} to {kind.most}", help=field.help)
    for place, item in enumerate(items):
        _row(key, place, item, len(items))
    _add(key, kind, owner)
    return [item.model_dump() for item in items]


def _row(key: str, place: int, item: ClipItem, count: int) -> None:
    with st.container(key=f"{key}.row.{place}", border=True, horizontal=True, vertical_alignment="center", gap="small"):
        st.image(_thumbnail(item.key), width=84, alt=f"Clip {place + 1}")
        with st.container(gap="xsmall", width=150):
            st.text(words.short(item.label, 40) or f"Clip {place + 1}")
            if item.is_still:
                st.number_input(
                    "Seconds",
                    0.5,
                    30.0,
                    item.seconds,
                    0.5,
                    key=f"{key}.seconds.{place}.{item.key[:12]}",
                    label_visibility="collapsed",
                    help="How long this still is held, in seconds.",
                    on_change=_set_seconds,
                    args=(key, place, f"{key}.seconds.{place}.{item.key[:12]}"),
                )
        for icon, what, by, off in (
            (":material/arrow_upward:", "Earlier", -1, place == 0),
            (":material/arrow_downward:", "Later", 1, place == count - 1),
            (":material/close:", "Take out", 0, False),
        ):
            st.button(
                "",
                key=f"{key}.{what}.{place}",
                icon=icon,
                help=what,
                disabled=off,
                type="tertiary",
                on_click=_move,
                args=(key, place, by),
            )


def _add(key: str, kind: Clips, owner: str) -> None:
    drops = st.session_state.setdefault(f"{key}.drops", 0)
    drop = f"{key}.drop.{drops}"
    full = len(st.session_state[key]) >= kind.most

    def take_drop() -> None:
        errors = []
        for file in st.session_state.get(drop) or []:
            try:
                append(key, kind, _kept(file.getvalue(), file.name))
            except (InvalidMedia, StorageFull) as exc:
                errors.append(exc.message)
        st.session_state[f"{key}.upload-errors"] = errors
        st.session_state[f"{key}.drops"] += 1

    st.file_uploader(
        "Add MP4s or stills",
        ["mp4", "mov", "m4v", "jpg", "jpeg", "png", "webp", "heic"],
        accept_multiple_files=True,
        key=drop,
        on_change=take_drop,
        max_upload_size=current().settings.max_upload_mb,
        disabled=full,
    )
    for message in st.session_state.get(f"{key}.upload-errors", []):
        st.error(words.plain(message), icon=":material/error:")
    with st.container(horizontal=True):
        done = [job for job in live.jobs(owner).newest() if job.state is State.SUCCEEDED and job.video][:OFFERED]
        with st.popover("Earlier takes", icon=":material/video_library:", disabled=full or not done):
            for job in done:
                assert job.video is not None
                label = words.short(job.prompt, 40) or job.model
                with st.container(horizontal=True, vertical_alignment="center"):
                    st.image(_thumbnail(job.video.poster), width=84, alt="Poster")
                    st.button(
                        words.plain(label),
                        key=f"{key}.take.{job.id}",
                        type="tertiary",
                        on_click=append,
                        args=(key, kind, ClipItem(key=job.video.key, label=label)),
                    )
        with st.popover("Samples", icon=":material/image:", disabled=full):
            for sample in samples.SAMPLES:
                st.button(
                    sample.title,
                    key=f"{key}.sample.{sample.name}",
                    type="tertiary",
                    on_click=add_sample,
                    args=(key, kind, sample.name),
                )


def _kept(data: bytes, name: str) -> ClipItem:
    """Store a file that was dropped, as a clip or a still by its content."""
    if not content.is_picture(data):
        return ClipItem(key=current().add_clip(data, name).key, label=name)
    return ClipItem(key=current().add_picture(data, name).key, label=name)


def append(key: str, kind: Clips, item: ClipItem) -> None:
    """Put an item at the end, while there is room."""
    items: list[ClipItem] = st.session_state.setdefault(key, [])
    if len(items) < kind.most:
        st.session_state[key] = [*items, item]


def add_sample(key: str, kind: Clips, name: str) -> None:
    """Put a sample still at the end."""
    sample = samples.get(name)
    picture = current().add_picture(sample.read(), f"{name}.jpg")
    append(key, kind, ClipItem(key=picture.key, label=sample.title))


def _move(key: str, place: int, by: int) -> None:
    items: list[ClipItem] = list(st.session_state[key])
    item = items.pop(place)
    if by:
        items.insert(place + by, item)
    st.session_state[key] = items


def _set_seconds(key: str, place: int, widget_key: str) -> None:
    items: list[ClipItem] = list(st.session_state[key])
    items[place] = items[place].model_copy(update={"seconds": float(st.session_state[widget_key])})
    st.session_state[key] = items


def _thumbnail(media_key: str) -> bytes:
    """A small picture of a stored clip or still; a grey tile where the file is gone or cannot be read."""
    try:
        return _small(media_key)
    except AppError:
        return images.tile(THUMB_PX, THUMB_PX * 9 // 16)


@st.cache_data(show_spinner=False, max_entries=128)
def _small(media_key: str) -> bytes:
    picture = current().picture(media_key)
    return images.thumbnail(picture, THUMB_PX, framing.crop_box(*images.dimensions(picture), 16 / 9))
