"""Jobs in one SQLite file: the embedded default of the JobStore protocol."""

import contextlib
import json
import queue
import sqlite3
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from importlib import resources
from pathlib import Path
from typing import Any

from core.errors import IllegalMove, NotFound, StaleJob, StorageFull
from core.jobs.files import media_keys
from core.jobs.job import ENDED, IN_FLIGHT, MOVES, Event, Job, State
from core.jobs.store import JobQuery, Wishes

BUSY_MS = 10_000  # how long a writer waits for another; every transaction here is far shorter

RECENT = 100  # jobs that ended last, from which it is read whose turn it is: more than owners who wait at the same time

FULL = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_WRITE)
"""What SQLite says where a page cannot be written."""

_to_json = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode

COLUMNS = tuple(Job.model_fields)
JSON_COLUMNS = frozenset({"inputs", "options", "uploads", "logs", "output", "error", "video"})
TIME_COLUMNS = frozenset(
    {"created_at", "submitted_at", "started_at", "finished_at", "due_at", "lease_until", "updated_at"}
)
OUTSIDE = tuple(Wishes.__dataclass_fields__)
HOLDERS = tuple(  # what the lease holder writes: all but what was asked and what the owner writes
    name for name in COLUMNS[COLUMNS.index("state") :] if name not in ("fence", "version", "updated_at")
)
SAVED = ", ".join(("fence", "version", "updated_at", *OUTSIDE, *HOLDERS))
UNSEEN = frozenset({"due_at", "lease_owner", "lease_until", "uploads", "faults", "cancel_sent"})
"""Columns that a page does not show: a change in them alone is no news."""

URGENT = frozenset({"cancel_requested", "told_request_id"})
"""Wishes that the engine should see now."""


