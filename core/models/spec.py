"""What a model is: its inputs by kind, its price, its length, and how an input becomes the provider's payload."""

import functools
import types
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, StringConstraints
from pydantic.fields import FieldInfo

MediaKey = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}\.[a-z0-9]{2,4}$")]
"""Name of a stored file: the sha256 of its bytes in hex, a dot and its extension."""


# --- Kinds: what a form understands. `pages/parts/form.py` has one widget for each. -------------------------------


@dataclass(frozen=True)
class Prompt:
    """The text that says what happens; shown large, with a counter."""

    limit: int | None = None


@dataclass(frozen=True)
class Text:
    """Another free text, such as a negative prompt."""

    limit: int | None = None


@dataclass(frozen=True)
class Still:
    """A picture, given as a MediaKey. The limits are the model's own; Takes' come on top (`core.media.images`).

    Args:
        min_side: least width and height in pixels.
        max_bytes: largest file that the model takes.
        ratio: least and greatest width / height.
    """

    min_side: int = 64
    max_bytes: int | None = None
    ratio: tuple[float, float] = (0.25, 4.0)


@dataclass(frozen=True)
class Clip:
    """One video file, given as a MediaKey. Seconds and bytes are the model's own limits."""

    seconds: tuple[float, float] | None = None
    max_bytes: int | None = None


@dataclass(frozen=True)
class Sound:
    """One sound file (WAV or MP3), given as a MediaKey."""

    seconds: tuple[float, float] | None = None
    max_bytes: int | None = None


@dataclass(frozen=True)
class Clips:
    """Several clips and stills in an order that the user arranges."""

    least: int = 2
    most: int = 10


@dataclass(frozen=True)
class Choice:
    """One of a few values."""

    options: tuple[str | int | float, ...]


@dataclass(frozen=True)
class Number:
    """A number with bounds."""

    least: float | None
    most: float | None
    step: float
    whole: bool


@dataclass(frozen=True)
class Seed:
    """A whole number that makes a result repeatable; empty means a random one."""

    least: int = 0
    most: int = 2_147_483_647


@dataclass(frozen=True)
class Toggle:
    """On or off."""


Kind = Prompt | Text | Still | Clip | Sound | Clips | Choice | Number | Seed | Toggle
MEDIA_KINDS = (Still, Clip, Sound)


class ClipItem(BaseModel):
    """One element of a Clips field.

    Args:
        key: the stored file; `.mp4` is a clip, anything else a still.
        seconds: how long a still is held; ignored for a clip.
        label: what the user calls it: a file name or the prompt of the take.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    key: MediaKey
    seconds: float = 3.0
    label: str = ""

    @property
    def is_still(self) -> bool:
        return not self.key.endswith(".mp4")


class ModelInput(BaseModel):
    """Base of every model's input. Frozen; an unknown field is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True)


# --- Fields: a kind with its name, words and default --------------------------------------------------------------


@dataclass(frozen=True)
class FormField:
    """One field of a form, read off the pydantic input.

    Args:
        name: the attribute's name.
        label: what stands above the widget.
        help: one sentence, from the field's description.
        kind: which widget it gets, with its limits.
        required: whether it has to be filled.
        default: value of an untouched field; None for "not sent".
        unit: shown behind numbers, e.g. "s".
        wire: name in the provider's payload.
    """

    name: str
    label: str
    help: str
    kind: Kind
    required: bool
    default: Any
    unit: str
    wire: str


@functools.cache
def form_fields(input_type: type[ModelInput]) -> tuple[FormField, ...]:
    """The fields of an input in order of declaration.

    Raises:
        TypeError: a field has a type that no kind stands for, or no description.
    """
    return tuple(_form_field(name, info) for name, info in input_type.model_fields.items())


def _form_field(name: str, info: FieldInfo) -> FormField:
    if not info.description:
        raise TypeError(f"field {name!r} needs a description: it is what the form shows as help")
    extra = info.json_schema_extra if isinstance(info.json_schema_extra, dict) else {}
    required = info.is_required() or bool(extra.get("required"))
    return FormField(
        name=name,
        label=info.title or name.replace("_", " ").capitalize(),
        help=info.description,
        kind=_kind(name, info),
        required=required,
        default=None if info.is_required() else info.get_default(call_default_factory=True),
        unit=str(extra.get("unit", "")),
        wire=info.serialization_alias or name,
    )


def _kind(name: str, info: FieldInfo) -> Kind:
    for mark in info.metadata:
        if isinstance(mark, Kind):
            limit = next((m.max_length for m in info.metadata if hasattr(m, "max_length")), None)
            return type(mark)(limit=limit) if isinstance(mark, Prompt | Text) else mark
    bare = _without_none(info.annotation)
    if get_origin(bare) is Literal:
        return Choice(get_args(bare))
    if bare is bool:
        return Toggle()
    if bare in (int, float):
        low = next(
            (getattr(m, "ge", getattr(m, "gt", None)) for m in info.metadata if hasattr(m, "ge") or hasattr(m, "gt")),
            None,
        )
        high = next(
            (getattr(m, "le", getattr(m, "lt", None)) for m in info.metadata if hasattr(m, "le") or hasattr(m, "lt")),
            None,
        )
        whole = bare is int
        return Number(low, high, 1 if whole else 0.05, whole)
    raise TypeError(
        f"field {name!r} has type {info.annotation}: give it a kind from core.models.spec, e.g. Annotated[str, Prompt()]"
    )


