"""Videos and sounds: what is complete is told apart from what only looks so, and frames come out as they are shown."""

import contextlib
import io
import wave
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from core.errors import InvalidMedia
from core.media.video import (
    Probe,
    SoundFile,
    check_clip,
    check_playable,
    check_sound,
    first_frame,
    last_frame,
    probe,
    read_clip,
    read_sound,
    write_poster,
)
from core.models.spec import Clip, Sound

LIMIT = 30 * 1024 * 1024
HTML = b"<!doctype html><html><body>Forbidden</body></html>"
RED, GREEN, BLUE, BLACK = (220, 20, 20), (20, 200, 20), (20, 20, 220), (0, 0, 0)


def plain(colour: tuple[int, int, int], width: int = 128, height: int = 96) -> np.ndarray:
    return np.full((height, width, 3), colour, np.uint8)


def grainy(frames: int = 48, width: int = 128, height: int = 96) -> list[np.ndarray]:
    """Frames that do not compress to nothing, so that a cut falls between them."""
    rng = np.random.default_rng(5)
    return [rng.integers(0, 256, (height, width, 3), dtype=np.uint8) for _ in range(frames)]


def film(
    path: Path,
    frames: Sequence[np.ndarray],
    *,
    fps: int | Fraction = 24,
    codec: str = "libx264",
    pix_fmt: str = "yuv420p",
    container: str = "mp4",
    faststart: bool = True,
    fragmented: bool = False,
    rotation: float | None = None,
    pixel_shape: Fraction | None = None,
    times: Sequence[int] | None = None,
    sound: str | None = None,
    sound_seconds: float | None = None,
    block: int = 1024,
    metadata: dict[str, str] | None = None,
) -> Path:
    """Write a video with PyAV; `times` are in frames, `rotation` in degrees to the left."""
    flags = "frag_keyframe+empty_moov" if fragmented else "+faststart" if faststart else ""
    with av.open(str(path), "w", format=container, options={"movflags": flags} if flags else {}) as out:
        out.metadata.update(metadata or {})
        height, width = frames[0].shape[:2]
        video = out.add_stream(codec, rate=fps)
        video.width, video.height, video.pix_fmt, video.gop_size = width, height, pix_fmt, 12
        context = video.codec_context
        context.color_range = context.colorspace = context.color_primaries = context.color_trc = 1
        if codec == "libx264":
            video.options = {"bf": "3", "preset": "ultrafast" if len(frames) > 100 else "veryfast"}
        if pixel_shape:
            context.sample_aspect_ratio = pixel_shape
        if rotation is not None:
            video.set_display_rotation(rotation)
        audio = out.add_stream(sound, rate=44100) if sound else None
        for index, pixels in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(pixels, "rgb24").reformat(format=pix_fmt, dst_colorspace="ITU709")
            frame.pts = times[index] if times else index
            frame.time_base = 1 / Fraction(fps)
            out.mux(video.encode(frame))
        out.mux(video.encode())
        if audio is not None:
            kind = "s16" if sound == "pcm_s16le" else "fltp"
            for start in range(0, int(44100 * (sound_seconds or len(frames) / fps)), block):
                silence = np.zeros((1, block), np.float32 if kind == "fltp" else np.int16)
                tone = av.AudioFrame.from_ndarray(silence, kind, "mono")
                tone.sample_rate, tone.pts = 44100, start
                out.mux(audio.encode(tone))
            out.mux(audio.encode())
    return path


@pytest.fixture
def good(tmp_path: Path) -> Path:
    return film(tmp_path / "good.mp4", grainy(), sound="aac", metadata={"comment": "Local preview"})


def wav(seconds: float, rate: int = 8000) -> bytes:
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(np.random.default_rng(1).integers(-9000, 9000, int(seconds * rate), dtype=np.int16).tobytes())
    return out.getvalue()


def mp3(seconds: float) -> bytes:
    out = io.BytesIO()
    with av.open(out, "w", format="mp3") as file:
        stream = file.add_stream("libmp3lame", rate=44100)
        for start in range(0, int(44100 * seconds), 1152):
            frame = av.AudioFrame.from_ndarray(np.zeros((1, 1152), np.float32), "fltp", "mono")
            frame.sample_rate, frame.pts = 44100, start
            file.mux(stream.encode(frame))
        file.mux(stream.encode())
    return out.getvalue()


