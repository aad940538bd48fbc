"""The history of an owner's takes: what the filters find, page by page, as a table or a gallery."""

from dataclasses import replace
from typing import Any

import pandas as pd
import streamlit as st

from core.jobs.history import PAGE, Remarks, Row
from core.jobs.job import State, utc_now
from core.studio import current
from pages.parts import bulk, card, filters, opened, overview, player, remarks, words

MOST_PAGES = 2000  # of the page buttons; nobody turns more
ROW_PX = 64  # from four lines of text on, Streamlit breaks what does not fit on one
WIDTHS = {
    "State": 84, "Model": 92, "Prompt": 186, "Ran on": 84, "Length": 56, "Cost": 84, "Made": 80, "Rating": 60, "Owner": 56,
}  # fmt: skip
"""Of the table's columns, in pixels: together they fit beside the menu on a laptop; with more room they grow."""

SHOWN = "jobs.rows"  # the ids of the table's rows: a click in it tells a place


def past(owner: str) -> None:
    """The search and one page of what it finds."""
    _past(owner, bulk.is_wanted())


@st.fragment
def _past(owner: str, has_bar: bool) -> None:
    """Runs when somebody asks, or a take has ended. The bar stands outside of it: it comes and goes with the whole page."""
    opened.turn()
    filters.bar(owner)
    search = filters.asked(owner)
    bulk.begin(search)
    if bulk.is_wanted() != has_bar:
        st.rerun()
    total = current().count(search)
    pages = min(max(1, -(-total // PAGE)), MOST_PAGES)
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
        with st.container(horizontal=True, width="content", vertical_alignment="center"):
            filters.views_switch()
            bulk.export(search, filters.given(), total)
        # On the right there is only text: the table's own buttons come up over it.
        st.caption(f"{total:,} {'take' if total == 1 else 'takes'}", width="content")
    overview.show(search)
    body = st.container(key="history")
    if pages > 1:
        with st.container(horizontal_alignment="center"):
            filters.pages(pages)
    rows = current().browse(replace(search, page=min(filters.page(), pages)))
    with body:
        if not rows:
            _nothing()
        elif filters.view() == "Gallery":
            _gallery(rows)
        else:
            _table(owner, rows)
    if has_bar:
        bulk.bar(owner, [row.id for row in rows], in_bin=search.binned)


def _nothing() -> None:
    with st.container(key="nothing", horizontal_alignment="center", gap="small"):
        st.space("medium")
        st.caption("No take is like that.", text_alignment="center")
        st.button("Show all", key="nothing.clear", icon=":material/filter_alt_off:", on_click=filters.clear)


def table(owner: str, rows: list[Row]) -> pd.DataFrame:
    """The page as a frame: one row a take, in the order given.

    Args:
        owner: who looks.
        rows: the takes.
    """
    now = utc_now()

    def line(row: Row) -> dict[str, Any]:
        return {
            "Open": "Open",
            "Star": "★" if row.is_starred else "☆",
            "Picture": player.picture(row),
            "State": words.LOOKS[State(row.state)].word,
            "Model": card.title_of(row.model),
            "Prompt": words.short(row.prompt, 200),
            "Ran on": current().provider_title(row.provider),
            "Length": f"{row.duration_s:.1f} s" if row.duration_s else "",
            "Cost": words.cost(row),
            "Made": words.ago(row.created_at, now),
            "Rating": f"{row.rating} of 5" if row.rating else "",
            "Owner": "you" if row.owner == owner else row.owner,
        }

    return pd.DataFrame([line(row) for row in rows])


def _table(owner: str, rows: list[Row]) -> None:
    page, column = [row.id for row in rows], st.column_config
    st.session_state[SHOWN] = page
    bulk.hold_rows("jobs.table", page)
    st.dataframe(
        table(owner, rows),
        key="jobs.table",
        hide_index=True,
        row_height=ROW_PX,
        height="content",
        on_select=_rows_picked,
        selection_mode="multi-row",
        column_config={
            "Open": column.ButtonColumn("", key="jobs.open", on_click=_open_row, type="tertiary", width=58),
            "Star": column.ButtonColumn(
                "", key="jobs.star", on_click=_star_row, args=(owner,), type="tertiary", width=38
            ),
            "Picture": column.ImageColumn("", width=92),
            **{name: column.TextColumn(width=width) for name, width in WIDTHS.items()},
        },
        alt="Takes, one page",
    )


def _gallery(rows: list[Row]) -> None:
    with st.grid("auto", min_column_width=240, gap="medium", key="gallery"):
        for row in rows:
            name = words.short(row.prompt, 80) or card.title_of(row.model)
            with st.container(key=f"tile-{row.id}", gap="xsmall"):
                player.tile(row)
                with st.container(horizontal=True, vertical_alignment="center"):
                    bulk.box(row, words.plain(name))
                    look = words.LOOKS[State(row.state)]
                    st.badge(look.word, icon=look.icon, color=look.color)  # type: ignore[arg-type]
                    st.button("Open", key=f"tile.open.{row.id}", type="tertiary", on_click=opened.show, args=(row.id,))
                st.caption(f"{'★ ' if row.is_starred else ''}{words.plain(name)}")


def _rows_picked() -> None:
    bulk.rows_picked("jobs.table", st.session_state[SHOWN])


def _clicked(column: str) -> str:
    """The take whose button in a column of the table was pressed."""
    return str(st.session_state[SHOWN][st.session_state[column]["row"]])


def _open_row() -> None:
    opened.show(_clicked("jobs.open"))


def _star_row(owner: str) -> None:
    starred = st.session_state["jobs.star"]["label"] == "★"
    remarks.write(owner, [_clicked("jobs.star")], Remarks(starred=not starred))
