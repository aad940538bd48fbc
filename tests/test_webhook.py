"""fal's webhooks, over a real port: who may wake a job, what a call changes, and what it never does."""

import asyncio
import json
import logging
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from starlette.applications import Starlette

from core.errors import Charged, ProviderUnavailable
from core.jobs.held import LEASE_S
from core.jobs.job import Job, State, move
from core.jobs.store import Wishes
from core.jobs.worker import Worker
from core.providers.fal import FalProvider
from core.providers.fal_webhook import Signatures
from core.stores.sqlite import SqliteJobStore
from core.studio import HOOKED
from core.web.addresses import PARAMETER, HookAddresses
from core.web.hooks import MOST_BYTES, hook_routes
from tests.browser.server import App
from tests.engine import Engine, open_engine, own_log, point_at
from tests.fal_server import Accepted, FalServer, Fault, policy_refusal
from tests.fal_server.hooks import Call, Seal, news

POLL_S = 60.0  # the longest that can be set: no job here is polled by the way
SOON = timedelta(seconds=2)  # far less than the shortest wait for a poll
PATIENCE_S = 60.0  # two cores are shared with other work

WINDOW_S = 300  # fal's rule of how old a call may be (fal.md 3)
KEPT_S = 24 * 3600.0  # and of how long its keys may be kept
FETCH_AGAIN_S = 60.0  # ours: at most one fetch in so long a time

SUCCEEDED, FAILED, CANCELLED, UNKNOWN = State.SUCCEEDED, State.FAILED, State.CANCELLED, State.UNKNOWN
WAITING, SUBMITTING, QUEUED, RUNNING = State.WAITING, State.SUBMITTING, State.QUEUED, State.RUNNING


@dataclass
class House:
    """An installation that fal can reach: its engine, and the address of its receiver."""

    engine: Engine
    server: FalServer
    url: str

    async def sent(self) -> tuple[Job, Accepted]:
        """A job that fal has accepted, and what fal has of it."""
        job = await self.engine.until(self.engine.ask(), QUEUED)
        return job, self.server.accepted[-1]

    async def woken(self) -> int:
        """Work on what is due shortly; how many jobs that were. A poll would come much later."""
        self.engine.now += SOON
        return await self.engine.worker.tick(self.engine.now)

    def address(self, job_id: str) -> str:
        """Where a call about this job goes."""
        hooks = self.engine.studio.hooks
        assert hooks is not None
        return hooks.of(job_id)

    def call(self, job: Job, request_id: str, payload: Any = None, **sealed: Any) -> Call:
        """A signed call about a job, whatever fal knows of it."""
        return self.server.seal.call(
            self.address(job.id), news(request_id, payload), **{"request_id": request_id, **sealed}
        )


@pytest.fixture
def server() -> Iterator[FalServer]:
    with FalServer() as running:
        yield running


