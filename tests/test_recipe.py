"""A take's settings in its MP4: all of them and nothing else go out, and nothing that comes in is trusted."""

import asyncio
import io
import json
import logging
import os
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
import streamlit as st
from starlette.applications import Starlette
from streamlit.testing.v1 import AppTest

from core.errors import Charged, InvalidMedia
from core.jobs import recipe
from core.jobs.job import Job, JobError, State
from core.jobs.recipe import DAMAGED, NONE, Recipe, fit, read, tagged_video
from core.media import tagged
from core.media.store import key_of
from core.media.tagged import Tags
from core.media.video import check_playable
from core.models import MODELS
from core.models.spec import ClipItem, Clips, FormField, Kind, ModelSpec, Still, form_fields
from core.preview.options import CameraOptions
from core.studio import current
from core.web.identity import COOKIE
from core.web.routes import routes
from tests.engine import Engine, jpeg, open_engine, own_log, point_at
from tests.fal_server import FalServer
from tests.fal_server.clip import clip
from tests.fal_server.sample import a_job, variants
from tests.test_pages import OWNER, captions, clean, filled, model_page, write
from tests.test_pages import errors as error_list

EVERY_MODEL = pytest.mark.parametrize("spec", MODELS.values(), ids=MODELS)
LONG = (
    "👩‍🚀 walks over 🌕🎬. הספינה עוזבת את הנמל, والسفينة تغادر. <script>x</script> ![p](https://evil.example/p.png) "
    * 20
)[:1500]


@pytest.fixture(autouse=True)
def own_studio() -> Iterator[None]:
    """Each test opens a studio of its own."""
    current.cache_clear()
    st.cache_data.clear()
    with own_log():
        yield
    current.cache_clear()


def film(tmp_path: Path, job: Job) -> bytes:
    """What is carried away of a take whose stored video is the fake fal's clip."""
    path = tmp_path / "stored.mp4"
    path.write_bytes(clip())
    return b"".join(tagged_video(path, job).blocks())


def forged(**changes: Any) -> bytes:
    """A video that says of itself what somebody wants it to."""
    good = json.loads(recipe.of(a_job()).model_dump_json())
    return saying(json.dumps({**good, **changes}))


def saying(text: str) -> bytes:
    path = Path(os.environ["DATA_DIR"]).with_name("forged.mp4")
    path.write_bytes(clip())
    out = tagged.tag(path, Tags("", "", text))
    assert out.why_not == ""
    return b"".join(out.blocks())


# --- out --------------------------------------------------------------------------------------------------------------


@EVERY_MODEL
def test_every_input_of_every_model_comes_back(spec: ModelSpec, tmp_path: Path) -> None:
    for name, given in variants(spec):
        job = a_job(spec.slug, inputs=spec.input.model_validate(given).model_dump(mode="json"))
        back = read(io.BytesIO(film(tmp_path, job)))
        assert (back.model, back.provider, back.endpoint) == (job.model, job.provider, job.endpoint)
        assert back.inputs == job.inputs
        now = fit(spec.fields, back.inputs, lambda _: True)
        assert (now.notes, now.gone) == ((), frozenset()), name
        assert spec.input.model_validate(now.values).model_dump(mode="json") == job.inputs, name


def test_long_prompts_of_all_writings_survive(tmp_path: Path) -> None:
    job = a_job(prompt=LONG, inputs={**a_job().inputs, "prompt": LONG}, created_at=datetime(2026, 1, 2, tzinfo=UTC))
    back = read(io.BytesIO(film(tmp_path, job)))
    assert back.inputs["prompt"] == LONG
    assert (back.take, back.made_at) == (job.id, job.created_at)


