"""The history over SQLite: searches as SQL, short rows, remarks and saved views."""

import json
import logging
import sqlite3
from collections.abc import Sequence
from datetime import date, datetime
from statistics import median
from typing import Any

from core.errors import StorageFull
from core.jobs.history import COUNTED, Remarks, Row, Search, Sort, Sum
from core.stores.sqlite_file import SqliteFile, next_version, to_text
from core.stores.sqlite_rows import UNREAD_AGAIN, read_words
from core.stores.sqlite_search import DAY, Found

log = logging.getLogger("takes.stores")

COLUMNS = ", ".join(
    f"jobs.{source}"
    for source in (
        "id", "seq", "owner", "model", "provider", "state", "prompt", "created_at", "submitted_at", "finished_at",
        "estimate_low_usd", "cost_estimate_usd", "duration_s", "aspect", "starred", "rating", "tags", "still",
    )
) + ", jobs.video is not null, json_extract(jobs.error, '$.message'), jobs.version"  # fmt: skip
ORDERS = {Sort.DATE: "seq", Sort.COST: "cost_estimate_usd", Sort.LENGTH: "duration_s", Sort.RATING: "rating"}
ALTERNATIVES = 12  # words that a beginning is taken apart into; with more, gathering them costs as much
READ = 500  # rows whose words are taken in at once: a short transaction
FAR = 500  # rows that are skipped one by one before a look at the days pays
DAY_ONE = date(1970, 1, 1).toordinal()
LEAST, MOST = -1.0, 1e300  # below and above every number of dollars, seconds and points

