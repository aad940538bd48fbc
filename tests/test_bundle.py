"""Takes taken along: the zip holds every file as it is stored, an export is what its search finds, and nobody gets another's."""

import csv
import io
import json
import stat
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote
from zipfile import ZIP_STORED, ZipFile

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.applications import Starlette

from core.jobs import asked, bundle, recipe
from core.jobs.history import Remarks, Search, Sort
from core.jobs.job import Job, State, Video, utc_now
from core.jobs.transfer import LEFT_OUT, fill, load
from core.media.local import LocalMediaStore
from core.media.tagged import BLOCK_BYTES
from core.stores.sqlite import SqliteJobStore
from core.web import bundles
from core.web.bundles import MOST_CHOSEN, address_of, address_of_search
from core.web.identity import COOKIE, Identity
from core.web.routes import routes
from tests.engine import Engine, open_engine, own_log, point_at
from tests.fal_server import FalServer
from tests.test_job import NOW, a_job

OWNER = "anon-owner"
OTHER = "anon-another"
PROMPT = "Only the owner may read this."


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
async def client(engine: Engine) -> AsyncIterator[httpx.AsyncClient]:
    app = Starlette(routes=routes(lambda: engine.studio))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as made:
        yield made


def as_owner(engine: Engine, owner: str = OWNER) -> dict[str, Any]:
    return {"headers": {"cookie": f"{COOKIE}={engine.studio.identity.sign(owner)}"}}


def a_take(engine: Engine, number: int = 0, owner: str = OWNER, **changes: Any) -> Job:
    """A finished take whose files are stored, and are nobody else's."""
    media = engine.studio.media
    video = Video(
        key=media.put(f"film {owner} {number}".encode() * 50_000, "mp4").key,
        poster=media.put(f"poster {owner} {number}".encode(), "jpg").key,
        width=1280,
        height=720,
        duration_s=5,
        fps=24,
        bytes=1,
        sha256="s",
    )
    still = media.put(f"still {owner} {number}".encode(), "jpg").key
    given: dict[str, Any] = {
        "id": f"{number:08x}-0000-4000-8000-{0 if owner == OWNER else 1:012x}",
        "owner": owner,
        "prompt": PROMPT,
        "inputs": {"image": still, "prompt": PROMPT},
        "still": still,
        "state": State.SUCCEEDED,
        "video": video,
        "created_at": NOW - timedelta(minutes=number),
        "submitted_at": NOW,
        "finished_at": NOW,
        **changes,
    }
    job = a_job(**given)
    fill(engine.rows, [(job, ())])
    return job


def unpacked(data: bytes) -> dict[str, bytes]:
    """What is in a zip, by path. It must be whole."""
    with ZipFile(io.BytesIO(data)) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist()}


def kept(engine: Engine, key: str | None) -> bytes:
    assert key
    return engine.studio.media.read(key)


# --- the zip ------------------------------------------------------------------------------------------------------


