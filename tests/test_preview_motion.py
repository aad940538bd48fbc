"""The camera's path and the effects: no border ever shows, nothing jumps, and the same seed gives the same picture."""

import cv2
import numpy as np
import pytest
from PIL import Image

from core.preview.camera import shots
from core.preview.effects import effects
from core.preview.grammar import camera_plan, parse
from core.preview.motion import ease, path
from core.preview.plan import CHOICES

SIZES = [(1280, 720), (720, 1280), (960, 960)]
PROMPTS = [
    *CHOICES,
    "whip pan right, crash zoom in, handheld, orbit left",
    "very fast orbit right and tilt up and zoom out, barrel roll, handheld",
    "loop, handheld, slow pan left",
]


def plan_for(prompt: str):
    return camera_plan("", 5, prompt) if prompt in CHOICES else parse(prompt, 5)


def positions(matrices, points):
    seen = matrices @ points
    return seen[:, :2] / seen[:, 2:]


@pytest.mark.parametrize("prompt", PROMPTS)
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("focus", [(0.5, 0.5), (0.0, 1.0)])
@pytest.mark.parametrize("seconds", [2, 10])
def test_every_corner_of_every_frame_lies_on_the_canvas(prompt: str, size, focus, seconds: int) -> None:
    way = path(plan_for(prompt), size, seconds * 24, 24, focus)
    corners = np.array([[x, y, 1] for x in (0, size[0] - 1) for y in (0, size[1] - 1)], float).T
    seen = positions(way.matrices, corners)
    assert seen.min() >= 0
    assert seen[:, 0].max() <= way.canvas[0] - 1
    assert seen[:, 1].max() <= way.canvas[1] - 1
    assert way.canvas[0] < 2.2 * size[0]  # the margin does not eat the picture


@pytest.mark.parametrize("prompt", PROMPTS)
def test_warped_mask_covers_the_frame(prompt: str) -> None:
    size = (320, 180)
    way = path(plan_for(prompt), size, 48, 24, (0.9, 0.1))
    mask = np.full((way.canvas[1], way.canvas[0]), 255, np.uint8)
    for matrix in way.matrices:
        shown = cv2.warpPerspective(mask, matrix, size, flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP, borderValue=0)
        assert shown.min() == 255


@pytest.mark.parametrize("prompt", PROMPTS)
def test_motion_is_steady(prompt: str) -> None:
    """The path has no kinks: speed changes by a fraction of a pixel from frame to frame, and never jumps."""
    size = (1280, 720)
    way = path(plan_for(prompt), size, 120, 24)
    points = np.array([[0, 0, 1], [1279, 719, 1], [640, 360, 1]], float).T
    seen = positions(way.matrices, points)
    assert np.abs(np.diff(seen, axis=0)).max() < 25
    assert np.abs(np.diff(seen, n=2, axis=0)).max() < (1.2 if prompt in CHOICES else 2.5)


def test_zoom_is_exponential_between_the_eased_ends() -> None:
    way = path(parse("zoom in", 1), (1280, 720), 120, 24)
    growth = np.diff(np.log(way.matrices[30:90, 0, 0]))
    assert growth.max() - growth.min() < 1e-4


@pytest.mark.parametrize(
    ("choice", "axis", "sign"), [("pan right", 0, 1), ("pan left", 0, -1), ("tilt down", 1, 1), ("tilt up", 1, -1)]
)
def test_window_goes_where_the_word_says(choice: str, axis: int, sign: int) -> None:
    way = path(plan_for(choice), (1280, 720), 120, 24)
    centre = positions(way.matrices, np.array([[640.0], [360.0], [1.0]]))[:, axis, 0]
    assert np.sign(centre[-1] - centre[0]) == sign
    assert np.all(np.diff(centre) * sign >= 0)


def test_canvas_is_not_at_a_scale_that_pulses() -> None:
    for choice in ("pan left", "tilt up", "handheld", "roll"):
        way = path(plan_for(choice), (1280, 720), 120, 24)
        scale = np.sqrt(np.abs(np.linalg.det(way.matrices[:, :2, :2])))
        assert scale.min() > 1.12
        assert scale.max() < 1.35


def test_speed_and_length_set_the_amount() -> None:
    def travel(prompt: str, seconds: int) -> float:
        way = path(parse(prompt, 1), (1280, 720), seconds * 24, 24)
        return abs(way.matrices[-1, 0, 2] - way.matrices[0, 0, 2]) / way.canvas[0]

    assert (
        travel("very slow pan left", 5)
        < travel("slow pan left", 5)
        < travel("pan left", 5)
        < travel("fast pan left", 5)
    )
    assert travel("slow pan left", 5) < travel("slow pan left", 10)


