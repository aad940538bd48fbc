"""One browser for all flows, a new profile for each visitor, and the app that they visit.

The scope is the package: a browser that stays open keeps asyncio from the tests that follow.
"""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

from core.settings import Settings
from core.studio import Studio, open_studio
from tests.browser.inside import Inside
from tests.browser.server import App
from tests.browser.visit import Visit
from tests.engine import own_log
from tests.fal_server import FalServer

ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
RUN_S = 1.0  # a job at the fake fal: long enough to be seen running

Visitor = Callable[..., Visit]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything in this folder needs a browser."""
    here = Path(__file__).parent
    for item in items:
        if item.path.is_relative_to(here):
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """Chromium; `TAKES_BROWSER` says where, if it is not in the usual place."""
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=os.environ.get("TAKES_BROWSER") or "/usr/bin/chromium", args=ARGUMENTS
        )
        yield chromium
        chromium.close()


@pytest.fixture(scope="package")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    """The app as it is on a fresh machine: no key, no data."""
    with App(tmp_path_factory.mktemp("app")) as running:
        yield running


@pytest.fixture(scope="package")
def fal() -> Iterator[FalServer]:
    """A server that speaks fal's protocol."""
    with FalServer(run_s=RUN_S) as server:
        yield server


@pytest.fixture(scope="package")
def hosted(tmp_path_factory: pytest.TempPathFactory, fal: FalServer) -> Iterator[App]:
    """The app with a key, and fal pointed at that server."""
    folder = tmp_path_factory.mktemp("hosted")
    with App(folder, FAL_BASE_URL=fal.url, FAL_API_KEY=fal.key, POLL_SECONDS="0.3") as running:
        yield running


@pytest.fixture
def visitor(browser: Browser) -> Iterator[Visitor]:
    """Makes visitors: each a browser profile of its own, closed at the end of the test.

    At the end no page may have asked another host, broken the security policy, or thrown in its scripts.
    """
    visits: list[Visit] = []

    def come(app: App, width: int = 1280, height: int = 900) -> Visit:
        context = browser.new_context(viewport={"width": width, "height": height}, reduced_motion="reduce")
        context.set_default_timeout(20_000)
        visit = Visit(app, context)
        visits.append(visit)
        return visit

    yield come
    for visit in visits:
        visit.context.close()
    for visit in visits:
        assert visit.foreign == []
        assert visit.violations == []
        assert visit.crashes == []


@pytest.fixture(scope="package")
def store_of(app: App) -> Iterator[Studio]:
    """The store of the app without a key, from the inside."""
    with own_log():
        studio = open_studio(Settings(data_dir=app.data))
        yield studio


@pytest.fixture
def inside(app: App, store_of: Studio, visitor: Visitor) -> Callable[..., Inside]:
    """Makes visitors whose takes are written by hand."""
    return lambda **size: Inside.of(visitor(app, **size), store_of)
