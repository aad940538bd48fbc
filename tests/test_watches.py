"""Streams of a provider's news: hints that make a job due, never more, and nothing that they do can hurt."""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import Any, cast

import pytest

from core.errors import ProviderUnavailable
from core.jobs.job import Job, State
from core.jobs.watches import Watches
from core.jobs.worker import Worker
from core.providers.base import Completed, Provider
from core.providers.fal import FalProvider
from tests.engine import Engine, open_engine, own_log, point_at
from tests.fal_server import FalServer, Fault, sample
from tests.test_job import a_job

EVENTS = {"Content-Type": "text/event-stream"}
DONE = 'data: {"status": "COMPLETED"}\n\n'
QUIET_S = 0.3  # longest silence of a stream here
REST_S = 0.1
PATIENCE_S = 60.0  # two cores are shared with other work


# --- which jobs are watched -------------------------------------------------------------------------------------------


@dataclass
class Channel:
    """The part of a provider that `Watches` knows, with a test at the other end: a text is news, an error breaks it off,
    None ends it."""

    open: list[str] = field(default_factory=list)
    opened: list[str] = field(default_factory=list)
    lines: dict[str, asyncio.Queue[str | Exception | None]] = field(default_factory=dict)

    async def watch(self, job: Job) -> AsyncIterator[None]:
        self.open.append(job.id)
        self.opened.append(job.id)
        line = self.lines.setdefault(job.id, asyncio.Queue())
        try:
            while (said := await line.get()) is not None:
                if isinstance(said, Exception):
                    raise said
                yield
        finally:
            self.open.remove(job.id)

    async def say(self, job: Job, *said: str | Exception | None) -> None:
        """Let a stream say this, and wait until that was heard."""
        for one in said:
            self.lines[job.id].put_nowait(one)
        await settle()


async def settle() -> None:
    """Let every task go as far as it can."""
    for _ in range(10):
        await asyncio.sleep(0)


def others() -> set[asyncio.Task[Any]]:
    """Tasks beside the test's own."""
    return {task for task in asyncio.all_tasks() if task is not asyncio.current_task()}


@pytest.fixture
def channel() -> Channel:
    return Channel()


@pytest.fixture
async def watches(channel: Channel) -> AsyncIterator[Watches]:
    made = Watches({"fal": cast(Provider, channel)}, most=2, rest_s=REST_S)
    yield made
    await made.aclose()


def with_fal(**changes: Any) -> Job:
    """A job that its provider has."""
    return a_job(**{"state": State.QUEUED, "request_id": "r", **changes})


async def test_at_most_so_many_streams(watches: Watches, channel: Channel) -> None:
    jobs = [with_fal() for _ in range(4)]
    for job in jobs * 3:
        watches.keep(job)
        await settle()
    assert channel.opened == [jobs[0].id, jobs[1].id], "a job got two streams, or there were too many"
    watches.keep(a_job(id=jobs[0].id, state=State.SAVING))
    watches.keep(jobs[2])
    await settle()
    assert channel.open == [jobs[1].id, jobs[2].id], "the room that was free was not used"


@pytest.mark.parametrize("state", sorted(set(State) - {State.QUEUED, State.RUNNING}))
async def test_a_job_that_is_not_with_its_provider_is_let_go(state: State, watches: Watches, channel: Channel) -> None:
    job = with_fal()
    watches.keep(a_job(id=job.id, state=state))
    await settle()
    assert channel.opened == []
    watches.keep(job)
    watches.keep(with_fal(id=job.id, state=State.RUNNING))
    await settle()
    assert channel.open == [job.id]
    watches.keep(a_job(id=job.id, state=state))
    await settle()
    assert channel.open == [], "a stream of a job that needs none was kept"
    assert others() == set()
    watches.keep(job)
    await settle()
    assert channel.open == [job.id], "a job that was let go has to rest, as if its stream had broken off"


async def test_no_streams_at_all(channel: Channel) -> None:
    none = Watches({"fal": cast(Provider, channel)}, most=0)
    none.keep(with_fal())
    await settle()
    assert channel.opened == []
    await none.aclose()


async def test_news_is_told_once_and_kept_while_the_job_is_busy(watches: Watches, channel: Channel) -> None:
    one, other = with_fal(), with_fal()
    watches.keep(one)
    watches.keep(other)
    await settle()
    assert watches.woken([]) == set(), "a stream that has said nothing woke a job"
    await channel.say(one, "moved", "moved again")
    await channel.say(other, "moved")
    assert watches.woken([one.id]) == {other.id}
    assert watches.woken([one.id]) == set()
    assert watches.woken([]) == {one.id}, "news that came while the job was busy was lost"
    assert watches.woken([]) == set(), "the same news was told twice"


