"""The boxes that an MP4 or MOV is made of (ISO/IEC 14496-12): found in a file, read, and made. It never looks into frames."""

import struct
from dataclasses import dataclass
from typing import BinaryIO, Final

MOST_BOXES: Final = 1000  # side by side; a video has about ten, and a hostile file could have millions

Data = BinaryIO | bytes | bytearray
"""A file, or a part of one in memory."""


class OddError(Exception):
    """The file is not laid out in a way that can be worked with; says how, for a log."""


@dataclass(frozen=True)
class Box:
    """A box: its kind, and where its header, its content and what follows it begin."""

    kind: bytes
    start: int
    body: int
    end: int


def boxes(data: Data, start: int, end: int) -> list[Box]:
    """The boxes side by side in a part of a file.

    Raises:
        OddError: they do not fill it exactly, or are too many.
    """
    found: list[Box] = []
    while start < end:
        if len(found) == MOST_BOXES:
            raise OddError(f"it has more than {MOST_BOXES} boxes side by side")
        head = cut(data, start, min(start + 16, end))
        if head == bytes(4):  # QuickTime may close a list so
            break
        if len(head) < 8:
            raise OddError("a box is cut off")
        length, kind = struct.unpack_from(">I4s", head)
        body = start + 8
        if length == 1 and len(head) == 16:
            (length,) = struct.unpack_from(">Q", head, 8)
            body = start + 16
        elif length == 0 and kind in (b"mdat", b"moov"):  # the last one of a file may go on to its end
            length = end - start
        if not body - start <= length <= end - start:
            raise OddError("a box does not end where its surroundings do")
        found.append(Box(kind, start, body, start + length))
        start += length
    return found


def one(found: list[Box], kind: bytes) -> Box:
    """The box of this kind. Raises OddError where there is none, or more than one."""
    matching = [box for box in found if box.kind == kind]
    if len(matching) != 1:
        raise OddError(f"it has {len(matching)} boxes “{kind.decode('latin-1')}” where one belongs")
    return matching[0]


def cut(data: Data, start: int, end: int) -> bytes:
    """The bytes from `start` to before `end`. Raises OddError where they are not all there."""
    if isinstance(data, bytes | bytearray):
        part = bytes(data[start:end])
    else:
        data.seek(start)
        part = data.read(end - start)
    if len(part) < end - start:
        raise OddError("it ends in the middle of a box")
    return part


def build(kind: bytes, *content: bytes) -> bytes:
    """A new box with this content."""
    body = b"".join(content)
    return struct.pack(">I4s", 8 + len(body), kind) + body
