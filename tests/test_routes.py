"""The addresses of a job's files: for its owner only, in parts, and kept by the browser."""

from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette

from core.jobs.job import Job, State
from core.web.identity import COOKIE, Identity
from core.web.routes import THUMBNAIL_PX, routes
from tests.engine import Engine, jpeg, open_engine, own_log, point_at
from tests.fal_server import FalServer
from tests.fal_server.clip import clip

OWNER = "anon-owner"


@pytest.fixture
def server() -> Iterator[FalServer]:
    with FalServer() as running:
        yield running


@pytest.fixture
async def engine(server: FalServer, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Engine]:
    point_at(server, monkeypatch)
    with own_log():
        made = open_engine()
        yield made
        await made.close()


@pytest.fixture
async def take(engine: Engine) -> Job:
    """A finished take of OWNER."""
    still = engine.studio.add_picture(jpeg((1600, 900)), "still.jpg").key
    return await engine.until(engine.ask(owner=OWNER, image=still), State.SUCCEEDED)


@pytest.fixture
async def client(engine: Engine) -> AsyncIterator[httpx.AsyncClient]:
    app = Starlette(routes=routes(lambda: engine.studio))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as made:
        yield made


def as_owner(engine: Engine, owner: str = OWNER, **headers: str) -> dict[str, Any]:
    return {"headers": {"cookie": f"{COOKIE}={engine.studio.identity.sign(owner)}", **headers}}


async def test_the_video_is_the_file(engine: Engine, take: Job, client: httpx.AsyncClient) -> None:
    answer = await client.get(f"/takes/{take.id}/video.mp4", **as_owner(engine))
    assert answer.status_code == 200
    assert answer.content == clip()
    assert answer.headers["content-type"] == "video/mp4"
    assert answer.headers["content-length"] == str(len(clip()))
    assert answer.headers["accept-ranges"] == "bytes"
    assert "private" in answer.headers["cache-control"], "a proxy could hand it to somebody else"
    assert "content-disposition" not in answer.headers


@pytest.mark.parametrize(
    ("wanted", "start", "end"), [("bytes=0-99", 0, 99), ("bytes=1000-", 1000, None), ("bytes=-50", -50, None)]
)
async def test_a_part_of_the_video(
    wanted: str, start: int, end: int | None, engine: Engine, take: Job, client: httpx.AsyncClient
) -> None:
    answer = await client.get(f"/takes/{take.id}/video.mp4", **as_owner(engine, range=wanted))
    assert answer.status_code == 206
    part = clip()[start : None if end is None else end + 1]
    assert answer.content == part, "more or other bytes than asked for"
    first = start % len(clip())
    assert answer.headers["content-range"] == f"bytes {first}-{first + len(part) - 1}/{len(clip())}"
    assert answer.headers["content-length"] == str(len(part))


async def test_a_part_beyond_the_end(engine: Engine, take: Job, client: httpx.AsyncClient) -> None:
    answer = await client.get(f"/takes/{take.id}/video.mp4", **as_owner(engine, range="bytes=99999999-"))
    assert answer.status_code == 416
    assert clip()[:64] not in answer.content


async def test_a_part_of_the_same_file_only(engine: Engine, take: Job, client: httpx.AsyncClient) -> None:
    address = f"/takes/{take.id}/video.mp4"
    etag = (await client.head(address, **as_owner(engine))).headers["etag"]
    same = await client.get(address, **as_owner(engine, range="bytes=0-9", **{"if-range": etag}))
    other = await client.get(address, **as_owner(engine, range="bytes=0-9", **{"if-range": '"another"'}))
    assert (same.status_code, len(same.content)) == (206, 10)
    assert (other.status_code, other.content) == (200, clip())


async def test_the_head_alone(engine: Engine, take: Job, client: httpx.AsyncClient) -> None:
    answer = await client.head(f"/takes/{take.id}/video.mp4", **as_owner(engine))
    assert answer.status_code == 200
    assert answer.headers["content-length"] == str(len(clip()))
    assert answer.content == b""


@pytest.mark.parametrize("part", ["video.mp4", "poster.jpg", "still.jpg"])
async def test_what_the_browser_has_is_not_sent_again(
    part: str, engine: Engine, take: Job, client: httpx.AsyncClient
) -> None:
    address = f"/takes/{take.id}/{part}"
    etag = (await client.get(address, **as_owner(engine))).headers["etag"]
    again = await client.get(address, **as_owner(engine, **{"if-none-match": etag}))
    assert again.status_code == 304
    assert again.content == b""
    stale = await client.get(address, **as_owner(engine, **{"if-none-match": '"another"'}))
    assert stale.status_code == 200


