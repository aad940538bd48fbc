"""fal.ai: sends a job to its queue, follows it there, and fetches what it made (facts/fal.md)."""

import asyncio
import json
import logging
import re
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import aclosing
from pathlib import Path
from typing import Any, BinaryIO, ClassVar
from urllib.parse import quote

from pydantic import ValidationError

from core import models
from core.errors import (
    Charged,
    InvalidInput,
    NotFound,
    OutcomeUnknown,
    ProviderError,
    ProviderRefused,
    ProviderUnavailable,
)
from core.jobs.job import Job
from core.media.store import CONTENT_TYPES
from core.models.spec import Estimate, ModelInput, ModelSpec
from core.providers.base import (
    CancelAnswer,
    Cancelled,
    CancelRequested,
    Completed,
    Output,
    Queued,
    Receipt,
    Running,
    Status,
    TooLate,
)
from core.providers.fal_answer import Phase, is_page
from core.providers.fal_download import download
from core.providers.fal_errors import LOST, from_response
from core.providers.fal_http import (
    NETWORK_FAULTS,
    NOT_SENT,
    Lines,
    Reply,
    Timeouts,
    is_web_address,
    origin,
    passing,
    same_origin,
)
from core.providers.fal_records import MOST_PAGES, match, query
from core.settings import Settings

log = logging.getLogger("takes.providers.fal")

CHUNK = 256 * 1024  # bytes read from disk at a time: few thread hops, little memory
MOST_LOG_LINES = 200  # of one status; models that print a line a step write thousands
NOT_YET = re.compile(r"still in (progress|queue)|not (yet )?(complete|finished|ready)", re.IGNORECASE)
FILE_FACTS = ("content_type", "file_name", "file_size", "width", "height", "fps", "duration", "num_frames")
BODY_FACTS = ("seed", "actual_prompt")
BROKE_DOWN = "internal_server_error"  # fal's word for a model that failed without a word of its own
PAGE_STARTS = (b"<html", b"<!doctype")  # of a proxy's page; a storage's own answer is empty, of whatever type


