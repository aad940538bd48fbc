"""Videos and sounds: what a file holds, whether it plays to its end, and its frames as pictures."""

import io
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Final, Literal

import av
from av.container import InputContainer
from av.stream import Disposition, Stream
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from PIL import Image

from core.errors import InvalidMedia
from core.media.content import quoted, titled, too_big, what_is
from core.models.spec import Clip, Sound

DEMUXERS: Final = {
    "a video (MP4)": "mp4",
    "a video (MOV)": "mp4",
    "a sound (WAV)": "wav",
    "a sound (MP3)": "mp3",
}
"""What a file is → FFmpeg's reader. Naming it keeps FFmpeg from playlists, which name further files and addresses."""

VIDEO_CODECS: Final = ("h264", "hevc", "av1", "vp9", "mpeg4")  # what MP4 holds and the models take
AUDIO_CODECS: Final = ("aac", "mp3", "ac3", "eac3", "opus", "alac")
MOST_PIXELS: Final = 8192 * 4320  # of one frame; 8K passes
POSTER_SIDE: Final = 1280  # pixels
DARK_FRAMES: Final = 12  # skipped at most for a poster: half a second of fading in
DARK: Final = 16  # mean of 0..255 below which a frame counts as black
UNTAGGED: Final = 2  # FFmpeg's "unspecified" colour space
BAD: Final = (av.error.FFmpegError, EOFError)
FILE: Final = "The video"


@dataclass(frozen=True)
class Probe:
    """What a video file says about itself, checked against its first frame.

    Args:
        width, height: in pixels as it is shown: after rotation, with square pixels.
        stored_width, stored_height: in pixels as it is encoded.
        duration_s: length in seconds.
        fps: frames per second on average.
        frames: how many, or None where the file does not say.
        has_audio: whether it has sound.
        comment: the label inside the file, or "".
        codec: of the picture, in FFmpeg's words: "h264", "hevc".
        bytes: size of the file.
    """

    width: int
    height: int
    stored_width: int
    stored_height: int
    duration_s: float
    fps: float
    frames: int | None
    has_audio: bool
    comment: str
    codec: str
    bytes: int


@dataclass(frozen=True)
class ClipFile:
    """A clip as it is kept: an MP4 with its index in front, one picture and at most one sound track, no metadata.

    Args:
        data: the encoded file.
        probe: what it holds.
        notes: what was changed on the way, as sentences.
    """

    data: bytes
    probe: Probe
    notes: tuple[str, ...] = ()
    extension: Literal["mp4"] = "mp4"


@dataclass(frozen=True)
class SoundFile:
    """A sound as it is kept: the bytes as they came; `duration_s` in seconds."""

    data: bytes
    extension: Literal["wav", "mp3"]
    duration_s: float


# --- Looking at a file --------------------------------------------------------------------------------------------


def probe(path: Path) -> Probe:
    """What a video holds. Decodes one frame; a file that is cut off may pass, so use `check_playable` for downloads.

    Raises:
        InvalidMedia: it is not an MP4 or MOV, holds no picture, or its first frame cannot be decoded.
    """
    return _probe(path, FILE)


def check_playable(path: Path, expected_bytes: int | None = None) -> Probe:
    """Whether a video is complete: its size, its index, its first and its last frame.

    Args:
        path: the file.
        expected_bytes: size that the server stated, if it did.

    Raises:
        InvalidMedia: it is not complete, or no video.
    """
    return _check_playable(path, expected_bytes, FILE)


def write_poster(path: Path, to: Path) -> None:
    """Write the first frame that is not black as a JPEG of at most 1280 pixels.

    Raises:
        InvalidMedia: no frame can be decoded.
    """
    with _opened(path, FILE) as (container, stream):
        first: VideoFrame | None = None
        chosen: VideoFrame | None = None
        for count, frame in enumerate(container.decode(stream)):
            first = frame if first is None else first
            if count >= DARK_FRAMES or _brightness(frame) >= DARK:
                chosen = frame
                break
        image = _upright(_there(chosen if chosen is not None else first, FILE), stream)
    image.thumbnail((POSTER_SIDE, POSTER_SIDE), Image.Resampling.LANCZOS)
    image.save(to, "JPEG", quality=85, optimize=True)


