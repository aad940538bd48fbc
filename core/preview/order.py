"""What a job orders from the preview: which still, which plan, which size and length; and the task that says so."""

import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from core.errors import NotFound, ProviderRefused
from core.jobs.job import Job
from core.media.framing import nearest_aspect
from core.models import get
from core.models.spec import MEDIA_KINDS, Clip, FormField, ModelInput, ModelSpec, Still
from core.models.splice import SIZES, SpliceInput
from core.preview.grammar import camera_plan
from core.preview.options import CameraOptions
from core.preview.plan import FROM_PROMPT, Plan
from core.preview.task import CameraTask, Part, SpliceTask, Task

FPS = 24
SHORTEST_S, LONGEST_S = 2.0, 10.0
USUAL_S = 5.0  # for a model that states no length
VIDEO_SIZES: dict[str, tuple[int, int]] = {"16:9": (1280, 720), "9:16": (720, 1280), "1:1": (960, 960)}
"""Aspect → width and height in pixels; all have the area of 720p."""
LAST_FRAMES = frozenset({"end_image", "tail_image"})
"""Inputs that a camera move over one still cannot end on."""


def plan_of(spec: ModelSpec, inputs: Mapping[str, Any], options: Mapping[str, Any]) -> Plan:
    """The plan that a job with this input is rendered with; for the page to show before it is sent.

    Args:
        spec: a model with `local == "camera"`.
        inputs: as they are stored in a job; may be incomplete.
        options: likewise: a CameraOptions as a dict, or empty.
    """
    source = _source(spec, inputs)
    return camera_plan(
        inputs.get("prompt") or "",
        _seed(inputs, source[1] if source else ""),
        options.get("camera_move") or FROM_PROMPT,
    )


def size_of(inputs: Mapping[str, Any], width: int, height: int) -> tuple[int, int]:
    """Width and height of the video that is made of a still of this size: the input's shape, else the nearest to the still's."""
    return VIDEO_SIZES.get(inputs.get("aspect_ratio") or "") or VIDEO_SIZES[nearest_aspect(width, height)]


def read(job: Job) -> tuple[ModelSpec, ModelInput]:
    """The job's model and its input. Raises ProviderRefused if they no longer fit together."""
    try:
        spec = get(job.model)
        CameraOptions.model_validate(job.options)
        return spec, spec.input.model_validate(job.inputs)
    except (NotFound, ValidationError) as exc:
        raise ProviderRefused(
            "invalid_input", "This job was made for another version of the model. Set it up again."
        ) from exc


def needed(spec: ModelSpec, given: ModelInput) -> tuple[str, ...]:
    """Keys of the stored files that the render reads. Raises ProviderRefused where there is nothing to start from."""
    if spec.local == "splice":
        return spec.media_keys(given)
    if (found := _source(spec, given.model_dump())) is None:
        raise ProviderRefused("still_missing", "The local preview needs a still or a clip to start from.")
    return (found[1],)


def task(job: Job, spec: ModelSpec, given: ModelInput, paths: Mapping[str, str], output: Path, progress: Path) -> Task:
    """The task of a job.

    Args:
        job: for its options.
        spec, given: from `read`.
        paths: where each key of `needed` lies.
        output, progress: where the render writes.
    """
    if isinstance(given, SpliceInput):
        return SpliceTask(
            parts=tuple(Part(paths[part.key], part.is_still, part.seconds) for part in given.clips),
            transition=given.transition,
            transition_s=given.transition_seconds,
            size=SIZES[given.size],
            fps=given.fps,
            output=str(output),
            progress=str(progress),
        )
    inputs = given.model_dump()
    options = CameraOptions.model_validate(job.options)
    found = _source(spec, inputs)
    assert found is not None  # `needed` refuses such a job
    item, key = found
    return CameraTask(
        source=paths[key],
        field=item.name,
        prompt=inputs.get("prompt") or "",
        seed=_seed(inputs, key),
        camera_move=options.camera_move,
        framing=options.framing,
        size=size_of(inputs, *_dimensions(Path(paths[key]))),
        fps=FPS,
        seconds=min(max(spec.seconds(given)[0] or USUAL_S, SHORTEST_S), LONGEST_S),
        left_out=_left_out(spec, inputs, item.name),
        output=str(output),
        progress=str(progress),
    )


def _source(spec: ModelSpec, inputs: Mapping[str, Any]) -> tuple[FormField, str] | None:
    """The input that is filmed: the first still that is no last frame, else a clip (its last frame is filmed)."""
    for kind in (Still, Clip):
        for item in spec.fields:
            if isinstance(item.kind, kind) and item.name not in LAST_FRAMES and inputs.get(item.name):
                return item, inputs[item.name]
    return None


def _left_out(spec: ModelSpec, inputs: Mapping[str, Any], source: str) -> tuple[str, ...]:
    """Pictures, clips and sounds of the input that a camera move does not follow, in the form's words."""
    return tuple(
        item.label.lower()
        for item in spec.fields
        if isinstance(item.kind, MEDIA_KINDS) and inputs.get(item.name) and item.name != source
    )


def _seed(inputs: Mapping[str, Any], source: str) -> str:
    """The input's seed, else the still: the same form gives the same preview, and the page can tell which."""
    seed = inputs.get("seed")
    return source if seed is None else str(seed)


def _dimensions(path: Path) -> tuple[int, int]:
    """Width and height of a still or clip as it is seen; a file that cannot be read is left to the render to refuse."""
    if path.suffix in (".mp4", ".mov"):
        from core.preview.clip import Clip as Moving  # PyAV is imported only where there is a clip

        with contextlib.suppress(ProviderRefused):
            height, width = Moving.open(path, "The clip", "video").last().shape[:2]
            return width, height
    else:
        from PIL import Image

        with contextlib.suppress(OSError, ValueError, SyntaxError), Image.open(path, formats=("JPEG", "PNG")) as image:
            return image.size
    return VIDEO_SIZES["16:9"]
