"""fal's webhooks: whether a call that says it comes from fal does (fal.md 3)."""

import asyncio
import base64
import hashlib
import logging
import re
from collections.abc import Mapping

import httpx
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from core.errors import ProviderUnavailable

log = logging.getLogger("takes.providers.fal")

WINDOW_S = 300  # fal's own rule: an older or newer time stamp is refused
KEPT_S = 24 * 3600.0  # fal's own rule: keys may be cached for a day
FETCH_AGAIN_S = 60.0  # a signature that fits no key asks for fresh ones, at most once a minute
FETCH_S = 10.0  # for the key set, which is a few hundred bytes
STAMP = re.compile("[0-9]{1,12}")  # seconds since 1970; a longer number is none
HEADERS = tuple(f"x-fal-webhook-{name}" for name in ("request-id", "user-id", "timestamp", "signature"))


class Signatures:
    """Checks fal's Ed25519 signatures by the key set that fal publishes.

    Args:
        rest_url: fal's REST service, `https://rest.fal.ai`.
    """

    def __init__(self, rest_url: str) -> None:
        self._url = f"{rest_url}/.well-known/jwks.json"
        self._keys: tuple[Ed25519PublicKey, ...] = ()
        self._fetched = self._tried = float("-inf")
        self._turn = asyncio.Lock()

    async def is_from_fal(self, headers: Mapping[str, str], body: bytes, now: float) -> bool:
        """Whether fal signed this call, lately.

        Args:
            headers: of the call, case-insensitive.
            body: as it came.
            now: the time, in seconds since 1970.

        Raises:
            ProviderUnavailable: fal's keys cannot be had at this moment, so nobody can tell.
        """
        request_id, user_id, stamp, signature = (headers.get(name, "") for name in HEADERS)
        if not (STAMP.fullmatch(stamp) and abs(now - int(stamp)) <= WINDOW_S):
            return False
        try:
            signed = bytes.fromhex(signature)
        except ValueError:
            return False
        message = "\n".join((request_id, user_id, stamp, hashlib.sha256(body).hexdigest())).encode()
        if 0 <= now - self._fetched < KEPT_S and _fits(self._keys, signed, message):
            return True
        async with self._turn:  # many calls at once wait for one fetch
            if not (0 <= now - self._fetched < KEPT_S and 0 <= now - self._tried < FETCH_AGAIN_S):
                self._tried = now
                await self._fetch(now)
        return _fits(self._keys, signed, message)

    async def _fetch(self, now: float) -> None:
        try:
            async with httpx.AsyncClient(timeout=FETCH_S) as client, asyncio.timeout(FETCH_S):
                reply = await client.get(self._url)
            entries = reply.raise_for_status().json()["keys"]
            keys = [_key(entry["x"]) for entry in entries if entry.get("kty") == "OKP"]
        except (httpx.HTTPError, TimeoutError, ValueError, KeyError, TypeError, AttributeError) as exc:
            raise ProviderUnavailable("no_keys", "fal's public keys cannot be fetched.") from exc
        self._keys, self._fetched = tuple(keys), now


def _key(text: str) -> Ed25519PublicKey:
    return Ed25519PublicKey.from_public_bytes(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))


def _fits(keys: tuple[Ed25519PublicKey, ...], signature: bytes, message: bytes) -> bool:
    for key in keys:
        try:
            key.verify(signature, message)
        except InvalidSignature:
            continue
        return True
    return False
