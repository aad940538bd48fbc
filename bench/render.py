"""What a preview costs beside its own encoding: CPU of rendering a clip ÷ CPU of encoding the same frames. Target: 2.0."""

import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import av
import numpy as np
from PIL import Image

from core.preview import LABEL
from core.preview.encode import Writer
from core.preview.task import CameraTask, dump

SIZE, FPS, SECONDS = (1280, 720), 24, 5.0
TARGET = 2.0
RUNS = 3


def photo(path: Path) -> None:
    """A still with the detail of a photo: soft shapes, edges and a little noise; 1920×1080."""
    random = np.random.default_rng(7)
    picture = np.zeros((1080, 1920, 3), np.float32)
    for scale, weight in ((8, 90), (40, 60), (160, 40), (540, 14)):
        coarse = random.uniform(-1, 1, (scale * 9 // 16 + 1, scale, 3)).astype(np.float32)
        for channel in range(3):
            layer = Image.fromarray(coarse[..., channel]).resize((1920, 1080), Image.Resampling.BICUBIC)
            picture[..., channel] += weight * np.asarray(layer)
    Image.fromarray(np.clip(picture + 128, 0, 255).astype(np.uint8)).save(path, quality=92)


def child_seconds(command: list[str]) -> float:
    """CPU seconds, user and system, of a command."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def render(folder: Path, seconds: float) -> float:
    """CPU seconds of the render process for a clip of this length."""
    task = CameraTask(
        source=str(folder / "still.jpg"), field="image", prompt="pan right", seed="1", size=SIZE, fps=FPS, seconds=seconds,
        output=str(folder / "video.mp4"), progress=str(folder / "progress.jsonl"),
    )  # fmt: skip
    (folder / "task.json").write_text(dump(task))
    return child_seconds([sys.executable, "-m", "core.preview.render", str(folder / "task.json")])


def encode(folder: Path) -> float:
    """CPU seconds of encoding the rendered frames again, without decoding them: they are held in memory, here only."""
    with av.open(str(folder / "video.mp4")) as file:
        frames = [frame.to_ndarray(format="rgb24") for frame in file.decode(video=0)]
    began = time.process_time()
    with Writer(folder / "again.mp4", SIZE, FPS, LABEL) as writer:
        for frame in frames:
            writer.write(frame)
    return time.process_time() - began


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        photo(folder / "still.jpg")
        ratios = []
        for run in range(RUNS):
            # a one-frame clip costs the imports, the reading of the still and the start of the encoder
            start = render(folder, 1 / FPS)
            whole = render(folder, SECONDS)
            alone = encode(folder)
            ratios.append((whole - start) / alone)
            print(
                f"run {run + 1}: start {start:.2f} s, render {whole - start:.2f} s, encode alone {alone:.2f} s: {ratios[-1]:.2f}"
            )
        usual = statistics.median(ratios)
        print(json.dumps({"render_over_encode": round(usual, 2), "target": TARGET, "met": usual <= TARGET}))


if __name__ == "__main__":
    main()
