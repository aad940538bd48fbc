"""Pictures that come in: what a file really is, whether it can be used, and its upright sRGB form without metadata."""

import io
import math
import re
import struct
import warnings
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Final

import numpy as np
import pillow_heif
from PIL import Image, ImageCms, ImageDraw, ImageEnhance, ImageFile, ImageOps

from core.errors import InvalidMedia
from core.media.content import MEBIBYTE, is_picture, megabytes, quoted, titled, too_big, what_is
from core.models.spec import Still

Size = tuple[int, int]
Box = tuple[int, int, int, int]

FORMATS: Final = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "HEIF", "AVIF")  # MPO comes in as JPEG
ALLOWED: Final = "a JPEG, PNG, WebP, HEIC, AVIF, GIF, BMP or TIFF"
MOST_PIXELS: Final = 50_000_000  # a 48-megapixel phone picture passes; decoded it takes 150 MB
LEAST_SIDE: Final = 64  # pixels
MOST_ASPECT: Final = 4.0  # longer / shorter side
LONGEST_SIDE: Final = 2560  # pixels kept; no model in the catalogue uses more than 1080p
JPEG_QUALITY: Final = 92
PNG_BYTES: Final = 2 * MEBIBYTE  # flat graphics up to here stay PNG, which keeps their edges clean
SMALLER: Final = ((92, 1.0), (85, 1.0), (78, 1.0), (85, 0.75), (78, 0.5), (75, 0.35), (75, 0.25))  # quality, scale

BROKEN: Final = (
    OSError, SyntaxError, ValueError, EOFError, IndexError, RuntimeError, struct.error, ArithmeticError, MemoryError,
    Image.DecompressionBombError, Image.DecompressionBombWarning,
)  # fmt: skip
"""What Pillow and its plugins raise for a file that is cut off, damaged or hostile."""

warnings.simplefilter("error", Image.DecompressionBombWarning)  # Pillow only warns between one and two times its limit
Image.init()
pillow_heif.register_heif_opener()


@dataclass(frozen=True)
class Picture:
    """A picture as it is kept and sent: upright, 8-bit sRGB, no EXIF, no place, no profile.

    Args:
        data: the encoded file.
        extension: "jpg" or "png".
        width, height: in pixels.
        notes: what was changed on the way that the user should know, as sentences.
    """

    data: bytes
    extension: str
    width: int
    height: int
    notes: tuple[str, ...] = ()


def read_picture(data: bytes, *, max_bytes: int, name: str = "") -> Picture:
    """Check a file that somebody gave, and bring it into the one form that everything else works with.

    Args:
        data: the file's bytes; its content decides what it is, never its name.
        max_bytes: largest file that is taken.
        name: the file's name, for messages.

    Raises:
        InvalidMedia: it is no picture, is damaged, or is outside the limits; the message says which and what to do.
    """
    said = quoted(name)
    if not data:
        raise InvalidMedia(f"{said} is empty. Choose it again, or export it anew.")
    if len(data) > max_bytes:
        raise InvalidMedia(f"{said} is {too_big(len(data), max_bytes)}. Save it smaller, for example as a JPEG.")
    with _open(data, said) as image:
        _check_size(image.size, said)
        full = image.size
        flat = image.mode in ("1", "P", "PA", "LA", "RGBA") or "transparency" in image.info
        notes = ["Only its first frame is used."] if _moves(image) else []
        upright = _load(image, said)
    if (upright.width > upright.height) != (full[0] > full[1]):
        full = (full[1], full[0])
    try:
        rgb = _to_rgb(upright, notes)
    except BROKEN as exc:
        raise _damaged(said) from exc
    if rgb.size != full:
        notes.append(f"Scaled down from {_by(full)} to {_by(rgb.size)} pixels.")
    extension, encoded = "jpg", b""
    if flat and len(data) < PNG_BYTES:
        extension, encoded = "png", _png(rgb)
    if not encoded or len(encoded) > PNG_BYTES:
        extension, encoded = "jpg", _jpeg(rgb)
    return Picture(encoded, extension, *rgb.size, tuple(notes))


