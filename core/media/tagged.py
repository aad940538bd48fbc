"""Words and settings inside an MP4: put into its index as the file is handed out, and read from one that comes in.

The file is not muxed again. Its index (`moov`) gets a larger `udta`, and the places of the frames in it are moved by as
much; everything else is handed on as it lies there. So frames, sound, rotation, colours and times are the file's own by
construction, nothing is written to the disk, and the size is known before the first byte. (FFmpeg's muxer would write
either the tags that players show or keys of one's own, never both, and a copy of every file.)
Layout: ISO/IEC 14496-12 for the boxes; the tags as iTunes writes them, which FFmpeg, VLC, QuickTime and Explorer read.
"""

import hashlib
import os
import struct
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

import numpy as np

from core.errors import InvalidMedia, NotFound
from core.media.boxes import Box, Data, OddError, boxes, build, cut, one
from core.media.content import MEBIBYTE

NAME: Final = "takes_settings"  # the tag's name, as ffprobe shows it
MOST_SETTINGS: Final = 256 * 1024  # bytes; a prompt of 5,000 signs and ten clips take a tenth of it
MOST_INDEX: Final = 32 * MEBIBYTE  # of `moov`, which is held in memory; an hour of video has about 2 MB
BLOCK_BYTES: Final = 256 * 1024  # read and handed on at once

PLAIN: Final = frozenset({b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"uuid", b"udta"})
"""What may lie beside the index. Anything else may hold places in the file that would have to be moved as well."""

SIGNED: Final = bytes.fromhex("d8fec3d61b0e483c92975828877ec481")
"""Marks Content Credentials (C2PA), which sign the whole file, the index too: a tag would make them say "tampered with"."""

PLACED: Final = (b"mvex", b"cmov", b"saio", b"iloc")
"""Inside an index: fragments, a compressed index, and further tables of places. None is moved here."""

_HANDLER: Final = struct.pack(">I4s4x4x4s4s9x", 33, b"hdlr", b"mdir", b"appl")
_TEXT: Final = struct.pack(">II", 1, 0)  # of a tag's value: UTF-8, any language
_MEAN: Final = b"com.apple.iTunes"  # whose names a free tag's name is one of; taggers show no others


@dataclass(frozen=True)
class Tags:
    """What is written into a video.

    Args:
        title: a line, "" for none.
        text: what people read; becomes the description, and the comment where the file has none. "" for none.
        settings: what the app reads back: the JSON of a `core.jobs.recipe.Recipe`.
    """

    title: str
    text: str
    settings: str


@dataclass(frozen=True)
class Tagged:
    """A stored file with tags in it, put together while it is read.

    Args:
        path: the stored file.
        pieces: new bytes, and parts of the stored file by their places, in order.
        why_not: why it goes out without tags; "" where it has them.
    """

    path: Path
    pieces: tuple[bytes | range, ...]
    why_not: str = ""

    @property
    def size(self) -> int:
        """In bytes."""
        return sum(map(len, self.pieces))

    @property
    def mark(self) -> str:
        """Tells the same stored file with other tags apart; "" without tags."""
        new = [piece for piece in self.pieces if isinstance(piece, bytes)]
        return hashlib.sha256(b"".join(new)).hexdigest()[:16] if new else ""

    def blocks(self, start: int = 0, end: int | None = None) -> Generator[bytes, None, None]:
        """The bytes from `start` to before `end`, a block at a time. Raises OSError where the stored file is gone."""
        end = self.size if end is None else end
        at = 0
        with self.path.open("rb") as file:
            for piece in self.pieces:
                first, last = max(start - at, 0), min(end - at, len(piece))
                at += len(piece)
                if first >= last:
                    continue
                if isinstance(piece, bytes):
                    yield piece[first:last]
                    continue
                file.seek(piece.start + first)
                left = last - first
                while left:
                    block = file.read(min(BLOCK_BYTES, left))
                    if not block:
                        raise OSError("the stored file has become shorter")
                    left -= len(block)
                    yield block


