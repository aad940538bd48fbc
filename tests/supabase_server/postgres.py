"""A throw-away Postgres for a test session, and databases in it that are copies of a prepared one."""

import getpass
import itertools
import os
import pwd
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Self

import psycopg
from psycopg import sql

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
ADMIN = "supabase_admin"  # the superuser, by the name that hosted projects give it
BASE = "supabase_base"  # the database with what a new project has


class Postgres:
    """One cluster; a context manager. It runs in a process of its own that ends with ours, however we end.

    Raises RuntimeError on start where no server program is found or it does not come up.
    """

    def __init__(self) -> None:
        self._numbers = itertools.count(1)
        self._templates: dict[str, str] = {}
        self._lock = threading.Lock()

    def start(self) -> Self:
        """Make the cluster with the roles and the schemas of a new project; about a second and a half."""
        user = unprivileged()
        # /tmp, since a TMPDIR may lie where another user cannot go, and a socket's path has to be short
        self._folder = Path(tempfile.mkdtemp(prefix="takes-pg-", dir="/tmp" if Path("/tmp").is_dir() else None))
        if user:
            os.chown(self._folder, pwd.getpwnam(user).pw_uid, -1)
        self._keeper = subprocess.Popen(
            [sys.executable, "-I", str(HERE / "keeper.py"), programs(), str(self._folder), user],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,  # Ctrl-C in a terminal is for the tests; they end the keeper in their own time
        )
        assert self._keeper.stdout is not None
        said = self._keeper.stdout.readline().decode().strip()
        if said != "ready":
            self.stop()
            raise RuntimeError(f"No Postgres for the tests: {said or 'its keeper died'}")
        self._admin = psycopg.connect(self.dsn("postgres"), autocommit=True)
        self._admin.execute((HERE / "roles.sql").read_bytes())
        self.create(BASE)
        with psycopg.connect(self.dsn(BASE), autocommit=True) as line:
            line.execute((HERE / "project.sql").read_bytes())
        return self

    def stop(self) -> None:
        """End the server and remove its folder."""
        if hasattr(self, "_admin"):
            self._admin.close()
        for pipe in (self._keeper.stdin, self._keeper.stdout):
            assert pipe is not None
            pipe.close()
        self._keeper.wait()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def keeper(self) -> int:
        """Process id of the keeper, which is the server's parent."""
        return self._keeper.pid

    def dsn(self, database: str, user: str = ADMIN) -> str:
        """How libpq (psycopg, psql) gets to a database; no password is asked for."""
        return f"host={self._folder} dbname={database} user={user}"

    def create(self, name: str, template: str = "template0") -> str:
        """A database that is a copy of `template`, owned by `postgres` as on hosted projects; some 50 ms."""
        command = sql.SQL("create database {} template {} owner postgres").format(
            *map(sql.Identifier, (name, template))
        )
        with self._lock:
            self._admin.execute(command)
        return name

    def copy(self, template: str = BASE) -> str:
        """A new database like `template`; its name."""
        return self.create(f"project_{next(self._numbers)}", template)

    def template(self, key: str, build: Callable[[str], None]) -> str:
        """A database that `build` filled once for this `key`, to make copies of; its name.

        Nobody may be connected to it afterwards.
        """
        if key not in self._templates:
            name = self.create(f"template_{next(self._numbers)}", BASE)
            build(name)
            self._templates[key] = name
        return self._templates[key]

    def drop(self, name: str) -> None:
        """Remove a database, and whoever is connected to it."""
        with self._lock:
            self._admin.execute(sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(name)))


def programs() -> str:
    """The folder of initdb, as the Makefile finds it. Raises RuntimeError."""
    found = subprocess.run(["sh", ".ci/find", "postgres"], cwd=ROOT, capture_output=True, text=True, check=True)
    if not found.stdout.strip():
        raise RuntimeError("These tests need a PostgreSQL server; `sh .ci/need postgres` installs it.")
    return found.stdout.strip()


def unprivileged() -> str:
    """Whom to run Postgres as, since it refuses to run as root: "" for ourselves."""
    if os.geteuid() != 0:
        return ""
    for name in ("postgres", "nobody"):
        try:
            pwd.getpwnam(name)
        except KeyError:
            continue
        return name
    raise RuntimeError(f"Postgres refuses to run as {getpass.getuser()}, and there is no user postgres or nobody.")
