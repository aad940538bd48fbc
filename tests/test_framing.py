"""Framing: what a crop keeps, where it lies, and when bars are better."""

import io

import numpy as np
import pytest
from PIL import Image

from core.errors import InvalidMedia
from core.media.framing import ASPECTS, CENTRE, crop_box, find_focus, fit_mode, kept_share, nearest_aspect


@pytest.mark.parametrize(
    ("size", "name"),
    [
        ((1920, 1080), "16:9"),
        ((1000, 700), "16:9"),
        ((1000, 800), "1:1"),
        ((500, 500), "1:1"),
        ((600, 900), "9:16"),
        ((64, 256), "9:16"),
    ],
)
def test_nearest_aspect(size: tuple[int, int], name: str) -> None:
    assert nearest_aspect(*size) == name


@pytest.mark.parametrize("size", [(1920, 1080), (1080, 1920), (641, 479), (64, 65), (4000, 1001), (1, 1), (3, 2)])
@pytest.mark.parametrize("aspect", ASPECTS.values())
@pytest.mark.parametrize("focus", [None, (0.0, 0.0), (1.0, 1.0), (0.3, 0.9)])
def test_crop_box_lies_inside_and_is_as_large_as_it_can_be(
    size: tuple[int, int], aspect: float, focus: tuple[float, float] | None
) -> None:
    left, top, right, bottom = crop_box(*size, aspect, focus)
    assert 0 <= left < right <= size[0]
    assert 0 <= top < bottom <= size[1]
    assert right - left == size[0] or bottom - top == size[1]
    if min(size) > 60:
        assert (right - left) / (bottom - top) == pytest.approx(aspect, rel=0.02)


def test_crop_follows_the_focus() -> None:
    assert crop_box(1000, 1000, 16 / 9, (0.5, 0.0))[1] == 0
    assert crop_box(1000, 1000, 16 / 9, (0.5, 1.0))[3] == 1000
    left, top, _, bottom = crop_box(1000, 1000, 16 / 9)
    assert left == 0
    assert top == pytest.approx(1000 - bottom, abs=1)


def test_kept_share_and_fit_mode() -> None:
    assert kept_share(1920, 1080, 16 / 9) == pytest.approx(1)
    assert kept_share(1000, 1000, 16 / 9) == pytest.approx(9 / 16)
    assert fit_mode(1500, 1000, 16 / 9) == "crop"
    assert fit_mode(1000, 1000, 16 / 9) == "pad"
    assert fit_mode(1080, 1920, 16 / 9) == "pad"


@pytest.mark.parametrize("colour", [0, 128, 255])
def test_nothing_stands_out_of_a_flat_picture(colour: int) -> None:
    assert find_focus(Image.new("RGB", (400, 300), (colour,) * 3)) == CENTRE


def test_focus_goes_to_what_stands_out() -> None:
    pixels = np.full((300, 400, 3), 90, np.uint8)
    pixels[40:90, 300:360] = (240, 200, 30)
    x, y = find_focus(Image.fromarray(pixels))
    assert x > 0.55
    assert y < 0.45


@pytest.mark.parametrize("size", [(64, 64), (65, 2001), (1, 1), (31, 17)])
def test_focus_is_inside(size: tuple[int, int]) -> None:
    random = np.random.default_rng(1)
    x, y = find_focus(Image.fromarray(random.integers(0, 255, (size[1], size[0], 3), dtype=np.uint8)))
    assert 0 <= x <= 1
    assert 0 <= y <= 1


def test_focus_of_stored_bytes() -> None:
    data = io.BytesIO()
    Image.new("RGB", (400, 300), "red").save(data, "JPEG")
    assert find_focus(data.getvalue()) == CENTRE
    with pytest.raises(InvalidMedia):
        find_focus(b"<html>")
    with pytest.raises(InvalidMedia):
        find_focus(data.getvalue()[:300])
