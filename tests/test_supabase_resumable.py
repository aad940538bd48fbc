"""Resumable uploads on the test server: in pieces, after a break, and within the limits."""

import base64
from collections.abc import Mapping
from typing import Any

import httpx
import pytest

from tests.supabase_server import Fault, Postgres, SupabaseServer
from tests.supabase_server.asking import raw
from tests.supabase_server.fixtures import Connect, Project
from tests.supabase_server.storage.resumable import PIECE

DATA = bytes(range(256)) * (2 * PIECE // 256) + b"the last piece"


def create(
    project: Project, key: str, size: int = len(DATA), kind: str = "video/mp4", more: Mapping[str, str] | None = None
) -> httpx.Response:
    said = {"bucketName": "media", "objectName": key, "contentType": kind, "cacheControl": "60"}
    told = ",".join(f"{name} {base64.b64encode(value.encode()).decode()}" for name, value in said.items())
    given = {"Tus-Resumable": "1.0.0", "Upload-Length": str(size), "Upload-Metadata": told, **(more or {})}
    return raw(project, "POST", "/storage/v1/upload/resumable", headers=given)


def patch(
    project: Project, address: str, at: int, data: bytes, more: Mapping[str, str] | None = None
) -> httpx.Response:
    given = {"Tus-Resumable": "1.0.0", "Upload-Offset": str(at), "Content-Type": "application/offset+octet-stream"}
    return raw(project, "PATCH", address.removeprefix(project.url), content=data, headers={**given, **(more or {})})


def offset(project: Project, address: str) -> tuple[int, int]:
    answer = raw(project, "HEAD", address.removeprefix(project.url), headers={"Tus-Resumable": "1.0.0"})
    assert answer.status_code == 200
    return int(answer.headers["upload-offset"]), int(answer.headers["upload-length"])


def test_a_file_in_pieces(media: Project, connect: Connect) -> None:
    files = connect(media).storage.from_("media")
    made = create(media, "t/long.mp4")
    assert (made.status_code, made.headers["tus-resumable"]) == (201, "1.0.0")
    address = made.headers["location"]
    assert address.startswith(f"{media.url}/storage/v1/upload/resumable/")
    assert offset(media, address) == (0, len(DATA))
    for at in range(0, len(DATA), PIECE):
        assert files.list("t") == [], "nothing is there before the last piece"
        answer = patch(media, address, at, DATA[at : at + PIECE])
        assert (answer.status_code, answer.headers["upload-offset"]) == (204, str(min(at + PIECE, len(DATA))))
    assert files.download("t/long.mp4") == DATA
    assert files.info("t/long.mp4")["content_type"] == "video/mp4"
    assert offset(media, address) == (len(DATA), len(DATA))


def test_an_upload_that_broke_goes_on_where_the_server_says(local_supabase: SupabaseServer, connect: Connect) -> None:
    storage = connect(local_supabase).storage
    storage.create_bucket("media")
    address = create(local_supabase, "long.mp4").headers["location"]
    local_supabase.fault("resumable patch", Fault(keep=1000))
    with pytest.raises(httpx.RemoteProtocolError):
        patch(local_supabase, address, 0, DATA[:PIECE])
    for wrong in (0, PIECE):
        assert patch(local_supabase, address, wrong, DATA[wrong : wrong + PIECE]).status_code == 409
    assert offset(local_supabase, address) == (1000, len(DATA))
    at = 1000
    local_supabase.fault("resumable patch", Fault(cut="after"))  # written, and the answer lost
    with pytest.raises(httpx.RemoteProtocolError):
        patch(local_supabase, address, at, DATA[at : at + PIECE])
    while (at := offset(local_supabase, address)[0]) < len(DATA):
        assert patch(local_supabase, address, at, DATA[at : at + PIECE]).status_code == 204
    assert storage.from_("media").download("long.mp4") == DATA
    assert len(local_supabase.calls("resumable patch")) == 5


def test_a_resumable_upload_keeps_to_the_limits(media: Project, connect: Connect) -> None:
    files = connect(media).storage.from_("media")
    files.upload("old.mp4", b"old", {"content-type": "video/mp4"})
    anon = {"apikey": media.anon_key, "Authorization": f"Bearer {media.anon_key}"}
    for answer, status in (
        (create(media, "a.mp4", size=20_000_001), 413),
        (create(media, "a.txt", kind="text/plain"), 415),
        (create(media, "old.mp4"), 409),
        (create(media, "ü.mp4"), 400),
        (create(media, "a.mp4", more=anon), 403),
        (create(media, "a.mp4", more={"Tus-Resumable": "0.2.2"}), 412),
        (patch(media, f"{media.url}/storage/v1/upload/resumable/bm9uZQ", 0, b"x"), 404),
    ):
        assert answer.status_code == status, answer.text
    address = create(media, "a.mp4", size=10).headers["location"]
    assert patch(media, address, 0, b"0" * 11).status_code == 413
    assert patch(media, address, 0, b"0" * 10, {"Content-Type": "video/mp4"}).status_code == 415
    assert patch(media, address, 0, b"0" * 10, anon).status_code == 403
    assert [entry["name"] for entry in files.list()] == ["old.mp4"]


def test_an_upload_over_an_old_file_says_so_every_time(media: Project, connect: Connect) -> None:
    files, over = connect(media).storage.from_("media"), {"x-upsert": "true"}
    files.upload("old.mp4", b"old", {"content-type": "video/mp4"})
    address = create(media, "old.mp4", size=3, more=over).headers["location"]
    assert patch(media, address, 0, b"new").status_code == 409
    assert files.download("old.mp4") == b"old"
    assert patch(media, address, 0, b"new", over).status_code == 204
    assert files.download("old.mp4") == b"new"


def test_pieces_of_another_size_are_outside(postgres: Postgres, connect: Connect) -> None:
    with SupabaseServer(postgres) as server:
        connect(server).storage.create_bucket("media")
        address = create(server, "long.mp4").headers["location"]
        assert patch(server, address, 0, DATA[: PIECE - 1]).status_code == 501
        assert offset(server, address) == (0, len(DATA))


def test_an_upload_that_is_given_back(media: Project, connect: Connect) -> None:
    address = create(media, "a.mp4").headers["location"]
    tus: Mapping[str, Any] = {"headers": {"Tus-Resumable": "1.0.0"}}
    assert raw(media, "DELETE", address.removeprefix(media.url), **tus).status_code == 204
    assert raw(media, "HEAD", address.removeprefix(media.url), **tus).status_code == 404
    assert connect(media).storage.from_("media").list() == []
