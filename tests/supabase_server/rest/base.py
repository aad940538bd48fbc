"""What tables and functions share: who calls, a transaction as that role, and a statement whose rows come back as JSON."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

import psycopg

from tests.supabase_server.access import ANON, LEEWAY_S, BadToken, Caller, Keys
from tests.supabase_server.database import Pool
from tests.supabase_server.rest.catalog import Catalog
from tests.supabase_server.rest.errors import Wording, from_postgres, from_token
from tests.supabase_server.wire import Outside, Request

Cursor = psycopg.Cursor[tuple[object, ...]]


class Base:
    """One half of PostgREST.

    Args:
        pool: connections as `authenticator`.
        catalog: the columns and functions that it knows.
        keys: of the project.
        max_rows: how many rows a read gives at most; None for no cap.
        wording: whose texts errors have.
    """

    def __init__(self, pool: Pool, catalog: Catalog, keys: Keys, max_rows: int | None, wording: Wording) -> None:
        self.pool, self.catalog, self.keys = pool, catalog, keys
        self.max_rows, self.wording = max_rows, wording

    def caller(self, request: Request) -> Caller:
        """Who calls; anon where nothing is said. Raises Denied or Refused."""
        self.keys.gateway(request.headers)
        try:
            return self.keys.caller(request.headers, LEEWAY_S) or ANON
        except BadToken as exc:
            raise from_token(exc, self.wording) from exc

    @contextmanager
    def transaction(self, caller: Caller, request: Request, *, read_only: bool = False) -> Iterator[Cursor]:
        """A transaction as the caller. Raises Refused on an error of the database, also one at commit."""
        settings = {
            **self.catalog.settings(caller.role),
            "search_path": '"public", "extensions"',
            "request.method": request.method,
            "request.path": request.path.removeprefix("/rest/v1"),
            "request.headers": json.dumps(request.headers),
            "request.cookies": "{}",
        }
        try:
            with self.pool.transaction(caller, settings, read_only=read_only) as cursor:
                yield cursor
        except psycopg.Error as exc:
            raise from_postgres(exc, caller.role) from exc

    def run(
        self, cursor: Cursor, source: str, *, total: str = "null::bigint", shown: str = "*", value: str = "pgrst_row"
    ) -> tuple[int | None, int, str]:
        """Run a statement that gives rows: what `total` counted, how many rows came, and these as a JSON list."""
        statement = (
            f"with source as ({source}) select {total}, count(*), coalesce(json_agg({value}), '[]')::text,"
            " coalesce(current_setting('response.headers', true), '')"
            " || coalesce(current_setting('response.status', true), '')"
            f" from (select {shown} from source) pgrst_row"
        )
        cursor.execute(statement.encode())
        counted, rows, body, own = cast(Any, cursor.fetchone())
        if own:
            raise Outside("a function that sets headers or the status of its answer")
        return counted, rows, body