def test_nothing_else_goes_out(tmp_path: Path) -> None:
    """Whoever is handed the video learns how it was made, and not by whom, at what price, or what they think of it."""
    private = {
        "owner": "anon-0wner", "note": "my n0te", "tags": ("a-t4g",), "rating": 5, "nonce": "n0nce", "parent_id": "p4rent",
        "request_id": "r3quest", "status_url": "https://fal.example/st4tus", "uploads": {"k": "https://fal.example/upl0ad"},
        "cost_estimate_usd": 0.4321, "cost_basis": "b4sis", "logs": ["a l0g"], "lease_owner": "l3ase",
        "output": {"location": "https://fal.example/l0cation", "facts": {"seed": 77, "inference": "f4ct"}},
        "error": JobError(kind="k1nd", message="m3ssage", charged=Charged.YES, raw="r4w"),
    }  # fmt: skip
    data = film(tmp_path, a_job(**private))
    for secret in ("0wner", "n0te", "t4g", "n0nce", "p4rent", "r3quest", "fal.example", "0.4321", "b4sis", "l0g", "l3ase",
                   "f4ct", "k1nd", "m3ssage", "r4w", "rating"):  # fmt: skip
        assert secret.encode() not in data, secret
    assert read(io.BytesIO(data)).seed == 77
    assert set(Recipe.model_fields) == {
        "app", "format", "take", "made_at", "model", "provider", "endpoint", "inputs", "options", "seed",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "seed"),
    [
        ({}, None),
        ({"inputs": {"seed": 5}}, 5),
        ({"output": {"facts": {"seed": "no number"}}}, None),
        ({"output": {}}, None),
    ],
)
def test_a_seed_goes_out_where_it_is_known(changes: dict[str, Any], seed: int | None) -> None:
    assert recipe.of(a_job(**changes)).seed == seed


def test_a_take_that_cannot_be_told_goes_out_as_it_is(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "stored.mp4"
    path.write_bytes(clip())
    strange = a_job(model="lucy14b").with_(model="Not a slug/..", prompt="The pr0mpt.")
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(clip()[:-500])
    with caplog.at_level(logging.WARNING, "takes.jobs"):
        logging.getLogger("takes").propagate = True
        assert b"".join(tagged_video(path, strange).blocks()) == clip()
        assert b"".join(tagged_video(broken, a_job()).blocks()) == clip()[:-500]
    assert len(caplog.records) == 2
    assert "pr0mpt" not in caplog.text
    assert str(tmp_path) not in caplog.text


def test_players_show_what_it_is(tmp_path: Path) -> None:
    import av

    path = tmp_path / "out.mp4"
    path.write_bytes(film(tmp_path, a_job(prompt="A heron\nlifts off. " * 10)))
    with av.open(str(path)) as file:
        told = dict(file.metadata)
    assert told["title"].startswith("A heron lifts off. A heron")
    assert len(told["title"]) <= recipe.LONGEST_TITLE
    assert told["description"] == "A heron\nlifts off. " * 10
    path.write_bytes(film(tmp_path, a_job("splice", prompt="")))
    with av.open(str(path)) as file:
        assert file.metadata["title"] == "Splice"
        assert "description" not in file.metadata


# --- in ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", DAMAGED),
        ("{", DAMAGED),
        ("[]", DAMAGED),
        ("null", DAMAGED),
        ('{"app": "Takes"}', DAMAGED),
        ('{"app": "Takes", "format": 1}', DAMAGED),
        ('{"app": "Another", "format": 1}', DAMAGED),
        ('{"app": "Takes", "format": 0}', DAMAGED),
        ('{"app": "Takes", "format": 2, "anything": "else"}', "newer Takes"),
        ("[" * 100_000, DAMAGED),
        ('{"app":"Takes","format":1,"a":' * 3000 + "1" + "}" * 3000, DAMAGED),
        ('{"app": "Takes", "format": 1, "inputs": {"prompt": "\\ud800"}}', DAMAGED),
    ],
)
def test_damaged_settings_are_told_plainly(text: str, message: str) -> None:
    with pytest.raises(InvalidMedia, match=message):
        read(io.BytesIO(saying(text)))


@pytest.mark.parametrize(
    "changes",
    [
        {"model": "../../etc"}, {"model": "<b>"}, {"model": 5}, {"inputs": []}, {"inputs": None}, {"options": "x"},
        {"made_at": "yesterday"}, {"made_at": "2026-01-01T00:00:00"}, {"take": "x" * 1000}, {"provider": {}}, {"format": "1"},
    ],
)  # fmt: skip
def test_settings_of_the_wrong_kind_are_damaged(changes: dict[str, Any]) -> None:
    with pytest.raises(InvalidMedia, match=DAMAGED):
        read(io.BytesIO(forged(**changes)))


