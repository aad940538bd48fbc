"""Files with Range, If-Range and ETag, as fal's file hosts serve them."""

import hashlib
import re
from dataclasses import dataclass

from tests.fal_server.wire import Answer, Request


@dataclass(frozen=True)
class StoredFile:
    """Bytes and their type. `ranges` is False for a host that ignores Range."""

    data: bytes
    content_type: str
    ranges: bool = True

    @property
    def etag(self) -> str:
        return f'"{hashlib.sha256(self.data).hexdigest()[:16]}"'


def send_file(file: StoredFile | None, request: Request) -> Answer:
    """The file, or the part of it that is asked for."""
    if file is None:
        return Answer(404, b"<Error><Code>NoSuchKey</Code></Error>", {"content-type": "application/xml"})
    size = len(file.data)
    headers = {"content-type": file.content_type, "etag": file.etag, "accept-ranges": "bytes"}
    wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", request.headers.get("range", ""))
    if not wanted or not file.ranges or request.headers.get("if-range", file.etag) != file.etag:
        return Answer(200, file.data, headers)
    start, end = int(wanted[1]), int(wanted[2] or size - 1)
    if start >= size:
        return Answer(416, b"", {"content-range": f"bytes */{size}"})
    end = min(end, size - 1)
    return Answer(206, file.data[start : end + 1], {**headers, "content-range": f"bytes {start}-{end}/{size}"})
