"""The lines to fal: three HTTP clients, their timeouts, and the rule which host may see the key."""

import asyncio
import json
import urllib.request
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import httpx
from httpx_aiohttp import AiohttpTransport
from pydantic import SecretStr

from core.errors import ProviderError, ProviderRefused, ProviderUnavailable

USER_AGENT = "takes/0.1"
MAX_REDIRECTS = 3  # only for files, which travel without the key
MOST_LINES = 100  # connections at once of each client; more calls wait for one
KEPT_OPEN_S = 30.0  # longer than the longest pause between two polls of a job
KEPT_READ = (
    4096  # addresses; status and result of a thousand jobs are asked for again and again, and reading one is slow
)
SHORTEST_SECRET = 6  # characters; a shorter half of a key would blank out ordinary words


@dataclass(frozen=True)
class Timeouts:
    """How long each wait may last, in seconds. Tests shorten them; nothing else should."""

    connect_s: float = 5.0  # what fal's own client allows for its hosts (fal.md 1.1)
    submit_s: float = 120.0  # fal's clients: an answer given up too early is a job of unknown outcome
    call_s: float = 20.0  # status, result and cancel are small and come again by themselves
    quiet_s: float = 45.0  # of a status stream: fal sends a sign of life every 15 s, and two may be missed
    upload_s: float = 60.0  # per piece: a slow line still moves 256 KiB in a minute
    download_s: float = 60.0  # per piece, likewise
    download_whole_s: float = 1800.0  # a drip that never ends is cut here and gone on from next time


@dataclass(frozen=True)
class Reply:
    """One answer of fal, with the key blanked out wherever it was echoed."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> dict[str, Any] | None:
        """The body as a JSON object, or None where it is anything else."""
        try:
            said = json.loads(self.body)
        except ValueError:
            return None
        return said if isinstance(said, dict) else None


@lru_cache(KEPT_READ)
def same_origin(url: str, base: str) -> bool:
    """Whether two addresses have the same scheme, host and port, and the first smuggles no user name."""
    try:
        one, other = httpx.URL(url), httpx.URL(base)
    except httpx.InvalidURL:
        return False
    return (one.scheme, one.host, one.port) == (other.scheme, other.host, other.port) and not one.userinfo


@lru_cache(KEPT_READ)
def _address(url: str, params: tuple[tuple[str, str], ...]) -> httpx.URL:
    address = httpx.URL(url)
    return address.copy_merge_params(params) if params else address


def is_web_address(url: object) -> bool:
    """Whether this is an absolute http or https address."""
    if not isinstance(url, str):
        return False
    try:
        urlsplit(url)  # sees a broken IPv6 address where httpx does not
        parsed = httpx.URL(url)
    except (httpx.InvalidURL, ValueError):
        return False
    return parsed.scheme in ("http", "https") and bool(parsed.host)


def origin(url: str) -> str:
    """Scheme, host and port of an address, for people; drops a user name and path."""
    parsed = httpx.URL(url)
    return f"{parsed.scheme}://{parsed.netloc.decode('ascii')}"


def passing(exc: Exception) -> ProviderUnavailable:
    """A fault of the network as a passing fault; the exception's own text stays out of the message."""
    if isinstance(exc, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout | httpx.ProxyError):
        return ProviderUnavailable(
            "unreachable", "fal cannot be reached. Check the network; it is tried again by itself."
        )
    if isinstance(exc, httpx.TimeoutException | TimeoutError):
        return ProviderUnavailable("timeout", "fal did not answer in time; it is tried again by itself.")
    return ProviderUnavailable("cut_off", "The connection to fal broke off; it is tried again by itself.")


NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError, httpx.UnsupportedProtocol)
"""Faults in which no byte of the request can have reached fal."""

NETWORK_FAULTS = (httpx.HTTPError, httpx.InvalidURL, TimeoutError)
"""Everything that a call over the network raises."""