async def test_a_zip_holds_every_file_as_it_is_stored(
    engine: Engine, client: httpx.AsyncClient, tmp_path: Path
) -> None:
    real = await engine.until(engine.ask(owner=OWNER, image=engine.picture(seed=3)), State.SUCCEEDED)
    jobs = [real, a_take(engine, 1), a_take(engine, 2)]
    a_take(engine, 3)
    a_take(engine, 4, OTHER)
    answer = await client.get(address_of("zip", [job.id for job in jobs]), **as_owner(engine))
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/zip"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["content-disposition"].startswith('attachment; filename="takes-')
    files = unpacked(answer.content)
    wanted = {}
    for job in jobs:
        assert job.video is not None
        name = f"{job.model}-{job.created_at:%Y%m%d-%H%M%S}-{job.id[:8]}"
        alone = await client.get(f"/takes/{job.id}/video.mp4?download", **as_owner(engine))
        wanted[f"videos/{name}.mp4"] = alone.content
        wanted[f"posters/{name}.jpg"] = kept(engine, job.video.poster)
        wanted[f"stills/{job.still}"] = kept(engine, job.still)
    lines = files.pop("takes.jsonl")
    assert files == wanted, "a file is missing, changed, or nobody asked for it"
    tagged = next(data for path, data in files.items() if path.startswith("videos/") and real.id[:8] in path)
    assert recipe.read(io.BytesIO(tagged)).take == real.id
    assert tagged != kept(engine, real.video and real.video.key), "it has no settings in it"
    assert [json.loads(line)["job"]["id"] for line in lines.splitlines()] == [job.id for job in jobs]

    elsewhere = SqliteJobStore(tmp_path / "there" / "takes.db")
    media = LocalMediaStore(tmp_path / "there" / "media")
    came = load(elsewhere, elsewhere, media, io.BytesIO(lines), utc_now())
    assert (came.jobs, came.new, came.not_sent, came.followed) == (3, 3, 0, 0)
    for job in jobs:
        there = elsewhere.get(job.id)
        assert there is not None
        assert there.model_dump(exclude=set(LEFT_OUT)) == job.model_dump(exclude=set(LEFT_OUT))
        assert elsewhere.events([job.id]) == engine.rows.events([job.id])
    elsewhere.close()


async def test_unpacked_files_can_be_read_and_are_not_squeezed(engine: Engine, client: httpx.AsyncClient) -> None:
    job = a_take(engine)
    answer = await client.get(address_of("zip", [job.id]), **as_owner(engine))
    with ZipFile(io.BytesIO(answer.content)) as archive:
        for entry in archive.infolist():
            assert stat.S_IMODE(entry.external_attr >> 16) == 0o644
        video = next(entry for entry in archive.infolist() if entry.filename.startswith("videos/"))
        assert video.compress_type == ZIP_STORED, "minutes of work for nothing"
        assert video.date_time == NOW.timetuple()[:6]


async def test_a_still_of_several_takes_is_in_it_once(engine: Engine, client: httpx.AsyncClient) -> None:
    first = a_take(engine, 1)
    second = a_take(engine, 2, still=first.still, inputs={"image": first.still})
    files = unpacked((await client.get(address_of("zip", [first.id, second.id]), **as_owner(engine))).content)
    assert [name for name in files if name.startswith("stills/")] == [f"stills/{first.still}"]
    assert len([name for name in files if name.startswith("videos/")]) == 2


async def test_what_is_missing_is_told_and_the_rest_is_whole(engine: Engine, client: httpx.AsyncClient) -> None:
    good, bare, broken = a_take(engine, 1), a_take(engine, 2), a_take(engine, 3)
    failed = a_take(engine, 4, state=State.FAILED, video=None)
    assert bare.video
    assert broken.video
    engine.studio.media.delete(bare.video.key)
    engine.studio.media.delete(str(bare.still))
    with engine.studio.media.local(broken.video.key) as path:
        path.unlink()
        path.mkdir()  # there, and cannot be read
    ids = [job.id for job in (good, bare, broken, failed)]
    answer = await client.get(address_of("zip", ids), **as_owner(engine))
    assert answer.status_code == 200
    files = unpacked(answer.content)
    told = files["missing.txt"].decode()
    assert f"{bundle.name_of(bare)}: its video is no longer stored here." in told
    assert f"{bundle.name_of(bare)}: its still is no longer stored here." in told
    assert f"{bundle.name_of(broken)}: its video is no longer stored here." in told
    assert f"{bundle.name_of(failed)}: it has no video; it is failed." in told
    assert bundle.name_of(good) not in told
    assert str(engine.studio.settings.home) not in told, "a path of the server is told"
    assert files[f"videos/{bundle.name_of(good)}.mp4"] == kept(engine, good.video and good.video.key)
    assert files[f"posters/{bundle.name_of(bare)}.jpg"] == kept(engine, bare.video.poster)
    assert len(files["takes.jsonl"].splitlines()) == 4


