"""The search and filters over the history. The address is their only state, so that a view can be sent as a link."""

from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from urllib.parse import parse_qsl, urlencode

import streamlit as st

from core.errors import AppError
from core.jobs.history import ASPECTS, Search, Sort
from core.jobs.job import State
from core.models import MODELS
from core.studio import current
from pages.parts import words

SORTS = {Sort.DATE: "Newest", Sort.COST: "Most expensive", Sort.LENGTH: "Longest", Sort.RATING: "Best rated"}
PLACES = ("fal", "preview")
VIEWS = ("Table", "Gallery")
ASKS = (
    "q",
    "model",
    "state",
    "on",
    "aspect",
    "since",
    "until",
    "min",
    "max",
    "star",
    "hide",
    "rated",
    "tag",
    "bin",
    "sort",
)
"""Parameters that make the search. `page` and `view` stand beside them."""


def asked(owner: str) -> Search:
    """The search that the address asks for. What makes no sense in there is left out."""
    low, high, rated = _number("min"), _number("max"), _number("rated")
    return Search(
        owner=owner,
        text=st.query_params.get("q", ""),
        models=frozenset(_several("model", MODELS)),
        states=frozenset(map(State, _several("state", map(str, State)))),
        places=frozenset(_several("on", PLACES)),
        aspects=frozenset(_several("aspect", ASPECTS)),
        since=_midnight(_day("since")),
        until=_midnight(_day("until"), days=1),
        cost=(low, high),
        starred=_on("star"),
        hide_failed=_on("hide"),
        binned=_on("bin"),
        rated=int(rated) if rated and 1 <= rated <= 5 else None,
        tag=st.query_params.get("tag", ""),
        sort=Sort(_one("sort", map(str, Sort)) or Sort.DATE),
    )


def page() -> int:
    """The page that the address asks for, from 1."""
    return max(1, int(_number("page") or 1))


def view() -> str:
    """Table or Gallery."""
    return _one("view", VIEWS) or VIEWS[0]


def bar(owner: str) -> None:
    """Show the filters as the address has them; a change of one is a change of the address."""
    with st.container(horizontal=True, vertical_alignment="bottom", key="filters"):
        st.text_input(
            "Search",
            key=_held("q", st.query_params.get("q", "")),
            icon=":material/search:",
            placeholder='Words, "a phrase", -not this',
            label_visibility="collapsed",
            on_change=_write,
            args=("q",),
        )
        st.selectbox(
            "Order",
            [str(sort) for sort in SORTS],
            format_func=lambda name: SORTS[Sort(name)],
            key=_held("sort", _one("sort", map(str, Sort)) or str(Sort.DATE)),
            label_visibility="collapsed",
            width=170,
            on_change=_write,
            args=("sort",),
        )
        count = sum(bool(st.query_params.get(name)) for name in ASKS if name not in ("q", "sort"))
        with st.popover(f"Filters ({count})" if count else "Filters", icon=":material/tune:"):
            _more(owner)
        with st.popover("Views", icon=":material/bookmark:"):
            _views(owner)


def turn_to(number: int) -> None:
    """Put the page into the address."""
    _put("page", [str(number)] if number > 1 else [])


def pages(count: int) -> None:
    """The buttons of the pages."""
    st.pagination(
        count, key=_held("page", min(page(), count)), on_change=lambda: turn_to(st.session_state[_key("page")])
    )


def views_switch() -> None:
    """Table or gallery of the same search."""
    st.segmented_control(
        "View", VIEWS, required=True, key=_held("view", view()), label_visibility="collapsed", on_change=_write,
        args=("view",),
    )  # fmt: skip


def clear() -> None:
    """Take every filter out. Call it from a callback."""
    for name in (*ASKS, "page"):
        st.query_params.pop(name, None)


# --- widgets and the address --------------------------------------------------------------------------------------


def _key(name: str) -> str:
    return f"filters.{name}"


def _held(name: str, value: Any) -> str:
    """The widget's key, with the value of the address put under it where it holds another."""
    if st.session_state.get(_key(name)) != value:
        st.session_state[_key(name)] = value
    return _key(name)


def _write(name: str) -> None:
    """A widget has changed: so does the address, and another question begins on its first page."""
    value = st.session_state[_key(name)]
    if isinstance(value, bool):
        texts = ["1"] if value else []
    elif isinstance(value, list | tuple):
        texts = [str(part) for part in value]
    else:
        texts = [] if value in (None, "") else [f"{value:g}" if isinstance(value, float) else str(value)]
    if name in DEFAULTS and texts == [DEFAULTS[name]]:
        texts = []
    _put(name, texts)
    if name != "view":
        st.query_params.pop("page", None)


DEFAULTS = {"sort": str(Sort.DATE), "view": VIEWS[0]}


def _put(name: str, texts: list[str]) -> None:
    if texts:
        st.query_params[name] = texts
    else:
        st.query_params.pop(name, None)


