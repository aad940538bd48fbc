"""A project of Supabase's in place of the server, where the environment names one: the same tests run against that.

    SUPABASE_TEST_URL       its address
    SUPABASE_TEST_KEY       its service key, `sb_secret_…` or the legacy JWT
    SUPABASE_TEST_ANON_KEY  its publishable or anon key
    SUPABASE_TEST_JWT_SECRET  optional: signs users' tokens (HS256); without it, tests that need a user are skipped
    SUPABASE_TEST_DB_URL    optional: a connection string with the rights of `postgres`, for SQL and migrations

Use a project that holds nothing: the tests write to it and delete from it. Skipped there, since no hosted project can do
it: whatever calls `fault`, `calls`, `record`, `fresh` or `dsn`; and, without SUPABASE_TEST_DB_URL, what calls `sql` or
`apply`. The fixture `local_supabase` is the server on this machine in any case.
"""

import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

import jwt
import psycopg
import pytest

from tests.supabase_server.faults import Fault
from tests.supabase_server.server import HOUR_S

# Read when this is imported, since `clean_environment` takes such names away from every test
GIVEN = {name: os.environ.get(f"SUPABASE_TEST_{name}") for name in ("URL", "KEY", "ANON_KEY", "JWT_SECRET", "DB_URL")}


class LiveProject:
    """What `SupabaseServer` offers to tests, over a project elsewhere. Skips the test where that cannot do it."""

    live = True

    def __init__(self, schema: Sequence[Path] = ()) -> None:
        self.url = (GIVEN["URL"] or "").rstrip("/")
        self.service_key = self.secret_key = GIVEN["KEY"] or ""
        self.anon_key = self.publishable_key = GIVEN["ANON_KEY"] or ""
        self.outside: list[str] = []
        for path in schema if GIVEN["DB_URL"] else ():
            self.apply(path)

    @property
    def jwt_secret(self) -> str:
        return GIVEN["JWT_SECRET"] or _skip("SUPABASE_TEST_JWT_SECRET")

    @property
    def record(self) -> NoReturn:
        _skip("the record of requests")

    def token(self, sub: str, *, lasts_s: float = HOUR_S, **claims: Any) -> str:
        """A user's token."""
        now = int(time.time())
        told = {"role": "authenticated", "aud": "authenticated", "sub": sub, "iat": now, "exp": int(now + lasts_s)}
        return jwt.encode({**told, **claims}, self.jwt_secret, "HS256")

    def sql(self, text: str, values: Sequence[Any] | None = None) -> list[tuple[Any, ...]]:
        """Run SQL as `postgres`, who is no superuser there; the rows of the last statement."""
        with psycopg.connect(GIVEN["DB_URL"] or _skip("SUPABASE_TEST_DB_URL"), autocommit=True) as line:
            cursor = line.execute(text.encode(), values)
            while cursor.nextset():
                pass
            return cursor.fetchall() if cursor.description else []

    def apply(self, path: Path, user: str = "postgres") -> None:
        """Run a file of SQL."""
        if user != "postgres":
            _skip("SQL as superuser")
        self.sql(path.read_text())

    def calls(self, *ops: str) -> NoReturn:
        _skip("the record of requests")

    def fault(self, op: str, fault: Fault, times: int = 1) -> NoReturn:
        _skip("faults on demand")

    def to_come(self, op: str) -> NoReturn:
        _skip("faults on demand")

    def fresh(self) -> NoReturn:
        _skip("a new database")

    def dsn(self, user: str = "") -> NoReturn:
        _skip("a connection to the database")


def _skip(what: str) -> NoReturn:
    pytest.skip(f"the project at SUPABASE_TEST_URL does not offer this: {what}")
