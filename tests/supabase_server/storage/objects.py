"""Objects: upload, download, look at, list, move, copy and remove; all under the caller's row level security."""

import json
from typing import Any

from tests.supabase_server.access import SERVICE
from tests.supabase_server.storage.base import KEY, Base, Row, Upload, iso, wanted
from tests.supabase_server.storage.errors import Refused, invalid, no_bucket, no_object
from tests.supabase_server.storage.files import received, sent
from tests.supabase_server.wire import Answer, Outside, Request, as_json

MANY = 1000  # keys in one request; hosted projects allow no more
SORTS = ("name", "updated_at", "created_at", "last_accessed_at")

LIST = """
with inside as (
  select o.*, substr(o.name, length(%(prefix)s) + 1) as rest from storage.objects o
   where o.bucket_id = %(bucket)s and starts_with(o.name, %(prefix)s)
), entries as (
  select split_part(rest, '/', 1) as name, null::uuid as id, null::timestamptz as updated_at,
         null::timestamptz as created_at, null::timestamptz as last_accessed_at, null::jsonb as metadata, 0 as file
    from inside where position('/' in rest) > 0 group by 1
  union all
  select rest, id, updated_at, created_at, last_accessed_at, metadata, 1 from inside where position('/' in rest) = 0
)
select name, id, updated_at, created_at, last_accessed_at, metadata from entries where name ilike %(search)s
"""