def _without_none(annotation: Any) -> Any:
    if get_origin(annotation) in (Union, types.UnionType):
        rest = [arg for arg in get_args(annotation) if arg is not type(None)]
        return _without_none(rest[0]) if len(rest) == 1 else annotation
    return get_args(annotation)[0] if get_origin(annotation) is Annotated else annotation


# --- Money --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Estimate:
    """What one job is expected to cost.

    Args:
        low_usd: least expected cost in US dollars; None where no price is published.
        high_usd: most expected cost; the figure that budgets count with.
        basis: where the figure comes from, in words.
    """

    low_usd: float | None
    high_usd: float | None
    basis: str

    def __str__(self) -> str:
        if self.low_usd is None or self.high_usd is None:
            return "price not published"
        if self.high_usd == 0:
            return "free"
        if round(self.low_usd, 2) == round(self.high_usd, 2):
            return f"about {_dollars(self.high_usd)}"
        return f"about {_dollars(self.low_usd)} to {_dollars(self.high_usd)}"


def _dollars(amount: float) -> str:
    return f"${amount:.2f}" if amount >= 0.01 else "under $0.01"


UNPUBLISHED = Estimate(None, None, "fal publishes no price for this endpoint")
FREE = Estimate(0.0, 0.0, "runs on this computer")


def per_second(rate: float, seconds: tuple[float, float], source: str) -> Estimate:
    """Estimate of a model that charges by the generated second.

    Args:
        rate: US dollars per second.
        seconds: least and greatest length of the clip.
        source: where the rate was read, and when.
    """
    low, high = seconds
    length = f"{low:g} s" if low == high else f"{low:g} to {high:g} s"
    return Estimate(round(rate * low, 4), round(rate * high, 4), f"${rate:g} per second × {length} ({source})")


# --- The model ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class ModelSpec:
    """A model in the catalogue. Page, form, validation, price, CLI and contract tests follow from it.

    Args:
        slug: name in the URL and on the command line: lower case letters, digits and dashes.
        title: name in the menu.
        maker: who trained or wrote it.
        summary: one line for the page's head.
        endpoint: fal's endpoint id.
        input: the pydantic input; its field order is the form's.
        price: cost of one job with this input.
        seconds: least and greatest length of the clip that this input gives.
        expected_wait_s: the range in which a result usually comes, as stated by the provider or its users.
        constants: payload values that are always sent and never shown.
        not_offered: fields of the provider's schema that the form leaves out, each with the reason.
        payload: how an input becomes the provider's JSON; the default maps field by field.
        local: what this computer does for it: a camera move over the still, or the joining of clips.
        notice: a line of caution above the form, or "".
    """

    slug: str
    title: str
    maker: str
    summary: str
    endpoint: str
    input: type[ModelInput]
    price: Callable[[Any], Estimate]
    seconds: Callable[[Any], tuple[float, float]]
    expected_wait_s: tuple[int, int]
    constants: Mapping[str, Any] = field(default_factory=dict)
    not_offered: Mapping[str, str] = field(default_factory=dict)
    payload: "Callable[[ModelSpec, ModelInput, Mapping[str, str]], dict[str, Any]] | None" = None
    local: Literal["camera", "splice"] = "camera"
    notice: str = ""

    @property
    def fields(self) -> tuple[FormField, ...]:
        return form_fields(self.input)

    def to_payload(self, given: ModelInput, urls: Mapping[str, str]) -> dict[str, Any]:
        """The provider's JSON for this input.

        Args:
            given: a validated input of this model.
            urls: address at the provider for every media key that the input names.

        Raises:
            InvalidInput: the provider cannot do what this input asks for.
        """
        build = self.payload or plain_payload
        return {**build(self, given, urls), **self.constants}

    def media_keys(self, given: ModelInput) -> tuple[str, ...]:
        """Keys of the stored files that this input names, in order, each once."""
        keys: list[str] = []
        for item in self.fields:
            value = getattr(given, item.name)
            if isinstance(item.kind, MEDIA_KINDS) and value:
                keys.append(value)
            elif isinstance(item.kind, Clips):
                keys.extend(part.key for part in value)
        return tuple(dict.fromkeys(keys))

    def still(self, given: Mapping[str, Any]) -> str | None:
        """Key of the first picture or clip of an input as it is stored in a job, for posters."""
        for item in self.fields:
            value = given.get(item.name)
            if isinstance(item.kind, Still | Clip) and value:
                return str(value)
            if isinstance(item.kind, Clips) and value:
                return str(value[0]["key"])
        return None


def plain_payload(spec: ModelSpec, given: ModelInput, urls: Mapping[str, str]) -> dict[str, Any]:
    """Field by field under its wire name; media become URLs; empty values are left out."""
    payload: dict[str, Any] = {}
    for item in spec.fields:
        value = getattr(given, item.name)
        if value is None or value == "":
            continue
        payload[item.wire] = urls[value] if isinstance(item.kind, MEDIA_KINDS) else value
    return payload
