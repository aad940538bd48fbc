"""The worker and its chore on a thread and event loop of their own, beside a server that must not wait for them."""

import asyncio
import logging
import threading
from collections.abc import Awaitable, Callable

from core.jobs.chores import Chore, work
from core.jobs.worker import STOP_S, Worker

log = logging.getLogger("takes.jobs")


class WorkerThread:
    """Starts and stops one worker.

    Args:
        worker: the worker to run.
        before: called on its loop before the first step.
        close: called on its loop after the last step, to let go of connections.
        chore: done beside it, now and then.
    """

    def __init__(
        self,
        worker: Worker,
        before: Callable[[], Awaitable[None]],
        close: Callable[[], Awaitable[None]],
        chore: Chore,
    ) -> None:
        self._worker = worker
        self._before = before
        self._close = close
        self._chore = chore
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, name="takes-worker", daemon=True)

    def start(self) -> None:
        """Begin; returns when the loop runs."""
        self._thread.start()
        self._ready.wait()

    def stop(self) -> None:
        """Let the steps under way end, then stop. Leases are handed back."""
        if self._loop and self._stop and self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stop.set)
            self._thread.join(STOP_S + 5)

    def _run(self) -> None:
        asyncio.run(self._main())

    async def _main(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        self._ready.set()
        try:
            await self._before()
            await work(self._worker, self._chore, self._stop)
        finally:
            await self._close()
