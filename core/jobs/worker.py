"""The engine: takes due jobs and moves each one step on. `tick(now)` is all of it; the loop around it is short."""

import asyncio
import contextlib
import json
import logging
import random
import socket
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from os import getpid
from pathlib import Path
from uuid import uuid4

from pydantic import ValidationError

from core.errors import (
    AppError,
    Charged,
    InvalidInput,
    InvalidMedia,
    NotFound,
    OutcomeUnknown,
    ProviderError,
    ProviderRefused,
    ProviderUnavailable,
    StaleJob,
    StorageFull,
)
from core.jobs.job import Job, JobError, State, Video, backoff, move, utc_now
from core.jobs.store import JobStore
from core.media.store import MediaStore
from core.media.video import check_playable, write_poster
from core.models import get as get_model
from core.providers.base import (
    Cancelled,
    CancelRequested,
    Completed,
    Output,
    Provider,
    Queued,
    Running,
    TooLate,
)

log = logging.getLogger("takes.jobs")

LEASE_S = 60.0  # longer than any single call to a provider but the submit and the download, which renew it
HEARTBEAT_S = 20.0  # a third of the lease: two may be missed
STOP_S = 20.0  # how long a stop waits for answers that are on their way
LOOP_S = 0.25  # how soon a new job is seen; one indexed look-up in the store
BATCH = 64  # steps under way at once in one worker
LOG_LINES = 40  # lines of provider log kept with a job
BACKOFF_BASE_S = 1.0
BACKOFF_CAP_S = 60.0  # a provider that is down is asked once a minute
CANCELLED_BY_USER = "client_cancelled"  # fal's error type of a request that was cancelled (fal.md 1.7)


