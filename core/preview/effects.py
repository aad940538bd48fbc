"""What is drawn over the picture: weather, specks, vignette, grain and fades. Deterministic for a seed."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]
"""(height, width, 3) RGB."""

Draw = Callable[[Picture, float], Picture]
"""Takes a picture, which it may overwrite, and the time in seconds; gives the picture with the effect."""

FADE_S = 0.8
GRAIN_SIGMA = 3.0  # grey levels; grain makes files several times larger, so little of it
GRAIN_TILES = 6
VIGNETTE = 0.45  # how much darker the corners are
SHIFT = 4  # binary digits behind the point in cv2's drawing: flakes move by sixteenths of a pixel
OVERCAST = 0.86  # rain darkens the picture, or it would not be seen against a bright sky
HALO = 5.0  # how much brighter than its blur a glow is drawn
REFERENCE = 720  # px, shortest side for which sizes below are meant


def effects(names: Sequence[str], size: tuple[int, int], seconds: float, fps: float, seed: str) -> tuple[Draw, ...]:
    """The effects of a plan in the order in which they have to be drawn.

    Args:
        names: from `Plan.effects`; "loop" makes weather come back to where it began.
        size: width and height of the video in pixels.
        seconds: length of the clip.
        fps: frames per second.
        seed: places flakes and drops.
    """
    loop = "loop" in names
    builders: dict[str, Callable[[], Draw]] = {
        "rain": lambda: _rain(size, seconds, _random(seed, "rain"), loop),
        "snow": lambda: _specks(SNOW, size, seconds, _random(seed, "snow"), loop),
        "dust": lambda: _specks(DUST, size, seconds, _random(seed, "dust"), loop),
        "embers": lambda: _specks(EMBERS, size, seconds, _random(seed, "embers"), loop),
        "fireflies": lambda: _specks(FIREFLIES, size, seconds, _random(seed, "fireflies"), loop),
        "vignette": lambda: _vignette(size),
        "grain": lambda: _grain(size, fps, _random(seed, "grain")),
        "fade in": lambda: _fade(0.0, min(FADE_S, seconds / 3), rising=True),
        "fade out": lambda: _fade(seconds - min(FADE_S, seconds / 3) - 1 / fps, seconds - 1 / fps, rising=False),
    }
    return tuple(build() for name, build in builders.items() if name in names)


def _random(seed: str, name: str) -> np.random.Generator:
    return np.random.default_rng(int.from_bytes(hashlib.sha256(f"{name} {seed}".encode()).digest()[:8], "big"))


# --- Specks: snow, dust, embers, fireflies ------------------------------------------------------------------------


@dataclass(frozen=True)
class _Kind:
    """Lengths are in pixels of a 720p video, speeds in pixels a second, down and right positive.

    Args:
        count: how many on a 16:9 picture.
        radius: smallest and largest.
        fall: speed of the farthest and of the nearest.
        drift: sideways speed of the nearest.
        sway: how far it swings to the side.
        colour: RGB at full strength.
        strength: 0 to 1 of the faintest and the strongest.
        glow: sigma of the halo; 0 for none.
        twinkle: how much of the strength comes and goes.
        soften: sigma of the blur of the speck itself.
    """

    count: int
    radius: tuple[float, float]
    fall: tuple[float, float]
    drift: float
    sway: float
    colour: tuple[int, int, int]
    strength: tuple[float, float]
    glow: float = 0.0
    twinkle: float = 0.0
    soften: float = 0.8


SNOW = _Kind(460, (0.9, 5.6), (70, 210), 28, 14, (255, 255, 255), (0.45, 0.95), soften=0.9)
DUST = _Kind(150, (0.8, 3.0), (-6, -22), 12, 16, (255, 244, 220), (0.15, 0.6), twinkle=0.6, soften=1.2)
EMBERS = _Kind(120, (1.3, 3.4), (-60, -170), 22, 18, (255, 140, 45), (0.5, 1.0), glow=5.0, twinkle=0.5)
FIREFLIES = _Kind(46, (1.9, 3.4), (-5, 7), 10, 42, (225, 255, 120), (0.6, 1.0), glow=7.0, twinkle=1.0)


def _specks(kind: _Kind, size: tuple[int, int], seconds: float, random: np.random.Generator, loop: bool) -> Draw:
    width, height = size
    unit = min(size) / REFERENCE
    count = max(8, round(kind.count * (width * height) / (REFERENCE**2 * 16 / 9) / unit**2))
    near = np.sort(random.random(count) ** 1.8)  # 0 far to 1 near; most are far
    rim = 12 * unit  # specks leave and enter out of sight
    across, down = width + 2 * rim, height + 2 * rim
    x0, y0 = random.random(count) * across, random.random(count) * down
    vx = kind.drift * unit * (0.4 + 0.6 * near)
    vy = unit * (kind.fall[0] + (kind.fall[1] - kind.fall[0]) * near) * random.uniform(0.85, 1.15, count)
    hz, phase = random.uniform(0.12, 0.4, count), random.random(count) * 2 * np.pi
    if loop:  # whole screens and whole swings a clip
        vx, vy = _whole(vx * seconds / across) * across / seconds, _whole(vy * seconds / down) * down / seconds
        hz = np.maximum(1, np.round(hz * seconds)) / seconds
    radius = unit * (kind.radius[0] + (kind.radius[1] - kind.radius[0]) * near**1.5)
    strength = 255 * random.uniform(*kind.strength, count)
    mask = np.zeros((height, width), np.uint8)
    small = (max(1, width // 4), max(1, height // 4))

    def draw(picture: Picture, time: float) -> Picture:
        swing = np.sin(2 * np.pi * hz * time + phase)
        x = (x0 + vx * time + kind.sway * unit * swing) % across - rim
        y = (y0 + vy * time + 0.4 * kind.sway * unit * np.cos(2 * np.pi * hz * time + phase)) % down - rim
        shown = strength * (1 - kind.twinkle * (0.5 + 0.5 * np.sin(2 * np.pi * 2 * hz * time + 3 * phase)))
        mask[:] = 0
        fixed = np.rint(np.stack([x, y, radius], axis=1) * (1 << SHIFT)).astype(int).tolist()
        for (cx, cy, r), light in zip(fixed, shown.tolist(), strict=True):
            cv2.circle(mask, (cx, cy), r, light, cv2.FILLED, cv2.LINE_AA, SHIFT)
        lit = cv2.GaussianBlur(mask, (0, 0), kind.soften * unit)
        if kind.glow:
            # in floats: eight bits would draw the halo as rings
            core = cv2.resize(mask, small, interpolation=cv2.INTER_AREA).astype(np.float32)
            halo = cv2.resize(
                cv2.GaussianBlur(core, (0, 0), kind.glow * unit / 2), size, interpolation=cv2.INTER_LINEAR
            )
            lit = cv2.add(lit, cv2.convertScaleAbs(halo, alpha=HALO))
        return _add(picture, lit, kind.colour)

    return draw


def _whole(turns: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(turns < 0, np.minimum(-1, np.round(turns)), np.maximum(1, np.round(turns)))


def _add(picture: Picture, light: object, colour: tuple[int, int, int]) -> Picture:
    """The picture with a coloured light laid over it."""
    light = _picture(light)
    layers = [light if part == 255 else cv2.convertScaleAbs(light, alpha=part / 255) for part in colour]
    return _picture(cv2.add(picture, cv2.merge(layers), dst=picture))


def _picture(array: object) -> Picture:
    assert isinstance(array, np.ndarray)
    return array


# --- Rain ---------------------------------------------------------------------------------------------------------


def _rain(size: tuple[int, int], seconds: float, random: np.random.Generator, loop: bool) -> Draw:
    width, height = size
    unit = min(size) / REFERENCE
    count = max(20, round(430 * (width * height) / (REFERENCE**2 * 16 / 9) / unit**2))
    near = np.sort(random.random(count) ** 1.5)
    length = unit * (20 + 52 * near)
    rim = 80 * unit
    across, down = width + 2 * rim, height + 2 * rim
    x0, y0 = random.random(count) * across, random.random(count) * down
    vy = unit * (900 + 900 * near)
    if loop:
        vy = _whole(vy * seconds / down) * down / seconds
    slant = 0.12  # across for one down
    strength = 45 + 95 * near
    thick = np.where(near > 0.85, 2, 1).tolist()
    mask = np.zeros((height, width), np.uint8)

    def draw(picture: Picture, time: float) -> Picture:
        y = (y0 + vy * time) % down - rim
        # a drop that comes round again starts where it left, so the loop closes
        x = (x0 + slant * y) % across - rim
        mask[:] = 0
        ends = np.rint(np.stack([x, y, x + slant * length, y + length], axis=1) * (1 << SHIFT)).astype(int).tolist()
        for (ax, ay, bx, by), light, width_px in zip(ends, strength.tolist(), thick, strict=True):
            cv2.line(mask, (ax, ay), (bx, by), light, width_px, cv2.LINE_AA, SHIFT)
        picture = _picture(cv2.convertScaleAbs(picture, alpha=OVERCAST))
        # each drop has a dark rim on its right: it shows before a white sky as well as before a dark wall
        shadow = cv2.convertScaleAbs(mask, alpha=0.45)
        offset = max(1, round(1.5 * unit))
        rolled = np.zeros_like(shadow)
        rolled[:, offset:] = shadow[:, :-offset]
        cv2.subtract(picture, cv2.merge([rolled] * 3), dst=picture)
        return _add(picture, mask, (215, 228, 245))

    return draw


# --- The lens and the film ----------------------------------------------------------------------------------------


def _vignette(size: tuple[int, int]) -> Draw:
    width, height = size
    x = (np.arange(width) - (width - 1) / 2) / (width / 2)
    y = (np.arange(height) - (height - 1) / 2) / (height / 2)
    far = np.sqrt(x[None, :] ** 2 + y[:, None] ** 2) / np.sqrt(2)
    light = 1 - VIGNETTE * np.clip((far - 0.35) / 0.65, 0, 1) ** 2
    mask = cv2.merge([np.rint(light * 255).astype(np.uint8)] * 3)

    def draw(picture: Picture, _: float) -> Picture:
        return _picture(cv2.multiply(picture, mask, dst=picture, scale=1 / 255))

    return draw


def _grain(size: tuple[int, int], fps: float, random: np.random.Generator) -> Draw:
    width, height = size
    tiles = []
    for _ in range(GRAIN_TILES):
        noise = cv2.GaussianBlur(random.normal(0, GRAIN_SIGMA * 1.6, (height, width)).astype(np.float32), (0, 0), 0.6)
        brighter, darker = (
            np.rint(np.clip(noise, 0, 40)).astype(np.uint8),
            np.rint(np.clip(-noise, 0, 40)).astype(np.uint8),
        )
        tiles.append((cv2.merge([brighter] * 3), cv2.merge([darker] * 3)))

    def draw(picture: Picture, time: float) -> Picture:
        brighter, darker = tiles[round(time * fps) % GRAIN_TILES]
        cv2.add(picture, brighter, dst=picture)
        return _picture(cv2.subtract(picture, darker, dst=picture))

    return draw


def _fade(start: float, end: float, *, rising: bool) -> Draw:
    def draw(picture: Picture, time: float) -> Picture:
        share = min(max((time - start) / (end - start), 0.0), 1.0)
        light = share if rising else 1 - share
        return picture if light >= 1 else _picture(cv2.convertScaleAbs(picture, alpha=light * light * (3 - 2 * light)))

    return draw
