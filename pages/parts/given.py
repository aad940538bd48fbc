"""Everything that a take was made from: its texts in full, its settings, and its pictures, clips and sounds to look at."""

from collections.abc import Iterator
from typing import Any

import streamlit as st

from core.jobs.files import MEDIA_KEY
from core.jobs.job import Job
from core.models import MODELS
from core.models.spec import FormField
from core.studio import current
from pages.parts import words

LONG = 400  # characters of a text above which it is folded
SHOWN = 300  # characters of a setting that is no text: nobody types more
SOUNDS = ("wav", "mp3")
LOOK = "display:block;width:100%;border-radius:8px;background:#0b0b0e;aspect-ratio:16/9;object-fit:contain"


def show(job: Job) -> None:
    """All that was asked for, and at which address."""
    st.markdown("**Settings**")
    inputs = {**job.inputs, **job.options}
    fields = _fields(job)
    if len(job.prompt) > words.PROMPT_SHOWN or "\n" in job.prompt.strip():
        _text("Prompt", job.prompt)
    _files(job, inputs, fields)
    lines = []
    for name, value in inputs.items():
        if name == "prompt" or value in (None, "") or any(_media(value)):
            continue
        label = _label(name, fields)
        if isinstance(value, str) and (len(value) > SHOWN or "\n" in value):
            _text(label, value)
        else:
            lines.append(f"{words.short(label, 60)}: {_said(value)}{_unit(name, fields)}")
    lines.append(f"Cost: {words.cost(job)}{f' ({words.short(job.cost_basis, SHOWN)})' if job.cost_basis else ''}")
    if job.provider != "preview":
        lines.append(f"Endpoint: {words.short(job.endpoint, SHOWN)}")
    st.text("\n".join(lines))
    if job.request_id and job.provider != "preview":
        st.caption("Request id")
        st.code(words.clean(job.request_id), language=None, wrap_lines=True)


def _text(label: str, text: str) -> None:
    """A text in full, with its line breaks; folded where it is long."""
    label = words.plain(words.short(label, 60))
    if len(text) > LONG:
        with st.expander(f"{label}, {len(text):,} characters"):
            st.code(words.clean(text), language=None, wrap_lines=True)
    else:
        st.caption(label)
        st.code(words.clean(text), language=None, wrap_lines=True)


def _files(job: Job, inputs: dict[str, Any], fields: dict[str, FormField]) -> None:
    """The stored files, each under its name, in the order in which they were given."""
    files = [(name, key, label) for name, value in inputs.items() for key, label in _media(value)]
    looked_at = [found for found in files if not found[1].endswith(SOUNDS)]
    if looked_at:
        with st.grid("auto", min_column_width=130, gap="small", key=f"given.{job.id}"):
            for place, (name, key, label) in enumerate(looked_at, 1):
                with st.container(key=f"given.{job.id}.{place}", gap="xsmall"):
                    _file(job, key)
                    several = len([0 for other, *_ in looked_at if other == name]) > 1
                    title = f"{place}. {label}" if several else _label(name, fields)
                    st.caption(words.plain(words.short(title, 60)))
    for name, key, _ in files:
        if key.endswith(SOUNDS):
            st.caption(words.plain(words.short(_label(name, fields), 60)))
            _file(job, key)


def _file(job: Job, key: str) -> None:
    """One of the files, to look at or to play; nothing of a clip or a sound is loaded before it is pressed."""
    address = f"/takes/{job.id}/given/{key}"
    if current().media.stat(key) is None:
        st.caption(":material/broken_image: No longer stored.")
    elif key.endswith(SOUNDS):
        st.html(f'<audio controls preload="none" src="{address}" style="width:100%" aria-label="Sound"></audio>')
    elif key.endswith(".mp4"):
        st.html(
            f'<video controls muted playsinline preload="none" poster="{address}/picture.jpg" src="{address}" '
            f'style="{LOOK}" aria-label="Clip"></video>'
        )
    else:
        st.html(f'<img src="{address}/picture.jpg" alt="Picture" loading="lazy" style="{LOOK}">')


def _media(value: Any) -> Iterator[tuple[str, str]]:
    """The stored files in a value: their keys, and what a clip of several is called."""
    if isinstance(value, str) and MEDIA_KEY.fullmatch(value):
        yield value, ""
    elif isinstance(value, list):
        for item in value:
            key = item.get("key") if isinstance(item, dict) else item
            if isinstance(key, str) and MEDIA_KEY.fullmatch(key):
                yield key, _clip_label(item)


def _clip_label(item: Any) -> str:
    """What a clip is called, and how long a still among clips is held."""
    if not isinstance(item, dict):
        return "File"
    held = "" if str(item["key"]).endswith(".mp4") else f", {item.get('seconds')} s"
    return f"{words.short(str(item.get('label') or 'Clip'), 40)}{held}"


def _fields(job: Job) -> dict[str, FormField]:
    """The fields of the take's form by name; none for a model that is gone."""
    spec = MODELS.get(job.model)
    if spec is None:
        return {}
    named = {field.name: field for field in spec.fields}
    if any(place.provider == job.provider for place in current().places(spec)):
        named |= {field.name: field for field in current().option_fields(spec, job.provider)}
    return named


def _label(name: str, fields: dict[str, FormField]) -> str:
    return fields[name].label if name in fields else name.replace("_", " ").capitalize()


def _unit(name: str, fields: dict[str, FormField]) -> str:
    return f" {fields[name].unit}" if name in fields and fields[name].unit else ""


def _said(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return words.short(str(value), SHOWN)
