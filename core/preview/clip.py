"""Reads clips: their length, their frames at another rate and size, and their last frame. Never a whole clip at once."""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, cast

import av
import numpy as np
from av.video.stream import VideoStream

from core.errors import ProviderRefused
from core.media.framing import kept_share
from core.preview.picture import SAME_SHAPE, Picture, between_bars, cover, inner

HD_LINES = 720  # from here on a clip that does not say is BT.709, as browsers take it
UNSAID = 2  # ffmpeg's number for "no matrix stated"
LAST_WINDOW_S = 2.0  # the last frame is looked for from the keyframe before this much of the end


@dataclass(frozen=True)
class Clip:
    """A clip that can be read.

    Args:
        path: the file.
        name: what errors call it: "Clip 2".
        field: the input that it came from.
        seconds: its length, from its packets, not from its header.
        has_sound: whether it has a sound track.
    """

    path: Path
    name: str
    field: str
    seconds: float
    has_sound: bool

    @classmethod
    def open(cls, path: Path, name: str, field: str) -> "Clip":
        """Look a clip over without decoding it. Raises ProviderRefused if it is none."""
        try:
            with av.open(str(path)) as file:
                stream = _video(file, name, field)
                first, last = None, None
                for packet in file.demux(stream):
                    if packet.pts is None:
                        continue
                    end = packet.pts + (packet.duration or 0)
                    first = packet.pts if first is None else min(first, packet.pts)
                    last = end if last is None else max(last, end)
                if first is None or last is None:
                    raise _unreadable(name, field)
                seconds = float((last - first) * _tick(stream)) or 1 / float(stream.average_rate or 24)
                return cls(path, name, field, seconds, bool(file.streams.audio))
        except (av.FFmpegError, OSError) as exc:
            raise _unreadable(name, field) from exc

    def frames(self, size: tuple[int, int], fps: int, bars: str) -> Iterator[Picture]:
        """The clip's pictures at `fps`, upright and fitted to `size`; as many as its length asks for.

        For each moment the newest frame is shown, so that any frame rate, a changing one too, keeps its time.

        Raises:
            ProviderRefused: the file is damaged.
        """
        count = frame_count(self.seconds, fps)
        try:
            with av.open(str(self.path)) as file:
                stream = _video(file, self.name, self.field)
                stream.thread_type = "AUTO"
                stream.codec_context.thread_count = 2
                held: av.VideoFrame | None = None
                shown: Picture | None = None
                start: float | None = None
                sent = 0
                for number, frame in enumerate(file.decode(stream)):
                    time = frame.time if frame.time is not None else number / float(stream.average_rate or fps)
                    start = time if start is None else start
                    while held is not None and sent < count and sent / fps < time - start - 1e-4:
                        shown = _fitted(held, stream, size, bars) if shown is None else shown
                        yield shown
                        sent += 1
                    held, shown = frame, None
                if held is None:
                    raise _unreadable(self.name, self.field)
                shown = _fitted(held, stream, size, bars)
                for _ in range(sent, count):
                    yield shown
        except (av.FFmpegError, OSError) as exc:
            raise _unreadable(self.name, self.field) from exc

    def last(self) -> Picture:
        """Its last frame, upright, at its own size. Raises ProviderRefused if the file is damaged."""
        try:
            with av.open(str(self.path)) as file:
                stream = _video(file, self.name, self.field)
                at = max(0.0, self.seconds - LAST_WINDOW_S)
                file.seek(int(at / _tick(stream)) + (stream.start_time or 0), stream=stream)
                frame: av.VideoFrame | None = None
                for decoded in file.decode(stream):
                    frame = decoded
                if frame is None:
                    raise _unreadable(self.name, self.field)
                return _upright(frame, _rgb(frame, stream, frame.width, frame.height))
        except (av.FFmpegError, OSError) as exc:
            raise _unreadable(self.name, self.field) from exc


def frame_count(seconds: float, fps: int) -> int:
    """Frames that show a length: at least one."""
    return max(1, round(seconds * fps))


def _video(file: Any, name: str, field: str) -> VideoStream:
    if not file.streams.video:
        raise _unreadable(name, field)
    return cast(VideoStream, file.streams.video[0])


def _tick(stream: VideoStream) -> Fraction:
    return stream.time_base or Fraction(1, 90_000)


def _unreadable(name: str, field: str) -> ProviderRefused:
    return ProviderRefused(
        "clip_unreadable", f"{name} cannot be read; it may be damaged or cut short. Choose another.", field=field
    )


def _fitted(frame: av.VideoFrame, stream: VideoStream, size: tuple[int, int], bars: str) -> Picture:
    """Scaled by the decoder's own scaler, turned upright, and set into the frame."""
    turns = _turns(frame)
    stretch = float(stream.sample_aspect_ratio or 1) or 1.0  # pixels need not be square
    width, height = max(1, round(frame.width * stretch)), frame.height
    seen = (height, width) if turns % 2 else (width, height)
    same = kept_share(*seen, size[0] / size[1]) >= SAME_SHAPE
    scale = max(size[0] / seen[0], size[1] / seen[1])
    target = (max(2, round(seen[0] * scale)), max(2, round(seen[1] * scale))) if same else inner(*seen, size)
    stored = target[::-1] if turns % 2 else target
    picture = _upright(frame, _rgb(frame, stream, *stored))
    if same:
        return cover(picture, size)
    return between_bars(picture, size, bars)


def _rgb(frame: av.VideoFrame, stream: VideoStream, width: int, height: int) -> Picture:
    unsaid = int(frame.colorspace) == UNSAID
    matrix = "ITU709" if unsaid and stream.height >= HD_LINES else None
    converted = frame.reformat(width, height, "rgb24", src_colorspace=cast(Any, matrix), interpolation="BICUBIC")
    return cast(Picture, converted.to_ndarray())


def _turns(frame: av.VideoFrame) -> int:
    """Quarter turns counter-clockwise that set the frame upright."""
    return round(frame.rotation / 90) % 4


def _upright(frame: av.VideoFrame, picture: Picture) -> Picture:
    return np.ascontiguousarray(np.rot90(picture, _turns(frame)))
