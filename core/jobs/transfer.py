"""Moves jobs out of an installation and into another, as JSON lines. What comes in is never sent to a provider.

A line is `{"takes": 1, "job": {…}, "events": […]}`: a job as it stands, without what only its own engine needs, and its
history. Files of jobs are not in it; they lie under `DATA_DIR/media` and are copied as they are.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import Any, BinaryIO, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from core.errors import Charged, InvalidInput
from core.jobs.files import media_keys
from core.jobs.job import NEVER, Event, Job, JobError, State, Video, move
from core.jobs.store import JobArchive, JobQuery, JobStore
from core.media.store import MediaStore

FORMAT = 1
LEFT_OUT = frozenset({"nonce", "lease_owner", "lease_until", "fence", "version"})
"""Fields of a job that mean nothing elsewhere."""

PAGE = 500  # jobs that are in memory at once while they leave; a page of them is read in about 40 ms
BATCH = 2000  # jobs in one transaction of an import: others wait half a second for it, and fewer save disk writes
TOLD = 5  # lines that a message names; whoever has mended those tries again
OLDEST = datetime(1970, 1, 1, tzinfo=UTC)
LARGEST = 2**63 - 1  # whole number that a database keeps

Entry = tuple[Job, Sequence[Event]]


@dataclass
class Imported:
    """What an import came to.

    Args:
        jobs: lines that were read.
        new: of these, jobs that were written; the others were there already and stay as they are.
        not_sent: new jobs that had waited, and are cancelled here.
        unknown: new jobs that were being sent, and whose outcome is unknown here.
        followed: new jobs that are with their provider, and are followed from here on.
        missing_files: stored files of new jobs that are not here.
    """

    jobs: int = 0
    new: int = 0
    not_sent: int = 0
    unknown: int = 0
    followed: int = 0
    missing_files: int = 0


# --- out --------------------------------------------------------------------------------------------------------------


def pages(store: JobStore, state: State | None = None) -> Iterator[list[Job]]:
    """All jobs, or those in one state, newest first, a page at a time."""
    before: tuple[datetime, str] | None = None
    states = frozenset({state}) if state else None
    while page := store.find(JobQuery(states=states, before=before, limit=PAGE)):
        yield page
        before = (page[-1].created_at, page[-1].id)


def to_jsonl(store: JobStore, state: State | None = None) -> Iterator[str]:
    """One line a job, each with its line break, newest first."""
    for page in pages(store, state):
        yield from lines(store, page)


def lines(store: JobStore, jobs: Iterable[Job]) -> Iterator[str]:
    """One line for each of these jobs, in this order; their histories are read at once."""
    histories: dict[str, tuple[Job, list[Event]]] = {job.id: (job, []) for job in jobs}
    for event in store.events(histories):
        histories[event.job_id][1].append(event)
    for job, events in histories.values():
        yield line(job, events)


def line(job: Job, events: Sequence[Event]) -> str:
    """A job and its history as one line, with its line break."""
    known = list(events)
    while known and known[-1].to_state is not job.state:
        known.pop()  # it moved on after the job was read; what is told ends where the job stands
    told = ",".join(event.model_dump_json(exclude={"job_id"}) for event in known)
    return f'{{"takes":{FORMAT},"job":{job.model_dump_json(exclude=set(LEFT_OUT))},"events":[{told}]}}\n'


# --- in ---------------------------------------------------------------------------------------------------------------


_STRICT = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


def _moment(value: datetime | None) -> datetime | None:
    if value is not None and (value.tzinfo is None or not OLDEST <= value <= NEVER):
        raise ValueError("give times between 1970 and 9999 with their zone, as 2026-11-23T09:30:00Z")
    return value


class _Video(Video):
    model_config = _STRICT


class _Error(JobError):
    model_config = _STRICT


class _Job(Job):
    """A job as a line holds it: nothing unknown, nothing that a store cannot keep, nothing that the engine would trip over."""

    model_config = _STRICT

    id: str = Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")  # names files and folders
    error: _Error | None = None
    video: _Video | None = None

    _moments = field_validator("created_at", "submitted_at", "started_at", "finished_at", "due_at", "updated_at")(
        _moment
    )

    @field_validator("position", "faults")
    @classmethod
    def _whole(cls, value: int | None) -> int | None:
        if value is not None and not 0 <= value <= LARGEST:
            raise ValueError("this number is too large or too small")
        return value

    @field_validator("inputs", "options", "output", "error")
    @classmethod
    def _plain(cls, value: Any) -> Any:
        json.dumps(value.raw if isinstance(value, JobError) else value, allow_nan=False)
        return value

    @model_validator(mode="after")
    def _stands(self) -> "_Job":
        if strange := self.model_fields_set & LEFT_OUT:
            raise ValueError(f"{min(strange)} does not belong into a file")
        if self.state is State.SAVING and not (self.output and isinstance(self.output.get("location"), str)):
            raise ValueError("it is being saved, and its output names no location")
        return self


class _Event(BaseModel):
    model_config = _STRICT

    at: datetime
    from_state: State | None
    to_state: State
    why: str = ""


class _Line(BaseModel):
    model_config = _STRICT

    takes: Literal[1]
    job: _Job
    events: list[_Event]

    @model_validator(mode="after")
    def _chains(self) -> "_Line":
        stood: State | None = None
        for event in self.events:
            _moment(event.at)
            if event.from_state is not stood:
                raise ValueError(f"its history goes from {stood or 'nothing'} to {event.from_state or 'nothing'}")
            stood = event.to_state
        if self.events and stood is not self.job.state:
            raise ValueError(f"its history ends at {stood}, and the job is {self.job.state}")
        return self


class _Checked(BaseModel):
    """A line that was read as a `_Line` before: the same, without looking at everything a second time."""

    job: Job
    events: list[_Event]

    def entry(self) -> Entry:
        """The job and its history."""
        name = self.job.id
        return self.job, [
            Event.model_construct(job_id=name, at=e.at, from_state=e.from_state, to_state=e.to_state, why=e.why)
            for e in self.events
        ]


def load(store: JobStore, archive: JobArchive, media: MediaStore, source: BinaryIO, now: datetime) -> Imported:
    """Write the jobs of a file. All of it is read and checked before the first is written.

    Jobs that are there already stay as they are, so an import that was cut short is simply run again. Nothing that
    comes in is ever sent to a provider: see `settled`.

    Args:
        store: the jobs.
        archive: the same jobs.
        media: the files, to tell which are missing.
        source: JSON lines, at their beginning; they are read twice.
        now: the time, UTC.

    Raises:
        InvalidInput: lines cannot be read; the message names the first five, and nothing was written.
    """
    _check(source)
    source.seek(0)
    came = Imported()
    absent: set[str] = set()
    lines = (_Checked.model_validate_json(text) for text in source if text.strip())
    for batch in _batches(read.entry() for read in lines):
        fresh = [entry for entry in batch if store.get(entry[0].id) is None]
        entries = [settled(job, events, now) for job, events in fresh]
        came.jobs += len(batch)
        came.new += archive.restore(entries)
        for (before, _), (job, _) in zip(fresh, entries, strict=True):
            came.not_sent += job.state is State.CANCELLED and before.state is not State.CANCELLED
            came.unknown += job.state is State.UNKNOWN and before.state is not State.UNKNOWN
            came.followed += job.is_open
            absent.update(key for key in media_keys(job) if media.stat(key) is None)
    came.missing_files = len(absent)
    return came


def settled(job: Job, events: Sequence[Event], now: datetime) -> Entry:
    """A job as it may stand in another installation: nothing that would be sent, and so perhaps paid a second time.

    What waited is cancelled. What was being sent, or has no request id to follow, is of unknown outcome. What a webhook
    has told to be accepted is followed, and so is what is with its provider; that is free. The rest stays as it is.
    """
    match job.state:
        case State.WAITING | State.SUBMITTING if job.told_request_id:
            if job.state is State.WAITING:
                job, events = _moved(job, events, State.SUBMITTING, now, "it was accepted after all")
            why = "imported; its webhook had told the request id"
            return _moved(job, events, State.QUEUED, now, why, request_id=job.told_request_id)
        case State.WAITING:
            error = JobError(kind="imported", message="Imported while it waited; it was not sent.", retryable=True)
            return _moved(job, events, State.CANCELLED, now, "imported while it waited; it was not sent", error=error)
        case State.SUBMITTING:
            return _lost(job, events, now, "imported while it was being sent")
        case State.QUEUED | State.RUNNING if not job.request_id:
            return _lost(job, events, now, "imported without a request id")
    return job, events


def _lost(job: Job, events: Sequence[Event], now: datetime, why: str) -> Entry:
    error = JobError(
        kind="imported",
        message=f"{why.capitalize()}, so it is not known here whether it was accepted. It is not sent again by itself.",
        charged=Charged.NO if job.cost_estimate_usd == 0 else Charged.MAYBE,
    )
    return _moved(job, events, State.UNKNOWN, now, why, error=error, due_at=NEVER)


def _moved(job: Job, events: Sequence[Event], to: State, now: datetime, why: str, **changes: Any) -> Entry:
    event = Event(job_id=job.id, at=now, from_state=job.state, to_state=to, why=why)
    return move(job, to, now, updated_at=now, **changes), [*events, event]


def fill(archive: JobArchive, entries: Iterable[Entry]) -> int:
    """Write whole jobs just as they are, in batches; how many were new. For stores that are made up: benches, samples."""
    return sum(archive.restore(batch) for batch in _batches(entries))


def _check(source: BinaryIO) -> None:
    """Read every line. Raises InvalidInput with what is wrong."""
    faults: list[str] = []
    seen: dict[str, int] = {}
    wrong = 0
    for number, text in enumerate(source, 1):
        try:
            read = _read(number, text)
            if read is not None and (first := seen.setdefault(read.job.id, number)) != number:
                raise InvalidInput(f"line {number}: the job {read.job.id} is in line {first} already")
        except InvalidInput as exc:
            wrong += 1
            if len(faults) < TOLD:
                faults.append(exc.message)
    if wrong:
        more = [f"and {wrong - TOLD} more"] if wrong > TOLD else []
        told = "1 line cannot be read" if wrong == 1 else f"{wrong} lines cannot be read"
        raise InvalidInput("\n".join([f"Nothing was imported: {told}.", *faults, *more]))


def _read(number: int, text: bytes) -> _Line | None:
    """One line, or None where it is empty. Raises InvalidInput with the first thing that is wrong, never with a value."""
    if not text.strip():
        return None
    try:
        return _Line.model_validate_json(text)
    except ValidationError as exc:
        faults = exc.errors(include_url=False, include_context=False, include_input=False)
    strange = next((fault for fault in faults if fault["loc"] == ("takes",) and fault["type"] == "literal_error"), None)
    if strange:
        raise InvalidInput(f"line {number}: this is another version of the format; here, “takes” is {FORMAT}")
    where = ".".join(str(part) for part in faults[0]["loc"])
    said = faults[0]["msg"].removeprefix("Value error, ")
    raise InvalidInput(f"line {number}: {where}: {said}" if where else f"line {number}: {said}")


def _batches(entries: Iterable[Entry]) -> Iterator[list[Entry]]:
    left = iter(entries)
    while batch := list(islice(left, BATCH)):
        yield batch
