"""Requests to a project from tests: through supabase-py as the product uses it, or by hand."""

import ssl
from typing import Any, Protocol

import httpx
from supabase import Client, create_client
from supabase.lib.client_options import SyncClientOptions

TLS = ssl.create_default_context()  # made once: a client that makes its own takes 60 ms


class HasKeys(Protocol):
    """A project, here or elsewhere."""

    @property
    def url(self) -> str: ...
    @property
    def service_key(self) -> str: ...


def line(**more: Any) -> httpx.Client:
    """HTTP/1.1, without the machine's proxy."""
    return httpx.Client(http2=False, timeout=30, trust_env=False, verify=TLS, **more)


def client(http: httpx.Client, project: HasKeys, key: str | None = None, bearer: str | None = None) -> Client:
    """supabase-py over `http`; with the service key unless another is given, and with a user's token where one is."""
    headers = {"Authorization": f"Bearer {bearer}"} if bearer else {}
    return create_client(project.url, key or project.service_key, SyncClientOptions(httpx_client=http, headers=headers))


def bare(method: str, url: str, **more: Any) -> httpx.Response:
    """A request with no key, e.g. to a signed URL."""
    with line() as http:
        return http.request(method, url, **more)


def raw(project: HasKeys, method: str, path: str, **more: Any) -> httpx.Response:
    """A request with the service key, unless `headers` say otherwise; `path` begins with /."""
    own = {"apikey": project.service_key, "Authorization": f"Bearer {project.service_key}"}
    return bare(method, project.url + path, **{**more, "headers": {**own, **more.get("headers", {})}})
