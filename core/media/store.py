"""Where pictures and videos are kept: the protocol. Contract suite: `tests/contracts/test_media_store.py`."""

import hashlib
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

CONTENT_TYPES = {
    "jpg": "image/jpeg",
    "png": "image/png",
    "mp4": "video/mp4",
    "mov": "video/quicktime",
    "wav": "audio/wav",
    "mp3": "audio/mpeg",
}
"""Extension of a media key → content type. Nothing else is stored."""


@dataclass(frozen=True)
class Stored:
    """A stored file: its key, its size in bytes, its content type."""

    key: str
    bytes: int
    content_type: str


@dataclass(frozen=True)
class Listed:
    """A stored file as a listing tells it.

    Args:
        key: its key.
        bytes: its size.
        modified: when it was last put or taken, UTC; the same bytes given again count.
    """

    key: str
    bytes: int
    modified: datetime


def key_of(data: bytes, extension: str) -> str:
    """The media key of these bytes: sha256 in hex, a dot, the extension."""
    return f"{hashlib.sha256(data).hexdigest()}.{extension}"


class MediaStore(Protocol):
    """Files by content: the same bytes are one file, and a key never changes its meaning.

    Contract: `tests/contracts/test_media_store.py`, run over every implementation.
    """

    def put(self, data: bytes, extension: str) -> Stored:
        """Keep these bytes. Raises StorageFull."""
        ...

    def take(self, path: Path, extension: str) -> Stored:
        """Keep this file and remove it from where it was. Raises StorageFull; then the file is still there."""
        ...

    def stat(self, key: str) -> Stored | None:
        """Size and type of a stored file, or None."""
        ...

    def read(self, key: str) -> bytes:
        """All bytes of a stored file. Raises NotFound."""
        ...

    def local(self, key: str) -> AbstractContextManager[Path]:
        """The file as a path on this computer while the context lasts. Raises NotFound."""
        ...

    def delete(self, key: str) -> None:
        """Forget a file; silent where there is none."""
        ...

    def keys(self) -> Iterator[Listed]:
        """Every stored file, in any order. Files may be put and deleted while it runs; those may be left out or told."""
        ...
