"""A whole installation for tests: a studio, a worker over it, and a clock that jumps to when the next job is due."""

import asyncio
import io
import itertools
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import pytest
from PIL import Image

from core.jobs.job import Job, State, utc_now
from core.jobs.store import JobQuery
from core.jobs.worker import Worker
from core.settings import load
from core.stores.sqlite import SqliteJobStore
from core.studio import Studio, open_studio
from tests.fal_server import FalServer

OWNER = "anon-tester"
PROMPT = "The heron lifts off from the reeds. Slow push in."
ROOT = Path(__file__).parents[1]
TICK_S = 0.02  # what passes between two ticks where no job is waiting for a time


class Engine:
    """A studio with one worker.

    Args:
        studio: the installation.
        worker: another than the studio's own, where a test needs one.
    """

    def __init__(self, studio: Studio, worker: Worker | None = None) -> None:
        self.studio = studio
        self.worker = worker or studio.worker()
        self.now: datetime = utc_now()
        self.rows = SqliteJobStore(studio.settings.home / "takes.db")

    def picture(self, size: tuple[int, int] = (320, 180), seed: int = 1) -> str:
        """Key of a stored still with grain."""
        return self.studio.add_picture(jpeg(size, seed), "still.jpg").key

    def ask(self, model: str = "lucy14b", provider: str = "fal", *, owner: str = OWNER, **values: Any) -> Job:
        """A new job with a still and a prompt, unless `values` say otherwise."""
        given = {"prompt": PROMPT, **values}
        if model != "splice":
            given = {"image": self.picture(), **given}
        job = self.studio.create(owner, model, given, provider=provider, again=True)
        self.now = max(self.now, job.due_at)
        return job

    def job(self, job: Job) -> Job:
        """The job as it stands now."""
        return self.studio.get(None, job.id)

    def path(self, job: Job) -> list[str]:
        """The states it went through."""
        return [event.to_state for event in self.studio.history(None, job.id)]

    async def tick(self) -> int:
        """Move the clock to the next due job and work on everything that is due."""
        due = [job.due_at for job in self.studio.jobs(JobQuery(limit=1000)) if job.is_open]
        self.now = max([self.now + timedelta(seconds=TICK_S), *([min(due)] if due else [])])
        return await self.worker.tick(self.now)

    async def until(self, job: Job, *states: State, ticks: int = 60, pause_s: float = 0.0) -> Job:
        """Tick until the job is in one of these states; in any closed one, where none is named."""
        for _ in range(ticks):
            stands = self.job(job)
            if stands.state in states or (not states and not stands.is_open):
                return stands
            assert stands.is_open, f"ended as {stands.state}: {stands.error}"
            await self.tick()
            await asyncio.sleep(pause_s)
        raise AssertionError(f"still {self.job(job).state} after {ticks} ticks: {self.job(job).trouble}")

    async def close(self) -> None:
        """Hang up."""
        await self.studio.close()
        self.rows.close()


class WorkerProcess:
    """`python -m core worker` as a process of its own, over the DATA_DIR and with the settings of this test.

    Args:
        home: the DATA_DIR; its log is beside it.
        settings: Takes' settings, as environment variables.
    """

    def __init__(self, home: Path, **settings: str) -> None:
        self._log = home.with_suffix(".log")
        self._environment = {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(home.parent),
            "DATA_DIR": str(home),
            "LANG": "C.UTF-8",
            **settings,
        }
        self._process: subprocess.Popen[bytes] | None = None
        self._began_at = 0  # where in the log this start begins

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self, **settings: str) -> Self:
        """Start it; what it does is seen in the rows. `settings` are for this run only."""
        command = [sys.executable, "-m", "core", "worker"]
        with self._log.open("ab") as log:
            self._began_at = log.tell()
            self._process = subprocess.Popen(
                command,
                cwd=ROOT,
                env={**self._environment, **settings},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        return self

    def kill(self) -> None:
        """SIGKILL, by its id, and fetch it. A render that it started goes on by itself."""
        assert self._process is not None
        assert self._process.poll() is None, f"it ended by itself:\n{self.log()}"
        self._process.kill()
        self._process.wait()

    def stop(self) -> None:
        """Ask it to end, and wait until it has. One that is still starting is let come up first: it is not asked yet."""
        assert self._process is not None
        until = time.monotonic() + 30
        while b"at work" not in self._log.read_bytes()[self._began_at :]:
            assert self._process.poll() is None, self.log()
            assert time.monotonic() < until, self.log()
            time.sleep(0.01)
        self._process.send_signal(signal.SIGTERM)
        assert self._process.wait(30) == 0, self.log()

    def log(self) -> str:
        """What it has printed so far, over all its starts."""
        return self._log.read_text("utf-8", "replace")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is not None and self._process.poll() is None:
            self.kill()


async def seen(what: Callable[[], object], timeout_s: float = 30.0) -> None:
    """Wait until this is so; 30 s are for a process that starts on a busy computer."""
    async with asyncio.timeout(timeout_s):
        while not what():
            await asyncio.sleep(0.005)


def jpeg(size: tuple[int, int] = (320, 180), seed: int = 1) -> bytes:
    """A small photograph-like picture; another seed gives other bytes."""
    grain = np.random.default_rng(seed).integers(60, 200, (size[1], size[0], 3), dtype=np.uint8)
    data = io.BytesIO()
    Image.fromarray(grain).save(data, "JPEG", quality=85)
    return data.getvalue()


def point_at(server: FalServer, monkeypatch: pytest.MonkeyPatch, **settings: str) -> dict[str, str]:
    """Set the environment so that fal is this server; what was set, for a process that shall have the same."""
    given = {"FAL_BASE_URL": server.url, "FAL_API_KEY": server.key, "POLL_SECONDS": "0.05", **settings}
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    return given


def open_engine() -> Engine:
    """An installation from the environment as it is."""
    return Engine(open_studio(load()))


@contextmanager
def own_log() -> Iterator[None]:
    """Takes' log as it was before, once the test is over: opening a studio sets it up for the whole process."""
    root = logging.getLogger("takes")
    kept, handlers = (root.level, root.propagate), list(root.handlers)
    try:
        yield
    finally:
        root.level, root.propagate = kept
        root.handlers[:] = handlers


def most_at_once(server: FalServer) -> int:
    """Most jobs that were with the server at the same time: submits less results, in the order it saw them."""
    steps = [{"submit": 1, "result": -1}[seen.op] for seen in server.calls("submit", "result")]
    return max(itertools.accumulate(steps), default=0)