@pytest.fixture
async def house(server: FalServer, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[House]:
    with socket.create_server(("127.0.0.1", 0)) as door:
        url = f"http://127.0.0.1:{door.getsockname()[1]}"
        point_at(server, monkeypatch, PUBLIC_URL=url, POLL_SECONDS=str(POLL_S))
        with own_log():
            engine = open_engine()
            app = Starlette(routes=hook_routes(lambda: engine.studio))
            config = uvicorn.Config(app, lifespan="off", ws="none", log_config=None, access_log=False)
            receiver = uvicorn.Server(config)
            thread = threading.Thread(target=receiver.run, args=([door],), name="receiver", daemon=True)
            thread.start()
            yield House(engine, server, url)
            receiver.should_exit = True
            thread.join()
            await engine.close()


@pytest.fixture
def log(house: House, caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    logging.getLogger("takes").propagate = True
    caplog.set_level(logging.INFO)
    return caplog


def as_it_stands(house: House, job: Job) -> tuple[Any, ...]:
    """Everything that a call could have changed."""
    row = house.engine.rows.get(job.id)
    assert row is not None
    return row, house.engine.studio.history(None, job.id)


# --- the address --------------------------------------------------------------------------------------------------------


async def test_the_submit_names_an_address_of_its_own(house: House) -> None:
    (one, paid), (other, paid_too) = await house.sent(), await house.sent()
    for job, accepted in ((one, paid), (other, paid_too)):
        address = httpx.URL(accepted.hook)
        assert accepted.hook.startswith(f"{house.url}/hooks/fal/{job.id}?{PARAMETER}=")
        assert accepted.tags == f"takes-job={job.id}"
        assert house.engine.studio.hooks is not None
        assert house.engine.studio.hooks.is_ours(job.id, address.params[PARAMETER])
    assert httpx.URL(paid.hook).params[PARAMETER] != httpx.URL(paid_too.hook).params[PARAMETER]
    for row in (one, other):
        assert PARAMETER + "=" not in json.dumps(row.public()), "whoever reads an export could call"


async def test_without_an_address_none_is_named(server: FalServer, monkeypatch: pytest.MonkeyPatch) -> None:
    point_at(server, monkeypatch, POLL_SECONDS=str(POLL_S))
    with own_log():
        engine = open_engine()
        job = await engine.until(engine.ask(), QUEUED)
        [paid] = server.accepted
        assert paid.hook == ""
        assert server.calls("submit")[0].query == {}
        hooks = HookAddresses("any secret", "http://test")
        call = server.hook(paid, to=hooks.of(job.id))
        app = Starlette(routes=hook_routes(lambda: engine.studio))
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app)) as client:
            answer = await client.post(call.url, content=call.body, headers=call.headers)
        assert answer.status_code == 404
        assert engine.job(job) == job, "a call changed a job of an installation that nobody can call"
        assert server.calls("jwks") == []
        await engine.close()


def test_a_token_is_for_one_job_and_one_secret() -> None:
    hooks = HookAddresses("secret", "https://takes.example.com")
    token = httpx.URL(hooks.of("job-1")).params[PARAMETER]
    assert hooks.is_ours("job-1", token)
    assert HookAddresses("secret", "https://elsewhere").is_ours("job-1", token), "a move must not cut running jobs off"
    for job_id, given in (("job-2", token), ("job-1", ""), ("job-1", token[:-1]), ("job-1", "ü"), ("", token)):
        assert not hooks.is_ours(job_id, given)
    assert not HookAddresses("another", "https://takes.example.com").is_ours("job-1", token)
    assert "secret" not in hooks.of("job-1")


# --- what a good call does ------------------------------------------------------------------------------------------------


async def test_a_hook_wakes_a_job_that_polling_would_look_at_much_later(house: House) -> None:
    job, paid = await house.sent()
    assert await house.woken() == 0, "it was due without a hook"
    assert house.server.tell(paid) == 200
    assert await house.woken() == 1
    assert house.engine.job(job).state is SUCCEEDED
    ops = [seen.op for seen in house.server.calls("submit", "status", "result", "file")]
    assert ops == ["submit", "status", "result", "file"], "what is true was not asked for, or more than once"
    assert len(house.server.accepted) == 1


async def test_polling_is_slower_where_fal_tells_by_itself(house: House) -> None:
    house.server.run_polls = 2
    job, _ = await house.sent()
    running = await house.engine.until(job, RUNNING)
    assert running.due_at - house.engine.now >= timedelta(seconds=HOOKED * POLL_S)
    assert HOOKED > 1


async def test_what_a_hook_says_is_never_believed(house: House) -> None:
    house.server.run_polls = 50
    job, paid = await house.sent()
    with FalServer() as elsewhere:
        lie = {"video": {"url": f"{elsewhere.url}/files/lie.mp4"}}
        assert house.call(job, paid.request_id, lie).send() == 200
        assert await house.woken() == 1
        stands = house.engine.job(job)
        assert (stands.state, stands.output) == (RUNNING, None)
        assert elsewhere.record == [], "a file that only a webhook had named was fetched"


