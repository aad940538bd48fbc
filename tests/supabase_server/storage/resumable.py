"""Resumable uploads by the TUS protocol, version 1.0.0: a place is made, then filled in pieces of 6 MiB.

From Supabase's and TUS's documentation, not recorded (the fact sheet has one run: 7 MB in two pieces arrived whole).
"""

import base64
import json
import threading
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from tests.supabase_server.access import Caller
from tests.supabase_server.storage.base import Base, How, Upload, wanted
from tests.supabase_server.storage.errors import Refused
from tests.supabase_server.wire import Answer, Outside, Request

PIECE = 6 * 1024 * 1024  # every piece but the last has to be of this size, as the documentation says
VERSION = {"tus-resumable": "1.0.0"}


@dataclass
class Place:
    """An upload that is open, or that is done."""

    bucket: str
    key: str
    size: int
    about: dict[str, str]
    said: str
    data: bytearray = field(default_factory=bytearray, repr=False)


class Resumable(Base):
    """`/storage/v1/upload/resumable`. Answers to errors are text with a true HTTP status, unlike the rest of Storage."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._places: dict[str, Place] = {}
        self._lock = threading.Lock()

    def create(self, request: Request, address: str) -> Answer:
        """A place for one object; Location tells its address. `address` is that of all places."""
        caller = self._asked(request)
        if request.body or "upload-defer-length" in request.headers or "upload-concat" in request.headers:
            raise Outside("a piece with the creation, a length that is told later, or parts to be joined")
        size = request.headers.get("upload-length", "")
        if size == "0":
            raise Outside("an empty file")
        if not size.isdecimal():
            raise Refused(400, "InvalidRequest", "Upload-Length or Upload-Defer-Length header required")
        said = request.headers.get("upload-metadata", "")
        about = _metadata(said)
        bucket, key = about.get("bucketName", ""), about.get("objectName", "")
        if not bucket or not key:
            raise Refused(400, "InvalidRequest", "Metadata header is required")
        if "contentType" not in about:
            raise Outside("a resumable upload without a content type")
        limit = self.admit(caller, bucket, key, about["contentType"], wanted(request))
        if int(size) > limit:
            raise Refused(413, "EntityTooLarge", "Maximum size exceeded")
        number = base64.urlsafe_b64encode(f"{bucket}/{key}/{uuid4()}".encode()).decode().rstrip("=")
        self._places[number] = Place(bucket, key, int(size), about, said)
        return Answer(201, b"", {"location": f"{address}/{number}", **VERSION})

    def head(self, request: Request, number: str) -> Answer:
        """How much is there."""
        self._asked(request)
        place = self._place(number)
        told = {
            "upload-offset": str(len(place.data)), "upload-length": str(place.size), "upload-metadata": place.said,
            "cache-control": "no-store", **VERSION,
        }  # fmt: skip
        return Answer(200, b"", told)

    def patch(self, request: Request, number: str, keep: int | None = None) -> Answer:
        """A piece. The object is there once all are.

        Args:
            keep: what a fault says; only so many bytes are written, as where the connection broke.
        """
        caller = self._asked(request)
        if request.headers.get("content-type") != "application/offset+octet-stream":
            raise Refused(415, "TusError", "Content-Type header required")
        offset = request.headers.get("upload-offset", "")
        if not offset.isdecimal():
            raise Refused(403, "TusError", "Upload-Offset header required")
        with self._lock:
            place = self._place(number)
            if int(offset) != len(place.data):
                raise Refused(409, "TusError", "Upload-Offset conflict")
            end = int(offset) + len(request.body)
            if end > place.size:
                raise Refused(413, "TusError", "upload's size exceeded")
            if end < place.size and len(request.body) != PIECE:
                raise Outside(f"a piece of {len(request.body)} bytes that is not the last")
            if request.body:
                self.admit(caller, place.bucket, place.key, place.about["contentType"], wanted(request))
                place.data += request.body[:keep]
                if len(place.data) == place.size:
                    del self._places[number]  # so that it is not taken for a finished one if the last step fails
                    self._finish(caller, place, wanted(request))
                    self._places[number] = place
            return Answer(204, b"", {"upload-offset": str(len(place.data)), **VERSION})

    def end(self, request: Request, number: str) -> Answer:
        """Give a place back that is not filled."""
        self._asked(request)
        place = self._place(number)
        if len(place.data) == place.size:
            raise Refused(400, "TusError", "Cannot terminate an already completed upload")
        del self._places[number]
        return Answer(204, b"", VERSION)

    def _finish(self, caller: Caller, place: Place, how: How) -> None:
        seconds = place.about.get("cacheControl", "")
        cache = f"max-age={seconds}" if seconds.isdecimal() else "no-cache"
        told = json.loads(place.about["metadata"]) if "metadata" in place.about else None
        upload = Upload(bytes(place.data), place.about["contentType"], cache, told)
        self.store(caller, place.bucket, place.key, upload, how)

    def _place(self, number: str) -> Place:
        place = self._places.get(number)
        if place is None:
            raise Refused(404, "TusError", "The file for this url was not found")
        return place

    def _asked(self, request: Request) -> Caller:
        if request.headers.get("tus-resumable") != "1.0.0":
            raise Refused(412, "TusError", "Tus-Resumable Required")
        return self.caller(request)


def _metadata(header: str) -> dict[str, str]:
    """`name base64, name base64` as a dict."""
    told = {}
    for part in filter(None, (text.strip() for text in header.split(","))):
        name, _, value = part.partition(" ")
        told[name] = base64.b64decode(value).decode()
    return told
