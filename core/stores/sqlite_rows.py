"""A job as a row of SQLite, and how a row is written: only what changed, with its version and its event."""

import json
import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from operator import attrgetter
from typing import Any

from pydantic_core import to_json

from core.errors import IllegalMove, NotFound, StaleJob
from core.jobs.files import media_keys
from core.jobs.job import MOVES, Event, Job, State
from core.jobs.store import Wishes
from core.stores.search import aspect, fold, token
from core.stores.sqlite_file import from_text, next_version, to_text

COLUMNS = tuple(Job.model_fields)
JSON_COLUMNS = frozenset({"inputs", "options", "tags", "uploads", "logs", "output", "error", "video"})
TIME_COLUMNS = frozenset(
    {"created_at", "binned_at", "submitted_at", "started_at", "finished_at", "due_at", "lease_until", "updated_at"}
)
OUTSIDE = tuple(Wishes.__dataclass_fields__)
HOLDERS = tuple(  # what the lease holder writes: all but what was asked and what the owner writes
    name for name in COLUMNS[COLUMNS.index("state") :] if name not in ("fence", "version", "updated_at")
)
SAVED = ", ".join(("fence", "version", "updated_at", *OUTSIDE, *HOLDERS))
UNSEEN = frozenset({"due_at", "lease_owner", "lease_until", "uploads", "faults", "cancel_sent"})
"""Columns that a page does not show: a change in them alone is no news."""

_ALL, _HELD = attrgetter(*COLUMNS), attrgetter(*HOLDERS)

SHOWN = ("seq", "aspect", "duration_s")  # columns that the history is read by, and that a job does not hold itself
INSERT = f"insert into jobs ({', '.join((*COLUMNS, *SHOWN))}) values ({', '.join('?' * len((*COLUMNS, *SHOWN)))})"  # noqa: S608

WORDS = "insert into words (rowid, prompt, negative, note, tags, error, who) values (?, ?, ?, ?, ?, ?, ?)"
UNREAD = "insert or ignore into unread (seq) values (?)"
UNREAD_AGAIN = "insert or ignore into unread (seq) select seq from jobs where id = ?"
PLACES = 1000  # jobs that one microsecond has room for in the history

EVENT = "insert into events (job_id, seq, at, from_state, to_state, why) values (?, ?, ?, ?, ?, ?)"


def insert(db: sqlite3.Connection, job: Job) -> None:
    """Write a new row, and which files it uses. Its words wait for the next search: they would double the time this takes."""
    seq = _free_seq(db, job.created_at)
    duration_s = job.video.duration_s if job.video else None
    db.execute(INSERT, (*map(_cell, COLUMNS, _ALL(job)), seq, aspect(job), duration_s))
    _note_uses(db, job)
    db.execute(UNREAD, (seq,))


def save(db: sqlite3.Connection, job: Job, now: datetime, why: str) -> Job:
    """Write what differs from the row, inside a transaction; the job as it stands then. See `JobStore.save`."""
    found = db.execute(f"select {SAVED} from jobs where id = ?", (job.id,)).fetchone()  # noqa: S608
    if found is None:
        raise NotFound("This job was deleted.")
    row = dict(zip(found.keys(), found, strict=True))
    if row["fence"] != job.fence:
        raise StaleJob("This job has moved on in the meantime.")
    before = State(row["state"])
    if job.state is not before and job.state not in MOVES[before]:
        raise IllegalMove(f"A job that is {before} cannot become {job.state}.")
    new = dict(zip(HOLDERS, map(_cell, HOLDERS, _HELD(job)), strict=True))
    if (row["cancel_requested"] and not job.cancel_requested) or row["told_request_id"] != job.told_request_id:
        new["due_at"] = min(new["due_at"], to_text(now))  # a wish that this step has not seen is seen to at once
    changed = {name: value for name, value in new.items() if value != row[name]}
    stamps: dict[str, Any] = {name: bool(row[name]) for name in ("cancel_requested", "starred")}
    stamps |= {"rank": row["rank"], "told_request_id": row["told_request_id"], "version": row["version"]}
    stamps["updated_at"] = from_text(row["updated_at"])
    if "video" in changed and job.video is not None:
        changed |= {"aspect": aspect(job), "duration_s": job.video.duration_s}
    if changed.keys() - UNSEEN:
        stamps |= {"version": next_version(db), "updated_at": now}
        changed |= {"version": stamps["version"], "updated_at": to_text(now)}
    if changed:
        sets = ", ".join(f"{name} = ?" for name in changed)
        db.execute(f"update jobs set {sets} where id = ?", (*changed.values(), job.id))  # noqa: S608
    if "video" in changed:
        _note_uses(db, job)
    if "error" in changed:
        db.execute(UNREAD_AGAIN, (job.id,))
    if job.state is not before or why:
        add_event(db, Event(job_id=job.id, at=now, from_state=before, to_state=job.state, why=why))
    return job.model_copy(update=stamps)


