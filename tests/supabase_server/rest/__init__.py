"""The subset of PostgREST: routes under `/rest/v1`. Tables, functions; everything else is `Outside`."""

import re
from collections.abc import Callable

from tests.supabase_server.access import Keys
from tests.supabase_server.database import Pool
from tests.supabase_server.rest.catalog import Catalog
from tests.supabase_server.rest.errors import Refused, Wording
from tests.supabase_server.rest.functions import Functions
from tests.supabase_server.rest.tables import CALLS, Tables
from tests.supabase_server.wire import Answer, Request


class Rest:
    """PostgREST over one database; see `Base` for what it takes."""

    def __init__(self, pool: Pool, catalog: Catalog, keys: Keys, max_rows: int | None, wording: Wording) -> None:
        self._tables = Tables(pool, catalog, keys, max_rows, wording)
        self._functions = Functions(pool, catalog, keys, max_rows, wording)

    def route(self, request: Request) -> tuple[str, Callable[[Request], Answer]] | None:
        """The name of a call, as `Seen.op` has it, and who answers it; None for what is outside."""
        if found := re.fullmatch(r"/rest/v1/rpc/([^/]+)", request.path):
            if request.method in ("GET", "HEAD", "POST"):
                return f"rpc {found[1]}", lambda asked: _told(self._functions, asked, found[1])
        elif (found := re.fullmatch(r"/rest/v1/([^/]+)", request.path)) and request.method in CALLS:
            return f"{CALLS[request.method]} {found[1]}", lambda asked: _told(self._tables, asked, found[1])
        return None


def _told(half: Tables | Functions, request: Request, called: str) -> Answer:
    try:
        return half.answer(request, called)
    except Refused as exc:
        return exc.answer
