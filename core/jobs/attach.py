"""Gives a job of unknown outcome the request id that it turned out to have, whoever found it out."""

from datetime import datetime

from core.jobs.job import Job, State, move
from core.jobs.store import JobStore

HOLD_S = 10.0  # one transaction later it is given back; a crash in between costs as much


def attach(
    store: JobStore, job_id: str, holder: str, request_id: str, now: datetime, why: str, **urls: str | None
) -> Job | None:
    """The job, followed from here on; None where another holds it at this moment, or it is gone.

    One that still stands as being sent, and that nobody holds, is of unknown outcome too: whoever sent it, or took it over,
    is gone. Any other is left as it is: it has its request id, or has ended.

    Args:
        store: where jobs are kept.
        job_id: the job.
        holder: who asks, for the lease.
        request_id: the provider's id.
        now: the time, UTC.
        why: how it was found out, for the job's history.
        urls: `status_url`, `response_url` and `cancel_url`, where the provider gave them; else they are built from the id.
    """
    held = store.hold(job_id, holder, now, HOLD_S)
    if held is None:
        return None
    if held.state not in (State.UNKNOWN, State.SUBMITTING):
        store.put_back([held], now)
        return held
    fresh = {"request_id": request_id, "status_url": None, "response_url": None, "cancel_url": None, **urls}
    known = move(held, State.QUEUED, now, error=None, lease_owner=None, lease_until=None, **fresh)
    return store.save(known, now, why)
