"""What is SQLite's own: migrations from nothing, their record, and statements that stay whole."""

import json
import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

from core.errors import StorageFull
from core.jobs.history import Search
from core.jobs.job import ENDED, NEVER, OPEN, Event, Job, State, Video
from core.jobs.store import JobQuery
from core.stores.sqlite import SqliteJobStore
from core.stores.sqlite_file import SqliteFile, statements
from core.stores.sqlite_history import SqliteHistory
from tests.test_job import NOW, a_job

STILL, CLIP, SOUND, FILM, POSTER = (
    f"{number:064x}.{extension}" for number, extension in enumerate(("png", "mp4", "wav", "mp4", "jpg"), start=10)
)


def test_opening_twice_migrates_once(tmp_path: Path) -> None:
    path = tmp_path / "takes.db"
    first = SqliteJobStore(path)
    job = first.add(a_job())
    first.close()
    second = SqliteJobStore(path)
    assert second.get(job.id) == job
    second.close()
    db = sqlite3.connect(path)
    rows = db.execute("select number, name from migrations").fetchall()
    db.close()
    assert [number for number, _ in rows] == sorted({number for number, _ in rows})
    assert rows[0] == (1, "0001_jobs.sql")


def test_the_big_queries_use_an_index(tmp_path: Path) -> None:
    store = SqliteJobStore(tmp_path / "takes.db")
    store.close()
    db = sqlite3.connect(tmp_path / "takes.db")
    for sql in (
        "select * from jobs where owner = 'o' order by seq desc limit 50",
        "select * from jobs where owner = 'o' and model = 'm' order by seq desc limit 50",
        "select id from jobs where is_open = 1 and provider = 'fal' and state = 'waiting'",
        "select * from jobs where owner = 'o' and version > 7 order by version limit 60",
        "select id from jobs where is_open = 1 and due_at <= 'x' order by due_at limit 9",
        "select id from jobs where state = 'unknown' and due_at <= 'x' order by due_at limit 9",
    ):
        plan = " ".join(row[3] for row in db.execute(f"explain query plan {sql}"))
        assert "USING INDEX" in plan or "USING COVERING INDEX" in plan, sql
        assert "TEMP B-TREE" not in plan, sql
    db.close()


def test_retention_finds_old_jobs_by_an_index(tmp_path: Path) -> None:
    store = SqliteJobStore(tmp_path / "takes.db")
    asked: list[str] = []
    db = store.file._idle.get_nowait()  # the one connection there is
    db.set_trace_callback(asked.append)
    store.file._idle.put(db)
    store.find(JobQuery(states=ENDED, starred=False, finished_before=NOW, after=(NOW, "x"), limit=200))
    db.set_trace_callback(None)
    plan = " ".join(row[3] for row in db.execute(f"explain query plan {asked[0]}"))
    assert "SEARCH jobs USING INDEX jobs_finished" in plan
    assert "SCAN" not in plan
    store.close()


@pytest.mark.parametrize(
    ("ask", "index"),
    [
        (
            lambda store: store.find(JobQuery(owner="o", changed_since=7, limit=60)),
            "jobs_changed (owner=? AND version>?)",
        ),
        (lambda store: store.find(JobQuery(owner="o", states=OPEN, limit=200)), "jobs_due"),
        (lambda store: store.line("fal"), "jobs_due"),
        (lambda store: store.claim("w1", NOW, 60, {"fal": 8}, 50), "jobs_due"),
    ],
    ids=["what has changed", "what is open", "the line", "a claim"],
)
def test_what_is_asked_all_the_time_walks_nobody_s_history(
    ask: Callable[[SqliteJobStore], object], index: str, tmp_path: Path
) -> None:
    store = SqliteJobStore(tmp_path / "takes.db")
    store.add(a_job())
    asked: list[str] = []
    db = store.file._idle.get_nowait()  # the one connection there is
    db.set_trace_callback(asked.append)
    store.file._idle.put(db)
    ask(store)
    db.set_trace_callback(None)
    plans = [
        " | ".join(row[3] for row in db.execute(f"explain query plan {sql}"))
        for sql in asked
        if sql.lstrip().startswith("select") and "from jobs" in sql
    ]
    assert any(index in plan for plan in plans), plans
    for plan in plans:
        assert "INDEX history" not in plan
        assert not re.search(r"SCAN (jobs|w)( \||$)", plan), f"all takes are looked at: {plan}"
    store.close()


