"""One take opened: the large player, everything it was made from, its relatives, remarks and timeline."""

import re

import streamlit as st

from core.errors import NotFound
from core.jobs.job import Event, Job
from core.studio import current
from pages.parts import card, draft, filters, live, opened, player, remarks, words

MEDIA_KEY = re.compile(r"[0-9a-f]{64}\.\w+")


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
              disabled=before is None, on_click=opened.show, args=(before,))  # fmt: skip
    st.button("Older", key="take.behind", icon=":material/chevron_right:", type="tertiary", shortcut="Right",
              disabled=behind is None, on_click=opened.show, args=(behind,))  # fmt: skip
    st.button("All takes", key="jobs.close", icon=":material/grid_view:", type="tertiary", on_click=opened.close)


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
                                  type="tertiary", on_click=opened.show, args=(take.id,))  # fmt: skip


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