def near(got: object, wanted: tuple[int, int, int], by: int = 14) -> bool:
    assert isinstance(got, tuple)
    return all(abs(a - b) <= by for a, b in zip(got, wanted, strict=True))


# --- Looking ------------------------------------------------------------------------------------------------------


def test_probe_tells_what_is_there(good: Path) -> None:
    found = probe(good)
    assert found == Probe(
        width=128, height=96, stored_width=128, stored_height=96, duration_s=2.0, fps=24.0, frames=48, has_audio=True,
        comment="Local preview", codec="h264", bytes=good.stat().st_size,
    )  # fmt: skip
    assert check_playable(good, good.stat().st_size) == found


@pytest.mark.parametrize("fps", [Fraction(30000, 1001), Fraction(24000, 1001), 25, 60])
def test_rates_that_are_fractions(tmp_path: Path, fps: int | Fraction) -> None:
    found = check_playable(film(tmp_path / "a.mp4", grainy(30), fps=fps))
    assert found.fps == pytest.approx(float(fps), rel=0.001)
    assert found.duration_s == pytest.approx(30 / float(fps), abs=0.02)


def test_a_rate_that_varies(tmp_path: Path) -> None:
    times = [0, 1, 2, 10, 11, 12, 40, 41, 70, 71]
    found = check_playable(film(tmp_path / "a.mp4", grainy(10), times=times))
    assert found.frames == 10
    assert found.duration_s == pytest.approx(72 / 24, abs=0.1)
    assert found.fps == pytest.approx(10 / 3, rel=0.1)


@pytest.mark.parametrize("frames", [1, 2, 13])
def test_short_ones(tmp_path: Path, frames: int) -> None:
    path = film(tmp_path / "a.mp4", grainy(frames))
    assert check_playable(path).frames == frames
    assert last_frame(path)


@pytest.mark.parametrize("options", [{"faststart": False}, {"fragmented": True}, {"container": "mov"}])
def test_other_layouts(tmp_path: Path, options: dict[str, object]) -> None:
    found = check_playable(film(tmp_path / "a", grainy(), **options))  # type: ignore[arg-type]
    assert found.duration_s == pytest.approx(2.0, abs=0.05)
    assert found.fps == pytest.approx(24, rel=0.02)


def test_a_length_that_is_not_stated_is_counted(tmp_path: Path) -> None:
    """Fragmented files as live encoders write them: the header says 0."""
    path = tmp_path / "live.mp4"
    film(path, grainy(), fragmented=True)
    data = bytearray(path.read_bytes())
    moof = data.index(b"moof")
    for box in (b"mvhd", b"tkhd", b"mdhd", b"mehd"):
        at = data.find(box, 0, moof)
        if at >= 0:
            place = at + {b"mvhd": 20, b"tkhd": 24, b"mdhd": 20, b"mehd": 8}[box]
            assert data[at + 4] == 0  # version
            data[place : place + 4] = bytes(4)
    path.write_bytes(data)
    assert check_playable(path).duration_s == pytest.approx(2.0, abs=0.06)


@pytest.mark.parametrize(("rotation", "upright"), [(90, True), (-90, True), (180, False), (None, False)])
def test_rotation_turns_size_and_frames(tmp_path: Path, rotation: float | None, upright: bool) -> None:
    pixels = plain(BLUE)
    pixels[:32, :64] = RED  # a mark at the top left as it is stored
    path = film(tmp_path / "a.mp4", [pixels] * 3, rotation=rotation)
    found = probe(path)
    assert (found.stored_width, found.stored_height) == (128, 96)
    assert (found.width, found.height) == ((96, 128) if upright else (128, 96))
    image = Image.open(io.BytesIO(last_frame(path)))
    assert image.size == (found.width, found.height)
    marks = {None: (8, 8), 90: (8, 120), -90: (88, 8), 180: (120, 88)}
    for turn, place in marks.items():
        if turn == rotation:
            assert near(image.getpixel(place), RED)
        elif place[0] < image.width and place[1] < image.height:
            assert near(image.getpixel(place), BLUE)


def test_pixels_that_are_not_square(tmp_path: Path) -> None:
    path = film(tmp_path / "a.mp4", [plain(GREEN)] * 3, pixel_shape=Fraction(4, 3))
    assert (probe(path).width, probe(path).height) == (171, 96)
    assert Image.open(io.BytesIO(last_frame(path))).size == (171, 96)


