"""HTTP/1.1 for the server: a request as it came, an answer that may break off, and the listener with a thread for each connection."""

import json
import socket
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from email.utils import formatdate
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, cast
from urllib.parse import parse_qsl, unquote, urlsplit

JOIN_S = 5.0  # how long a stop waits for a request that is still running


@dataclass(frozen=True)
class Request:
    """A request as it came.

    `path` is decoded; header names are in lower case, repeated ones joined by a comma; `query` keeps repeats and order;
    `port` is the client's, one for each connection.
    """

    method: str
    path: str
    query: list[tuple[str, str]]
    headers: dict[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    port: int

    def first(self, name: str) -> str | None:
        """The first value of a query parameter."""
        return next((value for key, value in self.query if key == name), None)


@dataclass
class Answer:
    """What goes back.

    Args:
        status: HTTP status.
        body: Content-Length tells its length, also where `stop_after` cuts it.
        headers: beside Date and Content-Length.
        hang_up: say nothing at all and close the connection.
        stop_after: hang up after this many bytes of the body.
        drip: send the body in pieces of this many bytes, this many seconds apart.
    """

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    hang_up: bool = False
    stop_after: int | None = None
    drip: tuple[int, float] | None = None


def as_json(value: Any, status: int = 200, headers: dict[str, str] | None = None) -> Answer:
    """A JSON answer, written as the real servers do: without spaces, and not in ASCII only."""
    body = json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()
    return Answer(status, body, {"content-type": "application/json; charset=utf-8", **(headers or {})})


class Outside(Exception):
    """Something that this server does not do: it answers 501, so that no test passes on a guess."""


class Listener(ThreadingHTTPServer):
    """Listens on 127.0.0.1 until `stop`.

    Args:
        port: 0 for a free one.
        reply: called in the connection's thread, one request at a time for each connection.
    """

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, port: int, reply: Callable[[Request], Answer]) -> None:
        self.reply = reply
        self._open: set[socket.socket] = set()
        super().__init__(("127.0.0.1", port), _Talk)
        self._loop = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._loop.start()

    def stop(self) -> None:
        """Hang up on everybody, and wait for what is still running."""
        self.shutdown()
        self._loop.join()
        self.server_close()
        for line in list(self._open):
            _cut(line)
        until = time.monotonic() + JOIN_S
        while self._open and time.monotonic() < until:
            time.sleep(0.002)

    def process_request(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        super().shutdown_request(request)
        self._open.discard(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is its right; anything else is a bug of this server and goes to standard error."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class _Talk(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, format: str, *args: Any) -> None:
        """The record of requests is in `SupabaseServer.record`."""

    def _talk(self) -> None:
        target = urlsplit(self.path)
        headers: dict[str, str] = {}
        for name, value in self.headers.items():
            key = name.lower()
            headers[key] = f"{headers[key]}, {value}" if key in headers else value
        query = parse_qsl(target.query, keep_blank_values=True)
        answer = cast(Listener, self.server).reply(
            Request(self.command, unquote(target.path), query, headers, self._body(), self.client_address[1])
        )
        self._send(answer)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = _talk

    def _body(self) -> bytes:
        if "chunked" not in self.headers.get("transfer-encoding", ""):
            return self.rfile.read(int(self.headers.get("content-length", 0)))
        body = bytearray()
        while size := int(self.rfile.readline().split(b";")[0], 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass  # trailers
        return bytes(body)

    def _send(self, answer: Answer) -> None:
        if answer.hang_up:
            self.close_connection = True
            _cut(self.connection)
            return
        reason = HTTPStatus(answer.status).phrase if answer.status in HTTPStatus._value2member_map_ else ""
        headers = {"date": formatdate(usegmt=True), **answer.headers}
        if answer.status != HTTPStatus.NO_CONTENT:
            headers.setdefault("content-length", str(len(answer.body)))
        lines = [f"HTTP/1.1 {answer.status} {reason}", *(f"{name}: {value}" for name, value in headers.items())]
        head = ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
        body = b"" if self.command == "HEAD" else answer.body[: answer.stop_after]
        if answer.drip:
            size, pause_s = answer.drip
            self.wfile.write(head)
            for at in range(0, len(body), size):
                self.wfile.write(body[at : at + size])
                time.sleep(pause_s)
        else:
            self.wfile.write(head + body)
        if answer.stop_after is not None:
            self.close_connection = True
            _cut(self.connection)


def _cut(line: socket.socket) -> None:
    try:
        line.shutdown(socket.SHUT_RDWR)
    except OSError:
        return  # the client was faster