async def test_a_hook_of_a_job_that_failed(house: House) -> None:
    house.server.end_with(policy_refusal("prompt"))
    job, paid = await house.sent()
    call = house.server.hook(paid)
    assert json.loads(call.body)["status"] == "ERROR"
    assert call.send() == 200
    assert await house.woken() == 1
    failed = house.engine.job(job)
    assert failed.state is FAILED
    assert failed.error is not None
    assert (failed.error.kind, failed.error.field) == ("content_policy_violation", "prompt"), (
        "the verdict is the result's"
    )
    assert len(house.server.calls("result")) == 1


async def test_it_is_the_request_id_that_counts(house: House) -> None:
    """The gateway's id is another one after fal's queue has tried again."""
    job, paid = await house.sent()
    body = news(paid.request_id, {}, gateway="another-attempt")
    assert house.server.seal.call(paid.hook, body, request_id=paid.request_id).send() == 200
    assert await house.woken() == 1
    assert house.engine.job(job).state is SUCCEEDED
    assert house.engine.job(job).request_id == paid.request_id


async def test_the_same_call_again_changes_nothing(house: House) -> None:
    job, paid = await house.sent()
    call = house.server.hook(paid)
    assert call.send() == 200
    once = as_it_stands(house, job)
    assert [call.send() for _ in range(3)] == [200] * 3
    assert as_it_stands(house, job) == once
    assert await house.woken() == 1
    done = as_it_stands(house, job)
    assert done[0].state is SUCCEEDED
    assert call.send() == 200
    assert as_it_stands(house, job) == done, "a finished job was written"
    assert await house.woken() == 0


async def test_many_calls_at_once(house: House) -> None:
    jobs = [await house.sent() for _ in range(4)]
    calls = [house.server.hook(paid) for _, paid in jobs] * 3
    assert set(await asyncio.gather(*(asyncio.to_thread(call.send) for call in calls))) == {200}
    assert await house.woken() == len(jobs)
    assert {house.engine.job(job).state for job, _ in jobs} == {SUCCEEDED}
    assert len(house.server.calls("jwks")) == 1, "the keys were fetched more than once"


async def test_a_job_that_is_gone(house: House) -> None:
    job, paid = await house.sent()
    house.engine.rows.forget([job.id])
    assert house.server.tell(paid) == 200, "fal would come again and again"
    assert house.engine.rows.get(job.id) is None


# --- a lost answer is found -------------------------------------------------------------------------------------------------


async def test_a_job_of_unknown_outcome_is_followed(house: House) -> None:
    house.server.fault("submit", Fault(cut="after"))
    job = await house.engine.until(house.engine.ask(), UNKNOWN)
    assert job.request_id is None
    [paid] = house.server.accepted
    assert house.server.tell(paid) == 200
    known = house.engine.job(job)
    assert (known.state, known.request_id, known.error, known.finished_at) == (QUEUED, paid.request_id, None, None)
    assert (await house.engine.until(job)).state is SUCCEEDED
    assert house.engine.path(job) == ["waiting", "submitting", "unknown", "queued", "saving", "succeeded"]
    assert len(house.server.calls("submit")) == 1, "it was sent again"


async def test_a_hook_that_is_quicker_than_the_lost_answer(house: House) -> None:
    house.server.fault("submit", Fault(wait_s=1.0, cut="after"))
    job = house.engine.ask()
    tick = asyncio.create_task(house.engine.tick())
    async with asyncio.timeout(PATIENCE_S):
        while not house.server.accepted:
            await asyncio.sleep(0.01)
    assert house.engine.job(job).state is SUBMITTING
    [paid] = house.server.accepted
    assert await asyncio.to_thread(house.server.tell, paid) == 200
    assert house.engine.job(job).state is SUBMITTING, "the step under way was overtaken"
    await tick
    assert (house.engine.job(job).state, house.engine.job(job).request_id) == (QUEUED, paid.request_id)
    assert (await house.engine.until(job)).state is SUCCEEDED
    assert "unknown" not in house.engine.path(job)
    assert len(house.server.calls("submit")) == 1


