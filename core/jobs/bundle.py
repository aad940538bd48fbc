"""Takes as one zip, written while it is being sent: their videos, posters and stills, and all their settings as JSON lines."""

import re
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime
from itertools import chain
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile, ZipInfo

from core.errors import NotFound
from core.jobs.files import MEDIA_KEY
from core.jobs.job import Job
from core.jobs.recipe import tagged_video
from core.media.store import MediaStore
from core.media.tagged import whole

MOST = 1000  # takes in one zip: some GB of video, minutes on a fast line; whoever wants more asks by month
LISTING = "takes.jsonl"
MISSING = "missing.txt"
STRANGE = re.compile(r"[^\w-]+", re.ASCII)  # signs that a file name does without
LONGEST_MODEL = 40  # characters of a file name
EARLIEST, LATEST = datetime(1980, 1, 1, tzinfo=UTC), datetime(2107, 12, 31, tzinfo=UTC)  # that a zip can tell
READABLE = 0o644 << 16  # without it, unpacked files could not be read

Batches = Callable[[], Iterator[Sequence[Job]]]
"""Reads the takes, a number of them at a time. It is called twice: the settings come first in the zip."""


def name_of(job: Job) -> str:
    """What a file of a take is called, without its extension: model, time (UTC) and the start of the id.

    Only letters, digits, dashes and underscores: a take that was imported may bring anything as its model.
    """
    model = STRANGE.sub("-", job.model)[:LONGEST_MODEL] or "take"
    return f"{model}-{job.created_at:%Y%m%d-%H%M%S}-{STRANGE.sub('-', job.id[:8])}"


def to_zip(
    read: Batches, lines: Callable[[Iterable[Job]], Iterator[str]], media: MediaStore
) -> Generator[bytes, None, None]:
    """The zip in blocks, in order; nothing of it is kept. A video is in it as a download of it alone is, with its settings.
    Nothing but texts is squeezed: videos and pictures would not get any smaller.

    `takes.jsonl` can be imported again, and names the files in `stills/` as they are called. What is not there, and why,
    stands in `missing.txt`: a take without a video, or a file that is no longer stored, does not stop the others.

    Args:
        read: the takes.
        lines: a line for each, as `core.jobs.transfer` writes it.
        media: the files.
    """
    pipe = _Pipe()
    names: set[str] = set()
    stills: set[str] = set()
    missing: list[str] = []
    with ZipFile(pipe, "w", ZIP_STORED) as archive:
        with archive.open(_entry(LISTING, EARLIEST, ZIP_DEFLATED), "w") as listing:
            for jobs in read():
                for text in lines(jobs):
                    listing.write(text.encode())
                yield from pipe.rest()
        for jobs in read():
            for job in jobs:
                name = _free(name_of(job), names)
                for told, path, key in _parts(job, name, stills):
                    try:
                        yield from _copy(archive, pipe, media, job, key, path)
                    except (NotFound, OSError):
                        missing.append(f"{name}: its {told} is no longer stored here.")
                if job.video is None:
                    missing.append(f"{name}: it has no video; it is {job.state}.")
        if missing:
            text = "\r\n".join(["Not in this zip:", "", *missing, ""])
            archive.writestr(_entry(MISSING, EARLIEST, ZIP_DEFLATED), text)
    yield from pipe.rest()


def _parts(job: Job, name: str, stills: set[str]) -> Iterator[tuple[str, str, str]]:
    """The files of a take that go into the zip: what each is, its path there, and its key. A still goes in once."""
    if job.video is not None:
        yield "video", f"videos/{name}.{_extension(job.video.key)}", job.video.key
        yield "poster", f"posters/{name}.{_extension(job.video.poster)}", job.video.poster
    if job.still and job.still not in stills:
        stills.add(job.still)
        yield "still", f"stills/{job.still}", job.still


def _copy(archive: ZipFile, pipe: "_Pipe", media: MediaStore, job: Job, key: str, path: str) -> Iterator[bytes]:
    """Write one stored file. Raises NotFound or OSError; what was written of it by then is whole as a zip."""
    if not MEDIA_KEY.fullmatch(key):
        raise NotFound("This is no stored file.")  # and so its key never becomes a path
    with media.local(key) as stored:
        file = tagged_video(stored, job) if job.video and key == job.video.key else whole(stored)
        with closing(file.blocks()) as blocks:
            first = next(blocks, b"")  # of a file that cannot be read, nothing is in the zip
            entry = _entry(path, job.created_at)
            entry.file_size = file.size  # tells whether it needs the long form
            with archive.open(entry, "w") as target:
                for block in chain((first,), blocks):
                    target.write(block)
                    yield from pipe.rest()


def _entry(path: str, made: datetime, compression: int = ZIP_STORED) -> ZipInfo:
    moment = min(max(made, EARLIEST), LATEST)
    entry = ZipInfo(path, moment.timetuple()[:6])
    entry.compress_type = compression
    entry.external_attr = READABLE
    return entry


def _free(name: str, taken: set[str]) -> str:
    """The name, with a number where another take has it already; upper and lower case are the same to some disks."""
    free, number = name, 1
    while free.lower() in taken:
        number += 1
        free = f"{name}-{number}"
    taken.add(free.lower())
    return free


def _extension(key: str) -> str:
    return key.rpartition(".")[2] if MEDIA_KEY.fullmatch(key) else "bin"


class _Pipe:
    """A file that cannot be sought in: what the zip writes goes in at one end and is taken out at the other."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def write(self, data: bytes) -> int:
        self._parts.append(bytes(data))
        return len(data)

    def flush(self) -> None:
        """Nothing is held back."""

    def close(self) -> None:
        """Nothing is to be closed."""

    def rest(self) -> Iterator[bytes]:
        """What was written since the last time, as one block or none."""
        if self._parts:
            parts, self._parts = self._parts, []
            yield b"".join(parts)