def tag(path: Path, tags: Tags) -> Tagged:
    """A stored MP4 with these tags in it; as it is, and why, where they cannot be put in without harm.

    Raises:
        NotFound: the file is gone.
    """
    size = 0
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            return Tagged(path, _pieces(file, size, tags))
    except FileNotFoundError as exc:
        raise NotFound("This file is no longer stored here.") from exc
    except OddError as exc:
        return Tagged(path, (range(size),), str(exc))


def whole(path: Path) -> Tagged:
    """A stored file as it is. Raises NotFound."""
    try:
        return Tagged(path, (range(path.stat().st_size),))
    except FileNotFoundError as exc:
        raise NotFound("This file is no longer stored here.") from exc


def read(file: BinaryIO) -> str | None:
    """The settings inside an MP4, or None where it has none. Only the boxes on the way to them are looked at.

    Args:
        file: the file, from anybody.

    Raises:
        InvalidMedia: it is damaged, or what it holds as settings is.
    """
    try:
        found = _settings(file, file.seek(0, os.SEEK_END))
    except OddError as exc:
        raise InvalidMedia("This video is incomplete or damaged. Download it again.") from exc
    try:
        if found is None or len(found) <= MOST_SETTINGS:
            return None if found is None else found.decode()
    except UnicodeDecodeError:
        pass
    raise InvalidMedia("The settings in this video are damaged. Download it from Takes again, or drop a still.")


# --- Writing ------------------------------------------------------------------------------------------------------


def _pieces(file: BinaryIO, size: int, tags: Tags) -> tuple[bytes | range, ...]:
    """The file with a new index, in front of the frames wherever the old one was, so that it plays while it loads."""
    if len(tags.settings.encode()) > MOST_SETTINGS:
        raise OddError("its settings are too long")
    top = boxes(file, 0, size)
    strange = {box.kind for box in top} - PLAIN
    if strange:
        raise OddError(f"it has a box “{min(strange).decode('latin-1')}”")
    if any(box.kind == b"uuid" and cut(file, box.body, min(box.body + 16, box.end)) == SIGNED for box in top):
        raise OddError("it carries Content Credentials, which a tag would make invalid")
    moov = one(top, b"moov")
    data = min((box.start for box in top if box.kind == b"mdat"), default=None)
    if data is None or moov.end - moov.body > MOST_INDEX:
        raise OddError("it has no frames, or its index is too large")
    index = bytearray(cut(file, moov.body, moov.end))
    if any(word in index for word in PLACED):
        raise OddError("its index has tables that cannot be moved")
    parts = boxes(index, 0, len(index))
    udta = next((bytes(index[part.body : part.end]) for part in parts if part.kind == b"udta"), b"")
    words = _udta(udta, tags)
    kept = [part for part in parts if part.kind != b"udta"]
    new_size = 8 + sum(part.end - part.start for part in kept) + len(words)
    at = min(moov.start, data)
    for part in kept:
        if part.kind == b"trak":
            _move(index, part, size, at, moov, new_size)
    new = build(b"moov", *(bytes(index[part.start : part.end]) for part in kept), words)
    assert len(new) == new_size
    pieces = range(at), new, range(at, moov.start), range(moov.end, size)
    return tuple(piece for piece in pieces if len(piece))