def check_fit(width: int, height: int, size_bytes: int, kind: Still) -> None:
    """Whether a still keeps to a model's own limits.

    Args:
        width, height: in pixels.
        size_bytes: of the encoded file.
        kind: the model's limits.

    Raises:
        InvalidMedia: it does not; the message names the limit.
    """
    if min(width, height) < kind.min_side:
        raise InvalidMedia(
            f"This still is {_by((width, height))} pixels; the model needs at least {kind.min_side} on each side. Choose a larger one."
        )
    low, high = kind.ratio
    if not low <= width / height <= high:
        raise InvalidMedia(
            f"This still is {_by((width, height))} pixels; the model takes shapes from {_ratio(low)} to {_ratio(high)} "
            "(width to height). Crop it first."
        )
    if kind.max_bytes is not None and size_bytes > kind.max_bytes:
        raise InvalidMedia(
            f"This still is {too_big(size_bytes, kind.max_bytes)} of this model. Save it smaller, for example as a JPEG."
        )


def fit_bytes(picture: Picture, max_bytes: int) -> Picture:
    """The same picture in a file of at most `max_bytes`: first at a lower quality, then smaller.

    Raises:
        InvalidMedia: not even a quarter of its size at a low quality fits.
    """
    if len(picture.data) <= max_bytes:
        return picture
    image = _load(_open(picture.data, "The picture"), "The picture").convert("RGB")
    for quality, scale in SMALLER:
        smaller = _within(image, round(max(image.size) * scale))
        data = _jpeg(smaller, quality)
        if len(data) <= max_bytes:
            note = f"Compressed to {megabytes(len(data))} for the model's limit of {megabytes(max_bytes)}."
            return replace(
                picture,
                data=data,
                extension="jpg",
                width=smaller.width,
                height=smaller.height,
                notes=(*picture.notes, note),
            )
    raise InvalidMedia(
        f"The picture cannot be brought below the model's limit of {megabytes(max_bytes)}. Choose a simpler one."
    )


def dimensions(data: bytes) -> tuple[int, int]:
    """Width and height of a stored picture in pixels, from its header. Raises InvalidMedia."""
    with _open(data, "The picture") as image:
        return image.size


def thumbnail(data: bytes, longest: int, box: Box | None = None) -> bytes:
    """A small JPEG of a stored picture, or of a part of it.

    Args:
        data: the stored file.
        longest: longest side in pixels; a smaller picture keeps its size.
        box: the part, as left, top, right, bottom in pixels of the stored picture; None for all of it.

    Raises:
        InvalidMedia: the bytes are not a picture.
    """
    if box is None:
        return _jpeg(_small(data, longest), quality=85)
    part = _load(_open(data, "The picture"), "The picture").convert("RGB").crop(box)
    return _jpeg(_within(part, longest), quality=85)


def tile(width: int, height: int) -> bytes:
    """A plain grey JPEG of this size in pixels: the stand-in for a picture that is gone."""
    return _jpeg(Image.new("RGB", (width, height), (96, 96, 104)), quality=85)


def crop_preview(data: bytes, box: Box | None, longest: int) -> bytes:
    """A JPEG of a stored picture in which what will be cut away is dark and grey, and what stays has a thin frame.

    Args:
        data: the stored file.
        box: what stays, as left, top, right, bottom in pixels of the stored picture; None for all of it.
        longest: longest side of the answer in pixels.

    Raises:
        InvalidMedia: the bytes are not a picture, or the box lies outside of it.
    """
    image = _small(data, longest)
    if box is None:
        return _jpeg(image, quality=85)
    with _open(data, "The picture") as stored:
        full = stored.size
    across, down = image.width / full[0], image.height / full[1]
    left, top = max(0, round(box[0] * across)), max(0, round(box[1] * down))
    right, bottom = min(image.width, round(box[2] * across)), min(image.height, round(box[3] * down))
    if left >= right or top >= bottom:
        raise InvalidMedia("The chosen part lies outside of the picture. Choose it again.")
    dim = ImageEnhance.Brightness(ImageEnhance.Color(image).enhance(0.25)).enhance(0.4)
    dim.paste(image.crop((left, top, right, bottom)), (left, top))
    line = max(1, round(max(image.size) / 400))
    ImageDraw.Draw(dim).rectangle((left, top, right - 1, bottom - 1), outline=(245, 245, 245), width=line)
    return _jpeg(dim, quality=85)


