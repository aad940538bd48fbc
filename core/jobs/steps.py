"""What the engine does with one job: a step for each state, from waiting to the file."""

import asyncio
import json
import logging
import random
from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path

from pydantic import ValidationError

from core.errors import (
    Charged,
    InvalidInput,
    InvalidMedia,
    NotFound,
    OutcomeUnknown,
    ProviderRefused,
    ProviderUnavailable,
    StaleJob,
    StorageFull,
)
from core.jobs.attach import attach
from core.jobs.held import Held
from core.jobs.job import NEVER, Job, JobError, State, Video, backoff
from core.jobs.pace import Pace
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
    Receipt,
    Running,
    TooLate,
)

log = logging.getLogger("takes.jobs")

LOG_LINES = 40  # lines of provider log kept with a job
BACKOFF_BASE_S = 1.0
BACKOFF_CAP_S = 60.0  # a provider that is down is asked once a minute
NO_FILE_CAP_S = 900.0  # a file that was not there, or not a video, a dozen times is asked for four times an hour
NOT_KNOWN_TRIES = 6  # times in a row that a provider denies a request before it is believed: about half a minute
ASK_AGAIN_TRIES = 3  # failed downloads after which the result is asked for again: its address may have changed
RECEIPT_RETRY_S = 1.0  # between two tries to write down a receipt on a full disk
LOOK_FIRST_S, LOOK_MOST_S = 30.0, 3600.0  # waits between two look-ups in a provider's records
LOOK_DAYS = 7  # how long a lost answer is looked for; fal keeps records for 30 days
CANCELLED_BY_USER = "client_cancelled"  # fal's error type of a request that was cancelled (fal.md 1.7)
NOT_KNOWN = "request_not_found"  # a provider that denies a request it once accepted, or that somebody attached
TOLD = "its webhook told the request id"
NO_FILE = frozenset({"file_gone", "not_a_video", "bad_address"})