class SqliteJobStore:
    """Implements JobStore and JobArchive (`core/jobs/store.py`) on one file with a write-ahead log. Safe to share between threads and processes.

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
            _insert(db, job)
            asked = Event(job_id=job.id, at=job.created_at, from_state=None, to_state=job.state, why="asked for")
            db.execute(_EVENT, _event_row(asked, 1))
        return job

    def get(self, job_id: str) -> Job | None:
        with self._connection() as db:
            row = db.execute("select * from jobs where id = ?", (job_id,)).fetchone()
        return _job(row) if row else None

    def find(self, query: JobQuery) -> list[Job]:
        where: list[str] = ["1"]
        values: list[Any] = []
        for name in ("owner", "model", "fingerprint", "parent_id"):
            if (wanted := getattr(query, name)) is not None:
                where.append(f"{name} = ?")
                values.append(wanted)
        if query.states is not None:
            where.append(f"state in ({', '.join('?' * len(query.states))})")
            values.extend(query.states)
        if query.starred is not None:
            where.append("starred = ?")
            values.append(int(query.starred))
        if query.since is not None:
            where.append("created_at >= ?")
            values.append(_text(query.since))
        order = "created_at desc, id desc"
        if query.changed_since is not None:
            where.append("version > ?")
            values.append(query.changed_since)
            order = "version"
        if query.finished_before is not None:
            where.append("finished_at < ?")
            values.append(_text(query.finished_before))
            order = "finished_at, id"
            if query.states is not None and query.states <= ENDED:
                where.append(_ENDED)
            if query.after is not None:
                where.append("(finished_at, id) > (?, ?)")
                values.extend((_text(query.after[0]), query.after[1]))
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
            wanted = [row["id"] for row in db.execute(_DUE, (at, at, at, at, limit))]
            for provider, most in slots.items():
                room = limit - len(wanted)
                if room <= 0:
                    break
                if not db.execute(_ANY_WAITING, (provider,)).fetchone():
                    continue
                busy = db.execute(_BUSY, (provider, at)).fetchone()[0]
                free = min(most - busy, room)
                if free > 0:
                    wanted += [row["id"] for row in db.execute(_NEXT, {"provider": provider, "at": at, "free": free})]
            marks = ", ".join("?" * len(wanted))
            leased = db.execute(f"{_LEASE} where id in ({marks}) returning *", (worker, until, *wanted))
            rows = {row["id"]: row for row in leased}
        return [_job(rows[job_id]) for job_id in wanted]

    def hold(self, job_id: str, worker: str, now: datetime, lease_s: float) -> Job | None:
        with self._write() as db:
            free = db.execute(
                "select 1 from jobs where id = ? and (lease_until is null or lease_until <= ?)", (job_id, _text(now))
            ).fetchone()
            until = _text(now + timedelta(seconds=lease_s))
            row = db.execute(f"{_LEASE} where id = ? returning *", (worker, until, job_id)).fetchone() if free else None
        return _job(row) if row else None

    def save(self, job: Job, now: datetime, why: str = "") -> Job:
        with self._write(durable=True) as db:
            return _save(db, job, now, why)

    def put_back(self, jobs: Sequence[Job], now: datetime) -> None:
        with self._write() as db:
            for job in jobs:
                with contextlib.suppress(StaleJob, NotFound):
                    _save(db, job.with_(lease_owner=None, lease_until=None), now, "")

    def wake(self, job_ids: Collection[str], now: datetime) -> None:
        marks = ", ".join("?" * len(job_ids))
        with self._write() as db:
            db.execute(
                f"update jobs set due_at = min(due_at, ?) where is_open = 1 and id in ({marks})",  # noqa: S608
                (_text(now), *job_ids),
            )

    def patch(self, job_id: str, now: datetime, wishes: Wishes, why: str = "") -> Job:
        given = {name: value for name, value in asdict(wishes).items() if value is not None}
        sets = ["version = :version", "updated_at = :now", *(f"{name} = :{name}" for name in given)]
        if given.keys() & URGENT:
            sets.append("due_at = min(due_at, :now)")
        values = {**given, "now": _text(now), "id": job_id}
        with self._write(durable=True) as db:
            row = db.execute(
                f"update jobs set {', '.join(sets)} where id = :id returning *",  # noqa: S608
                {**values, "version": _next_version(db)},
            ).fetchone()
            if row is None:
                raise NotFound("There is no such job.")
            if why:
                state = State(row["state"])
                _add_event(db, Event(job_id=job_id, at=now, from_state=state, to_state=state, why=why))
        return _job(row)

    def events(self, job_ids: Iterable[str]) -> list[Event]:
        ids = tuple(job_ids)
        sql = f"select * from events where job_id in ({', '.join('?' * len(ids))}) order by job_id, seq"  # noqa: S608
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

    # --- JobArchive -----------------------------------------------------------------------------------------------

    def line(self, provider: str) -> list[str]:
        with self._connection() as db:
            return [row["id"] for row in db.execute(_LINE, {"provider": provider})]

    def waits(self, model: str, provider: str, last: int) -> list[float]:
        with self._connection() as db:
            return [row["s"] for row in db.execute(_WAITS, (model, provider, last)) if row["s"] is not None]

    def free_dead(self, is_dead: Callable[[str], bool], now: datetime) -> int:
        freed = 0
        with self._write() as db:
            for name in [row["lease_owner"] for row in db.execute(_HOLDERS)]:
                if is_dead(name):
                    freed += db.execute(_FREE, (_text(now), name)).rowcount
        return freed

    def restore(self, entries: Sequence[tuple[Job, Sequence[Event]]]) -> int:
        new = 0
        with self._write(durable=True) as db:
            for job, events in entries:
                if db.execute("select 1 from jobs where id = ?", (job.id,)).fetchone():
                    continue
                _insert(db, job.model_copy(update={"version": _next_version(db)}))
                db.executemany(_EVENT, [_event_row(event, seq) for seq, event in enumerate(events, 1)])
                new += 1
        return new

    def forget(self, job_ids: Iterable[str]) -> None:
        with self._write(durable=True) as db:
            db.executemany("delete from jobs where id = ?", [(job_id,) for job_id in job_ids])

    def unused(self, keys: Iterable[str], besides: Set[str] = frozenset()) -> set[str]:
        with self._connection() as db:
            return {
                key
                for key in keys
                if all(row["job_id"] in besides for row in db.execute("select job_id from uses where key = ?", (key,)))
            }

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
            except (NotFound, StaleJob, IllegalMove):
                db.execute("rollback")
                raise
            db.execute("commit")


# Said in the words of the index jobs_finished: SQLite uses a partial index only where a query repeats its condition.
_ENDED = "state in ('succeeded', 'failed', 'cancelled')"

# Jobs with a provider, being saved, or given up by their owner: they need no new slot. And jobs of unknown outcome.
_DUE = """
select id from (
    select id, due_at from jobs
    where is_open = 1 and due_at <= ? and (lease_until is null or lease_until <= ?)
      and (state <> 'waiting' or cancel_requested = 1)
    union all
    select id, due_at from jobs
    where state = 'unknown' and due_at <= ? and (lease_until is null or lease_until <= ?)
)
order by due_at limit ?
"""

_FLYING = ", ".join(f"'{state}'" for state in sorted(IN_FLIGHT))

_ANY_WAITING = "select 1 from jobs where provider = ? and state = 'waiting' limit 1"

_BUSY = f"""
select count(*) from jobs
where is_open = 1 and provider = ? and (state in ({_FLYING}) or (state = 'waiting' and lease_until > ?))
"""  # noqa: S608

# When each owner was last sent something, as far as the jobs that are open and the last that ended tell.
_SERVED = f"""
select owner, max(submitted_at) as served from (
    select owner, submitted_at from jobs where is_open = 1 and provider = :provider
    union all
    select owner, submitted_at from (
        select owner, submitted_at, provider from jobs where {_ENDED} order by finished_at desc limit {RECENT}
    ) where provider = :provider
) group by owner
"""  # noqa: S608

# One owner after the other: a job's turn is its place among its owner's, behind those of theirs that are in flight. Of the
# same turn, it goes to whoever was served longest ago: with a single slot, nobody would ever get past a batch otherwise.
_TURNS = f"""
select id, created_at, due_at, lease_until, coalesce(served, '') as served,
    row_number() over (partition by w.owner order by rank, created_at, id)
    + (select count(*) from jobs f
       where f.is_open = 1 and f.provider = :provider and f.owner = w.owner and f.state in ({_FLYING}))
    as turn