# --- Words --------------------------------------------------------------------------------------------------------


def _by(size: Size) -> str:
    return f"{size[0]:,} × {size[1]:,}"


def _ratio(value: float) -> str:
    near = Fraction(value).limit_denominator(25)
    return f"{near.numerator}:{near.denominator}"


def _damaged(said: str) -> InvalidMedia:
    return InvalidMedia(f"{titled('picture', said)} is damaged or incomplete. Export or download it again.")


# --- Decoding -----------------------------------------------------------------------------------------------------


def _open(data: bytes, said: str) -> ImageFile.ImageFile:
    """Read the header. Asks the openers itself: `Image.open` refuses a bomb without telling its width and height."""
    cause: Exception | None = None
    for opener in FORMATS:
        factory, accepts = Image.OPEN[opener]
        if accepts is not None and accepts(data[:16]) is not True:
            continue
        try:
            return factory(io.BytesIO(data), "")
        except (Image.DecompressionBombError, Image.DecompressionBombWarning) as exc:
            raise InvalidMedia(
                f"{said} has too many pixels; the limit is {MOST_PIXELS // 1_000_000} million. Scale it down."
            ) from exc
        except (*BROKEN, TypeError, KeyError) as exc:  # plugins trip over header fields that a damaged file lacks
            cause = exc
    if is_picture(data):
        raise _damaged(said) from cause
    raise InvalidMedia(f"{said} is not a picture: it holds {what_is(data)}. Choose {ALLOWED}.") from cause


def _check_size(size: Size, said: str) -> None:
    width, height = size
    if width * height > MOST_PIXELS:
        raise InvalidMedia(
            f"{said} is {_by(size)} pixels, {width * height / 1_000_000:,.0f} million in all; "
            f"the limit is {MOST_PIXELS // 1_000_000} million. Scale it down."
        )
    if min(size) < LEAST_SIDE:
        raise InvalidMedia(
            f"{said} is only {_by(size)} pixels; each side needs at least {LEAST_SIDE}. Choose a larger picture."
        )
    if max(size) > MOST_ASPECT * min(size):
        raise InvalidMedia(
            f"{said} is {_by(size)} pixels; its longer side may be at most {MOST_ASPECT:g} times the shorter one. Crop it first."
        )


def _load(image: ImageFile.ImageFile, said: str) -> Image.Image:
    """Decode the first frame, upright. `verify` would pass half a JPEG; only decoding finds out."""
    try:
        if image.format in ("JPEG", "MPO"):
            image.draft("RGB", (LONGEST_SIDE, LONGEST_SIDE))  # decodes at 1/2, 1/4 or 1/8, three times cheaper
        image.load()
    except BROKEN as exc:
        if any(word in str(exc).lower() for word in ("truncated", "end of file", "unexpected end")):
            raise InvalidMedia(
                f"{titled('picture', said)} is incomplete: the file ends in the middle. Export or download it again."
            ) from exc
        raise _damaged(said) from exc
    try:
        return ImageOps.exif_transpose(image)
    except (*BROKEN, TypeError, KeyError):  # damaged EXIF says nothing about which way is up
        return image.copy()


def _moves(image: ImageFile.ImageFile) -> bool:
    """Whether there are further frames. MPO and HEIC often hold a depth map or a burst beside the picture: not those."""
    return image.format not in ("MPO", "HEIF") and bool(getattr(image, "is_animated", False))


