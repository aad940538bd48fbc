"""The engine over the local preview: a job becomes a labelled video, across a restart, and leaves nothing behind."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from core.errors import Charged
from core.jobs.job import State
from core.models.spec import ClipItem
from core.preview import LABEL, SPLICE_LABEL
from tests.engine import Engine, open_engine, own_log

SHORT: dict[str, Any] = {"model": "wan27", "provider": "preview", "duration": 2}  # the shortest of the catalogue
PATIENT: dict[str, Any] = {"ticks": 1500, "pause_s": 0.05}  # 75 s: two cores are shared with other work


@pytest.fixture
async def engine() -> AsyncIterator[Engine]:
    with own_log():
        made = open_engine()
        yield made
        await made.close()


def leftovers(engine: Engine) -> list[str]:
    """What renders and downloads left under DATA_DIR."""
    home = engine.studio.settings.home
    folders = (home / "parts", home / "preview", home / "media" / ".part")
    return [str(path) for folder in folders for path in folder.glob("*") if path.name[0] != "."]


@pytest.mark.slow
async def test_a_job_becomes_a_labelled_video(engine: Engine) -> None:
    job = engine.ask(**SHORT)
    running = await engine.until(job, State.RUNNING, State.SAVING, State.SUCCEEDED, **PATIENT)
    assert running.progress is None or 0 <= running.progress <= 1
    done = await engine.until(job, **PATIENT)
    assert done.state is State.SUCCEEDED
    assert done.video is not None
    assert done.video.comment == LABEL, "it could be taken for the model's own"
    assert (done.video.width, done.video.height) == (1280, 720)
    assert done.video.duration_s == pytest.approx(2, abs=0.1)
    assert done.cost_estimate_usd == 0
    assert done.output is not None
    assert done.output["facts"]["plan"] == "slow push in"
    assert leftovers(engine) == []


@pytest.mark.slow
async def test_a_restart_in_the_middle_finishes_it(engine: Engine) -> None:
    job = engine.ask(**SHORT)
    await engine.until(job, State.RUNNING, **PATIENT)
    await engine.close()
    again = open_engine()
    again.now = engine.now
    done = await again.until(job, **PATIENT)
    assert done.state is State.SUCCEEDED
    assert done.request_id == f"preview-{job.id}"
    assert again.path(job).count("submitting") == 1, "it was started over"
    assert leftovers(again) == []
    await again.close()


async def test_cancel_in_the_middle_stops_the_render(engine: Engine) -> None:
    job = engine.ask(**SHORT | {"duration": 15})
    await engine.until(job, State.RUNNING, **PATIENT)
    engine.studio.cancel(job.owner, job.id)
    ended = await engine.until(job, **PATIENT)
    assert ended.state is State.CANCELLED
    assert ended.video is None
    assert leftovers(engine) == []


async def test_one_render_at_a_time(engine: Engine) -> None:
    first, second = engine.ask(**SHORT | {"duration": 15}), engine.ask(**SHORT | {"duration": 15})
    await engine.until(first, State.RUNNING, **PATIENT)
    for _ in range(5):
        await engine.tick()
    assert engine.job(second).state is State.WAITING, "two renders at once"
    engine.studio.cancel(first.owner, first.id)
    await engine.until(first, **PATIENT)
    await engine.until(second, State.RUNNING, **PATIENT)
    engine.studio.cancel(second.owner, second.id)
    assert (await engine.until(second, **PATIENT)).state is State.CANCELLED
    assert leftovers(engine) == []


async def test_a_still_that_is_gone_fails_the_job(engine: Engine) -> None:
    job = engine.ask(**SHORT)
    engine.studio.media.delete(job.inputs["image"])
    failed = await engine.until(job, **PATIENT)
    assert failed.state is State.FAILED
    assert failed.error is not None
    assert failed.error.charged is Charged.NO
    assert "no longer stored" in failed.error.message
    assert leftovers(engine) == []


@pytest.mark.slow
async def test_takes_are_spliced(engine: Engine) -> None:
    keys = [engine.picture(seed=seed) for seed in (1, 2)]
    clips = [ClipItem(key=key, seconds=0.5).model_dump() for key in keys]
    job = engine.studio.create("anon-tester", "splice", {"clips": clips, "size": "960x960"}, provider="preview")
    done = await engine.until(job, **PATIENT)
    assert done.state is State.SUCCEEDED
    assert done.video is not None
    assert (done.video.width, done.video.height) == (960, 960)
    assert done.video.comment == SPLICE_LABEL
    assert leftovers(engine) == []
