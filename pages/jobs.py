"""Every take of this browser: those in motion, the history as table or gallery, and one take opened."""

import re
from dataclasses import replace
from typing import Any

import pandas as pd
import streamlit as st

from core.errors import NotFound
from core.jobs.history import PAGE, Row, Search
from core.jobs.job import Event, Job, State, utc_now
from core.studio import current
from pages.parts import actions, card, draft, filters, identity, live, player, remarks, words

MEDIA_KEY = re.compile(r"[0-9a-f]{64}\.\w+")
OPENED = "job"  # the parameter of the address that a link to a take carries
SHOWN_LIVE = 12  # cards of takes in motion; how many more there are is said
MOST_PAGES = 2000  # of the page buttons; nobody turns more
NEWS = "takes.news"  # takes that have just ended, for the run that tells them
MOST_NEWS = 3  # toasts at once
FRESH_S = 60.0  # a take that ended longer ago is no news: it was starred, or remarked on
TURN = "takes.turn"  # a callback inside a part of the page wants the whole page to run


def render() -> None:
    """Show the page."""
    owner = identity.owner()
    if wanted := st.query_params.get(OPENED):
        _take(owner, wanted)
        return
    _tell(owner)
    st.header("Jobs", anchor=False)
    if current().count(Search(owner=owner)) == 0:
        _invite()
        return
    live.jobs(owner).ended()  # the history below is read after this
    _now(owner)
    _past(owner)


def _tell(owner: str) -> None:
    """Say what has just ended, and how."""
    rows = live.jobs(owner)
    for job_id in st.session_state.pop(NEWS, [])[:MOST_NEWS]:
        job = rows.get(job_id)
        if job is not None and job.finished_at is not None and (utc_now() - job.finished_at).total_seconds() < FRESH_S:
            look = words.LOOKS[job.state]
            st.toast(
                f"{look.word}: {words.plain(words.short(job.prompt, 60)) or card.model_title(job)}", icon=look.icon
            )


def _turn() -> None:
    """Run the whole page where a callback asked for it."""
    if st.session_state.pop(TURN, False):
        st.rerun()


# --- in motion ----------------------------------------------------------------------------------------------------


@st.fragment
def _now(owner: str) -> None:
    """The takes in motion. Runs again by itself: often while there are any, now and then to notice those of other tabs."""
    _turn()
    rows = live.jobs(owner)
    moving = rows.moving()
    ended = rows.ended()
    cards = st.container(key="live")
    clock = st.container(key="clock")
    if moving:
        with cards, st.grid("auto", min_column_width=260, gap="medium", key="live-grid"):
            for job in moving[:SHOWN_LIVE]:
                with st.container(key=f"live-{job.id}", border=True, gap="xsmall"):
                    _live_card(owner, job)
        if len(moving) > SHOWN_LIVE:
            with cards:
                st.caption(f"and {len(moving) - SHOWN_LIVE:,} more; filter the history by state to see them.")
    with clock:
        live.keep_fresh("jobs.clock", busy=bool(moving))
    if ended:
        st.session_state[NEWS] = sorted(ended)
        st.rerun()  # the history below has a new row


def _live_card(owner: str, job: Job) -> None:
    player.small(job)
    card.badge(job)
    now = utc_now()
    st.caption(
        f"{card.model_title(job)} · {words.plain(words.short(job.prompt, 70))}", help=words.exact(job.created_at)
    )
    if job.progress is not None:
        st.progress(min(max(job.progress, 0.0), 1.0))
    told = words.wait(job, current().pace(job.model, job.provider), now)
    st.caption(words.plain(f"{words.seconds((now - job.created_at).total_seconds())} so far. {told}"))
    with st.container(horizontal=True):
        st.button("Open", key=f"live.open.{job.id}", type="tertiary", on_click=_open, args=(job.id,))
        actions.cancel(owner, job, "live")


# --- the history --------------------------------------------------------------------------------------------------


@st.fragment
def _past(owner: str) -> None:
    """The search and one page of what it finds. Runs when somebody asks, or a take has ended."""
    _turn()
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
                    st.button("Open", key=f"tile.open.{row.id}", type="tertiary", on_click=_open, args=(row.id,))
                st.caption(words.plain(words.short(row.prompt, 80)) or card.title_of(row.model))


def _open_row() -> None:
    click = st.session_state["jobs.open"]
    _open(st.session_state["jobs.rows"][click["row"]])


def _open(job_id: str | None) -> None:
    if job_id:
        st.query_params[OPENED] = job_id
        st.session_state[TURN] = True


def _close() -> None:
    st.query_params.pop(OPENED, None)
    st.session_state[TURN] = True


# --- one take -----------------------------------------------------------------------------------------------------


