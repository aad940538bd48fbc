"""Jobs in one SQLite file: the embedded default of the JobStore protocol."""

import json
import queue
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from importlib import resources
from pathlib import Path
from typing import Any

from core.errors import NotFound, StaleJob, StorageFull
from core.jobs.job import IN_FLIGHT, Event, Job, State
from core.jobs.store import JobQuery

BUSY_MS = 10_000  # how long a writer waits for another; every transaction here is far shorter

FULL = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_WRITE)
"""What SQLite says where a page cannot be written."""

COLUMNS = tuple(Job.model_fields)
JSON_COLUMNS = frozenset({"inputs", "options", "uploads", "logs", "output", "error", "video"})
TIME_COLUMNS = frozenset(
    {"created_at", "submitted_at", "started_at", "finished_at", "due_at", "lease_until", "updated_at"}
)
HOLDERS = tuple(  # what the lease holder writes: all but what was asked and what the owner writes
    name for name in COLUMNS[COLUMNS.index("state") :] if name not in ("fence", "version", "updated_at")
)
UNSEEN = frozenset({"due_at", "lease_owner", "lease_until", "uploads", "faults", "cancel_sent"})
"""Columns that a page does not show: a change in them alone is no news."""


class SqliteJobStore:
    """Implements JobStore (`core/jobs/store.py`) on one file with a write-ahead log. Safe to share between threads and processes.

    Args:
        path: the database file; made with its tables if it is not there.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._idle: queue.LifoQueue[sqlite3.Connection] = queue.LifoQueue()
        path.parent.mkdir(parents=True, exist_ok=True)
        with self._connection() as db:
            migrate(db)

    def close(self) -> None:
        """Close every idle connection."""
        while True:
            try:
                self._idle.get_nowait().close()
            except queue.Empty:
                return

    # --- JobStore -------------------------------------------------------------------------------------------------

    def add(self, job: Job) -> Job:
        with self._write(durable=True) as db:
            if job.nonce is not None:
                twin = db.execute("select * from jobs where owner = ? and nonce = ?", (job.owner, job.nonce)).fetchone()
                if twin:
                    return _job(twin)
            job = job.model_copy(update={"version": _next_version(db)})
            row = _row(job)
            marks = ", ".join("?" * len(row))
            db.execute(f"insert into jobs ({', '.join(row)}) values ({marks})", tuple(row.values()))  # noqa: S608
            _add_event(
                db, Event(job_id=job.id, at=job.created_at, from_state=None, to_state=job.state, why="asked for")
            )
        return job

    def get(self, job_id: str) -> Job | None:
        with self._connection() as db:
            row = db.execute("select * from jobs where id = ?", (job_id,)).fetchone()
        return _job(row) if row else None

    def find(self, query: JobQuery) -> list[Job]:
        where: list[str] = ["1"]
        values: list[Any] = []
        if query.owner is not None:
            where.append("owner = ?")
            values.append(query.owner)
        if query.model is not None:
            where.append("model = ?")
            values.append(query.model)
        if query.states is not None:
            where.append(f"state in ({', '.join('?' * len(query.states))})")
            values.extend(query.states)
        order = "created_at desc, id desc"
        if query.changed_since is not None:
            where.append("version > ?")
            values.append(query.changed_since)
            order = "version"
        if query.before is not None:
            where.append("(created_at, id) < (?, ?)")
            values.extend((_text(query.before[0]), query.before[1]))
        sql = f"select * from jobs where {' and '.join(where)} order by {order} limit ?"  # noqa: S608  fixed texts only
        with self._connection() as db:
            return [_job(row) for row in db.execute(sql, (*values, query.limit))]

    def claim(self, worker: str, now: datetime, lease_s: float, slots: Mapping[str, int], limit: int) -> list[Job]:
        at = _text(now)
        until = _text(now + timedelta(seconds=lease_s))
        with self._write() as db:
            wanted = [row["id"] for row in db.execute(_DUE, (at, at, limit))]
            for provider, most in slots.items():
                room = limit - len(wanted)
                if room <= 0:
                    break
                busy = db.execute(_BUSY, (provider, at)).fetchone()[0]
                free = min(most - busy, room)
                if free > 0:
                    wanted += [row["id"] for row in db.execute(_NEXT, (provider, provider, at, at, free))]
            claimed = []
            for job_id in wanted:
                row = db.execute(_LEASE, (worker, until, job_id)).fetchone()
                claimed.append(_job(row))
        return claimed

    def save(self, job: Job, now: datetime, why: str = "") -> Job:
        with self._write(durable=True) as db:
            row = db.execute("select * from jobs where id = ?", (job.id,)).fetchone()
            if row is None:
                raise NotFound("This job was deleted.")
            if row["fence"] != job.fence:
                raise StaleJob("This job has moved on in the meantime.")
            new = _row(job)
            changed = {name: new[name] for name in HOLDERS if new[name] != row[name]}
            if changed.keys() - UNSEEN:
                changed["version"] = _next_version(db)
                changed["updated_at"] = _text(now)
            if changed:
                sets = ", ".join(f"{name} = ?" for name in changed)
                db.execute(f"update jobs set {sets} where id = ?", (*changed.values(), job.id))  # noqa: S608
            if row["state"] != job.state:
                event = Event(job_id=job.id, at=now, from_state=State(row["state"]), to_state=job.state, why=why)
                _add_event(db, event)
            fresh = db.execute("select * from jobs where id = ?", (job.id,)).fetchone()
        return _job(fresh)

    def patch(self, job_id: str, now: datetime, *, cancel_requested: bool) -> Job:
        with self._write() as db:
            row = db.execute(
                "update jobs set cancel_requested = ?, due_at = min(due_at, ?), version = ?, updated_at = ? where id = ? returning *",
                (int(cancel_requested), _text(now), _next_version(db), _text(now), job_id),
            ).fetchone()
        if row is None:
            raise NotFound("There is no such job.")
        return _job(row)

    def events(self, job_ids: Iterable[str]) -> list[Event]:
        ids = tuple(job_ids)
        sql = f"select * from events where job_id in ({', '.join('?' * len(ids))}) order by at, seq"  # noqa: S608
        with self._connection() as db:
            return [
                Event(
                    job_id=row["job_id"],
                    at=_time(row["at"]),
                    from_state=State(row["from_state"]) if row["from_state"] else None,
                    to_state=State(row["to_state"]),
                    why=row["why"],
                )
                for row in db.execute(sql, ids)
            ]

    # --- connections ----------------------------------------------------------------------------------------------

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        try:
            db = self._idle.get_nowait()
        except queue.Empty:
            db = self._open()
        try:
            yield db
        except sqlite3.OperationalError as exc:
            db.close()
            if exc.sqlite_errorcode in FULL:
                raise StorageFull(
                    "The disk that holds the job database is full. Make room; jobs go on from where they are."
                ) from exc
            raise
        except BaseException:
            db.close()
            raise
        self._idle.put(db)

    def _open(self) -> sqlite3.Connection:
        db = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False, timeout=BUSY_MS / 1000)
        db.row_factory = sqlite3.Row
        db.execute("pragma journal_mode = wal")
        db.execute("pragma foreign_keys = on")
        return db

    @contextmanager
    def _write(self, *, durable: bool = False) -> Iterator[sqlite3.Connection]:
        """One write transaction. `durable` waits for the disk, so that a power cut cannot undo what a paid request
        has followed on; the rest survives a crash of the process, which is what WAL promises without it."""
        with self._connection() as db:
            db.execute(f"pragma synchronous = {'full' if durable else 'normal'}")
            db.execute("begin immediate")
            try:
                yield db
            except (NotFound, StaleJob):
                db.execute("rollback")
                raise
            db.execute("commit")


# Jobs with a provider, being saved, or given up by their owner: they need no new slot.
_DUE = """
select id from jobs
where is_open = 1 and due_at <= ? and (lease_until is null or lease_until <= ?)
  and (state <> 'waiting' or cancel_requested = 1)
