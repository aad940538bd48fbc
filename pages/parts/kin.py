"""The family of the opened take as a small tree with pictures: each line leads to its take."""

import streamlit as st

from core.jobs.family import Family, How, Relative
from core.jobs.job import Job, State, utc_now
from core.studio import current
from pages.parts import card, opened, player, words

STEP_PX, DEEPEST = 18, 5  # how far a generation stands in; where there are more, the first ones stand below each other
PICTURE_PX = 80
BESIDE = 12  # siblings in their menu

SAID = {
    How.FIRST: "",
    How.RETRY: "Retried",
    How.EDIT: "Edited",
    How.CONTINUE: "Continued from the last frame",
    How.SPLICE: "Spliced",
    How.VIDEO: "Made from its video",
    How.CLIP: "A clip of the splice below",
}


def show(owner: str, job: Job) -> None:
    """The tree, where there is more in it than the take itself."""
    family = current().family(owner, job)
    if family.is_alone:
        return
    st.markdown("**Family**")
    left_out = max(0, max(kin.depth for kin in family.lines) - DEEPEST)
    with st.container(key=f"family.{job.id}", gap="xsmall"):
        for place, kin in enumerate(family.lines):
            _line(job, kin, kin.depth - left_out, "family")
            if place == 0 and family.between:
                st.caption(f"{family.between} takes in between")
            if kin.job.id == job.id and family.siblings:
                _siblings(job, family)
        if family.more:
            st.caption(f"and {'' if family.counted else 'more than '}{family.more} more")


def _siblings(job: Job, family: Family) -> None:
    """What else grew out of the take's parent, folded away."""
    count = len(family.siblings)
    label = "Another take of the same parent" if count == 1 else f"{count} other takes of the same parent"
    with st.popover(label, icon=":material/account_tree:", key=f"siblings.{job.id}"):
        for kin in family.siblings[:BESIDE]:
            _line(job, kin, 0, "sibling")
        if count > BESIDE:
            st.caption(f"and {count - BESIDE} more")


def _line(job: Job, kin: Relative, depth: int, where: str) -> None:
    """One take: its picture, its words as a button, and how it came about."""
    take = kin.job
    inset = STEP_PX * max(0, depth)
    with st.container(key=f"{where}-{job.id}-{take.id}", horizontal=True, vertical_alignment="center", gap="small"):
        with st.container(width=inset + PICTURE_PX):
            st.html(f'<div style="display:flex">{_elbow(inset)}{_picture(take)}</div>')
        with st.container(gap=None):
            label = words.plain(words.called(take.prompt, card.model_title(take), 36 if take.id == job.id else 60))
            if take.id == job.id:
                st.markdown(f":small[**{label}**]")
            else:
                st.button(label, key=f"{where}.{job.id}.{take.id}", type="tertiary", wrap=False, on_click=opened.show,
                          args=(take.id,))  # fmt: skip
            st.caption(words.plain(_told(job, kin)))


def _elbow(inset: int) -> str:
    """A line from the generation above; nothing for the first."""
    if not inset:
        return ""
    edge = "1px solid rgba(128,128,128,.6)"
    return (
        f'<div style="flex:none;box-sizing:border-box;width:{STEP_PX - 6}px;height:{PICTURE_PX * 9 // 32}px;'
        f"margin:0 4px 0 {inset - STEP_PX + 2}px;border-left:{edge};border-bottom:{edge};"
        'border-bottom-left-radius:5px"></div>'
    )


def _picture(take: Job) -> str:
    """The poster of a take, or what it started from."""
    look = f"flex:none;width:{PICTURE_PX}px;aspect-ratio:16/9;object-fit:contain;background:#0b0b0e;border-radius:6px"
    if not (take.video or take.still):
        return f'<div style="{look}"></div>'
    part = "poster.jpg" if take.video else "still.jpg"
    return f'<img src="{player.address(take, part)}" alt="" loading="lazy" style="{look}">'


def _told(job: Job, kin: Relative) -> str:
    """How a take came about, what tells it from the opened one, and when."""
    take = kin.job
    facts = ["This take"] if take.id == job.id else []
    facts += [SAID[kin.how]] if SAID[kin.how] else []
    if take.model != job.model and take.prompt:
        facts.append(words.short(card.model_title(take), 40))
    if take.state is not State.SUCCEEDED:
        facts.append(words.LOOKS[take.state].word)
    if take.binned_at is not None:
        facts.append("in the bin")
    return " · ".join([*facts, words.ago(take.created_at, utc_now())])
