"""The address as the only state of what the page shows, so that a view can be sent as a link, and Back undoes a change of it."""

from collections.abc import Iterable, Mapping
from typing import Any

import streamlit as st

LOOKS = {"view": "Table", "overview": "", "by": "model", "span": "30"}
"""Parameters that say how takes are shown and not which, with what they are where the address does not say."""

DEFAULTS = {**LOOKS, "sort": "date"}
PAGE = "page"


def texts(name: str) -> list[str]:
    """The values of a parameter in their order."""
    return st.query_params.get_all(name)


def text(name: str) -> str:
    """The value of a parameter, the last one of several; "" where there is none."""
    return st.query_params.get(name) or ""


def several(name: str, known: Iterable[str]) -> list[str]:
    """The values of a parameter that are known, each once."""
    possible = set(known)
    return [value for value in dict.fromkeys(texts(name)) if value in possible]


def one(name: str, known: Iterable[str]) -> str:
    """The first value of a parameter that is known, or its default; "" where it has none."""
    return next(iter(several(name, known)), DEFAULTS.get(name, ""))


def change(wanted: Mapping[str, Iterable[str]]) -> None:
    """Put values into the address, and take those out that are given none. For callbacks.

    It is one step of the browser's history however much changes: each write to `st.query_params` would be a step of its own.
    """
    now = {name: texts(name) for name in st.query_params}
    after = {**now, **{name: list(values) for name, values in wanted.items()}}
    after = {name: values for name, values in after.items() if values}
    if after != now:
        st.query_params.from_dict(after)


def key(name: str) -> str:
    """The key of the widget that changes a parameter."""
    return f"filters.{name}"


def held(name: str, value: Any) -> str:
    """The widget's key, with the value of the address put under it where it holds another."""
    if st.session_state.get(key(name)) != value:
        st.session_state[key(name)] = value
    return key(name)


def changes(name: str) -> dict[str, Any]:
    """What a widget takes so that its change is one of the address."""
    return {"on_change": write, "args": (name,)}


def write(name: str) -> None:
    """A widget has changed: so does the address, and another question begins on its first page."""
    value = st.session_state[key(name)]
    if isinstance(value, bool):
        values = ["1"] if value else []
    elif isinstance(value, list | tuple):
        values = [str(part) for part in value]
    else:
        values = [] if value in (None, "") else [f"{value:g}" if isinstance(value, float) else str(value)]
    if values == [DEFAULTS.get(name)]:
        values = []
    change({name: values} if name in LOOKS else {name: values, PAGE: []})
