"""The ASGI entry: pages, media routes, middleware and the worker, in one process and on one port.

Run it with `make run`, or `streamlit run streamlit_app.py`.
"""

import gc
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib import import_module

import streamlit as st
from starlette.middleware import Middleware

from core.jobs.runner import WorkerThread
from core.studio import current
from core.web.hooks import hook_routes
from core.web.middleware import OwnerCookie, SecurityHeaders
from core.web.nodelay import answer_at_once
from core.web.routes import routes

log = logging.getLogger("takes")

# What the first visitor would otherwise wait for, and what the garbage collector need not look at again. Nothing of
# pages/: streamlit-autorefresh registers itself where it is imported, and that must be inside a session.
HEAVY = ("pandas", "pyarrow", "PIL.Image", "streamlit.components.v1")


@asynccontextmanager
async def lifespan(_: st.App) -> AsyncIterator[None]:
    """Open the studio, start the worker, freeze what is loaded; undo it in reverse."""
    studio = current()
    for line in studio.describe():
        log.info("configured: %s", line)
    thread = None
    if studio.settings.worker == "embedded":
        thread = WorkerThread(studio.worker(), studio.sweep, studio.close, studio.tidy)
        thread.start()
    for name in HEAVY:
        import_module(name)
    # Streamlit collects garbage after every run of a page; frozen objects are not walked again. On a page that does
    # little this is most of the time it takes.
    gc.collect()
    gc.freeze()
    answer_at_once()
    try:
        yield
    finally:
        if thread:
            thread.stop()


def report(error: Exception) -> bool:
    """Log what a page did not expect under a number that the visitor sees."""
    from pages.parts.incident import show

    return show(error)


studio = current()
app = st.App(
    "pages/main.py",
    lifespan=lifespan,
    routes=[*routes(current), *hook_routes(current)],
    middleware=[Middleware(OwnerCookie, identity=studio.identity), Middleware(SecurityHeaders)],
    on_script_error=report,
)
