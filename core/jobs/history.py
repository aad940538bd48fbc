"""The history of takes as people browse it: searches, pages of short rows, and what they add. Contract: `tests/contracts/test_history.py`."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple, Protocol

from core.jobs.job import State

PAGE = 50  # rows a page
COUNTED = 100_000  # a count stops here; nobody turns that many pages
ASPECTS = ("16:9", "9:16", "1:1", "4:3", "3:4", "21:9", "other")


class Sort(StrEnum):
    """Orders of the history; the best or newest first."""

    DATE = "date"
    COST = "cost"
    LENGTH = "length"
    RATING = "rating"


@dataclass(frozen=True)
class Search:
    """Which takes, in which order, and which page of them.

    Args:
        owner: whose; None for everybody's (command line only).
        text: words that must occur in prompt, negative prompt, note, tags or error; "a phrase"; -not this.
        models, states, places, aspects: any of these; empty for all.
        since, until: made at or after, and before.
        starred: only favourites.
        rated: with at least this many points, 1 to 5.
        tag: with this tag.
        cost: dollars, least and most as estimated; None leaves an end open.
        hide_failed: without those that failed or were cancelled.
        binned: those in the bin in place of the others.
        parent_id: only those that grew out of this take.
        sort: the order; within the same value the newest first.
        backwards: the order turned round.
        page: from 1.
        size: rows a page.
    """

    owner: str | None = None
    text: str = ""
    models: frozenset[str] = frozenset()
    states: frozenset[State] = frozenset()
    places: frozenset[str] = frozenset()
    aspects: frozenset[str] = frozenset()
    since: datetime | None = None
    until: datetime | None = None
    starred: bool = False
    rated: int | None = None
    tag: str = ""
    cost: tuple[float | None, float | None] = (None, None)
    hide_failed: bool = False
    binned: bool = False
    sort: Sort = Sort.DATE
    backwards: bool = False
    page: int = 1
    size: int = PAGE

    @property
    def is_plain(self) -> bool:
        """Whether it asks for all of an owner's takes, newest first."""
        return self == Search(owner=self.owner, page=self.page, size=self.size)


class Row(NamedTuple):
    """A take in a list: what a table or a tile shows, read without building the whole job. Times are ISO texts, UTC."""

    id: str
    seq: int
    owner: str
    model: str
    provider: str
    state: str
    prompt: str
    created: str
    submitted: str | None
    finished: str | None
    low_usd: float | None
    high_usd: float | None
    duration_s: float | None
    aspect: str
    starred: int
    rating: int | None
    tag_list: str
    still: str | None
    has_video: int
    error: str | None
    version: int

    @property
    def created_at(self) -> datetime:
        return datetime.fromisoformat(self.created)

    @property
    def tags(self) -> tuple[str, ...]:
        return tuple(json.loads(self.tag_list))

    @property
    def is_starred(self) -> bool:
        return bool(self.starred)


@dataclass(frozen=True)
class Remarks:
    """What people write onto their takes; None leaves a field as it is.

    Args:
        note: free text; "" for none.
        tags: short words; () for none.
        rating: 1 to 5; 0 for none.
        binned: into the bin, or out of it.
        starred: a favourite, or none.
    """

    note: str | None = None
    tags: tuple[str, ...] | None = None
    rating: int | None = None
    binned: bool | None = None
    starred: bool | None = None


class Sum(NamedTuple):
    """One bar of the overview: a day, a model and a state, with how many jobs and dollars.

    Args:
        day: when they were made, as an ISO date, UTC.
        model: the slug.
        state: as it stands now.
        jobs: how many.
        usd: what those that succeeded were estimated to cost, at the upper end; 0 for other states.
        unpriced: how many succeeded that had no estimate; their cost is not in `usd`.
    """

    day: str
    model: str
    state: str
    jobs: int
    usd: float
    unpriced: int


class JobHistory(Protocol):
    """The same rows as people browse them. A call is one read; none takes longer with more jobs than its answer needs.

    Contract: `tests/contracts/test_history.py`, run over every implementation.
    """

    def page(self, search: Search) -> list[Row]:
        """One page, and no more than that is read."""
        ...

    def count(self, search: Search, most: int = COUNTED) -> int:
        """How many there are on all pages, counted up to `most`."""
        ...

    def ids(self, search: Search, most: int | None = None) -> list[str]:
        """The takes of all pages, in the order of the search; the first so many where `most` is given."""
        ...

    def around(self, search: Search, job_id: str) -> tuple[str | None, str | None]:
        """The takes before and behind this one in this search; None at the ends, and where it is not in it."""
        ...

    def remark(self, job_ids: Sequence[str], now: datetime, remarks: Remarks) -> int:
        """Write onto takes, in one transaction; how many there were."""
        ...

    def sums(self, search: Search) -> list[Sum]:
        """Jobs and dollars by day, model and state of everything that the search finds, the oldest day first."""
        ...

    def usual_waits(self, search: Search) -> dict[str, float]:
        """Median seconds from acceptance to the file, by model, of the takes that the search finds."""
        ...

    def models(self, owner: str) -> list[str]:
        """The models that an owner has takes of that have ended, in the catalogue or not, by slug."""
        ...

    def tags(self, owner: str) -> list[str]:
        """The tags that an owner has used, the most used first."""
        ...

    def views(self, owner: str) -> dict[str, str]:
        """Saved searches of an owner: their query strings by name."""
        ...

    def save_view(self, owner: str, name: str, search: str, now: datetime) -> None:
        """Keep a search under a name; one of that name is replaced."""
        ...

    def drop_view(self, owner: str, name: str) -> None:
        """Forget a saved search."""
        ...
