"""The page of one model: the form on one side, this browser's takes of the model on the other."""

import time
from typing import Any
from uuid import uuid4

import streamlit as st

from core import samples
from core.errors import AppError, AskedBefore, InvalidForm
from core.jobs.job import Job
from core.models.spec import Choice, Clips, Estimate, ModelSpec, Still
from core.studio import Place, current
from pages.parts import card, clips, draft, form, identity, live, reel, remarks, still, words

PAINTED = "takes.painted"
HEAD_START_S = 0.03  # a frame or two of a browser
STRIP = 8  # recent takes below the opened one


def render(spec: ModelSpec) -> None:
    """Show the page of a model."""
    owner = identity.owner()
    with st.container(key="page-head", gap="xsmall"):
        st.header(spec.title, anchor=False)
        st.caption(f"{spec.maker} · {spec.summary}")
    _let_the_head_paint()
    left, right = st.columns([5, 7], gap="large")
    with left, st.container(key="form"):
        _form(spec, owner)
    with right, st.container(key="takes"):
        _takes(spec, owner)


def _let_the_head_paint() -> None:
    """At a session's first page, give the browser a moment with the head before the form's widgets arrive.

    It paints what it has in one go: without the pause the first thing to see comes a third later (`bench/pages.py`), and
    the form no sooner.
    """
    if not st.session_state.get(PAINTED):
        st.session_state[PAINTED] = True
        time.sleep(HEAD_START_S)


# --- the form -----------------------------------------------------------------------------------------------------


def _form(spec: ModelSpec, owner: str) -> None:
    draft.bar(spec)
    place = _place(spec)
    if spec.notice:
        st.info(spec.notice)
    values = form.render((f for f in spec.fields if _is_front(f)), spec.slug, owner, _frame(spec, place))
    rest = [f for f in spec.fields if not _is_front(f)]
    options: dict[str, Any] = {}
    extra = current().option_fields(spec, place.provider)
    errors = st.session_state.get(f"{spec.slug}.errors", {}).keys()
    if rest or extra:
        with st.expander(
            "More settings",
            icon=":material/tune:",
            expanded=bool(errors & {f.name for f in (*rest, *extra)}),
            key=f"{spec.slug}.more",
        ):
            options = form.render(extra, f"{spec.slug}.{place.provider}", owner)
            values |= form.render(rest, spec.slug, owner)
    if place.provider == "preview" and values.get("prompt"):
        _plan(spec, values, options)
    _generate(spec, owner, place, values, options)


def _plan(spec: ModelSpec, values: dict[str, Any], options: dict[str, Any]) -> None:
    """What Local preview read in the prompt, and what it cannot render."""
    plan = current().camera_plan(spec, values, options)
    if plan is None:
        return
    lines = [f":material/videocam: {words.plain(plan.describe())}"]
    if plan.ignored:
        lines.append(f"Not rendered here: {words.plain(', '.join(plan.ignored))}")
    st.caption("  \n".join(lines))


def _is_front(field: Any) -> bool:
    return field.required or type(field.kind).__name__ == "Prompt"


def _frame(spec: ModelSpec, place: Place) -> still.Frame:
    """How the chosen place fills the video: a hosted model cuts, Local preview sets it between bars where much would go."""
    pads: still.Pads = "never"
    if place.provider == "preview":
        framing = st.session_state.get(f"{spec.slug}.preview.framing", "auto")
        pads = "always" if framing == "blurred bars" else "never" if framing == "crop" else "auto"
    field = next((field for field in spec.fields if field.name == "aspect_ratio"), None)
    if field is None or not isinstance(field.kind, Choice):
        return still.Frame(pads=pads)
    key = f"{spec.slug}.{field.name}"
    chosen = str(st.session_state.get(key, field.default))
    return still.Frame(key, chosen, tuple(map(str, field.kind.options)), pads)


def _place(spec: ModelSpec) -> Place:
    """The choice of where it runs. Without a key there is one place, and a line on how to get the other."""
    places = current().places(spec)
    ready = [place for place in places if place.ready]
    by_name = {place.provider: place for place in ready}
    key = f"{spec.slug}.on"
    if st.session_state.get(key) not in by_name:
        st.session_state[key] = ready[0].provider
    chosen = st.segmented_control(
        "Where it runs",
        list(by_name),
        format_func=lambda name: words.choice(by_name[name].title),
        required=True,
        key=key,
        persist_state="session",
    )
    place = by_name[chosen or ready[0].provider]
    lines = [place.hint, *(f":material/key: {other.hint}" for other in places if not other.ready)]
    st.caption("  \n".join(lines))
    return place


def _generate(spec: ModelSpec, owner: str, place: Place, values: dict[str, Any], options: dict[str, Any]) -> None:
    nonce = st.session_state.setdefault(f"{spec.slug}.nonce", uuid4().hex)
    estimate = current().estimate(spec, values, place.provider)
    verb = "Splice" if any(isinstance(field.kind, Clips) for field in spec.fields) else "Generate"
    # Not a callback: its arguments would be those of the run before, and a click may come together with the last words.
    # The nonce is in the key: a second click on the button that was shown is about that button, which is gone by then.
    if st.button(
        f"{verb} · {estimate}" if estimate else verb,
        key=f"{spec.slug}.generate.{nonce}",
        type="primary",
        icon=":material/auto_awesome_motion:",
        width="stretch",
    ):
        _submit(spec, owner, place.provider, values, options, nonce, again=False)
        st.rerun()
    whole = st.session_state.get(f"{spec.slug}.errors", {}).get("")
    if whole:
        st.error(words.plain(whole), icon=":material/error:")
    if _twin(spec, values, options, place, nonce):
        _submit(spec, owner, place.provider, values, options, nonce, again=True)
        st.rerun()
    _basis(estimate)
    st.caption(words.plain(words.usually(current().pace(spec.slug, place.provider))))


