"""The engine over the fake fal: every job ends once, is paid once, and no fault on the way loses it."""

import asyncio
import hashlib
import logging
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from core.errors import Charged, StorageFull
from core.jobs.held import LEASE_S
from core.jobs.job import State, move
from core.jobs.store import JobQuery
from core.jobs.worker import Worker
from core.media.local import LocalMediaStore
from core.media.store import Stored
from core.providers.fal import FalProvider
from core.settings import load
from tests.engine import Engine, most_at_once, open_engine, own_log, point_at
from tests.fal_server import FalServer, Fault, policy_refusal
from tests.fal_server.clip import clip
from tests.test_job import a_job

HAPPY = ["waiting", "submitting", "queued", "running", "saving", "succeeded"]


@pytest.fixture
def server() -> Iterator[FalServer]:
    with FalServer() as running:
        yield running


@pytest.fixture
async def engine(server: FalServer, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Engine]:
    point_at(server, monkeypatch)
    with own_log():
        made = open_engine()
        yield made
        await made.close()


# --- the whole way --------------------------------------------------------------------------------------------------


async def test_a_job_from_the_form_to_the_file(server: FalServer, engine: Engine) -> None:
    server.queue_polls, server.run_polls = 2, 2
    job = engine.ask()
    assert server.record == [], "writing the job reached fal"
    done = await engine.until(job)

    assert [seen.op for seen in server.record] == [
        "initiate", "put", "submit", "status", "status", "status", "status", "status", "result", "file",
    ]  # fmt: skip
    assert {seen.op for seen in server.record if seen.has_key} == {"initiate", "submit", "status", "result"}
    assert not [seen for seen in server.calls("put", "file") if seen.has_key], "the key went to a file host"
    [paid] = server.accepted
    assert paid.tags == f"takes-job={job.id}"
    assert paid.payload["prompt"] == job.prompt

    assert done.state is State.SUCCEEDED
    assert done.request_id == paid.request_id
    assert engine.path(job) == HAPPY
    assert done.video is not None
    assert (done.video.width, done.video.height, done.video.fps) == (320, 180, 24)
    assert done.video.duration_s == pytest.approx(1.0, abs=0.1)
    kept = engine.studio.media.read(done.video.key)
    assert kept == clip()
    assert done.video.sha256 == hashlib.sha256(kept).hexdigest()
    assert done.video.bytes == len(kept)
    assert engine.studio.media.read(done.video.poster)[:2] == b"\xff\xd8"
    assert done.created_at <= (done.submitted_at or done.created_at) <= (done.finished_at or done.created_at)
    assert done.lease_owner is None
    assert not list((engine.studio.settings.home / "parts").iterdir()), "a part file was left"
    assert await engine.tick() == 0, "a finished job was taken up again"


async def test_place_in_line_and_logs_are_told(server: FalServer, engine: Engine) -> None:
    server.queue_polls, server.run_polls = 3, 2
    job = engine.ask()
    queued = await engine.until(job, State.QUEUED)
    assert queued.position == 2
    running = await engine.until(job, State.RUNNING)
    assert running.logs == server.logs
    assert running.progress is None, "fal tells no progress, so none may be shown"
    assert running.position is None


