"""The settings of a take as its MP4 carries them out of the app, and what a form can hold of them when they come back."""

import logging
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from core.errors import InvalidMedia
from core.jobs.files import MEDIA_KEY
from core.jobs.job import Job
from core.media import tagged
from core.models import MODELS
from core.models.spec import (
    Choice,
    Clip,
    ClipItem,
    Clips,
    FormField,
    ModelSpec,
    Number,
    Prompt,
    Seed,
    Sound,
    Still,
    Text,
    Toggle,
)

log = logging.getLogger("takes.jobs")

APP: Final = "Takes"
FORMAT: Final = 1
LONGEST_TITLE: Final = 80  # characters; what a player shows on one line
LONGEST_LABEL: Final = 200  # of a clip in a list; a file's name is not longer
LARGEST: Final = 2**53  # whole number that a browser counts to
STILL_S: Final = (0.5, 30.0)  # seconds that a still among clips may be held

NONE: Final = "This video carries no Takes settings. Drop a still, or a video downloaded from Takes."
DAMAGED: Final = "The settings in this video are damaged. Download it from Takes again, or drop a still."

PICTURES, CLIPS, SOUNDS = ("jpg", "png"), ("mp4",), ("wav", "mp3")
"""Extensions of the stored files that each kind of field can hold."""

IsStored = Callable[[str], bool]


class Recipe(BaseModel):
    """What a video says about its making. Nothing of whose it is, what it cost, or what its owner remarked.

    Args:
        take: the job's id.
        made_at: when it was asked for.
        inputs, options: the form's values; stored files by their keys.
        seed: that the provider tells to have used, or that was asked for; None where it is not known.
    """

    model_config = ConfigDict(frozen=True, strict=True, allow_inf_nan=False)

    app: Literal["Takes"] = APP
    format: Literal[1] = FORMAT
    take: str = Field(max_length=64)
    made_at: AwareDatetime
    model: str = Field(max_length=64, pattern=r"^[a-z0-9-]+$")
    provider: str = Field(max_length=64)
    endpoint: str = Field(max_length=200)
    inputs: dict[str, Any]
    options: dict[str, Any]
    seed: int | None = None


class _Version(BaseModel):
    """The part that every format has, and that tells which one it is."""

    app: Literal["Takes"]
    format: int


# --- out --------------------------------------------------------------------------------------------------------------


def of(job: Job) -> Recipe:
    """The settings of a take. Raises ValidationError where they cannot be told, such as of a model with a strange name."""
    seed = (job.output or {}).get("facts", {}).get("seed", job.inputs.get("seed"))
    return Recipe(
        take=job.id,
        made_at=job.created_at,
        model=job.model,
        provider=job.provider,
        endpoint=job.endpoint,
        inputs=job.inputs,
        options=job.options,
        seed=seed if type(seed) is int else None,
    )


def tagged_video(path: Path, job: Job) -> tagged.Tagged:
    """A take's video with its settings in it, for whoever carries it away; as it is, where they cannot be put in.

    Args:
        path: the stored file, which stays as it is.
        job: the take.

    Raises:
        NotFound: the file is gone.
    """
    spec = MODELS.get(job.model)
    title = " ".join(job.prompt.split())[:LONGEST_TITLE].rstrip() or (spec.title if spec else job.model)
    try:
        settings = of(job).model_dump_json(exclude_none=True)
    except ValueError as exc:  # pydantic's own are of this kind
        settings, told = "", f"its settings cannot be told: {type(exc).__name__}"
    if settings:
        whole = tagged.tag(path, tagged.Tags(title, job.prompt, settings))
        told = whole.why_not
    else:
        whole = tagged.whole(path)
    if told:
        log.warning("take %s goes out without its settings: %s", job.id, told)
    return whole


# --- in ---------------------------------------------------------------------------------------------------------------


def read(file: BinaryIO) -> Recipe:
    """The settings inside a video that somebody gave. What they say is not to be trusted: see `fit`.

    Raises:
        InvalidMedia: it has none, they are damaged, or they are of a newer version; with what to do.
    """
    text = tagged.read(file)
    if text is None:
        raise InvalidMedia(NONE)
    try:
        version = _Version.model_validate_json(text)
        if version.format > FORMAT:
            raise InvalidMedia(
                "The settings in this video were written by a newer Takes. Update this one, or drop a still."
            )
        return Recipe.model_validate_json(text)
    except ValidationError as exc:
        raise InvalidMedia(DAMAGED) from exc


