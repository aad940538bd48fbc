"""The fake fal itself: it is only worth something if it is as strict as fal."""

import json
import time
from collections.abc import Iterator

import httpx
import pytest

from tests.fal_server import Accepted, FalServer, Fault
from tests.fal_server.clip import clip

LUCY = "decart/lucy-14b/image-to-video"
BODY = {"prompt": "a heron", "image_url": "https://x/y.png", "sync_mode": False}


@pytest.fixture
def server() -> Iterator[FalServer]:
    with FalServer() as running:
        yield running


@pytest.fixture
def line(server: FalServer) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url, headers={"Authorization": f"Key {server.key}"}, trust_env=False) as client:
        yield client


def test_both_forms_of_the_address_and_the_alias(server: FalServer, line: httpx.Client) -> None:
    job = line.post(f"/{LUCY}", json=BODY).json()
    assert job["status"] == "IN_QUEUE"
    assert job["response_url"] == f"{server.url}/decart/lucy-14b/requests/{job['request_id']}"
    for app in ("decart/lucy-14b", LUCY):
        base = f"/{app}/requests/{job['request_id']}"
        assert line.get(f"{base}/status").json()["status"] == "COMPLETED"
        assert line.get(base).json()["video"]["url"].endswith(".mp4")
        assert line.get(f"{base}/response").status_code == 200
    assert line.get(f"/fal-ai/other/requests/{job['request_id']}").status_code == 404


def test_key_schema_and_endpoint_are_checked(server: FalServer, line: httpx.Client) -> None:
    assert line.post(f"/{LUCY}", json=BODY, headers={"Authorization": f"Bearer {server.key}"}).status_code == 401
    assert line.post("/decart/lucy-i2v", json=BODY).status_code == 404
    refused = line.post(f"/{LUCY}", json={"prompt": 3, "aspect_ratio": "1:1"})
    assert refused.status_code == 422
    assert {tuple(entry["loc"]) for entry in refused.json()["detail"]} == {
        ("body", "prompt"),
        ("body", "aspect_ratio"),
        ("body", "image_url"),
    }
    assert server.accepted == []
    server.validates = "run"
    job = line.post(f"/{LUCY}", json={"prompt": "no picture"}).json()
    assert line.get(f"/decart/lucy-14b/requests/{job['request_id']}").status_code == 422, "as fal does it"


def test_the_put_refuses_the_key(server: FalServer, line: httpx.Client) -> None:
    asked = {"content_type": "image/png", "file_name": "a.png"}
    place = line.post("/storage/upload/initiate", params={"storage_type": "fal-cdn-v3"}, json=asked).json()
    assert line.put(place["upload_url"], content=b"abc").status_code == 400
    assert server.files == {}
    assert (
        httpx.put(
            place["upload_url"], content=b"abc", headers={"Content-Type": "image/png"}, trust_env=False
        ).status_code
        == 200
    )
    got = httpx.get(place["file_url"], trust_env=False)
    assert (got.content, got.headers["content-type"]) == (b"abc", "image/png")


def test_the_status_stream_closes_with_the_end(server: FalServer, line: httpx.Client) -> None:
    server.queue_polls = server.run_polls = 1
    job = line.post(f"/{LUCY}", json=BODY).json()
    with line.stream("GET", f"/decart/lucy-14b/requests/{job['request_id']}/status/stream") as stream:
        assert stream.headers["content-type"] == "text/event-stream"
        events = [json.loads(text.removeprefix("data: ")) for text in stream.iter_lines() if text.startswith("data: ")]
    assert [event["status"] for event in events] == ["IN_QUEUE", "IN_PROGRESS", "COMPLETED"]


def test_time_moves_a_job_on(server: FalServer, line: httpx.Client) -> None:
    server.queue_s = 3600.0
    job = line.post(f"/{LUCY}", json=BODY).json()
    assert job["queue_position"] == 3600 - 1
    waiting = line.get(job["status_url"], params={"logs": "1"})
    assert (waiting.status_code, waiting.json()["status"], waiting.json()["logs"]) == (202, "IN_QUEUE", [])
    server.queue_s, server.run_s = 0.0, 3600.0
    assert line.get(job["status_url"]).json()["status"] == "IN_PROGRESS"
    assert line.get(job["response_url"]).json() == {"detail": "Request is still in progress"}
    server.cancel_ends = True
    assert line.put(job["cancel_url"]).status_code == 202
    ended = line.get(job["status_url"]).json()
    assert (ended["status"], ended["error_type"]) == ("COMPLETED", "client_cancelled")


def test_a_job_may_have_a_run_length_of_its_own(server: FalServer, line: httpx.Client) -> None:
    server.run_s = 3600.0
    quick = server.accept(Accepted("quick", LUCY, BODY, "", time.monotonic(), run_s=0.0))
    slow = server.accept(Accepted("slow", LUCY, BODY, "", time.monotonic()))
    assert line.get(f"/{LUCY}/requests/quick/status").json()["status"] == "COMPLETED"
    assert line.get(f"/{LUCY}/requests/slow/status").json()["status"] == "IN_PROGRESS"
    assert (server.done_at(quick), server.done_at(slow)) == (quick.at, slow.at + 3600.0)


def test_the_clip_is_a_real_mp4(server: FalServer, line: httpx.Client) -> None:
    assert clip()[4:8] == b"ftyp"
    assert clip().index(b"moov") < clip().index(b"mdat"), "it plays before it is all there"
    job = line.post(f"/{LUCY}", json=BODY).json()
    url = line.get(job["response_url"]).json()["video"]["url"]
    part = httpx.get(url, headers={"Range": "bytes=4-7"}, trust_env=False)
    assert (part.status_code, part.content) == (206, b"ftyp")
    assert part.headers["content-range"] == f"bytes 4-7/{len(clip())}"


def test_it_comes_back_at_the_same_address_and_faults_are_used_up(server: FalServer, line: httpx.Client) -> None:
    server.fault("submit", Fault(cut="after"))
    with pytest.raises(httpx.RemoteProtocolError):
        line.post(f"/{LUCY}", json=BODY)
    assert len(server.accepted) == 1
    address = server.url
    server.stop()
    with pytest.raises(httpx.ConnectError):
        line.post(f"/{LUCY}", json=BODY)
    server.start()
    assert server.url == address
    assert line.post(f"/{LUCY}", json=BODY).status_code == 200
    assert len(server.accepted) == 2, "what it knew is still known"
