"""Where jobs are kept: the protocol. Contract suite: `tests/contracts/test_job_store.py`."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from core.jobs.job import Event, Job, State


@dataclass(frozen=True)
class JobQuery:
    """Which jobs, newest first.

    Args:
        owner: only this owner's; None for everybody's (command line and worker only).
        model: only this model's.
        states: only these states.
        changed_since: only rows whose version is greater; then the order is by version, oldest change first.
        before: only jobs created before this (created_at, id): the last row of the page before.
        limit: at most this many.
    """

    owner: str | None = None
    model: str | None = None
    states: frozenset[State] | None = None
    changed_since: int | None = None
    before: tuple[datetime, str] | None = None
    limit: int = 50


class JobStore(Protocol):
    """Rows with leases. Everything here is one short transaction; nothing waits for a network other than the store's own.

    Contract: `tests/contracts/test_job_store.py`, run over every implementation.
    """

    def add(self, job: Job) -> Job:
        """Write a new job. If the owner already has one with this nonce, that one is returned instead."""
        ...

    def get(self, job_id: str) -> Job | None:
        """The job, or None."""
        ...

    def find(self, query: JobQuery) -> list[Job]:
        """The jobs that match."""
        ...

    def claim(self, worker: str, now: datetime, lease_s: float, slots: Mapping[str, int], limit: int) -> list[Job]:
        """Lease open jobs that are due to this worker, and raise their fence.

        Jobs with the provider or being saved come first, by due time. Waiting jobs follow while their provider has a
        free slot, one owner after the other. A waiting job whose owner asked for a cancel needs no slot.

        Args:
            worker: name of the worker.
            now: the time, UTC.
            lease_s: seconds until others may take the job.
            slots: most jobs in flight per provider; a provider that is not named gets none.
            limit: at most this many.
        """
        ...

    def save(self, job: Job, now: datetime, why: str = "") -> Job:
        """Write what the lease holder may write, and an event if the state changed.

        Raises:
            StaleJob: the row's fence is no longer the job's: somebody claimed it since.
        """
        ...

    def patch(self, job_id: str, now: datetime, *, cancel_requested: bool) -> Job:
        """Write what the owner may write, at any time and whoever holds the lease; makes the job due now.

        Raises:
            NotFound: there is no such job.
        """
        ...

    def events(self, job_ids: Iterable[str]) -> list[Event]:
        """The history of these jobs, oldest first."""
        ...
