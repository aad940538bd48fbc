"""What Storage's routes share: who calls, rows of buckets and objects under row level security, and the files themselves."""

import hashlib
import re
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, cast
from uuid import UUID, uuid4

import psycopg
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from tests.supabase_server.access import SERVICE, BadToken, Caller, Keys
from tests.supabase_server.database import Pool
from tests.supabase_server.storage.errors import (
    Refused,
    denied,
    from_postgres,
    invalid,
    no_bucket,
    no_object,
    too_large,
)
from tests.supabase_server.wire import Request

KEY = re.compile(r"[A-Za-z0-9/!\-_.*'()&$@=;:+,? ]+")
Row = dict[str, Any]
How = Literal["insert", "upsert", "replace"]
"""What a write is: of a new object, of a new or an old one, of an old one."""

CHANGES = (
    "version = %(version)s, metadata = %(metadata)s, user_metadata = %(told)s,"
    " owner = %(owner)s, owner_id = %(owner_id)s, updated_at = now()"
)
INSERT = (
    "insert into storage.objects (bucket_id, name, version, metadata, user_metadata, owner, owner_id)"
    " values (%(bucket)s, %(key)s, %(version)s, %(metadata)s, %(told)s, %(owner)s, %(owner_id)s)"
)
WRITES: dict[How, str] = {
    "insert": INSERT,
    "upsert": f"{INSERT} on conflict (bucket_id, name) do update set {CHANGES}",
    "replace": f"update storage.objects set {CHANGES} where bucket_id = %(bucket)s and name = %(key)s",
}
FOR_UPDATE = "select version from storage.objects where bucket_id = %s and name = %s for update"


@dataclass(frozen=True)
class Upload:
    """A file on its way in: its bytes and what is said of it."""

    data: bytes
    mimetype: str
    cache_control: str
    user_metadata: Mapping[str, Any] | None = None


