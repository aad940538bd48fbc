"""What people write onto a take: stars out of five, tags and a note; and the bin."""

import streamlit as st

from core.errors import AppError
from core.jobs.history import Remarks
from core.jobs.job import OPEN, Job
from core.studio import current


def panel(owner: str, job: Job) -> None:
    """Rating, tags and note of the opened take; each is kept as soon as it is changed."""
    rating, tags, note = (f"remark.{name}.{job.id}" for name in ("rating", "tags", "note"))
    st.session_state.setdefault(rating, job.rating - 1 if job.rating else None)
    st.session_state.setdefault(tags, list(job.tags))
    st.session_state.setdefault(note, job.note)

    def keep_rating() -> None:
        points = st.session_state[rating]
        write(owner, [job.id], Remarks(rating=0 if points is None else points + 1))

    st.feedback("stars", key=rating, on_change=keep_rating)
    st.multiselect(
        "Tags",
        sorted({*current().tags(owner), *st.session_state[tags]}),
        key=tags,
        accept_new_options=True,
        placeholder="Add a tag",
        on_change=lambda: write(owner, [job.id], Remarks(tags=tuple(st.session_state[tags]))),
    )
    st.text_area(
        "Note",
        key=note,
        height=80,
        placeholder="What to remember about this take",
        on_change=lambda: write(owner, [job.id], Remarks(note=str(st.session_state[note] or ""))),
    )


def bin_button(owner: str, job: Job, where: str) -> None:
    """Puts a take into the bin, or takes it out; it is cleared away after 30 days in there."""
    if job.state in OPEN:
        return
    binned = job.binned_at is not None
    st.button(
        "Take out of the bin" if binned else "Delete",
        key=f"{where}.bin.{job.id}",
        icon=":material/restore_from_trash:" if binned else ":material/delete:",
        type="tertiary",
        help="It stays in the bin for 30 days, and can be taken out again.",
        on_click=write,
        args=(owner, [job.id], Remarks(binned=not binned)),
    )


def write(owner: str, job_ids: list[str], remarks: Remarks) -> None:
    """Write onto takes; a toast says what did not work, and how to undo a deletion."""
    try:
        count = current().remark(owner, job_ids, remarks)
    except AppError as exc:
        st.toast(exc.message, icon=":material/error:")
        return
    if remarks.binned:
        plural = "take is" if count == 1 else "takes are"
        st.toast(f"{count} {plural} in the bin for 30 days.", icon=":material/delete:")
