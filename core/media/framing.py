"""How a picture of one shape fills a frame of another: the aspect to use, what is cut off, and around which point."""

import io
import math
from pathlib import Path
from typing import Any, Literal, cast

from PIL import Image, ImageOps

from core.errors import InvalidMedia

ASPECTS: dict[str, float] = {"16:9": 16 / 9, "9:16": 9 / 16, "1:1": 1.0}
"""Shapes that a video is made in, as width / height."""

LEAST_KEPT = 0.6  # share of the picture that a crop has to keep; below it, blurred bars look better (preview.md 5)
CENTRE = (0.5, 0.5)
FACE_SIDE = 480  # px, longest side of the copy that faces are looked for on: 40 to 160 ms
FACE_DROP = 0.25  # of the face's height: the focus lies below its centre, so that hair and shoulders stay in
SALIENCY_SIDE = 64  # px; spectral residual is defined on about this size
SALIENCY_PULL = 0.6  # how far the focus follows what stands out; the rest stays with the centre
FLAT = 3.0  # grey levels of standard deviation under which nothing stands out


def nearest_aspect(width: int, height: int) -> str:
    """The name in ASPECTS whose shape is nearest to a picture of this size in pixels."""
    shape = math.log(width / height)
    return min(ASPECTS, key=lambda name: abs(math.log(ASPECTS[name]) - shape))


def kept_share(width: int, height: int, aspect: float) -> float:
    """Share of the picture that stays when it is cut to this aspect (width / height), 0 to 1."""
    shape = width / height
    return min(shape / aspect, aspect / shape)


def fit_mode(width: int, height: int, aspect: float) -> Literal["crop", "pad"]:
    """Whether a picture of this size is better cut to the aspect, or set whole between bars."""
    return "crop" if kept_share(width, height, aspect) >= LEAST_KEPT else "pad"


def crop_box(
    width: int, height: int, aspect: float, focus: tuple[float, float] | None = None
) -> tuple[int, int, int, int]:
    """The largest box of this aspect inside a picture, as near to the focus as it goes.

    Args:
        width, height: of the picture, in pixels.
        aspect: width / height of the box.
        focus: the point to keep, each 0 to 1 of width and height; None is the centre.

    Returns:
        left, top, right, bottom in pixels; always inside the picture and at least one pixel wide and high.
    """
    across = max(1, min(width, round(height * aspect)))
    down = max(1, min(height, round(width / aspect)))
    x, y = focus or CENTRE
    left = min(max(round(x * width - across / 2), 0), width - across)
    top = min(max(round(y * height - down / 2), 0), height - down)
    return left, top, left + across, top + down


def find_focus(picture: bytes | Image.Image) -> tuple[float, float]:
    """The point of a picture that a crop and a camera move should keep, each 0 to 1 of width and height.

    A face first (frontal, human), else what stands out, else the centre. Takes 40 to 160 ms; reads a small copy only.

    Args:
        picture: the picture, or the bytes of a stored JPEG or PNG.

    Raises:
        InvalidMedia: the bytes are no picture.
    """
    if isinstance(picture, bytes):
        try:
            with Image.open(io.BytesIO(picture), formats=("JPEG", "PNG")) as opened:
                opened.draft("L", (FACE_SIDE, FACE_SIDE))
                return find_focus(ImageOps.exif_transpose(opened))
        except (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError) as exc:
            raise InvalidMedia("The picture cannot be read; it may be damaged. Choose another.") from exc
    small = picture.convert("L")
    small.thumbnail((FACE_SIDE, FACE_SIDE))
    return _face(small) or _salient(small) or CENTRE


def _face(grey: Image.Image) -> tuple[float, float] | None:
    import cv2  # here, because the pages import this module for `crop_box` alone
    import numpy as np

    pixels = np.asarray(grey)
    faces_file = Path(cv2.__file__).parent / "data" / "haarcascade_frontalface_alt2.xml"
    finder = cv2.CascadeClassifier(str(faces_file))
    found = cast(Any, finder.detectMultiScale(pixels, scaleFactor=1.1, minNeighbors=6, minSize=(28, 28)))
    if len(found) == 0:
        return None
    largest = max(int(w) * int(h) for _, _, w, h in found)
    faces = [(int(x), int(y), int(w), int(h)) for x, y, w, h in found if int(w) * int(h) >= largest / 2]
    total = sum(w * h for _, _, w, h in faces)
    x = sum((left + w / 2) * w * h for left, _, w, h in faces) / total
    y = sum((top + h * (0.5 + FACE_DROP)) * w * h for _, top, w, h in faces) / total
    return _inside(x / grey.width, y / grey.height)


def _salient(grey: Image.Image) -> tuple[float, float] | None:
    """Centre of weight of the spectral residual (Hou and Zhang 2007), pulled towards the middle; None for a flat picture."""
    import cv2
    import numpy as np

    pixels = np.asarray(grey.resize((SALIENCY_SIDE, SALIENCY_SIDE)), dtype=np.float32)
    if float(pixels.std()) < FLAT:
        return None
    spectrum = np.fft.fft2(pixels)
    log = np.log(np.abs(spectrum) + 1e-6).astype(np.float32)
    residual = log - cv2.blur(log, (3, 3))
    shown = np.abs(np.fft.ifft2(np.exp(residual + 1j * np.angle(spectrum)))) ** 2
    map_ = cv2.GaussianBlur(shown.astype(np.float32), (0, 0), 2.5)
    map_[map_ < np.quantile(map_, 0.85)] = 0
    weight = float(map_.sum())
    if not math.isfinite(weight) or weight <= 0:
        return None
    rows, columns = np.mgrid[0:SALIENCY_SIDE, 0:SALIENCY_SIDE]
    x = (float((map_ * columns).sum()) / weight + 0.5) / SALIENCY_SIDE
    y = (float((map_ * rows).sum()) / weight + 0.5) / SALIENCY_SIDE
    return _inside(0.5 + (x - 0.5) * SALIENCY_PULL, 0.5 + (y - 0.5) * SALIENCY_PULL)


def _inside(x: float, y: float) -> tuple[float, float]:
    return min(max(x, 0.0), 1.0), min(max(y, 0.0), 1.0)
