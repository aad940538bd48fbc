"""What the command line's options hold, as a form's values: pictures, clips and sounds are taken in on the way."""

from pathlib import Path
from typing import Any

from core import samples
from core.errors import InvalidInput
from core.models.spec import Clip, ClipItem, Clips, ModelSpec, Number, Prompt, Seed, Sound, Still, Toggle
from core.studio import Studio


def read_values(
    studio: Studio, spec: ModelSpec, pictures: list[str], prompt: str | None, sets: list[str], provider: str
) -> tuple[dict[str, Any], dict[str, Any]]:
    """What the options hold, as form values and provider options."""
    values: dict[str, Any] = {}
    options: dict[str, Any] = {}
    fields = {field.name: field for field in spec.fields}
    still = next((field for field in spec.fields if isinstance(field.kind, Still)), None)
    clips = next((field for field in spec.fields if isinstance(field.kind, Clips)), None)
    if clips:
        values[clips.name] = [_clip(studio, given).model_dump() for given in pictures]
    elif pictures and still:
        if len(pictures) > 1:
            raise InvalidInput(f"{spec.title} takes one --image.", still.name)
        values[still.name] = _picture(studio, pictures[0])
    if prompt is not None:
        if not any(isinstance(field.kind, Prompt) for field in spec.fields):
            raise InvalidInput(f"{spec.title} takes no prompt.", "prompt")
        values["prompt"] = prompt
    for pair in sets:
        name, sign, text = pair.partition("=")
        if not sign:
            raise InvalidInput(f"--set {pair}: write it as name=value.")
        group, dot, inner = name.partition(".")
        if dot:
            if group != provider:
                raise InvalidInput(f"--set {pair}: this job runs on {provider}, not on {group}.")
            options[inner] = text
        elif name not in fields:
            raise InvalidInput(f"{spec.title} has no input “{name}”. It has: {', '.join(fields)}.", name)
        else:
            values[name] = _cast(studio, fields[name].kind, name, text)
    return values, options


def _cast(studio: Studio, kind: object, name: str, text: str) -> Any:
    """A --set value as its field's type; what does not fit is left for validation to name."""
    if isinstance(kind, Toggle):
        words = {
            "true": True,
            "yes": True,
            "on": True,
            "1": True,
            "false": False,
            "no": False,
            "off": False,
            "0": False,
        }
        if text.lower() not in words:
            raise InvalidInput(f"--set {name}: true or false.", name)
        return words[text.lower()]
    if isinstance(kind, Still):
        return _picture(studio, text)
    if isinstance(kind, Clip):
        return studio.add_clip(_file(text).read_bytes(), Path(text).name, kind).key
    if isinstance(kind, Sound):
        return studio.add_sound(_file(text).read_bytes(), Path(text).name, kind).key
    options = getattr(kind, "options", ())
    if isinstance(kind, Number | Seed) or (options and not isinstance(options[0], str)):
        try:
            return float(text) if "." in text else int(text)
        except ValueError:
            return text
    return text


def _picture(studio: Studio, given: str) -> str:
    if given.startswith("sample:"):
        sample = samples.get(given.removeprefix("sample:"))
        return studio.add_picture(sample.read(), f"{sample.name}.jpg").key
    if given.startswith(("http://", "https://")):
        return studio.add_picture_from(given).key
    return studio.add_picture(_file(given).read_bytes(), Path(given).name).key


def _clip(studio: Studio, given: str) -> ClipItem:
    """An element of a Clips input: a job's id, an MP4 or a picture."""
    if not Path(given).exists() and given.count("-") == 4:
        take = studio.get(None, given)
        if take.video is None:
            raise InvalidInput(f"Take {given} has no video.", "clips")
        return ClipItem(key=take.video.key, label=take.prompt[:40])
    if given.lower().endswith((".mp4", ".mov", ".m4v")):
        return ClipItem(key=studio.add_clip(_file(given).read_bytes(), Path(given).name).key, label=Path(given).name)
    return ClipItem(key=_picture(studio, given), label=given.rsplit("/", 1)[-1])


def _file(given: str) -> Path:
    path = Path(given).expanduser()
    if not path.is_file():
        raise InvalidInput(f"There is no file “{given}”.", "image")
    return path