class FalProvider:
    """A `core.providers.base.Provider` over fal's queue. Makes its connections on the loop that first calls it.

    Args:
        settings: the key and the addresses.
        timeouts: how long each wait may last.
        hook: the address at which fal shall tell that a job is done, by the job's id; None where it cannot reach us.
    """

    name: ClassVar[str] = "fal"
    title: ClassVar[str] = "fal.ai"
    resubmits: ClassVar[bool] = False

    def __init__(
        self, settings: Settings, timeouts: Timeouts | None = None, hook: Callable[[str], str] | None = None
    ) -> None:
        self._queue, self._rest, self._records = settings.queue_url, settings.rest_url, settings.records_url
        self._timeouts = timeouts or Timeouts()
        self._hook = hook
        trusted = (self._queue, self._rest, *([self._records] if self._records else []))
        self._lines = Lines(settings.fal_key, trusted, self._timeouts)

    def describe(self) -> str:
        """How it is configured, in one line; never the key."""
        fault = self._lines.key_fault()
        key = "key set" if fault is None else "no key" if fault.kind == "no_key" else "unusable key"
        return f"fal: {key}, queue {origin(self._queue)}"

    async def aclose(self) -> None:
        """Hang up all connections."""
        await self._lines.aclose()

    def options(self, spec: ModelSpec) -> type[ModelInput] | None:
        """None: fal has no settings beside the model's own."""
        return None

    def price(self, spec: ModelSpec, given: ModelInput) -> Estimate:
        """The model's price at fal, in US dollars."""
        return spec.price(given)

    @property
    def keeps_records(self) -> bool:
        """Whether fal's platform API may be asked (`FAL_RECORDS_URL`)."""
        return self._records is not None

    def wait_s(self, spec: ModelSpec) -> tuple[float, float]:
        """As the model's own file states it."""
        return spec.expected_wait_s

    # --- Sending --------------------------------------------------------------------------------------------------

    async def upload(self, job: Job, key: str, path: Path) -> str:
        """Bring one stored file into fal's storage; the address that the model reads it from.

        Raises:
            ProviderRefused: no key, a bad one, a locked account, or a file that fal will not take.
            ProviderUnavailable: a passing fault; a later try begins afresh.
        """
        content_type = CONTENT_TYPES.get(key.rpartition(".")[2], "application/octet-stream")
        if fault := self._lines.key_fault():
            raise fault
        reply = await self._ask(
            "POST", f"{self._rest}/storage/upload/initiate", "upload", job,
            params={"storage_type": "fal-cdn-v3"}, payload={"content_type": content_type, "file_name": key},
        )  # fmt: skip
        said = reply.json() or {}
        put_to, file_url = said.get("upload_url"), said.get("file_url")
        if not (reply.status < 300 and is_web_address(put_to) and is_web_address(file_url)):
            raise self._error(reply, job, "upload")
        size = await asyncio.to_thread(lambda: path.stat().st_size)
        file = await asyncio.to_thread(path.open, "rb")
        with file:
            try:
                stored = await self._lines.put(str(put_to), _chunks(file), size=size, content_type=content_type)
            except NETWORK_FAULTS as exc:
                raise passing(exc) from exc
        if stored.status == 413:
            raise ProviderRefused(
                "file_too_large", "fal's storage does not take a file of this size. Choose a smaller one."
            )
        if not 200 <= stored.status < 300 or stored.body.lstrip()[:9].lower().startswith(PAGE_STARTS):
            message = f"fal's storage did not take the file ({stored.status}); it is tried again by itself."
            raise ProviderUnavailable("upload_failed", message, raw={"status": stored.status})
        return str(file_url)

    async def submit(self, job: Job) -> Receipt:
        """Send the job, once. Nothing in here repeats the request, and no kept-open line carries it.

        Raises:
            ProviderRefused: fal said no, or the input cannot be sent.
            ProviderUnavailable: nothing can have been accepted.
            OutcomeUnknown: it may have been accepted, and the answer was lost.
        """
        payload = self._payload(job)
        url = f"{self._queue}/{quote(job.endpoint.strip('/'), safe='/')}"
        tags = {"X-Fal-Tags": f"takes-job={job.id}"}
        params = {"fal_webhook": self._hook(job.id)} if self._hook else None
        read_s = self._timeouts.submit_s
        try:
            reply = await self._lines.call(
                "POST", url, read_s=read_s, paid=True, params=params, headers=tags, payload=payload
            )
        except NOT_SENT as exc:
            raise passing(exc) from exc
        except NETWORK_FAULTS as exc:
            raise OutcomeUnknown(passing(exc).kind, LOST, charged=Charged.MAYBE) from exc
        said = reply.json() or {}
        request_id = said.get("request_id")
        if not (200 <= reply.status < 300 and isinstance(request_id, str) and request_id):
            raise self._error(reply, job, "submit")
        log.info("job %s is request %s at %s", job.id, request_id, job.endpoint)
        urls = {name: said.get(name) for name in ("status_url", "response_url", "cancel_url")}
        trusted = {
            name: str(url) for name, url in urls.items() if isinstance(url, str) and same_origin(url, self._queue)
        }
        if len(trusted) < sum(url is not None for url in urls.values()):
            log.warning("job %s: fal's reply names another host; its addresses are built here instead", job.id)
        return Receipt(
            request_id,
            status_url=trusted.get("status_url") or self._built(job.endpoint, request_id, "/status"),
            response_url=trusted.get("response_url") or self._built(job.endpoint, request_id, ""),
            cancel_url=trusted.get("cancel_url") or self._built(job.endpoint, request_id, "/cancel"),
            position=_position(said),
        )

    def _payload(self, job: Job) -> dict[str, Any]:
        try:
            spec = models.get(job.model)
            given = spec.input.model_validate(job.inputs)
            if missing := [key for key in spec.media_keys(given) if key not in job.uploads]:
                raise ProviderUnavailable("not_uploaded", f"{len(missing)} of the job's files are not at fal yet.")
            return spec.to_payload(given, job.uploads)
        except ValidationError as exc:
            message = "This job's input no longer fits the model's form. Use it again from the form and send it anew."
            raise ProviderRefused("invalid_input", message) from exc
        except InvalidInput as exc:
            raise ProviderRefused("invalid_input", exc.message, field=exc.field) from exc
        except NotFound as exc:
            raise ProviderRefused("no_such_model", exc.message) from exc

    async def find(self, job: Job) -> str | None:
        """The request id of a job whose answer was lost. See `core.providers.fal_records`.

        Raises:
            ProviderUnavailable: the records cannot be read now.
        """
        if self._records is None or job.submitted_at is None:
            return None
        url = f"{self._records}/models/requests/by-endpoint"
        cursor: str | None = None
        for _ in range(MOST_PAGES):
            params = query(job, cursor)
            reply = await self._ask("GET", url, "status", job, params=params)
            said = reply.json()
            if reply.status != 200 or said is None:
                message = f"fal's records could not be read ({reply.status})."
                raise ProviderUnavailable("no_records", message, raw={"status": reply.status})
            if found := match(job, said):
                return found
            cursor = said.get("next_cursor") if said.get("has_more") else None
            if not isinstance(cursor, str):
                break
        return None

    # --- Following ------------------------------------------------------------------------------------------------

    async def status(self, job: Job) -> Status:
        """Where the job stands in fal's queue, with the model's log lines. `Completed` may still be a failure.

        Raises:
            ProviderRefused: fal does not know the request.
            ProviderUnavailable: a passing fault, or something to mend in the settings; the job goes on.
        """
        reply = await self._ask("GET", self._url(job, job.status_url, "/status"), "status", job, params={"logs": "1"})
        said = reply.json()
        if not 200 <= reply.status < 300 or said is None:
            raise self._error(reply, job, "status")
        logs = _log_lines(said.get("logs"))
        match said.get("status"):
            case "IN_QUEUE":
                return Queued(_position(said), logs)
            case "IN_PROGRESS":
                return Running(logs=logs)
            case "COMPLETED":
                return Completed(logs)
            case word:
                message = "fal told a status that Takes does not know; it is asked again by itself."
                raise ProviderUnavailable("unknown_status", message, raw={"status": str(word)[:100]})

    async def watch(self, job: Job) -> AsyncIterator[None]:
        """One item for every change of state or place that fal's status stream tells (fal.md 1.5); ends with COMPLETED.

        Raises:
            ProviderUnavailable: there is no stream, it broke off, or it fell silent.
        """
        before: tuple[Any, Any] | None = None
        url = self._url(job, job.status_url, "/status") + "/stream"
        try:
            async with aclosing(self._lines.lines(url, quiet_s=self._timeouts.quiet_s)) as lines:
                async for line in lines:
                    if not line.startswith("data:"):
                        continue  # a comment keeps the line open
                    said = json.loads(line.removeprefix("data:"))
                    now = (said["status"], said.get("queue_position"))
                    if now != before:
                        before = now
                        yield
                    if now[0] == "COMPLETED":
                        return
        except NETWORK_FAULTS as exc:
            raise passing(exc) from exc
        except (ValueError, KeyError, TypeError, AttributeError) as exc:
            raise ProviderUnavailable("odd_stream", "fal's stream cannot be read.") from exc

    async def result(self, job: Job) -> Output | None:
        """The address of the video and what fal tells about it; None while the job is not done.

        Raises:
            ProviderRefused: the job ended without a video; the message says why, and whether it was charged.
            ProviderUnavailable: a passing fault; the result is still there.
        """
        reply = await self._ask("GET", self._url(job, job.response_url, ""), "result", job)
        said = reply.json()
        if reply.status == 202 or (reply.status == 400 and said and NOT_YET.search(str(said.get("detail")))):
            return None
        if reply.status != 200 or said is None:
            error = self._error(reply, job, "result")
            bare = reply.status >= 500 and isinstance(error, ProviderUnavailable)
            raise (await self._verdict(reply, job) if bare else None) or error
        file = said.get("video")
        facts = {name: said[name] for name in BODY_FACTS if said.get(name) is not None}
        if isinstance(file, dict):
            facts |= {name: file[name] for name in FILE_FACTS if file.get(name) is not None}
        location = file.get("url") if isinstance(file, dict) else file
        if location is None and said.get("status") in ("IN_QUEUE", "IN_PROGRESS"):
            return None
        if not is_web_address(location):
            message = "The model finished without a video. Look at the job at fal.ai/dashboard; a second try may help."
            raise ProviderRefused(
                "no_video",
                message,
                charged=Charged.MAYBE,
                retryable=True,
                raw={"fields": sorted(map(str, said))[:20]},
            )
        units = _number(reply.headers.get("x-fal-billable-units"))
        return Output(str(location), facts | ({"billable_units": units} if units is not None else {}))

    async def _verdict(self, reply: Reply, job: Job) -> ProviderError | None:
        """What a result call that gave a bare 5xx means: a model that broke down answers like a server that is ill, and
        only the status tells the two apart. None where it is the server."""
        if is_page(reply.headers, reply.body):
            return None
        said = (await self._ask("GET", self._url(job, job.status_url, "/status"), "status", job)).json() or {}
        if said.get("status") != "COMPLETED" or not said.get("error"):
            return None
        word = said.get("error_type")
        named = {"x-fal-error-type": word if isinstance(word, str) and word else BROKE_DOWN}
        spec = models.MODELS.get(job.model)
        return from_response(reply.status, {**reply.headers, **named}, reply.body, spec, phase="result")

    async def download(self, job: Job, output: Output, to: Path) -> None:
        """Write the video to `to`, without the key, going on from what is there. See `core.providers.fal_download`."""
        await download(self._lines.files, output.location, to, self._timeouts)

    async def cancel(self, job: Job) -> CancelAnswer:
        """Ask fal to stop.

        Raises:
            ProviderRefused: fal does not know the request.
            ProviderUnavailable: a passing fault; ask again.
        """
        reply = await self._ask("PUT", self._url(job, job.cancel_url, "/cancel"), "cancel", job)
        said = reply.json() or {}
        if reply.status == 400 and said.get("status") == "ALREADY_COMPLETED":
            return TooLate()
        if not 200 <= reply.status < 300 or is_page(reply.headers, reply.body):
            raise self._error(reply, job, "cancel")
        if reply.status != 202 and said.get("status") == "OK":
            return Cancelled()
        return CancelRequested()  # also `{"success": true}`: it does not tell whether the job had begun

    # --- Addresses and calls --------------------------------------------------------------------------------------

    def _url(self, job: Job, known: str | None, tail: str) -> str:
        """The address that the submit gave, if it is still the configured queue's; else the one that fal documents."""
        if known and same_origin(known, self._queue):
            return known
        if not job.request_id:
            message = "This job has no request id at fal, so it cannot be looked up."
            raise ProviderRefused("request_not_found", message, charged=Charged.MAYBE)
        return self._built(job.endpoint, job.request_id, tail)

    def _built(self, endpoint: str, request_id: str, tail: str) -> str:
        return f"{self._queue}/{quote(app_id(endpoint), safe='/')}/requests/{quote(request_id, safe='')}{tail}"

    async def _ask(
        self,
        method: str,
        url: str,
        phase: Phase,
        job: Job,
        *,
        params: Mapping[str, str] | None = None,
        payload: Any = None,
    ) -> Reply:
        """A call that may be repeated: every fault of the network passes, and so does a key that is to be mended."""
        if fault := self._lines.key_fault():
            raise ProviderUnavailable(fault.kind, fault.message)
        try:
            reply = await self._lines.call(method, url, read_s=self._timeouts.call_s, params=params, payload=payload)
        except NETWORK_FAULTS as exc:
            raise passing(exc) from exc
        log.debug("job %s: %s → %d", job.id, phase, reply.status)
        return reply

    def _error(self, reply: Reply, job: Job, phase: Phase) -> ProviderError:
        spec = models.MODELS.get(job.model)  # an old job outlives its model
        return from_response(reply.status, reply.headers, reply.body, spec, phase=phase, endpoint=job.endpoint)


def app_id(endpoint: str) -> str:
    """The part of an endpoint id that status, result and cancel use: owner and app, after `workflows/` or `comfy/` if it has that."""
    parts = endpoint.strip("/").split("/")
    return "/".join(parts[: 3 if parts[0] in ("workflows", "comfy") else 2])


async def _chunks(file: BinaryIO) -> AsyncIterator[bytes]:
    while chunk := await asyncio.to_thread(file.read, CHUNK):
        yield chunk


def _position(said: Mapping[str, Any]) -> int | None:
    value = said.get("queue_position")
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def _log_lines(logs: Any) -> tuple[str, ...]:
    """Messages of the newest entries; some endpoints send null or an object instead."""
    if not isinstance(logs, list):
        return ()
    messages = (entry.get("message") for entry in logs[-MOST_LOG_LINES:] if isinstance(entry, dict))
    return tuple(message.rstrip() for message in messages if isinstance(message, str) and message.strip())


def _number(text: str | None) -> float | None:
    try:
        return float(text) if text else None
    except ValueError:
        return None