def test_a_video_without_settings_says_so() -> None:
    with pytest.raises(InvalidMedia, match=NONE):
        read(io.BytesIO(clip()))


def test_what_a_later_version_adds_is_no_trouble() -> None:
    assert read(io.BytesIO(forged(weather="fine"))).model == "lucy14b"


def field(kind: Kind, default: Any = None) -> FormField:
    return FormField("x", "X", "help", kind, False, default, "", "x")


WIDE = next(f for spec in MODELS.values() for f in spec.fields if isinstance(f.kind, Clips))
KEY = "a" * 64


def every_field() -> list[FormField]:
    fields = [f for spec in MODELS.values() for f in spec.fields]
    return [*fields, *form_fields(CameraOptions)]


NEVER_VALID: tuple[Any, ...] = (
    [], {}, [[]], {"$": 1}, True, 1e400, float("nan"), -(10**400), 10**400, "../../etc/passwd", f"{KEY}.exe", f"{KEY}.mp4/..",
    f"/{KEY}.mp4", KEY, f"{KEY}.mp4\n", "\x00",
)  # fmt: skip


@pytest.mark.parametrize("item", every_field(), ids=lambda item: f"{item.name}-{type(item.kind).__name__}")
def test_a_value_that_no_widget_offers_never_gets_into_one(item: FormField) -> None:
    """A slider with a value beyond its ends, or a choice of something else, would break the page."""
    for value in NEVER_VALID:
        got = fit([item], {item.name: value}, lambda _: True)
        kind = type(item.kind).__name__
        kept = got.values[item.name]
        if kind in ("Prompt", "Text"):
            assert kept == (value if isinstance(value, str) else item.default)
        elif kind == "Toggle":
            assert kept is (value if isinstance(value, bool) else item.default)
        elif kind == "Clips":
            assert kept == [] or kept is item.default
        else:
            assert kept == item.default
            assert len(got.notes) == 1
        assert all(str(value)[:20] not in note for note in got.notes if len(str(value)) > 3), "its words are shown"


def test_fields_that_there_are_not_are_counted_and_not_named() -> None:
    spec = MODELS["lucy14b"]
    got = fit(spec.fields, {"prompt": "Mine", "evil![x](y)": 1, "owner": "me"}, lambda _: True)
    assert got.values["prompt"] == "Mine"
    assert got.notes == ("2 of the settings from then are not in this form.",)
    assert fit(spec.fields, {"evil": 1}, lambda _: True).notes == ("1 of the settings from then is not in this form.",)


def test_a_prompt_that_is_too_long_now_stays_to_be_shortened() -> None:
    got = fit(MODELS["lucy14b"].fields, {"prompt": "x" * 5000}, lambda _: True)
    assert len(got.values["prompt"]) == 5000


def test_files_that_are_gone_are_told_apart_from_forged_ones() -> None:
    here = {f"{KEY}.jpg"}
    fields = MODELS["wan27"].fields
    got = fit(fields, {"image": f"{KEY}.jpg", "end_image": f"{'b' * 64}.png", "audio": f"{KEY}.jpg"}, here.__contains__)
    assert got.values["image"] == f"{KEY}.jpg"
    assert got.values["end_image"] is None
    assert got.gone == {"end_image"}
    assert got.values["audio"] is None
    assert len(got.notes) == 1


def test_clips_of_a_list_that_are_gone_leave_the_others() -> None:
    here = {f"{KEY}.mp4", f"{KEY}.jpg"}
    given = [
        {"key": f"{KEY}.mp4", "label": "x" * 5000},
        {"key": f"{'b' * 64}.mp4"},
        {"key": f"{KEY}.jpg", "seconds": 900.0},
        {"key": f"{KEY}.wav"},
        {"key": f"{KEY}.jpg", "seconds": float("nan"), "label": "nan"},
        {"key": "nonsense"},
        "nonsense",
        *[{"key": f"{KEY}.mp4"}] * 20,
    ]
    got = fit([WIDE], {WIDE.name: given}, here.__contains__)
    items: list[ClipItem] = got.values[WIDE.name]
    assert [(item.key[64:], item.seconds, len(item.label)) for item in items[:3]] == [
        (".mp4", 3.0, recipe.LONGEST_LABEL),
        (".jpg", 3.0, 0),
        (".jpg", 3.0, 3),
    ]
    assert len(items) <= WIDE.kind.most  # type: ignore[union-attr]
    assert got.notes[0].endswith("files are no longer stored here.")


