"""The paid call: sent once, and every way in which it can end is told apart."""

import asyncio
import socket
import traceback
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from core.errors import Charged, OutcomeUnknown, ProviderRefused, ProviderUnavailable
from core.providers.fal import FalProvider
from core.providers.fal_errors import endpoint_setting
from core.settings import Settings
from tests.fal_server import FalServer, Fault
from tests.fal_server.sample import CLIP, OTHER_CLIP, QUICK, STILL, a_job


@pytest.fixture
def server() -> Iterator[FalServer]:
    with FalServer() as running:
        yield running


@pytest.fixture
async def provider(server: FalServer) -> AsyncIterator[FalProvider]:
    made = FalProvider(server.settings(), QUICK)
    yield made
    await made.aclose()


async def test_refused_connection_means_nothing_was_accepted() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    provider = FalProvider(FalServer().settings(fal_base_url=f"http://127.0.0.1:{port}"), QUICK)
    with pytest.raises(ProviderUnavailable) as caught:
        await provider.submit(a_job())
    assert caught.value.kind == "unreachable"
    assert caught.value.charged is Charged.NO
    await provider.aclose()


@pytest.mark.parametrize(
    ("fault", "kind", "wait_s"),
    [
        (Fault(status=429, headers={"Retry-After": "9"}, body={"detail": "slow down"}), "rate_limited", 9.0),
        (Fault(status=429), "rate_limited", 5.0),
        (Fault(status=429, headers={"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}), "rate_limited", 0.0),
        (Fault(status=429, headers={"Retry-After": "soon"}), "rate_limited", 5.0),
        (Fault(status=429, headers={"Retry-After": "inf"}), "rate_limited", 3600.0),
        (Fault(status=503, html=True), "busy", 5.0),
        (Fault(status=503, html=True, headers={"Retry-After": "3"}), "busy", 3.0),
    ],
)
async def test_turned_away_at_the_door_may_be_sent_again(
    server: FalServer, provider: FalProvider, fault: Fault, kind: str, wait_s: float
) -> None:
    server.fault("submit", fault)
    with pytest.raises(ProviderUnavailable) as caught:
        await provider.submit(a_job())
    assert (caught.value.kind, caught.value.retry_after_s, caught.value.charged) == (kind, wait_s, Charged.NO)
    assert server.accepted == []
    assert len(server.calls("submit")) == 1, "it is the engine that sends it again, not this call"


@pytest.mark.parametrize(
    ("fault", "accepted"),
    [
        (Fault(cut="before"), 0),
        (Fault(cut="after"), 1),
        (Fault(short=15), 1),
        (Fault(wait_s=2), 1),
        (Fault(status=502, html=True), 0),
        (Fault(status=502, html=True, works=True), 1),
        (Fault(status=504, html=True, works=True), 1),
        (Fault(status=504, body={"detail": "late", "error_type": "request_timeout"}), 0),
        (Fault(status=503, body={"detail": "no runner"}), 0),
        (Fault(status=503, html=True, headers={"x-fal-request-id": "abc"}, works=True), 1),
        (Fault(status=500, body="oops", works=True), 1),
        (Fault(status=408), 0),
        (Fault(status=200, body="<html>welcome to the hotel wifi</html>"), 0),
        (Fault(status=200, body="{\"request_id\": \"half", works=True), 1),
        (Fault(status=200, body={"status": "IN_QUEUE"}, works=True), 1),
        (Fault(status=200, body={"request_id": None}), 0),
        (Fault(status=200, body=["x"]), 0),
    ],
)  # fmt: skip
async def test_a_lost_answer_is_told_as_lost_and_never_sent_again(
    server: FalServer, provider: FalProvider, fault: Fault, accepted: int
) -> None:
    server.fault("submit", fault)
    with pytest.raises(OutcomeUnknown) as caught:
        await provider.submit(a_job())
    assert caught.value.charged is Charged.MAYBE
    assert "not sent again by itself" in caught.value.message
    await asyncio.sleep(0.05)
    assert len(server.calls("submit")) == 1, "the second submit did not reach the server"
    assert len(server.accepted) == accepted


async def test_a_lost_answer_keeps_the_request_id_if_one_came(server: FalServer, provider: FalProvider) -> None:
    server.fault("submit", Fault(status=504, html=True, headers={"x-fal-request-id": "req-77"}))
    with pytest.raises(OutcomeUnknown) as caught:
        await provider.submit(a_job())
    assert caught.value.raw["request_id"] == "req-77"


@pytest.mark.parametrize(
    ("fault", "kind", "words"),
    [
        (Fault(status=401, body={"detail": "invalid key credentials {key}"}), "wrong_key", ("fal refused the key (401)", "FAL_API_KEY", ".env")),
        (Fault(status=403, body={"detail": "Key {key} may not submit"}), "wrong_key", ("(403)", "FAL_API_KEY")),
        (Fault(status=403, body={"detail": "User is locked. Reason: Exhausted balance."}), "locked_account", ("locked or out of credit", "fal.ai/dashboard/billing")),
        (Fault(status=402, body={"detail": "Payment required"}), "locked_account", ("locked or out of credit", "fal.ai/dashboard/billing")),
        (Fault(status=403, html=True), "not_fal", ("403", "FAL_BASE_URL")),
        (Fault(status=400, body={"detail": "bad things", "error_type": "bad_request"}), "bad_request", ("bad things",)),
        (Fault(status=422, body={"detail": "Unsupported data URL"}), "http_422", ("Unsupported data URL",)),
    ],
)  # fmt: skip
async def test_a_refusal_is_final_and_free(
    server: FalServer, provider: FalProvider, fault: Fault, kind: str, words: tuple[str, ...]
) -> None:
    if isinstance(fault.body, dict):
        body = {name: text.replace("{key}", server.key) for name, text in fault.body.items()}
        fault = Fault(status=fault.status, body=body)
    server.fault("submit", fault)
    with pytest.raises(ProviderRefused) as caught:
        await provider.submit(a_job())
    assert (caught.value.kind, caught.value.charged) == (kind, Charged.NO)
    for word in words:
        assert word in caught.value.message
    told = "".join(traceback.format_exception(caught.value)) + repr(caught.value.raw) + caught.value.message
    assert server.key not in told
    assert server.key.partition(":")[2] not in told, "nor its secret half, though the server echoed it"
    assert len(server.calls("submit")) == 1


@pytest.mark.parametrize(
    ("model", "setting", "lucy"),
    [("lucy14b", "FAL_ENDPOINT__LUCY14B", True), ("lucy5b", "FAL_ENDPOINT__LUCY5B", True), ("kling25-turbo-pro", "FAL_ENDPOINT__KLING25-TURBO-PRO", False)],
)  # fmt: skip
async def test_an_endpoint_that_is_gone_names_the_setting(
    server: FalServer, provider: FalProvider, model: str, setting: str, lucy: bool
) -> None:
    endpoint = "decart/lucy-9/image-to-video" if lucy else "fal-ai/gone/image-to-video"
    with pytest.raises(ProviderRefused) as caught:
        await provider.submit(a_job(model, endpoint=endpoint))
    message = caught.value.message
    assert caught.value.kind == "endpoint_not_found"
    assert f"“{endpoint}”" in message
    assert setting in message
    assert ("stopped listing" in message) is lucy
    assert server.accepted == []


@pytest.mark.parametrize("model", ["lucy14b", "kling25-turbo-pro"])
def test_the_setting_that_the_message_names_works(monkeypatch: pytest.MonkeyPatch, tmp_path: Any, model: str) -> None:
    (tmp_path / ".env").write_text(f"{endpoint_setting(model)}=fal-ai/other\n")
    assert Settings(_env_file=tmp_path / ".env").endpoint(model, "default") == "fal-ai/other"  # type: ignore[call-arg]
    monkeypatch.setenv(endpoint_setting(model), "fal-ai/third")
    assert Settings().endpoint(model, "default") == "fal-ai/third"


async def test_another_endpoint_from_the_settings_is_the_one_called(server: FalServer, provider: FalProvider) -> None:
    receipt = await provider.submit(a_job(endpoint="fal-ai/decart/lucy-5b/image-to-video"))
    assert server.accepted[0].endpoint == "fal-ai/decart/lucy-5b/image-to-video"
    assert receipt.status_url == f"{server.url}/fal-ai/decart/requests/{receipt.request_id}/status"


async def test_a_bad_payload_comes_back_with_the_forms_field(server: FalServer, provider: FalProvider) -> None:
    job = a_job("ltx23-fast", endpoint="fal-ai/veo3.1/fast/image-to-video")  # an override that takes another input
    with pytest.raises(ProviderRefused) as caught:
        await provider.submit(job)
    assert caught.value.field == "duration"
    assert "“Duration” has a value that the model does not take. Allowed: 4s, 6s or 8s." in caught.value.message
    assert server.accepted == []


@pytest.mark.parametrize(
    ("changes", "kind", "field"),
    [
        ({"model": "splice", "inputs": {"clips": [{"key": CLIP}, {"key": OTHER_CLIP}], "transition": "crossfade"}}, "invalid_input", "transition"),
        ({"model": "lucy14b", "inputs": {"image": STILL}}, "invalid_input", None),
        ({"model": "gone-model", "inputs": {}}, "no_such_model", None),
    ],
)  # fmt: skip
async def test_an_input_that_fal_cannot_do_is_not_sent(
    server: FalServer, provider: FalProvider, changes: dict[str, Any], kind: str, field: str | None
) -> None:
    with pytest.raises(ProviderRefused) as caught:
        await provider.submit(a_job().with_(**changes))
    assert (caught.value.kind, caught.value.field, caught.value.charged) == (kind, field, Charged.NO)
    assert server.record == []


async def test_a_file_that_is_not_uploaded_yet_holds_the_submit_back(server: FalServer, provider: FalProvider) -> None:
    with pytest.raises(ProviderUnavailable) as caught:
        await provider.submit(a_job(uploads={}))
    assert caught.value.kind == "not_uploaded"
    assert server.record == []


async def test_a_submit_never_rides_on_a_kept_open_line(server: FalServer, provider: FalProvider) -> None:
    """fal closes idle lines; a submit on a line that is just being closed would look like a lost answer."""
    job = a_job(receipt=await provider.submit(a_job()))
    await provider.status(job)
    await provider.status(job)
    await provider.submit(a_job())
    await provider.status(job)
    ports = {op: [call.port for call in server.calls(op)] for op in ("submit", "status")}
    assert len(set(ports["submit"])) == 2
    assert len(set(ports["status"])) == 1, "the other calls share one line"
    assert not set(ports["submit"]) & set(ports["status"])


async def test_an_answer_that_drips_in_is_given_up(server: FalServer, provider: FalProvider) -> None:
    server.fault("submit", Fault(drip_s=0.2))
    with pytest.raises(OutcomeUnknown) as caught:
        await provider.submit(a_job())
    assert caught.value.kind == "timeout"
    assert len(server.accepted) == 1
    assert len(server.calls("submit")) == 1
