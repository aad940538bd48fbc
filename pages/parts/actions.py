"""What can be done with a take: the buttons, and what a press of each does."""

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import streamlit as st

from core.errors import AppError, InvalidForm
from core.jobs.desk import Where
from core.jobs.job import ENDED, Job, State
from core.jobs.truth import cancel_means
from core.models import MODELS
from core.models.spec import Still
from core.studio import current
from pages.parts import draft, join, player, words

Opener = Callable[[str], None]
"""Brings a take on the stage, by its id."""

MOVES: tuple[tuple[str, Where, str], ...] = (
    ("First", "first", ":material/vertical_align_top:"),
    ("Earlier", "earlier", ":material/arrow_upward:"),
    ("Later", "later", ":material/arrow_downward:"),
    ("Last", "last", ":material/vertical_align_bottom:"),
)


def cancel(owner: str, job: Job, where: str) -> None:
    """Ends a job, with what that costs on the button."""
    if job.state in ENDED:
        return
    told = cancel_means(job, current().provider_title(job.provider))
    gives_up = job.state is State.UNKNOWN or (job.state is State.SAVING and job.faults > 0)
    st.button(
        {State.UNKNOWN: "Let it be", State.SAVING: "Give up"}[job.state] if gives_up else "Cancel",
        key=f"{where}.cancel.{job.id}",
        icon=":material/close:",
        help=told,
        disabled=(job.cancel_requested or job.state is State.SAVING) and not gives_up,
        on_click=_do,
        args=(lambda: current().cancel(owner, job.id),),
    )


def again(owner: str, job: Job, where: str, opens: Opener) -> None:
    """The two ways to another try of a take that came to nothing, or whose file is lost. The better one stands out."""
    lost = job.state is State.SUCCEEDED and not player.is_kept(job)
    if not (lost or job.state in (State.FAILED, State.CANCELLED)) or job.model not in MODELS:
        return
    hopeful = job.state is State.CANCELLED or job.error is None or job.error.retryable
    nonce = st.session_state.setdefault(f"retry.{job.id}", uuid4().hex)
    st.button(
        "Retry the same",
        key=f"{where}.retry.{job.id}.{nonce}",  # a second click on the same button is no second job
        icon=":material/replay:",
        type="primary" if hopeful else "secondary",
        help="The same input, sent anew." if hopeful else "The same input leads to the same answer. Change it instead.",
        on_click=_retry,
        args=(owner, job.id, nonce, opens),
    )
    if not lost:  # that one has "Use these settings"
        edit(job, where, "Edit and retry", primary=not hopeful)


def edit(job: Job, where: str, label: str, *, primary: bool = False) -> None:
    """Opens the form as it was for this take; what is being typed there is kept."""
    if job.model in MODELS:
        st.button(
            label,
            key=f"{where}.edit.{job.id}",
            icon=":material/edit:",
            type="primary" if primary else "secondary",
            help="Opens the form with these settings. What you were typing there can be brought back.",
            on_click=draft.fill,
            args=(job,),
        )


def reuse(owner: str, job: Job, where: str) -> None:
    """For a take that is done: its settings in the form again, a take that begins where it ends, one that it is part of."""
    if job.state is not State.SUCCEEDED:
        return
    edit(job, where, "Use these settings")
    if (
        job.model in MODELS
        and player.is_kept(job)
        and any(isinstance(field.kind, Still) and field.required for field in MODELS[job.model].fields)
    ):
        st.button(
            "Continue from the last frame",
            key=f"{where}.continue.{job.id}",
            icon=":material/skip_next:",
            help="Opens the form with this take's last frame as the still.",
            on_click=_continue,
            args=(owner, job),
        )
    join.menu(owner, job, where)


def _continue(owner: str, job: Job) -> None:
    try:
        frame = current().last_frame(owner, job.id)
    except AppError as exc:
        st.toast(words.plain(exc.message), icon=":material/error:")
    else:
        draft.fill(job, frame)


def attach(owner: str, job: Job, where: str) -> None:
    """For a take of unknown outcome: the request id from the provider's dashboard."""
    if job.state is not State.UNKNOWN:
        return
    field = f"{where}.request-id.{job.id}"
    problem = f"{where}.request-id-error.{job.id}"

    def press() -> None:
        try:
            current().attach(owner, job.id, str(st.session_state.get(field) or ""))
            st.session_state.pop(problem, None)
        except AppError as exc:
            st.session_state[problem] = exc.message

    with st.container(horizontal=True, vertical_alignment="bottom", key=f"{where}.attach-row.{job.id}"):
        st.text_input("Request id at fal", key=field, placeholder="764cabcf-b745-4b3e-ae38-1200304cf45b", width=330)
        st.button("Attach", key=f"{where}.attach.{job.id}", icon=":material/link:", on_click=press)
    if st.session_state.get(problem):
        st.error(st.session_state[problem], icon=":material/error:")


def resend(owner: str, job: Job, where: str, opens: Opener) -> None:
    """For a take of unknown outcome: another submit, knowingly."""
    if job.state is not State.UNKNOWN or job.model not in MODELS:
        return
    nonce = st.session_state.setdefault(f"retry.{job.id}", uuid4().hex)
    with st.popover("Send again…", icon=":material/replay:"):
        st.text("The first request may have been accepted. Then both are made, and both are charged.")
        st.button(
            "Send it again all the same",
            key=f"{where}.resend.{job.id}.{nonce}",
            type="primary",
            on_click=_retry,
            args=(owner, job.id, nonce, opens),
        )


def reorder(owner: str, job: Job, where: str) -> None:
    """For a take that waits here: its place among this person's own."""
    if job.state is not State.WAITING or job.cancel_requested:
        return
    with st.popover("Place in line", icon=":material/swap_vert:"):
        st.caption("Among your own waiting takes. It costs nothing.")
        with st.container(horizontal=True):
            for label, to, icon in MOVES:
                st.button(
                    label,
                    key=f"{where}.{to}.{job.id}",
                    icon=icon,
                    on_click=_do,
                    args=(lambda to=to: current().move_in_line(owner, job.id, to),),
                )


def star(owner: str, job: Job, where: str) -> None:
    """Marks a take as a favourite."""
    st.button(
        "Starred" if job.starred else "Star",
        key=f"{where}.star.{job.id}",
        icon=":material/star:" if job.starred else ":material/star_outline:",
        type="tertiary",
        help="Starred takes are never cleared away.",
        on_click=_do,
        args=(lambda: current().star(owner, job.id, not job.starred),),
    )


def _do(act: Callable[[], Any]) -> None:
    try:
        act()
    except AppError as exc:
        st.toast(words.plain(exc.message), icon=":material/error:")


def _retry(owner: str, job_id: str, nonce: str, opens: Opener) -> None:
    try:
        child = current().retry(owner, job_id, nonce)
    except InvalidForm as exc:
        st.toast(words.plain(" ".join(exc.fields.values())), icon=":material/error:")
    except AppError as exc:
        st.toast(words.plain(exc.message), icon=":material/error:")
    else:
        st.session_state[f"retry.{job_id}"] = uuid4().hex
        opens(child.id)
