"""Files on the test server, beyond what the transcript shows: limits, who may do what, ranges, lists, versions."""

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from storage3.exceptions import StorageApiError

from tests.supabase_server import Postgres, SupabaseServer
from tests.supabase_server.asking import bare, raw
from tests.supabase_server.fixtures import Connect, Project

PNG = {"content-type": "image/png"}
OF_TEAM = """
create policy team_files on storage.objects for all to authenticated
  using (bucket_id = 'media' and (storage.foldername(name))[1] = (select auth.jwt() -> 'app_metadata' ->> 'team'))
  with check (bucket_id = 'media' and (storage.foldername(name))[1] = (select auth.jwt() -> 'app_metadata' ->> 'team'));
"""

ATTACKS: tuple[Callable[[Any], Any], ...] = (
    lambda files: files.download("a/1.png"),
    lambda files: files.info("a/1.png"),
    lambda files: files.create_signed_url("a/1.png", 60),
    lambda files: files.upload("a/2.png", b"theirs", PNG),
    lambda files: files.upload("a/1.png", b"theirs", {**PNG, "upsert": "true"}),
    lambda files: files.update("a/1.png", b"theirs", PNG),
    lambda files: files.create_signed_upload_url("a/3.png"),
    lambda files: files.move("a/1.png", "b/1.png"),
    lambda files: files.copy("a/1.png", "b/1.png"),
)


# --- Limits -------------------------------------------------------------------------------------------------------


def test_a_bucket_keeps_to_its_limits(media: Project, connect: Connect) -> None:
    files = connect(media).storage.from_("media")
    for name, data, kind, status, code in (
        ("a.png", b"0" * 20_000_001, "image/png", "413", "Payload too large"),
        ("a.txt", b"0", "text/plain", "415", "invalid_mime_type"),
        ("a.webm", b"0", "video/webm", "415", "invalid_mime_type"),
        ("ü.png", b"0", "image/png", "400", "InvalidKey"),
    ):
        with pytest.raises(StorageApiError) as refused:
            files.upload(name, data, {"content-type": kind})
        assert (str(refused.value.status), refused.value.code) == (status, code)
    files.upload("whole.mp4", b"0" * 20_000_000, {"content-type": "video/mp4"})
    assert [entry["name"] for entry in files.list()] == ["whole.mp4"]
    connect(media).storage.update_bucket("media", {"public": False, "file_size_limit": 3})
    with pytest.raises(StorageApiError) as small:
        files.upload("four.png", b"0000", PNG)
    assert str(small.value.status) == "413"


def test_no_bucket_allows_more_than_the_project(postgres: Postgres, connect: Connect) -> None:
    with SupabaseServer(postgres, size_limit=1_000_000) as server:
        storage = connect(server).storage
        for limit in (1_000_001, "2MB"):
            with pytest.raises(StorageApiError) as refused:
                storage.create_bucket("media", options={"file_size_limit": limit})
            assert str(refused.value.status) == "413"
        storage.create_bucket("media", options={"file_size_limit": "1MB"})
        assert storage.get_bucket("media").file_size_limit == 1_000_000


# --- Who may ------------------------------------------------------------------------------------------------------


def test_nobody_reaches_the_files_of_another_team(media: Project, connect: Connect) -> None:
    media.sql("drop policy if exists team_files on storage.objects;" + OF_TEAM)
    me = str(uuid4())
    mine = connect(media, media.anon_key, media.token(me, app_metadata={"team": "a"})).storage.from_("media")
    other = connect(media, media.anon_key, media.token(str(uuid4()), app_metadata={"team": "b"})).storage.from_("media")
    stranger = connect(media, media.anon_key).storage.from_("media")
    mine.upload("a/1.png", b"mine", PNG)
    assert mine.download("a/1.png") == b"mine"
    for line in (other, stranger):
        for attack in ATTACKS:
            with pytest.raises(StorageApiError) as refused:
                attack(line)
            assert str(refused.value.status) in ("403", "404")
        assert line.list("a") == line.list("") == []
        assert line.remove(["a/1.png"]) == []
        assert [told["signedURL"] for told in line.create_signed_urls(["a/1.png"], 60)] == [None]
    assert mine.download("a/1.png") == b"mine"
    if not media.live:
        assert media.sql("select name, owner_id from storage.objects") == [("a/1.png", me)]


def test_who_is_turned_away(media: Project) -> None:
    answers = {
        "": bare("GET", f"{media.url}/storage/v1/object/media/a.png"),
        "bad": raw(media, "GET", "/storage/v1/object/media/a.png", headers={"Authorization": "Bearer a.b.c"}),
        "info": raw(media, "GET", "/storage/v1/object/info/media/a.png", headers={"Authorization": "Bearer a.b.c"}),
    }
    told = {name: (answer.status_code, answer.json()["statusCode"]) for name, answer in answers.items()}
    assert told == {"": (400, "404"), "bad": (400, "404"), "info": (400, "403")}


# --- Reading and signed URLs --------------------------------------------------------------------------------------


