"""Files given by address: fetched from public servers only, within a size and a time."""

import asyncio
import ipaddress
import socket
import ssl
from collections.abc import Awaitable, Callable, Sequence
from typing import Final
from urllib.parse import unquote

import httpx

from core.errors import InvalidMedia
from core.media.content import megabytes, quoted, too_big, what_is

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Resolver = Callable[[str, int], Awaitable[Sequence[str]]]
"""Host and port → its IP addresses, in the order in which they are tried; raises OSError where there are none."""

MOST_REDIRECTS: Final = 3
CONNECT_S: Final = 5.0  # seconds for one address; the next one is tried then
ADDRESSES_TRIED: Final = 4  # of a host with many
OPEN_PORTS: Final = (80, 443)  # others could reach services that speak no HTTP
HEADERS: Final = {
    "User-Agent": "Takes (fetches one file for a person)",
    "Accept": "image/*, video/*;q=0.9, */*;q=0.5",
    "Accept-Encoding": "identity",  # a small compressed answer may unpack to a huge one
    "Connection": "close",
}
CLOSED_NETWORKS: Final = tuple(
    ipaddress.ip_network(text)
    for text in (
        "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24",
        "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24",
        "224.0.0.0/4", "240.0.0.0/4",
        "::/96", "::ffff:0:0:0/96", "64:ff9b:1::/48", "100::/64", "2001::/23", "2001:db8::/32", "3fff::/20", "5f00::/16", "fc00::/7",
        "fe80::/10", "fec0::/10", "ff00::/8",
    )
)  # fmt: skip
"""IANA's special-purpose registries; written out because `ipaddress.is_global` differs between Python's versions."""


async def fetch(
    url: str,
    *,
    max_bytes: int,
    allow_private: bool = False,
    timeout_s: float = 20.0,
    resolve: Resolver | None = None,
    transport: httpx.AsyncBaseTransport | None = None,
) -> tuple[bytes, str]:
    """Fetch one file.

    The host is looked up once, every address it has must be public, and the connection goes to just these addresses,
    so a name server that changes its answer changes nothing. Each redirect is checked in the same way.

    Args:
        url: http or https address, without user name and password.
        max_bytes: largest file that is taken; no more is read.
        allow_private: for tests and one's own machine: any address and port.
        timeout_s: seconds for everything together.
        resolve: how hosts are looked up; the system's way if None.
        transport: what carries the requests; real connections if None.

    Returns:
        The bytes, and a file name from the last address ("" where it has none).

    Raises:
        InvalidMedia: nothing usable came; the message says why.
    """
    try:
        async with asyncio.timeout(timeout_s):
            return await _follow(_parsed(url), max_bytes, allow_private, resolve or _look_up, transport)
    except TimeoutError as exc:
        raise InvalidMedia(
            f"The address did not deliver the file within {timeout_s:g} seconds. Try again, or download it and choose the file."
        ) from exc


def fetch_now(url: str, *, max_bytes: int, allow_private: bool = False, timeout_s: float = 20.0) -> tuple[bytes, str]:
    """`fetch` for a thread that has no event loop, such as a page's script. Same arguments, answer and errors."""
    return asyncio.run(fetch(url, max_bytes=max_bytes, allow_private=allow_private, timeout_s=timeout_s))


# --- Addresses ----------------------------------------------------------------------------------------------------


def is_public(address: Address) -> bool:
    """Whether an IP address is reachable by anyone on the internet, seen through every way to write an IPv4 in IPv6."""
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour
        if address in ipaddress.ip_network("64:ff9b::/96"):  # NAT64
            inner = ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
        if inner is not None:
            return is_public(inner)
    return not any(address in network for network in CLOSED_NETWORKS if network.version == address.version)


def _parsed(url: str) -> httpx.URL:
    try:
        parsed = httpx.URL(url.strip())
    except (httpx.InvalidURL, UnicodeError, ValueError) as exc:
        raise InvalidMedia("This is not an address. Paste one such as https://example.com/picture.jpg.") from exc
    if parsed.scheme not in ("http", "https"):
        raise InvalidMedia("The address must begin with https:// or http://.")
    if "%" in parsed.host or not 0 < (parsed.port or 80) <= 65535:
        raise InvalidMedia("This is not an address. Paste one such as https://example.com/picture.jpg.")
    if not parsed.host:
        raise InvalidMedia("The address names no server. Paste one such as https://example.com/picture.jpg.")
    if parsed.userinfo:
        raise InvalidMedia("The address holds a user name or password. Paste one that works without.")
    return parsed


async def _checked(url: httpx.URL, allow_private: bool, resolve: Resolver) -> list[str]:
    """IP addresses that may be connected to for this URL."""
    port = url.port or (443 if url.scheme == "https" else 80)
    if not allow_private and port not in OPEN_PORTS:
        raise InvalidMedia(f"Port {port} is not fetched from; only the usual ones, 80 and 443, are.")
    host = url.raw_host.decode("ascii").strip("[]")
    if not _is_plain(host):
        raise InvalidMedia(f"{quoted(host)} is an unusual way to write an address; Takes does not fetch from it.")
    try:
        found = [host] if _as_ip(host) else list(await resolve(host.rstrip("."), port))
    except (OSError, UnicodeError) as exc:
        raise InvalidMedia(f"There is no server called {quoted(host)}. Check the address for a slip.") from exc
    if not found:
        raise InvalidMedia(f"There is no server called {quoted(host)}. Check the address for a slip.")
    if not allow_private and not all(is_public(ipaddress.ip_address(text)) for text in found):
        raise InvalidMedia(f"{quoted(host)} points to a private address; Takes only fetches from public ones.")
    return found[:ADDRESSES_TRIED]