class Steps:
    """Moves a job on, one step at a time. Knows the providers; knows nothing of loops and claims.

    Args:
        store: the jobs.
        media: the files.
        providers: by their name.
        part_dir: folder for downloads that are not complete yet.
        poll_s: seconds between two looks at a job that is with a provider, by its name.
        pace: how long such a job usually takes; None where nobody asks.
    """

    def __init__(
        self,
        store: JobStore,
        media: MediaStore,
        providers: Mapping[str, Provider],
        part_dir: Path,
        poll_s: Mapping[str, float],
        pace: Callable[[Job], Pace] | None,
    ) -> None:
        self._store = store
        self._media = media
        self._providers = providers
        self._parts = part_dir
        self._poll_s = poll_s
        self._pace = pace
        self._jitter = random.Random()  # noqa: S311  spreads retries, guards nothing

    async def advance(self, held: Held) -> None:
        """The next step of a job. Raises what is not foreseen; the job then stands where it was last written."""
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
            case State.UNKNOWN:
                await self._look_up(held, provider)
            case _:
                raise AssertionError(f"a {held.job.state} job was claimed")

    def again_later(self, held: Held, trouble: str, after_s: float | None = None, cap_s: float = BACKOFF_CAP_S) -> None:
        """Note a passing fault and come back after a growing wait. Never a failure."""
        faults = held.job.faults + 1
        wait = backoff(faults, base_s=BACKOFF_BASE_S, cap_s=cap_s, jitter=self._jitter.random())
        if after_s is not None:
            wait = max(wait, timedelta(seconds=after_s))
        log.info("job %s: %s; again in %.1f s", held.job.id, trouble, wait.total_seconds())
        held.job = held.job.with_(trouble=trouble, faults=faults, due_at=held.now() + wait)

    # --- waiting and submitting -----------------------------------------------------------------------------------

    async def _submit(self, held: Held, provider: Provider) -> None:
        if held.job.told_request_id:  # it had looked as if it were turned away, and a webhook tells that it was not
            held.move(State.SUBMITTING, "it was accepted after all")
            self._told(held)
            return
        if held.job.cancel_requested:
            self._never_sent(held)
            return
        faults = held.job.faults
        try:
            await self._upload(held, provider)
        except ProviderUnavailable as exc:
            self.again_later(held, exc.message, exc.retry_after_s)
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
        row = self._store.get(held.job.id)
        if row is not None and row.cancel_requested and not row.told_request_id:
            self._never_sent(held)
            return
        held.move(State.SUBMITTING, "slot free")  # on disk before the request leaves
        if held.job.told_request_id:  # the webhook came while the files were being sent
            self._told(held)
            return
        if not held.is_ours:  # the process was stopped for a while: others may think that it died while sending
            raise StaleJob("The lease ended before the job was sent.")
        try:
            receipt = await provider.submit(held.job)
        except ProviderUnavailable as exc:
            held.move(State.WAITING, f"not accepted: {exc.kind}", faults=faults)
            self.again_later(held, exc.message, exc.retry_after_s)
            return
        except OutcomeUnknown as exc:
            self._lost(held, provider, f"the answer was lost: {exc.kind}", JobError.of(exc))
            return
        except ProviderRefused as exc:
            held.fail(exc)
            return
        except InvalidInput as exc:
            held.fail(ProviderRefused("invalid_input", exc.message, field=exc.field))
            return
        await self._accepted(held, provider, receipt)

    async def _upload(self, held: Held, provider: Provider) -> None:
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

    async def _accepted(self, held: Held, provider: Provider, receipt: Receipt) -> None:
        """Write the receipt down, come what may: it is the only proof of what was paid."""
        urls = {name: getattr(receipt, name) for name in ("status_url", "response_url", "cancel_url")}
        usual = self._pace(held.job) if self._pace else None
        due = held.now() + timedelta(seconds=self._poll_s[provider.name] / 4)
        while True:
            try:
                held.move(
                    State.QUEUED,
                    "accepted",
                    request_id=receipt.request_id,
                    position=receipt.position,
                    usual_s=usual and round(usual.usual_s, 1),
                    slow_s=usual and round(usual.slow_s, 1),
                    due_at=due,
                    **urls,
                )
                return
            except StorageFull as exc:
                log.error(
                    "job %s is request %s and cannot be written: %s", held.job.id, receipt.request_id, exc.message
                )
            except StaleJob:
                # The answer took longer than the lease, and another worker had to call the outcome unknown.
                why = "the answer came after all"
                late = attach(self._store, held.job.id, "late receipt", receipt.request_id, held.now(), why, **urls)
                if late is not None:
                    return
            await asyncio.sleep(RECEIPT_RETRY_S)

    def _told(self, held: Held) -> None:
        """A job that its provider has already, by its webhook: it is followed, and never sent again."""
        held.move(State.QUEUED, TOLD, request_id=held.job.told_request_id)

    def _never_sent(self, held: Held) -> None:
        error = JobError(kind="cancelled", message="Cancelled before anything was sent.")
        held.move(State.CANCELLED, "cancelled before anything was sent", error=error)

    # --- unknown --------------------------------------------------------------------------------------------------

    def _after_a_crash(self, held: Held, provider: Provider) -> None:
        """A job found in `submitting` was cut between the request and its answer."""
        if provider.resubmits:
            held.move(State.WAITING, "interrupted; it is free to start again")
            return
        error = JobError(
            kind="interrupted",
            message=f"Takes stopped while this was being sent, so nobody knows whether {provider.title} has it, and charges for "
            "it. It is not sent again by itself. Look for it there and attach its request id, or send it again knowingly.",
            charged=Charged.MAYBE,
        )
        self._lost(held, provider, "interrupted while sending", error)

    def _lost(self, held: Held, provider: Provider, why: str, error: JobError) -> None:
        """The outcome of a submit is not known, unless a webhook has told it in the meantime."""
        row = self._store.get(held.job.id)
        if row is not None and row.told_request_id and held.job.state is State.SUBMITTING:
            held.move(State.QUEUED, TOLD, request_id=row.told_request_id)
            return
        due = held.now() + timedelta(seconds=LOOK_FIRST_S) if provider.keeps_records else NEVER
        held.move(State.UNKNOWN, why, error=error, due_at=due)

    async def _look_up(self, held: Held, provider: Provider) -> None:
        if held.job.told_request_id and held.job.told_request_id != held.job.request_id:
            self._found(held, held.job.told_request_id, TOLD)
            return
        lost_at = held.job.finished_at or held.job.created_at
        age = held.now() - lost_at
        if not provider.keeps_records or age > timedelta(days=LOOK_DAYS):
            held.job = held.job.with_(due_at=NEVER)
            return
        try:
            request_id = await provider.find(held.job)
        except (ProviderUnavailable, ProviderRefused) as exc:
            log.info("job %s: %s", held.job.id, exc.message)
            request_id = None
        if request_id is not None and request_id != held.job.request_id:
            self._found(held, request_id, f"found in the records of {provider.title}")
            return
        wait = min(max(age.total_seconds() / 2, LOOK_FIRST_S), LOOK_MOST_S)
        held.job = held.job.with_(due_at=held.now() + timedelta(seconds=wait))

    def _found(self, held: Held, request_id: str, why: str) -> None:
        fresh = {"status_url": None, "response_url": None, "cancel_url": None}
        held.move(State.QUEUED, why, request_id=request_id, error=None, **fresh)

    # --- queued and running ---------------------------------------------------------------------------------------

    async def _follow(self, held: Held, provider: Provider) -> None:
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
            self.again_later(held, exc.message, exc.retry_after_s)
            return
        except ProviderRefused as exc:
            self._refused(held, provider, exc)
            return
        due = held.now() + timedelta(seconds=self._poll_s[provider.name])
        held.job = held.job.with_(trouble="", faults=0, due_at=due)

    def _refused(self, held: Held, provider: Provider, exc: ProviderRefused) -> None:
        """The provider's last word on an accepted job."""
        if exc.kind == NOT_KNOWN:
            # It may only have come too early. A job that was accepted does not fail because it is not found.
            self.again_later(held, exc.message)
            if held.job.faults >= NOT_KNOWN_TRIES:
                self._lost(held, provider, f"{provider.title} does not know its request", JobError.of(exc))
        elif exc.kind == CANCELLED_BY_USER or (held.job.cancel_sent and exc.charged is Charged.NO):
            self._cancelled(held, provider)
        else:
            held.fail(exc)

    async def _cancel(self, held: Held, provider: Provider) -> bool:
        """Pass the owner's wish on; True if that ended the job."""
        match await provider.cancel(held.job):
            case Cancelled():
                self._cancelled(held, provider)
                return True
            case CancelRequested():
                told = f"{provider.title} was asked to stop; it may finish all the same"
                held.note(told, cancel_sent=True, cancel_answer="requested")
            case TooLate():
                held.note("too late to cancel: it was made already", cancel_sent=True, cancel_answer="too_late")
        return False

    def _cancelled(self, held: Held, provider: Provider) -> None:
        if held.job.started_at is None or provider.resubmits:
            error = JobError(kind="cancelled", message=f"Cancelled in the line of {provider.title}: nothing was made.")
        else:
            message = f"Cancelled while {provider.title} worked on it. There is no video."
            error = JobError(kind="cancelled", message=message, charged=Charged.MAYBE)
        held.move(State.CANCELLED, f"cancelled at {provider.title}", error=error)

    # --- saving ---------------------------------------------------------------------------------------------------

    async def _keep(self, held: Held, provider: Provider) -> None:
        """Copy the result here, prove that it plays, and only then call the job done."""
        part = self._parts / f"{held.job.id}.part.mp4"
        try:
            if held.job.faults and held.job.faults % ASK_AGAIN_TRIES == 0:
                await self._ask_again(held, provider)
            assert held.job.output is not None
            output = Output(held.job.output["location"], held.job.output.get("facts", {}))
            await provider.download(held.job, output, part)
            video = await asyncio.to_thread(self._check_in, part)
        except ProviderRefused as exc:
            held.fail(exc)
            return
        except ProviderUnavailable as exc:
            self.again_later(
                held, exc.message, exc.retry_after_s, NO_FILE_CAP_S if exc.kind in NO_FILE else BACKOFF_CAP_S
            )
            return
        except InvalidMedia as exc:
            part.unlink(missing_ok=True)
            trouble = f"The file that came is not a playable video yet: {exc.message}"
            self.again_later(held, trouble, cap_s=NO_FILE_CAP_S)
            return
        except StorageFull as exc:
            self.again_later(held, f"{exc.message} The video waits at {provider.title} until there is room.")
            return
        held.move(State.SUCCEEDED, "saved and checked", video=video)

    async def _ask_again(self, held: Held, provider: Provider) -> None:
        """The result's address anew, after several downloads that failed. What the provider says now changes nothing else."""
        try:
            output = await provider.result(held.job)
        except (ProviderRefused, ProviderUnavailable) as exc:
            log.info("job %s: the result could not be asked for again: %s", held.job.id, exc.message)
            return
        if output is not None:
            held.job = held.job.with_(output=_to_json(output))

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


def _tail(kept: list[str], new: tuple[str, ...]) -> list[str]:
    return list(new[-LOG_LINES:]) if new else kept


def _to_json(output: Output) -> dict[str, object]:
    plain: dict[str, object] = {"location": output.location, "facts": dict(output.facts)}
    return json.loads(json.dumps(plain, default=str))  # type: ignore[no-any-return]
