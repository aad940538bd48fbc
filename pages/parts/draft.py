"""Fills a model's form from an earlier take or from a video that was dropped, and keeps what stood in it until then."""

from collections.abc import Callable, Mapping
from typing import Any

import streamlit as st
from streamlit.runtime.uploaded_file_manager import UploadedFile

from core.errors import AppError, NotFound
from core.intake import Picture
from core.jobs import recipe
from core.jobs.job import Job, utc_now
from core.models import MODELS
from core.models.spec import Clip, Clips, FormField, ModelSpec, Sound, Still
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
    told = f"a take of {words.ago(job.created_at, utc_now())}"
    if first_frame is not None:
        told = f"the last frame of {told}"
    _put(spec, job.inputs, told, options=job.options, provider=job.provider, of=job.id, begins=first_frame)
    if job.error and job.error.field:
        st.session_state[f"{spec.slug}.errors"] = {job.error.field: job.error.message}


def begin(spec: ModelSpec, values: Mapping[str, Any], told: str) -> None:
    """Put some values into a form, and the defaults beside them. What stood there is kept aside. Call it from a callback.

    Args:
        spec: the model.
        values: by field name.
        told: what they are from, as "a take".
    """
    _put(spec, values, told)


def open_video(file: UploadedFile, owner: str) -> None:
    """Open the form as it was for the take that a dropped video is of. Nothing changes where that cannot be done.

    Where its still is not stored here, the video's first frame takes its place.

    Args:
        file: the video, from anybody: what it says is checked field by field, and none of its words are shown but in fields.
        owner: who dropped it; the take is named as the parent where it is their own.

    Raises:
        InvalidMedia: it carries no settings, or none that can be read, or they are of a model that is not here.
    """
    found = recipe.read(file)
    _put(
        recipe.model_of(found),
        found.inputs,
        f"a dropped video, made {words.ago(found.made_at, utc_now())}",
        options=found.options,
        provider=found.provider,
        of=_own(owner, found.take),
        stands_in=lambda: current().add_first_frame(file.getvalue()),
    )


def _own(owner: str, job_id: str) -> str | None:
    try:
        return current().get(owner, job_id).id
    except NotFound:
        return None


def _put(
    spec: ModelSpec,
    inputs: Mapping[str, Any],
    told: str,
    *,
    options: Mapping[str, Any] | None = None,
    provider: str | None = None,
    of: str | None = None,
    begins: Picture | None = None,
    stands_in: Callable[[], Picture] | None = None,
) -> None:
    """Fill a form, and open its page when the callback is over.

    Args:
        spec: the model.
        inputs: values by field name; what the form cannot hold is left out, and said.
        told: where they are from.
        options: the provider's own settings.
        provider: where it ran, and is to run; None to leave that as it is.
        of: the take that it is of, which becomes the parent.
        begins: the still to begin with, instead of the one in `inputs`.
        stands_in: makes a still where the one in `inputs` is not stored any more.
    """
    fit = recipe.fit(spec.fields, inputs, lambda key: current().media.stat(key) is not None)
    notes = list(fit.notes)
    held: dict[str, Any] = {}
    first = next((field.name for field in spec.fields if isinstance(field.kind, Still) and field.required), None)
    for field in spec.fields:
        key, value = f"{spec.slug}.{field.name}", fit.values[field.name]
        if not isinstance(field.kind, Still):
            held[key] = _held(field, value)
            if field.name in fit.gone:
                notes.append(f"{field.label}: the file is no longer stored here.")
        elif field.name == first and begins is not None:
            held[key] = still.next_held(key, begins)
        else:
            stand_in = stands_in if field.name == first else None
            held[key], note = _still(key, value, field.name in fit.gone, stand_in)
            notes += [note] if note else []
    places = {place.provider: place for place in current().places(spec)}
    if provider in places:
        fields = current().option_fields(spec, provider)
        settings = recipe.fit(fields, options or {}, lambda _: False)
        notes += settings.notes
        held |= {f"{spec.slug}.{provider}.{field.name}": settings.values[field.name] for field in fields}
        if places[provider].ready:
            held[f"{spec.slug}.on"] = provider
        else:
            notes.append(f"It ran on {current().provider_title(provider)}, which is not set up here.")
    elif provider is not None:
        notes.append("It ran in a place that is not known here.")
    _set_aside(spec, told, of, begins.key if begins else None, notes)
    _forget_rows(spec)
    st.session_state.update(held)
    open_form(spec)