def _as_ip(text: str) -> Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def _is_plain(host: str) -> bool:
    """False for what C libraries read as IPv4 though it is not four decimal numbers: 2130706433, 0x7f.1, 0177.0.0.1."""
    if _as_ip(host):
        return True
    try:
        socket.inet_aton(host.rstrip("."))
    except OSError:
        return True
    return False


async def _look_up(host: str, port: int) -> Sequence[str]:
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


# --- Requests -----------------------------------------------------------------------------------------------------


async def _follow(
    url: httpx.URL, max_bytes: int, allow_private: bool, resolve: Resolver, transport: httpx.AsyncBaseTransport | None
) -> tuple[bytes, str]:
    for _ in range(MOST_REDIRECTS + 1):
        addresses = await _checked(url, allow_private, resolve)
        answer = await _get(url, addresses, max_bytes, transport)
        if isinstance(answer, bytes):
            return answer, unquote(url.path.rsplit("/", 1)[-1])
        url = _parsed(str(url.join(answer)))
    raise InvalidMedia(f"The address leads on to another one more than {MOST_REDIRECTS} times. Paste the last one.")


async def _get(
    url: httpx.URL, addresses: Sequence[str], max_bytes: int, transport: httpx.AsyncBaseTransport | None
) -> bytes | httpx.URL:
    """The file, or where a redirect points. Nothing is kept between requests, least of all cookies."""
    host = url.raw_host.decode("ascii").strip("[]").rstrip(".")
    problem: httpx.TransportError | None = None
    for address in addresses:
        async with httpx.AsyncClient(
            transport=transport, trust_env=False, follow_redirects=False, timeout=httpx.Timeout(None, connect=CONNECT_S)
        ) as client:
            request = client.build_request(
                "GET",
                url.copy_with(host=address, fragment=None),
                headers={**HEADERS, "Host": url.netloc.decode("ascii")},
                extensions={"sni_hostname": host},  # the certificate is checked against the name, not the IP
            )
            try:
                response = await client.send(request, stream=True)
            except (httpx.ConnectError, httpx.ConnectTimeout) as exc:
                problem = exc
                continue
            except httpx.HTTPError as exc:
                raise InvalidMedia(f"{quoted(host)} broke off without an answer. Try again later.") from exc
            try:
                return await _body(response, url, host, max_bytes)
            except httpx.HTTPError as exc:
                raise InvalidMedia(f"{quoted(host)} broke off in the middle of the file. Try again.") from exc
            finally:
                await response.aclose()
    if _is_certificate(problem):
        raise InvalidMedia(f"The certificate of {quoted(host)} is not valid. Check the address.") from problem
    raise InvalidMedia(f"{quoted(host)} could not be reached. Check the address, or try again later.") from problem


async def _body(response: httpx.Response, url: httpx.URL, host: str, max_bytes: int) -> bytes | httpx.URL:
    if response.has_redirect_location:
        try:
            return httpx.URL(response.headers["location"])
        except httpx.InvalidURL as exc:
            raise InvalidMedia(f"{quoted(host)} leads on to something that is not an address.") from exc
    if response.status_code != 200:
        raise InvalidMedia(f"{quoted(host)} answered {response.status_code}. {_advice(response.status_code)}")
    if response.headers.get("content-encoding", "identity").lower() != "identity":
        raise InvalidMedia(f"{quoted(host)} sends the file packed. Download it and choose the file instead.")
    name = quoted(unquote(url.path))
    stated = response.headers.get("content-length", "")
    if stated.isdigit() and int(stated) > max_bytes:
        raise InvalidMedia(f"{name} is {too_big(int(stated), max_bytes)}. Save it smaller and choose the file.")
    data = bytearray()
    async for chunk in response.aiter_raw():
        data += chunk
        if len(data) > max_bytes:
            raise InvalidMedia(
                f"{name} is larger than {megabytes(max_bytes)}, the limit. Save it smaller and choose the file."
            )
    if not data:
        raise InvalidMedia(f"{quoted(host)} sent an empty file. Check the address.")
    if what_is(bytes(data[:1024])) == "a web page":
        raise InvalidMedia(
            "The address is a web page, not a picture; copy the address of the picture itself "
            "(usually by a right click on it, “Copy image address”)."
        )
    return bytes(data)


def _is_certificate(problem: BaseException | None) -> bool:
    while problem is not None:
        if isinstance(problem, ssl.SSLCertVerificationError):
            return True
        problem = problem.__cause__ or problem.__context__  # httpx and httpcore wrap it twice
    return False


def _advice(status: int) -> str:
    if status in (401, 402, 403):
        return "It does not let others fetch this file. Download it and choose the file instead."
    if status in (404, 410):
        return "There is no file at this address; check it for a slip."
    if status == 429 or status >= 500:
        return "Try again later, or download it and choose the file instead."
    return "Check the address, or download it and choose the file instead."
