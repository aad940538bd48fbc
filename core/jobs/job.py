"""A job: its record, its states, and the one function that moves it from one to the next."""

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import uuid4

from pydantic import BaseModel, ConfigDict, Field

from core.errors import Charged, IllegalMove, ProviderError


class State(StrEnum):
    """Where a job is. The words are shown to users through `pages/parts/state.py`."""

    WAITING = "waiting"  # for one of our slots; nothing has been sent
    SUBMITTING = "submitting"  # written before the paid request leaves
    QUEUED = "queued"  # accepted, in the provider's line
    RUNNING = "running"
    SAVING = "saving"  # done there, being copied and checked here
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    UNKNOWN = "unknown"  # the submit's answer was lost


OPEN = frozenset({State.WAITING, State.SUBMITTING, State.QUEUED, State.RUNNING, State.SAVING})
"""States in which the worker has something to do."""

IN_FLIGHT = frozenset({State.SUBMITTING, State.QUEUED, State.RUNNING})
"""States that take up one of the provider's slots."""

ENDED = frozenset({State.SUCCEEDED, State.FAILED, State.CANCELLED})
"""States that lead nowhere else; only these are ever cleared away by age."""

NEVER = datetime(9999, 1, 1, tzinfo=UTC)
"""Due time of a job that the engine need not look at again."""

MOVES: Mapping[State, frozenset[State]] = {
    # back to waiting only where the provider cannot have accepted anything
    State.WAITING: frozenset({State.SUBMITTING, State.FAILED, State.CANCELLED}),
    # no way to cancelled: what was sent may be paid, so its answer is waited for
    State.SUBMITTING: frozenset({State.QUEUED, State.WAITING, State.FAILED, State.UNKNOWN}),
    # to unknown where the provider says that it knows no such request
    State.QUEUED: frozenset({State.RUNNING, State.SAVING, State.FAILED, State.CANCELLED, State.UNKNOWN}),
    State.RUNNING: frozenset({State.QUEUED, State.SAVING, State.FAILED, State.CANCELLED, State.UNKNOWN}),
    # to cancelled where its owner gives up on a file that does not come
    State.SAVING: frozenset({State.SUCCEEDED, State.FAILED, State.CANCELLED}),
    # to queued with a request id from the user, a webhook or the provider's records; to cancelled where its owner lets it be
    State.UNKNOWN: frozenset({State.QUEUED, State.CANCELLED}),
    State.SUCCEEDED: frozenset(),
    State.FAILED: frozenset(),
    State.CANCELLED: frozenset(),
}
"""Every legal move; `tests/test_job.py` holds the table."""


class JobError(BaseModel):
    """Why a job failed, in the user's words.

    Args:
        kind: stable word for the cause.
        message: what happened and what to change.
        field: the input field it concerns, or None.
        charged: whether it cost money.
        retryable: whether the same job, sent again, may well succeed; False where it leads to the same answer.
        raw: the provider's own words, or None.
    """

    model_config = ConfigDict(frozen=True)

    kind: str
    message: str
    field: str | None = None
    charged: Charged = Charged.NO
    retryable: bool = False
    raw: Any = None

    @classmethod
    def of(cls, error: ProviderError) -> "JobError":
        return cls(
            kind=error.kind,
            message=error.message,
            field=error.field,
            charged=error.charged,
            retryable=error.retryable,
            raw=error.raw,
        )


class Video(BaseModel):
    """The checked result, as it is stored here.

    Args:
        key: name of the MP4 in the media store.
        poster: name of its first frame as a JPEG.
        width, height: in pixels.
        duration_s: length in seconds.
        fps: frames per second.
        bytes: size of the file.
        sha256: of the file, in hex.
        comment: the label inside the file, if it has one.
    """

    model_config = ConfigDict(frozen=True)

    key: str
    poster: str
    width: int
    height: int
    duration_s: float
    fps: float
    bytes: int
    sha256: str
    comment: str = ""


