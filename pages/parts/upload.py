"""File fields beside stills: one clip or one sound, checked as soon as it is dropped."""

from collections.abc import Callable
from typing import cast

import streamlit as st

from core.errors import InvalidMedia, StorageFull
from core.media.store import Stored
from core.models.spec import Clip, FormField, Sound
from core.studio import current
from pages.parts import words


def clip(key: str, field: FormField) -> str | None:
    """A video file; its media key, or None."""
    kind = cast(Clip, field.kind)
    return _file(key, field, ["mp4", "mov", "m4v"], lambda data, name: current().add_clip(data, name, kind))


def sound(key: str, field: FormField) -> str | None:
    """A sound file; its media key, or None."""
    kind = cast(Sound, field.kind)
    return _file(key, field, ["wav", "mp3"], lambda data, name: current().add_sound(data, name, kind))


def _file(key: str, field: FormField, types: list[str], keep: Callable[[bytes, str], Stored]) -> str | None:
    kept: dict[str, Stored | str | None] = st.session_state.setdefault(
        key, {"stored": None, "name": None, "error": None}
    )
    stored = kept["stored"]
    if isinstance(stored, Stored):
        with st.container(horizontal=True, vertical_alignment="center"):
            name = words.plain(words.short(str(kept["name"]), 60))
            st.caption(f"{field.label}: {name} · {words.size(stored.bytes)}")
            st.button("Remove", key=f"{key}.remove", type="tertiary", on_click=forget, args=(key,))
        return stored.key
    widget = f"{key}.upload"

    def take() -> None:
        file = st.session_state.get(widget)
        if file is None:
            return
        try:
            st.session_state[key] = {"stored": keep(file.getvalue(), file.name), "name": file.name, "error": None}
        except (InvalidMedia, StorageFull) as exc:
            st.session_state[key] = {"stored": None, "name": None, "error": exc.message}

    st.file_uploader(
        field.label,
        types,
        key=widget,
        help=field.help,
        on_change=take,
        max_upload_size=current().settings.max_upload_mb,
    )
    if kept["error"]:
        st.error(words.plain(str(kept["error"])), icon=":material/error:")
    return None


def forget(key: str) -> None:
    """Empty a file field."""
    st.session_state[key] = {"stored": None, "name": None, "error": None}