# --- the address ------------------------------------------------------------------------------------------------------


@pytest.fixture
def server() -> Iterator[FalServer]:
    with FalServer() as running:
        yield running


@pytest.fixture
async def engine(server: FalServer, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Engine]:
    point_at(server, monkeypatch)
    made = open_engine()
    yield made
    await made.close()


@pytest.fixture
async def take(engine: Engine) -> Job:
    return await engine.until(engine.ask(owner=OWNER), State.SUCCEEDED)


@pytest.fixture
async def client(engine: Engine) -> AsyncIterator[httpx.AsyncClient]:
    app = Starlette(routes=routes(lambda: engine.studio))
    cookies = {"cookie": f"{COOKIE}={engine.studio.identity.sign(OWNER)}"}
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://test", headers=cookies) as made:
        yield made


async def test_the_download_carries_the_settings_and_playback_is_the_file(
    engine: Engine, take: Job, client: httpx.AsyncClient, tmp_path: Path
) -> None:
    assert take.video is not None
    path = f"/takes/{take.id}/video.mp4"
    played, carried = await client.get(path), await client.get(f"{path}?download")
    assert played.content == clip()
    assert played.headers["etag"] == f'"{take.video.key}"'
    assert carried.headers["etag"] not in (played.headers["etag"], "")
    assert carried.headers["content-length"] == str(len(carried.content))
    assert carried.headers["content-type"] == "video/mp4"
    assert read(io.BytesIO(carried.content)) == recipe.of(take)
    copy = tmp_path / "carried.mp4"
    copy.write_bytes(carried.content)
    assert check_playable(copy).frames == 24
    assert key_of(engine.studio.media.read(take.video.key), "mp4") == take.video.key, "the stored file was changed"
    again = await client.get(f"{path}?download", headers={"if-none-match": carried.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert (await client.get(f"{path}?download", headers={"if-none-match": played.headers["etag"]})).status_code == 200


@pytest.mark.parametrize(
    ("asked", "start", "end"),
    [
        ("bytes=0-99", 0, 100), ("bytes=5000-", 5000, None), ("bytes=-300", -300, None), ("bytes=100-100", 100, 101),
        ("bytes=20-999999999", 20, None), ("bytes=-999999999", 0, None),
    ],
)  # fmt: skip
async def test_a_part_of_the_download(
    asked: str, start: int, end: int | None, take: Job, client: httpx.AsyncClient
) -> None:
    path = f"/takes/{take.id}/video.mp4?download"
    everything = (await client.get(path)).content
    part = await client.get(path, headers={"range": asked})
    assert part.status_code == 206
    assert part.content == everything[start:end]
    first = start % len(everything)
    assert part.headers["content-range"] == f"bytes {first}-{first + len(part.content) - 1}/{len(everything)}"


@pytest.mark.parametrize(
    "asked", ["bytes=5-4", "bytes=-", "bytes=a-b", "lines=1-2", "bytes=0-1,4-5", "bytes=" + "9" * 40 + "-"]
)
async def test_a_range_without_sense_gives_all(asked: str, take: Job, client: httpx.AsyncClient) -> None:
    answer = await client.get(f"/takes/{take.id}/video.mp4?download", headers={"range": asked})
    assert answer.status_code == 200
    assert int(answer.headers["content-length"]) == len(answer.content) > len(clip())


async def test_a_range_behind_the_end_and_one_of_another_file(take: Job, client: httpx.AsyncClient) -> None:
    path = f"/takes/{take.id}/video.mp4?download"
    behind = await client.get(path, headers={"range": "bytes=99999999-"})
    assert (behind.status_code, behind.content) == (416, b"")
    assert behind.headers["content-range"].startswith("bytes */")
    assert (await client.get(path, headers={"range": "bytes=-0"})).status_code == 416
    other = await client.get(path, headers={"range": "bytes=0-9", "if-range": '"another"'})
    assert other.status_code == 200
    etag = other.headers["etag"]
    assert (await client.get(path, headers={"range": "bytes=0-9", "if-range": etag})).content == other.content[:10]


async def test_a_head_tells_the_size_and_sends_nothing(take: Job, client: httpx.AsyncClient) -> None:
    path = f"/takes/{take.id}/video.mp4?download"
    told, sent = await client.head(path, headers={"range": "bytes=0-9"}), await client.get(path)
    assert (told.status_code, told.content) == (200, b"")
    for name in ("content-length", "etag", "content-type", "content-disposition", "accept-ranges", "cache-control"):
        assert told.headers[name] == sent.headers[name]


async def test_a_file_that_cannot_be_tagged_is_downloaded_as_it_is(
    engine: Engine, take: Job, client: httpx.AsyncClient
) -> None:
    assert take.video is not None
    with engine.studio.media.local(take.video.key) as path:
        path.write_bytes(clip()[:-900])  # no player would take it, and it is not for the download to say so
    answer = await client.get(f"/takes/{take.id}/video.mp4?download")
    assert (answer.status_code, answer.content) == (200, clip()[:-900])
    assert "content-disposition" in answer.headers


async def test_a_client_that_hangs_up_leaves_no_file_open(engine: Engine, take: Job, tmp_path: Path) -> None:
    assert take.video is not None
    app = Starlette(routes=routes(lambda: engine.studio))
    scope = {
        "type": "http", "asgi": {"version": "3.0", "spec_version": "2.4"}, "http_version": "1.1", "method": "GET",
        "scheme": "http", "path": f"/takes/{take.id}/video.mp4", "query_string": b"download", "root_path": "",
        "headers": [(b"cookie", f"{COOKIE}={engine.studio.identity.sign(OWNER)}".encode())],
    }  # fmt: skip
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        await asyncio.sleep(60)
        raise AssertionError("nobody waits for more of the request")

    async def send(message: dict[str, Any]) -> None:
        sent.append(message["type"])
        if len(sent) == 3:
            raise OSError("hung up")

    before = set(Path("/tmp").glob("takes-*"))
    with pytest.raises(BaseException):  # noqa: B017 - the server's to log
        await app(scope, receive, send)
    assert sent == ["http.response.start", "http.response.body", "http.response.body"]
    await asyncio.sleep(0)
    opened = [
        os.readlink(f"/proc/self/fd/{fd}")
        for fd in os.listdir("/proc/self/fd")
        if os.path.exists(f"/proc/self/fd/{fd}")
    ]
    assert not [name for name in opened if take.video.key in name]
    assert set(Path("/tmp").glob("takes-*")) == before, "a file was left lying about"


def errors(page: AppTest) -> str:
    return "\n".join(error_list(page))


# --- the page ---------------------------------------------------------------------------------------------------------


def drop(page: AppTest, data: bytes, slug: str = "lucy14b", name: str = "take.mp4") -> AppTest:
    """Drop a file on a model's empty still."""
    held = page.session_state[f"{slug}.image"]
    return page.file_uploader(key=f"{slug}.image.drop.{held.drops}").set_value([(name, data, "video/mp4")]).run()


def carried(job: Job) -> bytes:
    """The download of a stored take."""
    assert job.video is not None
    with current().media.local(job.video.key) as path:
        return b"".join(tagged_video(path, job).blocks())


def half_typed() -> AppTest:
    """A form with a prompt and no still, as when somebody has come to choose one."""
    page = model_page("lucy14b").run()
    page.text_area(key="lucy14b.prompt").set_value("Half a sentence").run()
    return page


def test_a_dropped_take_opens_the_form_as_it_was_and_gives_it_back() -> None:
    picture = current().add_picture(jpeg((640, 360)), "still.jpg").key
    inputs = {"image": picture, "prompt": LONG, "aspect_ratio": "9:16", "resolution": "720p"}
    options = {"camera_move": "orbit left", "framing": "crop"}
    job = write(provider="preview", inputs=inputs, options=options, prompt=LONG)
    page = drop(half_typed(), carried(job))
    assert clean(page).text_area(key="lucy14b.prompt").value == LONG
    assert page.session_state["lucy14b.image"].picture.key == picture
    assert page.session_state["lucy14b.aspect_ratio"] == "9:16"
    assert page.session_state["lucy14b.preview.camera_move"] == "orbit left"
    assert page.session_state["lucy14b.preview.framing"] == "crop"
    assert "Filled from a dropped video, made just now." in captions(page)
    page.button(key="lucy14b.bring-back").click().run()
    assert clean(page).text_area(key="lucy14b.prompt").value == "Half a sentence"
    assert page.session_state["lucy14b.image"].picture is None
    assert "Filled from" not in captions(page)
    assert page.session_state["lucy14b.aspect_ratio"] == "16:9"


def test_what_is_made_from_it_names_ones_own_take_and_nobody_elses() -> None:
    mine, theirs = write(), write(owner="anon-another")
    for job, parent in ((mine, mine.id), (theirs, None)):
        page = drop(model_page("lucy14b").run(), carried(job))
        assert page.session_state["lucy14b.draft"]["of"] == parent


def test_the_first_frame_stands_in_for_a_still_that_is_gone() -> None:
    job = write()
    data = carried(job)
    current().media.delete(str(job.still))
    page = drop(half_typed(), data)
    held = page.session_state["lucy14b.image"].picture
    assert (held.width, held.height) == (320, 180)
    assert held.key != job.still
    assert page.text_area(key="lucy14b.prompt").value == job.prompt
    assert "Its still is no longer stored here. The video’s first frame stands in." in captions(clean(page))


def test_a_still_that_is_gone_with_a_video_that_does_not_play() -> None:
    data = bytearray(forged(inputs={"image": f"{KEY}.jpg", "prompt": "A heron."}))
    at = data.index(b"mdat") + 4
    data[at:] = bytes(len(data) - at)
    page = drop(half_typed(), bytes(data))
    assert page.text_area(key="lucy14b.prompt").value == "A heron."
    assert page.session_state["lucy14b.image"].picture is None
    assert "no longer stored" in errors(clean(page))


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: clip(), "carries no Takes settings"),
        (lambda: forged(model="sora-9"), "sora"),
        (lambda: forged(format=7), "newer Takes"),
        (lambda: saying("{not json"), "damaged"),
        (lambda: forged()[:700], "incomplete or damaged"),
        (lambda: clip()[:40] + b"\xff" * 4000, "incomplete or damaged"),
        (lambda: forged(inputs=[1]), "damaged"),
    ],
)
def test_a_bad_video_says_why_and_takes_nothing(make: Any, told: str) -> None:
    page = filled(prompt="Half a sentence")
    picture = page.session_state["lucy14b.image"].picture
    page.button(key="lucy14b.image.change").click().run()
    drop(page, make())
    assert told in errors(clean(page))
    assert page.text_area(key="lucy14b.prompt").value == "Half a sentence"
    assert "lucy14b.draft" not in page.session_state
    page.button(key="lucy14b.image.keep").click().run()
    assert page.session_state["lucy14b.image"].picture == picture
    assert not errors(clean(page))


