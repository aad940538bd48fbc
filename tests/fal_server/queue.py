"""The fake fal's side of the protocol: storage, submit, status, result and cancel, call by call."""

import asyncio
import json
import re
import time
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal
from uuid import uuid4

from tests.fal_server.clip import clip
from tests.fal_server.faults import CANCELLED, Ending
from tests.fal_server.files import StoredFile, send_file
from tests.fal_server.hooks import JWKS_PATH, Call, Seal, news
from tests.fal_server.schemas import complaints, documents
from tests.fal_server.wire import Answer, Request, as_json

REQUEST_PATH = re.compile(r"^/(?P<app>.+?)/requests/(?P<id>[^/]+)(?P<tail>/status/stream|/status|/response|/cancel)?$")
RECORDS_PATH = "/v1/models/requests/by-endpoint"  # of fal's platform API, which has a host of its own there
KEEP_ALIVE_S = 15.0  # fal's comment line in a status stream


@dataclass
class Accepted:
    """A submit that was taken: a paid job. `at` is in seconds of `time.monotonic`; `looks` counts status calls;
    `ending` is None for a good end; `run_s` is its own run length, where that is not the queue's; `hook` is where it
    asked to be told of its end."""

    request_id: str
    endpoint: str
    payload: dict[str, Any]
    tags: str
    at: float
    looks: int = 0
    ending: Ending | None = None
    ended: bool = False
    run_s: float | None = None
    hook: str = ""
    sent_at: datetime = field(default_factory=lambda: datetime.now(UTC))

    @property
    def app(self) -> str:
        parts = self.endpoint.split("/")
        return "/".join(parts[: 3 if parts[0] in ("workflows", "comfy") else 2])


