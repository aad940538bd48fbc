"""The history over SQLite: searches as SQL, short rows, remarks and saved views."""

import json
import logging
import sqlite3
from collections.abc import Sequence
from datetime import datetime
from statistics import median
from typing import Any

from core.errors import StorageFull
from core.jobs.history import COUNTED, Remarks, Row, Search, Sort, Sum
from core.jobs.job import State
from core.stores.search import expression, fold
from core.stores.sqlite_file import SqliteFile, next_version, to_text
from core.stores.sqlite_rows import PLACES, UNREAD_AGAIN, read_words, seq_at

log = logging.getLogger("takes.stores")

COLUMNS = ", ".join(
    f"jobs.{source}"
    for source in (
        "id", "seq", "owner", "model", "provider", "state", "prompt", "created_at", "submitted_at", "finished_at",
        "estimate_low_usd", "cost_estimate_usd", "duration_s", "aspect", "starred", "rating", "tags", "still",
    )
) + ", jobs.video is not null, json_extract(jobs.error, '$.message'), jobs.version"  # fmt: skip
ORDERS = {Sort.DATE: "seq", Sort.COST: "cost_estimate_usd", Sort.LENGTH: "duration_s", Sort.RATING: "rating"}
READ = 500  # rows whose words are taken in at once: a short transaction
FAR = 500  # rows that are skipped one by one before a look at the days pays
DAY = 86_400 * 1_000_000 * PLACES  # of the history's places
LEAST, MOST = -1.0, 1e300  # below and above every number of dollars, seconds and points
FAILED = (State.FAILED.value, State.CANCELLED.value)


