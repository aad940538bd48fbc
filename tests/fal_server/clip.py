"""A real, small MP4 that every job of the fake server ends with."""

import tempfile
from functools import lru_cache
from pathlib import Path

import av
import numpy as np

WIDTH, HEIGHT, FPS, FRAMES = 320, 180, 24, 24


@lru_cache(maxsize=1)
def clip() -> bytes:
    """One second of H.264 with grain, 320 × 180 at 24 fps, moov first; some tens of kB, the same in every call."""
    grain = np.random.default_rng(7)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "clip.mp4"
        with av.open(str(path), "w", options={"movflags": "faststart"}) as file:
            stream = file.add_stream("libx264", rate=FPS)
            stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
            across = np.linspace(0, 200, WIDTH, dtype=np.float32)[None, :, None]
            for index in range(FRAMES):
                picture = np.roll(across, index * 5, axis=1) + grain.integers(0, 40, (HEIGHT, WIDTH, 3))
                file.mux(stream.encode(av.VideoFrame.from_ndarray(picture.astype(np.uint8), format="rgb24")))
            file.mux(stream.encode())
        return path.read_bytes()
