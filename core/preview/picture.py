"""Pictures as arrays: reading a still, and fitting a picture of any shape into a frame."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from core.errors import ProviderRefused
from core.media.framing import crop_box

Picture = NDArray[np.uint8]
"""(height, width, 3) RGB."""

READ_SIDE = 2560  # px; a JPEG is decoded at the next size above, three times cheaper for a large photo
DIMMED = 0.62  # of their brightness: bars must not draw the eye
SAME_SHAPE = 0.97  # share kept by a crop from which on two shapes are taken as one


def read_still(path: Path, field: str) -> Image.Image:
    """A stored still as upright RGB.

    Raises:
        ProviderRefused: it is no picture, or a damaged one; `field` is the input that it came from.
    """
    try:
        with Image.open(path, formats=("JPEG", "PNG")) as opened:
            opened.draft("RGB", (READ_SIDE, READ_SIDE))
            return ImageOps.exif_transpose(opened).convert("RGB")
    except (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError) as exc:
        raise ProviderRefused(
            "still_unreadable", "The still cannot be read; it may be damaged. Choose another.", field=field
        ) from exc


def resize(picture: Picture, size: tuple[int, int]) -> Picture:
    """The picture at another size: by area where it shrinks, cubic where it grows."""
    height, width = picture.shape[:2]
    if (width, height) == size:
        return picture
    shrinks = size[0] * size[1] < width * height
    return _array(cv2.resize(picture, size, interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC))


def cover(picture: Picture, size: tuple[int, int], focus: tuple[float, float] | None = None) -> Picture:
    """The picture cut to the frame's shape around the focus, at the frame's size."""
    height, width = picture.shape[:2]
    left, top, right, bottom = crop_box(width, height, size[0] / size[1], focus)
    return resize(np.ascontiguousarray(picture[top:bottom, left:right]), size)


def inner(width: int, height: int, size: tuple[int, int]) -> tuple[int, int]:
    """Size of the whole picture inside a frame, in even pixels: one side is the frame's."""
    scale = min(size[0] / width, size[1] / height)
    return max(2, min(size[0], 2 * round(width * scale / 2))), max(2, min(size[1], 2 * round(height * scale / 2)))


def between_bars(picture: Picture, size: tuple[int, int], bars: str = "blurred") -> Picture:
    """The whole picture in the middle of a frame, between blurred or black bars."""
    height, width = picture.shape[:2]
    across, down = inner(width, height, size)
    if bars == "blurred":
        tiny = cover(picture, (max(8, size[0] // 16), max(8, size[1] // 16)))
        soft = cv2.GaussianBlur(tiny, (0, 0), 2.5)
        frame = _array(cv2.convertScaleAbs(cv2.resize(soft, size, interpolation=cv2.INTER_CUBIC), alpha=DIMMED))
    else:
        frame = np.zeros((size[1], size[0], 3), np.uint8)
    x, y = (size[0] - across) // 2, (size[1] - down) // 2
    frame[y : y + down, x : x + across] = resize(picture, (across, down))
    return frame


def _array(value: Any) -> Picture:
    assert isinstance(value, np.ndarray)
    return value