async def test_the_log_holds_no_key_and_no_prompt(
    server: FalServer, engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    logging.getLogger("takes").propagate = True
    caplog.set_level(logging.INFO)
    job = engine.ask()
    await engine.until(job)
    assert job.id in caplog.text
    assert server.key not in caplog.text
    assert job.prompt not in caplog.text


# --- never paid twice -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", [Fault(cut="after"), Fault(status=504, html=True, works=True), Fault(status=500)])
async def test_a_lost_answer_is_never_sent_again(fault: Fault, server: FalServer, engine: Engine) -> None:
    server.fault("submit", fault)
    job = engine.ask()
    lost = await engine.until(job)
    assert lost.state is State.UNKNOWN
    assert lost.error is not None
    assert lost.error.charged is Charged.MAYBE
    assert "fal.ai/dashboard" in lost.error.message
    for _ in range(5):
        engine.now += timedelta(hours=1)
        assert await engine.tick() == 0
    assert len(server.calls("submit")) == 1, "a paid request was sent twice"


@pytest.mark.parametrize("cut", ["upload", "rate limit", "door"])
async def test_what_cannot_have_been_accepted_is_sent_again(cut: str, server: FalServer, engine: Engine) -> None:
    match cut:
        case "upload":
            server.fault("initiate", Fault(cut="before"))
            server.fault("put", Fault(status=503, html=True))
        case "rate limit":
            server.fault("submit", Fault(status=429, body={"detail": "slow down"}, headers={"Retry-After": "30"}))
        case "door":
            server.fault("submit", Fault(status=503, html=True), times=2)
    job = engine.ask()
    begun = engine.now
    assert (await engine.until(job)).state is State.SUCCEEDED
    assert len(server.accepted) == 1, "paid twice"
    if cut == "rate limit":
        assert engine.now - begun >= timedelta(seconds=30), "Retry-After was not honoured"


async def test_a_cut_before_the_answer_is_unknown_too(server: FalServer, engine: Engine) -> None:
    """Bytes had left: nobody can tell whether fal took them, so they are not sent again."""
    server.fault("submit", Fault(cut="before"))
    assert (await engine.until(engine.ask())).state is State.UNKNOWN
    assert len(server.calls("submit")) == 1


async def test_fal_out_of_reach_is_waited_for(server: FalServer, engine: Engine) -> None:
    job = engine.ask()
    server.stop()
    for _ in range(3):
        await engine.tick()
    waiting = engine.job(job)
    assert waiting.state is State.WAITING
    assert waiting.faults == 3
    assert "cannot be reached" in waiting.trouble
    server.start()
    assert (await engine.until(job)).state is State.SUCCEEDED
    assert len(server.accepted) == 1


async def test_fal_out_of_reach_between_upload_and_submit(server: FalServer, engine: Engine) -> None:
    """The waits grow even though the state goes to submitting and back."""
    server.fault("submit", Fault(status=503, html=True), times=3)
    job = engine.ask()
    for faults in (1, 2, 3):
        await engine.tick()
        assert engine.job(job).state is State.WAITING
        assert engine.job(job).faults == faults
    assert (await engine.until(job)).state is State.SUCCEEDED
    assert len(server.calls("initiate")) == 1, "the still was uploaded again"


async def test_a_crash_while_sending_is_not_sent_again(server: FalServer, engine: Engine) -> None:
    job = engine.ask()
    [held] = engine.rows.claim("died", engine.now, LEASE_S, {"fal": 8}, 8)
    engine.rows.save(move(held, State.SUBMITTING, engine.now), engine.now, "slot free")
    assert await engine.worker.tick(engine.now + timedelta(seconds=LEASE_S - 1)) == 0, "the lease still ran"
    engine.now += timedelta(seconds=LEASE_S + 1)
    stands = await engine.until(job)
    assert stands.state is State.UNKNOWN
    assert stands.error is not None
    assert stands.error.charged is Charged.MAYBE
    assert server.record == [], "something was sent"


async def test_a_crash_after_the_receipt_goes_on(server: FalServer, engine: Engine) -> None:
    server.run_polls = 3
    job = engine.ask()
    await engine.until(job, State.RUNNING)
    engine.rows.claim("died", engine.now + timedelta(seconds=5), LEASE_S, {}, 8)
    other = open_engine()
    other.now = engine.now + timedelta(seconds=LEASE_S + 6)
    assert (await other.until(job)).state is State.SUCCEEDED
    await other.close()
    assert len(server.accepted) == 1


# --- passing faults on the way ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("op", ["status", "result"])
@pytest.mark.parametrize("fault", [Fault(status=502, html=True), Fault(cut="before"), Fault(status=500, body={})])
async def test_a_fault_of_fal_is_followed_on(op: str, fault: Fault, server: FalServer, engine: Engine) -> None:
    server.fault(op, fault, times=3)  # type: ignore[arg-type]
    job = engine.ask()
    assert (await engine.until(job)).state is State.SUCCEEDED
    assert "failed" not in engine.path(job)
    assert len(server.calls("submit")) == 1


async def test_a_truncated_download_goes_on_where_it_stopped(server: FalServer, engine: Engine) -> None:
    server.fault("file", Fault(short=5000))
    job = engine.ask()
    saving = await engine.until(job, State.SAVING)
    assert "part of the video" in saving.trouble
    done = await engine.until(job)
    assert done.video is not None
    assert engine.studio.media.read(done.video.key) == clip()
    _, second = server.calls("file")
    assert 0 < int(second.headers["range"].removeprefix("bytes=").removesuffix("-")) <= 5000, "it began at the start"
    assert len(server.calls("result")) == 1


async def test_a_web_page_is_no_video(server: FalServer, engine: Engine) -> None:
    server.fault("file", Fault(status=200, html=True), times=3)
    job = engine.ask()
    await engine.until(job, State.SAVING)
    for faults in (2, 3):
        await engine.tick()
        assert engine.job(job).state is State.SAVING, "a page was taken for the video, or given up"
        assert engine.job(job).faults == faults
    done = await engine.until(job)
    assert done.video is not None
    assert done.video.bytes == len(clip())


async def test_bytes_that_do_not_play_are_fetched_again(server: FalServer, engine: Engine) -> None:
    server.fault("file", Fault(status=200, body=b"\0" * 4096, headers={"content-type": "video/mp4"}))
    job = engine.ask()
    saving = await engine.until(job, State.SAVING)
    assert "not a playable video" in saving.trouble
    done = await engine.until(job)
    assert done.state is State.SUCCEEDED
    assert "range" not in server.calls("file")[1].headers, "it went on from the broken part"


async def test_a_full_disk_waits_for_room(server: FalServer, engine: Engine) -> None:
    class Full(LocalMediaStore):
        full = True

        def take(self, path: Path, extension: str) -> Stored:
            if self.full and extension == "mp4":
                raise StorageFull("There is no room left to keep the file.")
            return super().take(path, extension)

    settings = load()
    media = Full(settings.home / "media")
    fal = FalProvider(settings)
    parts = settings.home / "parts"
    engine.worker = Worker(engine.rows, media, {"fal": fal}, slots={"fal": 8}, poll_s={"fal": 0.05}, part_dir=parts)
    job = engine.ask()
    await engine.until(job, State.SAVING)
    await engine.tick()
    saving = engine.job(job)
    assert saving.state is State.SAVING
    assert "no room left" in saving.trouble
    assert "waits at fal.ai" in saving.trouble
    media.full = False
    assert (await engine.until(job)).state is State.SUCCEEDED
    assert len(server.accepted) == 1
    assert not list(parts.iterdir())
    await fal.aclose()


# --- refusals ---------------------------------------------------------------------------------------------------------


async def test_a_policy_refusal_names_the_field(server: FalServer, engine: Engine) -> None:
    server.end_with(policy_refusal("prompt"))
    failed = await engine.until(engine.ask())
    assert failed.state is State.FAILED
    assert failed.error is not None
    assert failed.error.kind == "content_policy_violation"
    assert failed.error.field == "prompt"
    assert "content check refused the prompt" in failed.error.message
    assert failed.error.charged is Charged.MAYBE
    assert failed.finished_at is not None
    engine.now += timedelta(hours=1)
    assert await engine.tick() == 0
    assert len(server.calls("submit")) == 1, "a refusal was sent again"


async def test_a_wrong_key_names_the_setting_and_not_the_key(
    server: FalServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = "someone-elses-id:very-secret-half"
    point_at(server, monkeypatch, FAL_API_KEY=wrong)
    with own_log():
        engine = open_engine()
        failed = await engine.until(engine.ask())
        await engine.close()
    assert failed.state is State.FAILED
    assert failed.error is not None
    assert "FAL_API_KEY" in failed.error.message
    assert failed.error.charged is Charged.NO
    for secret in (wrong, "very-secret-half"):
        assert secret not in failed.model_dump_json(), "the key is in the row"
        assert secret.encode() not in (engine.studio.settings.home / "takes.db").read_bytes()
    assert server.accepted == []


@pytest.mark.parametrize("op", ["initiate", "submit"])
async def test_a_locked_account_says_where_to_pay(op: str, server: FalServer, engine: Engine) -> None:
    said = {"detail": "User is locked. Reason: Exhausted balance. Top up your balance at fal.ai/dashboard/billing."}
    server.fault(op, Fault(status=403, body=said))  # type: ignore[arg-type]
    failed = await engine.until(engine.ask())
    assert failed.state is State.FAILED
    assert failed.error is not None
    assert failed.error.kind == "locked_account"
    assert "fal.ai/dashboard/billing" in failed.error.message
    assert failed.error.charged is Charged.NO
    assert server.accepted == []


async def test_a_key_that_goes_bad_on_the_way_does_not_lose_the_job(server: FalServer, engine: Engine) -> None:
    server.run_polls = 2
    job = engine.ask()
    await engine.until(job, State.RUNNING)
    server.fault("status", Fault(status=401, body={"detail": "nope"}), times=2)
    await engine.tick()
    assert engine.job(job).state is State.RUNNING
    assert "FAL_API_KEY" in engine.job(job).trouble
    assert (await engine.until(job)).state is State.SUCCEEDED


async def test_a_missing_endpoint_names_the_setting(server: FalServer, monkeypatch: pytest.MonkeyPatch) -> None:
    point_at(server, monkeypatch, FAL_ENDPOINT__LUCY14B="decart/lucy-gone/image-to-video")
    with own_log():
        engine = open_engine()
        failed = await engine.until(engine.ask())
        await engine.close()
    assert failed.state is State.FAILED
    assert failed.error is not None
    assert failed.error.kind == "endpoint_not_found"
    assert "FAL_ENDPOINT__LUCY14B" in failed.error.message
    assert "decart/lucy-gone/image-to-video" in failed.error.message
    assert server.accepted == []


# --- cancel -----------------------------------------------------------------------------------------------------------


async def test_cancel_while_it_waits_here_is_free(server: FalServer, engine: Engine) -> None:
    job = engine.ask()
    assert engine.studio.cancel(job.owner, job.id).state is State.CANCELLED
    assert await engine.tick() == 0
    assert server.record == [], "a cancelled job reached fal"


async def test_cancel_while_a_worker_holds_it_is_free_too(server: FalServer, engine: Engine) -> None:
    job = engine.ask()
    engine.rows.claim("died", engine.now, LEASE_S, {"fal": 8}, 8)
    assert engine.studio.cancel(job.owner, job.id).state is State.WAITING
    engine.now += timedelta(seconds=LEASE_S + 1)
    assert (await engine.until(job)).state is State.CANCELLED
    assert server.record == []


async def test_cancel_in_the_providers_line(server: FalServer, engine: Engine) -> None:
    server.queue_polls = 50
    job = engine.ask()
    await engine.until(job, State.QUEUED)
    engine.studio.cancel(job.owner, job.id)
    ended = await engine.until(job)
    assert ended.state is State.CANCELLED
    assert ended.error is not None
    assert (ended.error.kind, ended.error.charged) == ("cancelled", Charged.NO)
    assert "nothing was made" in ended.error.message
    assert len(server.calls("cancel")) == 1
    assert server.calls("file") == []


async def test_cancel_while_it_runs(server: FalServer, engine: Engine) -> None:
    server.run_polls, server.cancel_ends = 50, True
    job = engine.ask()
    await engine.until(job, State.RUNNING)
    engine.studio.cancel(job.owner, job.id)
    assert (await engine.until(job)).state is State.CANCELLED
    assert server.calls("file") == []


async def test_cancel_that_comes_too_late_keeps_the_result(server: FalServer, engine: Engine) -> None:
    job = engine.ask()
    await engine.until(job, State.QUEUED)  # at fal it is done already
    engine.studio.cancel(job.owner, job.id)
    done = await engine.until(job)
    assert done.state is State.SUCCEEDED
    assert done.video is not None
    assert len(server.calls("cancel")) == 1


async def test_cancel_that_fal_does_not_obey_keeps_the_result(server: FalServer, engine: Engine) -> None:
    server.run_polls = 4
    job = engine.ask()
    await engine.until(job, State.RUNNING)
    engine.studio.cancel(job.owner, job.id)
    assert (await engine.until(job)).state is State.SUCCEEDED, "a paid result was thrown away"
    assert len(server.calls("cancel")) == 1, "the wish was sent more than once"


async def test_cancel_that_meets_a_fault_is_asked_again(server: FalServer, engine: Engine) -> None:
    server.queue_polls = 50
    server.fault("cancel", Fault(status=502, html=True), times=2)
    job = engine.ask()
    await engine.until(job, State.QUEUED)
    engine.studio.cancel(job.owner, job.id)
    assert (await engine.until(job)).state is State.CANCELLED
    assert len(server.calls("cancel")) == 3


# --- things that are gone ---------------------------------------------------------------------------------------------


async def test_a_model_that_left_the_catalogue(server: FalServer, engine: Engine) -> None:
    job = engine.rows.add(a_job(model="sora-9", created_at=engine.now, due_at=engine.now, updated_at=engine.now))
    failed = await engine.until(job)
    assert failed.state is State.FAILED
    assert failed.error is not None
    assert "sora-9" in failed.error.message
    assert failed.error.charged is Charged.NO
    assert server.record == []


async def test_a_still_that_is_no_longer_stored(server: FalServer, engine: Engine) -> None:
    job = engine.ask()
    engine.studio.media.delete(job.inputs["image"])
    failed = await engine.until(job)
    assert failed.state is State.FAILED
    assert failed.error is not None
    assert "no longer stored" in failed.error.message
    assert server.accepted == []


async def test_a_provider_that_is_gone_holds_nothing_up(server: FalServer, engine: Engine) -> None:
    """Its slots are none, so its jobs wait; the others go on."""
    times = {"created_at": engine.now, "due_at": engine.now, "updated_at": engine.now}
    stuck = engine.rows.add(a_job(provider="replicate", **times))
    done = await engine.until(engine.ask())
    assert done.state is State.SUCCEEDED
    assert engine.job(stuck).state is State.WAITING


# --- many -------------------------------------------------------------------------------------------------------------


@pytest.mark.slow
async def test_two_workers_send_every_job_once(server: FalServer, monkeypatch: pytest.MonkeyPatch) -> None:
    point_at(server, monkeypatch, FAL_MAX_IN_FLIGHT="100")
    with own_log():
        one, two = open_engine(), open_engine()
        still = one.picture()
        jobs = [one.ask(image=still, owner=f"anon-{number % 3}") for number in range(40)]
        two.now = one.now
        for _ in range(40):
            await asyncio.gather(one.tick(), two.tick())
            if not any(one.job(job).is_open for job in jobs):
                break
        ended = [one.job(job) for job in jobs]
        await one.close()
        await two.close()
    assert {job.state for job in ended} == {State.SUCCEEDED}
    assert len(server.accepted) == 40
    assert {paid.tags for paid in server.accepted} == {f"takes-job={job.id}" for job in jobs}, "one was sent twice"
    assert len({job.request_id for job in ended}) == 40


async def test_no_more_are_with_fal_than_slots(server: FalServer, monkeypatch: pytest.MonkeyPatch) -> None:
    server.queue_polls, server.run_polls = 1, 1
    point_at(server, monkeypatch, FAL_MAX_IN_FLIGHT="2")
    with own_log():
        engine = open_engine()
        still = engine.picture()
        jobs = [engine.ask(image=still) for _ in range(5)]
        for job in jobs:
            await engine.until(job)
        assert {engine.job(job).state for job in jobs} == {State.SUCCEEDED}
        assert engine.studio.jobs(JobQuery(states=frozenset({State.WAITING}))) == []
        await engine.close()
    assert len(server.accepted) == 5
    assert most_at_once(server) == 2, "more jobs were with fal than there are slots"


async def test_the_loop_runs_and_stops(server: FalServer, engine: Engine) -> None:
    job = engine.ask()
    stop = asyncio.Event()
    loop = asyncio.create_task(engine.worker.run(stop))
    async with asyncio.timeout(30):
        while engine.job(job).is_open:
            await asyncio.sleep(0.02)
    stop.set()
    await asyncio.wait_for(loop, 5)
    assert engine.job(job).state is State.SUCCEEDED
    assert engine.job(job).lease_owner is None
