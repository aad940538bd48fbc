"""What people do with jobs that exist: look, cancel, star, reorder, and settle those of unknown outcome."""

import logging
import re
import time
from collections.abc import Mapping
from typing import Literal, NoReturn

from core.errors import Charged, InvalidInput, NotFound
from core.jobs.attach import HOLD_S, attach
from core.jobs.family import Family, family
from core.jobs.job import ENDED, Event, Job, JobError, State, move, utc_now
from core.jobs.pace import LAST, Pace, pace
from core.jobs.store import JobArchive, JobQuery, JobStore, Wishes
from core.models import MODELS
from core.providers.base import Provider

log = logging.getLogger("takes.jobs")

REQUEST_ID = re.compile(
    r"[A-Za-z0-9][A-Za-z0-9_-]{7,99}"
)  # fal's are UUIDs; nothing that could leave the path of a URL
PACE_KEPT_S = 15.0  # figures of 50 jobs do not change from one refresh to the next
LONGEST_LINE = 10_000  # waiting jobs of one owner that can be reordered

Where = Literal["first", "earlier", "later", "last"]


class Desk:
    """Jobs as their owners handle them. `owner` None is the operator at the command line.

    Args:
        store: the jobs.
        archive: the same jobs, for lines and waits.
        providers: by name.
    """

    def __init__(self, store: JobStore, archive: JobArchive, providers: Mapping[str, Provider]) -> None:
        self._store = store
        self._archive = archive
        self._providers = providers
        self._paces: dict[tuple[str, str], tuple[float, Pace]] = {}

    # --- looking ------------------------------------------------------------------------------------------------------

    def get(self, owner: str | None, job_id: str) -> Job:
        """A job.

        Raises:
            NotFound: there is none, or it is somebody else's.
        """
        job = self._store.get(job_id)
        if job is None or (owner is not None and job.owner != owner):
            raise NotFound("There is no such take. It may have been made in another browser, or deleted.")
        return job

    def jobs(self, query: JobQuery) -> list[Job]:
        """The jobs that match."""
        return self._store.find(query)

    def history(self, owner: str | None, job_id: str) -> list[Event]:
        """When a job moved, and why. Raises NotFound."""
        return self._store.events([self.get(owner, job_id).id])

    def family(self, owner: str | None, job: Job) -> Family:
        """A take among its relatives; others' takes are left out, and so is what was deleted. See `core.jobs.family`."""
        return family(self._store, owner, job)

    def has_provider(self, name: str) -> bool:
        """Whether jobs of this provider can be worked on here."""
        return name in self._providers

    def places_in_line(self, provider: str) -> dict[str, int]:
        """The jobs that wait for one of our slots at this provider: their ids, and how many are ahead of each."""
        return {job_id: ahead for ahead, job_id in enumerate(self._archive.line(provider))}

    def pace(self, model: str, provider: str) -> Pace:
        """How long a job of this model usually takes there: from the last 50 here, else as stated."""
        kept = self._paces.get((model, provider))
        if kept and time.monotonic() - kept[0] < PACE_KEPT_S:
            return kept[1]
        where, spec = self._providers.get(provider), MODELS.get(model)
        stated = where.wait_s(spec) if where and spec else (0.0, 3600.0)  # an hour: nothing is known of what is gone
        figures = pace(self._archive.waits(model, provider, LAST), stated)
        self._paces[model, provider] = (time.monotonic(), figures)
        return figures

    # --- wishes -------------------------------------------------------------------------------------------------------

    def cancel(self, owner: str | None, job_id: str) -> Job:
        """Ask for a job's end; what that came to stands in the job (`core.jobs.truth`).

        At once and free while it waits here. With the provider, the worker passes it on. A job that is being saved is
        paid: only where its file does not come can it be given up. One of unknown outcome is let be.

        Raises:
            NotFound: there is no such job.
            InvalidInput: a worker has its hands on what would be given up.
        """
        job = self.get(owner, job_id)
        if job.state in ENDED:
            return job
        match job.state:
            case State.WAITING if not job.told_request_id:
                error = JobError(kind="cancelled", message="Cancelled before anything was sent.")
                ended = self._end(job, "cancelled before anything was sent", error)
            case State.SAVING:
                if not job.faults:
                    return job
                message = "Given up: the finished video could not be fetched."
                error = JobError(kind="given_up", message=message, charged=Charged.YES, retryable=True)
                return self._end(job, "given up by its owner", error) or self._busy()
            case State.UNKNOWN:
                message = "Let be, while it was not known whether it had been accepted."
                error = JobError(kind="let_be", message=message, charged=Charged.MAYBE, retryable=True)
                return self._end(job, "let be by its owner", error) or self._busy()
            case _:
                ended = None
        if ended is not None or job.cancel_requested:
            return ended or job
        return self._store.patch(job.id, utc_now(), Wishes(cancel_requested=True), "cancel asked for")

    def _end(self, job: Job, why: str, error: JobError) -> Job | None:
        """Cancel a job that nobody works on at this moment; None where somebody does, or it has moved."""
        now = utc_now()
        held = self._store.hold(job.id, "owner", now, HOLD_S)
        if held is None:
            return None
        if held.state is not job.state or held.told_request_id != job.told_request_id:
            self._store.put_back([held], now)
            return None
        gone = move(held, State.CANCELLED, now, lease_owner=None, lease_until=None, error=error)
        return self._store.save(gone, now, why)

    def _busy(self) -> NoReturn:
        raise InvalidInput("This take is being looked up at this moment. Try again in a few seconds.")

    def star(self, owner: str | None, job_id: str, starred: bool) -> Job:
        """Mark a take as a favourite, which retention never deletes. Raises NotFound."""
        return self._store.patch(self.get(owner, job_id).id, utc_now(), Wishes(starred=starred))

    def move_in_line(self, owner: str | None, job_id: str, where: Where) -> Job:
        """Put a waiting job before or behind other waiting jobs of its owner; other people's are not touched.

        Raises:
            NotFound: there is no such job.
            InvalidInput: it does not wait any more.
        """
        job = self.get(owner, job_id)
        if job.state is not State.WAITING:
            raise InvalidInput("This take no longer waits here, so its place cannot be changed.")
        waiting = self._store.find(JobQuery(owner=job.owner, states=frozenset({State.WAITING}), limit=LONGEST_LINE))
        mine = sorted(
            (other for other in waiting if other.provider == job.provider),
            key=lambda other: (other.rank, other.created_at, other.id),
        )
        at = next((place for place, other in enumerate(mine) if other.id == job.id), None)
        if at is None:
            return job  # it was sent at this moment
        now = utc_now()
        match where:
            case "first" if at > 0:
                return self._store.patch(job.id, now, Wishes(rank=mine[0].rank - 1))
            case "last" if at < len(mine) - 1:
                return self._store.patch(job.id, now, Wishes(rank=mine[-1].rank + 1))
            case "earlier" if at > 0:
                return self._between(job, mine[at - 2].rank if at > 1 else mine[0].rank - 2, mine[at - 1].rank)
            case "later" if at < len(mine) - 1:
                beyond = mine[at + 2].rank if at + 2 < len(mine) else mine[-1].rank + 2
                return self._between(job, mine[at + 1].rank, beyond)
        return job

    def _between(self, job: Job, low: float, high: float) -> Job:
        return self._store.patch(job.id, utc_now(), Wishes(rank=(low + high) / 2))

    # --- unknown outcomes -----------------------------------------------------------------------------------------------

    def attach(self, owner: str | None, job_id: str, request_id: str) -> Job:
        """Give a job of unknown outcome the request id that its owner found at the provider; it is followed from there.

        Raises:
            NotFound: there is no such job.
            InvalidInput: that is no request id, or the job has one.
        """
        job = self.get(owner, job_id)
        given = request_id.strip()
        if not REQUEST_ID.fullmatch(given):
            raise InvalidInput(
                "That is no request id. Copy it from fal.ai/dashboard: it looks like 764cabcf-b745-4b3e-…"
            )
        if job.state is not State.UNKNOWN:
            raise InvalidInput("Only a take of unknown outcome takes a request id; this one is known.")
        known = attach(self._store, job.id, "owner", given, utc_now(), "its owner attached the request id")
        if known is None:
            self._busy()
        return known

    def told(self, job_id: str, request_id: str) -> None:
        """A webhook of the provider names the request that a job has become. Harmless however often it is said."""
        job = self._store.get(job_id)
        if job is None or job.state in ENDED or job.told_request_id == request_id:
            return
        if job.request_id not in (None, request_id) and job.state is not State.UNKNOWN:
            log.warning("job %s is request %s; a webhook names another", job.id, job.request_id)
            return
        now = utc_now()
        if job.state is State.UNKNOWN:
            attach(self._store, job.id, "webhook", request_id, now, "its webhook told the request id")
        self._store.patch(job.id, now, Wishes(told_request_id=request_id))
