"""The still of a form: dropped, fetched from an address, or taken from the samples; shown upright with what will be cut."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal, cast

import streamlit as st
from streamlit.runtime.uploaded_file_manager import UploadedFile

from core import samples
from core.errors import AppError, InvalidMedia, NotFound, StorageFull
from core.intake import Picture
from core.media import content, framing, images
from core.models.spec import FormField, Still
from core.studio import current
from pages.parts import words

TYPES = ["jpg", "jpeg", "png", "webp", "heic", "heif", "avif", "gif", "bmp", "tif", "tiff"]
VIDEOS = ("a video (MP4)", "a video (MOV)")  # what a file is, by its content
SHOWN_PX = 720  # longest side of the preview
SHOWN_WIDE, SHOWN_HIGH = 390, 230  # what the preview may take up of the form's column, in CSS pixels
WHOLE = 0.995  # a cut of less is not worth a word
SAMPLE_PX = 240


Pads = Literal["never", "auto", "always"]


@dataclass(frozen=True)
class Frame:
    """How the place that the job will run in fills the video with a still of another shape.

    Args:
        key: the widget of the model's aspect ratio; "" if it has none.
        chosen: the aspect ratio that is set: "16:9"; "auto" or "" where the still's own shape is kept.
        options: those that could be set.
        pads: whether bars take the place of a cut: never, where too much would go, or always.
    """

    key: str = ""
    chosen: str = ""
    options: tuple[str, ...] = ()
    pads: Pads = "never"

    def aspect(self, _: Picture) -> float | None:
        """Width / height of the video, or None where it follows the still."""
        return framing.ASPECTS.get(self.chosen)

    def better(self, picture: Picture) -> str | None:
        """Another aspect ratio of the model that would keep clearly more of this picture, or None."""
        shape = picture.width, picture.height
        now = framing.ASPECTS.get(self.chosen)
        known = [option for option in self.options if option in framing.ASPECTS]
        if now is None or not known:
            return None
        best = max(known, key=lambda option: framing.kept_share(*shape, framing.ASPECTS[option]))
        gain = framing.kept_share(*shape, framing.ASPECTS[best]) - framing.kept_share(*shape, now)
        return best if gain > 0.15 else None


@dataclass(frozen=True)
class Held:
    """What the field holds: a stored picture, or why the last one could not be used."""

    picture: Picture | None = None
    error: str = ""
    drops: int = 0  # raised with every change, so that the uploader forgets the file it showed
    before: Picture | None = None  # what it held until it was emptied to be changed


Opens = Callable[[UploadedFile], None]
"""Opens the form of the take that a dropped video is of. Raises AppError, and then nothing has changed."""


def widget(key: str, field: FormField, frame: Frame, opens: Opens | None = None) -> str | None:
    """The field; its media key, or None.

    Args:
        key: where the session keeps it.
        field: the field, with the model's limits in its kind.
        frame: how the video is filled with it: what will be cut is shown dimmed.
        opens: for the still that a form begins with: what to do with a video; without it, videos are not taken.
    """
    held = st.session_state.get(key)
    if not isinstance(held, Held):
        held = st.session_state[key] = Held()
    if held.picture is None:
        _choose(key, field, held, opens)
        return None
    _show(key, field, held.picture, frame)
    return held.picture.key


def put(key: str, kind: Still, get: Callable[[], Picture]) -> None:
    """Fill the field at `key` from `get`, or note why that did not work. What it held before stays if it fails."""
    try:
        st.session_state[key] = next_held(key, get())
    except (InvalidMedia, NotFound, StorageFull) as exc:
        _say(key, exc.message)


def clear(key: str) -> None:
    """Empty the field, to be filled anew; what it held can be kept after all."""
    st.session_state[key] = replace(next_held(key, None), before=_now(key).picture)


def next_held(key: str, picture: Picture | None, error: str = "") -> Held:
    """What the field at `key` is to hold from now on; its uploader forgets the file it showed."""
    return Held(picture, error, _now(key).drops + 1)


def _now(key: str) -> Held:
    held = st.session_state.get(key)
    return held if isinstance(held, Held) else Held()


def _say(key: str, error: str) -> None:
    """Note why the field could not be filled; the rest stays as it is."""
    st.session_state[key] = replace(_now(key), error=error)


def _keep(key: str) -> None:
    """Hold again what was there before the field was emptied."""
    st.session_state[key] = next_held(key, _now(key).before)


def _choose(key: str, field: FormField, held: Held, opens: Opens | None) -> None:
    kind = cast(Still, field.kind)
    drop = f"{key}.drop.{held.drops}"
    address = f"{key}.url"

    def take_drop() -> None:
        file = st.session_state.get(drop)
        if file is None:
            _say(key, "")
        elif opens is None or content.what_is(file.getvalue()[:1024]) not in VIDEOS:
            put(key, kind, lambda: current().add_picture(file.getvalue(), file.name, kind))
        else:
            try:
                opens(file)
            except AppError as exc:
                _say(key, exc.message)

    def take_address() -> None:
        url = str(st.session_state.get(address) or "").strip()
        if url:
            put(key, kind, lambda: current().add_picture_from(url, kind))

    st.file_uploader(
        field.label if opens is None else f"{field.label}, or a video from Takes for its settings",
        TYPES if opens is None else [*TYPES, "mp4"],
        key=drop,
        help=field.help,
        on_change=take_drop,
        max_upload_size=current().settings.max_upload_mb,
    )
    if held.error:
        st.error(words.plain(held.error), icon=":material/error:")
    if held.before is not None:
        st.button(
            "Keep the one before",
            key=f"{key}.keep",
            type="tertiary",
            icon=":material/undo:",
            on_click=_keep,
            args=(key,),
        )
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
        st.caption("Or take a sample" if field.required else "")
        with st.popover("From a web address", key=f"{key}.by-url", icon=":material/link:"):
            st.text_input("Address of a picture", key=address, placeholder="https://…", persist_state="session")
            st.button("Fetch", key=f"{key}.fetch", on_click=take_address)
    if field.required:
        _samples(key, kind)


def _samples(key: str, kind: Still) -> None:
    with st.grid(3, min_column_width=90, gap="small", key=f"{key}.samples"):
        for sample in samples.SAMPLES:
            with st.container(gap="xsmall"):
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
def _pictured(picture_key: str, aspect: float | None, pads: Pads) -> tuple[bytes, float, bool]:
    """The picture as it will be used, the share of it that is kept, and whether bars are added instead of a cut."""
    data = current().picture(picture_key)
    width, height = images.dimensions(data)
    if aspect is None or framing.kept_share(width, height, aspect) > WHOLE:
        return images.thumbnail(data, SHOWN_PX), 1.0, False
    if pads == "always" or (pads == "auto" and framing.fit_mode(width, height, aspect) == "pad"):
        return images.thumbnail(data, SHOWN_PX), 1.0, True
    box = framing.crop_box(width, height, aspect, framing.find_focus(data))
    return images.crop_preview(data, box, SHOWN_PX), framing.kept_share(width, height, aspect), False


def _show(key: str, field: FormField, picture: Picture, frame: Frame) -> None:
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.caption(field.label, help=field.help)
        st.button(
            "Change", key=f"{key}.change", type="tertiary", icon=":material/swap_horiz:", on_click=clear, args=(key,)
        )
    try:
        shown, kept, barred = _pictured(picture.key, frame.aspect(picture), frame.pads)
    except AppError as exc:
        st.error(words.plain(exc.message))
        return
    wide = round(SHOWN_HIGH * picture.width / picture.height)
    st.image(shown, width="stretch" if wide >= SHOWN_WIDE else wide, alt="The still as it will be used")
    facts = f"{picture.width} × {picture.height} · {words.size(picture.bytes)}"
    if barred:
        facts += f" · kept whole, with blurred bars to fill {frame.chosen}"
    elif kept < WHOLE:
        facts += f" · the dimmed {1 - kept:.0%} is cut to fill {frame.chosen}"
    st.caption(facts)
    better = frame.better(picture)
    if better and (barred or kept < WHOLE):
        st.button(
            f"Use {better} instead",
            key=f"{key}.aspect",
            icon=":material/crop:",
            on_click=_choose_aspect,
            args=(frame, better),
        )
    for note in picture.notes:
        st.caption(f":material/info: {note}")


def _choose_aspect(frame: Frame, aspect: str) -> None:
    st.session_state[frame.key] = aspect