def model_of(recipe: Recipe) -> ModelSpec:
    """The model that some settings are for. Raises InvalidMedia where it is not in the catalogue."""
    if recipe.model not in MODELS:
        raise InvalidMedia(
            f"This video was made with “{recipe.model}”, which is not in this catalogue. Drop a still instead."
        )
    return MODELS[recipe.model]


@dataclass(frozen=True)
class Fit:
    """What of some settings a form can hold now.

    Args:
        values: by field name; every field has one, its default where the settings give none that fits.
        notes: what was left out, as sentences without a word of what was given.
        gone: fields of one file that is not stored here any more.
    """

    values: dict[str, Any]
    notes: tuple[str, ...]
    gone: frozenset[str]


def fit(fields: Iterable[FormField], given: Mapping[str, Any], is_stored: IsStored) -> Fit:
    """Settings as a form can hold them: only fields that there are, only values that their widgets offer.

    They may come from a file that anybody can have made up. A stored file is named by the SHA-256 of its bytes, and that
    is the only way to name one: so whoever forges a file can only name what they have, or had, in hand themselves. It
    cannot be guessed, and nothing in a form leads from a key to whose file it is.

    Args:
        fields: of the model, or of a provider's options.
        given: values by field name, of any kind.
        is_stored: whether there is a file of this key.
    """
    values: dict[str, Any] = {}
    notes: list[str] = []
    gone: set[str] = set()
    for field in fields:
        values[field.name] = field.default
        value = given.get(field.name)
        if value is None:
            continue
        try:
            values[field.name], note = _fitting(field, value, is_stored)
            notes += [note] if note else []
        except _GoneError:
            gone.add(field.name)
        except ValueError:
            notes.append(f"{field.label}: the value from then is not offered now; the usual one is set.")
    unknown = len(given.keys() - values.keys())
    if unknown:
        notes.append(f"{unknown} of the settings from then {'is' if unknown == 1 else 'are'} not in this form.")
    return Fit(values, tuple(notes), frozenset(gone))


class _GoneError(ValueError):
    """A file that is not stored here any more."""


def _fitting(field: FormField, value: Any, is_stored: IsStored) -> tuple[Any, str]:
    """The value as the field's widget can hold it, and what to say about it. Raises ValueError where it cannot."""
    whole = type(value) is int
    number = (whole or (type(value) is float and math.isfinite(value))) and abs(value) <= LARGEST
    match field.kind:
        case Prompt() | Text():  # a text that is too long stays: the form counts it
            fits = isinstance(value, str)
        case Still():
            return _key(value, PICTURES, is_stored), ""
        case Clip():
            return _key(value, CLIPS, is_stored), ""
        case Sound():
            return _key(value, SOUNDS, is_stored), ""
        case Clips(_, most):
            return _items(field, value, most, is_stored)
        case Choice(options):
            fits = any(type(option) is type(value) and option == value for option in options)
        case Number(least, most, _, must_be_whole):
            fits = number and (whole or not must_be_whole) and _within(value, least, most)
            value = value if must_be_whole or not fits else float(value)
        case Seed(least, most):
            fits = whole and _within(value, least, most)
        case Toggle():
            fits = type(value) is bool
    if not fits:
        raise ValueError(field.name)
    return value, ""


def _within(value: float, least: float | None, most: float | None) -> bool:
    return (least is None or least <= value) and (most is None or value <= most)


def _key(value: Any, extensions: tuple[str, ...], is_stored: IsStored) -> str:
    if not isinstance(value, str) or not MEDIA_KEY.fullmatch(value) or value.rpartition(".")[2] not in extensions:
        raise ValueError("no key")
    if not is_stored(value):
        raise _GoneError
    return value


def _items(field: FormField, value: Any, most: int, is_stored: IsStored) -> tuple[list[ClipItem], str]:
    """The clips of a list that there are, in their order."""
    if not isinstance(value, list):
        raise ValueError("no list")
    items: list[ClipItem] = []
    for given in value[:most]:
        try:
            item = ClipItem.model_validate(given, strict=True)
            _key(item.key, PICTURES + CLIPS, is_stored)
        except ValueError:
            continue
        seconds = item.seconds if STILL_S[0] <= item.seconds <= STILL_S[1] else 3.0
        items.append(item.model_copy(update={"seconds": seconds, "label": item.label[:LONGEST_LABEL]}))
    left = len(value) - len(items)
    return items, f"{field.label}: {left} of {len(value)} files are no longer stored here." if left else ""