def _move(index: bytearray, trak: Box, size: int, at: int, moov: Box, new_size: int) -> None:
    """Correct the places of a track's chunks for an index of `new_size` bytes at `at`."""
    box = trak
    for kind in (b"mdia", b"minf", b"stbl"):
        box = one(boxes(index, box.body, box.end), kind)
    tables = [table for table in boxes(index, box.body, box.end) if table.kind in (b"stco", b"co64")]
    if len(tables) != 1 or tables[0].end - tables[0].body < 8:
        raise OddError("a track has no table of places")
    [table] = tables
    wide = ">u8" if table.kind == b"co64" else ">u4"
    first = table.body + 8
    (count,) = struct.unpack_from(">I", index, table.body + 4)
    if first + count * np.dtype(wide).itemsize > table.end:
        raise OddError("a table of places is cut off")
    if not count:  # a track without a frame
        return
    places = np.frombuffer(index, wide, count, first).astype(np.uint64)
    if places.max() >= size or ((places >= moov.start) & (places < moov.end)).any():
        raise OddError("its index tells of frames that are not there")
    moved = places.astype(np.int64)
    moved[(places >= at) & (places < moov.start)] += new_size
    moved[places >= moov.end] += new_size - (moov.end - moov.start)
    if moved.max() > np.iinfo(wide).max:
        raise OddError("it is too large for its table of places")
    index[first : first + count * np.dtype(wide).itemsize] = moved.astype(wide).tobytes()


def _udta(old: bytes, tags: Tags) -> bytes:
    """The box with the tags: ours, and whatever else the old one held."""
    rest: list[bytes] = []
    items: list[bytes] = []
    kinds: set[bytes] = set()
    for box in boxes(old, 0, len(old)):
        found = _itunes(old, box) if box.kind == b"meta" else None
        if found is None:
            rest.append(old[box.start : box.end])
        for item in found or ():
            if item.kind not in (b"\xa9nam", b"desc") and not _is_ours(old, item):
                items.append(old[item.start : item.end])
                kinds.add(item.kind)
    if tags.title:
        items.append(_item(b"\xa9nam", tags.title))
    if tags.text:
        items.append(_item(b"desc", tags.text))
        if b"\xa9cmt" not in kinds:
            items.append(_item(b"\xa9cmt", tags.text))
    named = build(b"mean", bytes(4), _MEAN), build(b"name", bytes(4), NAME.encode())
    items.append(build(b"----", *named, build(b"data", _TEXT, tags.settings.encode())))
    # in front: behind a list with QuickTime's keys, FFmpeg would take these kinds for numbers of such keys
    return build(b"udta", build(b"meta", bytes(4), _HANDLER, build(b"ilst", *items)), *rest)


def _item(kind: bytes, text: str) -> bytes:
    return build(kind, build(b"data", _TEXT, text.replace("\0", " ").encode(errors="replace")))


# --- Reading ------------------------------------------------------------------------------------------------------


def _itunes(data: Data, meta: Box) -> list[Box] | None:
    """The tags of a `meta` box as iTunes writes it; None for one of another making, such as QuickTime's."""
    try:
        parts = boxes(data, meta.body + 4, meta.end)  # four bytes of version and flags come first
    except OddError:
        return None
    handler = next((part for part in parts if part.kind == b"hdlr" and part.end - part.body >= 12), None)
    if handler is None or cut(data, handler.body + 8, handler.body + 12) != b"mdir":
        return None
    return [tag for part in parts if part.kind == b"ilst" for tag in boxes(data, part.body, part.end)]


def _is_ours(data: Data, item: Box) -> bool:
    """Whether a tag is the free one that has our name."""
    named = [part for part in boxes(data, item.body, item.end) if part.kind == b"name"] if item.kind == b"----" else []
    ours = bytes(4) + NAME.encode()
    return any(part.end - part.body == len(ours) and cut(data, part.body, part.end) == ours for part in named)


def _settings(file: BinaryIO, size: int) -> bytes | None:
    """The value of our tag, cut off soon after its limit; None where there is none."""
    moov = one(boxes(file, 0, size), b"moov")
    for udta in boxes(file, moov.body, moov.end):
        if udta.kind == b"udta":
            for meta in boxes(file, udta.body, udta.end):
                tags = _itunes(file, meta) if meta.kind == b"meta" else None
                for item in tags or ():
                    if _is_ours(file, item):
                        value = one(boxes(file, item.body, item.end), b"data")
                        start = min(value.body + len(_TEXT), value.end)
                        return cut(file, start, min(value.end, start + MOST_SETTINGS + 1))
    return None
