"""The preview provider: one render a job, found again after any crash, and free of leftovers."""

import asyncio
import io
import os
import signal
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import av
import pytest
from PIL import Image

from core.errors import Charged, ProviderRefused, ProviderUnavailable
from core.jobs.job import Job
from core.media.local import LocalMediaStore
from core.models import MODELS, get
from core.models.spec import FREE
from core.preview import LABEL, SPLICE_LABEL
from core.preview.options import CameraOptions
from core.preview.order import plan_of
from core.preview.process import MOST_STARTS, Render
from core.preview.progress import Record
from core.providers.base import Cancelled, Completed, Output, Queued, Running, Status, TooLate
from core.providers.preview import PreviewProvider

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def media(tmp_path: Path) -> LocalMediaStore:
    return LocalMediaStore(tmp_path / "media")


@pytest.fixture
def work(tmp_path: Path) -> Path:
    return tmp_path / "work"


@pytest.fixture
def provider(work: Path, media: LocalMediaStore) -> PreviewProvider:
    return PreviewProvider(work, media, slots=2)


def still(media: LocalMediaStore, size: tuple[int, int] = (320, 180), colour: str = "teal") -> str:
    data = io.BytesIO()
    Image.new("RGB", size, colour).save(data, "JPEG", quality=90)
    return media.put(data.getvalue(), "jpg").key


def job(
    media: LocalMediaStore, model: str = "kling25-turbo-pro", *, options: dict[str, Any] | None = None, **inputs: Any
) -> Job:
    given = (
        {"image": still(media), "prompt": "Slow push in. She smiles.", "duration": "5"}
        if model.startswith("kling")
        else {}
    )
    return Job(
        owner="me", model=model, provider="preview", endpoint="", inputs={**given, **inputs}, options=options or {},
        created_at=NOW, due_at=NOW, updated_at=NOW,
    )  # fmt: skip


async def until(look: Callable[[], Awaitable[Status]], kind: type[Status], seconds: float = 60) -> Status:
    deadline = time.monotonic() + seconds
    while not isinstance(status := await look(), kind):
        assert time.monotonic() < deadline, status
        await asyncio.sleep(0.02)
    return status


async def finish(provider: PreviewProvider, one: Job) -> Output:
    await until(lambda: provider.status(one), Completed)
    output = await provider.result(one)
    assert output is not None
    return output


async def rendering(provider: PreviewProvider, one: Job, work: Path) -> int:
    """Wait until the child is at work; its process number."""
    async with asyncio.timeout(30):
        while (await provider.status(one), Record.read(work / one.id / "progress.jsonl"))[1].progress is None:
            await asyncio.sleep(0.02)
    pid = Record.read(work / one.id / "progress.jsonl").pid
    assert pid is not None
    return pid


