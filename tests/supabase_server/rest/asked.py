"""What a request to PostgREST asks for beside its rows: preferences, the form of the answer, a page, the body."""

import json
import re
from dataclasses import dataclass
from typing import Any

from tests.supabase_server.rest.errors import refused
from tests.supabase_server.wire import Answer, Outside, Request

JSON = "application/json"
OBJECT = "application/vnd.pgrst.object+json"
KNOWN = {
    "resolution": ("merge-duplicates", "ignore-duplicates"),
    "missing": ("default",),
    "return": ("minimal", "representation"),
    "count": ("exact", "planned", "estimated"),
}  # in the order in which Preference-Applied names them


@dataclass(frozen=True)
class Asked:
    """What was asked for.

    Attributes:
        prefer: preferences by name.
        single: one object, not a list.
        limit: rows at most; None for all.
        offset: rows to pass over.
    """

    prefer: dict[str, str]
    single: bool
    limit: int | None
    offset: int

    @property
    def rows(self) -> bool:
        """Whether a write gives back what it wrote."""
        return self.prefer.get("return") == "representation"

    def page(self, max_rows: int | None) -> str:
        """SQL's limit and offset, under the cap on rows."""
        least = min((number for number in (self.limit, max_rows) if number is not None), default=None)
        limit = "" if least is None else f" limit {least}"
        return limit + (f" offset {self.offset}" if self.offset else "")

    def applied(self, *names: str) -> dict[str, str]:
        """The header that tells which of these preferences were followed."""
        said = ", ".join(f"{name}={self.prefer[name]}" for name in KNOWN if name in names and name in self.prefer)
        return {"preference-applied": said} if said else {}

    def answer(self, body: str, status: int = 200, headers: dict[str, str] | None = None) -> Answer:
        """Rows as they were asked for."""
        kind = OBJECT if self.single else JSON
        return Answer(status, body.encode(), {"content-type": f"{kind}; charset=utf-8", **(headers or {})})


def asked(request: Request) -> Asked:
    """Read headers and paging. Raises Outside on what is not in the subset."""
    for header in ("range", "if-match", "if-none-match"):
        if header in request.headers:
            raise Outside(f"header {header}")
    for header in ("accept-profile", "content-profile"):
        if request.headers.get(header, "public") != "public":
            raise Outside(f"schema {request.headers[header]}")
    prefer: dict[str, str] = {}
    for part in re.split(r"\s*[,;]\s*", request.headers.get("prefer", "")):
        name, _, value = part.partition("=")
        if part and value not in KNOWN.get(name, ()):
            raise Outside(f"Prefer: {part}")
        if part:
            prefer.setdefault(name, value)
    accept = request.headers.get("accept", "*/*")
    if accept not in ("*/*", JSON, OBJECT, "application/json, */*", ""):
        raise Outside(f"Accept: {accept}")
    limit, offset = (_number(request, name) for name in ("limit", "offset"))
    return Asked(prefer, accept == OBJECT, limit, offset or 0)


def _number(request: Request, name: str) -> int | None:
    text = request.first(name)
    if text is None:
        return None
    if not text.isdecimal():
        raise Outside(f"{name}={text}")
    return int(text)


def payload(request: Request) -> Any:
    """The JSON of a body. Raises Refused where it is none."""
    kind = request.headers.get("content-type", JSON)
    if kind.split(";")[0].strip() != JSON:
        raise Outside(f"Content-Type: {kind}")
    try:
        return json.loads(request.body)
    except ValueError as exc:
        raise refused(400, "PGRST102", "Empty or invalid json") from exc


def spread(lower: int, rows: int, total: int | None) -> str:
    """Content-Range: the first and last row of this page, and how many there are in all."""
    span = f"{lower}-{lower + rows - 1}" if rows and total != 0 else "*"
    return f"{span}/{'*' if total is None else total}"
