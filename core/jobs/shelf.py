"""Takes as people keep them: found again, remarked on, binned; each person's own."""

from collections.abc import Sequence

from core.errors import InvalidInput, NotFound
from core.jobs.history import JobHistory, Remarks, Row, Search, Sum
from core.jobs.job import OPEN, utc_now
from core.jobs.store import JobStore

LONGEST_NOTE = 4000  # characters; a note is no document
LONGEST_TAG = 40
MOST_TAGS = 20
LONGEST_NAME = 60  # of a saved view
MOST_VIEWS = 100


class Shelf:
    """The history with its rules. Every search is given its owner by the caller, who has checked it.

    Args:
        store: the jobs.
        history: the same jobs, to browse.
    """

    def __init__(self, store: JobStore, history: JobHistory) -> None:
        self._jobs = store
        self._history = history

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

    def tags(self, owner: str) -> list[str]:
        """An owner's tags, the most used first."""
        return self._history.tags(owner)

    def remark(self, owner: str | None, job_ids: Sequence[str], remarks: Remarks) -> int:
        """Write onto takes; how many there were. Nothing is written where one of them may not be.

        Raises:
            NotFound: one of them is not there, or somebody else's.
            InvalidInput: a remark cannot be kept, or a take that is under way would go into the bin.
        """
        jobs = [self._jobs.get(job_id) for job_id in job_ids]
        if any(job is None or (owner is not None and job.owner != owner) for job in jobs):
            raise NotFound("There is no such take. It may have been made in another browser, or deleted.")
        if remarks.note is not None and len(remarks.note) > LONGEST_NOTE:
            raise InvalidInput(f"A note has room for {LONGEST_NOTE:,} characters. Shorten it.")
        if remarks.rating is not None and not 0 <= remarks.rating <= 5:
            raise InvalidInput("A rating is 1 to 5, or none.")
        if remarks.tags is not None:
            tags = tuple(dict.fromkeys(filter(None, (" ".join(tag.split()) for tag in remarks.tags))))
            if len(tags) > MOST_TAGS or any(len(tag) > LONGEST_TAG for tag in tags):
                raise InvalidInput(f"A take has at most {MOST_TAGS} tags of {LONGEST_TAG} characters each.")
            remarks = Remarks(remarks.note, tags, remarks.rating, remarks.binned)
        if remarks.binned and any(job is not None and job.state in OPEN for job in jobs):
            raise InvalidInput("A take that is under way cannot go into the bin. Cancel it first.")
        return self._history.remark(job_ids, utc_now(), remarks)

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
