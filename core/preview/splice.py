"""Joins clips and stills into one video: with cuts, crossfades or fades through black, one frame at a time."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from core.media.framing import kept_share
from core.preview import SPLICE_LABEL
from core.preview.camera import Step
from core.preview.clip import Clip, frame_count
from core.preview.encode import Writer
from core.preview.picture import SAME_SHAPE, Picture, between_bars, cover, read_still
from core.preview.task import Part, SpliceTask

FIELD = "clips"  # of SpliceInput


@dataclass(frozen=True)
class Piece:
    """A part that has been looked over: how many frames it fills, and the clip it is (None for a still)."""

    part: Part
    frames: int
    clip: Clip | None


def splice(task: SpliceTask, step: Step) -> dict[str, Any]:
    """Render a task to its output.

    Returns:
        The facts for the job: what was joined, in words, and what was left out.

    Raises:
        ProviderRefused: a clip or still cannot be read; the message says which.
        OSError: the video cannot be written.
    """
    pieces = [_look(part, number, task.fps) for number, part in enumerate(task.parts, 1)]
    overlaps = transitions([piece.frames for piece in pieces], task.transition, task.transition_s, task.fps)
    shared = sum(overlaps) if task.transition == "crossfade" else 0
    total = sum(piece.frames for piece in pieces) - shared
    joined = _crossfaded(pieces, overlaps, task) if task.transition == "crossfade" else _in_turn(pieces, overlaps, task)
    with Writer(Path(task.output), task.size, task.fps, SPLICE_LABEL) as writer:
        for number, picture in enumerate(joined, 1):
            writer.write(picture)
            step(number, total, "Joining")
        step(total, total, "Finishing")
    silenced = any(piece.clip and piece.clip.has_sound for piece in pieces)
    return {
        "plan": f"{len(pieces)} parts · {task.transition} · {total / task.fps:.1f} s",
        "recognised": [],
        "ignored": ["the sound of the clips"] if silenced else [],
    }


def transitions(lengths: list[int], transition: str, seconds: float, fps: int) -> list[int]:
    """Frames of each transition, one fewer than there are parts.

    A part gives at most half of itself to each of its two neighbours (all of it where it has one), so that a
    transition longer than a short part is shortened. 0 is a cut.
    """
    if transition == "cut":
        return [0] * (len(lengths) - 1)
    wanted = frame_count(seconds, fps)
    ends = (0, len(lengths) - 1)
    room = [length if number in ends else length // 2 for number, length in enumerate(lengths)]
    return [min(wanted, before, after) for before, after in itertools.pairwise(room)]


def _look(part: Part, number: int, fps: int) -> Piece:
    if part.is_still:
        return Piece(part, frame_count(part.seconds, fps), None)
    clip = Clip.open(Path(part.path), f"Clip {number}", FIELD)
    return Piece(part, frame_count(clip.seconds, fps), clip)


def _pictures(piece: Piece, task: SpliceTask) -> Iterator[Picture]:
    if piece.clip is not None:
        yield from piece.clip.frames(task.size, task.fps, task.bars)
        return
    picture = np.asarray(read_still(Path(piece.part.path), FIELD))
    height, width = picture.shape[:2]
    same = kept_share(width, height, task.size[0] / task.size[1]) >= SAME_SHAPE
    fitted = cover(picture, task.size) if same else between_bars(picture, task.size, task.bars)
    for _ in range(piece.frames):
        yield fitted


def _crossfaded(pieces: list[Piece], overlaps: list[int], task: SpliceTask) -> Iterator[Picture]:
    """Two neighbours run at the same time while one fades into the other."""
    running = _pictures(pieces[0], task)
    used = 0  # frames of the running piece that the transition before it has shown
    for piece, following, overlap in zip(pieces, pieces[1:], overlaps, strict=False):
        for _ in range(piece.frames - used - overlap):
            yield next(running)
        coming = _pictures(following, task)
        for number in range(1, overlap + 1):
            share = number / (overlap + 1)
            yield _blend(next(running), next(coming), share)
        running, used = coming, overlap
    yield from running


def _in_turn(pieces: list[Piece], overlaps: list[int], task: SpliceTask) -> Iterator[Picture]:
    """One after the other; a fade takes the last half of its length from one and the first half from the next."""
    leaving = [(frames + 1) // 2 for frames in overlaps] + [0]
    coming = [0] + [frames // 2 for frames in overlaps]
    for piece, fade_in, fade_out in zip(pieces, coming, leaving, strict=True):
        for number, picture in enumerate(_pictures(piece, task)):
            light = min(1.0, (number + 1) / (fade_in + 1), (piece.frames - number - 1) / fade_out if fade_out else 1.0)
            yield picture if light >= 1 else np.asarray(cv2.convertScaleAbs(picture, alpha=light), dtype=np.uint8)


def _blend(before: Picture, after: Picture, share: float) -> Picture:
    return np.asarray(cv2.addWeighted(before, 1 - share, after, share, 0), dtype=np.uint8)
