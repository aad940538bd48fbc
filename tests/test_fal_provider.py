"""FalProvider over the fake fal: a whole job call by call, uploads, and where the key goes."""

import logging
import traceback
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from core import models
from core.errors import Charged, ProviderRefused, ProviderUnavailable
from core.providers.base import Completed, Provider, Queued, Running, TooLate
from core.providers.fal import FalProvider, app_id
from tests.fal_server import FalServer, Fault
from tests.fal_server.clip import clip
from tests.fal_server.sample import PROMPT, QUICK, STILL, STILL_BYTES, a_job


@pytest.fixture
def server() -> Iterator[FalServer]:
    with FalServer() as running:
        yield running


@pytest.fixture
async def provider(server: FalServer) -> AsyncIterator[FalProvider]:
    made = FalProvider(server.settings(), QUICK)
    yield made
    await made.aclose()


@pytest.fixture
def still(tmp_path: Path) -> Path:
    path = tmp_path / STILL
    path.write_bytes(STILL_BYTES)
    return path


async def test_a_whole_job_makes_these_calls_in_this_order(
    server: FalServer, provider: FalProvider, still: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    server.queue_polls, server.run_polls = 2, 1
    job = a_job(uploads={})

    address = await provider.upload(job, STILL, still)
    job = job.with_(uploads={STILL: address})
    receipt = await provider.submit(job)
    job = a_job(receipt=receipt, id=job.id, uploads=job.uploads)
    assert await provider.result(job) is None
    seen = [await provider.status(job) for _ in range(4)]
    output = await provider.result(job)
    assert output is not None
    await provider.download(job, output, tmp_path / "part.mp4")

    assert [call.op for call in server.record] == [
        "initiate", "put", "submit", "result", "status", "status", "status", "status", "result", "file",
    ]  # fmt: skip
    lines = ("loading the model", "frame 1 of 24")
    assert seen == [Queued(1), Queued(0), Running(logs=lines), Completed(lines)]
    assert receipt.position == 1
    assert output.facts == {
        "seed": 4711,
        "content_type": "video/mp4",
        "file_name": f"{receipt.request_id}.mp4",
        "file_size": len(clip()),
        "billable_units": 5.0,
    }
    assert (tmp_path / "part.mp4").read_bytes() == clip()
    assert list(tmp_path.iterdir()).count(tmp_path / "part.mp4.etag") == 0, "the mark goes with the last byte"

    [paid] = server.accepted
    assert paid.endpoint == "decart/lucy-14b/image-to-video"
    assert paid.payload == {
        "image_url": address, "prompt": PROMPT, "aspect_ratio": "16:9", "resolution": "720p", "sync_mode": False,
    }  # fmt: skip
    assert paid.tags == f"takes-job={job.id}"
    assert {call.op for call in server.record if call.has_key} == {"initiate", "submit", "status", "result"}
    assert not any(call.has_key for call in server.calls("put", "file"))
    assert all(call.query == {"logs": "1"} for call in server.calls("status"))
    assert [file.data for file in server.files.values()] == [STILL_BYTES]
    assert server.calls("put")[0].headers["content-type"] == "image/png"
    assert "transfer-encoding" not in server.calls("put")[0].headers, "a presigned address takes no chunked body"
    secret = server.key.partition(":")[2]
    assert secret not in caplog.text, "the key is in no log, not even at DEBUG"
    assert PROMPT not in "".join(r.getMessage() for r in caplog.records if r.levelno >= logging.INFO)


def test_it_is_a_provider(server: FalServer) -> None:
    provider: Provider = FalProvider(server.settings())
    spec = models.get("veo31-fast")
    given = spec.input.model_validate({"image": STILL, "prompt": PROMPT, "duration": "8s"})
    assert (provider.name, provider.title, provider.resubmits) == ("fal", "fal.ai", False)
    assert provider.options(spec) is None
    assert provider.price(spec, given) == spec.price(given)
    assert server.record == [], "asking the price calls nobody"


def test_describe_tells_how_it_is_set_up_but_not_the_key(server: FalServer) -> None:
    assert FalProvider(server.settings()).describe() == f"fal: key set, queue {server.url}"
    assert FalProvider(server.settings(fal_api_key=None)).describe() == f"fal: no key, queue {server.url}"
    assert FalProvider(server.settings(fal_api_key="a\nb")).describe() == f"fal: unusable key, queue {server.url}"
    hidden = FalProvider(server.settings(fal_queue_url="https://me:hush@queue.example/x")).describe()
    assert "hush" not in hidden
    assert server.key not in repr(vars(FalProvider(server.settings())))


@pytest.mark.parametrize(
    ("key", "kind"), [(None, "no_key"), ("two words", "wrong_key"), ("schlüssel:geheim", "wrong_key")]
)
async def test_without_a_usable_key_nothing_is_sent(server: FalServer, still: Path, key: str | None, kind: str) -> None:
    provider = FalProvider(server.settings(fal_api_key=SecretStr(key) if key else None), QUICK)
    for call in (provider.upload(a_job(), STILL, still), provider.submit(a_job())):
        with pytest.raises(ProviderRefused) as caught:
            await call
        assert caught.value.kind == kind
        assert "FAL_API_KEY" in caught.value.message
        assert "geheim" not in "".join(traceback.format_exception(caught.value))
    with pytest.raises(ProviderUnavailable) as passing:
        await provider.status(a_job(request_id="some-id"))
    assert passing.value.kind == kind, "a job that is at fal is not lost because the key is"
    assert server.record == [], "and the server heard nothing"


# --- Upload -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("op", "fault", "error", "kind"),
    [
        ("initiate", Fault(status=401, body={"detail": "no"}), ProviderRefused, "wrong_key"),
        ("initiate", Fault(status=403, body={"detail": "User is locked. Reason: Exhausted balance."}), ProviderRefused, "locked_account"),
        ("initiate", Fault(status=402, body={"detail": "pay"}), ProviderRefused, "locked_account"),
        ("initiate", Fault(status=404, body={}), ProviderRefused, "not_fal"),
        ("initiate", Fault(status=429, headers={"Retry-After": "7"}), ProviderUnavailable, "rate_limited"),
        ("initiate", Fault(status=503, html=True), ProviderUnavailable, "http_503"),
        ("initiate", Fault(status=200, body="no JSON"), ProviderUnavailable, "odd_answer"),
        ("initiate", Fault(status=200, body={"upload_url": "file:///etc/passwd", "file_url": "x"}), ProviderUnavailable, "odd_answer"),
        ("initiate", Fault(cut="before"), ProviderUnavailable, "cut_off"),
        ("initiate", Fault(wait_s=2), ProviderUnavailable, "timeout"),
        ("put", Fault(status=413), ProviderRefused, "file_too_large"),
        ("put", Fault(status=403, body="<Error/>"), ProviderUnavailable, "upload_failed"),
        ("put", Fault(status=500), ProviderUnavailable, "upload_failed"),
        ("put", Fault(cut="before"), ProviderUnavailable, "cut_off"),
    ],
)  # fmt: skip
async def test_what_an_upload_runs_into(
    server: FalServer, provider: FalProvider, still: Path, op: str, fault: Fault, error: type[Exception], kind: str
) -> None:
    server.fault(op, fault)  # type: ignore[arg-type]
    with pytest.raises(error) as caught:
        await provider.upload(a_job(), STILL, still)
    assert caught.value.kind == kind  # type: ignore[attr-defined]
    assert caught.value.charged is Charged.NO  # type: ignore[attr-defined]
    assert server.accepted == []
    assert (await provider.upload(a_job(), STILL, still)).startswith(f"{server.url}/files/"), "the next try works"


