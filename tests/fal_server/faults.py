"""What can go wrong: faults of one call, and bad endings of a job."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Op = Literal["initiate", "put", "file", "submit", "status", "stream", "result", "cancel", "records", "jwks"]
"""The calls of the protocol, as they stand in `Seen.op`; anything else is "other"."""

NGINX_PAGE = "<html>\r\n<head><title>{status}</title></head>\r\n<body><center><h1>{status}</h1></center><hr><center>nginx</center></body>\r\n</html>\r\n"


@dataclass(frozen=True)
class Fault:
    """What one call gets in place of its answer.

    Args:
        status: answer with this status.
        body: JSON of that answer; a str or bytes goes out as it is.
        headers: of that answer, beside or in place of the usual ones.
        html: answer with an nginx page.
        cut: "before": hang up without doing anything; "after": do the work (a submit is accepted), then hang up.
        wait_s: seconds to wait before answering; the work is done first.
        drip_s: send the body in small pieces, this many seconds apart.
        drip_bytes: how small.
        short: hang up after this many bytes of the body, though Content-Length tells the full size.
        works: whether the work is done before a `status` answer goes out; e.g. a 504 after the job was accepted.
    """

    status: int | None = None
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    html: bool = False
    cut: Literal["before", "after"] | None = None
    wait_s: float = 0.0
    drip_s: float = 0.0
    drip_bytes: int = 1
    short: int | None = None
    works: bool = False


@dataclass(frozen=True)
class Ending:
    """How a job ends that does not end well: status says COMPLETED with `error`, the result call replays the rest.

    Args:
        status: HTTP status of the result call.
        body: JSON of the result call.
        headers: of the result call.
        error: text in the status reply.
        error_type: fal's word in the status reply.
    """

    status: int
    body: Any
    headers: Mapping[str, str] = field(default_factory=dict)
    error: str = "Request failed"
    error_type: str | None = None


def policy_refusal(loc: str = "prompt") -> Ending:
    """The model's content check refused one input."""
    detail = {
        "loc": ["body", loc],
        "msg": "The content could not be processed because it contained material flagged by a content checker.",
        "type": "content_policy_violation",
        "url": "https://docs.fal.ai/errors/#content_policy_violation",
        "input": "…",
    }
    return Ending(422, {"detail": [detail]}, {"X-Fal-Retryable": "false"}, error="Invalid status code: 422")


CANCELLED = Ending(
    499,
    {"detail": "Request was cancelled by the client", "error_type": "client_cancelled"},
    {"X-Fal-Error-Type": "client_cancelled"},
    error="Request was cancelled",
    error_type="client_cancelled",
)
"""How a job ends that was cancelled."""
