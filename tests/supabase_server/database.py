"""Connections to one database, and one transaction as one role, as PostgREST and Storage open it for each request."""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import psycopg

from tests.supabase_server.access import Caller

Line = psycopg.Connection[tuple[object, ...]]


class Pool:
    """Connections that are opened when needed and used again. Each is used by one thread at a time."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._idle: list[Line] = []
        self._busy: set[Line] = set()
        self._closed = False
        self._lock = threading.Lock()

    @contextmanager
    def line(self) -> Iterator[Line]:
        """A connection in autocommit; it is given away where it broke or was left in a transaction."""
        if self._closed:
            raise psycopg.OperationalError("the pool is closed")
        with self._lock:
            line = self._idle.pop() if self._idle else None
        if line is None or line.closed:
            line = psycopg.connect(self._dsn, autocommit=True, prepare_threshold=None)
        with self._lock:
            self._busy.add(line)
        try:
            yield line
        finally:
            with self._lock:
                self._busy.discard(line)
                sound = (
                    not line.closed
                    and not self._closed
                    and line.info.transaction_status == psycopg.pq.TransactionStatus.IDLE
                )
                if sound:
                    self._idle.append(line)
            if not sound:
                line.close()

    def close(self) -> None:
        """Close what is idle and cancel what runs."""
        with self._lock:
            self._closed = True
            for line in self._busy:
                line.cancel_safe()
            idle, self._idle = self._idle, []
        for line in idle:
            line.close()

    @contextmanager
    def transaction(
        self, caller: Caller, settings: Mapping[str, str], *, read_only: bool = False, keep: bool = True
    ) -> Iterator[psycopg.Cursor[tuple[object, ...]]]:
        """Do what follows as `caller`; committed at the end, rolled back on an error or where `keep` is False.

        Args:
            settings: of the database, for this transaction only.
        """
        # the role last: the others are set with the rights of who logged in
        given = {"request.jwt.claims": caller.claims_json, **settings, "role": caller.role}
        sets = ", ".join(f"set_config({quote(name)}, {quote(text)}, true)" for name, text in given.items())
        with self.line() as line, line.cursor() as cursor:
            try:
                cursor.execute(f"begin {'read only' if read_only else ''}; select {sets}".encode())
                yield cursor
                cursor.execute("commit" if keep else "rollback")
            except BaseException:
                if not line.closed and line.info.transaction_status != psycopg.pq.TransactionStatus.IDLE:
                    line.rollback()
                raise


def quote(text: str) -> str:
    """A literal of SQL, of no type yet, as a query parameter is."""
    return psycopg.sql.quote(text)


def name(text: str) -> str:
    """A quoted identifier of SQL."""
    return '"' + text.replace('"', '""') + '"'