@pytest.mark.parametrize("end", [ProviderUnavailable("cut_off", "It broke off."), None], ids=["cut", "over"])
async def test_a_stream_that_ended_rests_a_while(end: Exception | None, watches: Watches, channel: Channel) -> None:
    job = with_fal()
    watches.keep(job)
    await settle()
    await channel.say(job, "moved", end)
    assert channel.open == []
    watches.keep(job)
    await settle()
    assert channel.opened == [job.id], "a stream that broke off was asked for at once"
    assert watches.woken([]) == {job.id}, "what it had said before is lost"
    async with asyncio.timeout(PATIENCE_S):
        while not channel.open:
            watches.keep(job)
            await asyncio.sleep(REST_S / 10)
    assert channel.opened == [job.id, job.id]


async def test_a_resting_stream_takes_nobodys_place(watches: Watches, channel: Channel) -> None:
    jobs = [with_fal() for _ in range(3)]
    for job in jobs[:2]:
        watches.keep(job)
    await settle()
    await channel.say(jobs[0], None)
    watches.keep(jobs[2])
    await settle()
    assert channel.open == [jobs[1].id, jobs[2].id]


async def test_closing_leaves_nothing(watches: Watches, channel: Channel) -> None:
    jobs = [with_fal(), with_fal()]
    for job in jobs:
        watches.keep(job)
    await settle()
    await watches.aclose()
    assert channel.open == []
    assert others() == set(), "a task was left"
    await watches.aclose()


async def test_what_is_not_foreseen_is_logged_and_hurts_nobody(
    watches: Watches, channel: Channel, caplog: pytest.LogCaptureFixture
) -> None:
    job, other, stranger = with_fal(), with_fal(), with_fal(provider="replicate")
    with own_log():
        logging.getLogger("takes").propagate = True
        watches.keep(job)
        watches.keep(other)
        await settle()
        await channel.say(job, ZeroDivisionError("a bug"))
        watches.keep(stranger)  # its provider is gone
        await settle()
    assert [record.exc_info is not None for record in caplog.records] == [True, True]
    assert job.id in caplog.text
    assert channel.open == [other.id], "one bug ended another job's stream"
    await channel.say(other, "moved")
    assert watches.woken([]) == {other.id}


# --- the worker ---------------------------------------------------------------------------------------------------------


class Odd(FalProvider):
    """Its streams meet a bug."""

    async def watch(self, job: Job) -> AsyncIterator[None]:
        raise ZeroDivisionError("a bug")
        yield


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


async def run(engine: Engine, *jobs: Job) -> None:
    """Let the worker's own loop end these jobs."""
    stop = asyncio.Event()
    loop = asyncio.create_task(engine.worker.run(stop))
    async with asyncio.timeout(PATIENCE_S):
        while any(engine.job(job).is_open for job in jobs):
            await asyncio.sleep(0.02)
    stop.set()
    await loop
    assert others() == set(), "the worker has stopped and a task goes on"


def worker(engine: Engine, fal: FalProvider, **more: Any) -> Worker:
    given = {"slots": {"fal": 8}, "poll_s": {"fal": 0.05}, "part_dir": engine.studio.settings.home / "parts", **more}
    return Worker(engine.rows, engine.studio.media, {"fal": fal}, **given)


async def test_a_bug_in_a_stream_does_not_hurt_the_worker(server: FalServer, engine: Engine) -> None:
    server.run_s = 0.1
    odd = Odd(engine.studio.settings)
    engine.worker = worker(engine, odd)
    jobs = [engine.ask(), engine.ask()]
    await run(engine, *jobs)
    for job in jobs:
        assert engine.job(job).state is State.SUCCEEDED
        assert engine.job(job).faults == 0
    await odd.aclose()


@pytest.mark.parametrize("streams", [0, 1])
async def test_jobs_without_a_stream_are_polled(streams: int, server: FalServer, engine: Engine) -> None:
    server.run_s = 0.1
    fal = FalProvider(engine.studio.settings)
    engine.worker = worker(engine, fal, streams=streams)
    jobs = [engine.ask() for _ in range(3)]
    await run(engine, *jobs)
    assert {engine.job(job).state for job in jobs} == {State.SUCCEEDED}
    assert len(server.calls("stream")) <= (3 if streams else 0)
    await fal.aclose()


async def test_a_stream_that_lies_is_not_believed(server: FalServer, engine: Engine) -> None:
    server.run_s = 0.6  # it is asked more than once meanwhile
    server.fault("stream", Fault(status=200, body=DONE, headers=EVENTS))
    job = engine.ask()
    await run(engine, job)
    assert engine.job(job).state is State.SUCCEEDED
    assert len(server.calls("status")) >= 2
    assert len(server.calls("result")) == 1, "the result was asked for because a stream had said so"


# --- fal's stream -------------------------------------------------------------------------------------------------------


@pytest.fixture
async def provider(server: FalServer) -> AsyncIterator[FalProvider]:
    made = FalProvider(server.settings(), replace(sample.QUICK, quiet_s=QUIET_S))
    yield made
    await made.aclose()


async def accepted(provider: FalProvider) -> Job:
    """A job that fal has."""
    return sample.a_job(receipt=await provider.submit(sample.a_job()))


