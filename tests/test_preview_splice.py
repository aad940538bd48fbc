"""Splicing: each transition at known times, parts of any shape, rate and turn, and damaged ones."""

from collections.abc import Callable, Iterator
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from core.errors import ProviderRefused
from core.preview import SPLICE_LABEL
from core.preview.clip import Clip
from core.preview.splice import splice, transitions
from core.preview.task import Part, SpliceTask

RED, GREEN, BLUE = (220, 30, 30), (30, 200, 30), (30, 30, 220)
Colour = tuple[int, int, int]


def quiet(done: int, total: int, stage: str) -> None:
    assert 0 < done <= total
    assert stage in ("Joining", "Finishing")


def clip(
    path: Path, paint: Callable[[int], np.ndarray] | Colour, frames: int = 24, size: tuple[int, int] = (320, 180), fps: int = 24,
    *, turned: int = 0, times: list[int] | None = None, sound: bool = False, pix_fmt: str = "yuv420p",
) -> Path:  # fmt: skip
    """A clip of one colour, or painted frame by frame; `times` are in 1/`fps` s for a changing frame rate."""
    with av.open(str(path), "w", format="mp4") as file:
        stream = file.add_stream("libx264", rate=fps, options={"crf": "12", "preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = size[0], size[1], pix_fmt
        stream.codec_context.time_base = Fraction(1, fps)
        if turned:
            stream.set_display_rotation(turned)
        voice = file.add_stream("aac", rate=44100) if sound else None
        for number in range(frames):
            pixels = np.full((size[1], size[0], 3), paint, np.uint8) if isinstance(paint, tuple) else paint(number)
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame.pts, frame.time_base = times[number] if times else number, Fraction(1, fps)
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
        if voice is not None:
            silence = av.AudioFrame.from_ndarray(np.zeros((2, 1024), np.float32), format="fltp", layout="stereo")
            silence.sample_rate, silence.pts = 44100, 0
            file.mux(voice.encode(silence))
            file.mux(voice.encode(None))
    return path


def join(
    folder: Path,
    *paths: Path,
    transition: str = "cut",
    seconds: float = 0.5,
    fps: int = 24,
    held: float = 1.0,
    bars: str = "blurred",
):
    """The frames of a splice, and its facts."""
    parts = tuple(Part(str(path), path.suffix != ".mp4", held) for path in paths)
    task = SpliceTask(
        parts, transition, seconds, (320, 180), str(folder / "out.mp4"), str(folder / "p"), fps=fps, bars=bars
    )
    facts = splice(task, quiet)
    with av.open(str(folder / "out.mp4")) as file:
        assert file.metadata["comment"] == SPLICE_LABEL
        stream = file.streams.video[0]
        assert (stream.width, stream.height) == (320, 180)
        assert float(stream.average_rate or 0) == fps
        frames = [frame.to_ndarray(format="rgb24").astype(int) for frame in file.decode(stream)]
    assert not (folder / "out.part.mp4").exists()
    return frames, facts


def near(pixel: np.ndarray, colour: Colour, by: int = 14) -> bool:
    return bool(np.abs(pixel - colour).max() <= by)


@pytest.fixture
def red(tmp_path: Path) -> Path:
    return clip(tmp_path / "red.mp4", RED)


@pytest.fixture
def blue(tmp_path: Path) -> Path:
    return clip(tmp_path / "blue.mp4", BLUE)


def test_cut(tmp_path: Path, red: Path, blue: Path) -> None:
    frames, facts = join(tmp_path, red, blue)
    assert len(frames) == 48
    assert near(frames[23][90, 160], RED)
    assert near(frames[24][90, 160], BLUE)
    assert facts["plan"] == "2 parts · cut · 2.0 s"
    assert facts["ignored"] == []


def test_crossfade_overlaps(tmp_path: Path, red: Path, blue: Path) -> None:
    frames, _ = join(tmp_path, red, blue, transition="crossfade")
    assert len(frames) == 48 - 12
    assert near(frames[11][90, 160], RED)
    assert near(frames[24][90, 160], BLUE)
    middle = frames[18][90, 160]
    assert 90 < middle[0] < 160
    assert 90 < middle[2] < 160
    reds = [int(frame[90, 160, 0]) for frame in frames[10:26]]
    assert all(after <= before + 3 for before, after in pairwise(reds))


def test_fade_through_black_keeps_the_length(tmp_path: Path, red: Path, blue: Path) -> None:
    frames, _ = join(tmp_path, red, blue, transition="fade through black")
    assert len(frames) == 48
    assert near(frames[10][90, 160], RED)
    assert near(frames[40][90, 160], BLUE)
    assert frames[23][90, 160].max() < 20
    assert 60 < frames[20][90, 160, 0] < 160


def test_three_parts_with_a_still(tmp_path: Path, red: Path, blue: Path) -> None:
    Image.new("RGB", (1280, 720), GREEN).save(tmp_path / "green.png")
    frames, facts = join(tmp_path, red, tmp_path / "green.png", blue, held=2.0, transition="crossfade")
    assert len(frames) == 24 + 48 + 24 - 2 * 12
    assert near(frames[36][90, 160], GREEN)
    assert facts["plan"].startswith("3 parts · crossfade · 3.0 s")


def test_transition_longer_than_a_short_part_is_shortened(tmp_path: Path, red: Path, blue: Path) -> None:
    short = clip(tmp_path / "short.mp4", GREEN, frames=6)
    frames, _ = join(tmp_path, red, short, blue, transition="crossfade", seconds=2.0)
    assert len(frames) == 24 + 6 + 24 - 3 - 3
    assert any(frame[90, 160, 1] > 100 for frame in frames)  # it is still seen


@pytest.mark.parametrize(
    ("lengths", "seconds", "expected"),
    [
        ([48, 48], 0.5, [12]),
        ([48, 6], 0.5, [6]),
        ([48, 6, 48], 0.5, [3, 3]),
        ([48, 1, 48], 2.0, [0, 0]),
        ([1, 1], 2.0, [1]),
    ],
)
def test_length_of_transitions(lengths: list[int], seconds: float, expected: list[int]) -> None:
    assert transitions(lengths, "crossfade", seconds, 24) == expected
    assert transitions(lengths, "cut", seconds, 24) == [0] * len(expected)


@pytest.mark.parametrize("transition", ["crossfade", "fade through black"])
def test_parts_of_a_single_frame(tmp_path: Path, red: Path, transition: str) -> None:
    one = clip(tmp_path / "one.mp4", GREEN, frames=1)
    frames, _ = join(tmp_path, one, red, one, transition=transition)
    assert 20 < len(frames) <= 26


def test_other_frame_rates_keep_their_time(tmp_path: Path, red: Path) -> None:
    fast = clip(
        tmp_path / "fast.mp4", lambda n: np.full((180, 320, 3), RED if n < 60 else BLUE, np.uint8), frames=120, fps=60
    )
    slow = clip(
        tmp_path / "slow.mp4", lambda n: np.full((180, 320, 3), GREEN if n < 6 else BLUE, np.uint8), frames=12, fps=12
    )
    frames, _ = join(tmp_path, fast, slow, fps=30)
    assert len(frames) == 60 + 30
    assert near(frames[29][90, 160], RED)
    assert near(frames[31][90, 160], BLUE)
    assert near(frames[60 + 14][90, 160], GREEN)
    assert near(frames[60 + 15][90, 160], BLUE)


def test_changing_frame_rate_keeps_its_time(tmp_path: Path, red: Path) -> None:
    times = [0, 10, 20, 30, 90, 95, 100, 110]  # in 1/60 s: red until 1.5 s, then blue
    changing = clip(
        tmp_path / "vfr.mp4",
        lambda n: np.full((180, 320, 3), RED if n < 4 else BLUE, np.uint8),
        frames=8,
        fps=60,
        times=times,
    )
    frames, _ = join(tmp_path, changing, red)
    assert near(frames[35][90, 160], RED)
    assert near(frames[37][90, 160], BLUE)


@pytest.mark.parametrize(("turned", "corner"), [(0, (20, 20)), (90, (165, 118)), (180, (160, 300)), (270, (15, 200))])
def test_turned_clips_are_set_upright(tmp_path: Path, red: Path, turned: int, corner: tuple[int, int]) -> None:
    """A green corner at the top left of the stored picture; `turned` is counter-clockwise."""

    def paint(_: int) -> np.ndarray:
        pixels = np.full((180, 320, 3), 60, np.uint8)
        pixels[:60, :100] = GREEN
        return pixels

    frames, _ = join(tmp_path, clip(tmp_path / "turned.mp4", paint, turned=turned), red, bars="black")
    assert near(frames[10][corner], GREEN, 30)
    if turned in (90, 270):
        assert frames[10][90, 20].max() < 20  # a portrait between black bars


@pytest.mark.parametrize("size", [(180, 320), (321, 181), (101, 77), (640, 480)])
@pytest.mark.parametrize("bars", ["blurred", "black"])
def test_other_shapes_are_set_between_bars(tmp_path: Path, red: Path, size: tuple[int, int], bars: str) -> None:
    odd = clip(tmp_path / "odd.mp4", GREEN, frames=4, size=size, pix_fmt="yuv444p")
    frames, _ = join(tmp_path, odd, red, bars=bars)
    assert near(frames[2][90, 160], GREEN)
    if size != (321, 181):  # that is nearly the frame's shape, and fills it
        edge = frames[2][90, 4]
        assert edge.max() < 20 if bars == "black" else 60 < edge[1] < 160


def test_left_out_sound_is_told(tmp_path: Path, red: Path) -> None:
    loud = clip(tmp_path / "loud.mp4", BLUE, sound=True)
    _, facts = join(tmp_path, red, loud)
    assert facts["ignored"] == ["the sound of the clips"]
    with av.open(str(tmp_path / "out.mp4")) as file:
        assert not file.streams.audio


@pytest.mark.parametrize("content", [b"", b"<html>no video</html>", b"\x00" * 2000])
def test_file_that_is_no_clip_is_named(tmp_path: Path, red: Path, content: bytes) -> None:
    (tmp_path / "bad.mp4").write_bytes(content)
    with pytest.raises(ProviderRefused, match="Clip 2") as caught:
        join(tmp_path, red, tmp_path / "bad.mp4")
    assert (caught.value.kind, caught.value.field) == ("clip_unreadable", "clips")
    assert not list(tmp_path.glob("out*"))


def test_clip_that_was_cut_short_is_refused(tmp_path: Path, red: Path) -> None:
    random = np.random.default_rng(1)
    noise = clip(tmp_path / "whole.mp4", lambda _: random.integers(0, 255, (180, 320, 3), dtype=np.uint8))
    with (
        av.open(str(noise)) as source,
        av.open(str(tmp_path / "fast.mp4"), "w", options={"movflags": "+faststart"}) as copy,
    ):
        stream = copy.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                copy.mux(packet)
    data = (tmp_path / "fast.mp4").read_bytes()
    (tmp_path / "cut.mp4").write_bytes(data[: len(data) * 6 // 10])
    with pytest.raises(ProviderRefused, match="Clip 1"):
        join(tmp_path, tmp_path / "cut.mp4", red)
    assert not list(tmp_path.glob("out*"))


def test_frames_come_one_at_a_time(tmp_path: Path) -> None:
    long = clip(tmp_path / "long.mp4", RED, frames=240)
    frames = Clip.open(long, "The clip", "clips").frames((320, 180), 24, "blurred")
    assert isinstance(frames, Iterator)
    assert next(frames).shape == (180, 320, 3)
    assert sum(1 for _ in frames) == 239
