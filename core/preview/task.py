"""What a render is told: the two kinds of task, and how they travel as a JSON file."""

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

CAMERA_LIMIT_S = 120.0  # wall clock; a 10 s clip takes about 10 s on one busy core
SPLICE_LIMIT_S = 900.0  # ten half-minute clips at 1080p and 60 frames a second decode and encode for minutes
MOST_BYTES = 2 * 1024**3  # no file of ours comes near; a runaway must not fill the disk


@dataclass(frozen=True)
class CameraTask:
    """A camera move over one still.

    Args:
        source: path of a JPEG or PNG, or of a clip whose last frame is the still.
        field: the input field that the source came from, for errors.
        prompt: the user's text.
        seed: chooses what the text leaves open.
        camera_move, framing: as in `CameraOptions`.
        size: width and height of the video in pixels, even.
        fps: frames per second.
        seconds: length of the video.
        output: where the MP4 goes.
        progress: file to which lines are added.
        left_out: inputs that are not followed, in words.
        limit_s: seconds of wall clock after which the render gives up.
        most_bytes: largest file it may write.
    """

    what: ClassVar[str] = "camera"

    source: str
    field: str
    prompt: str
    seed: str
    size: tuple[int, int]
    output: str
    progress: str
    camera_move: str = "from the prompt"
    framing: str = "auto"
    fps: int = 24
    seconds: float = 5.0
    left_out: tuple[str, ...] = ()
    limit_s: float = CAMERA_LIMIT_S
    most_bytes: int = MOST_BYTES


@dataclass(frozen=True)
class Part:
    """One clip or still of a splice: its path, which of the two it is, and how many seconds a still is held."""

    path: str
    is_still: bool
    seconds: float = 3.0


@dataclass(frozen=True)
class SpliceTask:
    """Clips and stills, one after the other.

    Args:
        parts: in playing order.
        transition: "cut", "crossfade" or "fade through black".
        transition_s: its length in seconds; shortened where a part is shorter.
        bars: "blurred" or "black", beside a part of another shape.
        size, fps, output, progress, limit_s, most_bytes: as in CameraTask.
    """

    what: ClassVar[str] = "splice"

    parts: tuple[Part, ...]
    transition: str
    transition_s: float
    size: tuple[int, int]
    output: str
    progress: str
    fps: int = 24
    bars: str = "blurred"
    limit_s: float = SPLICE_LIMIT_S
    most_bytes: int = MOST_BYTES


Task = CameraTask | SpliceTask


def dump(task: Task) -> str:
    """The task as JSON, with its kind under "what"."""
    return json.dumps({"what": task.what, **dataclasses.asdict(task)}, ensure_ascii=False, indent=1)


def load(path: Path) -> Task:
    """The task in a file. Raises ValueError, KeyError or TypeError for a file that `dump` did not write."""
    given: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    what = given.pop("what")
    given["size"] = tuple(given["size"])
    if what == CameraTask.what:
        return CameraTask(**{**given, "left_out": tuple(given.get("left_out", ()))})
    if what == SpliceTask.what:
        return SpliceTask(**{**given, "parts": tuple(Part(**part) for part in given["parts"])})
    raise ValueError(f"no such task: {what!r}")
