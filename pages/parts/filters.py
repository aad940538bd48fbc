"""The search and filters over the history. The address is their only state, so that a view can be sent as a link."""

from collections.abc import Callable
from datetime import timedelta
from urllib.parse import parse_qsl, urlencode

import streamlit as st

from core.errors import AppError
from core.jobs import asked as asks
from core.jobs.asked import ASKS, ORDERS, PLACES
from core.jobs.history import ASPECTS, Search
from core.jobs.job import State
from core.models import MODELS
from core.studio import current
from pages.parts import address, card, overview, words

SORTS = dict(
    zip(
        ORDERS,
        ("Newest", "Oldest", "Most expensive", "Cheapest", "Longest", "Shortest", "Best rated", "Worst rated"),
        strict=True,
    )
)
VIEWS = ("Table", "Gallery")
KEPT = (*ASKS, *address.LOOKS)  # parameters that a saved view holds
POINTS = ("1", "2", "3", "4", "5")


def given() -> dict[str, list[str]]:
    """What the address asks for, by parameter."""
    return {name: address.texts(name) for name in ASKS}


def asked(owner: str) -> Search:
    """The search that the address asks for. What makes no sense in there is left out."""
    return asks.search(owner, given())


def page() -> int:
    """The page that the address asks for, from 1."""
    return max(1, int(asks.number({address.PAGE: address.texts(address.PAGE)}, address.PAGE) or 1))


def view() -> str:
    """Table or Gallery."""
    return address.one("view", VIEWS)


def bar(owner: str) -> None:
    """Show the filters as the address has them; a change of one is a change of the address."""
    with st.container(horizontal=True, vertical_alignment="bottom", key="filters"):
        st.text_input(
            "Search",
            key=address.held("q", address.text("q")),
            icon=":material/search:",
            placeholder='Words, "a phrase", -not this',
            label_visibility="collapsed",
            **address.changes("q"),
        )
        st.selectbox(
            "Order",
            list(SORTS),
            format_func=lambda name: SORTS[name],
            key=address.held("sort", address.one("sort", SORTS)),
            label_visibility="collapsed",
            width=170,
            **address.changes("sort"),
        )
        told = said(asked(owner))
        with st.popover(f"Filters ({len(told)})" if told else "Filters", icon=":material/tune:"):
            _more(owner)
        with st.popover("Views", icon=":material/bookmark:"):
            _views(owner)
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="said"):
        if told:
            st.caption(words.plain(" · ".join(told)), width="content")
            st.button("Clear", icon=":material/filter_alt_off:", key="said.clear", type="tertiary", on_click=clear)


def said(search: Search) -> list[str]:
    """The filters of a search in words, without what the search box and the order show already."""
    told = []
    if search.models:
        told.append(" or ".join(sorted(words.short(card.title_of(slug), 40) for slug in search.models)))
    if search.states:
        told.append(" or ".join(words.LOOKS[state].word for state in State if state in search.states))
    if search.places:
        told.append(" or ".join(current().provider_title(place) for place in PLACES if place in search.places))
    if search.aspects:
        told.append(" or ".join(aspect for aspect in ASPECTS if aspect in search.aspects))
    if search.since:
        told.append(f"from {search.since:%d %b %Y}")
    if search.until:
        told.append(f"to {search.until - timedelta(days=1):%d %b %Y}")
    low, high = search.cost
    if low is not None:
        told.append(f"from ${low:g}")
    if high is not None:
        told.append(f"up to ${high:g}")
    if search.rated:
        told.append("★" * search.rated + (" or more" if search.rated < len(POINTS) else ""))
    if search.tag:
        told.append(f"tag “{words.short(search.tag, 40)}”")
    told += [word for word, is_on in (("starred", search.starred), ("without failed", search.hide_failed)) if is_on]
    return [*told, "in the bin"] if search.binned else told


def turn_to(number: int) -> None:
    """Put the page into the address."""
    address.change({address.PAGE: [str(number)] if number > 1 else []})


def pages(count: int) -> None:
    """The buttons of the pages."""
    key = address.held(address.PAGE, min(page(), count))
    st.pagination(count, key=key, on_change=lambda: turn_to(st.session_state[key]))


