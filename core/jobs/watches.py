"""Streams of a provider's news, as hints: a job that has moved there is asked for now, and not at its next turn."""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Collection, Mapping
from contextlib import aclosing
from typing import cast

from core.errors import ProviderError
from core.jobs.job import Job, State
from core.providers.base import Provider

log = logging.getLogger("takes.jobs")

MOST = 8  # streams at once of one worker; further jobs are polled only, which is as sure and a little later
REST_S = 30.0  # after a stream that broke off, before that job gets another


class Watches:
    """The streams of one worker. What they say is never believed: they only make a job due.

    Args:
        providers: by their name.
        most: streams at once; 0 for none.
        rest_s: seconds after a stream that ended, before that job gets another.
    """

    def __init__(self, providers: Mapping[str, Provider], most: int = MOST, rest_s: float = REST_S) -> None:
        self._providers = providers
        self._most = most
        self._rest_s = rest_s
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._resting: dict[str, float] = {}
        self._woken: set[str] = set()

    def keep(self, job: Job) -> None:
        """Watch this job if it is with its provider and there is room; let it go if it is not."""
        if job.state not in (State.QUEUED, State.RUNNING):
            self._resting.pop(job.id, None)
            if task := self._tasks.pop(job.id, None):
                task.cancel()
            return
        full = len(self._tasks) >= self._most
        if full or job.id in self._tasks or self._resting.get(job.id, 0.0) > time.monotonic():
            return
        self._tasks[job.id] = asyncio.create_task(self._watch(job))

    def woken(self, busy: Collection[str]) -> set[str]:
        """The jobs of which there was news since this was last asked. Those in `busy` are kept for the next time."""
        woken = self._woken.difference(busy)
        self._woken -= woken
        return woken

    async def aclose(self) -> None:
        """End every stream."""
        tasks, self._tasks = list(self._tasks.values()), {}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _watch(self, job: Job) -> None:
        try:
            news = cast(AsyncGenerator[None, None], self._providers[job.provider].watch(job))
            async with aclosing(news):
                async for _ in news:
                    self._woken.add(job.id)
        except ProviderError as exc:
            log.debug("job %s: its stream broke off: %s", job.id, exc.message)
        except Exception:
            log.exception("job %s: its stream ended in a way that is not foreseen; it is polled", job.id)
        finally:
            if self._tasks.get(job.id) is asyncio.current_task():  # else it was let go, and no other is wanted
                del self._tasks[job.id]
                self._resting[job.id] = time.monotonic() + self._rest_s