def test_a_forged_video_breaks_no_page_and_shows_no_words_of_its_own() -> None:
    evil = "![x](https://evil.example/x) <img src=x onerror=a()> **b**"
    inputs = {"image": evil, "prompt": evil, "aspect_ratio": evil, "resolution": 7, evil: evil}
    page = drop(half_typed(), forged(inputs=inputs, options={evil: evil}, provider=evil, endpoint=evil, take=evil))
    assert page.text_area(key="lucy14b.prompt").value == evil, "in its field, it is a text like any other"
    assert page.session_state["lucy14b.aspect_ratio"] == "16:9"
    assert page.session_state["lucy14b.draft"]["of"] is None
    shown = captions(clean(page)) + errors(page) + " ".join(item.value for item in page.markdown)
    assert "evil.example" not in shown
    assert "It ran in a place that is not known here." in shown


def test_where_it_ran_is_set_where_that_is_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    page = drop(half_typed(), carried(write()))
    assert page.session_state["lucy14b.on"] == "preview"
    assert "It ran on fal.ai, which is not set up here." in captions(clean(page))
    monkeypatch.setenv("FAL_API_KEY", "key-id:key-secret")
    current.cache_clear()
    page = drop(half_typed(), carried(write()))
    assert page.session_state["lucy14b.on"] == "fal"
    assert "not set up" not in captions(clean(page))


