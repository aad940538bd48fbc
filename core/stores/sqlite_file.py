"""A SQLite file: its connections, its transactions, and its schema."""

import queue
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path

from core.errors import IllegalMove, NotFound, StaleJob, StorageFull

BUSY_MS = 10_000  # how long a writer waits for another; every transaction here is far shorter

CACHE_KIB = 16 * 1024  # pages of the file that a connection keeps; a new job touches one of every index

FULL = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_WRITE)
"""What SQLite says where a page cannot be written."""


class _Connection(sqlite3.Connection):
    """A connection that remembers whether it waits for the disk; None before it was told."""

    durable: bool | None = None


class SqliteFile:
    """A database in a file with a write-ahead log, at the newest schema. Safe to share between threads and processes.

    Args:
        path: the file; made with its tables if it is not there.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._idle: queue.LifoQueue[_Connection] = queue.LifoQueue()
        path.parent.mkdir(parents=True, exist_ok=True)
        with self.reading() as db:
            migrate(db)

    def close(self) -> None:
        """Close every idle connection."""
        while True:
            try:
                self._idle.get_nowait().close()
            except queue.Empty:
                return

    @contextmanager
    def reading(self) -> Iterator[_Connection]:
        """A connection to ask. Raises StorageFull where a page cannot be written."""
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

    def _open(self) -> _Connection:
        db = sqlite3.connect(
            self._path, BUSY_MS / 1000, isolation_level=None, check_same_thread=False, factory=_Connection
        )
        db.row_factory = sqlite3.Row
        db.execute("pragma journal_mode = wal")
        db.execute(f"pragma cache_size = -{CACHE_KIB}")
        db.execute("pragma foreign_keys = on")
        return db

    @contextmanager
    def writing(self, *, durable: bool = False) -> Iterator[_Connection]:
        """One write transaction. `durable` waits for the disk, so that a power cut cannot undo what a paid request
        has followed on; the rest survives a crash of the process, which is what WAL promises without it."""
        with self.reading() as db:
            if db.durable is not durable:
                db.execute(f"pragma synchronous = {'full' if durable else 'normal'}")
                db.durable = durable
            db.execute("begin immediate")
            try:
                yield db
            except (NotFound, StaleJob, IllegalMove):
                db.execute("rollback")
                raise
            db.execute("commit")


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
                stamp = to_text(datetime.now(UTC))
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


def next_version(db: sqlite3.Connection) -> int:
    """The next value of the counter that tells readers what has changed."""
    return int(db.execute("update counter set value = value + 1 returning value").fetchone()[0])


def to_text(moment: datetime) -> str:
    """A time as it is kept: UTC with microseconds, so that it sorts as it reads."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def from_text(text: str) -> datetime:
    """The time that such a text stands for."""
    return datetime.fromisoformat(text)