@pytest.mark.parametrize(
    "kin", [{"parents": frozenset({"a", "b"})}, {"given": frozenset({FILM})}, {"made": frozenset({FILM})}]
)
def test_relatives_are_found_without_a_walk_along_the_history(kin: dict[str, Any], tmp_path: Path) -> None:
    store = SqliteJobStore(tmp_path / "takes.db")
    asked: list[str] = []
    db = store.file._idle.get_nowait()  # the one connection there is
    db.set_trace_callback(asked.append)
    store.file._idle.put(db)
    store.find(JobQuery(owner="o", **kin))
    db.set_trace_callback(None)
    plan = " ".join(row[3] for row in db.execute(f"explain query plan {asked[0]}"))
    assert "SEARCH jobs USING INDEX" in plan
    assert "owner=?" not in plan, "all takes of a person are looked at"
    assert "SCAN" not in plan
    store.close()


def test_statements_are_cut_at_their_ends() -> None:
    script = "create table a (b text default ';');\n-- a; b\ncreate trigger t after insert on a begin\n update a set b=1;\nend;\n"
    assert len(list(statements(script))) == 2
    with pytest.raises(ValueError, match="not finished"):
        list(statements("create table a (b"))


def test_a_full_disk_is_told_and_nothing_that_was_there_is_lost(tmp_path: Path) -> None:
    store = SqliteJobStore(tmp_path / "takes.db")
    kept = store.add(a_job())
    db = store.file._idle.get_nowait()  # the one connection there is: the file may not grow on it
    pages = db.execute("pragma page_count").fetchone()[0]
    db.execute(f"pragma max_page_count = {pages}")
    store.file._idle.put(db)
    with pytest.raises(StorageFull, match="database is full"):
        store.add(a_job(prompt="x" * 100_000))
    assert store.get(kept.id) == kept
    again = store.add(a_job(prompt="x" * 100_000))  # with room again: a new connection has no such limit
    assert store.get(again.id) == again
    store.close()


# --- from the first schema ----------------------------------------------------------------------------------------------

FIRST = "0001_jobs.sql"
LATER_COLUMNS = {
    "fingerprint", "rank", "starred", "told_request_id", "cancel_answer", "usual_s", "slow_s",
    "note", "tags", "rating", "binned_at", "continues",
}  # fmt: skip


def an_old_database(path: Path, jobs: list[Job]) -> None:
    """A database as the first version left it, with these jobs and a history of one event each."""
    script = (resources.files("core.stores") / "migrations" / FIRST).read_text("utf-8")
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("pragma journal_mode = wal")
        db.execute("create table migrations (number integer primary key, name text not null, at text not null)")
        for statement in statements(script):
            db.execute(statement)
        db.execute("insert into migrations values (1, ?, '2026-09-01T00:00:00.000000Z')", (FIRST,))
        for job in jobs:
            old = {name: as_cell(value) for name, value in job.model_dump(mode="json").items()}
            row = {name: value for name, value in old.items() if name not in LATER_COLUMNS}
            marks = ", ".join("?" * len(row))
            db.execute(f"insert into jobs ({', '.join(row)}) values ({marks})", tuple(row.values()))
            db.execute(
                "insert into events values (?, 1, ?, null, ?, 'asked for')", (job.id, row["created_at"], job.state)
            )
        db.execute("update counter set value = ?", (max(job.version for job in jobs),))


def as_cell(value: Any) -> Any:
    if isinstance(value, dict | list):
        return json.dumps(value)
    is_time = isinstance(value, str) and value.startswith("2026-") and value.endswith("Z")
    return value if not is_time or "." in value else value.replace("Z", ".000000Z")


@pytest.fixture
def old_jobs() -> list[Job]:
    """One job in each state, each a second after the other; some name files."""
    video = Video(key=FILM, poster=POSTER, width=1, height=2, duration_s=3.5, fps=24, bytes=9, sha256="s")
    files: dict[State, dict[str, Any]] = {
        State.WAITING: {"still": STILL, "inputs": {"image": STILL, "prompt": "not a key.png", "sound": SOUND}},
        State.SUBMITTING: {"inputs": {"clips": [{"key": CLIP, "seconds": 1.5}, {"key": STILL}]}, "lease_owner": "w"},
        State.RUNNING: {"logs": ["one"], "position": None, "progress": 0.5, "cancel_requested": True},
        State.SUCCEEDED: {"video": video, "finished_at": NOW + timedelta(seconds=70)},
        State.UNKNOWN: {"nonce": "n", "error": {"kind": "timeout", "message": "m"}},
    }
    return [
        a_job(
            state=state,
            version=number,
            fence=number,
            created_at=NOW + timedelta(seconds=number),
            due_at=NOW + timedelta(seconds=number),
            **files.get(state, {}),
        )
        for number, state in enumerate(State, start=1)
    ]


