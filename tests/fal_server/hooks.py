"""fal's webhooks: the key set that it publishes, and calls that it signs with one of these keys (fal.md 3)."""

import base64
import hashlib
import json
import time
from dataclasses import dataclass, field
from typing import Any, Literal

import httpx
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.fal_server.wire import Answer, as_json

JWKS_PATH = "/.well-known/jwks.json"
PREFIX = "x-fal-webhook-"
PATIENCE_S = 15.0  # how long fal waits for the answer to a first call


@dataclass(frozen=True)
class Call:
    """One webhook as it goes out. `dataclasses.replace` makes a forged one of it."""

    url: str
    body: bytes
    headers: dict[str, str]

    def send(self) -> int:
        """Deliver it; the HTTP status that came back. The same call may be sent any number of times."""
        headers = {"content-type": "application/json", **self.headers}
        # on loopback; to read all authorities' certificates for nothing takes longer than the call
        with httpx.Client(timeout=PATIENCE_S, trust_env=False, verify=False) as line:
            return line.post(self.url, content=self.body, headers=headers).status_code

    def with_header(self, name: str, value: str | None) -> "Call":
        """The call with another value of one of fal's headers, or without it."""
        kept = {key: text for key, text in self.headers.items() if key != PREFIX + name}
        return Call(self.url, self.body, kept if value is None else {**kept, PREFIX + name: value})


@dataclass
class Seal:
    """fal's signing keys. The newest signs; all of them are published."""

    keys: list[Ed25519PrivateKey] = field(default_factory=lambda: [Ed25519PrivateKey.generate()])

    def rotate(self) -> None:
        """Sign with a new key from now on, and publish the old one no longer."""
        self.keys = [Ed25519PrivateKey.generate()]

    def published(self) -> Answer:
        """The key set, as fal's REST service gives it."""
        public = [base64.urlsafe_b64encode(key.public_key().public_bytes_raw()).decode() for key in self.keys]
        entries = [{"kty": "OKP", "crv": "Ed25519", "x": text.rstrip("="), "use": "sig"} for text in public]
        return as_json({"keys": [{"kty": "RSA", "n": "another kind", "e": "AQAB"}, *entries]})

    def call(
        self,
        url: str,
        body: bytes,
        *,
        request_id: str,
        user: str = "fal-user-1",
        at: float | None = None,
        key: Ed25519PrivateKey | None = None,
    ) -> Call:
        """A signed call.

        Args:
            url: where to.
            body: what it says.
            request_id: as its header names it.
            user: whose request it is.
            at: when it was signed, in seconds since 1970; None is now.
            key: another key than the newest.
        """
        stamp = str(int(time.time() if at is None else at))
        message = "\n".join((request_id, user, stamp, hashlib.sha256(body).hexdigest())).encode()
        signature = (key or self.keys[-1]).sign(message).hex()
        names = {"request-id": request_id, "user-id": user, "timestamp": stamp, "signature": signature}
        return Call(url, body, {PREFIX + name: text for name, text in names.items()})


def news(
    request_id: str, payload: Any, *, status: Literal["OK", "ERROR"] = "OK", error: str = "", gateway: str | None = None
) -> bytes:
    """What a webhook says. `gateway` differs from the request id where fal's queue had tried more than once."""
    said = {"request_id": request_id, "gateway_request_id": gateway or request_id, "status": status, "payload": payload}
    return json.dumps(said | ({"error": error} if error else {})).encode()