async def test_a_hook_for_a_job_whose_worker_died_while_sending(house: House) -> None:
    job = house.engine.ask()
    [held] = house.engine.rows.claim("died", house.engine.now, LEASE_S, {"fal": 8}, 8)
    held = house.engine.rows.save(move(held, SUBMITTING, house.engine.now), house.engine.now)
    provider = FalProvider(house.engine.studio.settings, hook=house.address)
    picture = held.inputs["image"]
    with house.engine.studio.media.local(picture) as path:
        uploads = {picture: await provider.upload(held, picture, path)}
    await provider.submit(held.with_(uploads=uploads))
    await provider.aclose()
    [paid] = house.server.accepted
    assert house.server.tell(paid) == 200
    house.engine.now += timedelta(seconds=LEASE_S + 1)
    assert (await house.engine.until(job)).state is SUCCEEDED
    assert house.engine.job(job).request_id == paid.request_id
    assert "unknown" not in house.engine.path(job)
    assert len(house.server.calls("submit")) == 1, "it was sent again"


async def turned_away(house: House) -> tuple[Job, Accepted]:
    """A job that waits for its next try, though fal has it: its ingress had said otherwise."""
    house.server.fault("submit", Fault(status=503, html=True, works=True))
    job = house.engine.ask()
    await house.engine.tick()
    waiting = house.engine.job(job)
    assert (waiting.state, waiting.faults) == (WAITING, 1)
    return waiting, house.server.accepted[0]


async def test_a_job_that_only_seemed_to_be_turned_away_is_not_sent_again(house: House) -> None:
    job, paid = await turned_away(house)
    assert house.server.tell(paid) == 200
    assert await house.woken() == 1
    known = house.engine.job(job)
    assert (known.state, known.request_id, known.trouble) == (QUEUED, paid.request_id, "")
    assert (await house.engine.until(job)).state is SUCCEEDED
    assert house.engine.path(job)[-5:] == ["waiting", "submitting", "queued", "saving", "succeeded"]
    assert len(house.server.calls("submit")) == 1, "paid twice"


async def test_a_hook_that_comes_between_two_looks_at_the_row(house: House) -> None:
    class Late(SqliteJobStore):
        """The call comes while the worker has the job in its hands."""

        told = ""

        def get(self, job_id: str) -> Job | None:
            row = super().get(job_id)
            if row and self.told and row.state is WAITING and not row.told_request_id:
                self.patch(job_id, house.engine.now, Wishes(told_request_id=self.told))
            return row

    job, paid = await turned_away(house)
    settings = house.engine.studio.settings
    rows, fal = Late(settings.home / "takes.db"), FalProvider(settings)
    rows.told = paid.request_id
    parts = settings.home / "parts"
    media = house.engine.studio.media
    house.engine.worker = Worker(rows, media, {"fal": fal}, slots={"fal": 8}, poll_s={"fal": 0.05}, part_dir=parts)
    assert (await house.engine.until(job)).state is SUCCEEDED
    assert house.engine.job(job).request_id == paid.request_id
    assert len(house.server.calls("submit")) == 1, "paid twice"
    await fal.aclose()
    rows.close()


async def test_a_cancel_of_such_a_job_is_passed_on(house: House) -> None:
    """Nothing was sent, as far as we knew; fal knows better, so its owner must not be told that it was free."""
    house.server.queue_s = 3600.0
    job, paid = await turned_away(house)
    assert house.call(job, paid.request_id).send() == 200
    asked = house.engine.studio.cancel(job.owner, job.id)
    assert (asked.state, asked.cancel_requested) == (WAITING, True)
    ended = await house.engine.until(job)
    assert ended.state is CANCELLED
    assert ended.error is not None
    assert "Cancelled in the line of fal.ai" in ended.error.message
    assert len(house.server.calls("cancel")) == 1, "fal goes on with it"
    assert len(house.server.calls("submit")) == 1


async def test_a_hook_that_names_another_request(house: House, log: pytest.LogCaptureFixture) -> None:
    job, _ = await house.sent()
    before = as_it_stands(house, job)
    assert house.call(job, "another-request").send() == 200
    assert as_it_stands(house, job) == before
    assert "names another" in log.text
    assert await house.woken() == 0


# --- who is turned away -------------------------------------------------------------------------------------------------------