class Worker:
    """Drives jobs. Any number may run over one store: a lease decides who has which job.

    Args:
        store: the jobs.
        media: the files.
        providers: by their name.
        slots: most jobs in flight per provider name.
        part_dir: folder for downloads that are not complete yet.
        poll_s: seconds between two looks at a job that is with a provider, by its name.
    """

    def __init__(
        self,
        store: JobStore,
        media: MediaStore,
        providers: Mapping[str, Provider],
        *,
        slots: Mapping[str, int],
        part_dir: Path,
        poll_s: Mapping[str, float],
    ) -> None:
        self.name = f"{socket.gethostname()}-{getpid()}-{uuid4().hex[:6]}"
        self._store = store
        self._media = media
        self._providers = providers
        self._slots = slots
        self._parts = part_dir
        self._poll_s = poll_s
        self._steps: set[asyncio.Task[None]] = set()
        self._jitter = random.Random()  # noqa: S311  spreads retries, guards nothing
        part_dir.mkdir(parents=True, exist_ok=True)

    async def tick(self, now: datetime) -> int:
        """Take the jobs that are due and move each one step on; returns how many. This is what tests call."""
        started = self._start(now)
        if started:
            await asyncio.wait(started)
        return len(started)

    async def run(self, stop: asyncio.Event) -> None:
        """Tick until `stop` is set; then let the steps under way end. A slow step does not hold the others up."""
        log.info("worker %s: at work", self.name)
        while not stop.is_set():
            try:
                self._start(utc_now())
            except Exception:
                log.exception("worker %s: the store could not be read; trying again", self.name)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), LOOP_S)
        if self._steps:
            await asyncio.wait(self._steps, timeout=STOP_S)
        log.info("worker %s: stopped", self.name)

    def _start(self, now: datetime) -> list[asyncio.Task[None]]:
        room = BATCH - len(self._steps)
        if room <= 0:
            return []
        started = []
        for job in self._store.claim(self.name, now, LEASE_S, self._slots, room):
            log.debug("job %s: taken while %s, fence %d", job.id, job.state, job.fence)
            step = asyncio.create_task(self._step(job, now))
            self._steps.add(step)
            step.add_done_callback(self._steps.discard)
            started.append(step)
        return started

    # --- one step of one job --------------------------------------------------------------------------------------

    async def _step(self, job: Job, now: datetime) -> None:
        held = _Held(self._store, job, _clock_from(now))
        heart = asyncio.create_task(held.beat())
        try:
            await self._advance(held)
        except StaleJob:
            log.warning("job %s: another worker has it now", job.id)
        except AppError as exc:
            self._again_later(held, exc.message)
        except Exception:
            incident = uuid4().hex[:8]
            log.exception("job %s: incident %s", job.id, incident)
            self._again_later(held, f"Something went wrong on our side (incident {incident}). Trying again.")
        finally:
            heart.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await heart
            try:
                held.release()
            except StaleJob:
                pass  # said above
            except AppError as exc:  # the lease ends by itself, and the job goes on from its row
                log.error("job %s: could not be written: %s", job.id, exc.message)

    async def _advance(self, held: "_Held") -> None:
        provider = self._providers.get(held.job.provider)
        if provider is None:
            raise ProviderUnavailable("no_provider", f"This installation has no provider “{held.job.provider}”.")
        match held.job.state:
            case State.WAITING:
                await self._submit(held, provider)
            case State.SUBMITTING:
                self._after_a_crash(held, provider)
            case State.QUEUED | State.RUNNING:
                await self._follow(held, provider)
            case State.SAVING:
                await self._keep(held, provider)
            case _:
                raise AssertionError(f"a {held.job.state} job was claimed")

    def _again_later(self, held: "_Held", trouble: str, after_s: float | None = None) -> None:
        """Note a passing fault and come back after a growing wait. Never a failure."""
        faults = held.job.faults + 1
        wait = backoff(faults, base_s=BACKOFF_BASE_S, cap_s=BACKOFF_CAP_S, jitter=self._jitter.random())
        if after_s is not None:
            wait = max(wait, timedelta(seconds=after_s))
        log.info("job %s: %s; again in %.1f s", held.job.id, trouble, wait.total_seconds())
        held.job = held.job.with_(trouble=trouble, faults=faults, due_at=held.now() + wait)

    # --- waiting and submitting -----------------------------------------------------------------------------------

    async def _submit(self, held: "_Held", provider: Provider) -> None:
        if held.job.cancel_requested:
            held.move(State.CANCELLED, "cancelled before anything was sent")
            return
        faults = held.job.faults
        try:
            await self._upload(held, provider)
        except ProviderUnavailable as exc:
            self._again_later(held, exc.message, exc.retry_after_s)
            return
        except ProviderRefused as exc:
            held.fail(exc)
            return
        except ValidationError as exc:
            held.fail(ProviderRefused("invalid_input", f"{held.job.model} no longer takes this input: {exc}"))
            return
        except NotFound as exc:
            held.fail(ProviderRefused("missing", exc.message))
            return
        if self._store_says_cancel(held):
            held.move(State.CANCELLED, "cancelled before anything was sent")
            return
        held.move(State.SUBMITTING, "slot free")  # on disk before the request leaves
        try:
            receipt = await provider.submit(held.job)
        except ProviderUnavailable as exc:
            held.move(State.WAITING, f"not accepted: {exc.kind}", faults=faults)
            self._again_later(held, exc.message, exc.retry_after_s)
            return
        except OutcomeUnknown as exc:
            error = JobError.of(exc)
            held.move(State.UNKNOWN, f"the answer was lost: {exc.kind}", error=error)
            return
        except ProviderRefused as exc:
            held.fail(exc)
            return
        except InvalidInput as exc:
            held.fail(ProviderRefused("invalid_input", exc.message, field=exc.field))
            return
        held.move(
            State.QUEUED,
            "accepted",
            request_id=receipt.request_id,
            status_url=receipt.status_url,
            response_url=receipt.response_url,
            cancel_url=receipt.cancel_url,
            position=receipt.position,
            due_at=held.now() + timedelta(seconds=self._poll_s[provider.name] / 4),
        )

    async def _upload(self, held: "_Held", provider: Provider) -> None:
        spec = get_model(held.job.model)
        given = spec.input.model_validate(held.job.inputs)
        missing = [key for key in spec.media_keys(given) if key not in held.job.uploads]
        if missing:
            held.job = held.job.with_(stage="Sending the picture" if len(missing) == 1 else "Sending the files")
            held.save()
        for key in missing:
            with self._media.local(key) as path:
                address = await provider.upload(held.job, key, path)
            held.job = held.job.with_(uploads={**held.job.uploads, key: address})
            held.save()

    def _store_says_cancel(self, held: "_Held") -> bool:
        row = self._store.get(held.job.id)
        return row is not None and row.cancel_requested

    def _after_a_crash(self, held: "_Held", provider: Provider) -> None:
        """A job found in `submitting` was cut between the request and its answer."""
        if provider.resubmits:
            held.move(State.WAITING, "interrupted; it is free to start again")
            return
        error = JobError(
            kind="interrupted",
            message=f"Takes stopped while this was being sent, so we do not know whether {provider.title} has it.",
            charged=Charged.MAYBE,
        )
        held.move(State.UNKNOWN, "interrupted while sending", error=error)

    # --- queued and running ---------------------------------------------------------------------------------------

    async def _follow(self, held: "_Held", provider: Provider) -> None:
        try:
            wants_out = held.job.cancel_requested and not held.job.cancel_sent
            if wants_out and await self._cancel(held, provider):
                return
            status = await provider.status(held.job)
            log.debug("job %s: %s at %s says %s", held.job.id, held.job.request_id, provider.name, status)
            match status:
                case Queued(position, logs):
                    held.move(State.QUEUED, "back in line", position=position, logs=_tail(held.job.logs, logs))
                case Running(progress, eta_s, stage, logs):
                    held.move(
                        State.RUNNING,
                        "started",
                        progress=progress,
                        eta_s=eta_s,
                        stage=stage,
                        logs=_tail(held.job.logs, logs),
                    )
                case Completed(logs):
                    held.job = held.job.with_(logs=_tail(held.job.logs, logs))
                    output = await provider.result(held.job)
                    if output is not None:
                        held.move(State.SAVING, "done there", output=_to_json(output))
                        await self._keep(held, provider)
                        return
        except ProviderUnavailable as exc:
            self._again_later(held, exc.message, exc.retry_after_s)
            return
        except ProviderRefused as exc:
            if exc.kind == CANCELLED_BY_USER or (held.job.cancel_sent and exc.charged is Charged.NO):
                held.move(State.CANCELLED, "cancelled at the provider")
            else:
                held.fail(exc)
            return
        due = held.now() + timedelta(seconds=self._poll_s[provider.name])
        held.job = held.job.with_(trouble="", faults=0, due_at=due)

    async def _cancel(self, held: "_Held", provider: Provider) -> bool:
        """Pass the owner's wish on; True if that ended the job."""
        match await provider.cancel(held.job):
            case Cancelled():
                held.move(State.CANCELLED, "cancelled in the provider's line")
                return True
            case CancelRequested():
                held.job = held.job.with_(cancel_sent=True)
            case TooLate():
                held.job = held.job.with_(cancel_sent=True)
        held.save()
        return False

    # --- saving ---------------------------------------------------------------------------------------------------

    async def _keep(self, held: "_Held", provider: Provider) -> None:
        """Copy the result here, prove that it plays, and only then call the job done."""
        assert held.job.output is not None
        output = Output(held.job.output["location"], held.job.output.get("facts", {}))
        part = self._parts / f"{held.job.id}.part.mp4"
        try:
            await provider.download(held.job, output, part)
            video = await asyncio.to_thread(self._check_in, part)
        except ProviderRefused as exc:
            held.fail(exc)
            return
        except ProviderUnavailable as exc:
            self._again_later(held, exc.message, exc.retry_after_s)
            return
        except InvalidMedia as exc:
            part.unlink(missing_ok=True)
            self._again_later(held, f"The file that came is not a playable video yet: {exc.message}")
            return
        except StorageFull as exc:
            self._again_later(held, f"{exc.message} The video waits at {provider.title} until there is room.")
            return
        held.move(State.SUCCEEDED, "saved and checked", video=video)

    def _check_in(self, part: Path) -> Video:
        probe = check_playable(part, None)
        poster = part.with_suffix(".jpg")
        try:
            write_poster(part, poster)
            kept_poster = self._media.take(poster, "jpg")
        finally:
            poster.unlink(missing_ok=True)
        kept = self._media.take(part, "mp4")
        return Video(
            key=kept.key,
            poster=kept_poster.key,
            width=probe.width,
            height=probe.height,
            duration_s=round(probe.duration_s, 3),
            fps=round(probe.fps, 3),
            bytes=kept.bytes,
            sha256=kept.key.split(".")[0],
            comment=probe.comment,
        )