async def test_the_poster_and_the_still(engine: Engine, take: Job, client: httpx.AsyncClient) -> None:
    poster = await client.get(f"/takes/{take.id}/poster.jpg", **as_owner(engine))
    still = await client.get(f"/takes/{take.id}/still.jpg", **as_owner(engine))
    for answer in (poster, still):
        assert answer.status_code == 200
        assert answer.headers["content-type"] == "image/jpeg"
        assert answer.content[:2] == b"\xff\xd8"
    assert take.video is not None
    assert poster.content == engine.studio.media.read(take.video.poster)
    key = engine.studio.add_picture(still.content, "thumb.jpg")
    assert max(key.width, key.height) == THUMBNAIL_PX, "the whole still went into a card"


async def test_a_download_has_a_name(engine: Engine, take: Job, client: httpx.AsyncClient) -> None:
    answer = await client.get(f"/takes/{take.id}/video.mp4?download", **as_owner(engine))
    name = answer.headers["content-disposition"]
    assert name.startswith('attachment; filename="lucy14b-')
    assert name.endswith(f'-{take.id[:8]}.mp4"')
    assert take.prompt not in name
    assert answer.content.endswith(clip()[-1000:]), "the frames are others"  # the settings: tests/test_recipe.py


@pytest.mark.parametrize("part", ["video.mp4", "poster.jpg", "still.jpg"])
@pytest.mark.parametrize("who", ["nobody", "another", "forged", "nonsense"])
async def test_others_get_nothing(part: str, who: str, engine: Engine, take: Job, client: httpx.AsyncClient) -> None:
    cookies = {
        "nobody": "",
        "another": f"{COOKIE}={engine.studio.identity.sign('anon-another')}",
        "forged": f"{COOKIE}={Identity('another secret').sign(OWNER)}",
        "nonsense": f"{COOKIE}={OWNER}",
    }
    etag = (await client.get(f"/takes/{take.id}/{part}", **as_owner(engine))).headers["etag"]
    headers = {"cookie": cookies[who], "if-none-match": etag, "range": "bytes=0-9"}
    answer = await client.get(f"/takes/{take.id}/{part}", headers=headers)
    assert answer.status_code == 404
    assert answer.headers["content-type"].startswith("text/plain")
    assert answer.headers["cache-control"] == "no-store"
    assert "etag" not in answer.headers
    assert take.id not in answer.text


async def test_theirs_looks_like_none(engine: Engine, take: Job, client: httpx.AsyncClient) -> None:
    theirs = await client.get(f"/takes/{take.id}/video.mp4", **as_owner(engine, "anon-another"))
    none = await client.get("/takes/no-such-id/video.mp4", **as_owner(engine, "anon-another"))
    assert (theirs.status_code, theirs.text) == (none.status_code, none.text)


async def test_a_take_without_a_video_yet(engine: Engine, client: httpx.AsyncClient) -> None:
    job = engine.ask(owner=OWNER)
    assert (await client.get(f"/takes/{job.id}/still.jpg", **as_owner(engine))).status_code == 200
    for part in ("video.mp4", "poster.jpg"):
        assert (await client.get(f"/takes/{job.id}/{part}", **as_owner(engine))).status_code == 404


async def test_a_file_that_is_gone(engine: Engine, take: Job, client: httpx.AsyncClient) -> None:
    assert take.video is not None
    engine.studio.media.delete(take.video.key)
    engine.studio.media.delete(str(take.still))
    for part in ("video.mp4", "still.jpg"):
        answer = await client.get(f"/takes/{take.id}/{part}", **as_owner(engine))
        assert answer.status_code == 404
        assert str(engine.studio.settings.home) not in answer.text


@pytest.mark.parametrize("path", ["/takes/{id}/cookie.secret", "/takes/{id}/..%2f..%2ftakes.db", "/takes/../takes.db"])
async def test_no_other_file_is_there(path: str, engine: Engine, take: Job, client: httpx.AsyncClient) -> None:
    answer = await client.get(path.replace("{id}", take.id), **as_owner(engine))
    assert answer.status_code == 404
    assert b"SQLite" not in answer.content


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
async def test_files_are_only_read(method: str, engine: Engine, take: Job, client: httpx.AsyncClient) -> None:
    answer = await client.request(method, f"/takes/{take.id}/video.mp4", **as_owner(engine))
    assert answer.status_code == 405
    assert take.video is not None
    assert engine.studio.media.stat(take.video.key) is not None


async def test_a_sign_of_life(client: httpx.AsyncClient) -> None:
    answer = await client.get("/healthz")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})
    assert answer.headers["cache-control"] == "no-store"


async def test_a_store_that_does_not_answer(engine: Engine, client: httpx.AsyncClient) -> None:
    await engine.close()
    engine.studio._store.close()  # type: ignore[attr-defined]  # no open handle may write the good pages back
    home = engine.studio.settings.home
    (home / "takes.db").write_bytes(b"no database any more" * 500)
    for extra in ("takes.db-wal", "takes.db-shm"):
        (home / extra).unlink(missing_ok=True)
    answer = await client.get("/healthz")
    assert (answer.status_code, answer.json()) == (503, {"status": "failing"})
    assert str(home) not in answer.text
