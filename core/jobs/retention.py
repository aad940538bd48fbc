"""What is cleared away: finished jobs by their age with their files, and files that no job uses."""

import logging
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice

from core.jobs.files import media_keys
from core.jobs.job import ENDED, Job, State
from core.jobs.store import JobArchive, JobQuery, JobStore
from core.media.store import Listed, MediaStore

log = logging.getLogger("takes.jobs")

BATCH = 200  # jobs or files between two looks at what others did: short transactions, and a short moment for a race
LONGEST = timedelta(days=36_500)  # a century; a longer time would reach before the calendar
BINNED = timedelta(days=30)  # how long a take stays in the bin; pages say so
GRACE = timedelta(days=7)  # a still that stands in a form that was not sent yet has no row; nobody types for a week


@dataclass(frozen=True)
class Pruned:
    """What a clearing took away; of a dry run, what it would have.

    Args:
        jobs: how many.
        files: how many files of theirs; those that a remaining job uses stay.
        bytes: size of those files.
        stuck: jobs that stay for now, since a file of theirs could not be deleted.
        ids: of the jobs; only in a dry run.
    """

    jobs: int
    files: int
    bytes: int
    stuck: int
    ids: tuple[str, ...]


@dataclass(frozen=True)
class Orphans:
    """What belongs to nothing; of a dry run, nothing was deleted.

    Args:
        files: how many files that no job uses.
        bytes: their size.
        stuck: how many more could not be deleted.
        keys: of the files; only in a dry run.
        incomplete: ids of succeeded jobs whose video or poster is no longer stored. Nothing is done to them.
    """

    files: int
    bytes: int
    stuck: int
    keys: tuple[str, ...]
    incomplete: tuple[str, ...]


def prune(
    store: JobStore,
    archive: JobArchive,
    media: MediaStore,
    *,
    older_than: timedelta,
    now: datetime,
    dry_run: bool,
    enough: Callable[[], bool] = lambda: False,
) -> Pruned:
    """Delete finished jobs by age: their files first, then their rows. A crash in between leaves rows for the next run.

    Favourites stay, and so does every job that is not over. A file goes with the last job that uses it.

    Args:
        store: the jobs.
        archive: the same jobs.
        media: the files.
        older_than: least time since a job's end.
        now: the time, UTC.
        dry_run: only tell.
        enough: asked between batches; True ends the run early.
    """
    before = now - min(older_than, LONGEST)
    after: tuple[datetime, str] | None = None
    gone: set[str] = set()  # this batch; in a dry run the earlier ones too, since their rows are still there
    jobs = files = size = stuck = 0
    while not enough():
        query = JobQuery(states=ENDED, starred=False, finished_before=before, after=after, limit=BATCH)
        batch = store.find(query)
        if not batch:
            break
        assert batch[-1].finished_at is not None  # that is what was asked for
        after = (batch[-1].finished_at, batch[-1].id)
        uses = {job.id: media_keys(job) for job in batch}
        if not dry_run:
            gone.clear()
        gone.update(uses)
        free = archive.unused(set().union(*uses.values()), besides=gone)
        deleted, freed, kept = _delete(media, free, dry_run)
        ids = [job_id for job_id, keys in uses.items() if not keys & kept]
        if not dry_run:
            archive.forget(ids)
        jobs, files, size, stuck = jobs + len(ids), files + deleted, size + freed, stuck + len(batch) - len(ids)
    return Pruned(jobs, files, size, stuck, tuple(sorted(gone)) if dry_run else ())


def empty_bin(
    store: JobStore,
    archive: JobArchive,
    media: MediaStore,
    *,
    now: datetime,
    enough: Callable[[], bool] = lambda: False,
) -> Pruned:
    """Delete what has been in the bin for 30 days: files first, then rows, as `prune` does.

    Args:
        store: the jobs.
        archive: the same jobs.
        media: the files.
        now: the time, UTC.
        enough: asked between batches; True ends the run early.
    """
    jobs = files = size = stuck = 0
    while not enough() and (batch := store.find(JobQuery(binned_before=now - BINNED, limit=BATCH))):
        gone = forget(archive, media, batch)
        jobs, files, size, stuck = jobs + gone.jobs, files + gone.files, size + gone.bytes, gone.stuck
        if not gone.jobs:
            break  # none of them can be deleted now
    return Pruned(jobs, files, size, stuck, ())


def forget(archive: JobArchive, media: MediaStore, batch: Iterable[Job]) -> Pruned:
    """Delete these jobs now: their files first, then their rows. A file that another job uses stays.

    Args:
        archive: the jobs.
        media: the files.
        batch: jobs that nothing is to become of any more.
    """
    uses = {job.id: media_keys(job) for job in batch}
    free = archive.unused(set().union(*uses.values()), besides=uses.keys())
    deleted, freed, kept = _delete(media, free, False)
    ids = [job_id for job_id, keys in uses.items() if not keys & kept]
    archive.forget(ids)
    return Pruned(len(ids), deleted, freed, len(uses) - len(ids), ())


def orphans(
    store: JobStore,
    archive: JobArchive,
    media: MediaStore,
    *,
    now: datetime,
    older_than: timedelta = GRACE,
    dry_run: bool,
) -> Orphans:
    """Delete files that no job uses, and find finished jobs that have lost theirs.

    Where there is no job at all, no file is deleted: the job database may be elsewhere, or yet to be imported.

    Args:
        store: the jobs.
        archive: the same jobs.
        media: the files.
        now: the time, UTC.
        older_than: least time since a file was given; a form that was not sent yet may hold a younger one.
        dry_run: only tell.
    """
    before = now - min(older_than, LONGEST)
    found: list[str] = []
    files = size = stuck = 0
    if store.find(JobQuery(limit=1)):
        for batch in _batches(listed for listed in media.keys() if listed.modified < before):  # noqa: SIM118  no dict
            free = archive.unused([listed.key for listed in batch])
            deleted, freed, kept = _delete(media, free, dry_run)
            files, size, stuck = files + deleted, size + freed, stuck + len(kept)
            found += sorted(free) if dry_run else []
    elif any(media.keys()):
        log.warning("there are files and not a single job; the files stay")
    return Orphans(files, size, stuck, tuple(found), tuple(_incomplete(store, media)))


def _delete(media: MediaStore, keys: Iterable[str], dry_run: bool) -> tuple[int, int, set[str]]:
    """Delete these files: how many there were, their size in bytes, and the keys of those that could not be deleted."""
    files = size = 0
    kept: set[str] = set()
    for key in keys:
        stored = media.stat(key)
        if stored is None:
            continue
        try:
            if not dry_run:
                media.delete(key)
        except OSError as exc:
            log.error("the file %s cannot be deleted: %s", key, exc.strerror)
            kept.add(key)
            continue
        files, size = files + 1, size + stored.bytes
    return files, size, kept


def _incomplete(store: JobStore, media: MediaStore) -> Iterator[str]:
    before: tuple[datetime, str] | None = None
    succeeded = frozenset({State.SUCCEEDED})
    while page := store.find(JobQuery(states=succeeded, before=before, limit=BATCH)):
        yield from (job.id for job in page if not _has_files(job, media))
        before = (page[-1].created_at, page[-1].id)


def _has_files(job: Job, media: MediaStore) -> bool:
    video = job.video
    return video is not None and all(media.stat(key) is not None for key in (video.key, video.poster))


def _batches(listed: Iterator[Listed]) -> Iterator[list[Listed]]:
    while batch := list(islice(listed, BATCH)):
        yield batch