class _Held:
    """A job under this worker's lease, and the only way this file writes it."""

    def __init__(self, store: JobStore, job: Job, now: Callable[[], datetime]) -> None:
        self.job = job
        self.now = now
        self._store = store

    def save(self, why: str = "") -> None:
        until = self.now() + timedelta(seconds=LEASE_S)
        self.job = self._store.save(self.job.with_(lease_until=until), self.now(), why)

    def move(self, to: State, why: str, **changes: object) -> None:
        was = self.job.state
        self.job = move(self.job, to, self.now(), **changes)
        if to is not was:
            log.info("job %s: %s → %s (%s)", self.job.id, was, to, why)
            self.save(why)

    def fail(self, error: ProviderError) -> None:
        self.move(State.FAILED, error.kind, error=JobError.of(error))

    def release(self) -> None:
        self.job = self._store.save(self.job.with_(lease_owner=None, lease_until=None), self.now())

    async def beat(self) -> None:
        """Renew the lease while a long step runs. Losing it ends the step at its next save."""
        while True:
            await asyncio.sleep(HEARTBEAT_S)
            with contextlib.suppress(StaleJob, StorageFull):  # the next save of the step tells
                self.save()


def _clock_from(now: datetime) -> Callable[[], datetime]:
    """A clock that starts at `now`, so that a test's time and the engine's agree."""
    offset = now - utc_now()
    return lambda: utc_now() + offset


def _tail(kept: list[str], new: tuple[str, ...]) -> list[str]:
    return list(new[-LOG_LINES:]) if new else kept


def _to_json(output: Output) -> dict[str, object]:
    plain: dict[str, object] = {"location": output.location, "facts": dict(output.facts)}
    return json.loads(json.dumps(plain, default=str))  # type: ignore[no-any-return]
