"""The fake fal's life in a thread: it listens, records what it sees, and breaks where a test says so."""

import asyncio
import threading
import time
from collections import defaultdict, deque
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from core.settings import Settings
from tests.fal_server.faults import NGINX_PAGE, Ending, Fault, Op
from tests.fal_server.queue import Queue, op_of, parsed
from tests.fal_server.wire import Answer, Request, as_json, converse


@dataclass(frozen=True)
class Seen:
    """One request: which call it was, and what it carried.

    `body` is JSON where it was sent, else the number of bytes; `port` is the client's, one for each connection.
    """

    op: str
    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str] = field(repr=False)
    has_key: bool
    body: Any
    at: float
    port: int


class FalServer(Queue):
    """A context manager; the server runs in a thread between `start` and `stop`.

    Args:
        port: 0 for a free one.
        queue: the knobs of `Queue`, by name.
    """

    def __init__(self, *, port: int = 0, **queue: Any) -> None:
        super().__init__(**queue)
        self.record: list[Seen] = []
        self._faults: defaultdict[str, deque[Fault]] = defaultdict(deque)
        self._port = port
        self._thread: threading.Thread | None = None
        self._ready = threading.Event()
        self._failed: OSError | None = None

    # --- What tests say and ask -----------------------------------------------------------------------------------

    def settings(self, **more: Any) -> Settings:
        """Settings that point the product at this server."""
        return Settings(**{"fal_api_key": self.key, "fal_base_url": self.url, **more})

    def fault(self, op: Op, fault: Fault, times: int = 1) -> None:
        """Let the next calls of this kind go wrong; faults are used up in the order they were given."""
        self._faults[op].extend([fault] * times)

    def to_come(self, op: Op) -> int:
        """How many faults of this kind of call no call has met yet."""
        return len(self._faults[op])

    def end_with(self, ending: Ending, times: int = 1) -> None:
        """Let the next accepted jobs end like this."""
        self.endings.extend([ending] * times)

    def calls(self, *ops: str) -> list[Seen]:
        """What was seen of these calls, in order; of all, where none is named."""
        return [seen for seen in list(self.record) if not ops or seen.op in ops]

    # --- Life -----------------------------------------------------------------------------------------------------

    def start(self) -> Self:
        """Listen. Raises OSError where the port is taken."""
        self._ready.clear()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), name="fal-server", daemon=True)
        self._thread.start()
        self._ready.wait()
        if self._failed:
            raise self._failed
        return self

    def stop(self) -> None:
        """Hang up every connection and stop listening; the port stays known, so that `start` comes back at the same address."""
        if self._thread and self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stop.set)
            self._thread.join()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    async def _serve(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        talks: set[asyncio.Task[None]] = set()

        async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task is not None
            talks.add(task)
            try:
                await converse(reader, writer, self._handle)
            except asyncio.CancelledError:
                writer.transport.abort()
            finally:
                talks.discard(task)

        try:
            server = await asyncio.start_server(talk, "127.0.0.1", self._port)
        except OSError as exc:
            self._failed = exc
            self._ready.set()
            return
        self._port = server.sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{self._port}"
        self._ready.set()
        async with server:
            await self._stop.wait()
            server.close()
            for task in list(talks):
                task.cancel()
            await asyncio.gather(*talks, return_exceptions=True)
        await asyncio.sleep(0)  # let aborted transports close

    # --- One request ----------------------------------------------------------------------------------------------

    async def _handle(self, request: Request) -> Answer:
        op, answer = op_of(request), None
        self.record.append(
            Seen(
                op,
                request.method,
                request.path,
                request.query,
                request.headers,
                "authorization" in request.headers,
                parsed(request.body) if op != "put" else len(request.body),
                time.monotonic(),
                request.port,
            )
        )
        fault = self._faults[op].popleft() if self._faults[op] else Fault()
        if fault.cut == "before":
            return Answer(hang_up=True)
        if fault.status is None or fault.works:
            answer = self.answer(op, request)
        if fault.wait_s:
            await asyncio.sleep(fault.wait_s)
        if fault.status is not None:
            answer = _faulty(fault)
        assert answer is not None
        if fault.drip_s and isinstance(answer.body, bytes):
            answer.body = _drip(answer.body, fault.drip_s, fault.drip_bytes)
        answer.stop_after, answer.hang_up = fault.short, fault.cut == "after"
        return answer


async def _drip(body: bytes, pause_s: float, size: int) -> AsyncIterator[bytes]:
    for at in range(0, len(body), size):
        yield body[at : at + size]
        await asyncio.sleep(pause_s)


def _faulty(fault: Fault) -> Answer:
    assert fault.status is not None
    extra = {name.lower(): value for name, value in fault.headers.items()}
    if fault.html:
        page = NGINX_PAGE.format(status=fault.status).encode()
        return Answer(fault.status, page, {"content-type": "text/html", **extra})
    if isinstance(fault.body, str | bytes):
        body = fault.body.encode() if isinstance(fault.body, str) else fault.body
        return Answer(fault.status, body, {"content-type": "text/plain", **extra})
    answer = as_json(fault.body, fault.status)
    answer.headers |= extra
    return answer