def test_loop_ends_where_it_began() -> None:
    way = path(parse("seamless loop, slow push in, handheld", 1), (1280, 720), 120, 24)
    points = np.array([[0, 0, 1], [1279, 719, 1]], float).T
    seen = positions(way.matrices, points)
    assert np.abs(seen[0] - seen[-1]).max() < 2 * np.abs(np.diff(seen, axis=0)).max()


def test_static_shows_the_canvas_itself() -> None:
    way = path(parse("static shot", 1), (1280, 720), 24, 24)
    assert way.is_still
    assert way.canvas == (1280, 720)


def test_ease_runs_from_nought_to_one() -> None:
    u = ease(np.linspace(0, 1, 101))
    assert (u[0], u[-1]) == (0, pytest.approx(1))
    assert np.all(np.diff(u) > 0)


def test_one_frame_is_enough() -> None:
    assert len(path(parse("orbit left, handheld", 1), (320, 180), 1, 24).matrices) == 1


# --- pictures -----------------------------------------------------------------------------------------------------


def picture(prompt: str, number: int = 30, *, seed: int = 5, grey: int = 90):
    size, plan = (320, 180), parse(prompt, seed)
    draws = effects(plan.effects, size, 4.0, 24, plan.seed)
    shown = np.full((180, 320, 3), grey, np.uint8)
    for draw in draws:
        shown = draw(shown, number / 24)
    return shown.astype(int)


@pytest.mark.parametrize(
    "prompt", ["snow falls", "rain", "dust motes", "embers", "fireflies", "vignette", "film grain"]
)
def test_effect_shows_and_is_the_same_for_a_seed(prompt: str) -> None:
    shown = picture(prompt)
    assert np.abs(shown - 90).max() > 5
    assert np.array_equal(shown, picture(prompt))


@pytest.mark.parametrize("prompt", ["snow falls", "rain", "embers"])
def test_weather_moves_and_depends_on_the_seed(prompt: str) -> None:
    assert not np.array_equal(picture(prompt), picture(prompt, 31))
    assert not np.array_equal(picture(prompt), picture(prompt, seed=6))


@pytest.mark.parametrize("grey", [10, 245])
def test_rain_is_seen_against_dark_and_bright(grey: int) -> None:
    shown = picture("rain", grey=grey)
    assert shown.max() - shown.min() > 35


def test_fades_start_and_end_in_black() -> None:
    assert picture("fade in", 0).max() == 0
    assert picture("fade out", 4 * 24 - 1).max() == 0
    assert picture("fade in, fade out", 48).min() == 90


@pytest.mark.parametrize("prompt", ["snow falls", "rain", "fireflies"])
def test_weather_of_a_loop_comes_back(prompt: str) -> None:
    first, after = picture(f"loop, {prompt}", 0), picture(f"loop, {prompt}", 4 * 24)
    assert np.abs(first - after).mean() < 0.5


@pytest.mark.parametrize("framing", ["auto", "crop", "blurred bars"])
@pytest.mark.parametrize("side", [(641, 359), (101, 399), (64, 64), (400, 101)])
def test_any_shape_fills_the_frame(framing: str, side: tuple[int, int]) -> None:
    image = Image.new("RGB", side, (200, 30, 30))
    frames = [frame.copy() for frame in shots(image, (160, 90), parse("orbit left, push in", 1), 5, 24, framing)]
    assert len(frames) == 5
    assert all(frame.shape == (90, 160, 3) and frame.dtype == np.uint8 for frame in frames)
    assert min(int(frame[..., 0].min()) for frame in frames) > 100  # red or the dimmed red of the bars, nowhere black


def test_bars_are_dimmed_and_the_still_is_not() -> None:
    frame = next(iter(shots(Image.new("RGB", (90, 160), (200, 200, 200)), (320, 180), parse("static shot", 1), 1, 24)))
    assert frame[90, 160, 0] == 200
    assert frame[90, 10, 0] == pytest.approx(124, abs=3)


def test_dolly_zoom_keeps_the_middle_and_moves_the_rim() -> None:
    ramp = np.tile(np.linspace(0, 255, 640, dtype=np.uint8)[None, :, None], (360, 1, 3))
    frames = [f.copy() for f in shots(Image.fromarray(ramp), (320, 180), parse("dolly zoom", 1), 24, 24, "crop")]
    middle = [int(f[90, 160, 0]) for f in (frames[0], frames[-1])]
    rim = [int(f[90, 5, 0]) for f in (frames[0], frames[-1])]
    assert abs(middle[0] - middle[1]) <= 2
    assert rim[1] > rim[0] + 3
