"""Spruces drawn branch by branch: a large one for the foreground, small stamps of the same for a forest."""

from dataclasses import dataclass

import cv2
import numpy as np
from noise import Plane
from numpy.typing import NDArray

SHIFT = 4  # fractional bits of the coordinates OpenCV is given


@dataclass(frozen=True)
class Spruce:
    """How much of each pixel a tree covers and how bright it is there; shapes (height, width), 0 to 1."""

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

    sides = [
        (stem(t) + side * height * (0.002 + 0.011 * t), top + (foot - top) * t)
        for side in (-1, 1)
        for t in (0.0, 0.35, 0.7, 1.0)
    ]
    trunk = np.round(np.array(sides[:4] + sides[:3:-1]) * 2**SHIFT).astype(np.int32)
    cv2.fillPoly(cover, [trunk], 255, cv2.LINE_AA, SHIFT)
    cv2.fillPoly(lit, [trunk], 26, cv2.LINE_AA, SHIFT)
    level = 0.012
    while level < 0.93:
        full = slim * height * (level**0.82) * (1.0 - 0.35 * max(level - 0.82, 0.0) / 0.18)
        for toward in np.sort(np.sin(rng.uniform(0, 2 * np.pi, 8))):  # far boughs first
            if rng.random() < thin * (0.4 + level):
                continue
            aside = float(np.sqrt(1.0 - toward**2) * rng.choice((-1.0, 1.0)))
            long = full * rng.uniform(0.62, 1.12) + height * 0.008
            root = np.array([stem(level), top + (foot - top) * level + rng.normal(0, height * 0.004)])
            _bough(rng, (cover, lit), root, long, aside, float(toward), height)
        level += rng.uniform(0.011, 0.019) * (0.65 + 0.75 * level)
    return Spruce(cover.astype(np.float32) / 255.0, lit.astype(np.float32) / 255.0)


def _bough(
    rng: np.random.Generator,
    layers: tuple[NDArray[np.uint8], NDArray[np.uint8]],
    root: Plane,
    long: float,
    aside: float,
    toward: float,
    height: int,
) -> None:
    """One bough: it sinks, lifts at the tip, and hangs twigs with needles on the way; the sun is on the right."""
    along = np.linspace(0.0, 1.0, 9)
    sink = long * (0.30 * along + 0.34 * along**2 - 0.30 * along**4) + toward * long * 0.16 * along
    spine = np.stack([root[0] + aside * long * along, root[1] + sink], axis=1)
    count = max(int(long / max(height * 0.0026, 1.3)), 4)
    place = np.sort(rng.uniform(0.05, 1.0, count))
    at = np.stack([np.interp(place, along, spine[:, axis]) for axis in (0, 1)], axis=1)
    size = (
        height * 0.022 * (1.1 - 0.62 * place) * rng.uniform(0.6, 1.25, count) * min(1.0, long / (0.05 * height) + 0.25)
    )
    swing, drop = rng.normal(0.35 * aside, 0.35, count), rng.uniform(0.35, 0.95, count)
    tip = at + size[:, None] * np.stack([swing, drop], axis=1)
    bend = (at + tip) / 2 + size[:, None] * np.array([0.18 * aside, -0.05])
    twigs = np.stack([at, bend, tip], axis=1)
    grades = np.clip(np.digitize(place, (0.25, 0.45, 0.62, 0.75, 0.87)) + rng.integers(-2, 2, count), 0, 5)
    glow = (0.35 + 0.65 * max(aside, 0.0)) * (0.55 + 0.45 * toward)
    thick = max(round(height / 1100), 1)
    for grade in range(6):
        group = twigs[grades == grade]
        if not len(group):
            continue
        tone = int(np.clip(10 + (6 + 36 * grade) * glow + rng.normal(0, 9), 4, 255))
        lines = list(group)
        if height > 500:  # large enough for single needles to be seen
            base = np.repeat(group, 6, axis=0)
            share = rng.uniform(0.1, 1.0, len(base))[:, None]
            start = base[:, 0] + (base[:, 2] - base[:, 0]) * share
            angle = rng.normal(np.pi / 2 - 0.5 * aside, 0.75, len(base))
            reach = height * 0.0060 * rng.uniform(0.5, 1.3, len(base))
            end = start + reach[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
            lines += list(np.stack([start, end], axis=1))
        for layer, shade in zip(layers, (255, tone), strict=True):
            fixed = [np.round(line * 2**SHIFT).astype(np.int32) for line in lines]
            cv2.polylines(layer, fixed[: len(group)], False, shade, thick, cv2.LINE_AA, SHIFT)
            cv2.polylines(layer, fixed[len(group) :], False, shade, 1, cv2.LINE_AA, SHIFT)
    for layer, shade in zip(layers, (255, 24), strict=True):
        cv2.polylines(layer, [np.round(spine[:4] * 2**SHIFT).astype(np.int32)], False, shade, thick, cv2.LINE_AA, SHIFT)
