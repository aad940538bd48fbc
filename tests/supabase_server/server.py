"""The server's life: it listens over a database of its own, records what it gets, and breaks where a test says so."""

import contextlib
import hashlib
import json
import tempfile
import threading
import time
from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Self

import psycopg

from tests.supabase_server.access import Denied, Keys
from tests.supabase_server.database import Pool
from tests.supabase_server.faults import Fault, Seen
from tests.supabase_server.postgres import ADMIN, BASE, Postgres
from tests.supabase_server.rest import Rest
from tests.supabase_server.rest.catalog import Catalog
from tests.supabase_server.rest.errors import Wording
from tests.supabase_server.storage import Storage
from tests.supabase_server.wire import Answer, Listener, Outside, Request, as_json

HOUR_S = 3600
MAX_ROWS = 1000  # what hosted projects give at most for one read
SIZE_LIMIT = 50 * 1024 * 1024  # bytes of one object on hosted projects of the free plan
EXPOSES = (
    "alter default privileges for role postgres in schema public grant all on {} to anon, authenticated, service_role"
)


class SupabaseServer:
    """A context manager; between `start` and `stop` there is a project at `url`.

    Args:
        postgres: the cluster to have a database in; without one, it makes one for itself.
        schema: files of SQL, in the order in which they are applied, as the user that migrations have on a hosted
            project. A copy is kept for each such list, so a second server with the same files starts at once.
        exposes: whether new tables and functions in `public` are granted to the API's roles without being asked, as
            hosted projects did until October 2026. Off, a migration has to grant what it wants to be reachable.
        max_rows: the cap on rows of a read; None for none.
        size_limit: bytes of one object that the project allows.
        wording: whose texts errors have, PostgREST 12.2's or those of newer ones.
        port: 0 for a free one.
    """

    live = False
    """Whether this is a project of Supabase's; see `LiveProject`."""

    def __init__(
        self, postgres: Postgres | None = None, *, schema: Sequence[Path] = (), exposes: bool = False,
        max_rows: int | None = MAX_ROWS, size_limit: int = SIZE_LIMIT, wording: Wording = "12", port: int = 0,
    ) -> None:  # fmt: skip
        self._postgres, self._is_own = postgres or Postgres(), postgres is None
        self._schema, self._exposes, self._port = tuple(schema), exposes, port
        self.max_rows, self.size_limit, self.wording = max_rows, size_limit, wording
        self._keys = Keys()
        self.service_key, self.anon_key = self._keys.service, self._keys.anon
        self.secret_key, self.publishable_key = self._keys.secret_key, self._keys.publishable_key
        self.jwt_secret = self._keys.secret
        self.record: list[Seen] = []
        self.outside: list[str] = []
        self._faults: list[tuple[str, Fault]] = []
        self._lock = threading.Lock()

    # --- What tests say and ask -----------------------------------------------------------------------------------

    def token(self, sub: str, *, lasts_s: float = HOUR_S, **claims: Any) -> str:
        """A user's token: role authenticated, `sub` as `auth.uid()`; further claims, e.g. `app_metadata={…}`."""
        return self._keys.sign({"role": "authenticated", "aud": "authenticated", "sub": sub, **claims}, lasts_s)

    def sql(self, text: str, values: Sequence[Any] | None = None) -> list[tuple[Any, ...]]:
        """Run SQL as superuser; the rows of the last statement. Several statements only without values."""
        return self._run(text.encode(), values, ADMIN)

    def apply(self, path: Path, user: str = "postgres") -> None:
        """Run a file of SQL, by default as the user that migrations have on a hosted project, who is no superuser."""
        self._run(path.read_bytes(), None, user)

    def calls(self, *ops: str) -> list[Seen]:
        """What was seen of these calls, in order; of all, where none is named. `*` stands for anything: "rpc *"."""
        return [seen for seen in list(self.record) if not ops or any(fnmatchcase(seen.op, op) for op in ops)]

    def fault(self, op: str, fault: Fault, times: int = 1) -> None:
        """Let the next calls of this kind go wrong, e.g. of "insert jobs", "rpc *", "upload"; see `Seen.op`."""
        with self._lock:
            self._faults += [(op, fault)] * times

    def to_come(self, op: str) -> int:
        """How many faults of this kind no call has met yet."""
        return sum(1 for pattern, _ in self._faults if pattern == op)

    def fresh(self) -> None:
        """A new database with the schema and without rows or files, at the same address and with the same keys.

        Calls that were seen and faults that were to come are forgotten.
        """
        self._close()
        self._open()
        with self._lock:
            self.record, self.outside, self._faults = [], [], []

    def dsn(self, user: str = ADMIN) -> str:
        """How psycopg gets to the database, for SQL that needs a connection of its own."""
        return self._postgres.dsn(self._database, user)

    # --- Life -----------------------------------------------------------------------------------------------------

    def start(self) -> Self:
        """Make the database and listen. Raises RuntimeError where there is no Postgres, OSError where the port is taken."""
        if self._is_own:
            self._postgres.start()
        self._listener = Listener(self._port, self._reply)
        self.url = f"http://127.0.0.1:{self._listener.server_address[1]}"
        self._open()
        return self

    def stop(self) -> None:
        """Hang up on everybody and remove the database and the files."""
        self._pools_close()
        self._listener.stop()
        self._close()
        if self._is_own:
            self._postgres.stop()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _open(self) -> None:
        self._database = self._postgres.copy(self._template())
        self._folder = tempfile.TemporaryDirectory(prefix="takes-storage-")
        self._rest_pool = Pool(self.dsn("authenticator"))
        self._storage_pool = Pool(self.dsn("supabase_storage_admin"))
        self._catalog = Catalog(self.dsn())
        self._rest = Rest(self._rest_pool, self._catalog, self._keys, self.max_rows, self.wording)
        self._storage = Storage(self.url, self._storage_pool, self._keys, Path(self._folder.name), self.size_limit)

    def _template(self) -> str:
        if not self._schema and not self._exposes:
            return BASE
        texts = [path.read_bytes() for path in self._schema]
        key = hashlib.sha256(repr((self._exposes, texts)).encode()).hexdigest()

        def build(name: str) -> None:
            if self._exposes:
                with psycopg.connect(self._postgres.dsn(name), autocommit=True) as line:
                    for kind in ("tables", "sequences", "functions"):
                        line.execute(EXPOSES.format(kind).encode())
            with psycopg.connect(self._postgres.dsn(name, "postgres"), autocommit=True) as line:
                for text in texts:
                    line.execute(text)

        return self._postgres.template(key, build)

    def _pools_close(self) -> None:
        self._rest_pool.close()
        self._storage_pool.close()

    def _close(self) -> None:
        self._pools_close()
        self._catalog.close()
        self._postgres.drop(self._database)
        self._folder.cleanup()

    def _run(self, text: bytes, values: Sequence[Any] | None, user: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.dsn(user), autocommit=True) as line:
            cursor = line.execute(text, values)
            while cursor.nextset():
                pass
            rows = cursor.fetchall() if cursor.description else []
        self._catalog.hear()
        return rows

    # --- One request ----------------------------------------------------------------------------------------------

    def _reply(self, request: Request) -> Answer:
        half = self._storage if request.path.startswith("/storage/") else self._rest
        op, handler = half.route(request) or ("other", None)
        fault = self._meet(op, request)
        if fault.cut == "before":
            return Answer(hang_up=True)
        answer = None
        if fault.status is None or fault.works:
            more = {"keep": fault.keep} if fault.keep is not None and op == "resumable patch" else {}
            answer = self._answer(request, handler, more)
        if fault.wait_s:
            time.sleep(fault.wait_s)
        return fault.in_place_of(answer)

    def _answer(self, request: Request, handler: Any, more: dict[str, int]) -> Answer:
        try:
            if handler is None:
                raise Outside("no such route")
            answer: Answer = handler(request, **more)
        except Denied as exc:
            answer = exc.answer
        except Outside as exc:
            said = f"outside the subset: {exc} ({request.method} {request.path})"
            self.outside.append(said)
            answer = as_json({"code": "501", "details": None, "hint": None, "message": said}, 501)
        return answer

    def _meet(self, op: str, request: Request) -> Fault:
        """Record a request, and take the fault that is meant for it."""
        body: Any = len(request.body)
        if request.headers.get("content-type", "").startswith("application/json"):
            with contextlib.suppress(ValueError):
                body = json.loads(request.body)
        seen = Seen(
            op, request.method, request.path, request.query, request.headers, body, time.monotonic(), request.port
        )
        with self._lock:
            self.record.append(seen)
            for at, (pattern, fault) in enumerate(self._faults):
                if fnmatchcase(op, pattern):
                    del self._faults[at]
                    return fault
        return Fault()
