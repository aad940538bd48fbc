"""Bytes in and out: the parts of an upload, and an object with Range and the headers that Storage gives it."""

import base64
import json
import re
from email.utils import format_datetime
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote

from tests.supabase_server.storage.base import Row, Upload
from tests.supabase_server.storage.errors import Refused, invalid
from tests.supabase_server.wire import Answer, Outside, Request


def received(request: Request) -> Upload:
    """The file of an upload: a form as supabase-py sends it, or the bytes alone with headers.

    The form is recorded; the bytes alone are from the documentation.
    """
    kind = request.headers.get("content-type", "")
    if not kind.startswith("multipart/form-data"):
        told = request.headers.get("x-metadata")
        cache = _cache(request.headers.get("cache-control"))
        return Upload(request.body, kind, cache, json.loads(base64.b64decode(told)) if told else None)
    upload, fields = None, dict[str, str]()
    for head, data in _parts(kind, request.body):
        name = re.search(r'[; ]name="([^"]*)"', head)
        if 'filename="' in head:
            found = re.search(r"content-type: *([^;\r\n]+)", head, re.IGNORECASE)
            upload = (data, found[1].strip() if found else "application/octet-stream")
        elif name:
            fields[name[1]] = data.decode()
    if upload is None:
        raise invalid("No content provided")
    told = fields.get("metadata")
    return Upload(*upload, _cache(fields.get("cacheControl")), json.loads(told) if told else None)


def _parts(kind: str, body: bytes) -> list[tuple[str, bytes]]:
    """Headers and bytes of each part of a form."""
    boundary = re.search(r'boundary="?([^";]+)', kind)
    if not boundary:
        raise invalid("a form without a boundary")
    found = []
    for part in (b"\r\n" + body).split(b"\r\n--" + boundary[1].encode())[1:-1]:
        head, _, data = part.removeprefix(b"\r\n").partition(b"\r\n\r\n")
        found.append((head.decode(), data))
    return found


def _cache(seconds: str | None) -> str:
    return f"max-age={seconds}" if seconds and seconds.isdecimal() else "no-cache"


def sent(
    folder: Path, row: Row, request: Request, *, caching: Literal["public", "expires"] = "public", **named: str | None
) -> Answer:
    """An object, or the part of it that is asked for.

    Args:
        caching: `expires` for a signed URL, which gets no Cache-Control.
        named: `download`, the name under which a browser keeps the file; "" for the object's own.
    """
    data = (folder / row["version"]).read_bytes()
    about: dict[str, Any] = row["metadata"]
    headers = {
        "accept-ranges": "bytes",
        "content-type": "text/plain" if "text/html" in about["mimetype"] else about["mimetype"],
        "etag": about["eTag"],
        "last-modified": format_datetime(row["updated_at"], usegmt=True),
    }
    if caching == "public":
        headers["cache-control"] = about["cacheControl"]
    if (download := named.get("download")) is not None:
        name = quote(download, safe="!'()*-._~")
        headers["content-disposition"] = (
            f"attachment; filename={name}; filename*=UTF-8''{name}" if name else "attachment"
        )
    if request.headers.get("if-none-match") == about["eTag"]:
        return Answer(304, b"", headers)
    if (asked := request.headers.get("range")) is None:
        return Answer(200, data, headers)
    first, last = _span(asked, len(data))
    span = f"bytes {first}-{last}/{len(data)}"
    return Answer(206, data[first : last + 1], {**headers, "content-range": span})


def _span(asked: str, size: int) -> tuple[int, int]:
    """The first and last byte that `bytes=…` asks for. Raises Refused where there is none such."""
    found = re.fullmatch(r"bytes=(\d*)-(\d*)", asked)
    if not found or asked == "bytes=-":
        raise Outside(f"Range: {asked}")
    if not found[1]:
        first, last = max(size - int(found[2]), 0), size - 1
    else:
        first, last = int(found[1]), min(int(found[2] or size), size - 1)
    if first >= size or first > last:
        raise Refused(416, "InvalidRange", "invalid range provided", "invalid_range")
    return first, last