order by due_at limit ?
"""

_FLYING = ", ".join(f"'{state}'" for state in sorted(IN_FLIGHT))

_BUSY = f"""
select count(*) from jobs
where is_open = 1 and provider = ? and (state in ({_FLYING}) or (state = 'waiting' and lease_until > ?))
"""  # noqa: S608

# One owner after the other: a job's turn is its place among its owner's, behind those of theirs that are in flight.
_NEXT = f"""
select id from (
    select id, created_at,
        row_number() over (partition by owner order by created_at, id)
        + (select count(*) from jobs f where f.is_open = 1 and f.provider = ? and f.owner = w.owner and f.state in ({_FLYING}))
        as turn
    from jobs w
    where is_open = 1 and provider = ? and state = 'waiting' and due_at <= ? and (lease_until is null or lease_until <= ?)
)
order by turn, created_at, id limit ?
"""  # noqa: S608

_LEASE = "update jobs set lease_owner = ?, lease_until = ?, fence = fence + 1 where id = ? returning *"


def migrate(db: sqlite3.Connection) -> None:
    """Bring a database to the newest schema: each migration and its record are one transaction."""
    db.execute(
        "create table if not exists migrations (number integer primary key, name text not null, at text not null)"
    )
    folder = resources.files("core.stores") / "migrations"
    for file in sorted((f for f in folder.iterdir() if f.name.endswith(".sql")), key=lambda f: f.name):
        number = int(file.name.split("_", 1)[0])
        db.execute("begin immediate")
        try:
            if not db.execute("select 1 from migrations where number = ?", (number,)).fetchone():
                for statement in statements(file.read_text("utf-8")):
                    db.execute(statement)
                stamp = _text(datetime.now(UTC))
                db.execute("insert into migrations (number, name, at) values (?, ?, ?)", (number, file.name, stamp))
        except BaseException:
            db.execute("rollback")
            raise
        db.execute("commit")


def statements(script: str) -> Iterator[str]:
    """The single statements of an SQL script, comments and all; triggers stay whole."""
    pending = ""
    for line in script.splitlines(keepends=True):
        pending += line
        if sqlite3.complete_statement(pending):
            yield pending
            pending = ""
    if any(line.strip() and not line.strip().startswith("--") for line in pending.splitlines()):
        raise ValueError(f"a statement is not finished: {pending.strip()[:80]}")


# --- rows -----------------------------------------------------------------------------------------------------------


def _next_version(db: sqlite3.Connection) -> int:
    return int(db.execute("update counter set value = value + 1 returning value").fetchone()[0])


def _add_event(db: sqlite3.Connection, event: Event) -> None:
    db.execute(
        "insert into events (job_id, seq, at, from_state, to_state, why) "
        "select ?, coalesce(max(seq), 0) + 1, ?, ?, ?, ? from events where job_id = ?",
        (event.job_id, _text(event.at), event.from_state, event.to_state, event.why, event.job_id),
    )


def _text(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _row(job: Job) -> dict[str, Any]:
    row: dict[str, Any] = {}
    for name in COLUMNS:
        value = getattr(job, name)
        if value is None:
            row[name] = None
        elif name in TIME_COLUMNS:
            row[name] = _text(value)
        elif name in JSON_COLUMNS:
            plain = value.model_dump(mode="json") if hasattr(value, "model_dump") else value
            row[name] = json.dumps(plain, ensure_ascii=False, separators=(",", ":"))
        elif isinstance(value, bool):
            row[name] = int(value)
        else:
            row[name] = value
    return row


def _job(row: sqlite3.Row) -> Job:
    values = {
        name: json.loads(row[name]) if name in JSON_COLUMNS and row[name] is not None else row[name] for name in COLUMNS
    }
    return Job.model_validate(values)