def to(call: Call, **params: str) -> Call:
    """The call at another address."""
    url = httpx.URL(call.url).copy_with(query=None)
    return replace(call, url=str(url.copy_merge_params(params)))


FORGERIES: dict[str, Callable[[House, Accepted, Accepted], Call]] = {
    "another key": lambda house, mine, _: house.server.hook(mine, key=Ed25519PrivateKey.generate()),
    "too old": lambda house, mine, _: house.server.hook(mine, at=time.time() - WINDOW_S - 5),
    "from the future": lambda house, mine, _: house.server.hook(mine, at=time.time() + WINDOW_S + 5),
    "another time than signed": lambda house, mine, _: house.server.hook(mine, at=time.time() - 9).with_header(
        "timestamp", str(int(time.time()))
    ),
    "another body than signed": lambda house, mine, _: replace(
        house.server.hook(mine), body=news(mine.request_id, {"video": {"url": "http://evil"}})
    ),
    "another user than signed": lambda house, mine, _: house.server.hook(mine).with_header("user-id", "another"),
    "another request than signed": lambda house, mine, _: house.server.hook(mine).with_header("request-id", "another"),
    "no signature": lambda house, mine, _: house.server.hook(mine).with_header("signature", None),
    "no headers": lambda house, mine, _: replace(house.server.hook(mine), headers={}),
    "no time": lambda house, mine, _: house.server.hook(mine).with_header("timestamp", None),
    "a word for a time": lambda house, mine, _: house.server.hook(mine).with_header("timestamp", "now"),
    "minus a time": lambda house, mine, _: house.server.hook(mine).with_header("timestamp", f"-{int(time.time())}"),
    "an endless time": lambda house, mine, _: house.server.hook(mine).with_header("timestamp", "9" * 5000),
    "no hex": lambda house, mine, _: house.server.hook(mine).with_header("signature", "zz" * 64),
    "half a byte": lambda house, mine, _: house.server.hook(mine).with_header("signature", "abc"),
    "a short signature": lambda house, mine, _: house.server.hook(mine).with_header("signature", "ab" * 10),
    "a signature of zeros": lambda house, mine, _: house.server.hook(mine).with_header("signature", "00" * 64),
    "no token": lambda house, mine, _: to(house.server.hook(mine)),
    "an empty token": lambda house, mine, _: to(house.server.hook(mine), **{PARAMETER: ""}),
    "a wrong token": lambda house, mine, _: to(house.server.hook(mine), **{PARAMETER: "x" * 27}),
    "another job's token": lambda house, mine, other: to(
        house.server.hook(mine), **{PARAMETER: httpx.URL(other.hook).params[PARAMETER]}
    ),
    "a token with odd letters": lambda house, mine, _: to(house.server.hook(mine), **{PARAMETER: "ü/../\x00"}),
}
"""Calls that are not fal's, or not about this job."""


@pytest.mark.parametrize("name", FORGERIES)
async def test_whoever_is_not_fal_is_turned_away(name: str, house: House, log: pytest.LogCaptureFixture) -> None:
    job, mine = await house.sent()
    _, other = await house.sent()
    before = as_it_stands(house, job)
    log.clear()
    call = FORGERIES[name](house, mine, other)
    assert call.send() == 401
    assert as_it_stands(house, job) == before, "the row was written"
    assert await house.woken() == 0
    [warning] = [record for record in log.records if record.name.startswith("takes")]
    assert warning.levelno == logging.WARNING
    assert "bad signature" in warning.getMessage()
    secrets = (house.server.key, house.server.key.partition(":")[2], job.prompt, httpx.URL(mine.hook).params[PARAMETER])
    for secret in secrets:
        assert secret not in warning.getMessage()
    assert house.server.tell(mine) == 200, "after that the true call is not heard"


async def test_a_job_is_not_woken_through_anothers_address(house: House) -> None:
    (one, mine), (other, theirs) = await house.sent(), await house.sent()
    before = as_it_stands(house, one)
    assert house.server.tell(mine, to=theirs.hook) == 200  # genuine, and about another request than that job's
    assert as_it_stands(house, one) == before
    assert house.engine.job(other).request_id == theirs.request_id
    assert await house.woken() == 0