def test_a_still_is_still_taken_and_told_by_its_content() -> None:
    page = drop(half_typed(), jpeg((640, 360)), name="really-a-picture.mp4")
    assert page.session_state["lucy14b.image"].picture.width == 640
    assert not errors(clean(page))


def test_other_stills_take_no_videos() -> None:
    page = model_page("wan27").run()
    assert ".mp4" in page.file_uploader(key="wan27.image.drop.0").proto.type
    assert ".mp4" not in page.file_uploader(key="wan27.end_image.drop.0").proto.type


def test_a_video_field_takes_a_take_as_a_video() -> None:
    """There it is what the model goes on from: its settings are not looked at."""
    page = model_page("wan27").run()
    page.text_area(key="wan27.prompt").set_value("Half a sentence").run()
    film = bytes(long_enough())
    page.file_uploader(key="wan27.video.upload").set_value([("take.mp4", film, "video/mp4")]).run()
    assert page.session_state["wan27.video"]["stored"] is not None
    assert page.text_area(key="wan27.prompt").value == "Half a sentence"
    assert "wan27.draft" not in page.session_state


def long_enough() -> bytes:
    from tests.test_video import film as make
    from tests.test_video import grainy

    path = make(Path(os.environ["DATA_DIR"]).with_name("two-seconds.mp4"), grainy(60))
    return b"".join(tagged_video(path, a_job("wan27")).blocks())