# --- Frames -------------------------------------------------------------------------------------------------------


def test_the_last_frame_is_the_last_and_its_colour_is_right(tmp_path: Path) -> None:
    frames = [plain(BLUE)] * 40 + [plain(RED)]
    image = Image.open(io.BytesIO(last_frame(film(tmp_path / "a.mp4", frames))))
    assert image.format == "PNG"
    assert near(image.getpixel((64, 48)), RED, 6)


def test_the_first_frame_is_the_first_even_where_it_is_black(tmp_path: Path) -> None:
    path = film(tmp_path / "a.mp4", [plain(BLACK)] + [plain(RED)] * 20, rotation=90)
    image = Image.open(io.BytesIO(first_frame(path)))
    assert image.size == (96, 128)
    assert near(image.getpixel((48, 64)), BLACK, 6)


@pytest.mark.parametrize(("dark", "colour"), [(0, RED), (1, RED), (12, RED), (13, BLACK)])
def test_the_poster_skips_up_to_twelve_black_frames(tmp_path: Path, dark: int, colour: tuple[int, int, int]) -> None:
    path = film(tmp_path / "a.mp4", [plain(BLACK)] * dark + [plain(RED)] * 6)
    write_poster(path, tmp_path / "poster.jpg")
    with Image.open(tmp_path / "poster.jpg") as poster:
        assert poster.format == "JPEG"
        assert near(poster.getpixel((64, 48)), colour)


def test_a_black_video_has_a_black_poster(tmp_path: Path) -> None:
    write_poster(film(tmp_path / "a.mp4", [plain(BLACK)] * 4), tmp_path / "poster.jpg")
    with Image.open(tmp_path / "poster.jpg") as poster:
        assert near(poster.getpixel((9, 9)), BLACK)


def test_a_poster_is_at_most_1280_pixels(tmp_path: Path) -> None:
    write_poster(film(tmp_path / "a.mp4", [plain(RED, 1920, 1080)] * 2), tmp_path / "poster.jpg")
    with Image.open(tmp_path / "poster.jpg") as poster:
        assert poster.size == (1280, 720)


# --- Broken ones --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("faststart", [True, False])
@pytest.mark.parametrize("share", [0.001, 0.02, 0.1, 0.3, 0.5, 0.7, 0.9, 0.97, 0.99])
def test_a_file_that_is_cut_off_never_counts_as_playable(tmp_path: Path, share: float, faststart: bool) -> None:
    whole = film(tmp_path / "whole.mp4", grainy(), faststart=faststart).read_bytes()
    path = tmp_path / "cut.mp4"
    path.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(InvalidMedia) as caught:
        check_playable(path)
    assert str(tmp_path) not in caught.value.message


@pytest.mark.parametrize("missing", [1, 2, 16, 400])
def test_even_a_byte_of_the_last_frame(tmp_path: Path, missing: int) -> None:
    whole = film(tmp_path / "whole.mp4", grainy()).read_bytes()
    path = tmp_path / "cut.mp4"
    path.write_bytes(whole[:-missing])
    probe(path)  # the trap: it looks perfect
    with pytest.raises(InvalidMedia, match="does not play to its end"):
        check_playable(path)


def test_sound_that_is_cut_off_counts_too(tmp_path: Path) -> None:
    """Every frame is there and decodes; only the last of the sound behind it is missing."""
    path = film(tmp_path / "a.mp4", grainy(4), sound="aac", sound_seconds=2.0)
    check_playable(path)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(InvalidMedia, match="does not play to its end"):
        check_playable(path)


