"""The history of an owner's takes: what the filters find, page by page, as a table or a gallery."""

from dataclasses import replace
from typing import Any

import pandas as pd
import streamlit as st

from core.jobs.history import PAGE, Row
from core.jobs.job import State, utc_now
from core.studio import current
from pages.parts import card, filters, opened, player, words

MOST_PAGES = 2000  # of the page buttons; nobody turns more


@st.fragment
def past(owner: str) -> None:
    """The search and one page of what it finds. Runs when somebody asks, or a take has ended."""
    opened.turn()
    filters.bar(owner)
    search = filters.asked(owner)
    total = current().count(search)
    pages = min(max(1, -(-total // PAGE)), MOST_PAGES)
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
        st.caption(f"{total:,} {'take' if total == 1 else 'takes'}")
        filters.views_switch()
    body = st.container(key="history")
    if pages > 1:
        with st.container(horizontal_alignment="center"):
            filters.pages(pages)
    rows = current().browse(replace(search, page=min(filters.page(), pages)))
    with body:
        if not rows:
            _nothing()
        elif filters.view() == "Gallery":
            _gallery(owner, rows)
        else:
            _table(rows)


def _nothing() -> None:
    with st.container(key="nothing", horizontal_alignment="center", gap="small"):
        st.space("medium")
        st.caption("No take is like that.", text_alignment="center")
        st.button("Show all", key="nothing.clear", icon=":material/filter_alt_off:", on_click=filters.clear)


def table(rows: list[Row]) -> pd.DataFrame:
    """The page as a frame: one row a take, in the order given."""
    now = utc_now()

    def line(row: Row) -> dict[str, Any]:
        return {
            "Open": "Open",
            "Picture": player.picture(row),
            "State": words.LOOKS[State(row.state)].word,
            "Model": card.title_of(row.model),
            "Prompt": words.short(row.prompt, 200),
            "Ran on": current().provider_title(row.provider),
            "Length": f"{row.duration_s:.1f} s" if row.duration_s else "",
            "Cost": words.cost(row),
            "Made": words.ago(row.created_at, now),
            "★": "★" if row.is_starred else "",
        }

    return pd.DataFrame([line(row) for row in rows])


def _table(rows: list[Row]) -> None:
    st.session_state["jobs.rows"] = [row.id for row in rows]
    st.dataframe(
        table(rows),
        key="jobs.table",
        hide_index=True,
        row_height=56,
        height="content",
        column_config={
            "Open": st.column_config.ButtonColumn("", key="jobs.open", on_click=_open_row, type="tertiary", width=70),
            "Picture": st.column_config.ImageColumn("", width=90),
            "Prompt": st.column_config.TextColumn(width="large"),
        },
        alt="Takes, one page",
    )


def _gallery(owner: str, rows: list[Row]) -> None:
    with st.grid("auto", min_column_width=240, gap="medium", key="gallery"):
        for row in rows:
            with st.container(key=f"tile-{row.id}", gap="xsmall"):
                player.tile(row)
                with st.container(horizontal=True, vertical_alignment="center"):
                    look = words.LOOKS[State(row.state)]
                    st.badge(look.word, icon=look.icon, color=look.color)  # type: ignore[arg-type]
                    st.button("Open", key=f"tile.open.{row.id}", type="tertiary", on_click=opened.show, args=(row.id,))
                st.caption(words.plain(words.short(row.prompt, 80)) or card.title_of(row.model))


def _open_row() -> None:
    click = st.session_state["jobs.open"]
    opened.show(st.session_state["jobs.rows"][click["row"]])