@dataclass
class Queue:
    """Jobs, files and what becomes of them. Every field may be changed while it runs.

    Args:
        key: the only key that it takes.
        queue_s, run_s: seconds that a job waits and runs.
        queue_polls, run_polls: status calls that say IN_QUEUE and then IN_PROGRESS, whatever the time.
        validates: "submit" refuses a bad payload at once; "run" accepts it and ends the job with 422, as fal does.
        cancel_ends: whether a cancelled job that already runs ends at once, or still finishes.
        reply_base: address in place of its own in the URLs that a submit returns.
        file_base: address in place of its own in upload and video URLs.
        result_extra: further fields of every result.
        logs: log lines of every job that has begun to run.
        records_page: most requests that one page of the records lists.
        ranges: whether its file host gives a part of a video.
        seal: the keys that its webhooks are signed with.
        url: its own address.
        accepted: every submit that was taken.
        files: what was uploaded, by name.
        endings: how the next accepted jobs end; a job for which none is left ends well.
    """

    key: str = "test-key-id:test-key-secret"
    queue_s: float = 0.0
    run_s: float = 0.0
    queue_polls: int = 0
    run_polls: int = 0
    validates: Literal["submit", "run"] = "submit"
    cancel_ends: bool = False
    reply_base: str | None = None
    file_base: str | None = None
    result_extra: dict[str, Any] = field(default_factory=lambda: {"seed": 4711})
    logs: list[str] = field(default_factory=lambda: ["loading the model", "frame 1 of 24"])
    records_page: int = 100
    ranges: bool = True
    seal: Seal = field(default_factory=Seal)
    url: str = ""
    accepted: list[Accepted] = field(default_factory=list)
    files: dict[str, StoredFile] = field(default_factory=dict)
    endings: deque[Ending] = field(default_factory=deque)
    _by_id: dict[str, Accepted] = field(default_factory=dict, repr=False)

    def accept(self, job: Accepted) -> Accepted:
        """Take a job, as a submit does."""
        self._by_id[job.request_id] = job
        self.accepted.append(job)
        return job

    def job(self, request_id: str) -> Accepted | None:
        """The accepted job with this id."""
        return self._by_id.get(request_id)

    def done_at(self, job: Accepted) -> float:
        """When the job's time is up, in seconds of `time.monotonic`."""
        return job.at + self.queue_s + (self.run_s if job.run_s is None else job.run_s)

    def urls(self, job: Accepted) -> dict[str, str]:
        """The addresses that a submit returns."""
        base = f"{self.reply_base or self.url}/{job.app}/requests/{job.request_id}"
        return {"response_url": base, "status_url": f"{base}/status", "cancel_url": f"{base}/cancel"}

    def hook(self, job: Accepted, to: str | None = None, **sealed: Any) -> Call:
        """The webhook that tells of a job's end, signed and not yet sent.

        Args:
            job: the job; what it came to stands in the call.
            to: another address than the one that its submit named.
            sealed: what `Seal.call` takes: `user`, `at`, `key`.
        """
        ending = job.ending
        error = f"Invalid status code: {ending.status}" if ending else ""
        said = json.loads(bytes(self._result(job).body))  # type: ignore[arg-type]
        body = news(job.request_id, said, status="ERROR" if ending else "OK", error=error)
        return self.seal.call(to or job.hook, body, **{"request_id": job.request_id, **sealed})

    def tell(self, job: Accepted, to: str | None = None, **sealed: Any) -> int:
        """Send that webhook; the HTTP status that came back."""
        return self.hook(job, to, **sealed).send()

    def answer(self, op: str, request: Request) -> Answer:
        """Do what a call asks for."""
        if op == "file":
            return send_file(self._file(request.path.removeprefix("/files/")), request)
        if op == "put":
            return self._put(request)
        if op == "jwks":
            return self.seal.published()
        if request.headers.get("authorization") != f"Key {self.key}":
            return as_json({"detail": "Authentication is required to access this application"}, 401)
        if op == "initiate":
            return self._initiate(request)
        if op == "submit":
            return self._submit(request)
        if op == "records":
            return self._records(request)
        match = REQUEST_PATH.match(request.path)
        job = self.job(match["id"]) if match else None
        if match is None or job is None or match["app"] not in (job.app, job.endpoint):
            return as_json({"status": "NOT_FOUND"}, 404)
        if op == "status":
            return self._status(job, request)
        if op == "stream":
            return Answer(200, self._stream(job), {"content-type": "text/event-stream"})
        return self._result(job) if op == "result" else self._cancel(job)

    # --- Storage --------------------------------------------------------------------------------------------------

    def _initiate(self, request: Request) -> Answer:
        asked = parsed(request.body)
        if (
            request.query.get("storage_type") != "fal-cdn-v3"
            or not isinstance(asked, dict)
            or not {"content_type", "file_name"} <= set(asked)
        ):
            return as_json({"detail": [{"loc": ["body"], "msg": "Field required", "type": "missing"}]}, 422)
        name = f"{uuid4().hex[:12]}-{asked['file_name']}"
        base = self.file_base or self.url
        return as_json({"upload_url": f"{base}/upload/{name}?signature=s1gned", "file_url": f"{base}/files/{name}"})

    def _put(self, request: Request) -> Answer:
        if "authorization" in request.headers:
            return Answer(
                400, b"<Error><Code>InvalidArgument</Code><Message>Only one auth mechanism allowed</Message></Error>"
            )
        if "content-length" not in request.headers:
            return Answer(411, b"<Error><Code>MissingContentLength</Code></Error>")
        name = request.path.removeprefix("/upload/")
        self.files[name] = StoredFile(request.body, request.headers.get("content-type", ""))
        return Answer(200)

    def _file(self, name: str) -> StoredFile | None:
        job = self.job(name.removesuffix(".mp4"))
        if job is not None and job.ending is None:
            return StoredFile(clip(), "video/mp4", self.ranges)
        return self.files.get(name)

    # --- Queue ----------------------------------------------------------------------------------------------------

    def _submit(self, request: Request) -> Answer:
        endpoint, payload = request.path.strip("/"), parsed(request.body)
        if endpoint not in documents():
            return as_json({"detail": f"Path /{endpoint} not found"}, 404)
        wrong = complaints(endpoint, payload)
        if wrong and self.validates == "submit":
            return as_json({"detail": wrong}, 422, x_fal_request_id=str(uuid4()))
        job = Accepted(str(uuid4()), endpoint, payload, request.headers.get("x-fal-tags", ""), time.monotonic())
        job.hook = request.query.get("fal_webhook", "")
        if wrong:
            job.ending = Ending(422, {"detail": wrong}, {"X-Fal-Retryable": "false"}, error="Invalid status code: 422")
        elif self.endings:
            job.ending = self.endings.popleft()
        self.accept(job)
        reply = {
            "status": "IN_QUEUE",
            "request_id": job.request_id,
            **self.urls(job),
            "queue_position": self._place(job),
        }
        return as_json(reply, x_fal_request_id=job.request_id)

    def _place(self, job: Accepted) -> int:
        left_s = self.queue_s - (time.monotonic() - job.at)
        return max(self.queue_polls - job.looks, int(left_s) + 1 if left_s > 0 else 0, 1) - 1

    def _state(self, job: Accepted) -> str:
        now = time.monotonic()
        if job.ended:
            return "COMPLETED"
        if now < job.at + self.queue_s or job.looks < self.queue_polls:
            return "IN_QUEUE"
        if now < self.done_at(job) or job.looks < self.queue_polls + self.run_polls:
            return "IN_PROGRESS"
        return "COMPLETED"

    def _snapshot(self, job: Accepted, logs: bool) -> dict[str, Any]:
        state = self._state(job)
        lines = [
            {"message": line, "timestamp": "2026-09-01T12:00:00.000000", "level": "INFO", "source": "USER"}
            for line in self.logs
        ]
        said: dict[str, Any] = {"status": state, "request_id": job.request_id, **self.urls(job)}
        said["logs"] = (lines if state != "IN_QUEUE" else []) if logs else None
        if state == "IN_QUEUE":
            said["queue_position"] = self._place(job)
        if state == "COMPLETED":
            said["metrics"] = {"inference_time": round(self.run_s, 3)}
            if job.ending:
                said |= {"error": job.ending.error, "error_type": job.ending.error_type}
        job.looks += 1
        return said

    def _status(self, job: Accepted, request: Request) -> Answer:
        said = self._snapshot(job, request.query.get("logs") in ("1", "true"))
        return as_json(said, 200 if said["status"] == "COMPLETED" else 202, x_fal_request_id=job.request_id)

    async def _stream(self, job: Accepted) -> AsyncIterator[bytes]:
        quiet_since = time.monotonic()
        while True:
            said = self._snapshot(job, logs=True)
            yield b"data: " + json.dumps(said).encode() + b"\n\n"
            if said["status"] == "COMPLETED":
                return
            await asyncio.sleep(0.05)
            if time.monotonic() - quiet_since > KEEP_ALIVE_S:
                quiet_since = time.monotonic()
                yield b": keep-alive\n\n"

    def _result(self, job: Accepted) -> Answer:
        if self._state(job) != "COMPLETED":
            return as_json({"detail": "Request is still in progress"}, 400)
        if job.ending:
            answer = as_json(job.ending.body, job.ending.status)
            answer.headers |= {name.lower(): value for name, value in job.ending.headers.items()}
            return answer
        name = f"{job.request_id}.mp4"
        video = {
            "url": f"{self.file_base or self.url}/files/{name}",
            "content_type": "video/mp4",
            "file_name": name,
            "file_size": len(clip()),
        }
        return as_json({"video": video, **self.result_extra}, x_fal_request_id=job.request_id, x_fal_billable_units="5")

    def _cancel(self, job: Accepted) -> Answer:
        match self._state(job):
            case "COMPLETED":
                return as_json({"status": "ALREADY_COMPLETED"}, 400)
            case "IN_QUEUE":
                job.ended, job.ending = True, CANCELLED
                return as_json({"status": "OK"})
            case _:
                if self.cancel_ends:
                    job.ended, job.ending = True, CANCELLED
                return as_json({"status": "CANCELLATION_REQUESTED"}, 202)

    # --- Records --------------------------------------------------------------------------------------------------

    def _records(self, request: Request) -> Answer:
        """What the account has sent to one endpoint in a span of time, newest first, a page at a time."""
        asked = request.query
        if "endpoint_id" not in asked:
            return as_json({"error": {"type": "validation_error", "message": "endpoint_id: Field required"}}, 400)
        start, end = (datetime.fromisoformat(asked[name]) if name in asked else None for name in ("start", "end"))
        listed = [
            job
            for job in reversed(list(self.accepted))
            if job.endpoint == asked["endpoint_id"]
            and (start is None or start <= job.sent_at)
            and (end is None or job.sent_at < end)
        ]
        first = int(asked.get("cursor", "0"))
        beyond = first + min(int(asked.get("limit", "50")), self.records_page)
        items = [self._item(job, payloads=asked.get("expand") == "payloads") for job in listed[first:beyond]]
        more = beyond < len(listed)
        return as_json({"items": items, "next_cursor": str(beyond) if more else None, "has_more": more})

    def _item(self, job: Accepted, *, payloads: bool) -> dict[str, Any]:
        is_over = self._state(job) == "COMPLETED"
        sent = job.sent_at.isoformat().replace("+00:00", "Z")
        item: dict[str, Any] = {
            "request_id": job.request_id,
            "endpoint_id": job.endpoint,
            "started_at": sent,
            "sent_at": sent,
            "ended_at": sent if is_over else None,
            "status_code": (job.ending.status if job.ending else 200) if is_over else None,
            "duration": (self.run_s if job.run_s is None else job.run_s) if is_over else None,
        }
        return item | ({"json_input": job.payload, "json_output": None} if payloads else {})


def op_of(request: Request) -> str:
    """Which call of the protocol this is (`faults.Op`, or "other")."""
    method, path = request.method, request.path
    if path.startswith("/files/") and method in ("GET", "HEAD"):
        return "file"
    if path.startswith("/upload/") and method == "PUT":
        return "put"
    if path == "/storage/upload/initiate" and method == "POST":
        return "initiate"
    if path == JWKS_PATH and method == "GET":
        return "jwks"
    if path == RECORDS_PATH and method == "GET":
        return "records"
    if match := REQUEST_PATH.match(path):
        tails = {("GET", "/status"): "status", ("GET", "/status/stream"): "stream", ("PUT", "/cancel"): "cancel"}
        tails |= {("GET", None): "result", ("GET", "/response"): "result"}  # type: ignore[dict-item]
        return tails.get((method, match["tail"]), "other")
    return "submit" if method == "POST" else "other"


def parsed(body: bytes) -> Any:
    """A body as JSON, or None."""
    try:
        return json.loads(body) if body else None
    except ValueError:
        return None