from jobs w left join ({_SERVED}) s on s.owner = w.owner
where is_open = 1 and provider = :provider and state = 'waiting'
"""  # noqa: S608

_IN_TURN = "order by turn, served, created_at, id"

_NEXT = f"""
select id from ({_TURNS} and cancel_requested = 0) where due_at <= :at and (lease_until is null or lease_until <= :at)
{_IN_TURN} limit :free
"""  # noqa: S608

_LINE = f"select id from ({_TURNS}) {_IN_TURN}"  # noqa: S608

_WAITS = """
select (julianday(finished_at) - julianday(submitted_at)) * 86400.0 as s from jobs
where model = ? and provider = ? and state = 'succeeded' order by finished_at desc limit ?
"""

_HOLDERS = """
select lease_owner from jobs where is_open = 1 and lease_owner is not null
union
select lease_owner from jobs where state = 'unknown' and lease_owner is not null
"""

_FREE = """
update jobs set lease_owner = null, lease_until = null, due_at = min(due_at, ?)
where lease_owner = ? and (is_open = 1 or state = 'unknown')
"""

_INSERT = f"insert into jobs ({', '.join(COLUMNS)}) values ({', '.join('?' * len(COLUMNS))})"  # noqa: S608

_EVENT = "insert into events (job_id, seq, at, from_state, to_state, why) values (?, ?, ?, ?, ?, ?)"

_LEASE = "update jobs set lease_owner = ?, lease_until = ?, fence = fence + 1"


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


def _insert(db: sqlite3.Connection, job: Job) -> None:
    db.execute(_INSERT, tuple(_cell(name, getattr(job, name)) for name in COLUMNS))
    _note_uses(db, job)


def _save(db: sqlite3.Connection, job: Job, now: datetime, why: str) -> Job:
    """Write what differs from the row, inside a transaction; the job as it stands then."""
    found = db.execute(f"select {SAVED} from jobs where id = ?", (job.id,)).fetchone()  # noqa: S608
    if found is None:
        raise NotFound("This job was deleted.")
    row = dict(zip(found.keys(), found, strict=True))
    if row["fence"] != job.fence:
        raise StaleJob("This job has moved on in the meantime.")
    before = State(row["state"])
    if job.state is not before and job.state not in MOVES[before]:
        raise IllegalMove(f"A job that is {before} cannot become {job.state}.")
    new = {name: _cell(name, getattr(job, name)) for name in HOLDERS}
    if (row["cancel_requested"] and not job.cancel_requested) or row["told_request_id"] != job.told_request_id:
        new["due_at"] = min(new["due_at"], _text(now))  # a wish that this step has not seen is seen to at once
    changed = {name: value for name, value in new.items() if value != row[name]}
    stamps: dict[str, Any] = {name: bool(row[name]) for name in ("cancel_requested", "starred")}
    stamps |= {"rank": row["rank"], "told_request_id": row["told_request_id"], "version": row["version"]}
    stamps["updated_at"] = _time(row["updated_at"])
    if changed.keys() - UNSEEN:
        stamps |= {"version": _next_version(db), "updated_at": now}
        changed |= {"version": stamps["version"], "updated_at": _text(now)}
    if changed:
        sets = ", ".join(f"{name} = ?" for name in changed)
        db.execute(f"update jobs set {sets} where id = ?", (*changed.values(), job.id))  # noqa: S608
    if "video" in changed:
        _note_uses(db, job)
    if job.state is not before or why:
        _add_event(db, Event(job_id=job.id, at=now, from_state=before, to_state=job.state, why=why))
    return job.model_copy(update=stamps)


def _note_uses(db: sqlite3.Connection, job: Job) -> None:
    found = [(key, job.id) for key in media_keys(job)]
    db.executemany("insert or ignore into uses (key, job_id) values (?, ?)", found)


def _add_event(db: sqlite3.Connection, event: Event) -> None:
    last = db.execute("select coalesce(max(seq), 0) from events where job_id = ?", (event.job_id,)).fetchone()[0]
    db.execute(_EVENT, _event_row(event, last + 1))


def _event_row(event: Event, seq: int) -> tuple[Any, ...]:
    return (event.job_id, seq, _text(event.at), event.from_state, event.to_state, event.why)


def _text(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _cell(name: str, value: Any) -> Any:
    """One value of a job as SQLite keeps it."""
    if value is None:
        return None
    if name in TIME_COLUMNS:
        return _text(value)
    if name in JSON_COLUMNS:
        plain = value.model_dump(mode="json") if hasattr(value, "model_dump") else value
        return _to_json(plain)
    return int(value) if isinstance(value, bool) else value


def _job(row: sqlite3.Row) -> Job:
    values = dict(zip(row.keys(), row, strict=True))  # row[name] would search the names for each of them
    values |= {name: json.loads(values[name]) for name in JSON_COLUMNS if values[name] is not None}
    return Job.model_validate(values)
