"""A job under a lease: the only way in which the engine, and whoever else moves a job, writes it."""

import asyncio
import contextlib
from collections.abc import Callable
from datetime import datetime, timedelta

from core.errors import NotFound, ProviderError, StaleJob, StorageFull
from core.jobs.job import ENDED, Job, JobError, State, move
from core.jobs.store import JobStore

LEASE_S = 60.0  # longer than any single call to a provider but the submit and the download, which renew it
HEARTBEAT_S = 20.0  # a third of the lease: two may be missed


class Held:
    """One leased job.

    Args:
        store: where it is kept.
        job: the job, as `claim` or `hold` gave it.
        now: the clock.
    """

    def __init__(self, store: JobStore, job: Job, now: Callable[[], datetime]) -> None:
        self.job = job
        self.now = now
        self._seen = _wishes(job)  # what the step may act on; what comes later is for the next one
        self.lost = False  # another worker has it by now: nothing more may be written
        self._store = store
        self._beat: asyncio.TimerHandle | None = None

    def save(self, why: str = "") -> None:
        """Write what changed, and renew the lease. Raises StaleJob if somebody else has the job by now."""
        self.job = self._written(self.job, why)

    def move(self, to: State, why: str, **changes: object) -> None:
        """Bring the job into another state, on disk at once; where it is in that state already, only note the changes."""
        moved = move(self.job, to, self.now(), **changes)
        self.job = moved if to is self.job.state else self._written(moved, why)

    def note(self, why: str, **changes: object) -> None:
        """Write changes and a line in the job's history."""
        self.job = self._written(self.job.with_(**changes), why)

    def fail(self, error: ProviderError) -> None:
        """End the job with the provider's verdict."""
        self.move(State.FAILED, error.kind, error=JobError.of(error))

    def left(self) -> Job:
        """The job as the step leaves it: due at once where a wish came that it may not have seen."""
        if _wishes(self.job) == self._seen:
            return self.job
        return self.job.with_(due_at=min(self.job.due_at, self.now()))

    @property
    def is_ours(self) -> bool:
        """Whether the lease still runs by the clock; a process that was stopped for a while may find that it does not."""
        return self.job.lease_until is not None and self.now() < self.job.lease_until

    def start_beating(self) -> None:
        """Renew the lease now and then while a long step runs."""
        self._beat = asyncio.get_running_loop().call_later(HEARTBEAT_S, self._renew)

    def stop_beating(self) -> None:
        """The step is over."""
        if self._beat:
            self._beat.cancel()

    def _renew(self) -> None:
        with contextlib.suppress(StaleJob, NotFound, StorageFull):  # the next save of the step tells
            self.save()
        self.start_beating()

    def _written(self, job: Job, why: str) -> Job:
        until = self.now() + timedelta(seconds=LEASE_S)
        is_over = job.state in ENDED  # nobody comes for it any more, so a crash right now must leave no lease behind
        leased = {"lease_owner": None, "lease_until": None} if is_over else {"lease_until": until}
        try:
            return self._store.save(job.with_(**leased), self.now(), why)
        except (StaleJob, NotFound):
            self.lost = True
            raise


def _wishes(job: Job) -> tuple[bool, str | None]:
    return job.cancel_requested, job.told_request_id
