"""Which browser this is: a random owner id in a signed cookie."""

import os
import secrets
from http.cookies import CookieError, SimpleCookie
from pathlib import Path
from uuid import uuid4

from itsdangerous import BadSignature, URLSafeSerializer

COOKIE = "takes_owner"
MAX_AGE_S = 400 * 24 * 3600  # the longest that browsers keep a cookie


class Identity:
    """Makes and checks owner cookies.

    Args:
        secret: what the signature is made with. Whoever has it can be any owner.
    """

    def __init__(self, secret: str) -> None:
        self._signer = URLSafeSerializer(secret, salt="takes.owner.1")

    def issue(self) -> tuple[str, str]:
        """A new owner id and the cookie value that stands for it."""
        owner = f"anon-{uuid4()}"
        return owner, self.sign(owner)

    def sign(self, owner: str) -> str:
        """The cookie value of an owner."""
        signed = self._signer.dumps(owner)
        return signed if isinstance(signed, str) else signed.decode("ascii")

    def owner(self, cookie_value: str | None) -> str | None:
        """The owner a cookie value stands for; None if it is missing, changed or signed by another installation."""
        if not cookie_value:
            return None
        try:
            owner = self._signer.loads(cookie_value)
        except BadSignature:
            return None
        return owner if isinstance(owner, str) else None

    def owner_of(self, cookie_header: str) -> str | None:
        """The owner that a request's Cookie header names."""
        try:
            jar = SimpleCookie(cookie_header)
        except CookieError:
            return None
        morsel = jar.get(COOKIE)
        return self.owner(morsel.value) if morsel else None


def kept_secret(folder: Path) -> str:
    """The installation's own secret: made at the first start, read at every other. Readable by this user only."""
    path = folder / "cookie.secret"
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return path.read_text("ascii")
    with os.fdopen(handle, "w") as file:
        file.write(secrets.token_urlsafe(32))
    return path.read_text("ascii")
