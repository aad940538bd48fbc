"""Kill -9 in every state, with a real process and a real restart: nothing is lost, and nothing is paid twice."""

import asyncio
import os
import random
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from core.errors import Charged
from core.jobs.job import Job, State, utc_now
from core.jobs.process import is_dead
from core.jobs.store import JobQuery
from core.preview.process import Render
from tests.engine import Engine, WorkerProcess, open_engine, own_log, point_at, seen
from tests.fal_server import Accepted, FalServer, Fault
from tests.fal_server.clip import clip

pytestmark = pytest.mark.slow

SEED = int(os.environ.get("TAKES_SEED") or random.SystemRandom().randrange(10**6))
KILLS = 10  # in each state
AT_ONCE = 5  # jobs that one kill hits
HELD_S = 60.0  # what a held call waits; every round is over long before
MANY = 10**9  # looks: more than there will ever be
SOON = timedelta(seconds=2)  # by then every job that is with fal is due again

UPLOADING, NOT_TAKEN, TAKEN = "uploading", "submitting, not taken", "submitting, taken"
STATES: dict[str, State] = {
    "waiting": State.WAITING,
    UPLOADING: State.WAITING,
    NOT_TAKEN: State.SUBMITTING,
    TAKEN: State.SUBMITTING,
    "queued": State.QUEUED,
    "running": State.RUNNING,
    "saving": State.SAVING,
}
"""Where a job is cut, and the state that its row has then."""

ORDER = ("saving", "running", "queued", TAKEN, NOT_TAKEN, UPLOADING, "waiting")
"""In which a round's jobs are brought there: one that is saved passes by a free slot, one that waits finds none."""


@pytest.fixture
def dice() -> random.Random:
    sys.stdout.write(f"the same kills again: TAKES_SEED={SEED}\n")
    return random.Random(SEED)


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


@pytest.fixture
def process(engine: Engine, settings: dict[str, str]) -> Iterator[WorkerProcess]:
    with WorkerProcess(engine.studio.settings.home, **settings) as made:
        yield made


def rows(engine: Engine) -> dict[str, Job]:
    return {job.id: job for job in engine.rows.find(JobQuery(limit=10_000))}


def paid(server: FalServer, job: Job) -> Accepted | None:
    """The job as fal took it."""
    return next((taken for taken in list(server.accepted) if taken.tags == f"takes-job={job.id}"), None)


def parts(engine: Engine) -> list[str]:
    """Half-written files."""
    home = engine.studio.settings.home
    return [str(path) for folder in (home / "parts", home / "media" / ".part") for path in folder.iterdir()]


# --- to where the kill finds it -----------------------------------------------------------------------------------------


