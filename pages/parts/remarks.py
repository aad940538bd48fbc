"""What people write onto a take: stars out of five, tags and a note; and the bin."""

import time
from collections.abc import Sequence

import streamlit as st

from core.errors import AppError
from core.jobs.history import Remarks
from core.jobs.job import OPEN, Job
from core.studio import current

TOLD = "takes.told"  # what has become of takes, and which of them can be taken out of the bin again
TOLD_S = 300.0  # how long that is offered; in the bin itself, for 30 days


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
    if job.binned_at is None:
        st.button("Delete", key=f"{where}.bin.{job.id}", icon=":material/delete:", type="tertiary",
                  help="It stays in the bin for 30 days, and can be taken out again.",
                  on_click=to_bin, args=(owner, [job.id]))  # fmt: skip
        return
    st.button("Take out of the bin", key=f"{where}.bin.{job.id}", icon=":material/restore_from_trash:", type="tertiary",
              on_click=write, args=(owner, [job.id], Remarks(binned=False)))  # fmt: skip


# --- the bin ------------------------------------------------------------------------------------------------------


def to_bin(owner: str, job_ids: list[str]) -> None:
    """Put takes into the bin, those that are under way left out, and offer to undo it. Call it from a callback."""
    try:
        gone, stay = current().to_bin(owner, job_ids)
    except AppError as exc:
        st.toast(exc.message, icon=":material/error:")
        return
    told = []
    if gone:
        told.append(f"{f'{len(gone):,} takes are' if len(gone) > 1 else '1 take is'} in the bin for 30 days.")
    if len(stay) == 1:
        told.append("1 is under way and stays; cancel it first.")
    elif stay:
        told.append(f"{len(stay):,} are under way and stay; cancel them first.")
    if told:
        tell(" ".join(told), gone)


def tell(text: str, undo: Sequence[str] = ()) -> None:
    """Say what has become of takes, in the bar that offers to undo it. Call it from a callback.

    Args:
        text: a sentence or two.
        undo: the takes that can be taken out of the bin again; none for what cannot be undone.
    """
    st.session_state[TOLD] = {"ids": list(undo), "told": text, "at": time.monotonic()}


def has_told() -> bool:
    """Whether the bar has something to say."""
    last = st.session_state.get(TOLD)
    return last is not None and time.monotonic() - last["at"] < TOLD_S


def undo_bar(owner: str) -> None:
    """What was told last, with a way back out of the bin. It stays until it is closed, or for some minutes.

    Call it at every run: it holds its place where there is nothing to say.
    """
    with st.container(key="undo", horizontal=True, vertical_alignment="center", gap="small"):
        if not has_told():
            return
        last = st.session_state[TOLD]
        st.markdown(f":material/delete: {last['told']}", width="content")
        if last["ids"]:
            st.button("Undo", key="undo.undo", icon=":material/undo:", on_click=_undo, args=(owner, last["ids"]))
        st.button("Close", key="undo.close", icon=":material/close:", type="tertiary", on_click=_close)


def _undo(owner: str, job_ids: list[str]) -> None:
    write(owner, [job.id for job in current().some(owner, job_ids)], Remarks(binned=False))


def _close() -> None:
    st.session_state.pop(TOLD, None)


def write(owner: str, job_ids: list[str], remarks: Remarks) -> None:
    """Write onto takes; a toast says what did not work. Call it from a callback."""
    try:
        current().remark(owner, job_ids, remarks)
    except AppError as exc:
        st.toast(exc.message, icon=":material/error:")
    if remarks.binned is False:
        _close()
