"""Writes frames to an MP4 that plays everywhere: H.264, BT.709, index in front, label inside, never half a file."""

import contextlib
import os
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Self

import av
import numpy as np
from numpy.typing import NDArray

CRF = "20"  # quality; with `veryfast` it is the sheet's reference (preview.md 2)
KEYFRAME_EVERY = 48  # frames: smooth scrubbing for 16 % more bytes
THREADS = 2
BT709 = 1  # ffmpeg's number for matrix, primaries and transfer alike
TV_RANGE = 1


class Writer:
    """An MP4 being written, one frame at a time; the file appears under its name only when it is whole.

    Args:
        path: where the video goes. Until `finish` it is `<name>.part.mp4` beside it.
        size: width and height in pixels, both even.
        fps: frames per second.
        comment: the label that goes into the file.

    Raises:
        OSError: the disk is full or the file may not be written; the part file is removed.
    """

    def __init__(self, path: Path, size: tuple[int, int], fps: int, comment: str) -> None:
        width, height = size
        if width % 2 or height % 2:
            raise ValueError(f"H.264 needs even sizes, not {width}×{height}")
        self._path = path
        self._part = path.with_suffix(".part.mp4")
        self._tick = Fraction(1, fps)
        self.frames = 0
        self._file = av.open(str(self._part), "w", format="mp4", options={"movflags": "+faststart"})
        self._file.metadata["comment"] = comment
        options = {"preset": "veryfast", "crf": CRF, "profile": "high", "g": str(KEYFRAME_EVERY)}
        self._stream = self._file.add_stream("libx264", rate=fps, options=options)
        self._stream.width, self._stream.height, self._stream.pix_fmt = width, height, "yuv420p"
        codec = self._stream.codec_context
        codec.thread_count = THREADS
        codec.time_base = self._tick
        codec.color_range = TV_RANGE
        codec.colorspace = codec.color_primaries = codec.color_trc = BT709

    def write(self, picture: NDArray[np.uint8]) -> None:
        """Add a frame: (height, width, 3) RGB, of the writer's size."""
        source = av.VideoFrame.from_ndarray(picture, format="rgb24")
        frame = source.reformat(format="yuv420p", dst_colorspace="ITU709", dst_color_range="MPEG")
        frame.pts, frame.time_base = self.frames, self._tick
        self.frames += 1
        self._file.mux(self._stream.encode(frame))

    def finish(self) -> None:
        """Write what is still inside, move the index to the front and give the file its name."""
        self._file.mux(self._stream.encode(None))
        self._file.close()
        os.replace(self._part, self._path)

    def discard(self) -> None:
        """Give up: nothing is left of the file."""
        with contextlib.suppress(OSError, av.FFmpegError):  # the disk may be the very reason
            self._file.close()
        self._part.unlink(missing_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Finish, or discard where an error passes through."""
        if error is not None:
            self.discard()
            return
        try:
            self.finish()
        except BaseException:
            self.discard()
            raise