def _small(data: bytes, longest: int) -> Image.Image:
    return _within(_to_rgb(_load(_open(data, "The picture"), "The picture"), []), longest)


# --- Pixels -------------------------------------------------------------------------------------------------------


def _to_rgb(image: Image.Image, notes: list[str]) -> Image.Image:
    """8-bit sRGB without transparency, at most LONGEST_SIDE; appends what was changed to `notes`."""
    profile = image.info.get("icc_profile")
    if image.mode.startswith(("I", "F")):
        image = _eight_bit(image)
        notes.append("Reduced to 8 bits per colour.")
    alpha = None
    if image.mode in ("LA", "PA", "RGBA", "La", "RGBa") or "transparency" in image.info:
        image = _within(image.convert("RGBA"), LONGEST_SIDE)
        alpha = image.getchannel("A")
        image = image.convert("RGB")
    elif image.mode in ("1", "P", "RGBX", "YCbCr", "HSV"):
        image = image.convert("L" if image.mode == "1" else "RGB")
    image = _to_srgb(_within(image, LONGEST_SIDE), profile, notes)
    if alpha is not None and alpha.getextrema() != (255, 255):
        white = Image.new("RGB", image.size, (255, 255, 255))
        white.paste(image, mask=alpha)
        image = white
        notes.append("Its transparent parts were put on white.")
    image.info = {}  # a comment would be written out again
    return image


def _eight_bit(image: Image.Image) -> Image.Image:
    """Grey of 16 or more bits, scaled to 0..255; Pillow's own `convert` clips it to white."""
    shades = np.nan_to_num(np.asarray(image).astype(np.float64))
    low, high = float(shades.min()), float(shades.max())
    if image.mode.startswith("I;16") or (image.mode == "I" and low >= 0 and 255 < high <= 65535):
        shades = shades / 257
    elif image.mode == "F" and low >= 0 and high <= 1:
        shades = shades * 255
    elif low < 0 or high > 255:  # no range is stated: use the one that is there
        shades = (shades - low) * (255 / (high - low))
    return Image.fromarray(np.round(shades).astype(np.uint8))


def _to_srgb(image: Image.Image, icc: bytes | None, notes: list[str]) -> Image.Image:
    """Colours by the embedded profile, where it fits the pixels; else as Pillow converts them."""
    try:
        profile = ImageCms.getOpenProfile(io.BytesIO(icc)) if icc else _lab() if image.mode == "LAB" else None
        if profile is not None:
            title = re.sub(r"[^\w .()-]", "", ImageCms.getProfileDescription(profile))[:60].strip()
            space = {"RGB": "RGB", "GRAY": "L", "CMYK": "CMYK", "Lab": "LAB"}.get(profile.profile.xcolor_space.strip())
            if image.mode == "L" and space == "RGB":
                image = image.convert("RGB")
            if image.mode == space and "sRGB" not in title:
                srgb = ImageCms.createProfile("sRGB")
                converted = ImageCms.profileToProfile(image, profile, srgb, outputMode="RGB")
                assert converted is not None  # None only for inPlace
                notes.append(f"Colours were converted from {title or 'its own profile'} to sRGB.")
                return converted
    except (ImageCms.PyCMSError, OSError):
        notes.append("Its colour profile is damaged and was left out.")
    if image.mode == "CMYK":
        notes.append("Colours were converted from CMYK, which is meant for print; they may look different.")
    return image.convert("RGB")


def _lab() -> ImageCms.ImageCmsProfile:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB"))


def _within(image: Image.Image, longest: int) -> Image.Image:
    scale = longest / max(image.size)
    if scale >= 1:
        return image
    size = (max(1, math.floor(image.width * scale + 0.5)), max(1, math.floor(image.height * scale + 0.5)))
    return image.resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0)


def _jpeg(image: Image.Image, quality: int = JPEG_QUALITY) -> bytes:
    out = io.BytesIO()
    image.save(out, "JPEG", quality=quality, optimize=True)
    return out.getvalue()


def _png(image: Image.Image) -> bytes:
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()
