"""Following a job at fal: what each answer to status, result and cancel means."""

from collections.abc import AsyncIterator, Iterator

import pytest

from core.errors import Charged, ProviderRefused, ProviderUnavailable
from core.providers.base import Cancelled, CancelRequested, Completed, Output, Running, TooLate
from core.providers.fal import FalProvider
from tests.fal_server import FalServer, Fault, policy_refusal
from tests.fal_server.sample import QUICK, a_job

LINES = 2  # a kept-open line that breaks is opened again once, as HTTP allows for calls that change nothing


@pytest.fixture
def server() -> Iterator[FalServer]:
    with FalServer() as running:
        yield running


@pytest.fixture
async def provider(server: FalServer) -> AsyncIterator[FalProvider]:
    made = FalProvider(server.settings(), QUICK)
    yield made
    await made.aclose()


# --- Status -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (Fault(status=200, body={"status": "FAILED", "request_id": "x"}), "unknown_status"),
        (Fault(status=202, body="<html>maintenance</html>"), "odd_answer"),
        (Fault(status=200, body=[1, 2]), "odd_answer"),
        (Fault(status=401, body={"detail": "invalid key credentials"}), "wrong_key"),
        (Fault(status=403, body={"detail": "This key may not read"}), "wrong_key"),
        (Fault(status=403, body={"detail": "User is locked. Reason: Exhausted balance"}), "locked_account"),
        (Fault(status=403, html=True), "not_fal"),
        (Fault(status=404, html=True), "not_fal"),
        (Fault(status=405, body={"detail": "Method Not Allowed"}), "odd_answer"),
        (Fault(status=429, headers={"Retry-After": "12"}), "rate_limited"),
        (Fault(status=500, body={"detail": "x", "error_type": "internal_error"}), "http_500"),
        (Fault(status=504, html=True), "http_504"),
        (Fault(status=301, headers={"Location": "http://127.0.0.1:1/steal"}), "redirected"),
        (Fault(cut="before"), "cut_off"),
        (Fault(short=10), "cut_off"),
        (Fault(wait_s=2), "timeout"),
    ],
)
async def test_no_fault_of_a_status_call_ends_the_job(
    server: FalServer, provider: FalProvider, fault: Fault, kind: str
) -> None:
    job = a_job(receipt=await provider.submit(a_job()))
    server.fault("status", fault, times=LINES if fault.cut else 1)
    with pytest.raises(ProviderUnavailable) as caught:
        await provider.status(job)
    assert caught.value.kind == kind
    assert caught.value.retry_after_s == (12.0 if kind == "rate_limited" else None)
    if kind in ("wrong_key", "locked_account"):
        assert "The job goes on at fal" in caught.value.message
    assert isinstance(await provider.status(job), Completed), "the next look sees the job as it is"
    assert len(server.accepted) == 1


async def test_an_unknown_request_is_final(server: FalServer, provider: FalProvider) -> None:
    job = a_job(request_id="never-heard-of")
    for call in (provider.status(job), provider.result(job), provider.cancel(job)):
        with pytest.raises(ProviderRefused) as caught:
            await call
        assert (caught.value.kind, caught.value.charged) == ("request_not_found", Charged.MAYBE)
    with pytest.raises(ProviderRefused, match="no request id"):
        await provider.status(a_job())


async def test_a_completed_job_may_still_be_a_failure(server: FalServer, provider: FalProvider) -> None:
    server.end_with(policy_refusal("image_url"))
    job = a_job(receipt=await provider.submit(a_job()))
    assert isinstance(await provider.status(job), Completed), "only the result tells"
    with pytest.raises(ProviderRefused) as caught:
        await provider.result(job)
    assert caught.value.field == "image"
    assert "refused the picture “Still”" in caught.value.message
    assert "prompt" not in caught.value.message


