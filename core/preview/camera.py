"""Films a still: reads it, frames it, moves over it and writes the MP4, one frame at a time."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image

from core.media.framing import crop_box, find_focus, fit_mode
from core.preview import LABEL
from core.preview.clip import Clip, frame_count
from core.preview.effects import effects
from core.preview.encode import Writer
from core.preview.grammar import camera_plan
from core.preview.motion import Path as CameraPath
from core.preview.motion import path
from core.preview.picture import Picture, between_bars, cover, read_still
from core.preview.plan import Plan
from core.preview.task import CameraTask

Step = Callable[[int, int, str], None]
"""Called after every frame with those done, those to do, and the stage; raises to end the render."""


def film(task: CameraTask, step: Step) -> dict[str, Any]:
    """Render a task to its output.

    Returns:
        The facts for the job: the plan in words, the words of the prompt that were followed, and those that were not.

    Raises:
        ProviderRefused: the still or clip cannot be read.
        OSError: the video cannot be written.
    """
    plan = camera_plan(task.prompt, task.seed, task.camera_move)
    total = frame_count(task.seconds, task.fps)
    draws = effects(plan.effects, task.size, total / task.fps, task.fps, plan.seed)
    with Writer(Path(task.output), task.size, task.fps, LABEL) as writer:
        for number, picture in enumerate(shots(still(task), task.size, plan, total, task.fps, task.framing)):
            for draw in draws:
                picture = draw(picture, number / task.fps)
            writer.write(picture)
            step(number + 1, total, "Rendering")
        step(total, total, "Finishing")
    return {"plan": plan.describe(), "recognised": list(plan.recognised), "ignored": [*plan.ignored, *task.left_out]}


def still(task: CameraTask) -> Image.Image:
    """The picture that a task films. Raises ProviderRefused."""
    source = Path(task.source)
    if source.suffix in (".mp4", ".mov"):
        return Image.fromarray(Clip.open(source, "The clip", task.field).last())
    return read_still(source, task.field)


def shots(
    image: Image.Image, size: tuple[int, int], plan: Plan, total: int, fps: int, framing: str = "auto"
) -> Iterator[Picture]:
    """The moving pictures of a plan, without effects. Each array may be overwritten by the next.

    Args:
        image: the still, upright RGB, of any size.
        size: width and height of the video in pixels.
        plan: where the camera goes.
        total: how many frames.
        fps: frames per second.
        framing: "auto", "crop" or "blurred bars".
    """
    aspect = size[0] / size[1]
    mode = {"crop": "crop", "blurred bars": "pad"}.get(framing) or fit_mode(image.width, image.height, aspect)
    focus = find_focus(image)
    picture = np.asarray(image)
    if mode == "crop":
        left, top, right, bottom = crop_box(image.width, image.height, aspect, focus)
        picture = picture[top:bottom, left:right]
        focus = ((focus[0] * image.width - left) / (right - left), (focus[1] * image.height - top) / (bottom - top))
    else:
        focus = (0.5, 0.5)  # the move goes to the middle, where the picture stands between its bars
    way = path(plan, size, total, fps, focus)
    canvas = cover(np.ascontiguousarray(picture), way.canvas) if mode == "crop" else between_bars(picture, way.canvas)
    yield from _views(canvas, size, way)


def _views(canvas: Picture, size: tuple[int, int], way: CameraPath) -> Iterator[Picture]:
    buffer = np.empty((size[1], size[0], 3), np.uint8)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    if way.is_still:
        for _ in way.matrices:
            np.copyto(buffer, canvas)
            yield buffer
    elif way.vertigo.any():
        yield from _bent(canvas, size, way)
    elif way.is_affine:
        for matrix in way.matrices:
            cv2.warpAffine(canvas, matrix[:2], size, dst=buffer, flags=flags, borderMode=cv2.BORDER_REPLICATE)
            yield buffer
    else:
        for matrix in way.matrices:
            cv2.warpPerspective(canvas, matrix, size, dst=buffer, flags=flags, borderMode=cv2.BORDER_REPLICATE)
            yield buffer


def _bent(canvas: Picture, size: tuple[int, int], way: CameraPath) -> Iterator[Picture]:
    """The dolly zoom: the middle keeps its size while the rim comes nearer."""
    width, height = size
    x = (np.arange(width, dtype=np.float32) - (width - 1) / 2)[None, :]
    y = (np.arange(height, dtype=np.float32) - (height - 1) / 2)[:, None]
    far = ((x**2 + y**2) / (width**2 + height**2) * 4).astype(np.float32)
    for matrix, bend in zip(way.matrices.astype(np.float32), way.vertigo.astype(np.float32), strict=True):
        bent = 1 - bend * far
        across, down = x * bent + (width - 1) / 2, y * bent + (height - 1) / 2
        (a, b, c), (d, e, f), (g, h, i) = matrix
        depth = g * across + h * down + i
        map_x, map_y = (a * across + b * down + c) / depth, (d * across + e * down + f) / depth
        shown = cv2.remap(
            canvas,
            map_x.astype(np.float32),
            map_y.astype(np.float32),
            cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REPLICATE,
        )
        yield np.ascontiguousarray(shown, dtype=np.uint8)
