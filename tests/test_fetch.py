"""Files by address: what comes, what is refused, and that no private address is ever reached."""

import asyncio
import ipaddress
import ssl
import threading
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from core.errors import InvalidMedia
from core.media.fetch import Resolver, fetch, fetch_now, is_public

PICTURE = b"\xff\xd8\xff\xe0 a picture " * 100
HTML = b"<!doctype html><html><body>A gallery</body></html>"
PUBLIC = "93.184.216.34"
LIMIT = 10_000


class Site(ThreadingHTTPServer):
    """A web server on loopback that remembers what it was asked."""

    daemon_threads = True

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, str]]] = []
        super().__init__(("127.0.0.1", 0), Page)

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hangs up early is part of these tests."""


class Page(BaseHTTPRequestHandler):
    server: Site

    def do_GET(self) -> None:
        self.server.asked.append((self.path, {name.lower(): value for name, value in self.headers.items()}))
        getattr(self, "page_" + self.path.split("/")[1].split("?")[0])()

    def page_ok(self) -> None:
        self.answer(200, PICTURE, {"Content-Type": "image/jpeg", "Set-Cookie": "seen=1"})

    def page_html(self) -> None:
        self.answer(200, HTML, {"Content-Type": "text/html"})

    def page_mislabelled(self) -> None:
        self.answer(200, PICTURE, {"Content-Type": "text/html"})

    def page_status(self) -> None:
        self.answer(int(self.path.split("/")[2]), HTML, {})

    def page_empty(self) -> None:
        self.answer(200, b"", {})

    def page_big(self) -> None:
        self.answer(200, b"\xff\xd8\xff" + bytes(LIMIT), {})

    def page_endless(self) -> None:
        self.send_response(200)
        self.end_headers()
        for _ in range(100_000):
            self.wfile.write(b"\xff\xd8\xff" * 1000)

    def page_short(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "5000")
        self.end_headers()
        self.wfile.write(b"\xff\xd8\xff")

    def page_packed(self) -> None:
        self.answer(200, b"\x1f\x8b" + bytes(100), {"Content-Encoding": "gzip"})

    def page_silent(self) -> None:
        time.sleep(1.0)

    def page_drip(self) -> None:
        self.send_response(200)
        self.end_headers()
        for _ in range(20):
            self.wfile.write(b"\xff")
            self.wfile.flush()
            time.sleep(0.1)

    def page_to(self) -> None:
        self.answer(302, b"", {"Location": self.path.removeprefix("/to/"), "Set-Cookie": "seen=1"})

    def page_loop(self) -> None:
        self.answer(301, b"", {"Location": "/loop"})

    def answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""


@pytest.fixture
def site() -> Iterator[Site]:
    server = Site()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def hosts(table: dict[str, Sequence[str]]) -> tuple[Resolver, list[str]]:
    """A name server with these hosts, and the list of what it was asked."""
    asked: list[str] = []

    async def resolve(host: str, port: int) -> Sequence[str]:
        asked.append(host)
        if host not in table:
            raise OSError(-2, "Name or service not known")
        return table[host]

    return resolve, asked


async def refusal(url: str, **options: object) -> str:
    with pytest.raises(InvalidMedia) as caught:
        await fetch(url, **{"max_bytes": LIMIT, "allow_private": True, **options})  # type: ignore[arg-type]
    return caught.value.message


# --- What comes ---------------------------------------------------------------------------------------------------


async def test_a_file_comes_with_its_name(site: Site) -> None:
    assert await fetch(site.url("/ok/my%20cat.jpg?size=1#x"), max_bytes=LIMIT, allow_private=True) == (
        PICTURE,
        "my cat.jpg",
    )
    path, headers = site.asked[0]
    assert path == "/ok/my%20cat.jpg?size=1"
    assert headers["host"] == f"127.0.0.1:{site.port}"
    assert "cookie" not in headers
    assert "authorization" not in headers
    assert "referer" not in headers


def test_fetch_now_works_in_a_thread_without_a_loop(site: Site) -> None:
    answers: list[tuple[bytes, str]] = []
    thread = threading.Thread(
        target=lambda: answers.append(fetch_now(site.url("/ok/a.jpg"), max_bytes=LIMIT, allow_private=True))
    )
    thread.start()
    thread.join()
    assert answers == [(PICTURE, "a.jpg")]


async def test_content_counts_and_not_the_label(site: Site) -> None:
    assert (await fetch(site.url("/mislabelled"), max_bytes=LIMIT, allow_private=True))[0] == PICTURE


async def test_redirects_are_followed_without_cookies(site: Site) -> None:
    data, name = await fetch(site.url("/to//to//ok/b.jpg"), max_bytes=LIMIT, allow_private=True)
    assert (data, name) == (PICTURE, "b.jpg")
    assert len(site.asked) == 3
    assert all("cookie" not in headers for _, headers in site.asked)


async def test_proxies_of_the_environment_are_not_used(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert (await fetch(site.url("/ok"), max_bytes=LIMIT, allow_private=True))[0] == PICTURE


async def test_the_next_address_is_tried_where_one_is_dead(site: Site) -> None:
    resolve, _ = hosts({"two.example": ["127.0.0.2", "127.0.0.1"]})
    url = f"http://two.example:{site.port}/ok"
    assert (await fetch(url, max_bytes=LIMIT, allow_private=True, resolve=resolve))[0] == PICTURE


# --- What does not ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/html", "is a web page, not a picture; copy the address of the picture itself"),
        ("/status/404", "answered 404. There is no file at this address"),
        ("/status/403", "answered 403. It does not let others fetch"),
        ("/status/500", "answered 500. Try again later"),
        ("/status/204", "answered 204"),
        ("/status/304", "answered 304"),
        ("/empty", "sent an empty file"),
        ("/big", "the limit is 10 kB"),
        ("/endless", "is larger than 10 kB, the limit"),
        ("/short", "broke off in the middle"),
        ("/packed", "sends the file packed"),
        ("/loop", "leads on to another one more than 3 times"),
        ("/to/ftp://example.com/x", "must begin with https:// or http://"),
        ("/to/file:///etc/passwd", "must begin with https:// or http://"),
        ("/to/http://me:secret@127.0.0.1/", "holds a user name or password"),
        ("/to/http://[broken", "not an address"),
    ],
)
async def test_what_a_server_may_do_wrong(site: Site, path: str, words: str) -> None:
    assert words in await refusal(site.url(path))


@pytest.mark.parametrize("path", ["/silent", "/drip"])
async def test_the_deadline_covers_everything(site: Site, path: str) -> None:
    assert "within 0.3 seconds" in await refusal(site.url(path), timeout_s=0.3)


async def test_a_slow_name_server_counts_too() -> None:
    async def resolve(host: str, port: int) -> Sequence[str]:
        await asyncio.sleep(30)
        return [PUBLIC]

    assert "within 0.1 seconds" in await refusal("http://slow.example/", timeout_s=0.1, resolve=resolve)


async def test_nobody_there(site: Site) -> None:
    port = site.port
    site.server_close()
    assert "could not be reached" in await refusal(f"http://127.0.0.1:{port}/")


async def test_an_unknown_host() -> None:
    resolve, _ = hosts({})
    assert "no server called “nowhere.example”" in await refusal("https://nowhere.example/x.jpg", resolve=resolve)
    assert "no server called" in await refusal("https://" + "a" * 80 + ".example/x.jpg")


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("", "must begin with https:// or http://"),
        ("picture.jpg", "must begin with https:// or http://"),
        ("ftp://example.com/a.jpg", "must begin with https:// or http://"),
        ("file:///etc/passwd", "must begin with https:// or http://"),
        ("javascript:alert(1)", "must begin with https:// or http://"),
        ("data:image/png;base64,AAAA", "must begin with https:// or http://"),
        ("http://", "names no server"),
        ("https:///a.jpg", "names no server"),
        ("http://me:secret@example.com/a.jpg", "holds a user name or password"),
        ("http://me@example.com/a.jpg", "holds a user name or password"),
        ("http://exa mple.com/", "not an address"),
        ("http://[::1", "not an address"),
        ("http://example.com:99999/", "not an address"),
    ],
)
async def test_what_is_no_usable_address(url: str, words: str) -> None:
    said = await refusal(url)
    assert words in said
    assert "secret" not in said


# --- Private addresses --------------------------------------------------------------------------------------------

PRIVATE = (
    "127.0.0.1", "127.255.255.254", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1",
    "169.254.169.254", "0.0.0.0", "0.1.2.3", "100.64.0.1", "100.127.255.255", "192.0.0.1", "192.0.2.1", "198.18.0.1",
    "198.51.100.1", "203.0.113.1", "192.88.99.1", "224.0.0.1", "239.255.255.250", "240.0.0.1", "255.255.255.255",
    "::", "::1", "::7f00:1", "fe80::1", "fec0::1", "fc00::1", "fd12:3456::1", "ff02::1", "100::1", "2001:db8::1", "3fff::1",
    "2001::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:0:127.0.0.1", "2002:7f00:1::", "2002:a00:1::1",
    "64:ff9b::127.0.0.1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::1.1.1.1",
)  # fmt: skip
ODD = (
    "2130706433",
    "0x7f000001",
    "0x7f.0x0.0x0.0x1",
    "017700000001",
    "0177.0.0.1",
    "127.1",
    "127.0.1",
    "127.0.0.1.",
    "0",
    "1.1",
)


@pytest.mark.parametrize("address", PRIVATE)
async def test_no_private_address_is_fetched_from_by_number_or_by_name(address: str) -> None:
    assert not is_public(ipaddress.ip_address(address))
    host = f"[{address}]" if ":" in address else address
    resolve, asked = hosts({"inside.example": [address], "both.example": [PUBLIC, address]})
    reached: list[httpx.Request] = []
    transport = httpx.MockTransport(
        lambda request: reached.append(request) or httpx.Response(200, stream=httpx.ByteStream(PICTURE))
    )
    for url in (f"http://{host}/a.jpg", "https://inside.example/a.jpg", "http://both.example/a.jpg"):
        said = await refusal(url, allow_private=False, resolve=resolve, transport=transport)
        assert "points to a private address; Takes only fetches from public ones" in said
    assert asked == ["inside.example", "both.example"]
    assert reached == []


@pytest.mark.parametrize("host", ODD)
async def test_odd_ways_to_write_a_number_are_refused_before_anyone_is_asked(host: str) -> None:
    resolve, asked = hosts({host: [PUBLIC]})
    said = await refusal(f"http://{host}/a.jpg", allow_private=False, resolve=resolve)
    assert "unusual way to write an address" in said or "not an address" in said
    assert asked == []


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST", "localhost."])
async def test_localhost_is_private_by_the_real_name_server(host: str, site: Site) -> None:
    assert "private address" in await refusal(f"http://{host}/", allow_private=False)
    assert "Port" in await refusal(f"http://{host}:{site.port}/ok", allow_private=False)
    assert site.asked == []


@pytest.mark.parametrize(
    "address", [PUBLIC, "8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8", "2002:808:808::1", "64:ff9b::8.8.8.8"]
)
def test_public_addresses_are(address: str) -> None:
    assert is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize("port", [22, 25, 3306, 6379, 8080, 9200])
async def test_other_ports_are_closed(port: int) -> None:
    assert f"Port {port}" in await refusal(f"http://{PUBLIC}:{port}/", allow_private=False)


@pytest.mark.parametrize(
    "target",
    ["http://127.0.0.1/", "http://169.254.169.254/latest/meta-data/", "//[::1]/", "http://inside.example/", "http://2130706433/",
     f"http://{PUBLIC}:22/"],
)  # fmt: skip
async def test_a_redirect_into_the_private_network_is_not_followed(target: str) -> None:
    resolve, _ = hosts({"fine.example": [PUBLIC], "inside.example": ["10.0.0.1"]})
    reached: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        reached.append(request.url.host)
        return httpx.Response(302, headers={"Location": target})

    await refusal(
        "http://fine.example/a.jpg", allow_private=False, resolve=resolve, transport=httpx.MockTransport(answer)
    )
    assert reached == [PUBLIC]


# --- Pinning: the connection goes to the address that was checked -------------------------------------------------


async def test_a_name_server_that_changes_its_answer_changes_nothing() -> None:
    """First a public address, from then on loopback: DNS rebinding. The name is looked up once a request."""
    answers = [[PUBLIC]]
    reached: list[httpx.Request] = []

    async def resolve(host: str, port: int) -> Sequence[str]:
        return answers.pop() if answers else ["127.0.0.1"]

    def answer(request: httpx.Request) -> httpx.Response:
        reached.append(request)
        if len(reached) == 1:
            return httpx.Response(200, stream=httpx.ByteStream(PICTURE))
        raise AssertionError("a second request")

    options = {"max_bytes": LIMIT, "resolve": resolve, "transport": httpx.MockTransport(answer)}
    assert (await fetch("https://rebind.example/a.jpg", **options))[0] == PICTURE  # type: ignore[arg-type]
    assert reached[0].url.host == PUBLIC
    assert reached[0].headers["host"] == "rebind.example"
    assert reached[0].extensions["sni_hostname"] == "rebind.example"
    assert "private address" in await refusal("https://rebind.example/a.jpg", **{**options, "allow_private": False})
    assert len(reached) == 1


async def test_a_redirect_to_the_same_name_is_looked_up_and_checked_again() -> None:
    answers = [["127.0.0.1"], [PUBLIC]]
    reached: list[str] = []

    async def resolve(host: str, port: int) -> Sequence[str]:
        return answers.pop()

    def answer(request: httpx.Request) -> httpx.Response:
        reached.append(request.url.host)
        return httpx.Response(302, headers={"Location": "/again"})

    transport = httpx.MockTransport(answer)
    said = await refusal("http://rebind.example/", allow_private=False, resolve=resolve, transport=transport)
    assert "private address" in said
    assert reached == [PUBLIC]


async def test_a_name_only_our_resolver_knows_is_really_connected_to(site: Site) -> None:
    resolve, asked = hosts({"pictures.example": ["127.0.0.1"]})
    url = f"http://pictures.example:{site.port}/ok/c.jpg"
    assert await fetch(url, max_bytes=LIMIT, allow_private=True, resolve=resolve) == (PICTURE, "c.jpg")
    assert asked == ["pictures.example"]
    assert site.asked[0][1]["host"] == f"pictures.example:{site.port}"


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A key and a self-signed certificate for pictures.example, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "pictures.example")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(x509.random_serial_number()).not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("pictures.example")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    path = tmp_path / "server.pem"
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + made.public_bytes(serialization.Encoding.PEM)
    )
    return path


@pytest.fixture
def secure_site(site: Site, certificate: Path) -> Site:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    site.socket = context.wrap_socket(site.socket, server_side=True, do_handshake_on_connect=False)
    return site


@pytest.mark.parametrize(("host", "good"), [("pictures.example", True), ("other.example", False)])
async def test_the_certificate_is_checked_against_the_name(
    secure_site: Site, certificate: Path, host: str, good: bool
) -> None:
    resolve, _ = hosts({host: ["127.0.0.1"]})
    trust = ssl.create_default_context(cafile=str(certificate))
    transport = httpx.AsyncHTTPTransport(verify=trust, trust_env=False)
    url = f"https://{host}:{secure_site.port}/ok/d.jpg"
    if good:
        data, name = await fetch(url, max_bytes=LIMIT, allow_private=True, resolve=resolve, transport=transport)
        assert (data, name) == (PICTURE, "d.jpg")
    else:
        assert "certificate of “other.example” is not valid" in await refusal(url, resolve=resolve, transport=transport)
        assert secure_site.asked == []


async def test_an_unknown_certificate_is_refused(secure_site: Site) -> None:
    resolve, _ = hosts({"pictures.example": ["127.0.0.1"]})
    said = await refusal(f"https://pictures.example:{secure_site.port}/ok", resolve=resolve)
    assert "certificate of “pictures.example” is not valid" in said
    assert secure_site.asked == []