async def test_a_whole_zip_says_nothing_of_missing_files(engine: Engine, client: httpx.AsyncClient) -> None:
    answer = await client.get(address_of("zip", [a_take(engine).id]), **as_owner(engine))
    assert "missing.txt" not in unpacked(answer.content)


def test_it_is_written_while_it_is_read(engine: Engine) -> None:
    """The second video goes after the first block has left: nothing had been read ahead, or kept."""
    jobs = [a_take(engine, number) for number in range(3)]
    blocks = engine.studio.as_zip(OWNER, [job.id for job in jobs])
    came = [next(blocks)]
    assert jobs[1].video
    engine.studio.media.delete(jobs[1].video.key)
    came += blocks
    assert max(map(len, came)) < 2 * BLOCK_BYTES
    assert len(came) > 6
    files = unpacked(b"".join(came))
    assert f"{bundle.name_of(jobs[1])}: its video is no longer stored here." in files["missing.txt"].decode()
    assert len([name for name in files if name.startswith("videos/")]) == 2


def test_a_take_that_is_deleted_meanwhile_breaks_nothing(engine: Engine) -> None:
    jobs = [a_take(engine, number) for number in range(3)]
    blocks = engine.studio.as_zip(OWNER, [job.id for job in jobs])
    first = next(blocks)
    engine.rows.forget([job.id for job in jobs])
    files = unpacked(first + b"".join(blocks))
    assert list(files) == ["takes.jsonl"]


def test_who_hangs_up_leaves_no_file_open(engine: Engine) -> None:
    job = a_take(engine)
    blocks = engine.studio.as_zip(OWNER, [job.id])
    for _ in range(3):
        next(blocks)
    blocks.close()  # as the server does; a file left open would be a warning, and so an error
    with pytest.raises(StopIteration):
        next(blocks)


async def test_names_are_unique_and_stay_inside(engine: Engine, client: httpx.AsyncClient) -> None:
    models = ["../../evil", "/etc/passwd", "C:\\evil", "a\r\nb\"c", "..", ".hidden", "x" * 300, "", "Ärger", "lucy14b", "lucy14b", "LUCY14B"]  # fmt: skip
    jobs = [
        a_take(engine, number, id=f"imported-{number}", model=model, created_at=NOW)
        for number, model in enumerate(models)
    ]
    answer = await client.get(address_of("zip", [job.id for job in jobs]), **as_owner(engine))
    names = [name for name in unpacked(answer.content) if name.startswith("videos/")]
    assert len({name.lower() for name in names}) == len(models), "one would be written over another"
    for name in names:
        folder, _, file = name.partition("/")
        assert folder == "videos"
        assert not set(file) - set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_."), name
        assert file.count(".") == 1
        assert len(file) < 100


async def test_a_file_name_that_is_no_key_reaches_no_file(engine: Engine, client: httpx.AsyncClient) -> None:
    outside = "../takes.db"
    video = Video(key=outside, poster="../cookie.secret", width=1, height=1, duration_s=1, fps=1, bytes=1, sha256="s")
    job = a_take(engine, video=video, still="/etc/hostname")
    files = unpacked((await client.get(address_of("zip", [job.id]), **as_owner(engine))).content)
    assert sorted(files) == ["missing.txt", "takes.jsonl"]
    assert b"SQLite" not in files["missing.txt"]


async def test_a_time_that_no_zip_can_tell(engine: Engine, client: httpx.AsyncClient) -> None:
    jobs = [a_take(engine, number, created_at=NOW.replace(year=year)) for number, year in enumerate((1971, 2200))]
    files = unpacked((await client.get(address_of("zip", [job.id for job in jobs]), **as_owner(engine))).content)
    assert len(files) == 7