def is_there(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def gone(pid: int) -> bool:
    """Whether the process has ended and was waited for: a zombie would still answer."""
    deadline = time.monotonic() + 5
    while is_there(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    return not is_there(pid)


# --- a render from end to end -------------------------------------------------------------------------------------


@pytest.mark.slow
async def test_job_becomes_a_labelled_video(
    provider: PreviewProvider, media: LocalMediaStore, work: Path, tmp_path: Path
) -> None:
    one = job(media, tail_image=still(media, colour="red"))
    receipt = await provider.submit(one)
    assert receipt.request_id == f"preview-{one.id}"
    running = await until(lambda: provider.status(one), Running)
    assert isinstance(running, Running)
    pid = await rendering(provider, one, work)
    output = await finish(provider, one)
    assert output.facts == {
        "plan": "slow push in",
        "recognised": ["Slow", "push in"],
        "ignored": ["She smiles", "last frame"],
    }
    to = tmp_path / "kept.part.mp4"
    await provider.download(one, output, to)
    with av.open(str(to)) as file:
        assert file.metadata["comment"] == LABEL
        assert sum(1 for _ in file.decode(video=0)) == 120
        assert (file.streams.video[0].width, file.streams.video[0].height) == (1280, 720)
    assert not (work / one.id).exists()
    assert not list(tmp_path.glob("*.copy"))
    assert gone(pid)
    assert media.stat(one.inputs["image"]) is not None  # the link went, the stored still did not


@pytest.mark.slow
async def test_splice_from_end_to_end(
    provider: PreviewProvider, media: LocalMediaStore, work: Path, tmp_path: Path
) -> None:
    clips = [{"key": still(media, colour=colour), "seconds": 0.5, "label": ""} for colour in ("red", "blue")]
    one = job(media, "splice", clips=clips, transition="crossfade", size="960x960", fps=30)
    assert provider.options(get("splice")) is None
    await provider.submit(one)
    output = await finish(provider, one)
    assert output.facts["plan"] == "2 parts · crossfade · 0.5 s"
    with av.open(output.location) as file:
        assert file.metadata["comment"] == SPLICE_LABEL
        assert file.streams.video[0].width == 960


@pytest.mark.parametrize("model", MODELS)
async def test_every_model_has_a_task(
    model: str, provider: PreviewProvider, media: LocalMediaStore, work: Path
) -> None:
    """What the catalogue can ask for, the preview can start; nothing is rendered here."""
    spec = get(model)
    if spec.local == "splice":
        one = job(media, model, clips=[{"key": still(media)}] * 2)
    else:
        one = job(
            media, model, image=still(media), prompt="pan left", options={"camera_move": "tilt up", "framing": "crop"}
        )
    render = provider._prepared(one)
    assert render.is_prepared
    assert provider.price(spec, spec.input.model_validate(one.inputs)) == FREE
    assert provider.options(spec) is (CameraOptions if spec.local == "camera" else None)


@pytest.mark.parametrize(
    ("size", "aspect", "expected"),
    [
        ((320, 180), None, [1280, 720]), ((180, 320), None, [720, 1280]), ((200, 200), None, [960, 960]),
        ((180, 320), "16:9", [1280, 720]), ((180, 320), "auto", [720, 1280]), ((320, 180), "9:16", [720, 1280]),
    ],
)  # fmt: skip
async def test_size_is_the_inputs_or_the_stills(
    size: tuple[int, int], aspect: str | None, expected: list[int], provider: PreviewProvider, media: LocalMediaStore
) -> None:
    model = "veo31-fast" if aspect else "kling25-turbo-pro"
    one = job(media, model, image=still(media, size), prompt="x", **({"aspect_ratio": aspect} if aspect else {}))
    assert f'"size": [\n  {expected[0]},\n  {expected[1]}\n ]' in provider._prepared(one).task.read_text()


@pytest.mark.parametrize(
    ("model", "inputs", "seconds"),
    [("wan27", {"duration": 15}, 10.0), ("wan27", {"duration": 2}, 2.0), ("lucy14b", {}, 5.0)],
)
async def test_length_is_the_models_within_bounds(
    model: str, inputs: dict[str, Any], seconds: float, provider: PreviewProvider, media: LocalMediaStore
) -> None:
    one = job(media, model, image=still(media), prompt="x", **inputs)
    assert f'"seconds": {seconds}' in provider._prepared(one).task.read_text()


@pytest.mark.slow
async def test_clip_to_continue_is_filmed_from_its_last_frame(
    provider: PreviewProvider, media: LocalMediaStore, work: Path
) -> None:
    first = job(media, "wan27", image=still(media, (90, 160)), prompt="static shot", duration=2)
    await provider.submit(first)
    clip = media.take(Path((await finish(provider, first)).location), "mp4")
    # the last frame alone is no still to start from
    second = job(media, "wan27", video=clip.key, end_image=still(media), prompt="static shot", duration=2)
    await provider.submit(second)
    output = await finish(provider, second)
    assert output.facts["ignored"] == ["last frame"]
    with av.open(output.location) as file:
        assert (file.streams.video[0].width, file.streams.video[0].height) == (720, 1280)


async def test_page_sees_the_plan_that_is_rendered(provider: PreviewProvider, media: LocalMediaStore) -> None:
    one = job(media, prompt="she smiles")
    text = provider._prepared(one).task.read_text()
    plan = plan_of(get(one.model), one.inputs, one.options)
    assert plan.is_default
    assert f'"seed": "{plan.seed}"' in text
    assert plan_of(get(one.model), {}, {"camera_move": "roll"}).describe() == "roll"


# --- said no ------------------------------------------------------------------------------------------------------


async def test_damaged_still_is_refused(provider: PreviewProvider, media: LocalMediaStore, work: Path) -> None:
    one = job(media, image=media.put(b"\xff\xd8\xff not a picture", "jpg").key)
    await provider.submit(one)
    await until(lambda: provider.status(one), Completed)
    with pytest.raises(ProviderRefused) as caught:
        await provider.result(one)
    assert (caught.value.kind, caught.value.field, caught.value.charged) == ("still_unreadable", "image", Charged.NO)
    assert str(work) not in caught.value.message


async def test_missing_file_is_refused_at_once(provider: PreviewProvider, media: LocalMediaStore) -> None:
    one = job(media)
    media.delete(one.inputs["image"])
    with pytest.raises(ProviderRefused) as caught:
        await provider.submit(one)
    assert caught.value.kind == "media_missing"


async def test_job_of_another_version_is_refused(provider: PreviewProvider, media: LocalMediaStore) -> None:
    for one in (job(media, "gone"), job(media, duration="7"), job(media, options={"zoom": 2})):
        with pytest.raises(ProviderRefused) as caught:
            await provider.submit(one)
        assert caught.value.kind == "invalid_input"


# --- crashes ------------------------------------------------------------------------------------------------------


async def test_submit_twice_is_one_render(provider: PreviewProvider, media: LocalMediaStore, work: Path) -> None:
    one = job(media)
    receipts = await asyncio.gather(*(provider.submit(one) for _ in range(5)))
    assert {receipt.request_id for receipt in receipts} == {f"preview-{one.id}"}
    await rendering(provider, one, work)
    await provider.submit(one)
    assert Record.read(work / one.id / "progress.jsonl").starts == 1
    assert isinstance(await provider.cancel(one), Cancelled)


@pytest.mark.slow
async def test_killed_render_is_started_again(provider: PreviewProvider, media: LocalMediaStore, work: Path) -> None:
    one = job(media, "wan27", image=still(media), prompt="pan left", duration=3)
    await provider.submit(one)
    pid = await rendering(provider, one, work)
    os.kill(pid, signal.SIGKILL)
    assert gone(pid)
    await until(lambda: provider.status(one), Running)
    output = await finish(provider, one)
    record = Record.read(work / one.id / "progress.jsonl")
    assert record.starts == 2
    with av.open(output.location) as file:
        assert sum(1 for _ in file.decode(video=0)) == 72
    assert not list((work / one.id).glob("*.part.mp4"))


@pytest.mark.slow
async def test_render_that_dies_three_times_is_given_up(
    provider: PreviewProvider, media: LocalMediaStore, work: Path
) -> None:
    one = job(media)
    await provider.submit(one)
    for _ in range(MOST_STARTS):
        pid = await rendering(provider, one, work)
        os.kill(pid, signal.SIGKILL)
        assert gone(pid)
    assert isinstance(await provider.status(one), Completed)
    with pytest.raises(ProviderRefused) as caught:
        await provider.result(one)
    assert (caught.value.kind, caught.value.charged) == ("render_crashed", Charged.NO)
    assert Record.read(work / one.id / "progress.jsonl").starts == MOST_STARTS


@pytest.mark.slow
async def test_new_parent_finds_the_running_render(
    provider: PreviewProvider, media: LocalMediaStore, work: Path
) -> None:
    one = job(media)
    await provider.submit(one)
    pid = await rendering(provider, one, work)
    after_restart = PreviewProvider(work, media, slots=2)
    assert isinstance(await after_restart.status(one), Running)
    await after_restart.submit(one)
    assert Record.read(work / one.id / "progress.jsonl").pid == pid
    await finish(after_restart, one)
    assert Record.read(work / one.id / "progress.jsonl").starts == 1


async def test_reused_process_number_is_not_taken_for_the_render(
    provider: PreviewProvider, media: LocalMediaStore, work: Path
) -> None:
    """A dead render whose number belongs to somebody else, here to us, is neither believed nor killed."""
    one = job(media)
    render = provider._prepared(one)
    render.progress.write_text(f'{{"start": 1}}\n{{"pid": {os.getpid()}}}\n')
    assert not render.is_running()
    assert isinstance(await provider.cancel(one), Cancelled)


@pytest.mark.slow
async def test_lost_folder_is_made_again(
    provider: PreviewProvider, media: LocalMediaStore, work: Path, tmp_path: Path
) -> None:
    one = job(media, "wan27", image=still(media), prompt="pan left", duration=2)
    await provider.submit(one)
    output = await finish(provider, one)
    to = tmp_path / "kept.part.mp4"
    await provider.download(one, output, to)
    # a crash after the download: the file is there, so nothing is to be done
    await provider.download(one, output, to)
    assert not (work / one.id).exists()
    # a crash after the file was taken from there
    to.unlink()
    with pytest.raises(ProviderUnavailable):
        await provider.download(one, output, to)
    await until(lambda: provider.status(one), Completed)
    await provider.download(one, output, to)
    assert to.stat().st_size > 1000


# --- stopping -----------------------------------------------------------------------------------------------------


async def test_cancel_stops_it_and_removes_the_folder(
    provider: PreviewProvider, media: LocalMediaStore, work: Path
) -> None:
    one = job(media)
    await provider.submit(one)
    pid = await rendering(provider, one, work)
    assert isinstance(await PreviewProvider(work, media).cancel(one), Cancelled)  # another parent, after a restart
    assert gone(pid)
    assert not (work / one.id).exists()
    assert isinstance(await provider.cancel(one), Cancelled)  # again, after a crash in between


@pytest.mark.slow
async def test_render_that_does_not_listen_is_killed(
    provider: PreviewProvider, media: LocalMediaStore, work: Path
) -> None:
    one = job(media)
    await provider.submit(one)
    pid = await rendering(provider, one, work)
    os.kill(pid, signal.SIGSTOP)
    assert isinstance(await provider.cancel(one), Cancelled)
    assert gone(pid)
    assert not (work / one.id).exists()


@pytest.mark.slow
async def test_cancel_after_the_end_is_too_late(provider: PreviewProvider, media: LocalMediaStore) -> None:
    one = job(media, "wan27", image=still(media), prompt="static shot", duration=2)
    await provider.submit(one)
    output = await finish(provider, one)
    assert isinstance(await provider.cancel(one), TooLate)
    assert Path(output.location).exists()


async def test_cancel_before_the_submit(provider: PreviewProvider, media: LocalMediaStore, work: Path) -> None:
    assert isinstance(await provider.cancel(job(media)), Cancelled)


@pytest.mark.slow
async def test_one_slot_renders_in_turn(media: LocalMediaStore, work: Path) -> None:
    provider = PreviewProvider(work, media, slots=1)
    jobs = [job(media, "wan27", image=still(media), prompt="pan left", duration=2) for _ in range(3)]
    assert [(await provider.submit(one)).position for one in jobs] == [None, 0, 1]
    assert await provider.status(jobs[2]) == Queued(1)
    await finish(provider, jobs[0])
    async with asyncio.timeout(10):  # the slot is free when the process is gone, a moment after its last word
        while not Render(work / jobs[1].id).is_running():
            assert isinstance(await provider.status(jobs[2]), Queued)  # asking for the last starts the one before it
    assert isinstance(await provider.status(jobs[1]), Running)
    assert isinstance(await provider.cancel(jobs[2]), Cancelled)
    assert isinstance(await provider.cancel(jobs[1]), Cancelled)


@pytest.mark.slow
async def test_sweep_removes_what_belongs_to_nobody(
    provider: PreviewProvider, media: LocalMediaStore, work: Path
) -> None:
    live, dead = job(media), job(media)
    await provider.submit(live)
    await provider.submit(dead)
    pid = await rendering(provider, dead, work)
    assert await provider.sweep([live.id]) == 1
    assert gone(pid)
    assert not (work / dead.id).exists()
    assert isinstance(await provider.status(live), Running | Completed)
    assert isinstance(await provider.cancel(live), Cancelled | TooLate)
    assert await PreviewProvider(work / "none", media).sweep([]) == 0


async def test_child_sees_no_secret(
    provider: PreviewProvider, media: LocalMediaStore, work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAL_KEY", "id:secret-of-the-test")
    one = job(media)
    await provider.submit(one)
    pid = await rendering(provider, one, work)
    assert b"secret-of-the-test" not in Path(f"/proc/{pid}/environ").read_bytes()
    assert isinstance(await provider.cancel(one), Cancelled)


def test_render_in_a_removed_folder_is_not_running(work: Path) -> None:
    render = Render(work / "none")
    assert not render.is_running()
    assert render.record() == Record()
    assert render.stop()