class Job(BaseModel):
    """One generation: what was asked, where it stands, and what came of it. Times are UTC; money is US dollars.

    Three groups of fields are written by different hands. What was asked is written once. What may change from outside
    at any time is written by `JobStore.patch`: the owner's wishes, and the request id that a webhook names. The rest
    belongs to whoever holds the lease and is written by `JobStore.save`, which compares `fence`.

    Args:
        fingerprint: of model, place, inputs and options: the same for the same question.
        parent_id: the take that it grew out of: a retry, an edit, or one that goes on from its last frame.
        continues: whether it begins with its parent's last frame.
        rank: place among its owner's waiting jobs, least first; seconds since 1970 at first.
        told_request_id: the request id that a webhook named for this job.
        note, tags, rating: what its owner remarked, by `JobHistory.remark`.
        binned_at: when it was put into the bin, from which it is cleared after 30 days; None where it is not in there.
        trouble: the passing fault that the engine is waiting out, in the user's words; "" where there is none.
        faults: how many of those came in a row.
        cancel_answer: what the provider said to a cancel: "" not asked yet, "requested" or "too_late".
        usual_s, slow_s: seconds from acceptance to the file in which such jobs are usually, and nearly always, done;
            set at acceptance, from this installation's own history where there is one.
    """

    model_config = ConfigDict(frozen=True)

    # what was asked
    id: str = Field(default_factory=lambda: str(uuid4()))
    owner: str
    model: str
    provider: str
    endpoint: str
    prompt: str = ""
    inputs: dict[str, Any] = Field(default_factory=dict)
    options: dict[str, Any] = Field(default_factory=dict)
    fingerprint: str | None = None
    nonce: str | None = None
    parent_id: str | None = None
    continues: bool = False
    still: str | None = None
    estimate_low_usd: float | None = None
    cost_estimate_usd: float | None = None
    cost_basis: str = ""
    created_at: datetime

    # from outside, at any time
    cancel_requested: bool = False
    rank: float = 0.0
    starred: bool = False
    told_request_id: str | None = None
    note: str = ""
    tags: tuple[str, ...] = ()
    rating: int | None = Field(None, ge=1, le=5)
    binned_at: datetime | None = None

    # where it stands
    state: State = State.WAITING
    uploads: dict[str, str] = Field(default_factory=dict)
    request_id: str | None = None
    status_url: str | None = None
    response_url: str | None = None
    cancel_url: str | None = None
    position: int | None = None
    progress: float | None = None
    eta_s: float | None = None
    stage: str = ""
    trouble: str = ""
    faults: int = 0
    cancel_sent: bool = False
    cancel_answer: str = ""
    logs: list[str] = Field(default_factory=list)
    output: dict[str, Any] | None = None
    submitted_at: datetime | None = None
    started_at: datetime | None = None
    usual_s: float | None = None
    slow_s: float | None = None

    # what came of it
    error: JobError | None = None
    video: Video | None = None
    finished_at: datetime | None = None

    # the engine's
    due_at: datetime
    lease_owner: str | None = None
    lease_until: datetime | None = None
    fence: int = 0
    version: int = 0
    updated_at: datetime

    @property
    def is_open(self) -> bool:
        return self.state in OPEN

    @property
    def late_at(self) -> datetime | None:
        """When an accepted job becomes overdue; it is followed all the same. None where it is not under way."""
        if self.slow_s is None or self.submitted_at is None or not self.is_open:
            return None
        return self.submitted_at + timedelta(seconds=self.slow_s)

    def with_(self, **changes: Any) -> "Job":
        """A copy with these fields changed. `state` goes through `move`."""
        assert "state" not in changes, "use move()"
        return self.model_copy(update=changes)

    def public(self) -> dict[str, Any]:
        """The job as the command line and exports give it: no lease, no cookie, no provider URL."""
        hidden = {
            "nonce", "uploads", "status_url", "response_url", "cancel_url", "output", "due_at", "lease_owner",
            "lease_until", "fence", "version", "cancel_sent", "fingerprint", "rank", "told_request_id",
        }  # fmt: skip
        return self.model_dump(mode="json", exclude=hidden)


class Event(BaseModel):
    """One line of a job's history: when it moved, from where to where, and why.

    A note has the same state on both sides: a cancel that was asked for, an answer of the provider.
    """

    model_config = ConfigDict(frozen=True)

    job_id: str
    at: datetime
    from_state: State | None
    to_state: State
    why: str = ""


def move(job: Job, to: State, now: datetime, **changes: Any) -> Job:
    """The job in its next state. The only way a state changes.

    Args:
        job: the job as it stands.
        to: the state to move to; moving to the state it is in is allowed and only applies the changes.
        now: the time, UTC.
        changes: other fields that change with it.

    Raises:
        IllegalMove: the table has no such move.
    """
    if to is not job.state and to not in MOVES[job.state]:
        raise IllegalMove(f"A job that is {job.state} cannot become {to}.")
    stamps: dict[str, Any] = {}
    if to is not job.state:
        stamps = {"trouble": "", "faults": 0, "due_at": now, "stage": "", "progress": None, "eta_s": None}
        if to is State.SUBMITTING or (to is State.QUEUED and job.submitted_at is None):
            stamps["submitted_at"] = now
        if to is State.RUNNING and job.started_at is None:
            stamps["started_at"] = now
        if to is not State.QUEUED:
            stamps["position"] = None
        if to not in OPEN:
            stamps["finished_at"] = now
        elif job.finished_at is not None:
            stamps["finished_at"] = None
    return job.model_copy(update={**stamps, **changes, "state": to})


def fingerprint(model: str, provider: str, endpoint: str, inputs: Mapping[str, Any], options: Mapping[str, Any]) -> str:
    """A short name for what is asked: the same for the same question, whoever asks. Media are named by their content."""
    asked = [model, provider, endpoint, dict(inputs), dict(options)]
    text = json.dumps(asked, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def utc_now() -> datetime:
    """The time, UTC-aware. Called at the edges only; everything inside takes `now` as an argument."""
    return datetime.now(UTC)


def backoff(faults: int, *, base_s: float, cap_s: float, jitter: float) -> timedelta:
    """Wait before the next try: doubles with every fault.

    Args:
        faults: tries that failed in a row, 1 or more.
        base_s: wait after the first.
        cap_s: longest wait.
        jitter: a number from 0 to 1, so that many jobs do not come back at once; 0.5 gives the plain value.
    """
    plain = min(base_s * 2 ** min(faults - 1, 20), cap_s)
    return timedelta(seconds=plain * (0.75 + 0.5 * jitter))
