"""The camera's path: for every frame, the matrix that takes a pixel of the video to its place on the canvas."""

import hashlib
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.preview.plan import Plan

Array = NDArray[np.float64]

BASE_S = 5.0  # the amounts below are for a clip of this length at speed 1; longer clips go further, not slower
EASED = 0.18  # share of the clip in which the camera picks up speed, and again in which it slows down
ZOOM = 1.22  # nearest over farthest
ZOOM_MOST = 1.5  # more and the still shows its pixels
PAN = 0.11  # of the width
PAN_MOST = 0.2
TILT = 0.13  # of the height
TILT_MOST = 0.22
ROLL = math.radians(4)  # to either side
ROLL_MOST = math.radians(7)
ORBIT = math.radians(7.5)  # to either side; no artefacts seen up to 9
ORBIT_LEAST, ORBIT_MOST = math.radians(6), math.radians(9)
ORBIT_DRIFT = 0.012  # of the width, against the turn
ORBIT_LENS = 1.4  # focal length in widths: how strong the perspective is
SHAKE = 0.008  # of the width
SHAKE_ROLL = math.radians(0.35)
SHAKE_HZ = (0.55, 0.7, 1.3)  # slow sway, and a little hand on top
SHAKE_WEIGHT = (0.6, 0.4, 0.18)
VERTIGO = 0.16  # how much nearer the rim comes while the middle keeps its size
MARGIN_MOST = 1.4  # of the window: several large moves at once must not leave a keyhole
CALMER = (1.0, 0.8, 0.6, 0.4)  # factors on the amounts, tried until the margin is small enough
SHARPNESS = 1.2  # canvas pixels for one of the video: between 1.15 and 1.35 a slow pan does not pulse (preview.md 3)


@dataclass(frozen=True)
class Path:
    """Where the camera is in every frame.

    Args:
        matrices: (frames, 3, 3), from pixels of the video to pixels of the canvas; centres of pixels are whole numbers.
        canvas: width and height of the canvas in pixels.
        vertigo: (frames,) strength of the dolly zoom's bend, 0 for none.
    """

    matrices: Array
    canvas: tuple[int, int]
    vertigo: Array

    @property
    def is_still(self) -> bool:
        """Whether every frame shows the canvas as it is."""
        return bool(
            np.array_equal(self.matrices, np.tile(np.eye(3), (len(self.matrices), 1, 1))) and not self.vertigo.any()
        )

    @property
    def is_affine(self) -> bool:
        """Whether no frame needs perspective."""
        return bool(np.allclose(self.matrices[:, 2, :2], 0.0))


def ease(t: Array, eased: float = EASED) -> Array:
    """Trapezoid velocity: from 0 to 1, speeding up and slowing down over the first and last `eased` share."""
    top = 1 / (1 - eased)
    return np.where(
        t < eased,
        top * t**2 / (2 * eased),
        np.where(t > 1 - eased, 1 - top * (1 - t) ** 2 / (2 * eased), top * (t - eased / 2)),
    )


def path(plan: Plan, size: tuple[int, int], frames: int, fps: float, focus: tuple[float, float] = (0.5, 0.5)) -> Path:
    """The path of a plan over a still that fills the canvas.

    Args:
        plan: moves, speed and effects ("loop" makes the path end where it began).
        size: width and height of the video in pixels.
        frames: how many, 1 or more.
        fps: frames per second.
        focus: what a push in goes to, each 0 to 1 of width and height.

    Every corner of every frame stays on the canvas: the window is made as much smaller as the path needs.
    """
    width, height = size
    if all(item.move == "static" for item in plan.moves):
        return Path(np.tile(np.eye(3), (frames, 1, 1)), size, np.zeros(frames))
    loop = "loop" in plan.effects
    t = np.arange(frames) / frames if loop else np.arange(frames) / max(frames - 1, 1)
    u = (1 - np.cos(2 * np.pi * t)) / 2 if loop else ease(t)
    for calm in CALMER:
        pose = _pose(plan, plan.speed * calm, u, t, frames / fps, height / width, focus, loop)
        shrink = _margin(pose, height / width, size)
        if shrink <= MARGIN_MOST:
            break
    # the sharpest and the widest view of the clip share the canvas: their middle gets the ratio that does not pulse
    scale = SHARPNESS * shrink * math.sqrt(float(pose.zoom.max()) * float(pose.zoom.min()))
    canvas = (_even(width * scale), _even(height * scale))
    to_video = np.array(
        [[1 / width, 0, -(width - 1) / 2 / width], [0, 1 / width, -(height - 1) / 2 / width], [0, 0, 1]]
    )
    to_canvas = np.array([[canvas[0], 0, (canvas[0] - 1) / 2], [0, canvas[0], (canvas[1] - 1) / 2], [0, 0, 1]])
    matrices = to_canvas @ _view(pose, shrink) @ to_video
    return Path(matrices / matrices[:, 2:, 2:], canvas, pose.vertigo)