@pytest.mark.parametrize("off_s", [-WINDOW_S + 20, WINDOW_S - 20])
async def test_clocks_need_not_agree_to_the_second(off_s: float, house: House) -> None:
    _, paid = await house.sent()
    assert house.server.tell(paid, at=time.time() + off_s) == 200


@pytest.mark.parametrize("body", [b"", b"no JSON", b"[]", b"3", b"{}", b'{"request_id": 3}', b'{"request_id": ""}', b"\xff\xfe"])  # fmt: skip
async def test_a_call_that_says_nothing(body: bytes, house: House) -> None:
    job, paid = await house.sent()
    before = as_it_stands(house, job)
    assert house.server.seal.call(paid.hook, body, request_id=paid.request_id).send() == 400
    assert as_it_stands(house, job) == before


async def test_a_huge_body_is_not_read_to_its_end(house: House) -> None:
    job, paid = await house.sent()
    before = as_it_stands(house, job)
    huge = news(paid.request_id, "x" * (MOST_BYTES + 1))
    assert house.server.seal.call(paid.hook, huge, request_id=paid.request_id).send() == 413
    assert as_it_stands(house, job) == before
    assert house.server.calls("jwks") == []
    large = news(paid.request_id, "x" * (MOST_BYTES - 1000))
    assert house.server.seal.call(paid.hook, large, request_id=paid.request_id).send() == 200


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "PATCH"])
async def test_only_a_post_is_a_webhook(method: str, house: House) -> None:
    job, paid = await house.sent()
    before = as_it_stands(house, job)
    call = house.server.hook(paid)
    answer = httpx.request(method, call.url, headers=call.headers, trust_env=False)
    assert answer.status_code == 405
    assert as_it_stands(house, job) == before


# --- fal's keys -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fault",
    [
        Fault(status=503, html=True),
        Fault(status=200, html=True),
        Fault(status=404, body={"detail": "Not Found"}),
        Fault(cut="before"),
        Fault(status=200, body={"keys": None}),
        Fault(status=200, body=[1]),
        Fault(status=200, body={"keys": [{"kty": "OKP", "crv": "Ed25519"}]}),
        Fault(status=200, body={"keys": [{"kty": "OKP", "crv": "Ed25519", "x": "c2hvcnQ"}]}),
    ],
)
async def test_where_the_keys_cannot_be_had_fal_comes_again(
    fault: Fault, house: House, log: pytest.LogCaptureFixture
) -> None:
    job, paid = await house.sent()
    before = as_it_stands(house, job)
    log.clear()
    house.server.fault("jwks", fault)
    call = house.server.hook(paid)
    assert call.send() == 503
    assert as_it_stands(house, job) == before
    [warning] = [record for record in log.records if record.name.startswith("takes")]
    assert "public keys cannot be fetched" in warning.getMessage()
    assert not any(seen.has_key for seen in house.server.calls("jwks")), "the key went along"
    assert call.send() == 200
    assert await house.woken() == 1


NOW = 1_800_000_000.0  # seconds since 1970


def signed(seal: Seal, at: float) -> Call:
    return seal.call("http://x", b"{}", request_id="r", at=at)


def fetches(server: FalServer) -> int:
    return len(server.calls("jwks"))


async def test_keys_are_kept_for_a_day(server: FalServer) -> None:
    signatures = Signatures(server.url)
    for at in (NOW, NOW + 3600, NOW + KEPT_S - 1):
        call = signed(server.seal, at)
        assert await signatures.is_from_fal(call.headers, call.body, at)
    assert fetches(server) == 1
    call = signed(server.seal, NOW + KEPT_S)
    server.seal.rotate()
    assert not await signatures.is_from_fal(call.headers, call.body, NOW + KEPT_S), "an old key was kept too long"
    assert fetches(server) == 2