# --- Addresses and the key ----------------------------------------------------------------------------------------


async def test_a_reply_that_names_another_host_does_not_get_the_key(server: FalServer, provider: FalProvider) -> None:
    with FalServer() as other:
        server.reply_base = other.url
        receipt = await provider.submit(a_job())
        base = f"{server.url}/decart/lucy-14b/requests/{receipt.request_id}"
        assert (receipt.status_url, receipt.response_url, receipt.cancel_url) == (
            f"{base}/status",
            base,
            f"{base}/cancel",
        )
        stored = {f"{name}_url": f"{other.url}/steal" for name in ("status", "response", "cancel")}
        job = a_job(request_id=receipt.request_id, **stored)  # as if the row had been tampered with
        await provider.status(job)
        await provider.result(job)
        assert isinstance(await provider.cancel(job), TooLate)
        assert other.record == []


@pytest.mark.parametrize(
    "host", ["http://127.0.0.1:1", "https://127.0.0.1:{port}", "http://me:pw@127.0.0.1:{port}", "//evil", "http://[bad"]
)
async def test_only_the_very_same_origin_is_trusted(server: FalServer, provider: FalProvider, host: str) -> None:
    port = server.url.rpartition(":")[2]
    server.reply_base = host.replace("{port}", port)
    receipt = await provider.submit(a_job())
    assert receipt.status_url == f"{server.url}/decart/lucy-14b/requests/{receipt.request_id}/status"
    assert isinstance(await provider.status(a_job(receipt=receipt)), Completed)


async def test_a_redirect_is_not_followed_with_the_key(server: FalServer, provider: FalProvider) -> None:
    job = a_job(receipt=await provider.submit(a_job()))
    with FalServer() as other:
        server.fault("result", Fault(status=307, headers={"Location": f"{other.url}/steal"}))
        with pytest.raises(ProviderUnavailable, match="redirect"):
            await provider.result(job)
        server.fault("submit", Fault(status=308, headers={"Location": f"{other.url}/steal"}))
        with pytest.raises(ProviderRefused, match="redirect"):
            await provider.submit(a_job())
        assert other.record == []
    assert len(server.accepted) == 1


async def test_the_video_and_upload_hosts_never_see_the_key(
    server: FalServer, provider: FalProvider, still: Path, tmp_path: Path
) -> None:
    with FalServer() as cdn:
        server.file_base = cdn.url
        await provider.upload(a_job(), STILL, still)
        job = a_job(receipt=await provider.submit(a_job()))
        cdn.files[f"{job.request_id}.mp4"] = next(iter(cdn.files.values()))
        output = await provider.result(job)
        assert output is not None
        await provider.download(job, output, tmp_path / "part.mp4")
        assert [call.op for call in cdn.record] == ["put", "file"]
        assert not any(call.has_key or server.key in str(call.headers) for call in cdn.record)


def test_owner_and_app_are_the_first_two_parts() -> None:
    assert app_id("decart/lucy-14b/image-to-video") == "decart/lucy-14b"
    assert app_id("fal-ai/kling-video/v3/pro/image-to-video") == "fal-ai/kling-video"
    assert app_id("workflows/me/my-flow/extra") == "workflows/me/my-flow"
    assert app_id("comfy/me/my-flow") == "comfy/me/my-flow"
    assert app_id("/me/app/") == "me/app"


async def test_a_request_id_cannot_leave_its_place_in_the_address(server: FalServer, provider: FalProvider) -> None:
    with pytest.raises(ProviderRefused):
        await provider.status(a_job(request_id="../../x?y=1"))
    assert server.record[-1].query == {"logs": "1"}
    assert server.record[-1].path.startswith("/decart/lucy-14b/requests/")