def open_form(spec: ModelSpec) -> None:
    """Open a model's form when the callback is over."""
    st.session_state[f"{spec.slug}.errors"] = {}
    for place in current().places(spec):
        st.session_state[f"{spec.slug}.{place.provider}.errors"] = {}
    st.session_state.pop(f"{spec.slug}.twin", None)
    st.session_state[GO] = spec.slug


def go() -> None:
    """Open the page of the model whose form a callback has filled, if one has."""
    slug = st.session_state.pop(GO, None)
    if slug is not None:
        st.switch_page(st.Page(lambda: None, url_path=slug, title=MODELS[slug].title))


def bar(spec: ModelSpec) -> None:
    """Above a form that was filled from a take: which one, the way back, and what could not be filled in."""
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
    for note in draft["notes"]:
        st.caption(f":material/info: {words.plain(note)}")


def parent(spec: ModelSpec) -> str | None:
    """The take that the form was filled from, or None."""
    draft = st.session_state.get(f"{spec.slug}.draft")
    return draft["of"] if draft else None


def continues(spec: ModelSpec, values: Mapping[str, Any]) -> bool:
    """Whether the form still begins with the last frame of the take that it was filled from."""
    draft = st.session_state.get(f"{spec.slug}.draft")
    return draft is not None and draft["frame"] is not None and draft["frame"] in values.values()


def forget(spec: ModelSpec) -> None:
    """The form was sent: from here on it is a form like any other."""
    st.session_state.pop(f"{spec.slug}.draft", None)


def _set_aside(spec: ModelSpec, told: str, of: str | None, frame: str | None, notes: list[str]) -> None:
    """Keep what a form holds, before it is filled from something else."""
    st.session_state[f"{spec.slug}.draft"] = {
        "of": of,
        "told": told,
        "before": {key: st.session_state[key] for key in _keys(spec) if key in st.session_state},
        "earlier": st.session_state.get(f"{spec.slug}.draft"),
        "frame": frame,
        "notes": notes,
    }


def _bring_back(spec: ModelSpec) -> None:
    draft = st.session_state.pop(f"{spec.slug}.draft")
    if draft["earlier"]:
        st.session_state[f"{spec.slug}.draft"] = draft["earlier"]
    _forget_rows(spec)
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


def _forget_rows(spec: ModelSpec) -> None:
    """Let go of what the rows of a clip list hold: a row that comes to the same place has seconds of its own."""
    lists = tuple(f"{spec.slug}.{field.name}.seconds." for field in spec.fields if isinstance(field.kind, Clips))
    for key in [key for key in st.session_state if lists and str(key).startswith(lists)]:
        del st.session_state[key]


def _held(field: FormField, value: Any) -> Any:
    """A value as the field's widget keeps it."""
    if isinstance(field.kind, Clips):
        return list(value or [])
    if isinstance(field.kind, Clip | Sound):
        stored = current().media.stat(value) if value else None
        return {"stored": stored, "name": field.label if stored else None, "error": None}
    return value


def _still(key: str, value: str | None, gone: bool, stand_in: Callable[[], Picture] | None) -> tuple[still.Held, str]:
    """What a still's field is to hold, and what to say about it."""
    try:
        if value:
            return still.next_held(key, current().stored_picture(value)), ""
        if gone and stand_in is not None:
            return still.next_held(
                key, stand_in()
            ), "Its still is no longer stored here. The video’s first frame stands in."
    except AppError:
        gone = True
    told = "The picture of that take is no longer stored. Choose another one." if gone else ""
    return still.next_held(key, None, told), ""