def test_splice_comes_back_with_its_clips_and_their_seconds() -> None:
    one, two = (current().add_picture(jpeg(seed=seed), "a.jpg").key for seed in (1, 2))
    clips = [{"key": one, "seconds": 5.0, "label": "One"}, {"key": two, "seconds": 7.5, "label": "Two"}]
    inputs = {"clips": clips, "transition": "crossfade", "transition_seconds": 1.5, "size": "960x960", "fps": 30}
    job = write(model="splice", provider="preview", inputs=inputs, prompt="", options={})
    page = model_page("splice").run()
    for place, key in enumerate((one, two)):  # the same stills at the same places, held for another time
        current_items = page.session_state["splice.clips"]
        page.session_state["splice.clips"] = [*current_items, ClipItem(key=key, seconds=1.0)]
        page.run()
        page.number_input(key=f"splice.clips.seconds.{place}.{key[:12]}").set_value(2.0).run()
    page.button(key=f"stage.edit.{job.id}").click().run()
    assert [item.model_dump() for item in page.session_state["splice.clips"]] == clips
    shown = [page.number_input(key=f"splice.clips.seconds.{n}.{key[:12]}").value for n, key in enumerate((one, two))]
    assert shown == [5.0, 7.5], "the rows show other seconds than will be sent"
    assert page.session_state["splice.transition"] == "crossfade"
    assert page.session_state["splice.fps"] == 30
    page.button(key="splice.bring-back").click().run()
    assert [item.seconds for item in clean(page).session_state["splice.clips"]] == [2.0, 2.0]
    assert page.number_input(key=f"splice.clips.seconds.0.{one[:12]}").value == 2.0


def test_a_take_whose_settings_are_no_longer_offered_fills_what_there_is() -> None:
    job = write(inputs={"image": f"{KEY}.jpg", "prompt": "A heron.", "aspect_ratio": "21:9", "gone": 1})
    page = model_page("lucy14b").run()
    page.button(key=f"stage.edit.{job.id}").click().run()
    assert page.text_area(key="lucy14b.prompt").value == "A heron."
    assert page.session_state["lucy14b.aspect_ratio"] == "16:9"
    told = captions(clean(page))
    assert "Aspect ratio\\: the value from then is not offered now; the usual one is set." in told
    assert "1 of the settings from then is not in this form." in told
    assert isinstance(MODELS["lucy14b"].fields[0].kind, Still)