# --- whose, and which ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["zip", "csv", "jsonl"])
@pytest.mark.parametrize("who", ["nobody", "another", "forged", "nonsense"])
async def test_others_get_nothing(kind: str, who: str, engine: Engine, client: httpx.AsyncClient) -> None:
    job = a_take(engine)
    cookies = {
        "nobody": "",
        "another": f"{COOKIE}={engine.studio.identity.sign(OTHER)}",
        "forged": f"{COOKIE}={Identity('another secret').sign(OWNER)}",
        "nonsense": f"{COOKIE}={OWNER}",
    }
    answer = await client.get(address_of(kind, [job.id]), headers={"cookie": cookies[who]})
    assert answer.status_code == 404
    assert answer.headers["content-type"].startswith("text/plain")
    assert "content-disposition" not in answer.headers
    assert job.id not in answer.text
    if who != "another":
        assert (await client.get(f"/takes.{kind}", headers={"cookie": cookies[who]})).status_code == 404


@pytest.mark.parametrize("kind", ["zip", "csv", "jsonl"])
async def test_one_of_anothers_among_ones_own_is_none_at_all(
    kind: str, engine: Engine, client: httpx.AsyncClient
) -> None:
    mine, theirs = a_take(engine, 1), a_take(engine, 1, OTHER)
    answer = await client.get(address_of(kind, [mine.id, theirs.id]), **as_owner(engine))
    gone = await client.get(address_of(kind, [mine.id, "00000000-0000-4000-8000-00000000dead"]), **as_owner(engine))
    assert (answer.status_code, answer.text) == (gone.status_code, gone.text), "theirs can be told from none"
    assert answer.status_code == 404
    assert PROMPT not in answer.text
    assert (await client.get(address_of(kind, [mine.id]), **as_owner(engine))).status_code == 200


@pytest.mark.parametrize("kind", ["zip", "csv", "jsonl"])
async def test_a_search_finds_ones_own(kind: str, engine: Engine, client: httpx.AsyncClient) -> None:
    mine, theirs = a_take(engine, 1), a_take(engine, 1, OTHER)
    for query in ("", f"owner={OTHER}", "q=owner", "ids2=x"):
        answer = await client.get(f"/takes.{kind}?{query}", **as_owner(engine))
        text = unpacked(answer.content)["takes.jsonl"].decode() if kind == "zip" else answer.text
        assert mine.id in text
        assert theirs.id not in text
        assert OTHER not in text


@pytest.mark.parametrize(
    "ids",
    [
        "", ".", "..", "../takes.db", "..%2f..%2ftakes.db", "~", "~../x", "~a/b", "x", "~" + "a" * 65, "%00", "A" * 22,
        "~%0d%0aset-cookie:x", "' or 1=1 --", "*", "_" * 22, "-" * 22,
    ],
)  # fmt: skip
async def test_what_is_no_id_finds_nothing(ids: str, engine: Engine, client: httpx.AsyncClient) -> None:
    a_take(engine)
    for kind in ("zip", "csv", "jsonl"):
        answer = await client.get(f"/takes.{kind}?ids={ids}", **as_owner(engine))
        assert answer.status_code == 404
        assert PROMPT not in answer.text
        assert "set-cookie" not in answer.headers


async def test_more_than_fit_are_refused_before_anything_is_sent(engine: Engine, client: httpx.AsyncClient) -> None:
    names = [f"{number:08x}-0000-4000-8000-000000000000" for number in range(MOST_CHOSEN + 1)]
    assert len(address_of("zip", names[:-1])) < 8000, "a proxy would refuse it"
    fill(engine.rows, [(a_job(id=name, owner=OWNER, created_at=NOW), ()) for name in names])
    answer = await client.get(address_of("csv", names), **as_owner(engine))
    assert answer.status_code == 400
    assert "At most 300" in answer.text
    fits = await client.get(address_of("csv", [*names[:-1], names[0]]), **as_owner(engine))
    assert fits.status_code == 200
    assert len(fits.text.splitlines()) == MOST_CHOSEN + 1