def test_the_stated_size_counts(good: Path) -> None:
    size = good.stat().st_size
    with pytest.raises(InvalidMedia, match=f"incomplete: {size:,} of {size + 1:,} bytes came"):
        check_playable(good, size + 1)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "is empty"),
        (HTML, "it holds a web page"),
        (b'{"detail": "Not found"}', "it holds text"),
        (b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n", "it holds text"),
        (b"ffconcat version 1.0\nfile /etc/passwd\n", "it holds text"),
        (b"\xff\xd8\xff\xe0" + bytes(99), "it holds a JPEG picture"),
        (b"\x1a\x45\xdf\xa3" + bytes(99), "it holds a video (WebM or MKV)"),
        (bytes(5000), "unknown kind"),
        (b"\x00\x00\x00\x20ftypisom\x00\x00\x02\x00isomiso2avc1mp41", "incomplete or damaged"),
        (b"\x00\x00\x00\x20ftypisom" + b"\xff" * 4000, "incomplete or damaged"),
    ],
)
def test_what_is_no_video(tmp_path: Path, data: bytes, words: str) -> None:
    path = tmp_path / "result.mp4"
    path.write_bytes(data)
    for look in (probe, check_playable, last_frame, lambda path: write_poster(path, tmp_path / "poster.jpg")):
        with pytest.raises(InvalidMedia, match=words.replace("(", r"\(").replace(")", r"\)")):
            look(path)
    assert not (tmp_path / "poster.jpg").exists()
    if data:
        with pytest.raises(InvalidMedia) as caught:
            read_clip(data, max_bytes=LIMIT, name="clip.mp4")
        assert caught.value.message.startswith("“clip.mp4”")


def test_sound_alone_is_no_video(tmp_path: Path) -> None:
    path = tmp_path / "sound.mp4"
    with av.open(str(path), "w") as out:
        stream = out.add_stream("aac", rate=44100)
        tone = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
        tone.sample_rate = 44100
        out.mux(stream.encode(tone))
        out.mux(stream.encode())
    with pytest.raises(InvalidMedia, match="only sound or data"):
        probe(path)


def test_damage_anywhere_gives_a_video_or_our_own_error(good: Path) -> None:
    rng = np.random.default_rng(11)
    whole = good.read_bytes()
    for round_ in range(60):
        data = bytearray(whole)
        reach = 3000 if round_ % 2 else len(data)
        for _ in range(8):
            data[int(rng.integers(8, reach))] = int(rng.integers(0, 256))
        with contextlib.suppress(InvalidMedia):  # any other exception fails the test
            assert read_clip(bytes(data), max_bytes=LIMIT).probe.width > 0


# --- What comes in ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("codec", "container"),
    [("libx264", "mp4"), ("libx264", "mov"), ("libx265", "mp4"), ("libsvtav1", "mp4"), ("mpeg4", "mov")],
)
def test_clips_come_in_as_mp4(tmp_path: Path, codec: str, container: str) -> None:
    source = film(tmp_path / "a", grainy(24), codec=codec, container=container, sound="aac")
    clip = read_clip(source.read_bytes(), max_bytes=LIMIT, name="clip.mov")
    assert clip.extension == "mp4"
    assert clip.data[4:12] == b"ftypisom"
    assert clip.data.index(b"moov") < clip.data.index(b"mdat")
    assert clip.probe.duration_s == pytest.approx(1.0, abs=0.06)
    assert clip.probe.has_audio
    assert clip.probe.bytes == len(clip.data)
    assert clip.notes == ()


@pytest.mark.parametrize("sound", ["aac", "libmp3lame", "ac3"])
def test_sounds_that_mp4_holds_are_kept(tmp_path: Path, sound: str) -> None:
    block = 1152 if sound == "libmp3lame" else 1536 if sound == "ac3" else 1024
    source = film(tmp_path / "a.mp4", grainy(24), sound=sound, block=block)
    clip = read_clip(source.read_bytes(), max_bytes=LIMIT)
    assert clip.probe.has_audio
    assert clip.notes == ()
    with av.open(io.BytesIO(clip.data), "r", format="mp4") as kept:
        assert sum(frame.samples for frame in kept.decode(audio=0)) >= 40_000


def test_place_and_device_are_gone_and_the_rotation_stays(tmp_path: Path) -> None:
    secret = {"comment": "secret words", "location": "+52.5200+013.4050/", "artist": "secret name"}
    source = film(tmp_path / "a.mov", grainy(24), container="mov", rotation=90, metadata=secret)
    given = source.read_bytes()
    assert b"secret words" in given
    clip = read_clip(given, max_bytes=LIMIT)
    for words in (b"secret", b"+52.52"):
        assert words not in clip.data
    assert (clip.probe.width, clip.probe.height) == (96, 128)
    assert clip.probe.comment == ""


