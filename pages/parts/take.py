"""One take opened: the large player, everything it was made from, its relatives, remarks and timeline."""

import streamlit as st

from core.errors import NotFound
from core.jobs.job import Event, Job
from core.studio import current
from pages.parts import card, draft, filters, given, kin, live, opened, reel, remarks, words

LOG_LINES, LOG_LINE = 300, 500  # lines of a log that are shown, the last of them, and characters of each


@st.fragment
def show(owner: str, job_id: str) -> None:
    """One take in full; runs again by itself while it is under way. Each part has its slot, so nothing jumps."""
    draft.go()
    opened.turn()
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
            st.button("Show all jobs", key="jobs.close-missing", on_click=opened.close)
        return
    with top:
        _way(owner, job)
    with body, st.container(key=f"opened-{job.id}"):
        left, right = st.columns([7, 5], gap="large")
        with left:
            card.opened(owner, job, "opened", opened.show)
            remarks.undo_bar(owner)
        with right:
            given.show(job)
            kin.show(owner, job)
            remarks.panel(owner, job)
            _timeline(owner, job)
    with clock:
        reel.conductor(rows)
        if job.is_open:
            live.keep_fresh("jobs.clock", busy=True)


def _way(owner: str, job: Job) -> None:
    """Back to the list, and on to the takes beside this one in it, also with the arrow keys."""
    before, behind = current().around(filters.asked(owner), job.id)
    st.header(words.plain(words.short(card.model_title(job), 60)), anchor=False, width="stretch")
    st.button("Newer", key="take.before", icon=":material/chevron_left:", type="tertiary", shortcut="Left",
              disabled=before is None, on_click=opened.show, args=(before,))  # fmt: skip
    st.button("Older", key="take.behind", icon=":material/chevron_right:", type="tertiary", shortcut="Right",
              disabled=behind is None, on_click=opened.show, args=(behind,))  # fmt: skip
    st.button("All takes", key="jobs.close", icon=":material/grid_view:", type="tertiary", on_click=opened.close)


def _timeline(owner: str, job: Job) -> None:
    """When it moved, and why; notes of what happened in between are indented."""
    st.markdown("**Timeline**")
    events = current().history(owner, job.id)
    st.code(words.clean("\n".join(timeline(events))), language=None, wrap_lines=True)
    if job.logs:
        with st.expander("Log"):
            if len(job.logs) > LOG_LINES:
                st.caption(f"The last {LOG_LINES} of {len(job.logs):,} lines.")
            lines = (words.clean(line)[:LOG_LINE] for line in job.logs[-LOG_LINES:])
            st.code("\n".join(lines), language=None, wrap_lines=True)


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
