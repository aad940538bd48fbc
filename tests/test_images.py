"""Pictures that come in: every good kind is brought upright into sRGB, every bad one is refused in its own words."""

import contextlib
import io
import re
import struct
import zlib
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image, ImageCms

from core.errors import InvalidMedia
from core.media.images import (
    LONGEST_SIDE,
    Picture,
    check_fit,
    crop_preview,
    dimensions,
    fit_bytes,
    read_picture,
    thumbnail,
    tile,
    what_is,
)
from core.models.spec import Still

LIMIT = 30 * 1024 * 1024
RED, GREEN, BLUE, YELLOW = (220, 20, 20), (20, 200, 20), (20, 20, 220), (230, 220, 20)


def quarters(width: int = 320, height: int = 200) -> Image.Image:
    """Red, green / blue, yellow: shows at once which way is up."""
    image = Image.new("RGB", (width, height), RED)
    image.paste(GREEN, (width // 2, 0, width, height // 2))
    image.paste(BLUE, (0, height // 2, width // 2, height))
    image.paste(YELLOW, (width // 2, height // 2, width, height))
    return image


def noise(width: int, height: int) -> Image.Image:
    return Image.fromarray(np.random.default_rng(7).integers(0, 256, (height, width, 3), dtype=np.uint8))


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def png_claiming(width: int, height: int, filling: int = 4000) -> bytes:
    """A small PNG whose header states a huge size."""

    def chunk(tag: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + tag + body + struct.pack(">I", zlib.crc32(tag + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    pixels = zlib.compress(bytes(filling * 1000))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def decoded(picture: Picture) -> Image.Image:
    image = Image.open(io.BytesIO(picture.data))
    image.load()
    assert image.size == (picture.width, picture.height)
    assert image.mode == "RGB"
    assert image.format == {"jpg": "JPEG", "png": "PNG"}[picture.extension]
    assert not image.getexif()
    assert "icc_profile" not in image.info
    assert "comment" not in image.info
    return image


def near(got: object, wanted: tuple[int, int, int], by: int = 12) -> bool:
    assert isinstance(got, tuple)
    return all(abs(a - b) <= by for a, b in zip(got, wanted, strict=True))


def corners(image: Image.Image) -> list[object]:
    w, h = image.size
    return [
        image.getpixel(at)
        for at in ((w // 4, h // 4), (3 * w // 4, h // 4), (w // 4, 3 * h // 4), (3 * w // 4, 3 * h // 4))
    ]


def message(data: bytes, name: str = "x.jpg", limit: int = LIMIT) -> str:
    with pytest.raises(InvalidMedia) as caught:
        read_picture(data, max_bytes=limit, name=name)
    return caught.value.message


# --- Good ones ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "HEIF", "AVIF"])
def test_every_allowed_kind_comes_in(kind: str) -> None:
    picture = read_picture(encoded(quarters(), kind), max_bytes=LIMIT, name="wrong-extension.txt")
    image = decoded(picture)
    assert image.size == (320, 200)
    for got, wanted in zip(corners(image), (RED, GREEN, BLUE, YELLOW), strict=True):
        assert near(got, wanted, 20), kind
    assert picture.notes == ()


def test_a_phone_picture_with_a_second_one_inside_is_taken_as_a_jpeg() -> None:
    data = encoded(quarters(), "MPO", save_all=True, append_images=[quarters()])
    assert Image.open(io.BytesIO(data)).format == "MPO"
    picture = read_picture(data, max_bytes=LIMIT)
    assert picture.extension == "jpg"
    assert picture.notes == ()
    decoded(picture)


@pytest.mark.parametrize(
    ("orientation", "order"),
    [(1, "RGBY"), (2, "GRYB"), (3, "YBGR"), (4, "BYRG"), (5, "RBGY"), (6, "BRYG"), (7, "YGBR"), (8, "GYRB")],
)
def test_exif_orientation_turns_the_pixels_and_the_size(orientation: int, order: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    picture = read_picture(encoded(quarters(), "JPEG", quality=95, exif=exif), max_bytes=LIMIT)
    image = decoded(picture)
    assert image.size == ((200, 320) if orientation >= 5 else (320, 200))
    colours = dict(zip("RGBY", (RED, GREEN, BLUE, YELLOW), strict=True))
    for got, letter in zip(corners(image), order, strict=True):
        assert near(got, colours[letter], 25)


def test_place_camera_and_comment_are_gone() -> None:
    exif = Image.Exif()
    exif[0x010F] = "SecretCamera"
    exif.get_ifd(0x8825)[2] = (52.0, 31.0, 12.0)
    data = encoded(quarters(), "JPEG", exif=exif, comment=b"secret comment")
    assert b"SecretCamera" in data
    assert b"secret comment" in data
    kept = read_picture(data, max_bytes=LIMIT).data
    assert b"SecretCamera" not in kept
    assert b"secret comment" not in kept
    assert b"Exif" not in kept


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")  # Pillow's own advice; the picture is whole
def test_damaged_exif_is_no_reason_to_refuse() -> None:
    data = encoded(quarters(), "JPEG", exif=b"Exif\x00\x00MM\x00*\xff\xff\xff\xff")
    assert read_picture(data, max_bytes=LIMIT).width == 320


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG"])
def test_an_animation_gives_its_first_frame_and_says_so(kind: str) -> None:
    frames = [Image.new("RGB", (120, 90), colour) for colour in (RED, GREEN, BLUE)]
    data = encoded(frames[0], kind, save_all=True, append_images=frames[1:], duration=100)
    picture = read_picture(data, max_bytes=LIMIT)
    assert near(decoded(picture).getpixel((60, 45)), RED, 15)
    assert any("first frame" in note for note in picture.notes)


def test_16_bit_grey_keeps_its_shades() -> None:
    shades = np.linspace(0, 54484, 200 * 100).astype(np.uint16).reshape(100, 200)  # plain `convert` makes a mean of 253
    picture = read_picture(encoded(Image.fromarray(shades), "PNG"), max_bytes=LIMIT)
    assert abs(np.asarray(decoded(picture)).mean() - 106) < 2
    assert any("8 bits" in note for note in picture.notes)


@pytest.mark.parametrize(
    ("pixels", "mean"),
    [
        (np.full((80, 80), 0.25, np.float32), 64),
        (np.full((80, 80), 100, np.float32), 100),
        (np.linspace(-5, 5, 6400, dtype=np.float32).reshape(80, 80), 127),
        (np.full((80, 80), 32768, np.int32), 127),
        (np.full((80, 80), 90, np.int32), 90),
        (np.full((80, 80), np.nan, np.float32), 0),
    ],
)
def test_deep_greys_of_tiff(pixels: np.ndarray, mean: int) -> None:
    picture = read_picture(encoded(Image.fromarray(pixels), "TIFF"), max_bytes=LIMIT)
    assert abs(np.asarray(decoded(picture)).mean() - mean) <= 2


def test_transparency_is_put_on_white_and_hidden_colours_stay_hidden() -> None:
    image = quarters().convert("RGBA")
    image.putalpha(0)
    image.paste((*BLUE, 255), (0, 0, 160, 200))
    picture = read_picture(encoded(image, "PNG"), max_bytes=LIMIT)
    result = decoded(picture)
    assert picture.extension == "png"
    assert near(result.getpixel((240, 50)), (255, 255, 255), 3)
    assert near(result.getpixel((80, 50)), BLUE, 3)
    assert any("white" in note for note in picture.notes)


def test_transparency_of_a_palette() -> None:
    image = quarters().quantize(8)
    clear = image.getpixel((10, 10))
    picture = read_picture(encoded(image, "PNG", transparency=clear), max_bytes=LIMIT)
    assert near(decoded(picture).getpixel((10, 10)), (255, 255, 255), 3)
    assert near(decoded(picture).getpixel((300, 10)), GREEN, 3)


def test_an_opaque_alpha_channel_is_not_worth_a_note() -> None:
    assert read_picture(encoded(quarters().convert("RGBA"), "PNG"), max_bytes=LIMIT).notes == ()


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA"])
def test_every_png_mode(mode: str) -> None:
    decoded(read_picture(encoded(quarters().convert(mode), "PNG"), max_bytes=LIMIT))


@pytest.mark.parametrize("mode", ["CMYK", "LAB", "YCbCr"])
def test_other_colour_models_of_tiff(mode: str) -> None:
    if mode == "LAB":
        lab = ImageCms.createProfile("LAB")
        image = ImageCms.profileToProfile(quarters(), ImageCms.createProfile("sRGB"), lab, outputMode="LAB")
    else:
        image = quarters().convert(mode)
    assert image is not None
    result = decoded(read_picture(encoded(image, "TIFF"), max_bytes=LIMIT))
    for got, wanted in zip(corners(result), (RED, GREEN, BLUE, YELLOW), strict=True):
        assert near(got, wanted, 25)


def test_cmyk_jpeg_is_converted_with_a_note() -> None:
    picture = read_picture(encoded(quarters().convert("CMYK"), "JPEG", quality=95), max_bytes=LIMIT)
    for got, wanted in zip(corners(decoded(picture)), (RED, GREEN, BLUE, YELLOW), strict=True):
        assert near(got, wanted, 25)
    assert any("CMYK" in note for note in picture.notes)


def display_p3() -> bytes:
    """An ICC profile with Display P3's primaries (D50-adapted) and, for simplicity, a plain gamma of 2.2."""

    def fixed(*values: float) -> bytes:
        return b"".join(struct.pack(">i", round(value * 65536)) for value in values)

    curve = b"curv" + bytes(4) + struct.pack(">IH", 1, round(2.2 * 256)) + bytes(2)
    title = "Display P3".encode("utf-16-be")
    words = b"mluc" + bytes(4) + struct.pack(">II", 1, 12) + b"enUS" + struct.pack(">II", len(title), 28) + title
    tags = {
        b"desc": words, b"cprt": words,
        b"wtpt": b"XYZ " + bytes(4) + fixed(0.9642, 1.0, 0.8249),
        b"rXYZ": b"XYZ " + bytes(4) + fixed(0.51512, 0.2412, -0.00105),
        b"gXYZ": b"XYZ " + bytes(4) + fixed(0.29198, 0.69225, 0.04189),
        b"bXYZ": b"XYZ " + bytes(4) + fixed(0.1571, 0.06657, 0.78407),
        b"rTRC": curve, b"gTRC": curve, b"bTRC": curve,
    }  # fmt: skip
    table, body, start = b"", b"", 128 + 4 + 12 * len(tags)
    for tag, value in tags.items():
        value += bytes(-len(value) % 4)
        table += tag + struct.pack(">II", start + len(body), len(value))
        body += value
    size = start + len(body)
    header = struct.pack(">I", size) + bytes(4) + struct.pack(">I", 0x04000000) + b"mntrRGB XYZ " + bytes(12) + b"acsp"
    header += bytes(28) + fixed(0.9642, 1.0, 0.8249)
    return header.ljust(128, b"\x00") + struct.pack(">I", len(tags)) + table + body


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "HEIF", "WEBP"])
def test_a_display_p3_profile_is_turned_into_srgb(kind: str) -> None:
    """P3's (200, 100, 50) is more saturated than sRGB's: sRGB needs about (215, 96, 33) for the same colour."""
    image = Image.new("RGB", (128, 128), (200, 100, 50))
    picture = read_picture(encoded(image, kind, icc_profile=display_p3(), quality=95), max_bytes=LIMIT)
    assert near(decoded(picture).getpixel((64, 64)), (215, 96, 33), 9)
    assert any("Display P3" in note for note in picture.notes)


def test_an_srgb_profile_changes_nothing() -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    picture = read_picture(encoded(quarters(), "PNG", icc_profile=profile), max_bytes=LIMIT)
    assert picture.notes == ()
    decoded(picture)


def test_a_grey_picture_may_carry_an_rgb_profile() -> None:
    picture = read_picture(encoded(quarters().convert("L"), "PNG", icc_profile=display_p3()), max_bytes=LIMIT)
    decoded(picture)


def test_a_damaged_profile_is_left_out() -> None:
    picture = read_picture(encoded(quarters(), "PNG", icc_profile=b"no profile" * 30), max_bytes=LIMIT)
    assert near(corners(decoded(picture))[0], RED)
    assert any("profile is damaged" in note for note in picture.notes)


def test_a_large_picture_is_scaled_down_and_says_so() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    picture = read_picture(encoded(quarters(6000, 4000), "JPEG", exif=exif), max_bytes=LIMIT)
    assert (picture.width, picture.height) == (round(LONGEST_SIDE * 2 / 3), LONGEST_SIDE)
    assert "Scaled down from 4,000 × 6,000 to 1,707 × 2,560 pixels." in picture.notes
    decoded(picture)


def test_photos_become_jpeg_and_small_flat_graphics_stay_png() -> None:
    assert read_picture(encoded(quarters(), "PNG"), max_bytes=LIMIT).extension == "jpg"
    assert read_picture(encoded(quarters().quantize(8), "PNG"), max_bytes=LIMIT).extension == "png"
    busy = noise(900, 900).convert("RGBA")
    assert read_picture(encoded(busy, "PNG"), max_bytes=LIMIT).extension == "jpg"


# --- Bad ones -----------------------------------------------------------------------------------------------------

MP4_HEAD = b"\x00\x00\x00\x20ftypisom\x00\x00\x02\x00isomiso2avc1mp41" + bytes(500)
SVG = b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg" width="100" height="100"/>'
HTML = b"<!DOCTYPE html>\n<html><head><title>Not found</title></head></html>"


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"just some notes about the shoot\n" * 20, "it holds text"),
        ("Grüße aus Köln, 図".encode(), "it holds text"),
        ("text".encode("utf-16"), "it holds text"),
        (HTML, "it holds a web page"),
        (b"  \n<!-- x --><HTML>", "it holds a web page"),
        (HTML.replace(b"</head>", b"</head><svg></svg>"), "it holds a web page"),
        (SVG, "it holds an SVG drawing"),
        (b"%PDF-1.7\n" + bytes(100), "it holds a PDF document"),
        (MP4_HEAD, "it holds a video (MP4)"),
        (b"\x1a\x45\xdf\xa3" + bytes(100), "it holds a video (WebM or MKV)"),
        (b"PK\x03\x04" + bytes(100), "it holds a ZIP archive or an Office document"),
        (b"RIFF\x00\x00\x00\x00WAVEfmt " + bytes(100), "it holds a sound (WAV)"),
        (b"\xff\xfb\x90\x00" + bytes(100), "it holds a sound (MP3)"),
        (b"8BPS\x00\x01" + bytes(100), "it holds a Photoshop document"),
        (bytes(200), "it holds data of an unknown kind"),
        (b"\x00", "it holds data of an unknown kind"),
        (b"\xff", "it holds data of an unknown kind"),
    ],
)
def test_what_is_no_picture_is_named(data: bytes, words: str) -> None:
    said = message(data, "notes.jpg")
    assert said == f"“notes.jpg” is not a picture: {words}. Choose a JPEG, PNG, WebP, HEIC, AVIF, GIF, BMP or TIFF."


def test_an_icon_is_refused() -> None:
    assert "an icon (ICO)" in message(encoded(quarters(64, 64), "ICO"))


def test_an_empty_file() -> None:
    assert message(b"") == "“x.jpg” is empty. Choose it again, or export it anew."


@pytest.mark.parametrize("share", [0.05, 0.5, 0.9, 0.99])
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "HEIF", "AVIF"])
def test_a_picture_that_is_cut_off(kind: str, share: float) -> None:
    data = encoded(noise(300, 200), kind)
    said = message(data[: int(len(data) * share)])
    assert "incomplete" in said
    assert "Export or download it again." in said


def test_half_a_jpeg_says_that_the_end_is_missing() -> None:
    data = encoded(noise(300, 200), "JPEG")
    expected = "The picture “x.jpg” is incomplete: the file ends in the middle. Export or download it again."
    assert message(data[: len(data) // 2]) == expected


def test_a_small_file_that_claims_to_be_huge_is_refused_by_its_size() -> None:
    data = png_claiming(30_000, 30_000)
    assert len(data) < 10_000
    expected = "“x.png” is 30,000 × 30,000 pixels, 900 million in all; the limit is 50 million. Scale it down."
    assert message(data, "x.png") == expected


@pytest.mark.parametrize("size", [(8000, 6300), (10_000, 10_000), (2_147_483_647, 2_147_483_647)])
def test_too_many_pixels_never_pass_as_a_warning(size: tuple[int, int]) -> None:
    assert "50 million" in message(png_claiming(*size))


def test_60_megabytes() -> None:
    expected = "“x.jpg” is 60 MB; the limit is 30 MB. Save it smaller, for example as a JPEG."
    assert message(bytes(60 * 1024 * 1024)) == expected


def test_one_byte_too_much_does_not_read_as_the_limit() -> None:
    assert "just over 30 MB; the limit is 30 MB" in message(bytes(LIMIT + 1))


def test_a_single_pixel() -> None:
    assert message(encoded(Image.new("RGB", (1, 1)), "PNG")) == (
        "“x.jpg” is only 1 × 1 pixels; each side needs at least 64. Choose a larger picture."
    )


def test_a_long_strip() -> None:
    assert "longer side may be at most 4 times the shorter one" in message(encoded(quarters(1000, 200), "PNG"))
    assert read_picture(encoded(quarters(800, 200), "PNG"), max_bytes=LIMIT).width == 800


def test_a_name_cannot_break_the_message() -> None:
    said = message(b"text", "../../etc/\x1b[31m\n" + "a" * 300 + ".jpg")
    assert re.fullmatch(r"“\[31ma{1,60}…” is not a picture: .*", said)
    assert message(b"text", "").startswith("The file is not a picture")
    assert message(encoded(quarters(), "PNG")[:500], "").startswith("The picture is incomplete")


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "HEIF", "AVIF"])
@pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow's advice on odd metadata
def test_damage_anywhere_gives_a_picture_or_our_own_error(kind: str) -> None:
    rng = np.random.default_rng(3)
    good = encoded(noise(96, 72), kind)
    for round_ in range(40):
        data = bytearray(good)
        reach = 64 if round_ % 2 else len(data)
        for _ in range(6):
            data[int(rng.integers(0, reach))] = int(rng.integers(0, 256))
        with contextlib.suppress(InvalidMedia):  # any other exception fails the test
            assert read_picture(bytes(data), max_bytes=LIMIT).data


# --- Fitting, thumbnails, crops -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "kind", "words"),
    [
        ((299, 400, 10), Still(min_side=300), "at least 300 on each side"),
        ((1000, 300, 10), Still(ratio=(0.4, 2.5)), "shapes from 2:5 to 5:2"),
        ((300, 1000, 10), Still(ratio=(0.4, 2.5)), "shapes from 2:5 to 5:2"),
        ((640, 480, 9 * 1024 * 1024), Still(max_bytes=8 * 1024 * 1024), "9 MB; the limit is 8 MB"),
    ],
)
def test_a_models_own_limits_are_said_in_words(given: tuple[int, int, int], kind: Still, words: str) -> None:
    with pytest.raises(InvalidMedia, match=words):
        check_fit(*given, kind)


def test_what_fits_fits() -> None:
    check_fit(300, 300, 8, Still(min_side=300, max_bytes=8, ratio=(0.4, 2.5)))
    check_fit(250, 100, 8, Still(ratio=(0.4, 2.5)))


def test_fit_bytes_leaves_alone_what_fits() -> None:
    picture = read_picture(encoded(quarters(), "JPEG"), max_bytes=LIMIT)
    assert fit_bytes(picture, len(picture.data)) is picture


@pytest.mark.parametrize("share", [0.9, 0.5, 0.2])
def test_fit_bytes_compresses_then_shrinks(share: float) -> None:
    picture = read_picture(encoded(noise(700, 500), "PNG"), max_bytes=LIMIT)
    limit = int(len(picture.data) * share)
    smaller = fit_bytes(picture, limit)
    assert len(smaller.data) <= limit
    assert decoded(smaller).width / smaller.height == pytest.approx(1.4, rel=0.02)
    assert any("model's limit" in note for note in smaller.notes)


def test_fit_bytes_gives_up_with_words() -> None:
    picture = read_picture(encoded(noise(700, 500), "PNG"), max_bytes=LIMIT)
    with pytest.raises(InvalidMedia, match="cannot be brought below"):
        fit_bytes(picture, 500)


@pytest.mark.parametrize("shape", [(640, 400), (400, 640)])
def test_a_thumbnail_is_a_small_jpeg(shape: tuple[int, int]) -> None:
    small = Image.open(io.BytesIO(thumbnail(encoded(quarters(*shape), "PNG"), 160)))
    assert small.format == "JPEG"
    assert max(small.size) == 160
    assert small.size[0] / small.size[1] == pytest.approx(shape[0] / shape[1], rel=0.02)
    assert Image.open(io.BytesIO(thumbnail(encoded(quarters(80, 70), "PNG"), 160))).size == (80, 70)


def test_a_thumbnail_of_a_part() -> None:
    part = Image.open(io.BytesIO(thumbnail(encoded(quarters(800, 400), "PNG"), 200, (400, 0, 800, 200))))
    assert part.size == (200, 100)
    assert all(near(at, GREEN, 20) for at in corners(part))


def test_dimensions_are_those_of_the_header() -> None:
    assert dimensions(encoded(quarters(800, 400), "JPEG")) == (800, 400)
    with pytest.raises(InvalidMedia):
        dimensions(b"text")


def test_a_thumbnail_of_no_picture_is_refused() -> None:
    with pytest.raises(InvalidMedia):
        thumbnail(b"text", 100)


def test_a_crop_preview_dims_and_greys_what_goes() -> None:
    shown = Image.open(io.BytesIO(crop_preview(encoded(quarters(800, 400), "PNG"), (0, 0, 400, 400), 400)))
    assert shown.size == (400, 200)
    assert near(shown.getpixel((100, 50)), RED, 12)
    cut = shown.getpixel((300, 50))
    assert isinstance(cut, tuple)
    assert max(cut) < 0.5 * 200
    assert max(cut) - min(cut) < 60  # green was 180 apart
    assert min(shown.getpixel((0, 100))) > 150  # the frame
    plain = Image.open(io.BytesIO(crop_preview(encoded(quarters(800, 400), "PNG"), None, 400)))
    assert near(plain.getpixel((300, 50)), GREEN, 12)


def test_a_crop_that_sticks_out_is_cut_to_the_picture() -> None:
    assert crop_preview(encoded(quarters(), "PNG"), (-50, -50, 5000, 5000), 200)
    with pytest.raises(InvalidMedia, match="outside"):
        crop_preview(encoded(quarters(), "PNG"), (900, 0, 1000, 100), 200)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: encoded(quarters(), "JPEG"), "a JPEG picture"),
        (lambda: encoded(quarters(), "HEIF"), "a HEIC picture"),
        (lambda: encoded(quarters(), "AVIF"), "an AVIF picture"),
        (lambda: encoded(quarters(), "WEBP"), "a WebP picture"),
        (lambda: b"", "nothing"),
    ],
)
def test_what_is(make: Callable[[], bytes], words: str) -> None:
    assert what_is(make()) == words


def test_a_tile_is_a_plain_picture_of_the_size_that_was_asked_for() -> None:
    made = tile(240, 135)
    assert dimensions(made) == (240, 135)
    assert len(Image.open(io.BytesIO(made)).getcolors() or ()) == 1