async def bring(kind: str, engine: Engine, server: FalServer, dice: random.Random, still: str) -> Job:
    """A new job, held where it is to be cut."""
    op = dice.choice(["initiate", "put"])
    before = len(server.calls(op))
    slow = dice.choice([Fault(drip_s=HELD_S, drip_bytes=len(clip()) // 2), Fault(wait_s=HELD_S)])
    faults: dict[str, tuple[Any, Fault]] = {
        UPLOADING: (op, Fault(wait_s=HELD_S)),
        NOT_TAKEN: ("submit", Fault(status=503, wait_s=HELD_S)),
        TAKEN: ("submit", Fault(wait_s=HELD_S)),
        "saving": ("file", slow),
    }
    if kind in faults:
        server.fault(*faults[kind])
    job = engine.ask(image=still, owner=dice.choice(["anon-a", "anon-b"]))

    def stands(state: State) -> bool:
        return engine.job(job).state is state

    match kind:
        case "waiting":
            await seen(lambda: engine.studio.places_in_line("fal").keys() & {job.id})
        case "uploading":
            await seen(lambda: len(server.calls(op)) > before and engine.job(job).stage)
        case "submitting, not taken":
            tag = f"takes-job={job.id}"
            await seen(lambda: any(call.headers.get("x-fal-tags") == tag for call in server.calls("submit")))
            assert paid(server, job) is None
        case "submitting, taken":
            await seen(lambda: paid(server, job))
        case _:
            await seen(lambda: stands(State.QUEUED))
            taken = paid(server, job)
            assert taken is not None
            if kind == "running":
                taken.looks = MANY
                await seen(lambda: stands(State.RUNNING))
            if kind in ("queued", "running") and dice.random() < 0.5:  # in the middle of a look, and not between two
                server.fault("status", Fault(wait_s=HELD_S))
                await seen(lambda: not server.to_come("status"))
            if kind == "saving":
                files = len(server.calls("file"))
                taken.looks = 2 * MANY
                await seen(lambda: stands(State.SAVING) and len(server.calls("file")) > files)
                part = engine.studio.settings.home / "parts" / f"{job.id}.part.mp4"
                if slow.drip_s:
                    await seen(lambda: part.exists() and part.stat().st_size > 0)
    assert stands(STATES[kind])
    return job


# --- after the restart --------------------------------------------------------------------------------------------------


async def go_on_here(cut: dict[str, Job]) -> None:
    """Another process takes over, step by step: this one."""
    again = open_engine()
    began = utc_now()
    for job in cut.values():
        stands = again.job(job)
        assert stands == job
        if stands.lease_owner is not None:
            assert is_dead(stands.lease_owner)
            assert stands.lease_until is not None
            assert stands.lease_until > began + timedelta(seconds=20), "there was no lease to be stuck with"
    await again.studio.sweep()
    assert not [job.id for job in rows(again).values() if job.lease_owner is not None], "stuck with a dead lease"
    again.now = began + SOON
    for _ in range(2):
        await again.worker.tick(again.now)
    for job in cut.values():
        assert again.job(job).state is not job.state, f"still {job.state} after two ticks"
    for job in cut.values():
        await again.until(job) if again.job(job).is_open else None
    await again.close()


async def go_on_there(engine: Engine, process: WorkerProcess) -> None:
    """A new process does. A lease that is not let go of would hold it up for a minute."""
    process.start()
    began = time.monotonic()
    await seen(lambda: not any(job.is_open for job in rows(engine).values()))
    assert time.monotonic() - began < 30, "it waited for leases of the dead"
    process.stop()


def check_whole(engine: Engine, server: FalServer, cut: dict[str, set[str]]) -> None:
    """All there, all ended as they must, each paid at most once, nothing left behind.

    Args:
        cut: ids of the jobs, by the state in which they were killed.
    """
    stand = rows(engine)
    assert stand.keys() == set().union(*cut.values()), "a job was lost"
    times = Counter(taken.tags for taken in server.accepted)
    assert set(times.values()) <= {1}, "paid twice"
    submits = Counter(call.headers.get("x-fal-tags") for call in server.calls("submit"))
    assert set(submits.values()) <= {1}, "sent twice"
    sending = cut.get(State.SUBMITTING, set())
    for job in stand.values():
        assert job.lease_owner is None, f"a lease is left on a job that is {job.state}"
        assert job.state is (State.UNKNOWN if job.id in sending else State.SUCCEEDED), job.error
        if job.state is State.UNKNOWN:
            assert job.error is not None
            assert job.error.charged is Charged.MAYBE
            continue
        assert times[f"takes-job={job.id}"] == 1
        assert job.video is not None
        assert engine.studio.media.read(job.video.key) == clip()
        assert engine.studio.media.stat(job.video.poster) is not None
        assert engine.path(job).count("submitting") == 1
    assert parts(engine) == [], "half-written files were left"


# --- fal ------------------------------------------------------------------------------------------------------------------


async def test_killed_in_every_state(
    engine: Engine, server: FalServer, process: WorkerProcess, dice: random.Random
) -> None:
    still = engine.picture()
    kinds = list(STATES) * KILLS
    dice.shuffle(kinds)
    rounds = [sorted(kinds[at : at + AT_ONCE], key=ORDER.index) for at in range(0, len(kinds), AT_ONCE)]
    cut: dict[str, set[str]] = {state: set() for state in STATES.values()}
    killed: Counter[str] = Counter()
    for number, group in enumerate(rounds):
        server.queue_polls = server.run_polls = MANY
        holders = sum(kind not in ("saving", "waiting") for kind in group)
        process.start(FAL_MAX_IN_FLIGHT=str(max(holders, 1)))
        jobs = {}
        for kind in group:
            if kind == "waiting" and not holders:  # somebody has to be in its way
                await bring("queued", engine, server, dice, still)
                holders = 1
            jobs[(await bring(kind, engine, server, dice, still)).id] = kind
        process.kill()
        dead = {job.id: job for job in rows(engine).values() if job.is_open}
        for job_id, kind in jobs.items():
            assert dead[job_id].state is STATES[kind]
            killed[kind] += 1
        for job in dead.values():
            cut[job.state].add(job.id)
        server.queue_polls = server.run_polls = 0
        await (go_on_here(dead) if number % 2 else go_on_there(engine, process))
        check_whole(engine, server, cut)
    assert killed == dict.fromkeys(STATES, KILLS)
    assert "Traceback" not in process.log()


async def test_killed_at_any_moment(
    engine: Engine, server: FalServer, process: WorkerProcess, dice: random.Random
) -> None:
    """Nothing is held: the kill comes when it comes, sometimes into the restart after the kill before."""
    server.queue_s, server.run_s = 0.1, 0.1
    still = engine.picture()
    cut: dict[str, set[str]] = {"": set(), State.SUBMITTING: set()}
    found: Counter[str] = Counter()
    for _ in range(12):
        for op in ("initiate", "submit", "submit", "file", "file"):
            server.fault(op, Fault(wait_s=dice.uniform(0, 0.4)))  # type: ignore[arg-type]
        process.start()
        for _ in range(4):
            cut[""].add(engine.ask(image=still).id)
        await asyncio.sleep(dice.uniform(0.6, 2.0))  # it starts in less than a second, if nothing else runs here
        process.kill()
        dead = [job for job in rows(engine).values() if job.is_open]
        cut[State.SUBMITTING] |= {job.id for job in dead if job.state is State.SUBMITTING}
        found.update(job.state for job in dead)
    await go_on_there(engine, process)
    sys.stdout.write(f"killed in {dict(found)}\n")
    check_whole(engine, server, cut)
    assert "Traceback" not in process.log()


# --- the local preview --------------------------------------------------------------------------------------------------


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.parametrize("with_it", [False, True], ids=["the worker alone", "and its render"])
async def test_a_render_outlives_the_worker_or_is_made_again(
    with_it: bool, engine: Engine, process: WorkerProcess, server: FalServer
) -> None:
    process.start()
    job = engine.ask("wan27", "preview", duration=2)
    render = Render(engine.studio.settings.home / "preview" / job.id)
    await seen(lambda: engine.job(job).state is State.RUNNING and render.record().pid)
    pid = render.record().pid
    assert pid is not None
    process.kill()
    assert engine.job(job).state is State.RUNNING
    assert is_running(pid) or render.record().is_over, "the render went with the worker"
    if with_it:
        os.kill(pid, 9)
        await seen(lambda: not is_running(pid))
    process.start()
    await seen(lambda: not engine.job(job).is_open, 90)
    process.stop()

    done = engine.job(job)
    assert done.state is State.SUCCEEDED, done.error
    assert done.lease_owner is None
    assert engine.path(job).count("submitting") == 1, "it was sent again"
    assert ("ended without a result (start 1)" in process.log()) == with_it
    assert not is_running(pid)
    assert not render.folder.exists()
    assert parts(engine) == []
    assert server.record == [], "a local job reached fal"
