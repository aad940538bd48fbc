"""Every take of this browser: those in motion, the history as table or gallery, and one take opened."""

import streamlit as st

from core.jobs.history import Search
from core.jobs.job import Job, utc_now
from core.studio import current
from pages.parts import actions, card, history, identity, live, opened, player, reel, take, words

SHOWN_LIVE = 12  # cards of takes in motion; how many more there are is said
NEWS = "takes.news"  # takes that have just ended, for the run that tells them
MOST_NEWS = 3  # toasts at once
FRESH_S = 60.0  # a take that ended longer ago is no news: it was starred, or remarked on


def render() -> None:
    """Show the page."""
    owner = identity.owner()
    if wanted := opened.wanted():
        take.show(owner, wanted)
        return
    _tell(owner)
    with st.container(key="jobs-head", horizontal=True, vertical_alignment="center"):
        st.header("Jobs", anchor=False, width="stretch")
        with st.container(width=240):
            reel.conductor(live.jobs(owner), switches=True)
    if not any(current().count(Search(owner=owner, binned=binned)) for binned in (False, True)):
        _invite()
        return
    live.jobs(owner).ended()  # the history below is read after this
    _now(owner)
    history.past(owner)


def _tell(owner: str) -> None:
    """Say what has just ended, and how."""
    rows = live.jobs(owner)
    for job_id in st.session_state.pop(NEWS, [])[:MOST_NEWS]:
        job = rows.get(job_id)
        if job is not None and job.finished_at is not None and (utc_now() - job.finished_at).total_seconds() < FRESH_S:
            look = words.LOOKS[job.state]
            st.toast(f"{look.word}: {words.plain(words.called(job.prompt, card.model_title(job), 60))}", icon=look.icon)


@st.fragment
def _now(owner: str) -> None:
    """The takes in motion. Runs again by itself: often while there are any, now and then to notice those of other tabs."""
    opened.turn()
    rows = live.jobs(owner)
    moving = rows.moving()
    ended = rows.ended()
    reel.title(rows)
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
        words.plain(f"{words.short(card.model_title(job), 40)} · {words.short(job.prompt, 70)}"),
        help=words.exact(job.created_at),
    )
    if job.progress is not None:
        st.progress(min(max(job.progress, 0.0), 1.0))
    told = words.wait(job, current().pace(job.model, job.provider), now)
    st.caption(words.plain(f"{words.seconds((now - job.created_at).total_seconds())} so far. {told}"))
    with st.container(horizontal=True):
        st.button("Open", key=f"live.open.{job.id}", type="tertiary", on_click=opened.show, args=(job.id,))
        actions.cancel(owner, job, "live")


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
