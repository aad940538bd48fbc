"""From what a form or a command line holds to a model's input, or to one plain sentence per field that is wrong."""

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from core.errors import InvalidForm
from core.models.spec import Choice, Clip, Clips, FormField, ModelInput, Number, Prompt, Sound, Still, Text, form_fields


def validate(input_type: type[ModelInput], values: Mapping[str, Any], title: str) -> ModelInput:
    """The input that these values make.

    Args:
        input_type: the model's input, or a provider's options.
        values: by field name; None or "" is "not given".
        title: the model's name, for the messages.

    Raises:
        InvalidForm: with a sentence for every field that has to change.
    """
    given = {name: value for name, value in values.items() if value is not None and value != "" and value != []}
    try:
        return input_type.model_validate(given)
    except ValidationError as exc:
        fields = {item.name: item for item in form_fields(input_type)}
        messages: dict[str, str] = {}
        for error in exc.errors(include_url=False):
            name = _field(error)
            if name not in messages:
                messages[name] = _sentence(error, fields.get(name), name, title, tuple(fields))
        raise InvalidForm(messages) from exc


def _field(error: ErrorDetails) -> str:
    if error["loc"]:
        return str(error["loc"][0])
    return str(error.get("ctx", {}).get("field", ""))


def _sentence(error: ErrorDetails, item: FormField | None, name: str, title: str, known: tuple[str, ...]) -> str:
    if error["type"] == "extra_forbidden" or (item is None and name):
        return f"{title} has no setting “{name}”. It has: {', '.join(known)}."
    if (
        item is None or not error["loc"]
    ):  # a rule over several fields: the model's own sentence, whichever field it names
        return error["msg"]
    context = error.get("ctx", {})
    label = item.label
    empty = error["type"] in ("missing", "string_too_short", "too_short")
    match item.kind:
        case Still() if empty:
            return "Choose a still: drop a picture, give its address, or take a sample."
        case Prompt() if empty:
            return "Write a prompt: say what should happen in the video."
        case Prompt(limit) | Text(limit) if error["type"] == "string_too_long" and limit:
            length = len(str(error["input"]))
            return f"{label}: {length:,} characters, and {title} takes {limit:,}. Shorten it by {length - limit:,}."
        case Clips(least, most) if error["type"] in ("missing", "too_short", "too_long"):
            return f"Choose {least} to {most} clips."
        case Clip() | Sound() | Still():
            return f"{label}: this is not a stored file. Choose it again."
        case Choice(options):
            return f"{label}: choose one of {', '.join(str(option) for option in options)}."
        case Number(least, most) if context.keys() & {"ge", "le", "gt", "lt"}:
            return f"{label}: from {least:g} to {most:g}." if least is not None and most is not None else error["msg"]
    if empty:
        return f"{label} is needed."
    return f"{label}: {error['msg'][0].lower()}{error['msg'][1:]}."
