"""Several takes at once: which of the history are chosen, and the bar with what can be done to all of them."""

from collections.abc import Callable, Iterable
from dataclasses import replace

import streamlit as st

from core.errors import AppError
from core.jobs import bundle
from core.jobs.history import PAGE, Remarks, Row, Search, Sort
from core.jobs.job import Job
from core.studio import current
from core.web.bundles import MOST_CHOSEN, address_of, address_of_search
from pages.parts import opened, remarks, words

CHOSEN = "bulk.chosen"  # ids, in the order in which they were chosen
AMONG = "bulk.among"  # the search that they were found by: another one begins with none
ADD, DROP, RATING = "bulk.tags.add", "bulk.tags.drop", "bulk.rating"


def chosen() -> list[str]:
    """The takes that are chosen, on whichever page they stand."""
    return list(st.session_state.get(CHOSEN, ()))


def is_wanted() -> bool:
    """Whether there is anything for the bar to show."""
    return bool(chosen()) or remarks.has_told()


def begin(search: Search) -> None:
    """Forget what was chosen among the takes of another search; its order, page and look are no part of it."""
    among = replace(search, page=1, size=PAGE, sort=Sort.DATE, backwards=False)
    if st.session_state.get(AMONG) != among:
        st.session_state[AMONG] = among
        none()


def none() -> None:
    """Choose nothing."""
    st.session_state[CHOSEN] = []


def choose(page: Iterable[str], picked: Iterable[str]) -> None:
    """Of the takes on a page these are chosen, and the others are not; what is chosen elsewhere stays."""
    shown, now = set(page), set(picked)
    kept = [job_id for job_id in chosen() if job_id not in shown or job_id in now]
    kept += [job_id for job_id in page if job_id in now and job_id not in kept]
    if len(kept) > MOST_CHOSEN:
        st.toast(f"At most {MOST_CHOSEN} takes can be chosen at once.", icon=":material/error:")
    st.session_state[CHOSEN] = kept[:MOST_CHOSEN]


# --- where they are chosen ----------------------------------------------------------------------------------------


def hold_rows(key: str, page: list[str]) -> None:
    """Select the chosen rows of a table that is about to be shown: it knows places, and the session ids.

    Args:
        key: of the table.
        page: the ids of its rows.
    """
    now = set(chosen())
    wanted = [place for place, job_id in enumerate(page) if job_id in now]
    state = st.session_state.get(key)
    if (sorted(state["selection"]["rows"]) if state else []) != wanted:
        st.session_state[key] = {"selection": {"rows": wanted, "columns": [], "cells": []}}


def rows_picked(key: str, page: list[str]) -> None:
    """Somebody has selected rows of the table, or let them go."""
    rows = st.session_state[key]["selection"]["rows"]
    choose(page, [page[row] for row in rows if row < len(page)])


def box(row: Row, name: str) -> None:
    """The checkbox of a tile; `name` is for those who hear it."""
    key = f"tile.choose.{row.id}"
    is_chosen = row.id in chosen()
    if st.session_state.get(key) != is_chosen:
        st.session_state[key] = is_chosen
    st.checkbox(
        f"Choose: {name}",
        key=key,
        label_visibility="collapsed",
        width="content",
        on_change=lambda: choose([row.id], [row.id] if st.session_state[key] else []),
    )


# --- the bar ------------------------------------------------------------------------------------------------------


def bar(owner: str, page: list[str], *, in_bin: bool) -> None:
    """What can be done to the chosen takes, below the page: nothing above it moves when it comes and goes.

    Args:
        owner: who looks.
        page: the ids of the takes that are shown.
        in_bin: whether it is the bin that is shown.
    """
    with st.bottom, st.container(gap="small"):
        remarks.undo_bar(owner)
        ids = chosen()
        found = current().some(owner, ids) if ids else []
        jobs = [job for job in found if (job.binned_at is not None) is in_bin]
        if len(jobs) < len(ids):  # they went into the bin, or out of it, here or in another tab
            st.session_state[CHOSEN] = [job.id for job in jobs]
            if not is_wanted():
                st.rerun()
        if jobs:
            with st.container(key="bulk-actions", horizontal=True, vertical_alignment="center", gap="small"):
                st.markdown(f"**{len(jobs):,} chosen**", width="content")
                if len(jobs) == 1:  # in the table, the keys choose a row, and press nothing in it
                    st.button("Open it", key="bulk.open", icon=":material/open_in_full:", on_click=opened.show,
                              args=(jobs[0].id,))  # fmt: skip
                _actions(owner, jobs, in_bin)
                st.button("All on this page", key="bulk.page", icon=":material/select_all:", type="tertiary",
                          on_click=choose, args=(page, page))  # fmt: skip
                st.button("None", key="bulk.none", icon=":material/close:", type="tertiary", on_click=none)