def first_frame(path: Path) -> bytes:
    """The first frame as a PNG, in the size in which the video is shown. Raises InvalidMedia."""
    with _opened(path, FILE) as (container, stream):
        image = _upright(_there(_first(container, stream), FILE), stream)
    out = io.BytesIO()
    image.save(out, "PNG", compress_level=1)
    return out.getvalue()


def last_frame(path: Path) -> bytes:
    """The last frame as a PNG, in the size in which the video is shown; for going on from it.

    Raises:
        InvalidMedia: it cannot be decoded.
    """
    with _opened(path, FILE) as (container, stream):
        image = _upright(_there(_last(container, stream), FILE), stream)
    out = io.BytesIO()
    image.save(out, "PNG", compress_level=1)
    return out.getvalue()


# --- What comes in ------------------------------------------------------------------------------------------------


def read_clip(data: bytes, *, max_bytes: int, name: str = "") -> ClipFile:
    """Check an uploaded clip and bring it into the one form that is kept. Pictures and sound are copied, not encoded.

    Args:
        data: the file's bytes; its content decides what it is, never its name.
        max_bytes: largest file that is taken.
        name: the file's name, for messages.

    Raises:
        InvalidMedia: it is no clip, is damaged or too large; the message says which and what to do.
    """
    said = quoted(name)
    _check_bytes(data, max_bytes, said)
    with tempfile.TemporaryDirectory(prefix="takes-clip-") as folder:
        source, target = Path(folder, "given"), Path(folder, "kept.mp4")
        source.write_bytes(data)
        given = _check_playable(source, None, said)
        if given.codec not in VIDEO_CODECS:
            raise InvalidMedia(f"{said} is encoded as {given.codec}, which cannot be used. Export it as H.264 (MP4).")
        notes = _copy(source, target, said)
        return ClipFile(target.read_bytes(), _check_playable(target, None, said), notes)


def read_sound(data: bytes, *, max_bytes: int, name: str = "", seconds: tuple[float, float] | None = None) -> SoundFile:
    """Check an uploaded WAV or MP3, decoding all of it.

    Args:
        data: the file's bytes.
        max_bytes: largest file that is taken.
        name: the file's name, for messages.
        seconds: least and greatest length, if there are limits.

    Raises:
        InvalidMedia: it is no such sound, is damaged, or is outside the limits.
    """
    said = quoted(name)
    _check_bytes(data, max_bytes, said)
    kind = what_is(data)
    if kind not in ("a sound (WAV)", "a sound (MP3)"):
        raise InvalidMedia(f"{said} is not a WAV or MP3: it holds {kind}. Choose a WAV or MP3.")
    if (
        kind == "a sound (WAV)"
        and 0 < (stated := int.from_bytes(data[4:8], "little")) < 0xFFFF_FFFF
        and stated + 8 > len(data) + 1
    ):
        raise _cut_off(said)
    try:
        with av.open(io.BytesIO(data), "r", format=DEMUXERS[kind]) as container:
            samples = sum(
                (Fraction(frame.samples, frame.sample_rate) for frame in container.decode(audio=0)), Fraction(0)
            )
    except (*BAD, IndexError) as exc:
        raise InvalidMedia(f"{titled('sound', said)} is damaged. Export it again.") from exc
    if not samples:
        raise InvalidMedia(f"{said} holds no sound. Choose another file.")
    sound = SoundFile(data, "wav" if kind == "a sound (WAV)" else "mp3", round(float(samples), 3))
    if seconds is not None:
        _check_seconds(sound.duration_s, seconds, "This sound")
    return sound


def check_clip(given: Probe, kind: Clip) -> None:
    """Whether a clip keeps to a model's own limits of length and size. Raises InvalidMedia."""
    if kind.seconds is not None:
        _check_seconds(given.duration_s, kind.seconds, "This clip")
    if kind.max_bytes is not None and given.bytes > kind.max_bytes:
        raise InvalidMedia(
            f"This clip is {too_big(given.bytes, kind.max_bytes)} of this model. Shorten it, or export it smaller."
        )