# What failed or was cancelled may have been charged or not: only what succeeded is said to have cost something.
_SUMS = """
select jobs.seq / {1} as day, jobs.model, jobs.state, count(*),
    coalesce(sum(case when jobs.state = 'succeeded' then jobs.cost_estimate_usd end), 0.0),
    sum(jobs.state = 'succeeded' and jobs.cost_estimate_usd is null)
from {0.tables} where {0.where} group by day, jobs.model, jobs.state
"""
_TALLIES = """
select jobs.day, jobs.model, jobs.state, sum(jobs.takes),
    sum(case when jobs.state = 'succeeded' then jobs.micros else 0 end) / 1000000.0,
    sum(case when jobs.state = 'succeeded' then jobs.unpriced else 0 end)
from {0.tables} where {0.where} group by jobs.day, jobs.model, jobs.state
"""


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
        way = "asc" if search.backwards else "desc"
        start = (max(search.page, 1) - 1) * search.size
        with self._file.reading() as db:
            if start >= FAR and search.is_plain:
                found, start = self._from_its_day(db, found, str(search.owner), start)
            if search.sort is Sort.DATE:
                sql = f"select {COLUMNS} from {found.tables} where {found.where} order by {found.place} {way} limit ? offset ?"  # noqa: S608
                return [Row._make(row) for row in _plain(db, sql, (*found.values, search.size, start))]
            # First the places of the rows, which an index tells, so that only fifty rows are read, not all that are sorted.
            order = f"jobs.{ORDERS[search.sort]} {way} nulls last, jobs.seq {way}"
            places = f"select jobs.seq from {found.tables} where {found.where} order by {order} limit ? offset ?"  # noqa: S608
            seqs = [row[0] for row in _plain(db, places, (*found.values, search.size, start))]
            marks = ", ".join("?" * len(seqs))
            rows = _plain(db, f"select {COLUMNS} from jobs where seq in ({marks}) order by {order}", seqs)  # noqa: S608
            return [Row._make(row) for row in rows]

    def _found(self, search: Search) -> Found | None:
        """The search as SQL, once the words that it looks among are all there; None where nothing can be found by it."""
        if not search.text.strip() and not search.tag:
            return Found.by(search)
        with self._file.reading() as db:
            behind = _plain(db, "select 1 from unread limit 1", ()).fetchone()
        try:
            while behind:
                with self._file.writing() as db:
                    behind = read_words(db, READ) == READ
        except StorageFull as exc:  # the search goes on among the words that are there
            log.warning("the newest takes are not searched: %s", exc.message)
        with self._file.reading() as db:
            return Found.by(search, lambda beginning: _words(db, beginning))

    def _from_its_day(self, db: sqlite3.Connection, found: Found, owner: str, start: int) -> tuple[Found, int]:
        """The same search from the day on which the row at `start` was made, and the row's place from there."""
        before = 0
        for day, takes in _plain(db, "select day, takes from days where owner = ? order by day desc", (owner,)):
            if before + takes > start:
                found.add("jobs.seq < ?", (day + 1) * DAY)
                return found, start - before
            before += takes
        return found, start

    def count(self, search: Search, most: int = COUNTED) -> int:
        found = self._found(search)
        if found is None:
            return 0
        if search.is_plain and search.owner is not None:
            with self._file.reading() as db:
                row = _plain(db, "select coalesce(sum(takes), 0) from days where owner = ?", (search.owner,)).fetchone()
                return min(int(row[0]), most)
        tallied = Found.tallied(search)
        if tallied is not None:  # takes that are under way are not in the tallies yet
            found.only_open()
            told = f"select coalesce(sum(takes), 0) from {tallied.tables} where {tallied.where}"  # noqa: S608
            moving = f"select count(*) from {found.tables} where {found.where}"  # noqa: S608
            with self._file.reading() as db:
                jobs = _plain(db, told, tallied.values).fetchone()[0] + _plain(db, moving, found.values).fetchone()[0]
                return min(int(jobs), most)
        sql = f"select count(*) from (select 1 from {found.tables} where {found.where} limit ?)"  # noqa: S608
        with self._file.reading() as db:
            return int(_plain(db, sql, (*found.values, most)).fetchone()[0])

    def ids(self, search: Search, most: int | None = None) -> list[str]:
        found = self._found(search)
        if found is None:
            return []
        way = "asc" if search.backwards else "desc"
        first = "" if search.sort is Sort.DATE else f"jobs.{ORDERS[search.sort]} {way} nulls last, "
        order = f"{first}jobs.seq {way}"
        sql = f"select jobs.id from {found.tables} where {found.where} order by {order} limit ?"  # noqa: S608
        with self._file.reading() as db:
            return [str(row[0]) for row in _plain(db, sql, (*found.values, -1 if most is None else most))]

    def around(self, search: Search, job_id: str) -> tuple[str | None, str | None]:
        found = self._found(search)
        if found is None:
            return None, None
        column = ORDERS[search.sort]
        with self._file.reading() as db:
            here = _plain(db, f"select seq, {column} from jobs where id = ?", (job_id,)).fetchone()  # noqa: S608
            among = f"select 1 from {found.tables} where {found.where} and {found.place} = ?"  # noqa: S608
            if here is None or not _plain(db, among, (*found.values, here[0])).fetchone():
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
        if remarks.starred is not None:
            values["starred"] = int(remarks.starred)
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
        tallied = Found.tallied(search)
        with self._file.reading() as db:
            if tallied is None:
                rows = list(_plain(db, _SUMS.format(found, DAY), found.values))
            else:  # takes that are under way are not in the tallies yet
                found.only_open()
                rows = [
                    *_plain(db, _TALLIES.format(tallied), tallied.values),
                    *_plain(db, _SUMS.format(found, DAY), found.values),
                ]
        return sorted(Sum(date.fromordinal(DAY_ONE + day).isoformat(), *rest) for day, *rest in rows)

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

    def models(self, owner: str) -> list[str]:
        sql = "select distinct model from tallies where owner = ? and takes > 0 order by model"
        with self._file.reading() as db:
            return [str(row[0]) for row in _plain(db, sql, (owner,))]

    def tags(self, owner: str) -> list[str]:
        sql = """
            select tag.value from jobs indexed by jobs_tagged, json_each(jobs.tags) as tag
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


def _beside(db: sqlite3.Connection, found: Found, search: Search, here: Sequence[Any], *, forward: bool) -> str | None:
    """The take that is shown next to the one whose seq and value these are: behind it, or before it."""
    seq, value = here
    column = ORDERS[search.sort]
    sign, way = ("<", "desc") if forward != search.backwards else (">", "asc")
    # The place, which the indexes tell, and only then the row.
    seqs = f"select jobs.seq from {found.tables} where {found.where}"  # noqa: S608
    ask = "select id from jobs where seq = ({} limit 1)"
    near = f"{found.place} {sign} ? order by {found.place} {way}"
    if search.sort is Sort.DATE:
        row = _plain(db, ask.format(f"{seqs} and {near}"), (*found.values, seq)).fetchone()
    else:  # one of the same value is mostly not far; all of the others have to be looked at
        row = _plain(
            db, ask.format(f"{seqs} and jobs.{column} is ? and {near}"), (*found.values, value, seq)
        ).fetchone()
        last = LEAST if not search.backwards else MOST  # rows without a value stand last in both directions
        key = f"coalesce(jobs.{column}, {last})"
        beyond = f"{seqs} and {key} {sign} ? order by {key} {way}, jobs.seq {way}"
        row = row or _plain(db, ask.format(beyond), (*found.values, last if value is None else value)).fetchone()
    return None if row is None else str(row[0])


def _words(db: sqlite3.Connection, beginning: str) -> list[str] | None:
    """The words of the index that begin so; None where there are more than a few."""
    words: list[str] = []
    at = beginning
    while len(words) <= ALTERNATIVES:
        row = _plain(db, "select term from terms where term >= ? limit 1", (at,)).fetchone()
        if row is None or not row[0].startswith(beginning):
            return words
        words.append(row[0])
        at = row[0] + "\0"  # the next one
    return None


def _plain(db: sqlite3.Connection, sql: str, values: Sequence[Any]) -> sqlite3.Cursor:
    """Run a query whose rows come as tuples: a third of the time of named rows."""
    cursor = db.cursor()
    cursor.row_factory = None
    return cursor.execute(sql, values)