def _actions(owner: str, jobs: list[Job], in_bin: bool) -> None:
    ids = [job.id for job in jobs]
    starred = all(job.starred for job in jobs)
    st.button(
        "Unstar" if starred else "Star",
        key="bulk.star",
        icon=":material/star:" if starred else ":material/star_outline:",
        help="Starred takes are never cleared away for their age.",
        on_click=remarks.write,
        args=(owner, ids, Remarks(starred=not starred)),
    )
    with st.popover("Tags", icon=":material/label:", key="bulk.tags"):
        _tags(owner, jobs)
    with st.popover("Rate", icon=":material/grade:", key="bulk.rate"):
        st.feedback("stars", key=RATING, on_change=_rate, args=(owner, ids))
        st.button("No rating", key="bulk.unrate", type="tertiary", on_click=remarks.write,
                  args=(owner, ids, Remarks(rating=0)))  # fmt: skip
    with st.popover("Download", icon=":material/download:", key="bulk.download"):
        films = [job.video for job in jobs if job.video]
        size = words.size(sum(film.bytes for film in films))
        _links(
            lambda kind: address_of(kind, ids),
            f"Zip: {_count(len(films), 'video')}, {size}" if films else "Zip: no video among them",
        )
    if not in_bin:
        st.button("Delete", key="bulk.bin", icon=":material/delete:", on_click=_to_bin, args=(owner, ids),
                  help="They stay in the bin for 30 days, and can be taken out again.")  # fmt: skip
        return
    st.button("Take out of the bin", key="bulk.unbin", icon=":material/restore_from_trash:",
              on_click=remarks.write, args=(owner, ids, Remarks(binned=False)))  # fmt: skip
    with st.popover("Delete for good…", icon=":material/delete_forever:", key="bulk.forget"):
        st.markdown("This cannot be undone. Their videos go, and so do stills that no other take uses.")
        st.button(f"Delete {_count(len(ids), 'take')} for good", key="bulk.forget-really", type="primary",
                  icon=":material/delete_forever:", on_click=_forget, args=(owner, ids))  # fmt: skip


def export(search: Search, given: dict[str, list[str]], total: int) -> None:
    """Everything that a search finds, on all its pages, to take along.

    Args:
        search: the search.
        given: the same as the address asks for it.
        total: how many takes it finds.
    """
    fits = 0 < total <= bundle.MOST
    with st.popover("Export", icon=":material/download:", key="export", disabled=total == 0):
        found = f"All {total:,} takes that are found" if total != 1 else "The take that is found"
        st.caption(f"{found}{' in the bin' if search.binned else ''}, on every page.")
        _links(lambda kind: address_of_search(kind, given), "Zip with videos" if fits else "")
        if not fits:
            st.caption(f"For a zip with the videos, narrow the search to {bundle.MOST:,} takes or fewer.")


def _links(address: Callable[[str], str], zip_label: str) -> None:
    """Links to a zip, a table and lines.

    Args:
        address: of a kind.
        zip_label: what the zip is; "" for none.
    """
    labels = {"csv": ("CSV, for a spreadsheet", "table"), "jsonl": ("JSON lines, with every setting", "data_object")}
    if zip_label:
        labels = {"zip": (zip_label, "folder_zip"), **labels}
    for kind, (label, icon) in labels.items():
        st.link_button(label, address(kind), icon=f":material/{icon}:", width="stretch")


def _tags(owner: str, jobs: list[Job]) -> None:
    theirs = sorted({tag for job in jobs for tag in job.tags})
    st.multiselect("Add", sorted({*current().tags(owner), *st.session_state.get(ADD, ())}), key=ADD,
                   accept_new_options=True, placeholder="Tags for all of them")  # fmt: skip
    if not set(st.session_state.get(DROP, ())) <= set(theirs):
        st.session_state[DROP] = []  # others are chosen by now
    st.multiselect("Take off", theirs, key=DROP, placeholder="Tags that some of them have", disabled=not theirs)
    st.button("Change the tags", key="bulk.tags.write", type="primary", on_click=_retag,
              args=(owner, [job.id for job in jobs]))  # fmt: skip


# --- what the buttons do ------------------------------------------------------------------------------------------


def _to_bin(owner: str, ids: list[str]) -> None:
    remarks.to_bin(owner, ids)


def _retag(owner: str, ids: list[str]) -> None:
    try:
        changed = current().retag(owner, ids, add=st.session_state[ADD], drop=st.session_state[DROP])
    except AppError as exc:
        st.toast(exc.message, icon=":material/error:")
        return
    st.session_state[ADD], st.session_state[DROP] = [], []
    st.toast(f"The tags of {_count(changed, 'take')} were changed.", icon=":material/label:")


def _rate(owner: str, ids: list[str]) -> None:
    points = st.session_state[RATING]
    if points is not None:
        remarks.write(owner, ids, Remarks(rating=points + 1))
        st.session_state[RATING] = None


def _forget(owner: str, ids: list[str]) -> None:
    try:
        gone = current().forget(owner, ids)
    except AppError as exc:
        st.toast(exc.message, icon=":material/error:")
        return
    stuck = f" {_count(gone.stuck, 'take')} could not be deleted now; try again." if gone.stuck else ""
    remarks.tell(f"{_count(gone.jobs, 'take')} deleted for good.{stuck}")


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