# --- Result -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fault",
    [
        Fault(status=400, body={"detail": "Request is still in progress"}),
        Fault(status=202, body={"status": "IN_PROGRESS"}),
        Fault(status=200, body={"status": "IN_QUEUE", "request_id": "x"}),
    ],
)
async def test_not_yet_is_none(server: FalServer, provider: FalProvider, fault: Fault) -> None:
    job = a_job(receipt=await provider.submit(a_job()))
    server.fault("result", fault, times=LINES if fault.cut else 1)
    assert await provider.result(job) is None
    assert isinstance(await provider.result(job), Output)


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (Fault(status=504, html=True), "http_504"),
        (Fault(status=502, body={"detail": "Bad gateway"}), "http_502"),
        (Fault(status=500), "http_500"),
        (Fault(status=401, body={"detail": "invalid key credentials"}), "wrong_key"),
        (Fault(status=402, body={"detail": "no credit"}), "locked_account"),
        (Fault(status=429), "rate_limited"),
        (Fault(status=200, body="<html>"), "odd_answer"),
        (Fault(short=20), "cut_off"),
        (Fault(cut="after"), "cut_off"),
        (Fault(wait_s=2), "timeout"),
    ],
)
async def test_a_passing_fault_of_the_result_call_throws_no_paid_video_away(
    server: FalServer, provider: FalProvider, fault: Fault, kind: str
) -> None:
    job = a_job(receipt=await provider.submit(a_job()))
    server.fault("result", fault, times=LINES if fault.cut else 1)
    with pytest.raises(ProviderUnavailable) as caught:
        await provider.result(job)
    assert caught.value.kind == kind
    assert isinstance(await provider.result(job), Output)


@pytest.mark.parametrize(
    "body",
    [{}, {"video": None}, {"video": {"url": ""}}, {"video": {"url": "data:video/mp4;base64,AAAA"}}, {"video": 3}],
)
async def test_a_result_without_a_video_is_told_as_such(
    server: FalServer, provider: FalProvider, body: dict[str, object]
) -> None:
    job = a_job(receipt=await provider.submit(a_job()))
    server.fault("result", Fault(status=200, body=body))
    with pytest.raises(ProviderRefused) as caught:
        await provider.result(job)
    assert (caught.value.kind, caught.value.charged) == ("no_video", Charged.MAYBE)


async def test_facts_of_the_result_are_kept(server: FalServer, provider: FalProvider) -> None:
    server.result_extra = {"seed": 12, "actual_prompt": "a heron, in detail", "timings": {"x": 1}}
    job = a_job(receipt=await provider.submit(a_job()))
    output = await provider.result(job)
    assert output is not None
    assert {name: output.facts[name] for name in ("seed", "actual_prompt", "billable_units")} == {
        "seed": 12, "actual_prompt": "a heron, in detail", "billable_units": 5.0,
    }  # fmt: skip
    assert "timings" not in output.facts


# --- Cancel -------------------------------------------------------------------------------------------------------


async def test_cancel_in_line_running_and_too_late(server: FalServer, provider: FalProvider) -> None:
    server.queue_polls = server.run_polls = 1
    job = a_job(receipt=await provider.submit(a_job()))
    assert await provider.cancel(job) == Cancelled()
    with pytest.raises(ProviderRefused) as caught:
        await provider.result(job)
    assert caught.value.kind == "client_cancelled"

    job = a_job(receipt=await provider.submit(a_job()))
    await provider.status(job)
    assert await provider.cancel(job) == CancelRequested()
    assert isinstance(await provider.status(job), Running), "it may still finish, and its result is kept"
    assert await provider.cancel(job) == TooLate()
    assert isinstance(await provider.result(job), Output)
    assert all(call.method == "PUT" and call.has_key for call in server.calls("cancel"))


@pytest.mark.parametrize(
    ("fault", "answer"),
    [
        (Fault(status=200, body={"status": "OK"}), Cancelled()),
        (Fault(status=202, body={"status": "OK"}), CancelRequested()),
        (Fault(status=200, body={"status": "CANCELLATION_REQUESTED"}), CancelRequested()),
        (Fault(status=200, body={"success": True}), CancelRequested()),
        (Fault(status=200, body="fine"), CancelRequested()),
        (Fault(status=204, body=""), CancelRequested()),
    ],
)
async def test_every_form_of_yes(server: FalServer, provider: FalProvider, fault: Fault, answer: object) -> None:
    job = a_job(receipt=await provider.submit(a_job()))
    server.fault("cancel", fault, times=LINES if fault.cut else 1)
    assert await provider.cancel(job) == answer


@pytest.mark.parametrize(
    "fault", [Fault(status=503, html=True), Fault(cut="after"), Fault(status=401, body={}), Fault(wait_s=2)]
)
async def test_a_fault_of_a_cancel_passes(server: FalServer, provider: FalProvider, fault: Fault) -> None:
    server.queue_s = 60
    job = a_job(receipt=await provider.submit(a_job()))
    server.fault("cancel", fault, times=LINES if fault.cut else 1)
    with pytest.raises(ProviderUnavailable):
        await provider.cancel(job)
    assert await provider.cancel(job) in (Cancelled(), TooLate())
