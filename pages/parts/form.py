"""A form out of a model's fields: one widget for each kind, its error beside it, and what was typed kept."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import streamlit as st
from streamlit.runtime.uploaded_file_manager import UploadedFile

from core.models.spec import (
    Choice,
    Clip,
    Clips,
    FormField,
    Kind,
    Number,
    Prompt,
    Seed,
    Sound,
    Still,
    Text,
    Toggle,
)
from pages.parts import clips, draft, still, upload, words


@dataclass(frozen=True)
class Cell:
    """One field's place on the page.

    Args:
        field: the field.
        key: its widget's key: `{slug}.{field}`.
        owner: who fills the form in.
        frame: how the video is filled with a still.
    """

    field: FormField
    key: str
    owner: str
    frame: still.Frame

    @property
    def label(self) -> str:
        return f"{self.field.label} ({self.field.unit})" if self.field.unit else self.field.label


def render(fields: Iterable[FormField], prefix: str, owner: str, frame: still.Frame | None = None) -> dict[str, Any]:
    """Show the fields and return what they hold, by field name.

    Args:
        fields: in the order to show.
        prefix: start of every widget key; the errors are read from `{prefix}.errors`.
        owner: who fills the form in.
        frame: see Cell.
    """
    errors: dict[str, str] = st.session_state.get(f"{prefix}.errors", {})
    values: dict[str, Any] = {}
    for field in fields:
        cell = Cell(field, f"{prefix}.{field.name}", owner, frame or still.Frame())
        values[field.name] = WIDGETS[type(field.kind)](cell)
        if field.name in errors:
            st.error(words.plain(errors[field.name]), icon=":material/error:")
    return values


def _still(cell: Cell) -> str | None:
    def open_video(file: UploadedFile) -> None:
        draft.open_video(file, cell.owner)

    return still.widget(cell.key, cell.field, cell.frame, open_video if cell.field.required else None)


def _prompt(cell: Cell) -> str:
    kind = cell.field.kind
    assert isinstance(kind, Prompt)
    text = _text_area(cell, 104, cell.field.help)
    if kind.limit:
        count = f"{len(text):,} / {kind.limit:,}"
        st.caption(count if len(text) <= kind.limit else f":red[{count}: {len(text) - kind.limit:,} too many]")
    return text


def _text(cell: Cell) -> str:
    return _text_area(cell, 80, None)


def _text_area(cell: Cell, height: int, placeholder: str | None) -> str:
    return (
        st.text_area(
            cell.label,
            height=height,
            key=_seeded(cell, cell.field.default or ""),
            placeholder=placeholder,
            help=None if placeholder else cell.field.help,
            persist_state="session",
        )
        or ""
    )


def _choice(cell: Cell) -> Any:
    kind = cell.field.kind
    assert isinstance(kind, Choice)
    if len(kind.options) == 1:
        st.caption(f"{cell.label}: **{kind.options[0]}**", help=cell.field.help)
        return kind.options[0]
    few = len(kind.options) <= 6 and sum(len(str(option)) for option in kind.options) <= 34
    if few:
        chosen = st.segmented_control(
            cell.label,
            kind.options,
            format_func=words.choice,
            required=True,
            key=_seeded(cell, cell.field.default),
            help=cell.field.help,
            persist_state="session",
        )
    else:
        chosen = st.selectbox(
            cell.label,
            kind.options,
            key=_seeded(cell, cell.field.default),
            help=cell.field.help,
            persist_state="session",
        )
    return cell.field.default if chosen is None else chosen


def _number(cell: Cell) -> Any:
    kind = cell.field.kind
    assert isinstance(kind, Number)
    cast = int if kind.whole else float
    return st.number_input(  # no slider: Streamlit writes its number in the accent, too faint on the dark page
        cell.label,
        None if kind.least is None else cast(kind.least),
        None if kind.most is None else cast(kind.most),
        None if cell.field.default is None else "min",  # with a default it cannot be emptied; the key holds it
        cast(kind.step),
        key=_seeded(cell, cell.field.default),
        help=cell.field.help,
        persist_state="session",
    )


def _seed(cell: Cell) -> int | None:
    kind = cell.field.kind
    assert isinstance(kind, Seed)
    seed = st.number_input(
        cell.label,
        kind.least,
        kind.most,
        None,
        1,
        key=cell.key,
        placeholder="random",
        help=cell.field.help,
        persist_state="session",
    )
    return None if seed is None else int(seed)


def _toggle(cell: Cell) -> bool:
    return st.toggle(
        cell.label,
        key=_seeded(cell, bool(cell.field.default)),
        help=cell.field.help,
        persist_state="session",
    )


def _seeded(cell: Cell, default: Any) -> str:
    """The widget's key, with the default put under it where it holds nothing yet.

    Given this way and not as the widget's own default, a value may also be put there by a sample or an earlier take.
    """
    if cell.key not in st.session_state:
        st.session_state[cell.key] = default
    return cell.key


WIDGETS: dict[type[Kind], Callable[[Cell], Any]] = {
    Still: _still,
    Clips: lambda cell: clips.widget(cell.key, cell.field, cell.owner),
    Clip: lambda cell: upload.clip(cell.key, cell.field),
    Sound: lambda cell: upload.sound(cell.key, cell.field),
    Prompt: _prompt,
    Text: _text,
    Choice: _choice,
    Number: _number,
    Seed: _seed,
    Toggle: _toggle,
}
"""Every kind and its widget; `tests/test_catalogue.py` holds that none is missing."""
