"""Jobs in one SQLite file: the embedded default of the JobStore protocol."""

import contextlib
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence, Set
from dataclasses import asdict
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from core.errors import NotFound, StaleJob
from core.jobs.job import ENDED, IN_FLIGHT, OPEN, Event, Job, State
from core.jobs.store import JobQuery, Wishes
from core.stores.sqlite_file import SqliteFile, from_text, next_version, to_text
from core.stores.sqlite_rows import EVENT, add_event, event_row, insert, read_words, save, seq_at, to_job

RECENT = 100  # jobs that ended last, from which it is read whose turn it is: more than owners who wait at the same time

URGENT = frozenset({"cancel_requested", "told_request_id"})
"""Wishes that the engine should see now."""


class SqliteJobStore:
    """Implements JobStore and JobArchive (`core/jobs/store.py`) on one SQLite file.

    Args:
        path: the database file; made with its tables if it is not there.
    """

    def __init__(self, path: Path) -> None:
        self.file = SqliteFile(path)
        self._lines: dict[str, tuple[int, list[str]]] = {}  # by provider, with the counter that each was read at

    def close(self) -> None:
        """Close every idle connection."""
        self.file.close()

    # --- JobStore -------------------------------------------------------------------------------------------------

    def add(self, job: Job) -> Job:
        with self.file.writing(durable=True) as db:
            if job.nonce is not None:
                twin = db.execute("select * from jobs where owner = ? and nonce = ?", (job.owner, job.nonce)).fetchone()
                if twin:
                    return to_job(twin)
            job = job.model_copy(update={"version": next_version(db)})
            insert(db, job)
            asked = Event(job_id=job.id, at=job.created_at, from_state=None, to_state=job.state, why="asked for")
            db.execute(EVENT, event_row(asked, 1))
        return job

    def get(self, job_id: str) -> Job | None:
        with self.file.reading() as db:
            row = db.execute("select * from jobs where id = ?", (job_id,)).fetchone()
        return to_job(row) if row else None

    def find(self, query: JobQuery) -> list[Job]:
        where: list[str] = ["1"]
        values: list[Any] = []
        kin = [(said, among) for said, among in _kin(query) if among is not None]
        for name in ("owner", "model", "fingerprint"):
            if (wanted := getattr(query, name)) is not None:
                # Relatives are few. The plus keeps the owner's index out of it, by which all takes of a person are walked.
                where.append(f"{'+' if kin else ''}{name} = ?")
                values.append(wanted)
        for said, among in kin:
            where.append(said.format(", ".join("?" * len(among))))
            values.extend(sorted(among) * said.count("{0}"))
        if query.states is not None:
            where.append(f"state in ({', '.join('?' * len(query.states))})")
            values.extend(query.states)
        if query.starred is not None:
            where.append("starred = ?")
            values.append(int(query.starred))
        if query.ids is not None:
            where.append(f"id in ({', '.join('?' * len(query.ids))})")
            values.extend(query.ids)
        if query.since is not None:
            where.append("seq >= ?")
            values.append(seq_at(query.since))
        order = "seq desc"
        source = "jobs"
        if query.states is not None and query.states <= OPEN and not kin and query.ids is None:
            source = _OPEN  # else SQLite walks all that an owner ever made, for the few that are open
            where.append("is_open = 1")
        if query.changed_since is not None:
            where.append("version > ?")
            values.append(query.changed_since)
            order = "version"
        if query.finished_before is not None:
            where.append("finished_at < ?")
            values.append(to_text(query.finished_before))
            order = "finished_at, id"
            if query.states is not None and query.states <= ENDED:
                where.append(_ENDED)
            if query.after is not None:
                where.append("(finished_at, id) > (?, ?)")
                values.extend((to_text(query.after[0]), query.after[1]))
        if query.binned is not None:
            where.append(f"binned_at is {'not ' if query.binned else ''}null")
        if query.binned_before is not None:
            where.append("binned_at < ?")
            values.append(to_text(query.binned_before))
        if query.before is not None:
            where.append("seq < coalesce((select seq from jobs where id = ?), ?)")
            values.extend((query.before[1], seq_at(query.before[0])))
        sql = f"select * from {source} where {' and '.join(where)} order by {order} limit ?"  # noqa: S608  fixed texts only
        with self.file.reading() as db:
            return [to_job(row) for row in db.execute(sql, (*values, query.limit))]

    def claim(self, worker: str, now: datetime, lease_s: float, slots: Mapping[str, int], limit: int) -> list[Job]:
        at = to_text(now)
        until = to_text(now + timedelta(seconds=lease_s))
        with self.file.writing() as db:
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
        return [to_job(rows[job_id]) for job_id in wanted]

    def hold(self, job_id: str, worker: str, now: datetime, lease_s: float) -> Job | None:
        with self.file.writing() as db:
            free = db.execute(
                "select 1 from jobs where id = ? and (lease_until is null or lease_until <= ?)", (job_id, to_text(now))
            ).fetchone()
            until = to_text(now + timedelta(seconds=lease_s))
            row = db.execute(f"{_LEASE} where id = ? returning *", (worker, until, job_id)).fetchone() if free else None
        return to_job(row) if row else None

    def save(self, job: Job, now: datetime, why: str = "") -> Job:
        with self.file.writing(durable=True) as db:
            return save(db, job, now, why)

    def put_back(self, jobs: Sequence[Job], now: datetime) -> None:
        with self.file.writing() as db:
            for job in jobs:
                with contextlib.suppress(StaleJob, NotFound):
                    save(db, job.with_(lease_owner=None, lease_until=None), now, "")

    def wake(self, job_ids: Collection[str], now: datetime) -> None:
        marks = ", ".join("?" * len(job_ids))
        with self.file.writing() as db:
            db.execute(
                f"update jobs set due_at = min(due_at, ?) where is_open = 1 and id in ({marks})",  # noqa: S608
                (to_text(now), *job_ids),
            )

    def patch(self, job_id: str, now: datetime, wishes: Wishes, why: str = "") -> Job:
        given = {name: value for name, value in asdict(wishes).items() if value is not None}
        sets = ["version = :version", "updated_at = :now", *(f"{name} = :{name}" for name in given)]
        if given.keys() & URGENT:
            sets.append("due_at = min(due_at, :now)")
        values = {**given, "now": to_text(now), "id": job_id}
        with self.file.writing(durable=True) as db:
            row = db.execute(
                f"update jobs set {', '.join(sets)} where id = :id returning *",  # noqa: S608
                {**values, "version": next_version(db)},
            ).fetchone()
            if row is None:
                raise NotFound("There is no such job.")
            if why:
                state = State(row["state"])
                add_event(db, Event(job_id=job_id, at=now, from_state=state, to_state=state, why=why))
        return to_job(row)

    def events(self, job_ids: Iterable[str]) -> list[Event]:
        ids = tuple(job_ids)
        sql = f"select * from events where job_id in ({', '.join('?' * len(ids))}) order by job_id, seq"  # noqa: S608
        with self.file.reading() as db:
            return [
                Event(
                    job_id=row["job_id"],
                    at=from_text(row["at"]),
                    from_state=State(row["from_state"]) if row["from_state"] else None,
                    to_state=State(row["to_state"]),
                    why=row["why"],
                )
                for row in db.execute(sql, ids)
            ]

    # --- JobArchive -----------------------------------------------------------------------------------------------

    def line(self, provider: str) -> list[str]:
        # Every page with a waiting take asks at every refresh, and mostly nothing has changed since the last that did.
        with self.file.reading() as db:
            at = int(db.execute("select value from counter").fetchone()[0])
            kept = self._lines.get(provider)
            if kept is None or kept[0] != at:
                kept = (at, [row["id"] for row in db.execute(_LINE, {"provider": provider})])
                self._lines[provider] = kept
            return list(kept[1])

    def waits(self, model: str, provider: str, last: int) -> list[float]:
        with self.file.reading() as db:
            return [row["s"] for row in db.execute(_WAITS, (model, provider, last)) if row["s"] is not None]

    def free_dead(self, is_dead: Callable[[str], bool], now: datetime) -> int:
        freed = 0
        with self.file.writing() as db:
            for name in [row["lease_owner"] for row in db.execute(_HOLDERS)]:
                if is_dead(name):
                    freed += db.execute(_FREE, (to_text(now), name)).rowcount
        return freed

    def restore(self, entries: Sequence[tuple[Job, Sequence[Event]]]) -> int:
        new = 0
        with self.file.writing(durable=True) as db:
            for job, events in entries:
                if db.execute("select 1 from jobs where id = ?", (job.id,)).fetchone():
                    continue
                insert(db, job.model_copy(update={"version": next_version(db)}))
                db.executemany(EVENT, [event_row(event, seq) for seq, event in enumerate(events, 1)])
                new += 1
            read_words(db, len(entries))  # nobody waits for a click here
        return new

    def forget(self, job_ids: Iterable[str]) -> None:
        with self.file.writing(durable=True) as db:
            db.executemany("delete from jobs where id = ?", [(job_id,) for job_id in job_ids])
            next_version(db)

    def unused(self, keys: Iterable[str], besides: Set[str] = frozenset()) -> set[str]:
        with self.file.reading() as db:
            return {
                key
                for key in keys
                if all(row["job_id"] in besides for row in db.execute("select job_id from uses where key = ?", (key,)))
            }