@dataclass
class Lines:
    """Three clients, made on the loop that first uses them.

    `paid` keeps no connection open between calls: a submit never travels on a line that the other side may just have
    hung up, which would look like a lost answer. `calls` does everything else that needs the key; it goes through
    aiohttp, which takes a third of the CPU that httpx's own transport takes for a small answer on one connection, and a
    tenth of it on twenty.
    `files` knows no key.
    """

    key: SecretStr | None
    trusted: tuple[str, ...]
    timeouts: Timeouts
    _clients: dict[str, httpx.AsyncClient] = field(default_factory=dict, repr=False)
    _quick: "_Quick | None" = field(default=None, repr=False)  # what `calls` goes through, where there is no proxy

    def key_fault(self) -> ProviderError | None:
        """Why no call with the key can be made, or None."""
        word = self.key.get_secret_value().strip() if self.key else ""
        if not word:
            return ProviderRefused(
                "no_key",
                "No fal key is set. Put FAL_API_KEY=… into .env and restart, or run this on the Local preview.",
            )
        if not (word.isascii() and word.isprintable() and " " not in word):
            return ProviderRefused(
                "wrong_key", "FAL_API_KEY holds characters that no key has. Copy the key again into .env and restart."
            )
        return None

    async def call(
        self,
        method: str,
        url: str,
        *,
        read_s: float,
        paid: bool = False,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        payload: Any = None,
    ) -> Reply:
        """One request with the key; follows no redirect. A paid one is never repeated; of the others, one that meets a
        kept-open line which the other side has hung up is sent once more on a new line.

        Raises:
            ProviderRefused: there is no usable key.
            ValueError: the address belongs to another host than fal's, which is a bug of the caller.
            httpx.HTTPError, TimeoutError: the network failed (`NETWORK_FAULTS`).
        """
        key = self._word(url)
        limits = httpx.Timeout(read_s, connect=self.timeouts.connect_s, pool=self.timeouts.connect_s)
        given = {"Authorization": f"Key {key}", "Accept": "application/json", "User-Agent": USER_AGENT}
        request = httpx.Request(
            method,
            _address(url, tuple((params or {}).items())),
            json=payload,
            headers=given | dict(headers or {}),
            extensions={"timeout": limits.as_dict()},
        )
        whole_s = self.timeouts.connect_s + 2 * read_s  # the read limit alone would let an answer drip
        async with asyncio.timeout(whole_s):
            response = await self._send(request, paid)
            try:
                body = await response.aread()
            finally:
                await response.aclose()
        return Reply(response.status_code, response.headers, _without_key(body, key))

    async def _send(self, request: httpx.Request, paid: bool) -> httpx.Response:
        """Past httpx's client where that can be: cookies, redirects and logins, which no call has, cost as much as the rest."""
        client = self._client("paid" if paid else "calls")
        if paid or self._quick is None:
            return await client.send(request, stream=True)
        return await self._quick.handle_async_request(request)

    async def lines(
        self, url: str, *, quiet_s: float, params: Mapping[str, str] | None = None
    ) -> AsyncGenerator[str, None]:
        """The lines of an answer that goes on, with the key: a server's event stream.

        Args:
            url: at one of fal's own hosts.
            quiet_s: longest silence, in seconds.
            params: of the address.

        Raises:
            ProviderRefused: there is no usable key.
            ProviderUnavailable: the answer is no event stream.
            httpx.HTTPError, TimeoutError: the network failed (`NETWORK_FAULTS`).
        """
        limits = httpx.Timeout(quiet_s, connect=self.timeouts.connect_s, pool=self.timeouts.connect_s)
        async with self._client("calls").stream(
            "GET",
            _address(url, tuple((params or {}).items())),
            headers={"Authorization": f"Key {self._word(url)}", "Accept": "text/event-stream"},
            timeout=limits,
        ) as response:
            if response.status_code != 200 or "event-stream" not in response.headers.get("content-type", ""):
                raise ProviderUnavailable("no_stream", f"fal gives no stream ({response.status_code}).")
            async for line in response.aiter_lines():
                yield line

    def _word(self, url: str) -> str:
        """The key, for this address. Raises ProviderRefused, or ValueError for another host than fal's: a bug of the caller."""
        if fault := self.key_fault():
            raise fault
        if not any(same_origin(url, base) for base in self.trusted):
            raise ValueError("the key is only sent to fal's own hosts")
        assert self.key is not None
        return self.key.get_secret_value().strip()

    async def put(self, url: str, content: AsyncIterator[bytes], *, size: int, content_type: str) -> Reply:
        """Send a file's bytes, without the key."""
        limits = httpx.Timeout(self.timeouts.upload_s, connect=self.timeouts.connect_s)
        headers = {
            "Content-Type": content_type,
            "Content-Length": str(size),
        }  # presigned addresses take no chunked body
        response = await self.files.put(url, content=content, headers=headers, timeout=limits, follow_redirects=False)
        return Reply(response.status_code, response.headers, response.content)

    @property
    def files(self) -> httpx.AsyncClient:
        """The client for files: no key, at most three redirects."""
        return self._client("files")

    def _client(self, name: str) -> httpx.AsyncClient:
        if name not in self._clients:
            kept = 0 if name == "paid" else MOST_LINES
            limits = httpx.Limits(
                max_connections=MOST_LINES, max_keepalive_connections=kept, keepalive_expiry=KEPT_OPEN_S
            )
            if name == "calls" and not _behind_a_proxy():
                self._quick = _Quick(limits=limits)
            self._clients[name] = httpx.AsyncClient(
                headers={"User-Agent": USER_AGENT},
                follow_redirects=name == "files",
                max_redirects=MAX_REDIRECTS,
                limits=limits,
                transport=self._quick if name == "calls" else None,
            )
        return self._clients[name]

    async def aclose(self) -> None:
        """Hang up. A later call opens the lines again."""
        clients, self._clients, self._quick = list(self._clients.values()), {}, None
        for client in clients:
            await client.aclose()


class _Quick(AiohttpTransport):
    """aiohttp under httpx, with every fault named as httpx names it."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        try:
            return await super().handle_async_request(request)
        except httpx.ConnectTimeout as exc:
            if isinstance(exc.__cause__, aiohttp.ServerDisconnectedError | aiohttp.ClientOSError) and not isinstance(
                exc.__cause__, aiohttp.ClientConnectorError
            ):
                raise httpx.ReadError("the connection broke off", request=request) from exc
            raise
        except aiohttp.ClientError as exc:
            raise httpx.RemoteProtocolError("the answer is no HTTP", request=request) from exc


def _behind_a_proxy() -> bool:
    """Whether the environment names a proxy, which only httpx's own transport honours."""
    return bool(urllib.request.getproxies().keys() & {"http", "https", "all"})


def _without_key(body: bytes, key: str) -> bytes:
    for part in (key, key.partition(":")[2]):
        if len(part) >= SHORTEST_SECRET:
            body = body.replace(part.encode("ascii"), b"***")
    return body