class SqliteHistory:
    """Implements JobHistory (`core/jobs/history.py`) on the file of a SqliteJobStore.

    Args:
        file: the database, migrated.
    """

    def __init__(self, file: SqliteFile) -> None:
        self._file = file

    def page(self, search: Search) -> list[Row]:
        found = self._found(search)
        if found is None:
            return []
        column = ORDERS[search.sort]
        way = "asc" if search.backwards else "desc"
        by_date = search.sort is Sort.DATE
        start = (max(search.page, 1) - 1) * search.size
        with self._file.reading() as db:
            if start >= FAR and search.is_plain:
                found, start = self._from_its_day(db, found, str(search.owner), start)
            # First the places of the rows, which an index tells, and only then the fifty rows themselves.
            first = "words.rowid" if by_date and found.text else f"jobs.{column}"
            ties = "" if by_date else f" nulls last, jobs.seq {way}"
            places = (
                f"select jobs.seq from {found.tables} where {found.where} order by {first} {way}{ties} limit ? offset ?"  # noqa: S608
            )
            seqs = [row[0] for row in _plain(db, places, (*found.values, search.size, start))]
            marks = ", ".join("?" * len(seqs))
            order = f"jobs.{column} {way}{ties}"
            rows = _plain(db, f"select {COLUMNS} from jobs where seq in ({marks}) order by {order}", seqs)  # noqa: S608
            return [Row._make(row) for row in rows]

    def _found(self, search: Search) -> "_Found | None":
        """The search as SQL, once the words that it looks among are all there; None where nothing can be found by it."""
        found = _Found.by(search)
        if found is not None and found.text:
            with self._file.reading() as db:
                behind = _plain(db, "select 1 from unread limit 1", ()).fetchone()
            try:
                while behind:
                    with self._file.writing() as db:
                        behind = read_words(db, READ) == READ
            except StorageFull as exc:  # the search goes on among the words that are there
                log.warning("the newest takes are not searched: %s", exc.message)
        return found

    def _from_its_day(self, db: sqlite3.Connection, found: "_Found", owner: str, start: int) -> tuple["_Found", int]:
        """The same search from the day on which the row at `start` was made, and the row's place from there."""
        sums = "select day, sum(takes) over (order by day desc) as up_to, takes from days where owner = ?"
        sql = f"select day, up_to - takes from ({sums}) where up_to > ? order by day desc limit 1"  # noqa: S608
        row = _plain(db, sql, (owner, start)).fetchone()
        if row is None:
            return found, start
        found.add("jobs.seq < ?", (int(row[0]) + 1) * DAY)
        return found, start - int(row[1])

    def count(self, search: Search, most: int = COUNTED) -> int:
        found = self._found(search)
        if found is None:
            return 0
        if search.is_plain and search.owner is not None:
            with self._file.reading() as db:
                row = _plain(db, "select coalesce(sum(takes), 0) from days where owner = ?", (search.owner,)).fetchone()
                return min(int(row[0]), most)
        sql = f"select count(*) from (select 1 from {found.tables} where {found.where} limit ?)"  # noqa: S608
        with self._file.reading() as db:
            return int(_plain(db, sql, (*found.values, most)).fetchone()[0])

    def around(self, search: Search, job_id: str) -> tuple[str | None, str | None]:
        found = self._found(search)
        if found is None:
            return None, None
        column = ORDERS[search.sort]
        with self._file.reading() as db:
            here = _plain(
                db,
                f"select jobs.seq, jobs.{column} from {found.tables} where {found.where} and jobs.id = ?",  # noqa: S608
                (*found.values, job_id),
            ).fetchone()
            if here is None:
                return None, None
            before = _beside(db, found, search, here, forward=False)
            return before, _beside(db, found, search, here, forward=True)

    def remark(self, job_ids: Sequence[str], now: datetime, remarks: Remarks) -> int:
        values: dict[str, Any] = {}
        if remarks.note is not None:
            values["note"] = remarks.note
        if remarks.tags is not None:
            values["tags"] = json.dumps(list(dict.fromkeys(remarks.tags)), ensure_ascii=False)
        if remarks.rating is not None:
            values["rating"] = remarks.rating or None
        if remarks.binned is not None:
            values["binned_at"] = to_text(now) if remarks.binned else None
        sets = ", ".join(f"{name} = ?" for name in (*values, "version", "updated_at"))
        written = 0
        with self._file.writing(durable=True) as db:
            for job_id in job_ids:
                if not db.execute("select 1 from jobs where id = ?", (job_id,)).fetchone():
                    continue
                stamps = (next_version(db), to_text(now), job_id)
                db.execute(f"update jobs set {sets} where id = ?", (*values.values(), *stamps))  # noqa: S608
                if values.keys() & {"note", "tags"}:
                    db.execute(UNREAD_AGAIN, (job_id,))
                written += 1
        return written

    def sums(self, search: Search) -> list[Sum]:
        found = self._found(search)
        if found is None:
            return []
        sql = f"""
            select substr(jobs.created_at, 1, 10) as day, jobs.model, jobs.state, count(*),
                   coalesce(sum(case when jobs.state = 'succeeded' then jobs.cost_estimate_usd end), 0.0)
            from {found.tables} where {found.where} group by day, jobs.model, jobs.state order by day
        """  # noqa: S608
        with self._file.reading() as db:
            return [Sum._make(row) for row in _plain(db, sql, found.values)]

    def usual_waits(self, search: Search) -> dict[str, float]:
        found = self._found(search)
        if found is None:
            return {}
        sql = f"""
            select jobs.model, (julianday(jobs.finished_at) - julianday(jobs.submitted_at)) * 86400.0
            from {found.tables} where {found.where} and jobs.state = 'succeeded' and jobs.submitted_at is not null
        """  # noqa: S608
        waits: dict[str, list[float]] = {}
        with self._file.reading() as db:
            for model, seconds in _plain(db, sql, found.values):
                waits.setdefault(model, []).append(seconds)
        return {model: median(values) for model, values in sorted(waits.items())}

    def tags(self, owner: str) -> list[str]:
        sql = """
            select tag.value from jobs, json_each(jobs.tags) as tag
            where owner = ? and binned_at is null and jobs.tags <> '[]' group by tag.value order by count(*) desc, tag.value
        """
        with self._file.reading() as db:
            return [str(row[0]) for row in _plain(db, sql, (owner,))]

    def views(self, owner: str) -> dict[str, str]:
        with self._file.reading() as db:
            rows = _plain(db, "select name, search from views where owner = ? order by name", (owner,))
            return {str(name): str(search) for name, search in rows}

    def save_view(self, owner: str, name: str, search: str, now: datetime) -> None:
        with self._file.writing(durable=True) as db:
            db.execute(
                "insert or replace into views (owner, name, search, at) values (?, ?, ?, ?)",
                (owner, name, search, to_text(now)),
            )

    def drop_view(self, owner: str, name: str) -> None:
        with self._file.writing(durable=True) as db:
            db.execute("delete from views where owner = ? and name = ?", (owner, name))


