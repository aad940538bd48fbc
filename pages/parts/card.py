"""One job on a page: the large view of the opened one, and the small card in a list."""

import json
from typing import Any

import streamlit as st

from core.jobs.job import ENDED, NEVER, Job, State, utc_now
from core.jobs.truth import cancel_came_to
from core.models import MODELS
from core.preview import LABEL
from core.studio import current
from pages.parts import actions, live, player, reel, remarks, words

MOST_SAID = 1000  # characters of an error; ours are a sentence or two
MOST_RAW = 20_000  # characters of what a provider said that are sent to a browser


def model_title(job: Job) -> str:
    """The model's name for people; its slug where it is no longer in the catalogue."""
    return title_of(job.model)


def title_of(slug: str) -> str:
    """The same by the slug."""
    spec = MODELS.get(slug)
    return spec.title if spec else slug


def badge(job: Job) -> None:
    """The job's state as a coloured word."""
    look = words.LOOKS[job.state]
    said = words.plain(words.short(words.state_line(job, live.ahead(job)), 80))
    said = said.replace("\\[", "[").replace("\\]", "]")  # st.badge escapes these itself
    st.badge(said, icon=look.icon, color=look.color)  # type: ignore[arg-type]


def opened(owner: str, job: Job, where: str, opens: actions.Opener) -> None:
    """The take in full: player or progress, what it is, and what can be done with it.

    Every part has its own slot, so that a line that comes or goes moves no player.

    Args:
        owner: who looks.
        job: the take.
        where: start of the widget keys.
        opens: brings another take on the stage, such as a retry.
    """
    head = st.container(key=f"{where}-head", horizontal=True, vertical_alignment="center")
    stage = st.container(key=f"{where}-stage-{job.id}", gap="xsmall")
    below = st.container(key=f"{where}-below-{job.id}", gap="small")
    with head:
        badge(job)
        place = f"{words.short(model_title(job), 60)} · {words.short(current().provider_title(job.provider), 60)}"
        st.caption(
            f"{words.plain(place)} · {words.ago(job.created_at, utc_now())}",
            help=words.exact(job.created_at),
        )
    with stage:
        if job.state is State.SUCCEEDED and player.is_kept(job):
            player.large(job)
            reel.strip(job, where)
        elif job.state is State.SUCCEEDED:
            st.warning("The file of this take is no longer stored.", icon=":material/videocam_off:")
            player.still(job)
        else:
            player.still(job)
    with below:
        _progress(job)
        _outcome(job)
        actions.attach(owner, job, where)
        if job.prompt:
            st.text(words.short(job.prompt, words.PROMPT_SHOWN))
        _facts(job)
        with st.container(horizontal=True, key=f"{where}-actions-{job.id}"):
            actions.again(owner, job, where, opens)
            actions.resend(owner, job, where, opens)
            actions.reuse(owner, job, where)
            actions.reorder(owner, job, where)
            actions.cancel(owner, job, where)
            if job.state in ENDED:
                actions.star(owner, job, where)
            remarks.bin_button(owner, job, where)


def _progress(job: Job) -> None:
    """What is known of a job that is under way: how far, how long, what stands in its way, what became of a cancel."""
    came_to = cancel_came_to(job, current().provider_title(job.provider))
    if came_to:
        st.caption(f":material/cancel: {words.plain(came_to)}")
    if not job.is_open:
        return
    if job.progress is not None:
        st.progress(min(max(job.progress, 0.0), 1.0))
    if job.trouble:
        st.caption(f":material/sync_problem: {words.plain(job.trouble)}")
    wait = words.wait(job, current().pace(job.model, job.provider), utc_now())
    if wait:
        overdue = wait.startswith("Overdue")
        st.caption(f"{':material/schedule:' if not overdue else ':orange[:material/alarm:]'} {words.plain(wait)}")
    if job.state is State.WAITING and not current().has_provider(job.provider):
        st.warning(f"This installation has no provider “{words.plain(job.provider)}”. Cancel it, or bring that back.")


def _outcome(job: Job) -> None:
    """Why there is no video: what happened, whether it cost anything, and the provider's own words folded away."""
    if job.error is None:
        return
    free = job.provider == "preview" or job.state is State.UNKNOWN  # the message of a lost answer says it
    charge = "" if free else f" {words.CHARGED[job.error.charged]}"
    said = job.error.message
    said = said if len(said) <= MOST_SAID else f"{said[:MOST_SAID]}…"
    text = f"{words.plain(said)}{charge}"
    match job.state:
        case State.UNKNOWN:
            looks = " It is looked for in fal's records by itself, too." if job.due_at < NEVER else ""
            st.warning(f"{text}{looks}", icon=":material/help:")
        case State.FAILED:
            st.error(text, icon=":material/error:")
        case State.CANCELLED:
            st.info(text, icon=":material/cancel:")
    if job.error.raw:
        with st.expander("What the provider said"):
            raw = words.clean(json.dumps(job.error.raw, indent=2, ensure_ascii=False, default=str))
            if len(raw) > MOST_RAW:
                st.caption(f"The first {MOST_RAW:,} of {len(raw):,} characters.")
            st.code(raw[:MOST_RAW], language="json", wrap_lines=True)


def _facts(job: Job) -> None:
    if job.video is None:
        if said := words.at_stake(job):
            st.caption(words.plain(said))
        return
    clip = job.video
    st.caption(
        f"{clip.width} × {clip.height} · {clip.duration_s:.1f} s · {clip.fps:g} fps · {words.size(clip.bytes)} · "
        f"{words.cost(job)}"
    )
    told = (job.output or {}).get("facts")
    facts = told if isinstance(told, dict) else {}
    if job.provider == "preview" and job.model != "splice":
        st.caption(f":material/info: {LABEL}")
        if facts.get("plan"):
            st.caption(f"Camera: {words.plain(words.short(str(facts['plan']), 200))}")
        if facts.get("ignored"):
            st.caption(f"Not rendered here: {words.plain(words.short(_listed(facts['ignored']), 200))}")
    if facts.get("seed") is not None:
        st.caption(words.plain(words.short(f"Seed: {facts['seed']}", 60)))


def _listed(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def small(owner: str, job: Job, where: str) -> None:
    """A job in a list. Call it inside a container whose key is the job's id."""
    player.small(job)
    with st.container(key=f"{where}-words-{job.id}", gap="xsmall"):
        badge(job)
        st.caption(words.plain(words.called(job.prompt, model_title(job), 80)))
