"""Answers with a file that is put together while it is sent: all of it, or the one part that is asked for."""

import re
from collections.abc import Generator, Mapping

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from core.media.tagged import Tagged

RANGE = re.compile(r"bytes=(\d{0,15})-(\d{0,15})")


def answer(request: Request, whole: Tagged, media_type: str, headers: Mapping[str, str]) -> Response:
    """The file, in blocks; without them for HEAD, and for a browser that has it already.

    Args:
        request: what is asked for. Several parts at once, or a range that makes no sense, are answered with all of it,
            as RFC 9110, 14.2 allows.
        whole: the file.
        media_type: its type.
        headers: more headers, with its etag.
    """
    headers = {**headers, "accept-ranges": "bytes"}
    if request.headers.get("if-none-match") == headers["etag"]:
        return Response(status_code=304, headers=headers)
    span = _span(request, whole.size, headers["etag"])
    if span is not None and span[0] >= span[1]:
        return Response(status_code=416, headers={"content-range": f"bytes */{whole.size}"})
    start, end = span or (0, whole.size)
    headers["content-length"] = str(end - start)
    if span:
        headers["content-range"] = f"bytes {start}-{end - 1}/{whole.size}"
    status = 206 if span else 200
    if request.method == "HEAD":
        return Response(None, status, headers, media_type)
    return Blocks(whole.blocks(start, end), status, headers, media_type)


class Blocks(StreamingResponse):
    """Sends blocks, and closes what they are read from when the last is sent, or the other side has hung up."""

    def __init__(
        self, blocks: Generator[bytes, None, None], status: int, headers: Mapping[str, str], media_type: str
    ) -> None:
        super().__init__(blocks, status, headers, media_type)
        self._blocks = blocks

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._blocks.close()


def _span(request: Request, size: int, etag: str) -> tuple[int, int] | None:
    """The part that is asked for, from its first byte to before its last; empty where there is none; None for all."""
    found = RANGE.fullmatch(request.headers.get("range", ""))
    if request.method != "GET" or not found or request.headers.get("if-range", etag) != etag:
        return None
    first, last = found.groups()
    if not first:  # so many from the end
        return (max(0, size - int(last)), size) if last else None
    start, end = int(first), min(int(last) + 1, size) if last else size
    return None if last and int(last) < start else (start, end)
