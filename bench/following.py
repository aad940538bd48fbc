"""A thousand live jobs at a fake fal, followed by a process: what that costs, and how soon an end is seen."""

import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import IO, Protocol
from uuid import uuid4

from core.jobs.job import ENDED, Job, State, utc_now
from core.jobs.store import JobQuery
from core.models import MODELS
from core.stores.sqlite import SqliteJobStore
from tests.fal_server import Accepted, FalServer

JOBS = 1_000  # live at every moment of the window
ENDING = 200  # of them end in it, and a new one follows each
POLL_S = 2.0  # the owner's figure
WARM_UP_S = 15.0  # until the window: the process has started, its connections are open; not counted
WINDOW_S = 45.0
DRAIN_S = 10.0  # after the window: what ended at its close may still be seen
STOP_S = 5.0  # that a process gets to end by itself
FOREVER_S = 3600.0  # of a job that outlives the run

ROOT = Path(__file__).parent.parent
TICKS = os.sysconf("SC_CLK_TCK")  # per second, of /proc/PID/stat
SPEC = MODELS["lucy14b"]


@dataclass(frozen=True)
class Measured:
    """What one follower did in the window.

    Args:
        p50_s, p95_s: seconds from "done at the provider" to "seen here". A job that was not seen counts with those to the
            end of the run, which is less than the truth.
        requests: all that the server got from it, per live job and second.
        cpu: of the process, as a share of one core.
        server_cpu: of the server, likewise; near 1 it would be the server that is measured.
        memory_mb: most memory of the process, in MB.
        lost: jobs that are not where they belong at the end of the run, and ended ones that were not seen by then.
        twice: jobs that were submitted although the provider had them.
    """

    p50_s: float
    p95_s: float
    requests: float
    cpu: float
    server_cpu: float
    memory_mb: float
    lost: int
    twice: int


class Follower(Protocol):
    """A process that follows requests of the server."""

    def follow(self, jobs: Sequence[Accepted]) -> None:
        """Take these up as well, from now on."""
        ...

    def seen(self) -> dict[str, float]:
        """When it saw a request done, by request id, in seconds of `time.monotonic`."""
        ...

    def lost(self, ended: set[str]) -> int:
        """How many of all its jobs are not where they belong, if just these have ended."""
        ...

    @property
    def pid(self) -> int:
        """Its process."""
        ...


class Takes:
    """`python -m core worker` over a data folder into which the accepted jobs are put. Made by `takes`."""

    def __init__(self, server: FalServer, store: SqliteJobStore, pid: int) -> None:
        self._server = server
        self._store = store
        self._clock = utc_now() - timedelta(seconds=time.monotonic())
        self.pid = pid

    def follow(self, jobs: Sequence[Accepted]) -> None:
        self._store.restore([(self._job(paid), ()) for paid in jobs])

    def _job(self, paid: Accepted) -> Job:
        """The job as the engine writes it on its first look that says IN_PROGRESS."""
        now = utc_now()
        return Job(
            owner=f"anon-{random.randrange(50)}",
            model=SPEC.slug,
            provider="fal",
            endpoint=paid.endpoint,
            prompt="The heron lifts off from the reeds. Slow push in.",
            inputs={"prompt": "The heron lifts off from the reeds. Slow push in.", "image": f"{'ab' * 32}.jpg"},
            uploads={f"{'ab' * 32}.jpg": f"{self._server.url}/files/still.jpg"},
            created_at=now,
            submitted_at=now,
            started_at=now,
            updated_at=now,
            due_at=now + timedelta(seconds=random.uniform(0, POLL_S)),
            state=State.RUNNING,
            request_id=paid.request_id,
            logs=list(self._server.logs),
            **self._server.urls(paid),
        )

    def seen(self) -> dict[str, float]:
        jobs = {job.id: job for job in self._store.find(JobQuery(limit=2 * JOBS))}
        saving = (event for event in self._store.events(jobs) if event.to_state is State.SAVING)
        return {str(jobs[event.job_id].request_id): self._seconds(event.at) for event in saving}

    def _seconds(self, at: datetime) -> float:
        return (at - self._clock).total_seconds()

    def lost(self, ended: set[str]) -> int:
        jobs = self._store.find(JobQuery(limit=2 * JOBS))
        kept = {str(job.request_id) for job in jobs if job.state is State.SUCCEEDED}
        followed = {job.request_id for job in jobs if job.state not in ENDED}
        return len(ended ^ kept) + len({paid.request_id for paid in self._server.accepted} - ended - followed)


