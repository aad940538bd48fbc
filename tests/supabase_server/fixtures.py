"""Fixtures over the server; `tests/conftest.py` makes them known to every test.

A store's tests that need a schema open a project of their own:

    @pytest.fixture
    def project(postgres):
        with open_project(postgres, schema=sorted(MIGRATIONS.glob("*.sql"))) as project:
            yield project
"""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest

from tests.supabase_server.asking import client, line
from tests.supabase_server.live import GIVEN, LiveProject
from tests.supabase_server.postgres import Postgres
from tests.supabase_server.server import SupabaseServer

Project = SupabaseServer | LiveProject
EMPTY_S = 60.0  # how long a bucket elsewhere may take to become empty; it is done later there


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """One Postgres for all tests; started when the first one asks."""
    with Postgres() as running:
        yield running


@pytest.fixture
def local_supabase(postgres: Postgres) -> Iterator[SupabaseServer]:
    """A new empty project on this machine. A request outside the server's subset fails the test."""
    with local_project(postgres) as server:
        yield server


@pytest.fixture
def supabase(request: pytest.FixtureRequest) -> Iterator[Project]:
    """A new empty project on this machine, or the one that the environment names (see live.py)."""
    if GIVEN["URL"]:
        yield LiveProject()
    else:
        with open_project(request.getfixturevalue("postgres")) as project:
            yield project


Connect = Callable[..., Any]  # a supabase.Client, whose answers are typed as any JSON, so that no row has a field


@pytest.fixture
def connect() -> Iterator[Connect]:
    """`connect(project, key, bearer)`: supabase-py as the product uses it, over HTTP/1.1; the lines are closed at the end.

    `key` is the service key unless another is given; `bearer` a user's token.
    """
    with ExitStack() as lines:
        yield lambda project, *keys: client(lines.enter_context(line()), project, *keys)


@pytest.fixture
def media(supabase: Project, connect: Connect) -> Project:
    """A project with a private bucket `media` for pictures and videos of at most 20 MB."""
    storage = connect(supabase).storage
    for bucket in storage.list_buckets():  # there are none, but in a project elsewhere
        if bucket.id in ("media", "pub"):
            _remove(storage, bucket.id)
    limits = {"public": False, "file_size_limit": 20_000_000, "allowed_mime_types": ["image/*", "video/mp4"]}
    storage.create_bucket("media", options=limits)
    return supabase


def _remove(storage: Any, bucket: str) -> None:
    storage.empty_bucket(bucket)
    until = time.monotonic() + EMPTY_S
    while storage.from_(bucket).list() and time.monotonic() < until:
        time.sleep(0.5)
    storage.delete_bucket(bucket)


@contextmanager
def open_project(postgres: Postgres, **options: Any) -> Iterator[Project]:
    """A project for a `with`: a new one on this machine, or the one that the environment names.

    Args:
        options: of `SupabaseServer`; of these a project elsewhere only has `schema`, with SUPABASE_TEST_DB_URL.
    """
    if GIVEN["URL"]:
        yield LiveProject(options.get("schema", ()))
        return
    with local_project(postgres, **options) as server:
        yield server


@contextmanager
def local_project(postgres: Postgres, **options: Any) -> Iterator[SupabaseServer]:
    """A new project on this machine. Raises AssertionError at the end where a request was outside the server's subset."""
    with SupabaseServer(postgres, **options) as server:
        yield server
        assert server.outside == []
