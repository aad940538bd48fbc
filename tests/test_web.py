"""Cookie, headers and logs: who a browser is, and what a page may load."""

import logging
import socket
from collections.abc import AsyncIterator

import httpx
import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from core.logs import branches, set_up
from core.web.identity import COOKIE, Identity, kept_secret
from core.web.middleware import CONTENT_SECURITY_POLICY, OwnerCookie, SecurityHeaders
from core.web.nodelay import answer_at_once

IDENTITY = Identity("secret")
PAGE = {"accept": "text/html"}


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async def page(request: Request) -> Response:
        return PlainTextResponse(request.headers.get("cookie", ""))

    stack = [Middleware(OwnerCookie, identity=IDENTITY), Middleware(SecurityHeaders)]
    app = Starlette(routes=[Route("/", page)], middleware=stack)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as made:
        yield made


async def test_a_new_browser_gets_a_cookie_once(client: httpx.AsyncClient) -> None:
    first = await client.get("/", headers=PAGE)
    cookie = first.headers["set-cookie"]
    assert cookie.startswith(f"{COOKIE}=")
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    assert "Secure" not in cookie
    assert IDENTITY.owner(first.cookies[COOKIE])
    assert "set-cookie" not in (await client.get("/", headers=PAGE)).headers


async def test_behind_https_the_cookie_is_secure(client: httpx.AsyncClient) -> None:
    cookie = (await client.get("/", headers={**PAGE, "x-forwarded-proto": "https"})).headers["set-cookie"]
    assert "Secure" in cookie


async def test_only_pages_make_owners(client: httpx.AsyncClient) -> None:
    assert "set-cookie" not in (await client.get("/", headers={"accept": "image/png"})).headers


@pytest.mark.parametrize("forged", ["", "nonsense", "ImFub24i.forged", Identity("other").sign("anon-1"), "a" * 5000])
async def test_a_forged_cookie_is_nobody_and_is_replaced(client: httpx.AsyncClient, forged: str) -> None:
    assert IDENTITY.owner(forged) is None
    answer = await client.get("/", headers={**PAGE, "cookie": f"{COOKIE}={forged}"})
    assert IDENTITY.owner(answer.cookies[COOKIE])


def test_a_changed_owner_does_not_verify() -> None:
    _, value = IDENTITY.issue()
    body, signature = value.rsplit(".", 1)
    assert IDENTITY.owner(value) is not None
    assert IDENTITY.owner(f"{body[:-1]}A.{signature}") is None


async def test_every_answer_has_the_headers(client: httpx.AsyncClient) -> None:
    headers = (await client.get("/")).headers
    assert headers["content-security-policy"] == CONTENT_SECURITY_POLICY
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "SAMEORIGIN"


def test_the_policy_names_no_foreign_host() -> None:
    assert "http" not in CONTENT_SECURITY_POLICY
    assert "*" not in CONTENT_SECURITY_POLICY
    scripts = next(part for part in CONTENT_SECURITY_POLICY.split("; ") if part.startswith("script-src"))
    assert "unsafe" not in scripts


def test_the_secret_is_made_once_and_is_private(tmp_path: object) -> None:
    from pathlib import Path

    folder = Path(str(tmp_path))
    first = kept_secret(folder)
    assert len(first) >= 32
    assert kept_secret(folder) == first
    assert (folder / "cookie.secret").stat().st_mode & 0o077 == 0


def test_debug_turns_on_branches_by_name() -> None:
    assert branches("jobs:*,providers:*") == ("takes.jobs", "takes.providers")
    assert branches("") == ()
    assert branches("*") == ("takes",)
    before = {name: logging.getLogger(name).level for name in ("takes", "takes.jobs", "takes.media")}
    try:
        set_up("jobs:*")
        assert logging.getLogger("takes.jobs").isEnabledFor(logging.DEBUG)
        assert not logging.getLogger("takes.media").isEnabledFor(logging.DEBUG)
    finally:
        for name, level in before.items():
            logging.getLogger(name).setLevel(level)


def test_listening_sockets_answer_at_once_and_pass_that_on() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.socket() as unbound:
        assert answer_at_once() >= 1
        assert not unbound.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        with socket.create_connection(listener.getsockname()) as _, listener.accept()[0] as accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