class _Found:
    """A search as SQL: the tables, the condition with its values, and whether words are looked for."""

    def __init__(self) -> None:
        self.tables = "jobs"
        self.text = False
        self._parts: list[str] = []
        self.values: tuple[Any, ...] = ()

    @property
    def where(self) -> str:
        return " and ".join(self._parts)

    @classmethod
    def by(cls, search: Search) -> "_Found | None":
        """The search; None where nothing can be found by it."""
        found = cls()
        words = expression(search.text)
        if words is None and search.text.strip():
            return None  # only signs, or only what is left out
        wanted = [f"{{prompt negative note tags error}} : ({words})"] if words else []
        if search.tag:
            wanted.append('tags : "' + fold(search.tag).replace('"', " ") + '"')
            found.add("exists (select 1 from json_each(jobs.tags) where value = ?)", search.tag)
        if wanted:
            found.text = True
            found.tables = "words cross join jobs on jobs.seq = words.rowid"
            found.add("words match ?", " AND ".join(wanted))
        found.add(f"jobs.binned_at is {'not ' if search.binned else ''}null")
        if search.owner is not None:
            found.add("jobs.owner = ?", search.owner)
        found._any("model", search.models)
        found._any("state", search.states)
        found._any("provider", search.places)
        found._any("aspect", search.aspects)
        if search.since is not None:
            found.add("jobs.seq >= ?", seq_at(search.since))
        if search.until is not None:
            found.add("jobs.seq < ?", seq_at(search.until))
        if search.starred:
            found.add("jobs.starred = 1")
        if search.rated is not None:
            found.add("jobs.rating >= ?", search.rated)
        low, high = search.cost
        if low is not None:
            found.add("jobs.cost_estimate_usd >= ?", low)
        if high is not None:
            found.add("jobs.cost_estimate_usd <= ?", high)
        if search.hide_failed:
            found.add("jobs.state not in (?, ?)", *FAILED)
        return found

    def add(self, part: str, *values: Any) -> None:
        self._parts.append(part)
        self.values += values

    def _any(self, column: str, wanted: frozenset[Any]) -> None:
        if len(wanted) == 1:
            self.add(f"jobs.{column} = ?", *map(str, wanted))
        elif wanted:
            self.add(f"jobs.{column} in ({', '.join('?' * len(wanted))})", *sorted(map(str, wanted)))


def _beside(db: sqlite3.Connection, found: _Found, search: Search, here: Sequence[Any], *, forward: bool) -> str | None:
    """The take that is shown next to the one whose seq and value these are: behind it, or before it."""
    seq, value = here
    column = ORDERS[search.sort]
    sign, way = ("<", "desc") if forward != search.backwards else (">", "asc")
    values: tuple[Any, ...]
    if search.sort is Sort.DATE:
        part, order, values = f"jobs.seq {sign} ?", f"jobs.seq {way}", (seq,)
    else:
        last = LEAST if not search.backwards else MOST  # rows without a value stand last in both directions
        key = f"coalesce(jobs.{column}, {last})"
        part, order = f"({key}, jobs.seq) {sign} (?, ?)", f"{key} {way}, jobs.seq {way}"
        values = (last if value is None else value, seq)
    sql = f"select jobs.id from {found.tables} where {found.where} and {part} order by {order} limit 1"  # noqa: S608
    row = _plain(db, sql, (*found.values, *values)).fetchone()
    return None if row is None else str(row[0])


def _plain(db: sqlite3.Connection, sql: str, values: Sequence[Any]) -> sqlite3.Cursor:
    """Run a query whose rows come as tuples: a third of the time of named rows."""
    cursor = db.cursor()
    cursor.row_factory = None
    return cursor.execute(sql, values)