@contextmanager
def takes(server: FalServer, folder: Path) -> Iterator[Takes]:
    """The engine, over an empty data folder."""
    store = SqliteJobStore(folder / "takes.db")
    settings = {
        "DATA_DIR": str(folder),
        "FAL_BASE_URL": server.url,
        "FAL_API_KEY": server.key,
        "POLL_SECONDS": str(POLL_S),
    }
    with process(["-m", "core", "worker"], folder, **settings) as child:
        yield Takes(server, store, child.pid)
    store.close()


class FalClient:
    """`bench.fal_client_user` in a process of its own. Made by `fal_client`."""

    def __init__(self, child: "subprocess.Popen[str]", out: Path) -> None:
        self._stdin: IO[str] | None = child.stdin
        self._out = out
        self.pid = child.pid

    def follow(self, jobs: Sequence[Accepted]) -> None:
        assert self._stdin is not None
        self._stdin.writelines(f"{paid.endpoint} {paid.request_id}\n" for paid in jobs)
        self._stdin.flush()

    def seen(self) -> dict[str, float]:
        lines = (line.split() for line in self._out.read_text().splitlines())
        return {request_id: float(at) for request_id, at in lines}

    def lost(self, ended: set[str]) -> int:
        return len(ended ^ self.seen().keys())


@contextmanager
def fal_client(server: FalServer, folder: Path) -> Iterator[FalClient]:
    """fal-client as its users write it."""
    with process(["-m", "bench.fal_client_user", server.url], folder, FAL_KEY=server.key) as child:
        yield FalClient(child, folder / "out")


@contextmanager
def process(command: list[str], folder: Path, **environment: str) -> "Iterator[subprocess.Popen[str]]":
    """A Python process with nothing of fal's or of a proxy in its environment but what is given; ended with the block."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("FAL_") and not name.lower().endswith("_proxy")
    }
    with (folder / "out").open("w") as out, (folder / "err").open("w") as err:
        child = subprocess.Popen(
            [sys.executable, *command], cwd=folder, env={**kept, "PYTHONPATH": str(ROOT), **environment},
            stdin=subprocess.PIPE, stdout=out, stderr=err, text=True,
        )  # fmt: skip
        try:
            yield child
        finally:
            if child.poll() is not None:
                print(f"{command} has ended: {(folder / 'err').read_text()[-2000:]}", file=sys.stderr)
            child.terminate()
            try:
                child.wait(STOP_S)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()


def cpu_s(pid: int) -> float:
    """CPU seconds, user and system, that a process has used with all its threads."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def most_mb(pid: int) -> float:
    """Most memory that a process has had so far, in MB."""
    [line] = [line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1]) * 1024 / 1e6


def sleep_until(moment: float) -> None:
    """Sleep to this moment of `time.monotonic`."""
    time.sleep(max(moment - time.monotonic(), 0))


def measure(server: FalServer, follower: Follower) -> Measured:
    """Let it follow `JOBS` jobs, of which `ENDING` end at random moments of the window; a new one comes in place of each."""

    def accept(run_s: float = FOREVER_S) -> Accepted:
        return server.accept(Accepted(str(uuid4()), SPEC.endpoint, {}, "", time.monotonic(), run_s=run_s))

    begin = time.monotonic() + WARM_UP_S
    moments = sorted(begin + random.uniform(0, WINDOW_S) for _ in range(ENDING))
    ending = [accept(moment - time.monotonic()) for moment in moments]
    first = ending + [accept() for _ in range(JOBS - ENDING)]
    random.shuffle(first)
    follower.follow(first)

    sleep_until(begin)
    used, served = cpu_s(follower.pid), time.process_time()
    for moment in moments:
        sleep_until(moment)
        follower.follow([accept()])
    sleep_until(begin + WINDOW_S)
    end = time.monotonic()
    used, served = cpu_s(follower.pid) - used, time.process_time() - served
    requests = sum(begin <= call.at < end for call in server.calls())

    ended = {paid.request_id for paid in ending}
    while follower.lost(ended) and time.monotonic() < end + DRAIN_S:
        time.sleep(0.5)
    seen, now = follower.seen(), time.monotonic()
    lags = sorted(seen.get(paid.request_id, now) - server.done_at(paid) for paid in ending)
    return Measured(
        p50_s=lags[len(lags) // 2],
        p95_s=lags[int(0.95 * len(lags))],
        requests=requests / JOBS / (end - begin),
        cpu=used / (end - begin),
        server_cpu=served / (end - begin),
        memory_mb=most_mb(follower.pid),
        lost=follower.lost(ended),
        twice=len(server.calls("submit")),
    )
