"""What is SQLite's own: migrations from nothing, their record, and statements that stay whole."""

import sqlite3
from pathlib import Path

import pytest

from core.errors import StorageFull
from core.stores.sqlite import SqliteJobStore, statements
from tests.test_job import a_job


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
        "select * from jobs where owner = 'o' order by created_at desc, id desc limit 50",
        "select * from jobs where owner = 'o' and model = 'm' order by created_at desc, id desc limit 50",
        "select id from jobs where is_open = 1 and provider = 'fal' and state = 'waiting'",
        "select * from jobs where version > 7 order by version limit 60",
    ):
        plan = " ".join(row[3] for row in db.execute(f"explain query plan {sql}"))
        assert "USING INDEX" in plan or "USING COVERING INDEX" in plan, sql
        assert "TEMP B-TREE" not in plan, sql
    db.close()


def test_statements_are_cut_at_their_ends() -> None:
    script = "create table a (b text default ';');\n-- a; b\ncreate trigger t after insert on a begin\n update a set b=1;\nend;\n"
    assert len(list(statements(script))) == 2
    with pytest.raises(ValueError, match="not finished"):
        list(statements("create table a (b"))


def test_a_full_disk_is_told_and_nothing_that_was_there_is_lost(tmp_path: Path) -> None:
    store = SqliteJobStore(tmp_path / "takes.db")
    kept = store.add(a_job())
    db = store._idle.get_nowait()  # the one connection there is: the file may not grow on it
    pages = db.execute("pragma page_count").fetchone()[0]
    db.execute(f"pragma max_page_count = {pages}")
    store._idle.put(db)
    with pytest.raises(StorageFull, match="database is full"):
        store.add(a_job(prompt="x" * 100_000))
    assert store.get(kept.id) == kept
    again = store.add(a_job(prompt="x" * 100_000))  # with room again: a new connection has no such limit
    assert store.get(again.id) == again
    store.close()
