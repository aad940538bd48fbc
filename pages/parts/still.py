"""The still of a form: dropped, fetched from an address, or taken from the samples; shown upright with what will be cut."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

import streamlit as st

from core import samples
from core.errors import AppError, InvalidMedia, NotFound, StorageFull
from core.media import framing, images
from core.models.spec import FormField, Still
from core.studio import Picture, current
from pages.parts import words

TYPES = ["jpg", "jpeg", "png", "webp", "heic", "heif", "avif", "gif", "bmp", "tif", "tiff"]
SHOWN_PX = 720  # longest side of the preview
SAMPLE_PX = 240


@dataclass(frozen=True)
class Held:
    """What the field holds: a stored picture, or why the last one could not be used."""

    picture: Picture | None = None
    error: str = ""
    drops: int = 0  # raised with every change, so that the uploader forgets the file it showed


def widget(key: str, field: FormField, aspect: float | None) -> str | None:
    """The field; its media key, or None.

    Args:
        key: where the session keeps it.
        field: the field, with the model's limits in its kind.
        aspect: width / height of the video, if the model fixes one: what lies outside is shown dimmed.
    """
    held = st.session_state.get(key)
    if not isinstance(held, Held):
        held = st.session_state[key] = Held()
    if held.picture is None:
        _choose(key, field, held)
        return None
    _show(key, field, held.picture, aspect)
    return held.picture.key


def put(key: str, kind: Still, get: Callable[[], Picture]) -> None:
    """Fill the field at `key` from `get`, or note why that did not work. What it held before stays if it fails."""
    held = st.session_state.get(key)
    before = held if isinstance(held, Held) else Held()
    try:
        st.session_state[key] = Held(get(), "", before.drops + 1)
    except (InvalidMedia, NotFound, StorageFull) as exc:
        st.session_state[key] = Held(before.picture, exc.message, before.drops)


def clear(key: str) -> None:
    """Empty the field."""
    held = st.session_state.get(key)
    st.session_state[key] = Held(drops=held.drops + 1 if isinstance(held, Held) else 1)


def _choose(key: str, field: FormField, held: Held) -> None:
    kind = cast(Still, field.kind)
    drop = f"{key}.drop.{held.drops}"
    address = f"{key}.url"

    def take_drop() -> None:
        file = st.session_state.get(drop)
        if file is not None:
            put(key, kind, lambda: current().add_picture(file.getvalue(), file.name, kind))

    def take_address() -> None:
        url = str(st.session_state.get(address) or "").strip()
        if url:
            put(key, kind, lambda: current().add_picture_from(url, kind))

    st.file_uploader(
        field.label,
        TYPES,
        key=drop,
        help=field.help,
        on_change=take_drop,
        max_upload_size=current().settings.max_upload_mb,
    )
    if held.error:
        st.error(held.error, icon=":material/error:")
    with st.expander("From a web address", key=f"{key}.by-url"):
        st.text_input(
            "Address of a picture",
            key=address,
            placeholder="https://…",
            label_visibility="collapsed",
            persist_state="session",
        )
        st.button("Fetch", key=f"{key}.fetch", on_click=take_address)
    if not field.required:
        return
    st.caption("Or take a sample")
    for column, sample in zip(st.columns(3, gap="small", wrap=False), samples.SAMPLES, strict=True):
        with column:
            st.image(_sample_thumbnail(sample.name), width="stretch", alt=sample.title)
            st.button(
                sample.name.capitalize(),
                key=f"{key}.sample.{sample.name}",
                help=sample.title,
                width="stretch",
                on_click=take_sample,
                args=(key, kind, sample.name),
            )


def take_sample(key: str, kind: Still, name: str) -> None:
    """Fill the field with a sample, and an empty prompt with the sample's."""
    put(key, kind, lambda: current().add_picture(samples.get(name).read(), f"{name}.jpg", kind))
    prompt = key.rsplit(".", 1)[0] + ".prompt"
    if not st.session_state.get(prompt):
        st.session_state[prompt] = samples.get(name).prompt


@st.cache_data(show_spinner=False, max_entries=8)
def _sample_thumbnail(name: str) -> bytes:
    picture = samples.get(name).read()
    return images.thumbnail(picture, SAMPLE_PX, framing.crop_box(*images.dimensions(picture), 4 / 3, None))


@st.cache_data(show_spinner=False, max_entries=64)
def _with_crop(picture_key: str, aspect: float | None) -> tuple[bytes, float]:
    """The picture with what will be cut dimmed, and the share of it that is kept."""
    data = current().picture(picture_key)
    width, height = images.dimensions(data)
    if aspect is None:
        return images.thumbnail(data, SHOWN_PX), 1.0
    box = framing.crop_box(width, height, aspect, framing.find_focus(data))
    kept = (box[2] - box[0]) * (box[3] - box[1]) / (width * height)
    return images.crop_preview(data, box if kept < 0.995 else None, SHOWN_PX), kept


def _show(key: str, field: FormField, picture: Picture, aspect: float | None) -> None:
    st.caption(field.label, help=field.help)
    try:
        shown, kept = _with_crop(picture.key, aspect)
    except AppError as exc:
        st.error(exc.message)
        st.button("Choose another", key=f"{key}.change", on_click=clear, args=(key,))
        return
    st.image(shown, width="stretch", alt="The still as it will be used")
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        facts = f"{picture.width} × {picture.height} · {words.size(picture.bytes)}"
        if kept < 0.995:
            facts += f" · dimmed parts ({1 - kept:.0%}) are cut"
        st.caption(facts)
        st.button(
            "Change", key=f"{key}.change", type="tertiary", icon=":material/swap_horiz:", on_click=clear, args=(key,)
        )
    for note in picture.notes:
        st.caption(f":material/info: {note}")
