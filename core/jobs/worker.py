"""The engine: takes due jobs and moves each one step on. `tick(now)` is all of it; the loop around it is short."""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from uuid import uuid4

from core.errors import AppError, NotFound, StaleJob
from core.jobs.held import LEASE_S, Held
from core.jobs.job import Job, utc_now
from core.jobs.pace import Pace
from core.jobs.process import worker_name
from core.jobs.steps import Steps
from core.jobs.store import JobStore
from core.jobs.watches import MOST as MOST_STREAMS
from core.jobs.watches import Watches
from core.media.store import MediaStore
from core.providers.base import Provider

log = logging.getLogger("takes.jobs")

STOP_S = 20.0  # how long a stop waits for answers that are on their way
LOOP_S = 0.25  # how soon a new job is seen; one indexed look-up in the store
CROWDED_S = 0.02  # the same while more is due than can be begun: long enough to take several jobs in one transaction
BATCH = 128  # steps under way at once in one worker


class Worker:
    """Drives jobs. Any number may run over one store: a lease decides who has which job.

    Args:
        store: the jobs.
        media: the files.
        providers: by their name.
        slots: most jobs in flight per provider name.
        part_dir: folder for downloads that are not complete yet.
        poll_s: seconds between two looks at a job that is with a provider, by its name.
        pace: how long such a job usually takes, for what is told of it while it runs.
        streams: most streams of a provider's news that `run` keeps open at once.
    """

    def __init__(
        self,
        store: JobStore,
        media: MediaStore,
        providers: Mapping[str, Provider],
        *,
        slots: Mapping[str, int],
        part_dir: Path,
        poll_s: Mapping[str, float],
        pace: Callable[[Job], Pace] | None = None,
        streams: int = MOST_STREAMS,
    ) -> None:
        self.name = worker_name()
        self._store = store
        self._slots = slots
        self._steps = Steps(store, media, providers, part_dir, poll_s, pace)
        self._providers = providers
        self._streams = streams
        self._watches: Watches | None = None  # while `run` runs
        self._under_way: dict[asyncio.Task[None], str] = {}
        self._done: list[Job] = []
        part_dir.mkdir(parents=True, exist_ok=True)

    async def tick(self, now: datetime) -> int:
        """Take the jobs that are due and move each one step on; returns how many. This is what tests call."""
        started = self._start(now)
        if started:
            await asyncio.wait(started)
        self._put_back(now)
        return len(started)

    async def run(self, stop: asyncio.Event) -> None:
        """Tick until `stop` is set; then let the steps under way end. A slow step does not hold the others up."""
        log.info("worker %s: at work", self.name)
        self._watches = Watches(self._providers, self._streams)
        while not stop.is_set():
            pause = LOOP_S
            try:
                self._put_back(utc_now())
                if woken := self._watches.woken(self._under_way.values()):
                    self._store.wake(woken, utc_now())
                room = BATCH - len(self._under_way)
                if len(self._start(utc_now())) >= room:
                    pause = CROWDED_S
            except Exception:
                log.exception("worker %s: the store could not be read; trying again", self.name)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), pause)
        await self._end()
        log.info("worker %s: stopped", self.name)

    async def _end(self) -> None:
        """Let the steps under way end, cut those that take too long, and hand every lease back."""
        if self._watches:
            await self._watches.aclose()
            self._watches = None
        if self._under_way:
            _, late = await asyncio.wait(self._under_way, timeout=STOP_S)
            for step in late:
                step.cancel()
            if late:
                await asyncio.wait(late)
        try:
            self._put_back(utc_now())
        except AppError as exc:  # the leases end by themselves
            log.error("worker %s: leases could not be handed back: %s", self.name, exc.message)

    def _start(self, now: datetime) -> list[asyncio.Task[None]]:
        room = BATCH - len(self._under_way)
        if room <= 0:
            return []
        started = []
        for job in self._store.claim(self.name, now, LEASE_S, self._slots, room):
            log.debug("job %s: taken while %s, fence %d", job.id, job.state, job.fence)
            step = asyncio.create_task(self._step(Held(self._store, job, _clock_from(now))))
            self._under_way[step] = job.id
            step.add_done_callback(self._under_way.pop)
            started.append(step)
        return started

    async def _step(self, held: Held) -> None:
        held.start_beating()
        try:
            await self._steps.advance(held)
        except StaleJob:
            log.warning("job %s: another worker has it now", held.job.id)
        except NotFound:
            log.warning("job %s: it was deleted", held.job.id)
        except AppError as exc:
            self._steps.again_later(held, exc.message)
        except Exception:
            incident = uuid4().hex[:8]
            log.exception("job %s: incident %s", held.job.id, incident)
            self._steps.again_later(held, f"Something went wrong on our side (incident {incident}). Trying again.")
        finally:
            held.stop_beating()
            if not held.lost:
                self._done.append(held.left())
            if self._watches:
                self._watches.keep(held.job)

    def _put_back(self, now: datetime) -> None:
        """Write what the ended steps leave behind and give up their leases, all in one transaction.

        Where that fails (a full disk), it is tried again at the next turn; meanwhile the leases run out by themselves.
        """
        if self._done:
            self._store.put_back(self._done, now)
            self._done = []


def _clock_from(now: datetime) -> Callable[[], datetime]:
    """A clock that starts at `now`, so that a test's time and the engine's agree."""
    offset = now - utc_now()
    return lambda: utc_now() + offset