@dataclass(frozen=True)
class _Pose:
    """All arrays have one value a frame; lengths are in widths of the picture, angles in radians."""

    x: Array
    y: Array
    zoom: Array
    roll: Array
    turn: Array
    vertigo: Array


def _pose(
    plan: Plan, speed: float, u: Array, t: Array, seconds: float, tall: float, focus: tuple[float, float], loop: bool
) -> _Pose:
    zero = np.zeros_like(u)
    x, y, roll, turn, vertigo = zero, zero, zero, zero, zero
    zoom = zero + 1.0
    amount = speed * seconds / BASE_S
    for item in plan.moves:
        sign = -1.0 if item.direction in ("left", "up", "ccw") else 1.0
        match item.move:
            case "push" | "pull" | "zoom in" | "zoom out":
                nearest = min(ZOOM**amount, ZOOM_MOST)
                zoom = nearest ** (u if item.direction == "in" else 1 - u)
                aim = (
                    0.8 if item.move in ("push", "pull") else 0.4
                )  # a lens zooms to the middle, a dolly goes to the subject
                x = x + (focus[0] - 0.5) * aim * (1 - 1 / zoom)
                y = y + (focus[1] - 0.5) * aim * tall * (1 - 1 / zoom)
            case "dolly zoom":
                vertigo = min(VERTIGO * amount, 2 * VERTIGO) * u
            case "pan":
                x = x + sign * min(PAN * amount, PAN_MOST) * (u - 0.5)
            case "tilt":
                y = y + sign * min(TILT * amount, TILT_MOST) * tall * (u - 0.5)
            case "roll":
                roll = sign * min(ROLL * amount, ROLL_MOST) * (2 * u - 1)
            case "orbit":
                turn = -sign * min(max(ORBIT * amount, ORBIT_LEAST), ORBIT_MOST) * (2 * u - 1)
                x = x + sign * ORBIT_DRIFT * (2 * u - 1)
            case "handheld":
                sway = _shake(plan.seed, t, seconds, loop) * min(max(speed, 0.6), 1.5)
                x, y, roll = x + sway[0] * SHAKE, y + sway[1] * SHAKE, roll + sway[2] * SHAKE_ROLL
            case "static":
                pass
    return _Pose(x, y, zoom, roll, turn, vertigo)


def _shake(seed: str, t: Array, seconds: float, loop: bool) -> Array:
    """Three unrelated sways between about -1 and 1, for across, down and roll: (3, frames)."""
    phases = (
        np.frombuffer(hashlib.sha256(f"shake {seed}".encode()).digest()[:18], dtype=np.uint16).reshape(3, 3)
        / 65536
        * 2
        * np.pi
    )
    total = np.zeros((3, len(t)))
    for axis in range(3):
        for number, hz in enumerate(SHAKE_HZ):
            turns = hz * (1 + 0.17 * axis) * seconds
            turns = max(1, round(turns)) if loop else turns
            total[axis] += SHAKE_WEIGHT[number] * np.sin(2 * np.pi * turns * t + phases[axis, number])
    return total


def _view(pose: _Pose, shrink: float) -> Array:
    """(frames, 3, 3): from the video's plane to the picture's, both centred and in widths."""
    n = len(pose.x)
    cos, sin, zero, one = np.cos(pose.roll), np.sin(pose.roll), np.zeros(n), np.ones(n)
    rolled = _stack(cos, -sin, zero, sin, cos, zero, zero, zero, one)
    # a picture that stands turned by this angle in front of the lens; inverted, since we go from video to picture
    facing = _stack(np.cos(pose.turn), zero, zero, zero, one, zero, np.sin(pose.turn) / ORBIT_LENS, zero, one)
    scaled = _stack(1 / (shrink * pose.zoom), zero, zero, zero, 1 / (shrink * pose.zoom), zero, zero, zero, one)
    moved = _stack(one, zero, pose.x, zero, one, pose.y, zero, zero, one)
    return moved @ scaled @ np.linalg.inv(facing) @ rolled


def _stack(*values: Array) -> Array:
    return np.stack(values, axis=-1).reshape(-1, 3, 3)


def _margin(pose: _Pose, tall: float, size: tuple[int, int]) -> float:
    """How much smaller than the picture the window has to be for no frame to show a border, 1 or more."""
    corners = np.array([[a / 2, b / 2 * tall, 1] for a in (-1, 1) for b in (-1, 1)]).T
    half = np.array([0.5, 0.5 * tall]) * (1 - 2.0 / min(size))  # a pixel's width to spare, for rounding

    def fits(shrink: float) -> bool:
        seen = _view(pose, shrink) @ corners
        if np.any(seen[:, 2] <= 0.1):
            return False
        return bool(np.all(np.abs(seen[:, :2] / seen[:, 2:]) <= half[None, :, None]))

    low, high = 1.0, 1.02
    while not fits(high):
        low, high = high, high * 1.25
    for _ in range(14):  # to 1/10,000 of the width
        middle = (low + high) / 2
        low, high = (low, middle) if fits(middle) else (middle, high)
    return high


def _even(value: float) -> int:
    return 2 * math.ceil(value / 2)
