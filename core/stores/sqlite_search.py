"""A search of the history as SQL: over the rows, and over the tallies of days where these tell enough."""

from typing import Any

from core.jobs.history import Search
from core.jobs.job import OPEN, State
from core.stores.search import Beginnings, expression, fold, token
from core.stores.sqlite_rows import PLACES, seq_at

DAY = 86_400 * 1_000_000 * PLACES  # of the history's places
FAILED = (State.FAILED.value, State.CANCELLED.value)
RARE = frozenset({State.FAILED, State.CANCELLED, State.UNKNOWN})


class Found:
    """A search as SQL: the tables, the condition with its values, and whether words are looked for."""

    def __init__(self, tables: str = "jobs") -> None:
        self.tables = tables
        self.text = False
        self.values: tuple[Any, ...] = ()
        self._parts: list[str] = []

    @property
    def where(self) -> str:
        return " and ".join(self._parts)

    @property
    def place(self) -> str:
        """The column of a take's place in the history, as the tables are read by it."""
        return "words.rowid" if self.text else "jobs.seq"

    @classmethod
    def by(cls, search: Search, beginnings: Beginnings = lambda _: None) -> "Found | None":
        """The search over the rows; None where nothing can be found by it. For `beginnings` see `expression`."""
        found = cls()
        words = expression(search.text, beginnings)
        if words is None and search.text.strip():
            return None  # only signs, or only what is left out
        wanted = [f"{{prompt negative note tags error}} : ({words})"] if words else []
        if search.tag:
            wanted.append('tags : "' + fold(search.tag).replace('"', " ") + '"')
            found.add("exists (select 1 from json_each(jobs.tags) where value = ?)", search.tag)
        if wanted:
            if search.owner is not None:
                # Else all takes of everybody that have the words are looked at; and below, those of every model.
                wanted.append(f"who : {token(search.owner)}")
            if search.models:
                wanted.append(f"who : ({' OR '.join(sorted(map(token, search.models)))})")
            found.text = True
            found.tables = "words cross join jobs on jobs.seq = words.rowid"
            found.add("words match ?", " AND ".join(wanted))
        else:
            found._among_few(search)
        found.add(f"jobs.binned_at is {'not ' if search.binned else ''}null")
        found._common(search)
        found._any("aspect", search.aspects)
        if search.since is not None:
            found.add("jobs.seq >= ?", seq_at(search.since))
        if search.until is not None:
            found.add("jobs.seq < ?", seq_at(search.until))
        if search.starred:
            found.add("jobs.starred = 1")
        if search.rated is not None:
            found.add("jobs.rating >= ?", search.rated)
        low, high = search.cost
        if low is not None:
            found.add("jobs.cost_estimate_usd >= ?", low)
        if high is not None:
            found.add("jobs.cost_estimate_usd <= ?", high)
        return found

    @classmethod
    def tallied(cls, search: Search) -> "Found | None":
        """The search over the tallies, which hold what is not under way; None where it asks for more than they tell."""
        more = search.text.strip() or search.tag or search.aspects or search.starred or search.rated is not None
        if more or search.binned or search.cost != (None, None):
            return None
        found = cls("tallies as jobs")
        found.add("jobs.takes > 0")
        found._common(search)
        for moment, sign in ((search.since, ">="), (search.until, "<")):
            if moment is not None:
                if seq_at(moment) % DAY:
                    return None  # within a day
                found.add(f"jobs.day {sign} ?", seq_at(moment) // DAY)
        return found

    def add(self, part: str, *values: Any) -> None:
        self._parts.append(part)
        self.values += values

    def only_open(self) -> None:
        """Of what is found, only takes that are under way."""
        self.tables = "jobs indexed by jobs_due"
        self.add("jobs.is_open = 1")

    def _among_few(self, search: Search) -> None:
        """Read by the index over what is rare, where that is asked for. SQLite has no figures that tell it so."""
        if search.binned:
            self.tables = "jobs indexed by jobs_binned"
        elif search.states and search.states <= OPEN:
            self.only_open()
        elif search.starred:
            self.tables = "jobs indexed by history_starred"
        elif search.rated is not None:
            self.tables = "jobs indexed by history_rated"
        elif search.states and search.states <= RARE:
            self.tables = "jobs indexed by history_failed"
            self.add("jobs.state in ('failed', 'cancelled', 'unknown')")

    def _common(self, search: Search) -> None:
        """What both are asked by."""
        if search.owner is not None:
            self.add("jobs.owner = ?", search.owner)
        self._any("model", search.models)
        self._any("state", search.states)
        self._any("provider", search.places)
        if search.hide_failed:
            self.add("jobs.state not in (?, ?)", *FAILED)

    def _any(self, column: str, wanted: frozenset[Any]) -> None:
        if len(wanted) == 1:
            self.add(f"jobs.{column} = ?", *map(str, wanted))
        elif wanted:
            self.add(f"jobs.{column} in ({', '.join('?' * len(wanted))})", *sorted(map(str, wanted)))
