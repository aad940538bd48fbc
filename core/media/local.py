"""Keeps media as files in a folder of this computer, named by their content."""

import contextlib
import errno
import hashlib
import os
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, NoReturn
from uuid import uuid4

from core.errors import NotFound, StorageFull
from core.media.store import CONTENT_TYPES, Listed, Stored, key_of

KEY: Final = re.compile(r"[0-9a-f]{64}\.[a-z0-9]{2,4}")  # core.models.spec.MediaKey
NO_ROOM: Final = frozenset({errno.ENOSPC, errno.EDQUOT})
HASH_BLOCK_BYTES: Final = 1024 * 1024  # read at once while hashing; keeps a long video out of memory


class LocalMediaStore:
    """A MediaStore in a folder: `root/ab/<key>`, written under `root/.part/` and moved into place when complete.

    Safe to share between threads and processes: a file appears whole or not at all, and two writers of the same
    bytes write the same file.

    Args:
        root: the folder; made if it is not there.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.parts = root / ".part"
        self.parts.mkdir(parents=True, exist_ok=True)

    def put(self, data: bytes, extension: str) -> Stored:
        """Keep these bytes.

        Args:
            data: the whole file.
            extension: one of `CONTENT_TYPES`, without a dot.

        Raises:
            StorageFull: the disk is full, or a quota is reached.
        """
        stored = _stored(key_of(data, extension), len(data))
        if self._is_there(stored):
            return stored
        part = self._part()
        try:
            with part.open("xb") as file:
                file.write(data)
                _flush(file.fileno())
            self._place(part, stored.key)
        except OSError as exc:
            _full_or_raise(exc, stored.bytes)
        finally:
            part.unlink(missing_ok=True)
        return stored

    def take(self, path: Path, extension: str) -> Stored:
        """Keep this file and remove it from where it was; a rename on the same disk, else a copy.

        Args:
            path: a complete file that nobody writes to any more.
            extension: one of `CONTENT_TYPES`, without a dot.

        Raises:
            StorageFull: no room for the copy; the file is still at `path`.
        """
        digest = hashlib.sha256()
        with path.open("rb") as file:
            while block := file.read(HASH_BLOCK_BYTES):
                digest.update(block)
            size = file.tell()
            _flush(file.fileno())
        stored = _stored(f"{digest.hexdigest()}.{extension}", size)
        if self._is_there(stored):
            path.unlink()
            return stored
        try:
            os.utime(path)
            self._place(path, stored.key)
        except OSError as exc:
            if exc.errno != errno.EXDEV:
                _full_or_raise(exc, size)
            self._copy(path, stored)
            path.unlink()
        return stored

    def stat(self, key: str) -> Stored | None:
        """Size and type of a stored file, or None. A key that is none is simply not there."""
        if not KEY.fullmatch(key) or _extension(key) not in CONTENT_TYPES:
            return None
        try:
            return _stored(key, os.stat(f"{self.root}/{key[:2]}/{key}").st_size)  # as `_path`, in a third of the time
        except FileNotFoundError:
            return None

    def read(self, key: str) -> bytes:
        """All bytes of a stored file. Raises NotFound."""
        with self.local(key) as path:
            try:
                return path.read_bytes()
            except FileNotFoundError as exc:  # deleted since `local` looked
                raise NotFound("This file is no longer stored here.") from exc

    @contextmanager
    def local(self, key: str) -> Iterator[Path]:
        """The stored file itself; read it, never write to it. Raises NotFound."""
        if self.stat(key) is None:
            raise NotFound("This file is no longer stored here.")
        yield self._path(key)

    def delete(self, key: str) -> None:
        """Forget a file; silent where there is none, or where the key is none."""
        if KEY.fullmatch(key):
            self._path(key).unlink(missing_ok=True)

    def keys(self) -> Iterator[Listed]:
        """Every stored file, by key. What else lies in the folder is not told, and so never deleted by anybody."""
        for folder in sorted(self.root.iterdir()):
            if folder == self.parts or not folder.is_dir():
                continue
            for path in sorted(folder.iterdir()):
                if self.stat(path.name) is None or path != self._path(path.name):
                    continue
                try:
                    found = path.stat()
                except FileNotFoundError:  # deleted since the folder was read
                    continue
                yield Listed(path.name, found.st_size, datetime.fromtimestamp(found.st_mtime, UTC))

    def sweep(self, older_than_s: float) -> int:
        """Remove what interrupted writes left behind.

        Args:
            older_than_s: least age in seconds; a write that is under way must be younger.

        Returns:
            How many files went.
        """
        gone = 0
        for part in self.parts.iterdir():
            with contextlib.suppress(FileNotFoundError):  # another process sweeps too, or the write just ended
                if time.time() - part.stat().st_mtime >= older_than_s:
                    part.unlink()
                    gone += 1
        return gone

    def _is_there(self, stored: Stored) -> bool:
        """Whether the file is stored whole; if so, it counts as new from now on: somebody has just given it."""
        if self.stat(stored.key) != stored:
            return False
        try:
            os.utime(self._path(stored.key))
        except FileNotFoundError:  # deleted at this moment
            return False
        return True

    def _path(self, key: str) -> Path:
        return self.root / key[:2] / key

    def _part(self) -> Path:
        return self.parts / uuid4().hex

    def _place(self, source: Path, key: str) -> None:
        """Rename a complete file to its final name, and make the name itself survive a power cut."""
        target = self._path(key)
        target.parent.mkdir(exist_ok=True)
        os.replace(source, target)
        _flush_folder(target.parent)
        _flush_folder(self.root)

    def _copy(self, path: Path, stored: Stored) -> None:
        part = self._part()
        try:
            with path.open("rb") as source, part.open("xb") as file:
                shutil.copyfileobj(source, file, HASH_BLOCK_BYTES)
                _flush(file.fileno())
            self._place(part, stored.key)
        except OSError as exc:
            _full_or_raise(exc, stored.bytes)
        finally:
            part.unlink(missing_ok=True)


def _extension(key: str) -> str:
    return key.rpartition(".")[2]


def _stored(key: str, size: int) -> Stored:
    return Stored(key, size, CONTENT_TYPES[_extension(key)])


def _flush(descriptor: int) -> None:
    os.fsync(descriptor)


def _flush_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _full_or_raise(exc: OSError, size: int) -> NoReturn:
    if exc.errno in NO_ROOM:
        raise StorageFull(
            f"There is no room left to keep a file of {size / 1_000_000:.1f} MB. "
            "Free some space on the disk that holds DATA_DIR, then try again."
        ) from exc
    raise exc