async def test_a_search_that_finds_too_many_for_a_zip(engine: Engine, client: httpx.AsyncClient) -> None:
    jobs = [
        a_job(owner=OWNER, prompt="few" if number else "one more", created_at=NOW - timedelta(seconds=number))
        for number in range(bundle.MOST + 1)
    ]
    fill(engine.rows, [(job, ()) for job in jobs])
    answer = await client.get("/takes.zip", **as_owner(engine))
    assert answer.status_code == 400
    assert "1,000" in answer.text
    assert b"PK" not in answer.content
    narrowed = await client.get("/takes.zip?q=few", **as_owner(engine))
    assert len(unpacked(narrowed.content)["takes.jsonl"].splitlines()) == bundle.MOST


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
async def test_they_are_only_read(method: str, engine: Engine, client: httpx.AsyncClient) -> None:
    job = a_take(engine)
    for kind in ("zip", "csv", "jsonl"):
        assert (await client.request(method, address_of(kind, [job.id]), **as_owner(engine))).status_code == 405
    assert engine.rows.get(job.id) is not None


async def test_the_head_alone(engine: Engine, client: httpx.AsyncClient) -> None:
    job = a_take(engine)
    answer = await client.head(address_of("zip", [job.id]), **as_owner(engine))
    assert (answer.status_code, answer.content) == (200, b"")
    assert (await client.head(address_of("zip", [job.id]), **as_owner(engine, OTHER))).status_code == 404


@given(st.lists(st.one_of(st.uuids().map(str), st.from_regex(r"[A-Za-z0-9_-]{1,64}", fullmatch=True)), unique=True))
def test_ids_go_through_an_address_unchanged(ids: list[str]) -> None:
    address = httpx.URL("http://test" + address_of("zip", ids))
    there = address.params["ids"].split(".") if ids else []
    assert [bundles._unpack(text) for text in there] == ids
    assert len(str(address)) < 80 + 70 * len(ids)


# --- a search taken along -----------------------------------------------------------------------------------------

TOPICS = ("lighthouse dusk", "heron", "a market, rain", "Möwe über der Straße", "=1+1")
QUERIES = (
    "", "q=lighthouse", 'q="über der"', "q=mowe+-heron", "model=wan27", "model=wan27&model=lucy14b&state=failed", "on=preview",
    "star=1", "hide=1", "bin=1", "rated=4", "tag=launch", "min=0.3&max=0.6", "aspect=9:16&aspect=1:1", "sort=cost", "sort=rating",
    "since=2026-11-21&until=2026-11-22", "q=nowhere", "q=***", "state=nonsense&min=x&since=never&rated=9&sort=x",
    "q=heron&sort=length&star=1",
)  # fmt: skip


def a_history(engine: Engine, count: int = 400) -> None:
    """Takes of all kinds, ten minutes apart, every tenth somebody else's."""
    shapes = ((1280, 720), (720, 1280), (960, 960))
    jobs = []
    for number in range(count):
        state = (State.SUCCEEDED, State.SUCCEEDED, State.FAILED, State.RUNNING, State.CANCELLED)[number % 5]
        width, height = shapes[number % 3]
        video = Video(
            key=f"{number:064x}.mp4", poster=f"{number:064x}.jpg", width=width, height=height,
            duration_s=1 + number % 7, fps=24, bytes=1, sha256="s",
        )  # fmt: skip
        jobs.append(
            a_job(
                owner=OTHER if number % 10 == 9 else OWNER,
                model=("wan27", "lucy14b", "lucy5b")[number % 3],
                provider="preview" if number % 4 == 0 else "fal",
                prompt=f"{TOPICS[number % len(TOPICS)]} {number}",
                created_at=NOW - timedelta(minutes=10 * number),
                state=state,
                finished_at=None if state is State.RUNNING else NOW,
                video=video if state is State.SUCCEEDED else None,
                cost_estimate_usd=None if number % 11 == 0 else number % 10 / 10,
                starred=number % 6 == 0,
                rating=1 + number % 5 if number % 2 else None,
                tags=("launch",) if number % 8 == 0 else (),
                note="=cmd|' /C calc'!A0" if number % 8 == 0 else "",
                binned_at=NOW if number % 7 == 0 and state is not State.RUNNING else None,
            )
        )
    fill(engine.rows, [(job, ()) for job in jobs])


