"""Jobs as a table for a spreadsheet: comma-separated, one row a job."""

import csv
import io
from collections.abc import Iterable, Iterator
from datetime import datetime

from core.jobs.job import Job, State
from core.jobs.store import JobStore
from core.jobs.transfer import pages

COLUMNS = (
    "id", "state", "model", "provider", "endpoint", "owner", "prompt", "created_at", "submitted_at", "started_at",
    "finished_at", "seconds", "estimate_low_usd", "cost_estimate_usd", "cost_basis", "error_kind", "error_message",
    "charged", "request_id", "parent_id", "starred", "rating", "tags", "note", "binned_at", "video", "video_width",
    "video_height", "video_seconds", "video_bytes",
)  # fmt: skip
"""In this order; times are UTC, `seconds` runs from acceptance to the end."""

FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
"""A cell that begins so is run by spreadsheets instead of shown (OWASP, CSV injection)."""


def to_csv(store: JobStore, state: State | None = None) -> Iterator[str]:
    """The head, then a row for each job, newest first; each with its line break, as RFC 4180 writes it."""
    yield head()
    for page in pages(store, state):
        yield from rows(page)


def head() -> str:
    """The names of the columns, as the first line."""
    return _row(COLUMNS)


def rows(jobs: Iterable[Job]) -> Iterator[str]:
    """A row for each of these jobs, in this order."""
    for job in jobs:
        yield _row(tuple(_cell(value) for value in _values(job)))


def harmless(text: str) -> str:
    """A text that no spreadsheet takes for a formula: what begins like one gets an apostrophe in front."""
    return f"'{text}" if text.startswith(FORMULA) else text


def _values(job: Job) -> tuple[str | float | datetime | None, ...]:
    """What stands in `COLUMNS`."""
    error, video = job.error, job.video
    ran = None
    if job.finished_at and job.submitted_at:
        ran = max(0.0, round((job.finished_at - job.submitted_at).total_seconds(), 3))
    return (
        job.id, job.state, job.model, job.provider, job.endpoint, job.owner, job.prompt, job.created_at,
        job.submitted_at, job.started_at, job.finished_at, ran, job.estimate_low_usd, job.cost_estimate_usd,
        job.cost_basis, error and error.kind, error and error.message, _charged(job), job.request_id, job.parent_id,
        "yes" if job.starred else "no", job.rating, ", ".join(job.tags), job.note, job.binned_at,
        *((video.key, video.width, video.height, video.duration_s, video.bytes) if video else (None,) * 5),
    )  # fmt: skip


def _charged(job: Job) -> str | None:
    """What a job's end says about money; None while that is open."""
    if job.error is not None:
        return job.error.charged
    if job.state is not State.SUCCEEDED:
        return None
    return "not_charged" if job.cost_estimate_usd == 0 else "charged"


def _cell(value: str | float | datetime | None) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%dT%H:%M:%SZ}"
    return harmless(value) if isinstance(value, str) else str(value)


def _row(cells: tuple[str, ...]) -> str:
    text = io.StringIO(newline="")
    csv.writer(text).writerow(cells)
    return text.getvalue()