def test_a_first_database_becomes_the_newest_with_all_it_held(tmp_path: Path, old_jobs: list[Job]) -> None:
    path = tmp_path / "takes.db"
    an_old_database(path, old_jobs)
    store = SqliteJobStore(path)
    for old in old_jobs:
        new = store.get(old.id)
        assert new is not None, "a row was lost"
        assert new.rank == pytest.approx(old.created_at.timestamp(), abs=0.001)
        expected = {"rank": new.rank, "due_at": NEVER if old.state is State.UNKNOWN else old.due_at}
        assert new == old.model_copy(update=expected)
        assert store.events([old.id]) == [
            Event(job_id=old.id, at=old.created_at, from_state=None, to_state=old.state, why="asked for")
        ]
    assert len(store.find(JobQuery())) == len(State)
    assert store.unused([STILL, CLIP, SOUND, FILM, POSTER]) == set(), "a file in use would be cleared away"
    with closing(sqlite3.connect(path)) as db:
        uses = set(db.execute("select key, job_id from uses"))
        numbers = [number for (number,) in db.execute("select number from migrations order by number")]
        marks = db.execute("select value from counter").fetchone()[0]
    by_state = {job.state: job.id for job in old_jobs}
    assert uses == {
        (STILL, by_state[State.WAITING]), (SOUND, by_state[State.WAITING]), (CLIP, by_state[State.SUBMITTING]),
        (STILL, by_state[State.SUBMITTING]), (FILM, by_state[State.SUCCEEDED]), (POSTER, by_state[State.SUCCEEDED]),
    }  # fmt: skip
    assert numbers[:2] == [1, 2]
    assert marks == len(State), "pages would think that everything changed"
    store.close()


def test_what_was_under_way_goes_on(tmp_path: Path, old_jobs: list[Job]) -> None:
    path = tmp_path / "takes.db"
    an_old_database(path, old_jobs)
    store = SqliteJobStore(path)
    claimed = store.claim("w1", NOW + timedelta(minutes=5), 60, {"fal": 8}, 50)
    assert [job.state for job in claimed] == [
        State.SUBMITTING, State.QUEUED, State.RUNNING, State.SAVING, State.WAITING,
    ]  # fmt: skip
    assert State.UNKNOWN not in {job.state for job in claimed}, "what nobody can look up would be asked for for ever"
    store.close()


def test_a_migration_that_breaks_off_changes_nothing(tmp_path: Path, old_jobs: list[Job]) -> None:
    path = tmp_path / "takes.db"
    an_old_database(path, old_jobs)
    with closing(sqlite3.connect(path)) as db:
        db.execute("create table uses (something_else text)")  # in the way of the second migration
        before = sorted(db.execute("select sql from sqlite_master where sql is not null"))
    with pytest.raises(sqlite3.OperationalError, match="already exists"):
        SqliteJobStore(path)
    with closing(sqlite3.connect(path)) as db:
        assert sorted(db.execute("select sql from sqlite_master where sql is not null")) == before, "half a migration"
        assert [number for (number,) in db.execute("select number from migrations")] == [1]
        db.execute("drop table uses")
    store = SqliteJobStore(path)
    assert len(store.find(JobQuery())) == len(State)
    store.close()


# --- the history --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "sql",
    [
        "update events set why = 'it was never so'",
        "update events set at = '2020-01-01T00:00:00.000000Z' where seq = 1",
        "delete from events",
        "delete from events where seq = 1",
    ],
)
def test_history_is_not_rewritten(sql: str, tmp_path: Path) -> None:
    store = SqliteJobStore(tmp_path / "takes.db")
    job = store.add(a_job())
    before = store.events([job.id])
    with closing(sqlite3.connect(tmp_path / "takes.db")) as db:
        db.execute("pragma foreign_keys = on")
        with pytest.raises(sqlite3.IntegrityError, match="the history of a job is not"):
            db.execute(sql)
    assert store.events([job.id]) == before
    store.forget([job.id])
    with closing(sqlite3.connect(tmp_path / "takes.db")) as db:
        assert db.execute("select count(*) from events").fetchone() == (0,)
        assert db.execute("select count(*) from uses").fetchone() == (0,)
    store.close()


class FullFile(SqliteFile):
    """A file on a disk that is full."""

    @contextmanager
    def writing(self, *, durable: bool = False) -> Iterator[Any]:
        raise StorageFull("There is no room left.")
        yield


def test_a_search_on_a_full_disk_finds_what_was_read_before(tmp_path: Path) -> None:
    path = tmp_path / "takes.db"
    store = SqliteJobStore(path)
    old = store.add(a_job(prompt="lighthouse"))
    mine = Search(owner=old.owner, text="lighthouse")
    assert [row.id for row in SqliteHistory(store.file).page(mine)] == [old.id]
    store.add(a_job(prompt="another lighthouse"))
    full = FullFile(path)
    assert [row.id for row in SqliteHistory(full).page(mine)] == [old.id], "the page broke, or wrote on a full disk"
    assert len(SqliteHistory(store.file).page(mine)) == 2, "it is lost to the search for good"
    full.close()
    store.close()
