"""Buckets: make, look at, change, empty and delete. Recorded, but for the list and the change."""

import json
import re
from typing import Any

from tests.supabase_server.storage.base import Base, Row, iso
from tests.supabase_server.storage.errors import Refused, invalid, no_bucket, taken, too_large
from tests.supabase_server.wire import Answer, Outside, Request, as_json

NAME = re.compile(r"[A-Za-z0-9_!\-.*'()&$@=;:+,? ]+")
UNITS = {"B": 1, "KB": 1_000, "MB": 1_000_000, "GB": 1_000_000_000}
KNOWN = {"id", "name", "public", "file_size_limit", "allowed_mime_types"}


class Buckets(Base):
    """`/storage/v1/bucket`."""

    def create(self, request: Request) -> Answer:
        given = self._given(request)
        name = given.get("name") or given.get("id")
        if not isinstance(name, str) or not NAME.fullmatch(name):
            raise Refused(400, "InvalidBucketName", "Bucket name invalid", "Invalid Input")
        values = {
            "id": given.get("id") or name, "name": name, "public": bool(given.get("public")),
            "limit": given.get("file_size_limit"), "types": given.get("allowed_mime_types"),
        }  # fmt: skip
        try:
            with self.as_role(self.caller(request)) as rows:
                rows.execute(
                    "insert into storage.buckets (id, name, public, file_size_limit, allowed_mime_types)"
                    " values (%(id)s, %(name)s, %(public)s, %(limit)s, %(types)s)",
                    values,
                )
        except Refused as exc:
            raise (taken("BucketAlreadyExists") if exc.code == "KeyAlreadyExists" else exc) from exc
        return as_json({"name": values["id"]})

    def all(self, request: Request) -> Answer:
        with self.as_role(self.caller(request)) as rows:
            found = rows.execute("select * from storage.buckets order by name").fetchall()
        return as_json([_told(row) for row in found])

    def get(self, request: Request, name: str) -> Answer:
        return as_json(_told(self._seen(request, name)))

    def update(self, request: Request, name: str) -> Answer:
        given = self._given(request)
        columns = [column for column in ("public", "file_size_limit", "allowed_mime_types") if column in given]
        self._seen(request, name)
        if columns:
            sets = ", ".join(f"{column} = %({column})s" for column in columns)
            with self.as_role(self.caller(request)) as rows:
                rows.execute(
                    f"update storage.buckets set {sets}, updated_at = now() where id = %(id)s".encode(),
                    {**given, "id": name},
                )
        return as_json({"message": "Successfully updated"})

    def empty(self, request: Request, name: str) -> Answer:
        """Done at once here; a real server does it later, within an hour."""
        self._seen(request, name)
        with self.as_role(self.caller(request)) as rows:
            gone = rows.execute("delete from storage.objects where bucket_id = %s returning version", [name]).fetchall()
        for row in gone:
            (self.folder / row["version"]).unlink(missing_ok=True)
        return as_json({"message": "Empty bucket has been queued. Completion may take up to an hour."})

    def delete(self, request: Request, name: str) -> Answer:
        self._seen(request, name)
        with self.as_server() as rows:
            if rows.execute("select 1 from storage.objects where bucket_id = %s limit 1", [name]).fetchone():
                raise Refused(409, "ResourceNotEmpty", "The bucket you tried to delete is not empty")
        with self.as_role(self.caller(request)) as rows:
            rows.execute("delete from storage.buckets where id = %s", [name])
        return as_json({"message": "Successfully deleted"})

    def _seen(self, request: Request, name: str) -> Row:
        """A bucket that the caller may see."""
        with self.as_role(self.caller(request)) as rows:
            found = rows.execute("select * from storage.buckets where id = %s", [name]).fetchone()
        if found is None:
            raise no_bucket()
        return found

    def _given(self, request: Request) -> dict[str, Any]:
        given: dict[str, Any] = json.loads(request.body)
        if extra := set(given) - KNOWN:
            raise Outside(f"a bucket's {', '.join(sorted(extra))}")
        if given.get("file_size_limit") is not None:
            given["file_size_limit"] = _bytes(given["file_size_limit"])
            if given["file_size_limit"] > self.size_limit:
                raise too_large()
        return given


def _bytes(limit: int | str) -> int:
    """A size as a number, or as text such as "1MB"."""
    found = re.fullmatch(r"(\d+)\s*(B|KB|MB|GB)?", str(limit), re.IGNORECASE)
    if not found:
        raise invalid("Invalid file size format, hint: use 20GB / 20MB / 30KB / 3B")
    return int(found[1]) * UNITS[(found[2] or "B").upper()]


def _told(row: Row) -> dict[str, Any]:
    return {
        "id": row["id"],
        "name": row["name"],
        "owner": str(row["owner"] or ""),
        "public": row["public"],
        "file_size_limit": row["file_size_limit"],
        "allowed_mime_types": row["allowed_mime_types"],
        "created_at": iso(row["created_at"]),
        "updated_at": iso(row["updated_at"]),
    }
