"""One job on a page: the large view of the opened one, and the small card in a list."""

import streamlit as st

from core.errors import NotFound
from core.jobs.job import Job, State, utc_now
from core.models import MODELS
from core.preview import LABEL
from core.studio import current
from pages.parts import player, words


def model_title(job: Job) -> str:
    """The model's name for people; its slug where it is no longer in the catalogue."""
    spec = MODELS.get(job.model)
    return spec.title if spec else job.model


def badge(job: Job) -> None:
    """The job's state as a coloured word."""
    look = words.LOOKS[job.state]
    st.badge(words.state_line(job), icon=look.icon, color=look.color)  # type: ignore[arg-type]


def cancel_button(owner: str, job: Job, where: str) -> None:
    """Ends a job that is open, with what that costs."""
    if not job.is_open:
        return
    free = job.state in (State.WAITING, State.QUEUED) or job.provider == "preview"
    told = "Free: nothing was made yet." if free else "It may finish all the same; then its video is kept."
    st.button(
        "Cancel",
        key=f"{where}.cancel.{job.id}",
        icon=":material/close:",
        help=told,
        disabled=job.cancel_requested or job.state is State.SAVING,
        on_click=_cancel,
        args=(owner, job.id),
    )


def _cancel(owner: str, job_id: str) -> None:
    try:
        current().cancel(owner, job_id)
    except NotFound as exc:
        st.toast(exc.message)


def opened(owner: str, job: Job, where: str) -> None:
    """The take in full: player or progress, what it is, and what can be done with it.

    Every part has its own slot, so that a line that comes or goes moves no player.
    """
    head = st.container(key=f"{where}-head", horizontal=True, vertical_alignment="center")
    stage = st.container(key=f"{where}-stage-{job.id}")
    below = st.container(key=f"{where}-below-{job.id}", gap="small")
    with head:
        badge(job)
        st.caption(
            f"{model_title(job)} · {current().provider_title(job.provider)} · {words.ago(job.created_at, utc_now())}",
            help=words.exact(job.created_at),
        )
    with stage:
        if job.state is State.SUCCEEDED and job.video is not None:
            player.large(job)
        else:
            player.still(job)
    with below:
        _progress(job)
        _outcome(job)
        if job.prompt:
            st.text(words.short(job.prompt, 400))
        _facts(job)
        with st.container(horizontal=True):
            if job.video is not None:
                st.link_button(
                    "Download",
                    player.address(job, "video.mp4") + "?download",
                    icon=":material/download:",
                    key=f"{where}.download.{job.id}",
                )
            cancel_button(owner, job, where)


def _progress(job: Job) -> None:
    if not job.is_open:
        return
    if job.progress is not None:
        st.progress(min(max(job.progress, 0.0), 1.0))
    if job.trouble:
        st.caption(f":material/sync_problem: {words.plain(job.trouble)}")


def _outcome(job: Job) -> None:
    if job.error is None:
        return
    charge = "" if job.provider == "preview" else f" {words.CHARGED[job.error.charged]}"
    text = f"{words.plain(job.error.message)}{charge}"
    if job.state is State.UNKNOWN:
        st.warning(
            f"{text} Look for it at fal.ai/dashboard before you send it again: it may have been accepted and paid.",
            icon=":material/help:",
        )
    elif job.state is State.FAILED:
        st.error(text, icon=":material/error:")
    if job.error.raw:
        with st.expander("What the provider said"):
            st.code(str(job.error.raw), language=None, wrap_lines=True)


def _facts(job: Job) -> None:
    if job.video is None:
        st.caption(f"Cost: {words.cost(job)}")
        return
    clip = job.video
    st.caption(
        f"{clip.width} × {clip.height} · {clip.duration_s:.1f} s · {clip.fps:g} fps · {words.size(clip.bytes)} · "
        f"{words.cost(job)}"
    )
    facts = (job.output or {}).get("facts", {})
    if job.provider == "preview" and job.model != "splice":
        st.caption(f":material/info: {LABEL}")
        if facts.get("plan"):
            st.caption(f"Camera: {words.plain(str(facts['plan']))}")
        if facts.get("ignored"):
            st.caption(f"Not rendered here: {words.plain(', '.join(map(str, facts['ignored'])))}")
    if facts.get("seed") is not None:
        st.caption(f"Seed: {facts['seed']}")


def small(owner: str, job: Job, where: str) -> None:
    """A job in a list. Call it inside a container whose key is the job's id."""
    player.small(job)
    with st.container(key=f"{where}-words-{job.id}", gap="xsmall"):
        badge(job)
        st.caption(words.short(words.plain(job.prompt), 80) or model_title(job))