def views_switch() -> None:
    """Table or gallery of the same search, and the overview over it."""
    with st.container(horizontal=True, vertical_alignment="center", gap="medium", width="content", key="looks"):
        overview.switch()
        st.segmented_control(
            "View", VIEWS, format_func=words.choice, required=True, key=address.held("view", view()), label_visibility="collapsed",
            **address.changes("view"),
        )  # fmt: skip


def clear() -> None:
    """Take every filter out; the order stays. Call it from a callback."""
    address.change({name: [] for name in (*ASKS, address.PAGE) if name != "sort"})


# --- the popovers -------------------------------------------------------------------------------------------------


def _more(owner: str) -> None:
    now = given()
    models = list(dict.fromkeys(filter(None, now["model"])))
    st.multiselect(
        "Model", list(dict.fromkeys((*MODELS, *current().used_models(owner), *models))), format_func=card.title_of,
        key=address.held("model", models), **address.changes("model"),
    )  # fmt: skip
    states = [str(state) for state in State]
    st.multiselect(
        "State", states, format_func=lambda name: words.LOOKS[State(name)].word,
        key=address.held("state", address.several("state", states)), **address.changes("state"),
    )  # fmt: skip
    st.pills(
        "Where it ran", PLACES, format_func=lambda place: words.choice(current().provider_title(place)), selection_mode="multi",
        key=address.held("on", address.several("on", PLACES)), **address.changes("on"),
    )  # fmt: skip
    st.pills(
        "Aspect ratio", ASPECTS, format_func=words.choice, selection_mode="multi",
        key=address.held("aspect", address.several("aspect", ASPECTS)), **address.changes("aspect"),
    )  # fmt: skip
    with st.container(horizontal=True):
        for name, label in (("since", "From"), ("until", "To")):
            key = address.held(name, asks.day(now, name))
            st.date_input(label, None, key=key, width=150, format="YYYY-MM-DD", **address.changes(name))
    with st.container(horizontal=True):
        for name, label in (("min", "Cost from ($)"), ("max", "to ($)")):
            key = address.held(name, asks.number(now, name))
            st.number_input(label, 0.0, None, None, 0.1, key=key, width=150, **address.changes(name))
    with st.container(horizontal=True):
        for name, label in (("star", "Starred"), ("hide", "Hide failed"), ("bin", "In the bin")):
            st.toggle(label, key=address.held(name, address.text(name) == "1"), **address.changes(name))
    st.selectbox(
        "Rated at least", POINTS, index=None, placeholder="any", format_func=lambda points: "★" * int(points),
        key=address.held("rated", address.one("rated", POINTS) or None), **address.changes("rated"),
    )  # fmt: skip
    tag = address.text("tag") or None
    known = current().tags(owner)
    st.selectbox(
        "Tag", known if not tag or tag in known else [tag, *known], index=None, placeholder="any",
        key=address.held("tag", tag), **address.changes("tag"),
    )  # fmt: skip
    st.button("Clear all", icon=":material/filter_alt_off:", key="filters.clear", on_click=clear, type="tertiary")


def _views(owner: str) -> None:
    saved = current().views(owner)
    if not saved:
        st.caption("Keep a search under a name, to come back to it.")
    for name, search in saved.items():
        with st.container(horizontal=True, vertical_alignment="center"):
            st.button(words.plain(words.clean(name)), key=f"view.open.{name}", icon=":material/bookmark:", type="tertiary", on_click=_show,
                      args=(search,))  # fmt: skip
            st.button("Drop", key=f"view.drop.{name}", icon=":material/close:", type="tertiary",
                      on_click=current().drop_view, args=(owner, name))  # fmt: skip
    now = urlencode([(name, value) for name in KEPT for value in address.texts(name)])
    st.text_input("Name", key="view.name", placeholder="The best of October")
    st.button("Keep this view", key="view.save", icon=":material/bookmark_add:", on_click=_keeper(owner, now))


def _show(search: str) -> None:
    """Open a saved view."""
    wanted: dict[str, list[str]] = {name: [] for name in (*KEPT, address.PAGE)}
    for name, value in parse_qsl(search):
        if name in KEPT:
            wanted[name].append(value)
    address.change(wanted)


def _keeper(owner: str, search: str) -> Callable[[], None]:
    def save() -> None:
        try:
            current().save_view(owner, str(st.session_state.get("view.name") or ""), search)
            st.session_state["view.name"] = ""
        except AppError as exc:
            st.toast(exc.message, icon=":material/error:")

    return save
