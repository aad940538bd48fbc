"""Splice with…: the Splice form with the opened take in it, and another behind it."""

import streamlit as st

from core.jobs.job import Job, State
from core.models import MODELS
from core.models.spec import ClipItem, Clips
from core.models.splice import SPEC, closest_size
from pages.parts import clips, draft, live, player, words

OFFERED = 8  # earlier takes to choose from; the form has more
FIELD, KIND = next((field.name, field.kind) for field in SPEC.fields if isinstance(field.kind, Clips))
KEY = f"{SPEC.slug}.{FIELD}"  # of the form's clips in the session
PICTURE_PX = 88


def menu(owner: str, job: Job, where: str) -> None:
    """For a take with a video: choose what comes behind it. Nothing is made before the form is sent."""
    if job.state is not State.SUCCEEDED or SPEC.slug not in MODELS or not player.is_kept(job):
        return
    with st.popover(
        "Splice with…", key=f"{where}.splice.{job.id}", icon=":material/join_inner:", on_change="rerun"
    ) as shown:
        if not shown.open:
            return
        others = [
            take
            for take in live.jobs(owner).newest()
            if take.state is State.SUCCEEDED and take.id != job.id and player.is_kept(take)
        ][:OFFERED]
        held = st.session_state.get(KEY) or []
        if held and len(held) < KIND.most:
            st.button(
                f"Add it to the {len(held)} {'clip' if len(held) == 1 else 'clips'} on the Splice page",
                key=f"{where}.splice-add.{job.id}",
                icon=":material/playlist_add:",
                on_click=_add,
                args=(job,),
            )
        st.caption("Play this take first, and then…" if others else "There is no other take with a video yet.")
        for take in others:
            with st.container(horizontal=True, vertical_alignment="center", gap="small"):
                with st.container(width=PICTURE_PX):
                    player.still_of(take)
                st.button(
                    words.plain(_label(take)),
                    key=f"{where}.splice-with.{job.id}.{take.id}",
                    type="tertiary",
                    on_click=_begin,
                    args=(job, take),
                )
        st.button(
            "Choose on the Splice page",
            key=f"{where}.splice-form.{job.id}",
            icon=":material/arrow_forward:",
            on_click=_begin,
            args=(job,),
        )


def _begin(*takes: Job) -> None:
    """A new draft of the form, with these takes in it; what stood there can be brought back."""
    first = takes[0].video
    assert first is not None
    values = {FIELD: [_item(take) for take in takes], "size": closest_size(first.width, first.height)}
    draft.begin(SPEC, values, "a take" if len(takes) == 1 else "two takes")


def _add(job: Job) -> None:
    """Behind the clips that are in the form already."""
    clips.append(KEY, KIND, _item(job))
    draft.open_form(SPEC)


def _item(job: Job) -> ClipItem:
    assert job.video is not None
    return ClipItem(key=job.video.key, label=_label(job))


def _label(job: Job) -> str:
    title = MODELS[job.model].title if job.model in MODELS else job.model
    return words.called(job.prompt, title, 40)