def _several(name: str, known: Iterable[str]) -> list[str]:
    possible = set(known)
    return [text for text in dict.fromkeys(st.query_params.get_all(name)) if text in possible]


def _one(name: str, known: Iterable[str]) -> str | None:
    return next(iter(_several(name, known)), None)


def _on(name: str) -> bool:
    return st.query_params.get(name, "") == "1"


def _number(name: str) -> float | None:
    try:
        number = float(st.query_params.get(name, ""))
    except ValueError:
        return None
    return number if 0 <= number < 1e9 else None


def _day(name: str) -> date | None:
    try:
        return date.fromisoformat(st.query_params.get(name, ""))
    except ValueError:
        return None


def _midnight(day: date | None, days: int = 0) -> datetime | None:
    """The start of a day, or of the day after it, UTC."""
    return datetime.combine(day, time(), UTC) + timedelta(days=days) if day and day.year < 9999 else None


# --- the popovers -------------------------------------------------------------------------------------------------


def _more(owner: str) -> None:
    def changes(name: str) -> dict[str, Any]:
        return {"on_change": _write, "args": (name,)}

    models, states = _several("model", MODELS), _several("state", map(str, State))
    st.multiselect(
        "Model",
        list(MODELS),
        format_func=lambda slug: MODELS[slug].title,
        key=_held("model", models),
        **changes("model"),
    )
    st.multiselect(
        "State", [str(state) for state in State], format_func=lambda name: words.LOOKS[State(name)].word,
        key=_held("state", states), **changes("state"),
    )  # fmt: skip
    st.pills(
        "Where it ran", PLACES, format_func=current().provider_title, selection_mode="multi",
        key=_held("on", _several("on", PLACES)), **changes("on"),
    )  # fmt: skip
    st.pills(
        "Aspect ratio", ASPECTS, selection_mode="multi", key=_held("aspect", _several("aspect", ASPECTS)),
        **changes("aspect"),
    )  # fmt: skip
    with st.container(horizontal=True):
        for name, label in (("since", "From"), ("until", "To")):
            st.date_input(label, None, key=_held(name, _day(name)), width=150, format="YYYY-MM-DD", **changes(name))
    with st.container(horizontal=True):
        for name, label in (("min", "Cost from ($)"), ("max", "to ($)")):
            st.number_input(label, 0.0, None, None, 0.1, key=_held(name, _number(name)), width=150, **changes(name))
    with st.container(horizontal=True):
        for name, label in (("star", "Starred"), ("hide", "Hide failed"), ("bin", "In the bin")):
            st.toggle(label, key=_held(name, _on(name)), **changes(name))
    rated = _one("rated", map(str, range(1, 6)))
    st.selectbox(
        "Rated at least", ["1", "2", "3", "4", "5"], index=None, placeholder="any", key=_held("rated", rated),
        format_func=lambda points: "★" * int(points), **changes("rated"),
    )  # fmt: skip
    tag = st.query_params.get("tag") or None
    known = current().tags(owner)
    st.selectbox(
        "Tag", known if not tag or tag in known else [tag, *known], index=None, placeholder="any",
        key=_held("tag", tag), **changes("tag"),
    )  # fmt: skip
    st.button("Clear all", icon=":material/filter_alt_off:", key="filters.clear", on_click=clear, type="tertiary")


def _views(owner: str) -> None:
    saved = current().views(owner)
    if not saved:
        st.caption("Keep a search under a name, to come back to it.")
    for name, search in saved.items():
        with st.container(horizontal=True, vertical_alignment="center"):
            st.button(name, key=f"view.open.{name}", icon=":material/bookmark:", type="tertiary", on_click=_show,
                      args=(search,))  # fmt: skip
            st.button("Drop", key=f"view.drop.{name}", icon=":material/close:", type="tertiary",
                      on_click=current().drop_view, args=(owner, name))  # fmt: skip
    now = urlencode([(name, value) for name in (*ASKS, "view") for value in st.query_params.get_all(name)])
    st.text_input("Name", key="view.name", placeholder="The best of October")
    st.button("Keep this view", key="view.save", icon=":material/bookmark_add:", on_click=_keeper(owner, now))


def _show(search: str) -> None:
    """Open a saved view."""
    clear()
    st.query_params.pop("view", None)
    given: dict[str, list[str]] = {}
    for name, value in parse_qsl(search):
        given.setdefault(name, []).append(value)
    for name, values in given.items():
        if name in (*ASKS, "view"):
            st.query_params[name] = values


def _keeper(owner: str, search: str) -> Callable[[], None]:
    def save() -> None:
        try:
            current().save_view(owner, str(st.session_state.get("view.name") or ""), search)
            st.session_state["view.name"] = ""
        except AppError as exc:
            st.toast(exc.message, icon=":material/error:")

    return save