class Objects(Base):
    """`/storage/v1/object`.

    Recorded, but for these from the documentation: an update by PUT, an upload of bytes without a form, search in a
    list, a single object removed by its path, a public bucket, `If-None-Match`, ranges that count from the end.
    """

    def upload(self, request: Request, bucket: str, key: str) -> Answer:
        row = self.store(self.caller(request), bucket, key, self._received(request), wanted(request))
        return as_json({"Id": str(row["id"]), "Key": f"{bucket}/{key}"})

    def replace(self, request: Request, bucket: str, key: str) -> Answer:
        row = self.store(self.caller(request), bucket, key, self._received(request), "replace")
        return as_json({"Id": str(row["id"]), "Key": f"{bucket}/{key}"})

    def download(self, request: Request, bucket: str, key: str) -> Answer:
        caller = self.stranger(request)
        if set(dict(request.query)) - {"download"}:
            raise Outside("transforms of an image")
        if caller is None or self._is_public(bucket):
            return self.public(request, bucket, key)
        return sent(self.folder, self.object(caller, bucket, key), request, download=request.first("download"))

    def public(self, request: Request, bucket: str, key: str) -> Answer:
        if not self._is_public(bucket):
            raise no_bucket()
        return sent(self.folder, self.object(SERVICE, bucket, key), request, download=request.first("download"))

    def info(self, request: Request, bucket: str, key: str) -> Answer:
        row = self.object(self.caller(request), bucket, key)
        about = row["metadata"]
        told = {
            "id": str(row["id"]), "name": key, "version": row["version"], "bucket_id": bucket, "size": about["size"],
            "content_type": about["mimetype"], "cache_control": about["cacheControl"], "etag": about["eTag"],
            "metadata": row["user_metadata"] or {}, "last_modified": about["lastModified"],
            "created_at": iso(row["created_at"]),
        }  # fmt: skip
        return as_json(told)

    def list(self, request: Request, bucket: str) -> Answer:
        given = json.loads(request.body)
        if extra := set(given) - {"prefix", "limit", "offset", "sortBy", "search"}:
            raise Outside(f"a list by {', '.join(sorted(extra))}")
        prefix = given.get("prefix", "").lstrip("/")
        sort = given.get("sortBy") or {}
        column, order = sort.get("column", "name"), sort.get("order", "asc")
        if column not in SORTS or order not in ("asc", "desc"):
            raise invalid("body/sortBy must be one of the known columns and orders")
        values = {
            "bucket": bucket, "prefix": f"{prefix}/" if prefix and not prefix.endswith("/") else prefix,
            "search": given.get("search", "") + "%",
        }  # fmt: skip
        page = f"order by file, {column} {order}, name limit {int(given.get('limit', 100))} offset {int(given.get('offset', 0))}"
        with self.as_role(self.caller(request)) as rows:
            found = rows.execute((LIST + page).encode(), values).fetchall()
        return as_json([_listed(row) for row in found])

    def move(self, request: Request) -> Answer:
        bucket, source, goal = self._pair(request)
        with self.as_role(self.caller(request)) as rows:
            rows.execute(
                "update storage.objects set name = %s, updated_at = now() where bucket_id = %s and name = %s returning id",
                [goal, bucket, source],
            )
            if rows.rowcount == 0:
                raise no_object()
        return as_json({"message": "Successfully moved"})

    def copy(self, request: Request) -> Answer:
        bucket, source, goal = self._pair(request)
        caller = self.caller(request)
        row = self.object(caller, bucket, source)
        about = row["metadata"]
        data = (self.folder / row["version"]).read_bytes()
        upload = Upload(data, about["mimetype"], about["cacheControl"], row["user_metadata"])
        made = self.store(caller, bucket, goal, upload, wanted(request))
        return as_json({"Id": str(made["id"]), "Key": f"{bucket}/{goal}", **_whole(made)})

    def remove(self, request: Request, bucket: str) -> Answer:
        prefixes = json.loads(request.body).get("prefixes")
        if not prefixes or len(prefixes) > MANY:
            raise invalid(f"body/prefixes must have 1 to {MANY} items")
        return as_json([_whole(row) for row in self._removed(request, bucket, prefixes)])

    def remove_one(self, request: Request, bucket: str, key: str) -> Answer:
        if not self._removed(request, bucket, [key]):
            raise no_object()
        return as_json({"message": "Successfully deleted"})

    def _removed(self, request: Request, bucket: str, keys: Any) -> Any:
        with self.as_role(self.caller(request)) as rows:
            gone = rows.execute(
                "delete from storage.objects where bucket_id = %s and name = any (%s) returning *", [bucket, keys]
            ).fetchall()
        for row in gone:
            (self.folder / row["version"]).unlink(missing_ok=True)
        return gone

    def _received(self, request: Request) -> Upload:
        upload = received(request)
        if not upload.mimetype:
            raise Outside("an upload without a content type")
        return upload

    def _is_public(self, bucket: str) -> bool:
        with self.as_server() as rows:
            found = rows.execute("select public from storage.buckets where id = %s", [bucket]).fetchone()
        return bool(found and found["public"])

    def _pair(self, request: Request) -> tuple[str, str, str]:
        given = json.loads(request.body)
        if extra := set(given) - {"bucketId", "sourceKey", "destinationKey"}:
            raise Outside(f"a move or copy with {', '.join(sorted(extra))}")
        if not KEY.fullmatch(given["destinationKey"]):
            raise Refused(400, "InvalidKey", f"Invalid key: {given['destinationKey']}")
        return given["bucketId"], given["sourceKey"], given["destinationKey"]


def _listed(row: Row) -> dict[str, Any]:
    return {
        "name": row["name"],
        "id": None if row["id"] is None else str(row["id"]),
        "updated_at": iso(row["updated_at"]),
        "created_at": iso(row["created_at"]),
        "last_accessed_at": iso(row["last_accessed_at"]),
        "metadata": row["metadata"],
    }


def _whole(row: Row) -> dict[str, Any]:
    """A row of storage.objects as the server's JSON has it, where a missing text is ""."""
    return {
        **_listed(row),
        "bucket_id": row["bucket_id"],
        "owner": str(row["owner"] or ""),
        "owner_id": row["owner_id"] or "",
        "version": row["version"],
        "user_metadata": row["user_metadata"] or {},
    }
