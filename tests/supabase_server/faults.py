"""What can go wrong on purpose: the faults of the fake fal, and one more for an upload that breaks in the middle."""

from dataclasses import dataclass, field
from typing import Any

from tests import fal_server
from tests.fal_server.faults import NGINX_PAGE
from tests.supabase_server.wire import Answer, as_json


@dataclass(frozen=True)
class Fault(fal_server.Fault):
    """What one call gets in place of its answer; `cut="after"` hangs up when the work is committed.

    Args:
        keep: of a piece of a resumable upload, write only so many bytes and hang up.
    """

    keep: int | None = None

    def in_place_of(self, answer: Answer | None) -> Answer:
        """The answer as this fault leaves it; `answer` is None where the work was not done."""
        if self.status is not None:
            answer = self._own(self.status)
        assert answer is not None
        if self.drip_s:
            answer.drip = (self.drip_bytes, self.drip_s)
        answer.stop_after, answer.hang_up = self.short, self.cut == "after" or self.keep is not None
        return answer

    def _own(self, status: int) -> Answer:
        extra = {name.lower(): value for name, value in self.headers.items()}
        if self.html:
            return Answer(status, NGINX_PAGE.format(status=status).encode(), {"content-type": "text/html", **extra})
        if isinstance(self.body, str | bytes):
            body = self.body.encode() if isinstance(self.body, str) else self.body
            return Answer(status, body, {"content-type": "text/plain", **extra})
        return as_json(self.body, status, extra)


@dataclass(frozen=True)
class Seen:
    """One request: which call it was, and what it carried.

    `op` names the call, e.g. "select jobs", "rpc claim_jobs", "upload", "resumable patch"; `body` is JSON where JSON
    was sent, else the number of bytes; `port` is the client's, one for each connection; `at` is `time.monotonic()`.
    """

    op: str
    method: str
    path: str
    query: list[tuple[str, str]]
    headers: dict[str, str] = field(repr=False)
    body: Any
    at: float
    port: int
