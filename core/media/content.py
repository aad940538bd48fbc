"""What a file is, told from its bytes alone, and the words for it in messages."""

import re
from typing import Final

MEBIBYTE: Final = 1024 * 1024

MAGIC: Final = (
    (b"\xff\xd8\xff", "a JPEG picture"),
    (b"\x89PNG\r\n\x1a\n", "a PNG picture"),
    (b"GIF8", "a GIF picture"),
    (b"BM", "a BMP picture"),
    (b"II*\x00", "a TIFF picture"),
    (b"MM\x00*", "a TIFF picture"),
    (b"%PDF", "a PDF document"),
    (b"PK\x03\x04", "a ZIP archive or an Office document"),
    (b"\x00\x00\x01\x00", "an icon (ICO)"),
    (b"8BPS", "a Photoshop document"),
    (b"\x1a\x45\xdf\xa3", "a video (WebM or MKV)"),
    (b"ID3", "a sound (MP3)"),
    (b"OggS", "a sound (Ogg)"),
    (b"fLaC", "a sound (FLAC)"),
)
RIFF: Final = {b"WEBP": "a WebP picture", b"WAVE": "a sound (WAV)", b"AVI ": "a video (AVI)"}
BRANDS: Final = {
    b"avif": "an AVIF picture", b"avis": "an AVIF picture", b"heic": "a HEIC picture", b"heix": "a HEIC picture",
    b"heim": "a HEIC picture", b"heis": "a HEIC picture", b"hevc": "a HEIC picture", b"hevx": "a HEIC picture",
    b"mif1": "a HEIC picture", b"msf1": "a HEIC picture", b"M4A ": "a sound (M4A)", b"qt  ": "a video (MOV)",
}  # fmt: skip


def what_is(data: bytes) -> str:
    """What these bytes are, in words with an article, by content alone: "a web page", "a JPEG picture", "text"."""
    head = data[:1024]
    if not head:
        return "nothing"
    if head[4:8] == b"ftyp":
        return BRANDS.get(head[8:12], "a video (MP4)")
    if head[4:8] in (b"moov", b"mdat", b"wide"):  # QuickTime from before there was a brand
        return "a video (MOV)"
    if head[:4] == b"RIFF":
        return RIFF.get(head[8:12], "data of an unknown kind")
    if head[0] == 0xFF and len(head) > 1 and head[1] & 0xE6 == 0xE2:  # frame of MPEG audio, layer III
        return "a sound (MP3)"
    for magic, words in MAGIC:
        if head.startswith(magic):
            return words
    return _what_text(head)


def _what_text(head: bytes) -> str:
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "text"
    mark = re.search(rb"<(?:!doctype\s+)?(html|svg)\b|<(?:head|body|script)\b", head.lower())
    if mark:
        return "an SVG drawing" if mark[1] == b"svg" else "a web page"
    text = head.decode("utf-8", errors="ignore")
    readable = (
        bool(text) and len(text.encode()) >= len(head) - 3 and not re.search(r"[\x00-\x08\x0e-\x1a\x1c-\x1f]", text)
    )
    return "text" if readable else "data of an unknown kind"


def is_picture(data: bytes) -> bool:
    """Whether the content begins like one of the pictures that are taken; says nothing about the rest of it."""
    return what_is(data).endswith("picture")


def quoted(name: str, otherwise: str = "The file") -> str:
    """A file's name for a message: its last part, printable, at most 60 characters, in quotes."""
    last = "".join(char for char in re.split(r"[/\\]", name)[-1] if char.isprintable()).strip()
    return f"“{last if len(last) <= 60 else last[:57] + '…'}”" if last else otherwise


def titled(kind: str, said: str) -> str:
    """“x.jpg” → The picture “x.jpg”; what has no name of its own → The picture."""
    return f"The {kind} {said}" if said.startswith("“") else f"The {kind}"


def megabytes(count: int) -> str:
    """Bytes as people read them, e.g. "1.5 MB" (of 1024 × 1024 bytes) or "12 kB"."""
    if count < MEBIBYTE / 10:
        return f"{max(1, round(count / 1024))} kB"
    return f"{count / MEBIBYTE:.1f}".removesuffix(".0") + " MB"


def too_big(count: int, limit: int) -> str:
    """The words "60 MB; the limit is 30 MB", and never "30 MB; the limit is 30 MB"."""
    over = "just over " if megabytes(count) == megabytes(limit) else ""
    return f"{over}{megabytes(count)}; the limit is {megabytes(limit)}"
