"""A job as the engine hands it to the provider, and timeouts that a test can wait for."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from pydantic import ValidationError

from core import models
from core.jobs.job import Job
from core.media.store import key_of
from core.models.spec import Choice, Clip, Clips, FormField, ModelSpec, Number, Prompt, Seed, Sound, Still, Text, Toggle
from core.providers.base import Receipt
from core.providers.fal_http import Timeouts

QUICK = Timeouts(connect_s=1.0, submit_s=0.5, call_s=0.5, upload_s=1.0, download_s=0.5, download_whole_s=10.0)
PROMPT = "A heron lifts off from the reeds; nobody else may read this."
STILL_BYTES = b"\x89PNG not really, but fal's storage does not look " * 4000
STILL = key_of(STILL_BYTES, "png")
OTHER_STILL = key_of(b"another", "jpg")
CLIP = key_of(b"a clip", "mp4")
OTHER_CLIP = key_of(b"another clip", "mp4")
SOUND = key_of(b"a sound", "wav")
UPLOADS = {key: f"https://v3.fal.media/files/{key}" for key in (STILL, OTHER_STILL, CLIP, OTHER_CLIP, SOUND)}
NOW = datetime(2026, 9, 1, 12, tzinfo=UTC)


def a_job(model: str = "lucy14b", receipt: Receipt | None = None, **changes: Any) -> Job:
    """A job of this model with all its files at fal; with a receipt, as it stands after the submit."""
    spec = models.get(model)
    given: dict[str, Any] = {
        "owner": "somebody",
        "model": model,
        "provider": "fal",
        "endpoint": spec.endpoint,
        "prompt": PROMPT,
        "inputs": least(spec),
        "uploads": UPLOADS,
        "created_at": NOW,
        "due_at": NOW,
        "updated_at": NOW,
    }
    if receipt:
        given |= {name: getattr(receipt, name) for name in ("request_id", "status_url", "response_url", "cancel_url")}
    return Job(**{**given, **changes})


def least(spec: ModelSpec) -> dict[str, Any]:
    """The smallest input that the model takes."""
    return {item.name: values(item)[0] for item in spec.fields if item.required}


def variants(spec: ModelSpec) -> Iterator[tuple[str, dict[str, Any]]]:
    """(field, input) for every value worth trying of every field; a media field that excludes it is left out then."""
    base = least(spec)
    for item in spec.fields:
        for value in values(item):
            wanted = {**base, item.name: value}
            tries = [wanted, *({k: v for k, v in wanted.items() if k != other} for other in base if other != item.name)]
            valid = next((given for given in tries if _fits(spec, given)), None)
            if valid is not None:
                yield item.name, valid


def values(item: FormField) -> list[Any]:
    """Values worth trying of one field; the first is a plain one."""
    match item.kind:
        case Prompt(limit) | Text(limit):
            return [PROMPT, "x" * (limit or 100)]
        case Still():
            return [STILL, OTHER_STILL]
        case Clip():
            return [CLIP]
        case Sound():
            return [SOUND]
        case Clips(_, most):
            return [[{"key": CLIP}, {"key": OTHER_CLIP}], [{"key": CLIP}] * most]
        case Choice(options):
            return list(options)
        case Number(least, most, _, whole):
            ends = [end for end in (least, most) if end is not None] or [1]
            return [int(end) if whole else float(end) for end in ends]
        case Seed(least, most):
            return [7, least, most]
        case Toggle():
            return [True, False]


def _fits(spec: ModelSpec, given: Mapping[str, Any]) -> bool:
    try:
        spec.input.model_validate(given)
    except ValidationError:
        return False
    return True