def check_sound(given: SoundFile, kind: Sound) -> None:
    """Whether a sound keeps to a model's own limits of length and size. Raises InvalidMedia."""
    if kind.seconds is not None:
        _check_seconds(given.duration_s, kind.seconds, "This sound")
    if kind.max_bytes is not None and len(given.data) > kind.max_bytes:
        raise InvalidMedia(
            f"This sound is {too_big(len(given.data), kind.max_bytes)} of this model. Shorten it, or save it as an MP3."
        )


# --- Inside -------------------------------------------------------------------------------------------------------


@contextmanager
def _opened(path: Path, said: str) -> Iterator[tuple[InputContainer, VideoStream]]:
    """The file and its video stream, closed afterwards; whatever goes wrong with its content becomes InvalidMedia."""
    with path.open("rb") as file:
        kind = what_is(file.read(1024))
    if kind == "nothing":
        raise InvalidMedia(f"{said} is empty. Export or download it again.")
    if DEMUXERS.get(kind) != "mp4":
        raise InvalidMedia(f"{said} is not a video that can be used: it holds {kind}. Choose an MP4 or MOV.")
    try:
        with av.open(str(path), format="mp4", metadata_errors="replace") as container:
            moving = [stream for stream in container.streams.video if not stream.disposition & Disposition.attached_pic]
            if not moving:
                raise InvalidMedia(f"{said} holds no moving picture, only sound or data. Choose a video.")
            if moving[0].codec_context is None:  # FFmpeg has no decoder for it
                raise InvalidMedia(f"{said} is encoded in a way that cannot be read. Export it as H.264 (MP4).")
            yield container, moving[0]
    except BAD as exc:
        raise _cut_off(said) from exc


def _probe(path: Path, said: str) -> Probe:
    with _opened(path, said) as (container, stream):
        width, height = stream.width, stream.height
        if not 0 < width * height <= MOST_PIXELS:
            raise InvalidMedia(f"{said} is {width:,} × {height:,} pixels, more than can be used. Scale it down.")
        duration, frames, fps = _length(container, stream)
        frame = _there(_first(container, stream), said)
        shown = _shown_size(frame, stream)
        return Probe(
            width=shown[0], height=shown[1], stored_width=width, stored_height=height, duration_s=round(float(duration), 3),
            fps=round(float(fps), 3), frames=frames, has_audio=bool(container.streams.audio),
            comment=container.metadata.get("comment", ""), codec=stream.codec_context.codec.canonical_name, bytes=path.stat().st_size,
        )  # fmt: skip


def _check_playable(path: Path, expected_bytes: int | None, said: str) -> Probe:
    size = path.stat().st_size
    if expected_bytes is not None and size != expected_bytes:
        raise InvalidMedia(f"{said} is incomplete: {size:,} of {expected_bytes:,} bytes came. Download it again.")
    found = _probe(path, said)
    with _opened(path, said) as (container, stream):
        ends = (entry.pos + entry.size for part in container.streams for entry in part.index_entries)
        if max(ends, default=0) > size:  # the index stands in front and tells of frames or sound that are not there
            raise _cut_off(said)
        frame = _last(container, stream)
        if frame is None or frame.is_corrupt:
            raise _cut_off(said)
    return found


def _length(container: InputContainer, stream: VideoStream) -> tuple[Fraction, int | None, Fraction]:
    """Seconds, frames, frames per second; from the packets where the header says less, or nothing.

    Live encoders state no length, and with varying rates and B-frames a muxer may state one that ends too early.
    """
    base = stream.time_base or Fraction(1, av.time_base)
    shown = [packet for packet in container.demux(stream) if packet.pts is not None and not packet.is_discard]
    container.seek(0)
    times = [packet.pts or 0 for packet in shown]
    ends = [at + (packet.duration or 0) for at, packet in zip(times, shown, strict=True)]
    counted = (max(ends, default=0) - min(times, default=0)) * base
    stated = Fraction(stream.duration or 0) * base
    duration, frames = max(counted, stated), stream.frames or len(shown) or None
    rate = stream.average_rate or stream.guessed_rate
    if frames and duration > 0 and (not rate or counted > stated):
        rate = frames / duration
    return duration, frames, rate or Fraction(0)