async def news(provider: FalProvider, job: Job, came: list[str] | None = None) -> int:
    """How often its stream says that it has moved, until it is over; each time is noted in `came` too."""
    times = 0
    async for _ in provider.watch(job):
        times += 1
        if came is not None:
            came.append("moved")
    return times


async def test_every_move_is_told_once_until_the_end(server: FalServer, provider: FalProvider) -> None:
    server.queue_polls, server.run_polls = 3, 4
    job = await accepted(provider)
    assert await news(provider, job) == 3 + 1 + 1, (
        "three places in line, running, done; and nothing for what stays the same"
    )
    [asked] = server.calls("stream")
    assert asked.path.endswith("/status/stream")
    assert asked.headers["accept"] == "text/event-stream"
    assert asked.has_key
    assert isinstance(await provider.status(job), Completed)


async def test_comments_keep_it_open_and_are_no_news(server: FalServer, provider: FalProvider) -> None:
    job = await accepted(provider)
    body = ": keep-alive\n\n" * 3 + "event: ping\n\n" + DONE
    assert len(body) * 0.01 > QUIET_S, "the whole takes longer than the longest silence"
    server.fault("stream", Fault(status=200, body=body, headers=EVENTS, drip_s=0.01))
    assert await news(provider, job) == 1


async def test_the_end_is_the_end(server: FalServer, provider: FalProvider) -> None:
    job = await accepted(provider)
    server.fault("stream", Fault(status=200, body=DONE + ": still open\n\n" * 500, headers=EVENTS, drip_s=0.05))
    async with asyncio.timeout(PATIENCE_S):
        assert await news(provider, job) == 1
    assert others() == set(), "the stream goes on behind our back"


async def test_a_stream_that_is_let_go_is_hung_up(server: FalServer, provider: FalProvider) -> None:
    server.queue_s = 3600.0
    job = await accepted(provider)
    async with aclosing(cast(Any, provider.watch(job))) as stream:
        await anext(stream)
    assert others() == set()
    looks = server.accepted[0].looks
    await asyncio.sleep(0.3)
    assert server.accepted[0].looks <= looks + 2, "fal is still sending"


@pytest.mark.parametrize(
    ("fault", "kind", "items"),
    [
        (Fault(cut="before"), "cut_off", 0),
        (Fault(cut="after"), "cut_off", 0),
        (Fault(status=200, body='data: {"status": "IN_QUEUE"}\n\ndata: {"sta', headers=EVENTS, short=40), "cut_off", 1),
        (Fault(wait_s=2.0), "timeout", 0),
        (Fault(status=200, body="data: {}", headers=EVENTS, drip_s=2.0), "timeout", 0),
        (Fault(status=200, html=True), "no_stream", 0),
        (Fault(status=503, html=True), "no_stream", 0),
        (Fault(status=200, body={"status": "IN_QUEUE"}), "no_stream", 0),
        (Fault(status=401, body={"detail": "invalid test-key-id:test-key-secret"}), "no_stream", 0),
        (Fault(status=404, body={"status": "NOT_FOUND"}), "no_stream", 0),
        (Fault(status=429), "no_stream", 0),
        (Fault(status=200, body="data: {nonsense\n\n", headers=EVENTS), "odd_stream", 0),
        (Fault(status=200, body="data: [1]\n\n", headers=EVENTS), "odd_stream", 0),
        (Fault(status=200, body='data: {"state": "?"}\n\n', headers=EVENTS), "odd_stream", 0),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
async def test_whatever_breaks_it_off_is_a_passing_fault(
    fault: Fault, kind: str, items: int, server: FalServer, provider: FalProvider
) -> None:
    job, came = await accepted(provider), []
    server.fault("stream", fault, times=2)  # a line that was kept open and breaks is opened once more
    with pytest.raises(ProviderUnavailable) as caught:
        await news(provider, job, came)
    assert (caught.value.kind, len(came)) == (kind, items)
    assert server.key.partition(":")[2] not in caught.value.message
    assert others() == set()
    assert isinstance(await provider.status(job), Completed), "the job is followed all the same"


async def test_a_stream_that_just_ends_is_over(server: FalServer, provider: FalProvider) -> None:
    job = await accepted(provider)
    server.fault("stream", Fault(status=200, body='data: {"status": "IN_QUEUE"}\n\n', headers=EVENTS))
    assert await news(provider, job) == 1


async def test_the_key_goes_to_fals_host_only(server: FalServer, provider: FalProvider) -> None:
    job = await accepted(provider)
    with FalServer() as other:
        elsewhere = job.with_(status_url=f"{other.url}/decart/lucy-14b/requests/{job.request_id}/status")
        assert await news(provider, elsewhere) == 1
        server.fault("stream", Fault(status=302, headers={"Location": f"{other.url}/steal"}))
        with pytest.raises(ProviderUnavailable):
            await news(provider, job)
        assert other.record == [], "another host was asked"
    assert all(call.has_key for call in server.calls("stream"))