def _twin(spec: ModelSpec, values: dict[str, Any], options: dict[str, Any], place: Place, nonce: str) -> bool:
    """The same was asked a moment ago: that take is offered. True if another one is wanted all the same."""
    key = f"{spec.slug}.twin"
    twin = st.session_state.get(key)
    if not twin or twin["asked"] != (values, options, place.provider):
        st.session_state.pop(key, None)  # the form says something else by now
        return False

    def show() -> None:
        st.session_state[f"{spec.slug}.opened"] = twin["job"]
        st.session_state.pop(key, None)

    st.warning(twin["message"], icon=":material/content_copy:")
    with st.container(horizontal=True):
        st.button("Show that take", key=f"{spec.slug}.twin-show", icon=":material/visibility:", on_click=show)
        return st.button("Make another one", key=f"{spec.slug}.twin-again.{nonce}", icon=":material/add:")


def _basis(estimate: Estimate | None) -> None:
    if estimate and estimate.high_usd != 0:
        st.caption(f"{estimate.basis}.".replace("$", "\\$"))


def _submit(
    spec: ModelSpec,
    owner: str,
    provider: str,
    values: dict[str, Any],
    options: dict[str, Any],
    nonce: str,
    *,
    again: bool,
) -> None:
    """Write the job. What was typed stays in the form, whether that works or not."""
    errors: dict[str, str] = {}
    twin: dict[str, Any] | None = None
    try:
        job = current().create(
            owner,
            spec.slug,
            values,
            provider=provider,
            options=options,
            nonce=nonce,
            parent_id=draft.parent(spec),
            continues=draft.continues(spec, values),
            again=again,
        )
    except InvalidForm as exc:
        errors = exc.fields
    except AskedBefore as exc:
        twin = {"job": exc.job_id, "message": exc.message, "asked": (values, options, provider)}
    except AppError as exc:
        errors = {"": exc.message}
    else:
        st.session_state[f"{spec.slug}.nonce"] = uuid4().hex
        st.session_state[f"{spec.slug}.opened"] = job.id
        draft.forget(spec)
    st.session_state[f"{spec.slug}.twin"] = twin
    st.session_state[f"{spec.slug}.errors"] = errors
    st.session_state[f"{spec.slug}.{provider}.errors"] = errors


# --- the takes ----------------------------------------------------------------------------------------------------


@st.fragment
def _takes(spec: ModelSpec, owner: str) -> None:
    """The opened take, large, and the recent ones below; runs again by itself while one of them is live."""
    if st.session_state.get(draft.GO) == spec.slug:
        st.session_state.pop(draft.GO)
        st.rerun()  # the form stands outside of this fragment
    draft.go()
    rows = live.jobs(owner)
    takes = rows.newest(spec.slug)
    if not takes:
        remarks.undo_bar(owner)
        _invite(spec)
        return
    opened = _opened(spec, takes)
    stage = st.container(key="stage")
    remarks.undo_bar(owner)
    strip = st.container(key="strip")
    clock = st.container(key="clock")
    with stage:
        card.opened(owner, opened, "stage", lambda job_id: _open(spec, job_id))
    others = [job for job in takes if job.id != opened.id][:STRIP]
    if others:
        with strip, st.grid("auto", min_column_width=190, gap="medium", key="recent"):
            for job in others:
                with st.container(key=f"card-{job.id}", gap="xsmall"):
                    card.small(owner, job, "strip")
                    st.button("Open", key=f"open.{job.id}", type="tertiary", on_click=_open, args=(spec, job.id))
    with clock:
        reel.conductor(rows)
        if rows.any_live():  # of another model, now and then: the tab and the tone tell of it
            live.keep_fresh(f"{spec.slug}.clock", busy=rows.any_live(spec.slug))


def _opened(spec: ModelSpec, takes: list[Job]) -> Job:
    wanted = st.session_state.get(f"{spec.slug}.opened")
    return next((job for job in takes if job.id == wanted), takes[0])


def _open(spec: ModelSpec, job_id: str) -> None:
    st.session_state[f"{spec.slug}.opened"] = job_id


def _invite(spec: ModelSpec) -> None:
    """What stands where the takes will be: how to begin, and one click that fills the form."""
    field = next(f for f in spec.fields if f.required and isinstance(f.kind, Still | Clips))
    with st.container(key="invite", border=True, horizontal_alignment="center", gap="medium"):
        st.space("large")
        st.subheader("Your takes appear here", anchor=False, text_alignment="center")
        splices = isinstance(field.kind, Clips)
        begin = "Add two or more clips or stills, arrange them, press Splice."
        st.caption(begin if splices else "Choose a still, say what happens, press Generate.", text_alignment="center")
        if st.button(
            "Try it with the samples" if splices else "Try it with a sample",
            key=f"{spec.slug}.try",
            icon=":material/image:",
            on_click=_try_samples,
            args=(f"{spec.slug}.{field.name}", field.kind),
        ):
            st.rerun()  # the form stands outside of this fragment
        st.space("large")


def _try_samples(key: str, kind: Still | Clips) -> None:
    if isinstance(kind, Still):
        still.take_sample(key, kind, samples.SAMPLES[0].name)
        return
    for sample in samples.SAMPLES:
        clips.add_sample(key, kind, sample.name)