def _kin(query: JobQuery) -> tuple[tuple[str, Set[str] | None], ...]:
    """The conditions on relatives, with what fills their marks."""
    uses = "id in (select job_id from uses where key in ({0}))"
    made = "coalesce(json_extract(video, '$.key'), '') in ({0})"
    return (
        ("parent_id in ({0})", query.parents),
        (f"{uses} and not {made}", query.given),
        (f"{uses} and {made}", query.made),
    )


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

# Named, since SQLite has no figures on how few jobs are open, and would rather walk all that an owner ever made.
_OPEN = "jobs indexed by jobs_due"

_ANY_WAITING = "select 1 from jobs where is_open = 1 and provider = ? and state = 'waiting' limit 1"

_BUSY = f"""
select count(*) from jobs
where is_open = 1 and provider = ? and (state in ({_FLYING}) or (state = 'waiting' and lease_until > ?))
"""  # noqa: S608

# When each owner was last sent something, as far as the jobs that are open and the last that ended tell.
_SERVED = f"""
select owner, max(submitted_at) as served from (
    select owner, submitted_at from {_OPEN} where is_open = 1 and provider = :provider
    union all
    select owner, submitted_at from (
        select owner, submitted_at, provider from jobs where {_ENDED} order by finished_at desc limit {RECENT}
    ) where provider = :provider
) group by owner
"""  # noqa: S608

# How many jobs of each owner need no slot any more.
_AWAY = f"""
select owner, count(*) as away from {_OPEN} where is_open = 1 and provider = :provider and state in ({_FLYING}) group by owner
"""  # noqa: S608

# One owner after the other: a job's turn is its place among its owner's, behind those of theirs that are in flight. Of the
# same turn, it goes to whoever was served longest ago: with a single slot, nobody would ever get past a batch otherwise.
_TURNS = f"""
select id, created_at, due_at, lease_until, coalesce(served, '') as served,
    row_number() over (partition by w.owner order by rank, created_at, id) + coalesce(away, 0) as turn
from jobs w indexed by jobs_due
    left join ({_SERVED}) s on s.owner = w.owner left join ({_AWAY}) a on a.owner = w.owner
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

_LEASE = "update jobs set lease_owner = ?, lease_until = ?, fence = fence + 1"