class Base:
    """One half of Storage.

    Args:
        pool: connections as `supabase_storage_admin`.
        keys: of the project.
        folder: where the bytes lie, each version in a file of its own.
        size_limit: bytes of one object that the project allows; a bucket may allow less.
    """

    def __init__(self, pool: Pool, keys: Keys, folder: Path, size_limit: int) -> None:
        self.pool, self.keys, self.folder, self.size_limit = pool, keys, folder, size_limit

    # --- Who ------------------------------------------------------------------------------------------------------

    def caller(self, request: Request) -> Caller:
        """Who calls. Raises Refused where nobody says who it is, or a token proves nothing."""
        try:
            caller = self.keys.caller(request.headers)
        except BadToken as exc:
            raise denied(str(exc)) from exc
        if caller is None:
            raise invalid("headers must have required property 'authorization'")
        return caller

    def stranger(self, request: Request) -> Caller | None:
        """Who calls a route that also takes no token, or a bad one: None is somebody unknown."""
        try:
            return self.keys.caller(request.headers)
        except BadToken:
            return None

    @contextmanager
    def as_role(self, caller: Caller, *, keep: bool = True) -> Iterator[psycopg.Cursor[Row]]:
        """A transaction as the caller, under row level security. Raises Refused on an error of the database."""
        settings = {"storage.allow_delete_query": "true", "search_path": "storage, public, extensions"}
        try:
            with (
                self.pool.transaction(caller, settings, keep=keep) as cursor,
                cursor.connection.cursor(row_factory=dict_row) as rows,
            ):
                yield rows
        except psycopg.Error as exc:
            raise from_postgres(exc) from exc

    def as_server(self) -> AbstractContextManager[psycopg.Cursor[Row]]:
        """A transaction in the server's own name; no row is hidden from it."""
        return self.as_role(SERVICE)

    # --- Rows -----------------------------------------------------------------------------------------------------

    def bucket(self, name: str) -> Row:
        """A bucket, whoever asks. Raises Refused where there is none."""
        with self.as_server() as rows:
            found: Row | None = rows.execute("select * from storage.buckets where id = %s", [name]).fetchone()
        if found is None:
            raise no_bucket()
        return found

    def object(self, caller: Caller, bucket: str, key: str) -> Row:
        """An object that the caller may see. Raises Refused where there is none, or it is hidden."""
        with self.as_role(caller) as rows:
            found = rows.execute(
                "select * from storage.objects where bucket_id = %s and name = %s", [bucket, key]
            ).fetchone()
        if found is None:
            raise no_object()
        return found

    # --- Writing an object ----------------------------------------------------------------------------------------

    def admit(self, caller: Caller, bucket: str, key: str, mimetype: str, how: How) -> int:
        """Ask whether the caller may write this object; how many bytes it may have. Raises Refused.

        As the real server does, the write is tried under the caller's role and taken back.
        """
        if not KEY.fullmatch(key):
            raise Refused(400, "InvalidKey", f"Invalid key: {key}")
        row = self.bucket(bucket)
        allowed = row["allowed_mime_types"]
        if allowed and not any(_fits(mimetype, pattern) for pattern in allowed):
            raise Refused(415, "InvalidMimeType", f"mime type {mimetype} is not supported", "invalid_mime_type")
        with self.as_role(caller, keep=False) as rows:
            # a plain insert gives nothing back, so that it needs no policy for reading
            back = "" if how == "insert" else " returning id"
            rows.execute((WRITES[how] + back).encode(), _values(caller, bucket, key, str(uuid4()), {}, None))
            if how == "replace" and rows.rowcount == 0:
                raise no_object()
        return min(row["file_size_limit"] or self.size_limit, self.size_limit)

    def store(self, caller: Caller, bucket: str, key: str, upload: Upload, how: How) -> Row:
        """Write an object that the caller may write; its row. Raises Refused."""
        if len(upload.data) > self.admit(caller, bucket, key, upload.mimetype, how):
            raise too_large()
        version = str(uuid4())
        (self.folder / version).write_bytes(upload.data)
        metadata = described(upload.data, upload.mimetype, upload.cache_control)
        values = _values(caller, bucket, key, version, metadata, upload.user_metadata)
        try:
            with self.as_server() as rows:
                old = rows.execute(FOR_UPDATE, [bucket, key]).fetchone()
                row = rows.execute((WRITES[how] + " returning *").encode(), values).fetchone()
        except Refused:
            (self.folder / version).unlink()
            raise
        if old:
            (self.folder / old["version"]).unlink(missing_ok=True)
        return cast(Row, row)


def _values(
    caller: Caller, bucket: str, key: str, version: str, metadata: Row, told: Mapping[str, Any] | None
) -> dict[str, Any]:
    return {
        "bucket": bucket,
        "key": key,
        "version": version,
        "metadata": Jsonb(metadata),
        "told": None if told is None else Jsonb(dict(told)),
        "owner": _uuid(caller.sub),
        "owner_id": caller.sub,
    }


def wanted(request: Request) -> How:
    """What a header says that an upload may do."""
    return "upsert" if request.headers.get("x-upsert") == "true" else "insert"


def described(data: bytes, mimetype: str, cache_control: str) -> Row:
    """What Storage keeps of a file in `metadata`."""
    return {
        "eTag": f'"{hashlib.md5(data, usedforsecurity=False).hexdigest()}"',
        "size": len(data),
        "mimetype": mimetype,
        "cacheControl": cache_control,
        "lastModified": iso(datetime.now(UTC)),
        "contentLength": len(data),
        "httpStatusCode": 200,
    }


def iso(at: datetime | None) -> str | None:
    """A time as the server's JSON has it: UTC, in milliseconds, with a Z."""
    return None if at is None else at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _fits(mimetype: str, pattern: str) -> bool:
    kind, _, sub = pattern.partition("/")
    return pattern in ("*/*", mimetype) or (sub == "*" and mimetype.startswith(f"{kind}/"))


def _uuid(text: str | None) -> str | None:
    try:
        return str(UUID(text or ""))
    except ValueError:
        return None