def test_sound_that_mp4_cannot_hold_is_left_out_with_a_note(tmp_path: Path) -> None:
    source = film(tmp_path / "a.mov", grainy(24), container="mov", sound="pcm_s16le")
    clip = read_clip(source.read_bytes(), max_bytes=LIMIT)
    assert not clip.probe.has_audio
    assert clip.notes == ("Its sound (pcm_s16le) was left out: MP4 cannot hold it.",)


def test_the_same_clip_is_the_same_bytes(good: Path) -> None:
    given = good.read_bytes()
    assert read_clip(given, max_bytes=LIMIT).data == read_clip(given, max_bytes=LIMIT).data


def test_a_codec_that_nobody_plays_is_named(tmp_path: Path) -> None:
    source = film(tmp_path / "a.mov", grainy(4), codec="prores_ks", pix_fmt="yuv422p10le", container="mov")
    with pytest.raises(InvalidMedia, match=r"is encoded as prores, which cannot be used. Export it as H.264 \(MP4\)."):
        read_clip(source.read_bytes(), max_bytes=LIMIT, name="master.mov")


def test_clips_that_are_too_large_or_cut_off(good: Path) -> None:
    data = good.read_bytes()
    with pytest.raises(InvalidMedia, match="the limit is"):
        read_clip(data, max_bytes=len(data) - 1)
    with pytest.raises(InvalidMedia, match=r"“c\.mp4” is incomplete or damaged"):
        read_clip(data[: len(data) // 2], max_bytes=LIMIT, name="c.mp4")
    with pytest.raises(InvalidMedia, match="is empty"):
        read_clip(b"", max_bytes=LIMIT)


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (Clip(seconds=(2.5, 10)), "is 2.0 s long; it has to be 2.5 to 10 s"),
        (Clip(seconds=(0.5, 1)), "is 2.0 s long; it has to be 0.5 to 1 s"),
        (Clip(max_bytes=1000), "the limit is 1 kB of this model"),
    ],
)
def test_a_models_limits_on_clips(good: Path, kind: Clip, words: str) -> None:
    with pytest.raises(InvalidMedia, match=words):
        check_clip(probe(good), kind)
    check_clip(probe(good), Clip(seconds=(2, 10), max_bytes=LIMIT))
    check_clip(probe(good), Clip())


@pytest.mark.parametrize(("data", "extension"), [(wav(3), "wav"), (mp3(3), "mp3")])
def test_sounds_come_in(data: bytes, extension: str) -> None:
    sound = read_sound(data, max_bytes=LIMIT, name="voice", seconds=(2, 30))
    assert sound.extension == extension
    assert sound.data == data
    assert sound.duration_s == pytest.approx(3, abs=0.08)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "is empty"),
        (HTML, "is not a WAV or MP3: it holds a web page"),
        (b"\x00\x00\x00\x20ftypM4A " + bytes(99), r"it holds a sound \(M4A\)"),
        (wav(1), "is 1.0 s long; it has to be 2 to 30 s"),
        (wav(31), "is 31.0 s long"),
        (mp3(1), "has to be 2 to 30 s"),
        (wav(4)[:20000], "incomplete or damaged"),
        (b"RIFF\x04\x00\x00\x00WAVE", "is damaged"),
        (wav(0), "holds no sound|is damaged"),
        (b"ID3" + bytes(3000), "is damaged|holds no sound"),
        (b"\xff\xfb" + b"\x00" * 3000, "is damaged|holds no sound"),
    ],
)
def test_what_is_no_usable_sound(data: bytes, words: str) -> None:
    with pytest.raises(InvalidMedia, match=words):
        read_sound(data, max_bytes=LIMIT, name="voice.wav", seconds=(2, 30))


def test_a_sound_that_is_too_large() -> None:
    with pytest.raises(InvalidMedia, match="the limit is"):
        read_sound(wav(3), max_bytes=1000)


def test_a_models_limits_on_sounds() -> None:
    sound = SoundFile(bytes(2000), "wav", 31.0)
    with pytest.raises(InvalidMedia, match=r"is 31\.0 s long"):
        check_sound(sound, Sound(seconds=(2, 30)))
    with pytest.raises(InvalidMedia, match="the limit is 1 kB of this model"):
        check_sound(sound, Sound(max_bytes=1000))
    check_sound(sound, Sound(seconds=(2, 31), max_bytes=2000))
