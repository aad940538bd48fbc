"""Many workers over one store: every job is sent once, nobody's batch stands before everybody else, and no more than slots."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack

import pytest

from core.errors import Charged
from core.jobs.job import Job, State
from core.jobs.store import JobQuery
from core.settings import load
from core.studio import open_studio
from tests.engine import Engine, WorkerProcess, most_at_once, open_engine, own_log, point_at, seen
from tests.fal_server import FalServer, Fault
from tests.fal_server.clip import clip

pytestmark = pytest.mark.slow

JOBS = 200
LONG_S = 120.0  # two cores that are shared with other work; a tenth of it is usual


@pytest.fixture
def server() -> Iterator[FalServer]:
    with FalServer() as running:
        yield running


@pytest.fixture
def settings(server: FalServer, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    return point_at(server, monkeypatch)


@pytest.fixture
async def engine(settings: dict[str, str]) -> AsyncIterator[Engine]:
    """Makes jobs and reads rows; its worker never ticks."""
    with own_log():
        made = open_engine()
        yield made
        await made.close()


def ask(engine: Engine, *owners: str) -> list[Job]:
    """One job for each of these, all with the same still."""
    still = engine.picture()
    return [engine.ask(image=still, owner=owner) for owner in owners]


def rows(engine: Engine) -> list[Job]:
    return engine.rows.find(JobQuery(limit=10_000))


async def all_ended(engine: Engine) -> None:
    await seen(lambda: not any(job.is_open for job in rows(engine)), LONG_S)


def sent(server: FalServer, jobs: list[Job]) -> list[str]:
    """Owners in the order in which their jobs were taken."""
    owners = {f"takes-job={job.id}": job.owner for job in jobs}
    return [owners[taken.tags] for taken in server.accepted]


def check_once(engine: Engine, server: FalServer, jobs: list[Job], cut: frozenset[str] = frozenset()) -> None:
    """Every job sent once and ended well; those that were cut while being sent at most once, and told as such."""
    stand = {job.id: job for job in rows(engine)}
    assert stand.keys() == {job.id for job in jobs}, "a job was lost, or came from nowhere"
    times = Counter(call.headers.get("x-fal-tags") for call in server.calls("submit"))
    assert max(times.values()) == 1, "sent twice"
    for job in stand.values():
        assert job.lease_owner is None
        if job.id in cut:
            assert job.state is State.UNKNOWN
            assert job.error is not None
            assert job.error.charged is Charged.MAYBE
        else:
            assert job.state is State.SUCCEEDED, (job.state, job.error)
            assert times[f"takes-job={job.id}"] == 1
            assert engine.path(job).count("submitting") == 1
    done = [job for job in stand.values() if job.id not in cut]
    assert len({job.request_id for job in done}) == len(done)
    assert {job.video and job.video.bytes for job in done} == {len(clip())}
    parts = engine.studio.settings.home / "parts"
    assert list(parts.iterdir()) == [], "two worked on the same file, or one left it"


@pytest.mark.parametrize(("workers", "slots"), [(2, 100), (3, 8)])
async def test_processes_share_the_jobs(
    workers: int, slots: int, server: FalServer, engine: Engine, settings: dict[str, str]
) -> None:
    jobs = ask(engine, *(["ann"] * 120 + ["bob"] * 60 + ["cid"] * 20))
    home = engine.studio.settings.home
    with ExitStack() as stack:
        processes = [
            stack.enter_context(WorkerProcess(home, **settings, FAL_MAX_IN_FLIGHT=str(slots))) for _ in range(workers)
        ]
        for process in processes:
            process.start()
        await all_ended(engine)
        for process in processes:
            process.stop()
        assert "Traceback" not in processes[0].log()
        assert processes[0].log().count(": at work") == workers, "one of them never worked"
    check_once(engine, server, jobs)
    assert most_at_once(server) <= slots, "more jobs were with fal than there are slots"
    order = sent(server, jobs)
    fair = 3 * 20 + slots  # the last of the shortest batch has as many of each of the others before it
    assert max(place for place, owner in enumerate(order) if owner == "cid") < fair, "it stood behind a whole batch"
    assert max(place for place, owner in enumerate(order) if owner == "bob") < 20 + 2 * 60 + slots


async def test_whoever_comes_late_is_not_behind_a_whole_batch(
    server: FalServer, engine: Engine, settings: dict[str, str]
) -> None:
    slots = 4
    jobs = ask(engine, *["ann"] * 60)
    home = engine.studio.settings.home
    with ExitStack() as stack:
        for _ in range(2):
            stack.enter_context(WorkerProcess(home, **settings, FAL_MAX_IN_FLIGHT=str(slots))).start()
        await seen(lambda: len(server.accepted) >= 12, LONG_S)
        came_at = len(server.accepted)
        jobs += ask(engine, "bob")
        await all_ended(engine)
    place = sent(server, jobs).index("bob")
    assert came_at <= place <= came_at + 2 * slots + 2, "it waited until the batch before it was through"
    assert most_at_once(server) <= slots
    assert {job.state for job in rows(engine)} == {State.SUCCEEDED}


async def test_workers_of_one_process_share_the_jobs(
    server: FalServer, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    slots = 16
    monkeypatch.setenv("FAL_MAX_IN_FLIGHT", str(slots))
    studios = [open_studio(load()) for _ in range(3)]
    stop = asyncio.Event()
    workers = [asyncio.create_task(studio.worker().run(stop)) for studio in studios]
    jobs = ask(engine, *(f"anon-{number % 5}" for number in range(JOBS)))
    await all_ended(engine)
    stop.set()
    await asyncio.gather(*workers)
    for studio in studios:
        await studio.close()
    check_once(engine, server, jobs)
    assert most_at_once(server) <= slots
    order = sent(server, jobs)
    for start in range(0, JOBS - 50, 50):
        shares = Counter(order[start : start + 50])
        assert min(shares[f"anon-{number}"] for number in range(5)) >= 5, "one of five waited while the others went on"


async def test_one_of_three_is_killed_in_the_middle(
    server: FalServer, engine: Engine, settings: dict[str, str]
) -> None:
    """It comes back as a supervisor brings it back, and what it held goes on at once."""
    slots = 24
    server.fault("submit", Fault(wait_s=0.2), times=JOBS)  # so that some are always being sent
    jobs = ask(engine, *(f"anon-{number % 4}" for number in range(JOBS)))
    home = engine.studio.settings.home
    with ExitStack() as stack:
        processes = [
            stack.enter_context(WorkerProcess(home, **settings, FAL_MAX_IN_FLIGHT=str(slots))) for _ in range(3)
        ]
        for process in processes:
            process.start()

        def sending(pid: int) -> list[Job]:
            theirs = [job for job in rows(engine) if (job.lease_owner or "").split("/")[1:2] == [str(pid)]]
            return [job for job in theirs if job.state is State.SUBMITTING]

        victim = processes[1]
        await seen(lambda: len(server.accepted) >= 40 and sending(victim.pid), LONG_S)
        victim.kill()
        cut = frozenset(job.id for job in sending(victim.pid))
        began = time.monotonic()
        victim.start()
        await all_ended(engine)
        assert not sending(victim.pid)
        held = [job for job in rows(engine) if job.lease_owner is not None]
        for process in processes:
            process.stop()
    assert time.monotonic() - began < LONG_S
    assert len(held) <= slots
    check_once(engine, server, jobs, cut)
    assert most_at_once(server) <= slots + len(cut), "the slots of the dead were given away while its jobs were there"
