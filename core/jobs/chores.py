"""What runs beside a worker: the chore of its installation, at its start and every few hours."""

import asyncio
import contextlib
import logging
from collections.abc import Callable

from core.errors import AppError
from core.jobs.worker import Worker

log = logging.getLogger("takes.jobs")

EVERY_S = 6 * 3600.0  # ages are counted in days; four times a day is soon enough

Chore = Callable[[Callable[[], bool]], object]
"""Takes long, and blocks. It is given a question to ask now and then: whether it should end early."""


async def work(worker: Worker, chore: Chore, stop: asyncio.Event) -> None:
    """Run a worker until `stop` is set, and the chore beside it on a thread of its own."""
    beside = asyncio.create_task(repeat(chore, stop))
    try:
        await worker.run(stop)
    finally:
        stop.set()
        await beside


async def repeat(chore: Chore, stop: asyncio.Event, every_s: float = EVERY_S) -> None:
    """Do a chore now and then again, until `stop` is set. Whatever it raises is logged, and it is tried again next time."""
    while not stop.is_set():
        try:
            await asyncio.to_thread(chore, stop.is_set)
        except AppError as exc:
            log.error("tidying up: %s", exc.message)
        except Exception:
            log.exception("tidying up failed; it is tried again later")
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), every_s)
