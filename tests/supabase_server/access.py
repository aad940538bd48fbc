"""Keys and tokens: who calls. HS256 JWTs as a project's legacy keys and users' tokens, and the new opaque keys.

The gateway's and the verifier's answers to a missing key, a bad signature and roles are recorded; these are from the
documentation, not recorded: an unknown key, opaque keys, a secret key from a browser, an expired token and the leeway.
"""

import json
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import jwt

from tests.supabase_server.wire import Answer, as_json

YEAR_S = 365 * 86_400
LEEWAY_S = 30  # PostgREST's allowance for clocks that differ


@dataclass(frozen=True)
class Caller:
    """A role of the database and the claims that come with it."""

    role: str
    claims: Mapping[str, Any] = field(default_factory=dict)

    @property
    def sub(self) -> str | None:
        return self.claims.get("sub")

    @property
    def claims_json(self) -> str:
        """The claims as `request.jwt.claims` has them, the role among them."""
        return json.dumps({"role": self.role, **self.claims})


ANON = Caller("anon")
SERVICE = Caller("service_role")


class BadToken(Exception):
    """A token that proves nothing. `expired` tells the one case that has wording of its own."""

    def __init__(self, text: str, *, expired: bool = False, parts: int = 3) -> None:
        super().__init__(text)
        self.expired, self.parts = expired, parts


class Denied(Exception):
    """The gateway's refusal, before anything is asked."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.answer: Answer = as_json({"message": message, "hint": hint}, 401)


class Keys:
    """The keys of one project.

    Attributes:
        secret: signs tokens and URLs; 64 characters.
        service: legacy service key, a JWT with the role service_role.
        anon: legacy anon key.
        secret_key: new key `sb_secret_…`, same role as `service`.
        publishable_key: new key `sb_publishable_…`, same role as `anon`.
    """

    def __init__(self) -> None:
        self.secret = secrets.token_hex(32)
        self.service = self.sign({"iss": "supabase", "role": "service_role"}, 10 * YEAR_S)
        self.anon = self.sign({"iss": "supabase", "role": "anon"}, 10 * YEAR_S)
        self.secret_key = f"sb_secret_{secrets.token_urlsafe(16)}_{secrets.token_hex(4)}"
        self.publishable_key = f"sb_publishable_{secrets.token_urlsafe(16)}_{secrets.token_hex(4)}"
        self._opaque = {self.secret_key: SERVICE, self.publishable_key: ANON}

    def sign(self, claims: Mapping[str, Any], lasts_s: float) -> str:
        """A JWT of these claims that ends in `lasts_s` seconds; a negative number gives one that has ended."""
        now = int(time.time())
        return jwt.encode({"iat": now, "exp": int(now + lasts_s), **claims}, self.secret, "HS256")

    def read(self, token: str, leeway_s: float = 0) -> dict[str, Any]:
        """Claims of a JWT of this project. Raises BadToken."""
        if (parts := token.count(".") + 1) != 3:
            raise BadToken("Invalid Compact JWS", parts=parts)
        try:
            # who it is for and who made it are not checked by these servers
            options: Any = {"verify_aud": False, "verify_iss": False, "verify_sub": False, "verify_iat": False}
            return dict(jwt.decode(token, self.secret, ["HS256"], options=options, leeway=leeway_s))
        except jwt.ExpiredSignatureError as exc:
            raise BadToken('"exp" claim timestamp check failed', expired=True) from exc
        except jwt.InvalidTokenError as exc:
            raise BadToken("signature verification failed") from exc

    def gateway(self, headers: Mapping[str, str]) -> None:
        """What stands before the tables: a key of the project has to be shown. Raises Denied."""
        key = headers.get("apikey")
        if not key:
            raise Denied("No API key found in request", "No `apikey` request header or url param was found.")
        if key not in (self.service, self.anon, *self._opaque):
            raise Denied("Invalid API key", "Double check your Supabase `anon` or `service_role` API key.")
        if key == self.secret_key and headers.get("user-agent", "").startswith("Mozilla/"):
            raise Denied(
                "Forbidden use of secret API key in browser",
                "Secret API keys can only be used in a protected environment and should never be used in a browser.",
            )

    def caller(self, headers: Mapping[str, str], leeway_s: float = 0) -> Caller | None:
        """Who calls, from the bearer and the key; None where neither says anything. Raises BadToken."""
        bearer = headers.get("authorization", "").removeprefix("Bearer ").strip()
        key = headers.get("apikey", "")
        if not bearer:
            return self._opaque.get(key)
        if bearer in self._opaque and key in ("", bearer):
            return self._opaque[bearer]  # the gateway puts a JWT in its place
        claims = self.read(bearer, leeway_s)
        return Caller(str(claims.get("role", "anon")), claims)