def test_ranges_of_a_signed_url(media: Project, connect: Connect) -> None:
    files = connect(media).storage.from_("media")
    data = bytes(range(200))
    files.upload("a/b c+d.mp4", data, {"content-type": "video/mp4"})
    urls = [files.create_signed_url("a/b c+d.mp4", 60)["signedURL"]]
    urls += [told["signedURL"] for told in files.create_signed_urls(["a/b c+d.mp4"], 60)]
    for url in urls:
        assert url is not None
        for asked, part in (("0-9", data[:10]), ("190-", data[190:]), ("150-999", data[150:]), ("-7", data[-7:])):
            answer = bare("GET", url, headers={"Range": f"bytes={asked}"})
            assert (answer.status_code, answer.content) == (206, part)
            assert answer.headers["content-range"].endswith("/200")
        whole = bare("GET", url)
        assert (whole.content, whole.headers["accept-ranges"], whole.headers["content-type"]) == (
            data,
            "bytes",
            "video/mp4",
        )
        head = bare("HEAD", url)
        assert (head.headers["content-length"], head.content) == ("200", b"")
        assert bare("GET", url, headers={"Range": "bytes=200-"}).status_code == 416
        assert bare("GET", url.replace("b%20c", "x")).status_code == 400
    assert bare("GET", urls[0].split("?")[0]).status_code == 400


def test_a_signed_url_ends_and_cannot_be_made_for_longer(local_supabase: SupabaseServer, connect: Connect) -> None:
    storage = connect(local_supabase).storage
    storage.create_bucket("media")
    storage.from_("media").upload("a.png", b"a", PNG)
    base = f"{local_supabase.url}/storage/v1/object/sign/media/a.png"
    over = local_supabase._keys.sign({"url": "media/a.png"}, -1)
    foreign = SupabaseServer()._keys.sign({"url": "media/a.png"}, 60)
    for token, code in (
        (over, "InvalidJWT"),
        (foreign, "InvalidJWT"),
        (local_supabase.service_key, "InvalidSignature"),
    ):
        answer = bare("GET", base, params={"token": token})
        assert (answer.status_code, answer.json()["code"]) == (400, code)
    for seconds in ("0", "-5", "soon"):
        answer = raw(local_supabase, "POST", "/storage/v1/object/sign/media/a.png", json={"expiresIn": seconds})
        assert answer.status_code == 400


def test_lists_page_and_search(media: Project, connect: Connect) -> None:
    files = connect(media).storage.from_("media")
    for name in ("t/b/1.png", "t/a/1.png", "t/c.png", "t/a.png", "t/ab.png", "other.png"):
        files.upload(name, b"x", PNG)
    assert [entry["name"] for entry in files.list("t")] == ["a", "b", "a.png", "ab.png", "c.png"]
    assert [entry["id"] is None for entry in files.list("t")] == [True, True, False, False, False]
    pages = [files.list("t", {"limit": 2, "offset": at}) for at in (0, 2, 4, 6)]
    assert [[entry["name"] for entry in page] for page in pages] == [["a", "b"], ["a.png", "ab.png"], ["c.png"], []]
    found = files.list("t", {"search": "a.", "sortBy": {"column": "name", "order": "desc"}})
    assert [entry["name"] for entry in found] == ["a.png"]
    assert [entry["name"] for entry in files.list()] == ["t", "other.png"]


def test_a_new_version_takes_the_place_of_the_old(local_supabase: SupabaseServer, connect: Connect) -> None:
    storage = connect(local_supabase).storage
    storage.create_bucket("media")
    files = storage.from_("media")
    files.upload("a.png", b"one", {**PNG, "metadata": {"n": 1}})
    tag = raw(local_supabase, "GET", "/storage/v1/object/media/a.png").headers["etag"]
    assert (
        raw(local_supabase, "GET", "/storage/v1/object/media/a.png", headers={"If-None-Match": tag}).status_code == 304
    )
    files.update("a.png", b"three", PNG)
    assert files.download("a.png") == b"three"
    assert (
        raw(local_supabase, "GET", "/storage/v1/object/media/a.png", headers={"If-None-Match": tag}).status_code == 200
    )
    assert files.info("a.png")["metadata"] == {}
    with pytest.raises(StorageApiError) as none:
        files.update("b.png", b"x", PNG)
    assert str(none.value.status) == "404"
    files.upload("b.png", b"b", PNG)
    with pytest.raises(StorageApiError) as taken:
        files.move("a.png", "b.png")
    assert str(taken.value.status) == "409"
    assert files.download("b.png") == b"b"
    files.copy("a.png", "c.png")
    files.remove(["a.png"])
    assert files.download("c.png") == b"three", "a copy has bytes of its own"
    kept = list(local_supabase._storage._resumable.folder.iterdir())
    assert sorted(path.read_bytes() for path in kept) == [b"b", b"three"], "no bytes without a row"


def test_a_public_bucket(media: Project, connect: Connect) -> None:
    storage = connect(media).storage
    storage.create_bucket("pub", options={"public": True})
    storage.from_("pub").upload("a.png", b"seen", PNG)
    storage.from_("media").upload("a.png", b"hidden", PNG)
    assert bare("GET", storage.from_("pub").get_public_url("a.png")).content == b"seen"
    assert b"hidden" not in bare("GET", storage.from_("media").get_public_url("a.png")).content


def test_at_most_a_thousand_keys_at_once(local_supabase: SupabaseServer, connect: Connect) -> None:
    storage = connect(local_supabase).storage
    storage.create_bucket("media")
    files = storage.from_("media")
    files.upload("0.png", b"x", PNG)
    keys = [f"{number}.png" for number in range(1001)]
    for call in (files.remove, lambda many: files.create_signed_urls(many, 60)):
        with pytest.raises(StorageApiError) as refused:
            call(keys)
        assert str(refused.value.status) == "400"
    assert files.download("0.png") == b"x"
    assert [row["name"] for row in files.remove(keys[:1000])] == ["0.png"]
