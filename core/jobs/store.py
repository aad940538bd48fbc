"""Where jobs are kept: two protocols over the same rows. Contract suite: `tests/contracts/test_job_store.py`."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence, Set
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
        starred: only favourites, or only the others.
        fingerprint: only those that ask for the same (`core.jobs.job.fingerprint`).
        parents: only those that grew out of one of these jobs.
        given: only those that were given one of these stored videos; those that made it are not among them.
        made: only those whose video is one of these stored ones.
        since: only jobs created at this time or later.
        changed_since: only rows whose version is greater; then the order is by version, oldest change first.
        finished_before: only jobs that ended before this; then the order is by that time, oldest first.
        after: with `finished_before`, only jobs beyond this (finished_at, id): the last row of the page before.
        binned: only those in the bin, or only those that are not; None for both.
        binned_before: only those that were put into the bin before this.
        before: only jobs created before this (created_at, id): the last row of the page before.
        ids: only these jobs.
        limit: at most this many.
    """

    owner: str | None = None
    model: str | None = None
    states: frozenset[State] | None = None
    starred: bool | None = None
    fingerprint: str | None = None
    parents: frozenset[str] | None = None
    given: frozenset[str] | None = None
    made: frozenset[str] | None = None
    since: datetime | None = None
    changed_since: int | None = None
    finished_before: datetime | None = None
    after: tuple[datetime, str] | None = None
    binned: bool | None = None
    binned_before: datetime | None = None
    before: tuple[datetime, str] | None = None
    ids: frozenset[str] | None = None
    limit: int = 50


@dataclass(frozen=True)
class Wishes:
    """What may be written into a job from outside at any time; None leaves a field as it is."""

    cancel_requested: bool | None = None
    rank: float | None = None
    starred: bool | None = None
    told_request_id: str | None = None


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
        """Lease jobs that are due to this worker, and raise their fence.

        Jobs with the provider or being saved come first, by due time, and with them those of unknown outcome. Waiting
        jobs follow while their provider has a free slot, one owner after the other: whoever has the fewest there, and of
        those whoever was served longest ago. A waiting job whose owner asked for a cancel needs no slot.

        Args:
            worker: name of the worker.
            now: the time, UTC.
            lease_s: seconds until others may take the job.
            slots: most jobs in flight per provider; a provider that is not named gets none.
            limit: at most this many.
        """
        ...

    def hold(self, job_id: str, worker: str, now: datetime, lease_s: float) -> Job | None:
        """Lease one job, whatever its state, and raise its fence; None where it is gone or another's lease runs."""
        ...

    def save(self, job: Job, now: datetime, why: str = "") -> Job:
        """Write what the lease holder may write. A change of state is an event; so is every `why`.

        Raises:
            StaleJob: the row's fence is no longer the job's: somebody claimed it since.
            IllegalMove: the row's state does not lead to the job's.
            NotFound: the job was deleted.
        """
        ...

    def put_back(self, jobs: Sequence[Job], now: datetime) -> None:
        """Write jobs as `save` would and give up their leases, all in one transaction; those that are stale are left alone."""
        ...

    def wake(self, job_ids: Collection[str], now: datetime) -> None:
        """Make these jobs due now, where they are open."""
        ...

    def patch(self, job_id: str, now: datetime, wishes: Wishes, why: str = "") -> Job:
        """Write what may be written at any time, whoever holds the lease. A `why` is a note in the job's history.

        A wish to cancel, or a request id that was told, makes the job due now.

        Raises:
            NotFound: there is no such job.
        """
        ...

    def events(self, job_ids: Iterable[str]) -> list[Event]:
        """The history of these jobs, job by job, each in the order in which it happened."""
        ...


class JobArchive(Protocol):
    """The same rows as the chores see them: lines, waits, retention, and moving in and out. Same contract suite."""

    def line(self, provider: str) -> list[str]:
        """Ids of the jobs that wait for this provider, in the order in which they will be sent."""
        ...

    def waits(self, model: str, provider: str, last: int) -> list[float]:
        """Seconds from acceptance to the file, of the last jobs of this model that succeeded there."""
        ...

    def free_dead(self, is_dead: Callable[[str], bool], now: datetime) -> int:
        """Let the jobs go that have not ended and are leased to workers of which this is true; how many there were."""
        ...

    def restore(self, entries: Sequence[tuple[Job, Sequence[Event]]]) -> int:
        """Write whole jobs with their history, in one transaction; jobs that are there already stay. How many were new."""
        ...

    def forget(self, job_ids: Iterable[str]) -> None:
        """Delete jobs and their history."""
        ...

    def unused(self, keys: Iterable[str], besides: Set[str] = frozenset()) -> set[str]:
        """Those of these media keys that no job uses, the jobs in `besides` not counted."""
        ...
