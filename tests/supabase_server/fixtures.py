"""Fixtures over the server; `tests/conftest.py` makes them known to every test.

A store's tests that need a schema open a project of their own:

    @pytest.fixture
    def project(postgres):
        with open_project(postgres, schema=sorted(MIGRATIONS.glob("*.sql"))) as project:
            yield project
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import httpx
import pytest
from supabase import Client, create_client
from supabase.lib.client_options import SyncClientOptions

from tests.supabase_server.live import GIVEN, LiveProject
from tests.supabase_server.postgres import Postgres
from tests.supabase_server.server import SupabaseServer

Project = SupabaseServer | LiveProject


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """One Postgres for all tests; started when the first one asks."""
    with Postgres() as running:
        yield running


@pytest.fixture
def local_supabase(postgres: Postgres) -> Iterator[SupabaseServer]:
    """A new empty project on this machine. A request outside the server's subset fails the test."""
    with SupabaseServer(postgres) as server:
        yield server
        assert server.outside == []


@pytest.fixture
def supabase(request: pytest.FixtureRequest) -> Iterator[Project]:
    """A new empty project on this machine, or the one that the environment names (see live.py)."""
    if GIVEN["URL"]:
        yield LiveProject()
    else:
        with open_project(request.getfixturevalue("postgres")) as project:
            yield project


Connect = Callable[..., Client]


@pytest.fixture
def connect() -> Iterator[Connect]:
    """`connect(project, key, bearer)`: supabase-py as the product uses it, over HTTP/1.1; the lines are closed at the end.

    `key` is the service key unless another is given; `bearer` a user's token.
    """
    with ExitStack() as lines:

        def connected(project: Project, key: str | None = None, bearer: str | None = None) -> Client:
            line = lines.enter_context(httpx.Client(http2=False, timeout=20, trust_env=False))
            headers = {"Authorization": f"Bearer {bearer}"} if bearer else {}
            options = SyncClientOptions(httpx_client=line, headers=headers)
            return create_client(project.url, key or project.service_key, options)

        yield connected


@contextmanager
def open_project(postgres: Postgres, **options: Any) -> Iterator[Project]:
    """A project for a `with`: a new one on this machine, or the one that the environment names.

    Args:
        options: of `SupabaseServer`; of these a project elsewhere only has `schema`, with SUPABASE_TEST_DB_URL.

    A request outside the server's subset raises AssertionError at the end.
    """
    if GIVEN["URL"]:
        yield LiveProject(options.get("schema", ()))
        return
    with SupabaseServer(postgres, **options) as server:
        yield server
        assert server.outside == []