@st.fragment
def _take(owner: str, job_id: str) -> None:
    """One take in full; runs again by itself while it is under way. Each part has its slot, so nothing jumps."""
    draft.go()
    _turn()
    rows = live.jobs(owner)
    top = st.container(key="take-top", horizontal=True, vertical_alignment="center")
    body = st.container(key="take")
    clock = st.container(key="clock")
    try:
        job = rows.get(job_id) or current().get(owner, job_id)
    except NotFound as exc:
        with body:
            st.header("Jobs", anchor=False)
            st.warning(exc.message, icon=":material/search_off:")
            st.button("Show all jobs", key="jobs.close-missing", on_click=_close)
        return
    with top:
        _way(owner, job)
    with body, st.container(key=f"opened-{job.id}"):
        left, right = st.columns([7, 5], gap="large")
        with left:
            card.opened(owner, job, "opened", _open)
        with right:
            _inputs(job)
            _family(owner, job)
            remarks.panel(owner, job)
            _timeline(owner, job)
    if job.is_open:
        with clock:
            live.keep_fresh("jobs.clock", busy=True)


def _way(owner: str, job: Job) -> None:
    """Back to the list, and on to the takes beside this one in it, also with the arrow keys."""
    before, behind = current().around(filters.asked(owner), job.id)
    st.header(card.model_title(job), anchor=False, width="stretch")
    st.button("Newer", key="take.before", icon=":material/chevron_left:", type="tertiary", shortcut="Left",
              disabled=before is None, on_click=_open, args=(before,))  # fmt: skip
    st.button("Older", key="take.behind", icon=":material/chevron_right:", type="tertiary", shortcut="Right",
              disabled=behind is None, on_click=_open, args=(behind,))  # fmt: skip
    st.button("All takes", key="jobs.close", icon=":material/grid_view:", type="tertiary", on_click=_close)


def _inputs(job: Job) -> None:
    """Everything that was asked for, with the still as a picture."""
    st.markdown("**Settings**")
    if job.still:
        with st.container(width=180):
            player.still(job)
    lines = []
    for name, value in {**job.inputs, **job.options}.items():
        if name == "prompt" or value in (None, "") or value == job.still:
            continue
        shown = f"{len(value)} clips" if isinstance(value, list) else str(value)
        if MEDIA_KEY.fullmatch(shown):
            shown = f"file {shown[:8]}…"
        lines.append(f"{name.replace('_', ' ').capitalize()}: {shown}")
    st.text("\n".join(lines))
    if job.request_id and job.provider != "preview":
        st.caption("Request id")
        st.code(job.request_id, language=None)


def _family(owner: str, job: Job) -> None:
    """What it grew out of, and what grew out of it: retries, edits, and takes that go on from its last frame."""
    above, below = current().family(owner, job)
    for title, takes in (("Grew out of", above), ("Led to", below)):
        if takes:
            st.markdown(f"**{title}**")
            with st.grid("auto", min_column_width=110, gap="small", key=f"family.{title}.{job.id}"):
                for take in takes:
                    with st.container(key=f"relative-{job.id}-{take.id}", gap="xsmall"):
                        player.still_of(take)
                        st.button(words.short(take.prompt, 24) or card.model_title(take), key=f"relative.{job.id}.{take.id}",
                                  type="tertiary", on_click=_open, args=(take.id,))  # fmt: skip


def _timeline(owner: str, job: Job) -> None:
    """When it moved, and why; notes of what happened in between are indented."""
    st.markdown("**Timeline**")
    events = current().history(owner, job.id)
    st.code("\n".join(timeline(events)), language=None, wrap_lines=True)
    if job.logs:
        with st.expander("Log"):
            st.code("\n".join(job.logs), language=None, wrap_lines=True)


def timeline(events: list[Event]) -> list[str]:
    """One line an event, with the day wherever it changes. Times are UTC."""
    lines: list[str] = []
    day = ""
    for event in events:
        if f"{event.at:%d %b %Y}" != day:
            day = f"{event.at:%d %b %Y}"
            lines.append(f"{day}, UTC")
        moved = event.from_state is not event.to_state
        said = (
            f"{words.LOOKS[event.to_state].word}{f' ({event.why})' if event.why else ''}" if moved else f"  {event.why}"
        )
        lines.append(f"{event.at:%H:%M:%S}  {said}")
    return lines


def _invite() -> None:
    """What stands where the jobs will be."""
    first = current().default_model()
    with st.container(key="invite", border=True, horizontal_alignment="center", gap="medium"):
        st.space("large")
        st.subheader("No takes yet", anchor=False, text_alignment="center")
        st.caption("Every video you make is kept here, with what made it.", text_alignment="center")
        st.page_link(
            st.Page(lambda: None, url_path=first.slug, title=first.title), label=f"Make one with {first.title}"
        )
        st.space("large")
