"""The render process end to end: a real MP4 with its label, and nothing left behind when it does not work out."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image

import core
from core.preview import LABEL
from core.preview.progress import Record, Reporter
from core.preview.task import CameraTask, Part, SpliceTask, dump, load

ROOT = Path(core.__file__).parents[1]


def still(path: Path, size: tuple[int, int] = (640, 360)) -> Path:
    """A picture with a red left and a blue right half, and some detail."""
    pixels = np.zeros((size[1], size[0], 3), np.uint8)
    pixels[:, : size[0] // 2] = (200, 40, 40)
    pixels[:, size[0] // 2 :] = (40, 40, 200)
    pixels[::8] //= 2
    Image.fromarray(pixels).save(path)
    return path


def task(folder: Path, **changes: Any) -> CameraTask:
    given: dict[str, Any] = {
        "source": str(folder / "still.png"), "field": "image", "prompt": "pan right", "seed": "1", "size": (320, 180),
        "output": str(folder / "video.mp4"), "progress": str(folder / "progress.jsonl"), "seconds": 1.0,
    }  # fmt: skip
    return CameraTask(**{**given, **changes})


def start(folder: Path, given: CameraTask | SpliceTask) -> subprocess.Popen[bytes]:
    (folder / "task.json").write_text(dump(given))
    command = [sys.executable, "-W", "error", "-m", "core.preview.render", str(folder / "task.json")]
    return subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE)


def run(folder: Path, given: CameraTask | SpliceTask) -> tuple[int, Record, str]:
    with start(folder, given) as child:
        words = child.communicate(timeout=60)[1].decode()
    return child.returncode, Record.read(Path(given.progress)), words


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_render_gives_a_playable_labelled_video(tmp_path: Path) -> None:
    still(tmp_path / "still.png")
    code, record, words = run(
        tmp_path, task(tmp_path, prompt="She smiles. Pan right.", left_out=("last frame",), seconds=2.0)
    )
    assert (code, words) == (0, "")
    assert record.facts == {"plan": "pan right", "recognised": ["Pan right"], "ignored": ["She smiles", "last frame"]}
    with av.open(str(tmp_path / "video.mp4")) as file:
        stream = file.streams.video[0]
        assert file.metadata["comment"] == LABEL
        codec = stream.codec_context
        tags = (codec.color_range, codec.colorspace, codec.color_primaries, codec.color_trc)
        assert tags == (1, 1, 1, 1)  # TV range, BT.709
        assert (stream.width, stream.height, codec.pix_fmt, codec.name) == (320, 180, "yuv420p", "h264")
        assert float(stream.average_rate or 0) == 24
        frames = [frame.to_ndarray(format="rgb24").astype(int) for frame in file.decode(stream)]
    assert len(frames) == 48
    split = [int(np.argmax(frame[90, :, 2] > frame[90, :, 0])) for frame in (frames[0], frames[-1])]
    assert split[1] < split[0] - 10  # the camera went right, so the picture went left
    data = (tmp_path / "video.mp4").read_bytes()
    assert 0 < data.index(b"moov") < data.index(b"mdat")
    assert names(tmp_path) == {"still.png", "task.json", "progress.jsonl", "video.mp4"}


def test_colours_come_back_as_they_were(tmp_path: Path) -> None:
    Image.new("RGB", (320, 180), (200, 120, 60)).save(tmp_path / "still.png")
    assert run(tmp_path, task(tmp_path, camera_move="static", seconds=0.2))[0] == 0
    with av.open(str(tmp_path / "video.mp4")) as file:
        frame = next(file.decode(video=0)).to_ndarray(format="rgb24")
    assert np.abs(frame[90, 160].astype(int) - (200, 120, 60)).max() <= 3


def test_progress_only_grows_and_ends_with_done(tmp_path: Path) -> None:
    still(tmp_path / "still.png")
    assert run(tmp_path, task(tmp_path, seconds=4.0, size=(640, 360)))[0] == 0
    lines = [json.loads(line) for line in (tmp_path / "progress.jsonl").read_text().splitlines()]
    shares = [line["progress"] for line in lines if "progress" in line]
    assert shares == sorted(shares)
    assert shares
    assert all(0 < share <= 1 for share in shares)
    assert all(line["stage"] in ("Rendering", "Finishing") for line in lines if "progress" in line)
    assert lines[-1]["done"] is True
    assert "pid" in lines[0]


@pytest.mark.parametrize("size", [(65, 101), (64, 64), (1, 1), (999, 333)])
def test_still_of_any_size(tmp_path: Path, size: tuple[int, int]) -> None:
    still(tmp_path / "still.png", size)
    assert run(tmp_path, task(tmp_path, seconds=0.2))[0] == 0


def test_damaged_still_is_refused_with_its_field(tmp_path: Path) -> None:
    whole = still(tmp_path / "still.png").read_bytes()
    (tmp_path / "still.png").write_bytes(whole[: len(whole) // 2])
    code, record, words = run(tmp_path, task(tmp_path))
    assert (code, words) == (1, "")
    assert record.error is not None
    assert (record.error["kind"], record.error["field"]) == ("still_unreadable", "image")
    assert str(tmp_path) not in record.error["error"]
    assert "video.mp4" not in names(tmp_path)


def test_full_disk_is_said_and_leaves_nothing(tmp_path: Path) -> None:
    still(tmp_path / "still.png")
    (tmp_path / "video.part.mp4").symlink_to("/dev/full")
    code, record, _ = run(tmp_path, task(tmp_path))
    assert code == 1
    assert record.error is not None
    assert record.error["kind"] == "storage_full"
    assert names(tmp_path) == {"still.png", "task.json", "progress.jsonl"}


def test_file_that_grows_too_large_is_said(tmp_path: Path) -> None:
    random = np.random.default_rng(1)
    Image.fromarray(random.integers(0, 255, (720, 1280, 3), dtype=np.uint8)).save(tmp_path / "still.png")
    code, record, _ = run(tmp_path, task(tmp_path, most_bytes=200_000, size=(1280, 720)))
    assert code == 1
    assert record.error is not None
    assert record.error["kind"] == "video_too_large"
    assert names(tmp_path) == {"still.png", "task.json", "progress.jsonl"}


def test_render_that_takes_too_long_ends_itself(tmp_path: Path) -> None:
    still(tmp_path / "still.png")
    code, record, _ = run(tmp_path, task(tmp_path, seconds=10.0, size=(1280, 720), limit_s=0.5))
    assert code == 1
    assert record.error is not None
    assert record.error["kind"] == "render_timeout"
    assert names(tmp_path) == {"still.png", "task.json", "progress.jsonl"}


def test_sigterm_stops_it_and_removes_the_part(tmp_path: Path) -> None:
    still(tmp_path / "still.png")
    with start(tmp_path, task(tmp_path, seconds=10.0, size=(1280, 720))) as child:
        deadline = time.monotonic() + 30
        while "video.part.mp4" not in names(tmp_path):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        assert os.getpriority(os.PRIO_PROCESS, child.pid) == 10
        os.kill(child.pid, signal.SIGTERM)
        child.wait(timeout=10)
    assert child.returncode == 130
    assert names(tmp_path) == {"still.png", "task.json", "progress.jsonl"}
    assert not Record.read(tmp_path / "progress.jsonl").is_over


def test_last_frame_of_a_clip_can_be_filmed(tmp_path: Path) -> None:
    Image.new("RGB", (320, 180), (20, 200, 20)).save(tmp_path / "still.png")
    assert run(tmp_path, task(tmp_path, prompt="fade in", camera_move="static"))[0] == 0
    os.replace(tmp_path / "video.mp4", tmp_path / "clip.mp4")
    code, record, _ = run(
        tmp_path, task(tmp_path, source=str(tmp_path / "clip.mp4"), field="video", camera_move="static", seconds=0.2)
    )
    assert code == 0, record
    with av.open(str(tmp_path / "video.mp4")) as file:
        frame = next(file.decode(video=0)).to_ndarray(format="rgb24")
    assert np.abs(frame[90, 160].astype(int) - (20, 200, 20)).max() <= 6  # the first frame was black


def test_render_does_not_load_the_catalogue() -> None:
    code = "import sys, core.preview.camera, core.preview.splice, core.preview.render; print([m for m in ('pydantic', 'streamlit', 'httpx') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_task_comes_back_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "task.json"
    camera = task(tmp_path, prompt="“Näher” – 镜头\n", left_out=("last frame",))
    joined = SpliceTask((Part("a.mp4", False), Part("b.png", True, 2.5)), "cut", 0.5, (320, 180), "o.mp4", "p")
    for given in (camera, joined):
        path.write_text(dump(given))
        assert load(path) == given
    path.write_text('{"what": "else", "size": [1, 2]}')
    with pytest.raises(ValueError, match="else"):
        load(path)


def test_record_passes_over_a_line_that_was_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "progress.jsonl"
    path.write_text('\n{"start": 1}\n{"pid": 7}\n{"progress": 0.5, "stage": "Rendering", "eta_s": 3}\n{"progr')
    record = Record.read(path)
    assert (record.starts, record.pid, record.progress, record.eta_s, record.is_over) == (1, 7, 0.5, 3, False)
    with path.open("a") as file:
        file.write('\n{"start": 2}\n')
    record = Record.read(path)
    assert (record.starts, record.pid, record.progress) == (2, None, None)
    assert Record.read(tmp_path / "none") == Record()


def test_reporter_is_quiet(tmp_path: Path) -> None:
    reporter = Reporter(tmp_path / "progress.jsonl")
    for number in range(1, 1000):
        reporter.step(number, 1000, "Rendering")
    reporter.close()
    assert len((tmp_path / "progress.jsonl").read_text().splitlines()) <= 2
