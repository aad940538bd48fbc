"""Fetches a finished video without the key, and goes on from where the last try stopped."""

import asyncio
import errno
import re
from dataclasses import dataclass
from pathlib import Path

import httpx

from core.errors import Charged, ProviderUnavailable, StorageFull
from core.providers.fal_answer import retry_after
from core.providers.fal_errors import RETRY_AFTER_S
from core.providers.fal_http import NETWORK_FAULTS, Timeouts, is_web_address, passing

PAGES = ("application/json", "application/xml", "application/xhtml+xml")
"""Content types that are an error's text and no video, beside everything under `text/`."""

NO_ROOM = (errno.ENOSPC, errno.EDQUOT)


def mark_of(to: Path) -> Path:
    """The small file beside a part that holds its ETag; it goes when the part is whole."""
    return to.with_name(to.name + ".etag")


async def download(client: httpx.AsyncClient, url: str, to: Path, timeouts: Timeouts) -> None:
    """Write the file at `url` to `to`. What is there already is kept and gone on from, if it is of the same file.

    Raises:
        ProviderUnavailable: the file did not come (`file_gone`, `not_a_video`, `unreachable`, `timeout`) or not all of
            it (`truncated`); what came is kept.
        StorageFull: no room left; what fitted is kept.
    """
    if not is_web_address(url):
        raise ProviderUnavailable(
            "bad_address", "fal gave an address for the video that cannot be opened.", charged=Charged.YES
        )
    try:
        async with asyncio.timeout(timeouts.download_whole_s):
            await _fetch(client, url, to, timeouts)
    except NETWORK_FAULTS as exc:
        if isinstance(exc, httpx.TooManyRedirects | httpx.UnsupportedProtocol | httpx.InvalidURL):
            raise ProviderUnavailable(
                "bad_address", "The video's address leads nowhere; it is tried again by itself.", charged=Charged.YES
            ) from exc
        fault = passing(exc)
        raise ProviderUnavailable(fault.kind, fault.message, charged=Charged.YES) from exc
    except OSError as exc:
        if exc.errno in NO_ROOM:
            raise StorageFull(
                "There is no room left for the video. Make room on the disk; the rest is then fetched by itself."
            ) from exc
        raise


@dataclass(frozen=True)
class _Part:
    """What a reply brings: the place of its first byte, the size of the whole file if told, and its validator."""

    start: int
    total: int | None
    validator: str


async def _fetch(client: httpx.AsyncClient, url: str, to: Path, timeouts: Timeouts) -> None:
    have = await _size(to)
    mark = mark_of(to)
    headers = {"Accept-Encoding": "identity"}
    if have:
        headers["Range"] = f"bytes={have}-"
        validator = await asyncio.to_thread(lambda: mark.read_text("ascii") if mark.exists() else "")
        headers |= {"If-Range": validator} if validator else {}
    limits = httpx.Timeout(timeouts.download_s, connect=timeouts.connect_s)
    async with client.stream("GET", url, headers=headers, timeout=limits) as reply:
        if reply.status_code == 416 and have:
            if reply.headers.get("content-range") == f"bytes */{have}":
                await asyncio.to_thread(mark.unlink, missing_ok=True)
                return  # the last try had it all
            await _start_over(to)
        part = _part_of(reply)
        if part.start not in (0, have):
            await _start_over(to)
        await asyncio.to_thread(mark.write_text, part.validator, "ascii") if part.validator else None
        size = await _write(reply, to, append=part.start > 0)
    if size == 0 or (part.total is not None and size < part.total):
        raise _truncated(size, part.total)
    if part.total is not None and size > part.total:
        await _start_over(to)
    await asyncio.to_thread(mark.unlink, missing_ok=True)


def _part_of(reply: httpx.Response) -> _Part:
    """Read a reply's head. Raises ProviderUnavailable where it brings no video."""
    if reply.status_code in (401, 403, 404, 410):
        message = f"The video is not at its address ({reply.status_code}); it is tried again for a while. It may have been deleted at fal."
        raise ProviderUnavailable("file_gone", message, charged=Charged.YES)
    if reply.status_code not in (200, 206):
        wait = retry_after(reply.headers)
        message = f"The video's server has a fault ({reply.status_code}); it is tried again by itself."
        raise ProviderUnavailable(
            f"http_{reply.status_code}",
            message,
            charged=Charged.YES,
            retry_after_s=RETRY_AFTER_S if wait is None and reply.status_code == 429 else wait,
        )
    content_type = reply.headers.get("content-type", "").split(";")[0].strip().lower()
    if content_type.startswith("text/") or content_type in PAGES or content_type.endswith(("+json", "+xml")):
        raise ProviderUnavailable(
            "not_a_video",
            f"Something else than a video came ({content_type}); it is tried again by itself.",
            charged=Charged.YES,
        )
    etag = reply.headers.get("etag", "")
    validator = etag if etag.startswith('"') and etag.isascii() else reply.headers.get("last-modified", "")
    if reply.status_code == 206:
        found = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", reply.headers.get("content-range", ""))
        if not found:
            raise _truncated(0, None)
        return _Part(int(found[1]), None if found[2] == "*" else int(found[2]), validator)
    length = reply.headers.get("content-length", "")
    packed = reply.headers.get("content-encoding", "identity") != "identity"
    return _Part(0, int(length) if length.isdigit() and not packed else None, validator)


async def _write(reply: httpx.Response, to: Path, *, append: bool) -> int:
    """Write what comes; its size afterwards. Raises ProviderUnavailable where the line breaks; what came is on disk then."""
    file = await asyncio.to_thread(to.open, "ab" if append else "wb")
    try:
        with file:
            async for chunk in reply.aiter_bytes():
                await asyncio.to_thread(file.write, chunk)
            await asyncio.to_thread(file.flush)
    except httpx.TransportError as exc:
        raise _truncated(await _size(to), None) from exc
    return await _size(to)


async def _size(to: Path) -> int:
    return await asyncio.to_thread(lambda: to.stat().st_size if to.exists() else 0)


async def _start_over(to: Path) -> None:
    """Throw away a part that does not fit the file, so that the next try begins at its first byte."""
    await asyncio.to_thread(to.unlink, missing_ok=True)
    await asyncio.to_thread(mark_of(to).unlink, missing_ok=True)
    raise _truncated(0, None)


def _truncated(have: int, total: int | None) -> ProviderUnavailable:
    of = f" of {total / 1e6:.1f} MB" if total else ""
    message = f"Only a part of the video came ({have / 1e6:.1f} MB{of}); the rest is fetched by itself."
    return ProviderUnavailable("truncated", message, charged=Charged.YES)
