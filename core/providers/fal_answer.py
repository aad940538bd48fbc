"""One unwelcome answer of fal, taken apart: its type, its details, its words, and what is kept of it."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Literal

from core.models.spec import ModelSpec

Phase = Literal["upload", "submit", "status", "result", "cancel"]

LONGEST_TEXT = 500  # characters of fal's own words that are kept
LONGEST_WAIT_S = 3600.0  # a server that says "come back tomorrow" is asked again in an hour
PASSING_TYPES = frozenset({
    "internal_server_error", "generation_timeout", "downstream_service_error", "downstream_service_unavailable",
    "request_timeout", "startup_timeout", "runner_scheduling_failure", "runner_connection_timeout",
    "runner_disconnected", "runner_connection_refused", "runner_connection_error", "runner_incomplete_response",
    "runner_server_error", "client_disconnected", "client_cancelled", "internal_error",
})  # fmt: skip
"""Error types after which the same request may well succeed; all others lead to the same answer."""

DEEPEST = 6  # levels of fal's JSON that are kept; its errors have three


@dataclass(frozen=True)
class Answer:
    """An answer that is no success.

    Args:
        status: HTTP status.
        headers: by lower-case name, or case-insensitive.
        body: as it came, without the key.
        phase: the call that it answers.
        spec: the model, or None where it has left the catalogue.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    phase: Phase
    spec: ModelSpec | None

    @property
    def json(self) -> Any:
        """The body as JSON; None where it is none."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None

    @property
    def detail(self) -> Any:
        """What fal says: a text, or a list of details. Some endpoints call it otherwise."""
        said = self.json
        if not isinstance(said, dict):
            return None
        return next((said[name] for name in ("detail", "error", "message") if said.get(name)), None)

    @property
    def entries(self) -> list[dict[str, Any]]:
        """The details of a model error; empty for the other shape (fal.md 1.8)."""
        detail = self.detail
        return [entry for entry in detail if isinstance(entry, dict)] if isinstance(detail, list) else []

    @property
    def error_type(self) -> str:
        """fal's own word for the error, from the header, the body or the first detail; "" where it has none."""
        said = self.json
        words = [self.headers.get("x-fal-error-type"), said.get("error_type") if isinstance(said, dict) else None]
        words += [entry.get("type") for entry in self.entries]
        return next((word for word in words if isinstance(word, str) and word), "")

    @property
    def text(self) -> str:
        """What fal said in one line of plain text; "" for a web page."""
        if self.is_page:
            return ""
        detail = self.detail
        if self.entries:
            return one_line("; ".join(str(entry["msg"]) for entry in self.entries if entry.get("msg")))
        if detail:
            return one_line(detail if isinstance(detail, str) else json.dumps(detail))
        return "" if self.json is not None else one_line(self.body.decode("utf-8", "replace"))

    @property
    def is_page(self) -> bool:
        """Whether a web server or proxy wrote this, not fal's API."""
        return is_page(self.headers, self.body)

    @property
    def retry_after_s(self) -> float | None:
        """Seconds to wait, where it says so."""
        return retry_after(self.headers)

    @property
    def retryable(self) -> bool:
        """Whether the same request may fare better: as fal says it, else as its documents say of the type (fal.md 1.8)."""
        told = self.headers.get("x-fal-retryable") or self.headers.get("x-fal-needs-retry")
        if told:
            return told.strip().lower() in ("true", "1", "yes")
        return self.error_type in PASSING_TYPES or (not self.error_type and self.status >= 500)

    @property
    def raw(self) -> dict[str, Any]:
        """What is kept of it with the job: small, as JSON, and without the repeated input."""
        said = self.json
        found = {
            "error_type": self.error_type,
            "request_id": self.headers.get("x-fal-request-id", ""),
            "body": _short(said) if said is not None else one_line(self.body.decode("utf-8", "replace")),
        }
        return {"status": self.status, **{name: value for name, value in found.items() if value not in ("", None)}}


def is_page(headers: Mapping[str, str], body: bytes) -> bool:
    """Whether an answer of the API is a web page in its place."""
    return "html" in headers.get("content-type", "").lower() or body.lstrip()[:1] == b"<"


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that `Retry-After` asks for, as a number or a date, at most an hour; None where it says nothing usable."""
    value = headers.get("retry-after", "").strip()
    try:
        seconds = float(value)
    except ValueError:
        try:
            at = parsedate_to_datetime(value)
        except ValueError:
            return None
        seconds = (at.replace(tzinfo=at.tzinfo or UTC) - datetime.now(UTC)).total_seconds()
    return None if math.isnan(seconds) else min(max(seconds, 0.0), LONGEST_WAIT_S)


def one_line(text: str) -> str:
    """Text without line breaks and control characters, cut to 500 characters."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())[:LONGEST_TEXT]


def _short(said: Any, depth: int = 0) -> Any:
    if isinstance(said, str):
        return said[:LONGEST_TEXT]
    if depth > DEEPEST:
        return "…"
    if isinstance(said, list):
        return [_short(part, depth + 1) for part in said[:20]]
    if isinstance(said, dict):
        return {str(key): _short(value, depth + 1) for key, value in list(said.items())[:40] if key != "input"}
    return said
