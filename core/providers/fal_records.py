"""fal's own list of requests: finds the one that a job whose answer was lost has become.

`GET /v1/models/requests/by-endpoint` of fal's platform API lists what an account has sent to an endpoint, with the inputs
where `expand=payloads` asks for them (fal.ai/docs/platform-apis/v1/models/requests/by-endpoint). A job is recognised by the
addresses of its files, which are made anew for every upload: no other request can hold them.
"""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from core.jobs.job import Job

PAGE = 100  # the most that fal gives at once
MOST_PAGES = 10  # a look-up ends after so many; the next one comes by itself
EARLY = timedelta(minutes=2)  # our clock and fal's may differ by this
LATE = timedelta(hours=26)  # a request may wait in fal's line for long, and is listed by its end


def query(job: Job, cursor: str | None) -> dict[str, str]:
    """The parameters of a look-up: this endpoint, from shortly before the job was sent."""
    assert job.submitted_at is not None
    asked = {
        "endpoint_id": job.endpoint.strip("/"),
        "start": _iso(job.submitted_at - EARLY),
        "end": _iso(job.submitted_at + LATE),
        "expand": "payloads",
        "limit": str(PAGE),
    }
    return asked | ({"cursor": cursor} if cursor else {})


def match(job: Job, said: Mapping[str, Any]) -> str | None:
    """The request id of the item that is this job and no other; None where there is none, or more than one."""
    items = said.get("items")
    found = {
        item["request_id"]
        for item in (items if isinstance(items, list) else [])
        if isinstance(item, dict) and isinstance(item.get("request_id"), str) and _is_it(job, item)
    }
    return found.pop() if len(found) == 1 else None


def _is_it(job: Job, item: Mapping[str, Any]) -> bool:
    given = item.get("json_input")
    return isinstance(given, dict) and bool(job.uploads) and set(job.uploads.values()) <= set(_texts(given))


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for part in value.values() if isinstance(value, dict) else value:
            yield from _texts(part)


def _iso(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