def _first(container: InputContainer, stream: VideoStream) -> VideoFrame | None:
    return next(iter(container.decode(stream)), None)


def _last(container: InputContainer, stream: VideoStream) -> VideoFrame | None:
    """The last frame, decoded from the last key frame on; from the start where a seek leads past all of them."""
    last = None
    for offset in ((stream.start_time or 0) + (stream.duration or 0), stream.start_time or 0):
        container.seek(offset, stream=stream)
        for frame in container.decode(stream):
            last = frame
        if last is not None:
            break
    return last


def _there(frame: VideoFrame | None, said: str) -> VideoFrame:
    if frame is None:
        raise InvalidMedia(f"{said} holds no frame that can be shown. Export it again.")
    return frame


def _turns(frame: VideoFrame) -> int:
    """Quarter turns to the left that bring the frame upright: 0 to 3."""
    return round(frame.rotation / 90) % 4


def _shown_size(frame: VideoFrame, stream: VideoStream) -> tuple[int, int]:
    shape = stream.sample_aspect_ratio or Fraction(1)
    if not Fraction(1, 4) <= shape <= 4:  # no camera has such pixels: a broken field
        shape = Fraction(1)
    width, height = max(1, round(frame.width * shape)), frame.height
    return (height, width) if _turns(frame) % 2 else (width, height)


def _upright(frame: VideoFrame, stream: VideoStream) -> Image.Image:
    """The frame as it is shown. Without a tag, HD is read as BT.709, as browsers do."""
    untagged = frame.colorspace == UNTAGGED and min(frame.width, frame.height) >= 720
    pixels = frame.to_ndarray(format="rgb24", src_colorspace="ITU709" if untagged else None)
    image = Image.fromarray(pixels)
    if turns := _turns(frame):
        image = image.transpose(
            (Image.Transpose.ROTATE_90, Image.Transpose.ROTATE_180, Image.Transpose.ROTATE_270)[turns - 1]
        )
    size = _shown_size(frame, stream)
    return image if image.size == size else image.resize(size, Image.Resampling.LANCZOS)


def _brightness(frame: VideoFrame) -> float:
    return float(frame.reformat(width=64, height=36, format="gray").to_ndarray().mean())


def _copy(source: Path, target: Path, said: str) -> tuple[str, ...]:
    """Put the picture and the first sound into a new MP4, without metadata: no place, no device, no data tracks."""
    with (
        _opened(source, said) as (given, picture),
        av.open(str(target), "w", format="mp4", options={"movflags": "+faststart"}) as kept,
    ):
        sounds = [stream for stream in given.streams.audio if stream.codec_context is not None]
        sound = next((stream for stream in sounds if stream.codec_context.codec.canonical_name in AUDIO_CODECS), None)
        # opaque: without it PyAV looks for an encoder of that name, and AV1's decoder has none
        copies: dict[int, Stream] = {picture.index: kept.add_stream_from_template(picture, opaque=True)}
        if sound is not None:
            copies[sound.index] = kept.add_stream_from_template(sound, opaque=True)
        for packet in given.demux([stream for stream in (picture, sound) if stream is not None]):
            if packet.dts is not None:  # the reader ends each stream with an empty packet
                packet.stream = copies[packet.stream.index]
                kept.mux(packet)
    if sounds and sound is None:
        return (f"Its sound ({sounds[0].codec_context.codec.canonical_name}) was left out: MP4 cannot hold it.",)
    return ()


def _check_bytes(data: bytes, max_bytes: int, said: str) -> None:
    if not data:
        raise InvalidMedia(f"{said} is empty. Choose it again, or export it anew.")
    if len(data) > max_bytes:
        raise InvalidMedia(f"{said} is {too_big(len(data), max_bytes)}. Shorten it, or export it smaller.")


def _check_seconds(given: float, limits: tuple[float, float], said: str) -> None:
    low, high = limits
    if not low <= given <= high + 0.1:  # exporters round up to whole frames
        raise InvalidMedia(f"{said} is {given:.1f} s long; it has to be {low:g} to {high:g} s. Trim it first.")


def _cut_off(said: str) -> InvalidMedia:
    return InvalidMedia(f"{said} is incomplete or damaged: it does not play to its end. Export or download it again.")
