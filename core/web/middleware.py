"""What every answer of the app gets: the owner cookie on pages, and the security headers."""

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from core.web.identity import COOKIE, MAX_AGE_S, Identity

# streamlit-autorefresh 1.0.1 starts from one inline script in its index.html; this is its hash and nothing else's.
AUTOREFRESH_SCRIPT = "'sha256-vTT6TZeKJdvj21Cng47kT65a206oPC1/o3+gMDOJp5g='"
# Streamlit 1.67's index.html has one of its own.
STREAMLIT_SCRIPT = "'sha256-THxz9J9+wf7rhwR2YkXJoSZ13UCmYyC+3lNDv2+8ugA='"

CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'self'",
        f"script-src 'self' {STREAMLIT_SCRIPT} {AUTOREFRESH_SCRIPT}",
        "style-src 'self' 'unsafe-inline'",  # Streamlit sets styles from scripts
        "img-src 'self' data: blob:",
        "media-src 'self' blob:",
        "connect-src 'self'",
        "font-src 'self' data:",
        "worker-src 'self' blob:",
        "frame-src 'self'",  # the autorefresh component is a frame of our own
        "frame-ancestors 'self'",
        "form-action 'self'",
        "object-src 'none'",
        "base-uri 'self'",
    )
)

SECURITY_HEADERS = {
    "content-security-policy": CONTENT_SECURITY_POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "SAMEORIGIN",
    "referrer-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=(), browsing-topics=()",
}


class OwnerCookie:
    """Gives every browser that opens a page an owner cookie, unless it has a valid one."""

    def __init__(self, app: ASGIApp, identity: Identity) -> None:
        self._app = app
        self._identity = identity

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope) if scope["type"] == "http" else None
        opens_page = headers is not None and scope["method"] == "GET" and "text/html" in headers.get("accept", "")
        if not opens_page or headers is None or self._identity.owner_of(headers.get("cookie", "")):
            await self._app(scope, receive, send)
            return
        _, value = self._identity.issue()
        secure = "; Secure" if _is_https(scope, headers) else ""
        cookie = f"{COOKIE}={value}; Path=/; Max-Age={MAX_AGE_S}; HttpOnly; SameSite=Lax{secure}"

        async def send_with_cookie(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).append("set-cookie", cookie)
            await send(message)

        await self._app(scope, receive, send_with_cookie)


class SecurityHeaders:
    """Adds the headers that tell a browser what this app may load, run and be framed by."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in SECURITY_HEADERS.items():
                    headers[name] = value
            await send(message)

        await self._app(scope, receive, send_with_headers)


def _is_https(scope: Scope, headers: Headers) -> bool:
    return bool(scope.get("scheme") == "https" or headers.get("x-forwarded-proto", "").startswith("https"))