def read_words(db: sqlite3.Connection, most: int) -> int:
    """Take the words of rows that are new, or whose texts have changed, into the search; how many rows that were."""
    seqs = [row[0] for row in db.execute("select seq from unread limit ?", (most,))]
    for seq in seqs:
        row = db.execute("select * from jobs where seq = ?", (seq,)).fetchone()
        db.execute("delete from words where rowid = ?", (seq,))
        if row is not None:
            db.execute(WORDS, _words(seq, to_job(row)))
        db.execute("delete from unread where seq = ?", (seq,))
    return len(seqs)


def _words(seq: int, job: Job) -> tuple[Any, ...]:
    """The values of `WORDS`: what a take can be found by."""
    who = " ".join(token(name) for name in (job.owner, job.model, job.provider))
    texts = (job.prompt, str(job.inputs.get("negative_prompt") or ""), job.note, " ".join(job.tags))
    return (seq, *map(fold, texts), fold(job.error.message) if job.error else "", who)


def seq_at(moment: datetime) -> int:
    """The first place in the history of a moment: its microseconds since 1970, times a thousand."""
    since = moment.astimezone(UTC) - datetime(1970, 1, 1, tzinfo=UTC)
    return (since // timedelta(microseconds=1)) * PLACES


def _free_seq(db: sqlite3.Connection, created_at: datetime) -> int:
    first = seq_at(created_at)
    row = db.execute("select max(seq) from jobs where seq between ? and ?", (first, first + PLACES - 1)).fetchone()
    return first if row[0] is None else int(row[0]) + 1


def _note_uses(db: sqlite3.Connection, job: Job) -> None:
    found = [(key, job.id) for key in media_keys(job)]
    db.executemany("insert or ignore into uses (key, job_id) values (?, ?)", found)


def add_event(db: sqlite3.Connection, event: Event) -> None:
    """Add a line to a job's history."""
    last = db.execute("select coalesce(max(seq), 0) from events where job_id = ?", (event.job_id,)).fetchone()[0]
    db.execute(EVENT, event_row(event, last + 1))


def event_row(event: Event, seq: int) -> tuple[Any, ...]:
    """The values of `EVENT`."""
    return (event.job_id, seq, to_text(event.at), event.from_state, event.to_state, event.why)


def _cell(name: str, value: Any) -> Any:
    """One value of a job as SQLite keeps it."""
    write = None if value is None else _WRITERS.get(name)
    return value if write is None else write(value)


def _to_json(value: Any) -> str:
    return to_json(value).decode()


_WRITERS: dict[str, Callable[[Any], str]] = dict.fromkeys(TIME_COLUMNS, to_text) | dict.fromkeys(JSON_COLUMNS, _to_json)


def to_job(row: sqlite3.Row) -> Job:
    """The job that a whole row holds."""
    values = dict(zip(row.keys(), row, strict=True))  # row[name] would search the names for each of them
    values |= {name: json.loads(values[name]) for name in JSON_COLUMNS if values[name] is not None}
    return Job.model_validate(values)
