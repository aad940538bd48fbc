"""HTTP/1.1 on a plain socket, through h11, so that an answer can stop at any byte."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import h11


@dataclass(frozen=True)
class Request:
    """A request as it came; header names in lower case. `port` is the client's, one for each connection."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes
    port: int


@dataclass
class Answer:
    """What goes back.

    Args:
        status: HTTP status.
        body: all bytes of it; or pieces that come one by one, then sent in chunks.
        headers: Content-Length is added.
        stop_after: hang up after this many bytes of the body.
        hang_up: say nothing at all and close the socket.
    """

    status: int = 200
    body: bytes | AsyncIterator[bytes] = b""
    headers: dict[str, str] = field(default_factory=dict)
    stop_after: int | None = None
    hang_up: bool = False


def as_json(value: Any, status: int = 200, **headers: str) -> Answer:
    """A JSON answer; `x_fal_request_id="…"` becomes the header X-Fal-Request-Id."""
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    return Answer(status, json.dumps(value).encode(), {"content-type": "application/json", **named})


async def converse(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, handle: Callable[[Request], Awaitable[Answer]]
) -> None:
    """Serve one connection until either side hangs up."""
    line = h11.Connection(h11.SERVER)
    try:
        while request := await _read(line, reader, writer):
            answer = await handle(request)
            if answer.hang_up:
                break
            if (
                not await _write(line, writer, request, answer)
                or line.our_state is not h11.DONE
                or line.their_state is not h11.DONE
            ):
                break
            line.start_next_cycle()
    except (ConnectionError, h11.RemoteProtocolError, h11.LocalProtocolError):
        pass  # the client hung up in the middle, which is its right
    finally:
        writer.close()


async def _read(line: h11.Connection, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Request | None:
    head: h11.Request | None = None
    body = bytearray()
    while True:
        event = line.next_event()
        if event is h11.NEED_DATA:
            if line.they_are_waiting_for_100_continue:
                writer.write(line.send(h11.InformationalResponse(status_code=100, headers=[])) or b"")
            line.receive_data(await reader.read(65536))
        elif isinstance(event, h11.Request):
            head = event
        elif isinstance(event, h11.Data):
            body += event.data
        elif isinstance(event, h11.EndOfMessage):
            assert head is not None
            target = urlsplit(head.target.decode("ascii"))
            query = {name: values[-1] for name, values in parse_qs(target.query).items()}
            headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in head.headers}
            port = writer.get_extra_info("peername")[1]
            return Request(head.method.decode(), unquote(target.path), query, headers, bytes(body), port)
        else:  # closed, or paused
            return None


async def _write(line: h11.Connection, writer: asyncio.StreamWriter, request: Request, answer: Answer) -> bool:
    """Send it; False where it was cut short on purpose."""
    headers = list(answer.headers.items())
    if isinstance(answer.body, bytes):
        headers.append(("content-length", str(len(answer.body))))
        pieces = _once(answer.body)
    else:
        headers.append(("transfer-encoding", "chunked"))
        pieces = answer.body
    writer.write(line.send(h11.Response(status_code=answer.status, headers=headers)) or b"")
    left = answer.stop_after
    async for piece in pieces:
        part = piece if left is None else piece[:left]
        if part and request.method != "HEAD":
            writer.write(line.send(h11.Data(data=part)) or b"")
        await writer.drain()
        if left is not None:
            left -= len(part)
            if left <= 0:
                return False
    writer.write(line.send(h11.EndOfMessage()) or b"")
    await writer.drain()
    return True


async def _once(body: bytes) -> AsyncIterator[bytes]:
    yield body
