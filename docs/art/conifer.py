"""Spruces drawn branch by branch: a large one for the foreground, small stamps of the same for a forest."""

from dataclasses import dataclass

import cv2
import numpy as np
from noise import Plane

SHIFT = 4  # fractional bits of the coordinates OpenCV is given


@dataclass(frozen=True)
class Spruce:
    """How much of each pixel a tree covers and how much of that faces the sun; shapes (height, width), 0 to 1."""

    cover: Plane
    lit: Plane

    def shrink(self, height: int) -> "Spruce":
        """The same tree at a smaller height in pixels."""
        width = max(round(self.cover.shape[1] * height / self.cover.shape[0]), 2)
        size = (width, max(height, 2))
        return Spruce(*(cv2.resize(part, size, interpolation=cv2.INTER_AREA) for part in (self.cover, self.lit)))


def grow(height: int, seed: int, slim: float = 0.19, thin: float = 0.0) -> Spruce:
    """A spruce of a height in pixels; slim is its half width over its height, thin the share of missing branches."""
    rng = np.random.default_rng(seed)
    width = int(height * (2 * slim + 0.12))
    cover = np.zeros((height, width), np.uint8)
    lit = np.zeros_like(cover)
    middle, top, foot = width / 2, height * 0.015, float(height)
    lean = rng.normal(0, 0.012) * height

    def stem(t: float) -> float:
        return middle + lean * (t**2 - t) * 2

    def stroke(layer: np.ndarray, points: np.ndarray, shade: int, thick: int) -> None:
        cv2.polylines(layer, [np.round(points * 2**SHIFT).astype(np.int32)], False, shade, thick, cv2.LINE_AA, SHIFT)

    trunk = [(stem(t) + side * height * (0.002 + 0.011 * t), top + (foot - top) * t) for side in (-1, 1) for t in (0.0, 0.35, 0.7, 1.0)]
    cv2.fillPoly(cover, [np.round(np.array(trunk[:4] + trunk[:3:-1]) * 2**SHIFT).astype(np.int32)], 255, cv2.LINE_AA, SHIFT)
    level = 0.012
    while level < 0.93:
        full = slim * height * (level**0.82) * (1.0 - 0.35 * max(level - 0.82, 0.0) / 0.18)
        for azimuth in rng.uniform(0, 2 * np.pi, 7):
            if rng.random() < thin * (0.4 + level):
                continue
            aside, toward = np.cos(azimuth), np.sin(azimuth)
            long = full * rng.uniform(0.62, 1.12) + height * 0.008
            root = np.array([stem(level), top + (foot - top) * level + rng.normal(0, height * 0.004)])
            _branch(rng, cover, lit, stroke, root, long, float(aside), float(toward), height)
        level += rng.uniform(0.011, 0.019) * (0.65 + 0.75 * level)
    return Spruce(cover.astype(np.float32) / 255.0, np.minimum(lit, cover).astype(np.float32) / 255.0)


def _branch(rng, cover, lit, stroke, root, long, aside, toward, height) -> None:  # type: ignore[no-untyped-def]
    """One bough: it sinks, lifts at the tip, and hangs twigs on the way."""
    along = np.linspace(0.0, 1.0, 9)
    sink = long * (0.30 * along + 0.34 * along**2 - 0.30 * along**4) + toward * long * 0.16 * along
    spine = np.stack([root[0] + aside * long * along, root[1] + sink], axis=1)
    stroke(cover, spine, 255, max(round(height / 700), 1))
    sunny = aside > 0.15 and toward < 0.75
    twigs = max(int(long / max(height * 0.0030, 1.3)), 4)
    for place in np.sort(rng.uniform(0.06, 1.0, twigs)):
        at = np.array([np.interp(place, along, spine[:, 0]), np.interp(place, along, spine[:, 1])])
        size = height * 0.022 * (1.1 - 0.62 * place) * rng.uniform(0.6, 1.25) * min(1.0, long / (0.05 * height) + 0.25)
        swing = rng.normal(0.35 * aside, 0.35)
        tip = at + size * np.array([swing, rng.uniform(0.35, 0.95)])
        bend = (at + tip) / 2 + size * np.array([0.18 * aside, -0.05])
        stroke(cover, np.array([at, bend, tip]), 255, max(round(height / 520), 1))
        if sunny and rng.random() < 0.6 * place * aside:
            stroke(lit, np.array([at, bend, tip]), int(60 + 190 * place * rng.random()), max(round(height / 900), 1))
