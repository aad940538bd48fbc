"""Takes as people keep them: found again, remarked on, binned, taken along; each person's own."""

from collections.abc import Collection, Generator, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial

from core.errors import InvalidInput, NotFound
from core.jobs import bundle, retention, sheet, transfer
from core.jobs.history import JobHistory, Remarks, Row, Search, Sum
from core.jobs.job import OPEN, Job, utc_now
from core.jobs.store import JobArchive, JobQuery, JobStore
from core.media.store import MediaStore

LONGEST_NOTE = 4000  # characters; a note is no document
LONGEST_TAG = 40
MOST_TAGS = 20
LONGEST_NAME = 60  # of a saved view
MOST_VIEWS = 100
BATCH = 500  # takes that are in memory at once while many leave

Blocks = Generator[bytes, None, None]
"""A file that is made while it is sent, a block at a time. Closing it lets go of what it reads from."""


class Shelf:
    """The history with its rules. Every search is given its owner by the caller, who has checked it.

    Args:
        store: the jobs.
        history: the same jobs, to browse.
        archive: the same jobs, to delete.
        media: the files.
    """

    def __init__(self, store: JobStore, history: JobHistory, archive: JobArchive, media: MediaStore) -> None:
        self._jobs = store
        self._history = history
        self._rows = archive
        self._files = media

    # --- looking ------------------------------------------------------------------------------------------------------

    def browse(self, search: Search) -> list[Row]:
        """One page of takes."""
        return self._history.page(search)

    def count(self, search: Search) -> int:
        """How many takes a search finds, on all its pages."""
        return self._history.count(search)

    def around(self, search: Search, job_id: str) -> tuple[str | None, str | None]:
        """The takes before and behind one in a search."""
        return self._history.around(search, job_id)

    def sums(self, search: Search) -> list[Sum]:
        """Jobs and dollars by day, model and state."""
        return self._history.sums(search)

    def usual_waits(self, search: Search) -> dict[str, float]:
        """Median seconds to the file by model."""
        return self._history.usual_waits(search)

    def used_models(self, owner: str) -> list[str]:
        """Slugs of the models that an owner has takes of, in the catalogue or not."""
        return self._history.models(owner)

    def tags(self, owner: str) -> list[str]:
        """An owner's tags, the most used first."""
        return self._history.tags(owner)

    def some(self, owner: str | None, job_ids: Iterable[str]) -> list[Job]:
        """These takes, in this order; those that are gone, or somebody else's, are left out."""
        ids = list(dict.fromkeys(job_ids))
        found: dict[str, Job] = {}
        for start in range(0, len(ids), BATCH):
            wanted = frozenset(ids[start : start + BATCH])
            found |= {job.id: job for job in self._jobs.find(JobQuery(ids=wanted, limit=len(wanted)))}
        return [found[name] for name in ids if name in found and owner in (None, found[name].owner)]

    # --- writing ------------------------------------------------------------------------------------------------------

    def remark(self, owner: str | None, job_ids: Sequence[str], remarks: Remarks) -> int:
        """Write onto takes; how many there were. Nothing is written where one of them may not be.

        Raises:
            NotFound: one of them is not there, or somebody else's.
            InvalidInput: a remark cannot be kept, or a take that is under way would go into the bin.
        """
        jobs = self.some(owner, job_ids)
        if len(jobs) < len(set(job_ids)):
            raise NotFound("There is no such take. It may have been made in another browser, or deleted.")
        if remarks.note is not None and len(remarks.note) > LONGEST_NOTE:
            raise InvalidInput(f"A note has room for {LONGEST_NOTE:,} characters. Shorten it.")
        if remarks.rating is not None and not 0 <= remarks.rating <= 5:
            raise InvalidInput("A rating is 1 to 5, or none.")
        if remarks.tags is not None:
            remarks = replace(remarks, tags=_tidy(remarks.tags))
        if remarks.binned and any(job.state in OPEN for job in jobs):
            raise InvalidInput("A take that is under way cannot go into the bin. Cancel it first.")
        return self._history.remark(job_ids, utc_now(), remarks)

    def retag(self, owner: str, job_ids: Iterable[str], add: Iterable[str] = (), drop: Collection[str] = ()) -> int:
        """Put tags onto takes and take others off, their other tags stay; how many takes that changed.

        Raises:
            InvalidInput: a tag is too long, or a take would have too many; nothing was written.
        """
        new = _tidy(add)
        changed: dict[tuple[str, ...], list[str]] = {}
        for job in self.some(owner, job_ids):
            tags = _tidy([*(tag for tag in job.tags if tag not in drop), *new])
            if tags != job.tags:
                changed.setdefault(tags, []).append(job.id)
        return sum(self.remark(owner, ids, Remarks(tags=tags)) for tags, ids in changed.items())

    def to_bin(self, owner: str, job_ids: Iterable[str]) -> tuple[list[str], list[str]]:
        """Put takes into the bin: the ids of those that are there now and were not, and of those that are under way and stay."""
        jobs = [job for job in self.some(owner, job_ids) if job.binned_at is None]
        over = [job.id for job in jobs if job.state not in OPEN]
        self.remark(owner, over, Remarks(binned=True))
        return over, [job.id for job in jobs if job.state in OPEN]

    def forget(self, owner: str, job_ids: Iterable[str]) -> retention.Pruned:
        """Delete takes for good that are in the bin, with their files; others are left alone. A file that another take uses stays."""
        return retention.forget(
            self._rows, self._files, [job for job in self.some(owner, job_ids) if job.binned_at is not None]
        )

    # --- taking along -------------------------------------------------------------------------------------------------

    def found(self, search: Search, most: int | None = None) -> list[str]:
        """The ids of what a search finds, on all its pages; of the first so many where `most` is given."""
        return self._history.ids(search, most)

    def as_csv(self, owner: str, job_ids: Sequence[str]) -> Blocks:
        """These takes as a table for a spreadsheet, a block at a time. Of somebody else's nothing is told."""
        yield sheet.head().encode()
        for jobs in self._batches(owner, job_ids):
            yield "".join(sheet.rows(jobs)).encode()

    def as_jsonl(self, owner: str, job_ids: Sequence[str]) -> Blocks:
        """These takes with their history as lines that can be imported, a block at a time. Of somebody else's nothing is told."""
        for jobs in self._batches(owner, job_ids):
            yield "".join(transfer.lines(self._jobs, jobs)).encode()

    def as_zip(self, owner: str, job_ids: Sequence[str]) -> Blocks:
        """These takes with their files as a zip, a block at a time. Of somebody else's nothing is told."""
        read = partial(self._batches, owner, job_ids)
        return bundle.to_zip(read, partial(transfer.lines, self._jobs), self._files)

    def _batches(self, owner: str, job_ids: Sequence[str]) -> Iterator[list[Job]]:
        for start in range(0, len(job_ids), BATCH):
            if jobs := self.some(owner, job_ids[start : start + BATCH]):
                yield jobs

    # --- saved views --------------------------------------------------------------------------------------------------

    def views(self, owner: str) -> dict[str, str]:
        """Saved searches by name."""
        return self._history.views(owner)

    def save_view(self, owner: str, name: str, search: str) -> None:
        """Keep a search, as the query string of its address, under a name. Raises InvalidInput."""
        name = " ".join(name.split())
        if not name or len(name) > LONGEST_NAME:
            raise InvalidInput(f"Give the view a name of 1 to {LONGEST_NAME} characters.")
        if len(self._history.views(owner)) >= MOST_VIEWS:
            raise InvalidInput(f"There are {MOST_VIEWS} views already. Drop one first.")
        self._history.save_view(owner, name, search, utc_now())

    def drop_view(self, owner: str, name: str) -> None:
        """Forget a saved search."""
        self._history.drop_view(owner, name)


def _tidy(tags: Iterable[str]) -> tuple[str, ...]:
    """Tags as they are kept: each once, with single spaces. Raises InvalidInput where they are too many or too long."""
    kept = tuple(dict.fromkeys(filter(None, (" ".join(tag.split()) for tag in tags))))
    if len(kept) > MOST_TAGS or any(len(tag) > LONGEST_TAG for tag in kept):
        raise InvalidInput(f"A take has at most {MOST_TAGS} tags of {LONGEST_TAG} characters each.")
    return kept