async def test_a_new_key_is_fetched_once(server: FalServer) -> None:
    signatures = Signatures(server.url)
    old = Seal(server.seal.keys)
    call = signed(old, NOW)
    assert await signatures.is_from_fal(call.headers, call.body, NOW)
    server.seal.rotate()
    at = NOW + FETCH_AGAIN_S + 1
    for _ in range(5):
        call = signed(server.seal, at)
        assert await signatures.is_from_fal(call.headers, call.body, at)
    assert fetches(server) == 2
    call = signed(old, at)
    assert not await signatures.is_from_fal(call.headers, call.body, at), "a key that fal has withdrawn is believed"
    assert fetches(server) == 2


async def test_bad_signatures_cause_no_storm(server: FalServer) -> None:
    signatures, stranger = Signatures(server.url), Seal()
    minutes = 3
    for second in range(0, minutes * int(FETCH_AGAIN_S), 5):
        at = NOW + second
        calls = [signed(stranger, at) for _ in range(4)]
        told = await asyncio.gather(*(signatures.is_from_fal(call.headers, call.body, at) for call in calls))
        assert not any(told)
    assert fetches(server) == minutes, "more than one fetch a minute"
    call = signed(server.seal, at)
    assert await signatures.is_from_fal(call.headers, call.body, at)


async def test_keys_out_of_reach_do_not_forget_those_that_are_known(server: FalServer) -> None:
    signatures, stranger = Signatures(server.url), Seal()
    call = signed(server.seal, NOW)
    assert await signatures.is_from_fal(call.headers, call.body, NOW)
    server.stop()
    at = NOW + FETCH_AGAIN_S + 1
    bad, good = signed(stranger, at), signed(server.seal, at)
    with pytest.raises(ProviderUnavailable):
        await signatures.is_from_fal(bad.headers, bad.body, at)
    assert not await signatures.is_from_fal(bad.headers, bad.body, at), "one try a minute, well or ill"
    assert await signatures.is_from_fal(good.headers, good.body, at)


async def test_a_clock_that_was_set_back_does_not_keep_old_keys(server: FalServer) -> None:
    signatures = Signatures(server.url)
    call = signed(server.seal, NOW)
    assert await signatures.is_from_fal(call.headers, call.body, NOW)
    server.seal.rotate()
    before = NOW - 30 * 24 * 3600
    call = signed(server.seal, before)
    assert await signatures.is_from_fal(call.headers, call.body, before)
    assert fetches(server) == 2


# --- the whole app ------------------------------------------------------------------------------------------------------------------


@pytest.mark.slow
async def test_the_app_itself_is_told(server: FalServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`streamlit run` with PUBLIC_URL set to its own address; the first poll would come after half a minute and more."""
    server.run_s = 1.0
    server.fault("stream", Fault(status=404, body={"status": "NOT_FOUND"}), times=20)
    shared = {"POLL_SECONDS": "30", "FAL_BASE_URL": server.url, "FAL_API_KEY": server.key}
    with App(tmp_path, PUBLIC_URL="{url}", **shared) as app, own_log():
        point_at(server, monkeypatch, DATA_DIR=str(tmp_path / "data"), POLL_SECONDS="30")
        engine = open_engine()
        job = engine.ask()
        async with asyncio.timeout(PATIENCE_S):
            while engine.job(job).state is not QUEUED:
                await asyncio.sleep(0.1)
        [paid] = server.accepted
        assert paid.hook.startswith(f"{app.url}/hooks/fal/{job.id}?")
        await asyncio.sleep(2 * server.run_s)
        assert (engine.job(job).state, server.calls("status")) == (QUEUED, []), "something else than the hook moved it"
        forged = server.hook(paid, key=Ed25519PrivateKey.generate())
        assert await asyncio.to_thread(forged.send) == 401
        assert await asyncio.to_thread(server.tell, paid) == 200
        async with asyncio.timeout(PATIENCE_S):
            while engine.job(job).is_open:
                await asyncio.sleep(0.1)
        done, said = engine.job(job), app.log()
        await engine.close()
    assert done.state is SUCCEEDED
    assert done.error is None or done.error.charged is Charged.NO
    assert len(server.calls("status")) == 1
    assert len(server.accepted) == 1
    for secret in (server.key.partition(":")[2], job.prompt, httpx.URL(paid.hook).params[PARAMETER]):
        assert secret not in said
