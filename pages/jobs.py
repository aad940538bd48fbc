"""Every take of this browser: the opened one, those in motion, and the history as table or gallery."""

import re
from datetime import datetime
from typing import Any

import pandas as pd
import streamlit as st

from core.errors import NotFound
from core.jobs.job import Event, Job, State, utc_now
from core.studio import current
from pages.parts import actions, card, draft, identity, live, player, words

GALLERY = 24  # players on the page; each loads nothing before it is pressed
MEDIA_KEY = re.compile(r"[0-9a-f]{64}\.\w+")
OPENED = "job"  # the query parameter that a link to a take carries
SHOW = {
    "All": None,
    "Live": frozenset({State.WAITING, State.SUBMITTING, State.QUEUED, State.RUNNING, State.SAVING}),
    "Done": frozenset({State.SUCCEEDED}),
    "Not done": frozenset({State.FAILED, State.CANCELLED, State.UNKNOWN}),
}


def render() -> None:
    """Show the page."""
    owner = identity.owner()
    st.header("Jobs", anchor=False)
    _live_page(owner)


@st.fragment
def _live_page(owner: str) -> None:
    """Everything that changes; runs again by itself while a job is live. Each part has its slot, so nothing jumps."""
    draft.go()
    rows = live.jobs(owner)
    opened_slot = st.container(key="opened")
    history_slot = st.container(key="history")
    clock = st.container(key="clock") if rows.any_live() else None
    wanted = st.query_params.get(OPENED)
    if wanted:
        with opened_slot:
            _opened(owner, rows, wanted)
    with history_slot:
        takes = rows.newest()
        if takes:
            _history(takes, owner)
        else:
            _invite()
    if clock is not None:
        with clock:
            live.keep_fresh("jobs.clock")


def _opened(owner: str, rows: live.Jobs, job_id: str) -> None:
    try:
        job = rows.get(job_id) or current().get(owner, job_id)
    except NotFound as exc:
        st.warning(exc.message, icon=":material/search_off:")
        st.button("Show all jobs", key="jobs.close-missing", on_click=_close)
        return
    with st.container(key=f"opened-{job.id}", border=True):
        left, right = st.columns([7, 5], gap="large")
        with left:
            card.opened(owner, job, "opened", _open)
        with right:
            with st.container(horizontal=True, horizontal_alignment="right"):
                st.button("Close", key="jobs.close", icon=":material/close:", type="tertiary", on_click=_close)
            _inputs(job)
            _timeline(owner, job)


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


def _history(takes: list[Job], owner: str) -> None:
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
        show = st.segmented_control(
            "Show", list(SHOW), default="All", required=True, key="jobs.show", label_visibility="collapsed"
        )
        view = st.segmented_control(
            "View",
            ["Table", "Gallery"],
            default="Table",
            required=True,
            key="jobs.view",
            label_visibility="collapsed",
        )
    states = SHOW[show or "All"]
    chosen = [job for job in takes if states is None or job.state in states]
    if not chosen:
        st.caption("Nothing here. Choose “All” to see every take.")
    elif view == "Gallery":
        _gallery(chosen[:GALLERY], owner)
    else:
        _table(chosen)


def table(takes: list[Job], now: datetime) -> pd.DataFrame:
    """The history as a frame: one row a job, in the order given."""

    def row(job: Job) -> dict[str, Any]:
        picture = "poster.jpg" if job.video else "still.jpg"
        return {
            "Open": "Open",
            "Picture": player.address(job, picture) if job.video or job.still else None,
            "State": words.state_line(job, live.ahead(job)),
            "Model": card.model_title(job),
            "Prompt": words.short(job.prompt, 200),
            "Ran on": current().provider_title(job.provider),
            "Length": f"{job.video.duration_s:.1f} s" if job.video else "",
            "Cost": words.cost(job),
            "Made": words.ago(job.created_at, now),
        }

    return pd.DataFrame([row(job) for job in takes])


def _table(takes: list[Job]) -> None:
    st.session_state["jobs.rows"] = [job.id for job in takes]
    st.dataframe(
        table(takes, utc_now()),
        key="jobs.table",
        hide_index=True,
        row_height=56,
        column_config={
            "Open": st.column_config.ButtonColumn("", key="jobs.open", on_click=_open_row, type="tertiary", width=70),
            "Picture": st.column_config.ImageColumn("", width=90),
            "Prompt": st.column_config.TextColumn(width="large"),
        },
        alt="Jobs, newest first",
    )


def _gallery(takes: list[Job], owner: str) -> None:
    with st.grid("auto", min_column_width=260, gap="medium", key="gallery"):
        for job in takes:
            with st.container(key=f"tile-{job.id}", gap="xsmall"):
                card.small(owner, job, "tile")
                with st.container(horizontal=True):
                    st.button("Open", key=f"tile.open.{job.id}", type="tertiary", on_click=_open, args=(job.id,))
                    actions.cancel(owner, job, "tile")


def _open_row() -> None:
    click = st.session_state["jobs.open"]
    _open(st.session_state["jobs.rows"][click["row"]])


def _open(job_id: str) -> None:
    st.query_params[OPENED] = job_id


def _close() -> None:
    st.query_params.pop(OPENED, None)


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
