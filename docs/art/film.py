"""Colour and development: from linear light to the 8-bit still, with bloom, filmic tone, vignette and grain."""

from pathlib import Path

import cv2
import numpy as np
from noise import Plane
from PIL import Image


def light(code: str, strength: float = 1.0) -> Plane:
    """The linear RGB of a "#rrggbb" screen colour, times a strength; shape (3,)."""
    screen = np.array([int(code[i : i + 2], 16) for i in (1, 3, 5)], np.float32) / 255.0
    return (np.where(screen <= 0.04045, screen / 12.92, ((screen + 0.055) / 1.055) ** 2.4) * strength).astype(
        np.float32
    )


def blend(low: Plane, high: Plane, amount: Plane | float) -> Plane:
    """Colours (or planes) mixed by an amount from 0 to 1; a plane of amounts mixes per pixel."""
    share = np.asarray(amount, np.float32)
    if share.ndim and (np.ndim(low) in (1, 3) or np.ndim(high) in (1, 3)) and share.ndim == 2:
        share = share[..., None]
    return low + (high - low) * share


def step(low: float, high: float, value: Plane) -> Plane:
    """0 below low, 1 above high, an S-curve between (high below low turns it round)."""
    t = np.clip((value - np.float32(low)) / np.float32(high - low), 0.0, 1.0)
    return t * t * (3.0 - 2.0 * t)


def ramp(stops: list[tuple[float, Plane]], value: Plane) -> Plane:
    """A colour gradient read at every value; shape of value plus (3,)."""
    places = np.array([place for place, _ in stops], np.float32)
    channels = [np.interp(value, places, [colour[c] for _, colour in stops]) for c in range(3)]
    return np.stack(channels, axis=-1).astype(np.float32)


def bloom(picture: Plane, threshold: float, spreads: dict[float, float]) -> Plane:
    """Light scattered in the lens: highlights over the threshold, blurred by each spread (share of the width) and added."""
    height, width = picture.shape[:2]
    small = cv2.resize(picture, (width // 4, height // 4), interpolation=cv2.INTER_AREA)
    bright = small * np.clip((small.max(axis=2, keepdims=True) - threshold) / 1.0, 0.0, 1.0)
    glow = np.zeros_like(small)
    for spread, strength in spreads.items():
        glow += cv2.GaussianBlur(bright, (0, 0), spread * small.shape[1]) * strength
    return picture + cv2.resize(glow, (width, height), interpolation=cv2.INTER_LINEAR)


def develop(
    picture: Plane, size: tuple[int, int], *, exposure: float, vignette: float, grain: float, seed: int
) -> Plane:
    """Linear light to screen values 0 to 255 at the final (width, height): tone, then shrink, then vignette and grain."""
    x = np.maximum(picture * np.float32(exposure), 0.0)
    toned = np.clip((x * (2.51 * x + 0.03)) / (x * (2.43 * x + 0.59) + 0.14), 0.0, 1.0)  # ACES, Narkowicz's fit
    screen = np.where(toned <= 0.0031308, toned * 12.92, 1.055 * toned ** (1 / 2.4) - 0.055).astype(np.float32)
    width, height = size
    small = cv2.resize(screen, size, interpolation=cv2.INTER_AREA) if screen.shape[:2] != (height, width) else screen
    rows, columns = np.mgrid[0:height, 0:width].astype(np.float32)
    radius = np.hypot((columns - width / 2) / width, (rows - height / 2) / height) / 0.7071
    small *= (1.0 - vignette * radius**2.6)[..., None]
    rng = np.random.default_rng(seed)
    fine = rng.standard_normal((height, width)).astype(np.float32)
    soft = cv2.GaussianBlur(rng.standard_normal((height, width)).astype(np.float32), (0, 0), 0.8) * 2.2
    luminance = small @ np.array([0.21, 0.72, 0.07], np.float32)
    small += ((fine * 0.4 + soft * 0.6) * grain * (0.35 + 2.2 * luminance * (1.0 - luminance)))[..., None]
    return np.clip(small, 0.0, 1.0) * 255.0


def save(picture: Plane, path: Path) -> None:
    """Write screen values as a JPEG of quality 90 with full colour resolution."""
    Image.fromarray((picture + 0.5).astype(np.uint8)).save(path, quality=90, subsampling=0, optimize=True)
