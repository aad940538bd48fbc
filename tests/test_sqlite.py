"""What is SQLite's own: migrations from nothing, their record, and statements that stay whole."""

import sqlite3
from pathlib import Path

import pytest

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
