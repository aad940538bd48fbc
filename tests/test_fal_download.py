"""Fetching the video: whole, in pieces, and never something else under its name."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from core.errors import Charged, ProviderUnavailable, StorageFull
from core.jobs.job import Job
from core.providers.base import Output
from core.providers.fal import FalProvider
from core.providers.fal_download import mark_of
from tests.fal_server import FalServer, Fault
from tests.fal_server.clip import clip
from tests.fal_server.files import StoredFile
from tests.fal_server.sample import QUICK, a_job


@pytest.fixture
def server() -> Iterator[FalServer]:
    with FalServer() as running:
        running.files["film.mp4"] = StoredFile(clip(), "video/mp4")
        yield running


@pytest.fixture
async def provider(server: FalServer) -> AsyncIterator[FalProvider]:
    made = FalProvider(server.settings(), QUICK)
    yield made
    await made.aclose()


@pytest.fixture
def part(tmp_path: Path) -> Path:
    return tmp_path / "job.part.mp4"


@pytest.fixture
def output(server: FalServer) -> Output:
    return Output(f"{server.url}/files/film.mp4")


JOB: Job = a_job()


async def test_a_truncated_download_goes_on_where_it_stopped(
    server: FalServer, provider: FalProvider, output: Output, part: Path
) -> None:
    server.fault("file", Fault(short=50_000))
    server.fault("file", Fault(short=30_000))
    for have in (50_000, 80_000):
        with pytest.raises(ProviderUnavailable) as caught:
            await provider.download(JOB, output, part)
        assert (caught.value.kind, caught.value.charged) == ("truncated", Charged.YES)
        assert part.stat().st_size == have, "what came is kept"
    await provider.download(JOB, output, part)
    assert part.read_bytes() == clip()
    assert [call.headers.get("range") for call in server.calls("file")] == [None, "bytes=50000-", "bytes=80000-"]
    etag = StoredFile(clip(), "").etag
    assert [call.headers.get("if-range") for call in server.calls("file")] == [None, etag, etag]
    assert not mark_of(part).exists()
    assert not any(call.has_key for call in server.record)


async def test_a_file_that_changed_meanwhile_is_fetched_anew(
    server: FalServer, provider: FalProvider, output: Output, part: Path
) -> None:
    server.fault("file", Fault(short=50_000))
    with pytest.raises(ProviderUnavailable):
        await provider.download(JOB, output, part)
    server.files["film.mp4"] = StoredFile(b"new" * 1000, "video/mp4")
    await provider.download(JOB, output, part)
    assert part.read_bytes() == b"new" * 1000, "never the head of one file and the tail of another"


async def test_a_host_without_ranges_starts_over(
    server: FalServer, provider: FalProvider, output: Output, part: Path
) -> None:
    server.files["film.mp4"] = StoredFile(clip(), "video/mp4", ranges=False)
    part.write_bytes(b"x" * 1234)
    await provider.download(JOB, output, part)
    assert part.read_bytes() == clip()


async def test_a_part_without_its_mark_is_gone_on_from(
    server: FalServer, provider: FalProvider, output: Output, part: Path
) -> None:
    part.write_bytes(clip()[:1000])
    await provider.download(JOB, output, part)
    assert part.read_bytes() == clip()
    assert server.record[-1].headers["range"] == "bytes=1000-"


async def test_a_whole_part_is_done(provider: FalProvider, output: Output, part: Path) -> None:
    part.write_bytes(clip())
    await provider.download(JOB, output, part)
    assert part.read_bytes() == clip()


async def test_a_part_longer_than_the_file_is_thrown_away(provider: FalProvider, output: Output, part: Path) -> None:
    part.write_bytes(clip() + b"more")
    with pytest.raises(ProviderUnavailable):
        await provider.download(JOB, output, part)
    assert not part.exists()
    await provider.download(JOB, output, part)
    assert part.read_bytes() == clip()


async def test_a_range_that_begins_elsewhere_is_not_glued_on(
    server: FalServer, provider: FalProvider, output: Output, part: Path
) -> None:
    part.write_bytes(clip()[:1000])
    lie = {"Content-Range": f"bytes 500-999/{len(clip())}", "Content-Type": "video/mp4"}
    server.fault("file", Fault(status=206, body=clip()[500:1000], headers=lie))
    with pytest.raises(ProviderUnavailable) as caught:
        await provider.download(JOB, output, part)
    assert caught.value.kind == "truncated"
    assert not part.exists(), "the next try begins at the first byte"


async def test_a_206_that_brings_less_than_the_whole_is_not_taken_for_it(
    server: FalServer, provider: FalProvider, output: Output, part: Path
) -> None:
    half = {"Content-Range": f"bytes 0-999/{len(clip())}", "Content-Type": "video/mp4"}
    server.fault("file", Fault(status=206, body=clip()[:1000], headers=half))
    with pytest.raises(ProviderUnavailable, match="Only a part"):
        await provider.download(JOB, output, part)
    assert part.stat().st_size == 1000
    await provider.download(JOB, output, part)
    assert part.read_bytes() == clip()


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (Fault(status=200, body="<html>sorry</html>", headers={"Content-Type": "text/html; charset=utf-8"}), "not_a_video"),
        (Fault(status=200, body={"detail": "expired"}), "not_a_video"),
        (Fault(status=200, body="<Error/>", headers={"Content-Type": "application/xml"}), "not_a_video"),
        (Fault(status=404, body="<Error/>", headers={"Content-Type": "application/xml"}), "file_gone"),
        (Fault(status=403, body="<Error/>"), "file_gone"),
        (Fault(status=410), "file_gone"),
        (Fault(status=503, html=True), "http_503"),
        (Fault(status=429), "http_429"),
        (Fault(status=200, body="", headers={"Content-Type": "video/mp4"}), "truncated"),
        (Fault(cut="before"), "cut_off"),
        (Fault(wait_s=2), "timeout"),
    ],
)  # fmt: skip
async def test_what_else_may_come(
    server: FalServer, provider: FalProvider, output: Output, part: Path, fault: Fault, kind: str
) -> None:
    part.write_bytes(clip()[:1000])
    server.fault("file", fault)
    with pytest.raises(ProviderUnavailable) as caught:
        await provider.download(JOB, output, part)
    assert caught.value.kind == kind
    assert caught.value.charged is Charged.YES, "the model has done its work"
    await provider.download(JOB, output, part)
    assert part.read_bytes() == clip()


async def test_three_redirects_are_followed_and_no_more(
    server: FalServer, provider: FalProvider, output: Output, part: Path
) -> None:
    with FalServer() as other:
        hop = Fault(status=302, headers={"Location": output.location})
        server.fault("file", hop, times=3)
        await provider.download(JOB, output, part)
        assert part.read_bytes() == clip()
        part.unlink()
        server.fault("file", hop, times=4)
        with pytest.raises(ProviderUnavailable) as caught:
            await provider.download(JOB, output, part)
        assert caught.value.kind == "bad_address"
        server.fault("file", Fault(status=302, headers={"Location": "file:///etc/passwd"}))
        with pytest.raises(ProviderUnavailable) as caught:
            await provider.download(JOB, output, part)
        assert caught.value.kind == "bad_address"
        assert not part.exists()
        server.fault("file", Fault(status=302, headers={"Location": f"{other.url}/files/none.mp4"}))
        with pytest.raises(ProviderUnavailable):
            await provider.download(JOB, output, part)
        assert not any(call.has_key for call in (*server.record, *other.record))


@pytest.mark.parametrize(
    "location", ["file:///etc/passwd", "ftp://host/x.mp4", "/etc/passwd", "http://[bad", "data:video/mp4;base64,AAAA"]
)
async def test_only_web_addresses_are_opened(provider: FalProvider, part: Path, location: str) -> None:
    with pytest.raises(ProviderUnavailable) as caught:
        await provider.download(JOB, Output(location), part)
    assert caught.value.kind == "bad_address"
    assert not part.exists()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs Linux's /dev/full")
async def test_a_full_disk_is_told_as_such(provider: FalProvider, output: Output, part: Path) -> None:
    part.symlink_to("/dev/full")
    with pytest.raises(StorageFull, match="no room"):
        await provider.download(JOB, output, part)


async def test_a_download_that_drips_is_cut_and_gone_on_from(server: FalServer, output: Output, part: Path) -> None:
    provider = FalProvider(server.settings(), replace(QUICK, download_whole_s=0.5))
    server.fault("file", Fault(drip_s=0.02))
    with pytest.raises(ProviderUnavailable) as caught:
        await provider.download(JOB, output, part)
    assert caught.value.kind == "timeout"
    assert 0 < part.stat().st_size < 1000
    await provider.download(JOB, output, part)
    assert part.read_bytes() == clip()
    assert server.record[-1].headers["range"].startswith("bytes=")
    await provider.aclose()
