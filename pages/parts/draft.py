"""Fills a model's form from an earlier take, and keeps what stood in it until then."""

from typing import Any

import streamlit as st

from core.errors import AppError
from core.intake import Picture
from core.jobs.job import Job, utc_now
from core.models import MODELS
from core.models.spec import Clip, ClipItem, Clips, FormField, Kind, ModelSpec, Sound, Still
from core.studio import current
from pages.parts import still, words

GO = "takes.go"  # the model whose page is to be opened when the callback is over


def fill(job: Job, first_frame: Picture | None = None) -> None:
    """Put a take's settings into its model's form. What stood there is kept aside. Call it from a callback.

    Args:
        job: the take.
        first_frame: another still than the take's own, where the new one goes on from it.
    """
    spec = MODELS[job.model]
    keys = _keys(spec)
    before = {key: st.session_state[key] for key in keys if key in st.session_state}
    told = f"a take of {words.ago(job.created_at, utc_now())}"
    if first_frame is not None:
        told = f"the last frame of {told}"
    earlier = st.session_state.get(f"{spec.slug}.draft")
    st.session_state[f"{spec.slug}.draft"] = {"of": job.id, "told": told, "before": before, "earlier": earlier}
    for key, (field, value) in _values(spec, job).items():
        st.session_state[key] = _held(field, value)
        if first_frame is not None and isinstance(field.kind, Still) and field.required:
            st.session_state[key] = still.Held(first_frame, "", 1)
    if any(place.ready and place.provider == job.provider for place in current().places(spec)):
        st.session_state[f"{spec.slug}.on"] = job.provider
    wrong = {job.error.field: job.error.message} if job.error and job.error.field else {}
    st.session_state[f"{spec.slug}.errors"] = wrong
    st.session_state.pop(f"{spec.slug}.twin", None)
    st.session_state[GO] = spec.slug


def go() -> None:
    """Open the page of the model whose form a callback has filled, if one has."""
    slug = st.session_state.pop(GO, None)
    if slug is not None:
        st.switch_page(st.Page(lambda: None, url_path=slug, title=MODELS[slug].title))


def bar(spec: ModelSpec) -> None:
    """Above a form that was filled from a take: which one, and the way back."""
    draft = st.session_state.get(f"{spec.slug}.draft")
    if not draft:
        return
    with st.container(key=f"{spec.slug}.draft-bar", horizontal=True, vertical_alignment="center"):
        st.caption(f":material/edit_note: Filled from {draft['told']}.")
        if draft["before"]:
            st.button(
                "Bring back what stood here",
                key=f"{spec.slug}.bring-back",
                type="tertiary",
                icon=":material/undo:",
                on_click=_bring_back,
                args=(spec,),
            )


def parent(spec: ModelSpec) -> str | None:
    """The take that the form was filled from, or None."""
    draft = st.session_state.get(f"{spec.slug}.draft")
    return draft["of"] if draft else None


def forget(spec: ModelSpec) -> None:
    """The form was sent: from here on it is a form like any other."""
    st.session_state.pop(f"{spec.slug}.draft", None)


def _bring_back(spec: ModelSpec) -> None:
    draft = st.session_state.pop(f"{spec.slug}.draft")
    if draft["earlier"]:
        st.session_state[f"{spec.slug}.draft"] = draft["earlier"]
    for key in _keys(spec):
        if key in draft["before"]:
            st.session_state[key] = draft["before"][key]
        elif key in st.session_state:
            del st.session_state[key]
    st.session_state[f"{spec.slug}.errors"] = {}


def _keys(spec: ModelSpec) -> list[str]:
    """The session keys of everything that a form holds, wherever it runs."""
    keys = [f"{spec.slug}.on", *(f"{spec.slug}.{field.name}" for field in spec.fields)]
    for place in current().places(spec):
        keys += [
            f"{spec.slug}.{place.provider}.{field.name}" for field in current().option_fields(spec, place.provider)
        ]
    return keys


def _values(spec: ModelSpec, job: Job) -> dict[str, tuple[FormField, Any]]:
    """What a job holds, by session key, with its field."""
    found = {f"{spec.slug}.{field.name}": (field, job.inputs.get(field.name, field.default)) for field in spec.fields}
    if any(place.provider == job.provider for place in current().places(spec)):
        for field in current().option_fields(spec, job.provider):
            key = f"{spec.slug}.{job.provider}.{field.name}"
            found[key] = (field, job.options.get(field.name, field.default))
    return found


def _held(field: FormField, value: Any) -> Any:
    """A value as the field's widget keeps it."""
    kind: Kind = field.kind
    if isinstance(kind, Still):
        return _picture(value)
    if isinstance(kind, Clips):
        return [ClipItem.model_validate(item) for item in value or []]
    if isinstance(kind, Clip | Sound):
        stored = current().media.stat(value) if value else None
        return {"stored": stored, "name": field.label if stored else None, "error": None}
    return value


def _picture(key: str | None) -> still.Held:
    if not key:
        return still.Held(drops=1)
    try:
        return still.Held(current().stored_picture(key), "", 1)
    except AppError:
        return still.Held(None, "The picture of that take is no longer stored. Choose another one.", 1)