def whole(engine: Engine, search: Search) -> list[str]:
    """What a search finds, as the pages show it."""
    return [row.id for row in engine.studio.browse(replace(search, size=10_000))]


async def test_an_export_is_what_the_search_finds(engine: Engine, client: httpx.AsyncClient) -> None:
    a_history(engine)
    sizes = set()
    for query in QUERIES:
        given = {name: httpx.QueryParams(query).get_list(name) for name in asked.ASKS}
        wanted = whole(engine, asked.search(OWNER, given))
        table = await client.get(f"/takes.csv?{query}", **as_owner(engine))
        lines = await client.get(f"/takes.jsonl?{query}", **as_owner(engine))
        again = await client.get(address_of_search("csv", given), **as_owner(engine))
        rows = list(csv.DictReader(io.StringIO(table.text, newline="")))
        assert [row["id"] for row in rows] == wanted, query
        assert [json.loads(line)["job"]["id"] for line in lines.text.splitlines()] == wanted, query
        assert again.text == table.text, query
        assert {row["owner"] for row in rows} <= {OWNER}
        assert not [cell for row in rows for cell in row.values() if cell.startswith(("=", "@", "+", "-"))], "a formula"
        sizes.add(len(wanted))
    assert len(sizes) > 10, "the queries all find the same"


async def test_lines_of_a_search_are_the_command_lines(engine: Engine, client: httpx.AsyncClient) -> None:
    a_history(engine, 60)
    fal = await client.get("/takes.jsonl?on=fal", **as_owner(engine))
    every = {json.loads(line)["job"]["id"]: line for line in engine.studio.export_jsonl()}
    for line in fal.text.splitlines():
        assert line + "\n" == every[json.loads(line)["job"]["id"]]
    table = (await client.get("/takes.csv?bin=1", **as_owner(engine))).text
    assert set(table.splitlines()) <= set("".join(engine.studio.export_csv()).splitlines())


async def test_a_long_export_keeps_the_order_over_its_batches(engine: Engine, client: httpx.AsyncClient) -> None:
    a_history(engine, 1500)
    for sort in Sort:
        wanted = whole(engine, Search(owner=OWNER, sort=sort))
        assert len(wanted) > 1000
        table = await client.get(f"/takes.csv?sort={sort}", **as_owner(engine))
        assert [row["id"] for row in csv.DictReader(io.StringIO(table.text, newline=""))] == wanted
    assert table.headers["content-type"].startswith("text/csv")


async def test_remarks_stand_in_the_table(engine: Engine, client: httpx.AsyncClient) -> None:
    job = a_take(engine)
    engine.studio.remark(OWNER, [job.id], Remarks(note="@note", tags=("a", "b"), rating=4, starred=True, binned=True))
    table = await client.get(address_of("csv", [job.id]), **as_owner(engine))
    [row] = csv.DictReader(io.StringIO(table.text, newline=""))
    assert (row["note"], row["tags"], row["rating"], row["starred"]) == ("'@note", "a, b", "4", "yes")
    assert row["binned_at"]


def test_an_address_asks_for_the_same_whatever_else_stands_in_it() -> None:
    given = {
        "view": ["Gallery"],
        "page": ["7"],
        "job": ["x"],
        "q": ["a&b=c", "möwe #1"],
        "model": ["wan27", "wan27"],
        "star": [""],
    }
    address = address_of_search("zip", given)
    there = httpx.URL("http://test" + address).params
    again = {name: there.get_list(name) for name in asked.ASKS}
    assert asked.search(OWNER, again) == asked.search(OWNER, given)
    assert asked.search(OWNER, given) == Search(owner=OWNER, text="möwe #1", models=frozenset({"wan27"}))
    for other in ("view", "page", "job", "star"):
        assert other not in there
    assert quote("möwe") in address
