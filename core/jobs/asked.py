"""A search as the query string of an address asks for it: the jobs page's, and the exports'."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from urllib.parse import urlencode

from core.jobs.history import ASPECTS, Search, Sort
from core.jobs.job import State

PLACES = ("fal", "preview")
ASKS = (
    "q", "model", "state", "on", "aspect", "since", "until", "min", "max", "star", "hide", "rated", "tag", "bin", "sort",
)  # fmt: skip
"""Parameters that make the search. `page` and `view` stand beside them in the address of the page."""
ORDERS = tuple(f"{sign}{sort}" for sort in Sort for sign in ("", "-"))
"""Values of `sort`; a minus turns the order round."""

Given = Mapping[str, Sequence[str]]
"""The parameters of an address, each with all its values in their order."""


def search(owner: str, given: Given) -> Search:
    """The search that an address asks for, first page first. What makes no sense in there is left out.

    Args:
        owner: whose takes; checked by the caller.
        given: the address's parameters; others than `ASKS` are ignored.
    """
    rated = number(given, "rated")
    order = next(iter(several(given, "sort", ORDERS)), str(Sort.DATE))
    return Search(
        owner=owner,
        text=last(given, "q"),
        models=frozenset(filter(None, given.get("model", ()))),  # one that has left the catalogue too
        states=frozenset(map(State, several(given, "state", map(str, State)))),
        places=frozenset(several(given, "on", PLACES)),
        aspects=frozenset(several(given, "aspect", ASPECTS)),
        since=_midnight(day(given, "since")),
        until=_midnight(day(given, "until"), days=1),
        cost=(number(given, "min"), number(given, "max")),
        starred=last(given, "star") == "1",
        hide_failed=last(given, "hide") == "1",
        binned=last(given, "bin") == "1",
        rated=int(rated) if rated and 1 <= rated <= 5 else None,
        tag=last(given, "tag"),
        sort=Sort(order.removeprefix("-")),
        backwards=order.startswith("-"),
    )


def address(given: Given) -> str:
    """The query string of the same search: its parameters in one order, and no other; "" for all takes."""
    return urlencode([(name, value) for name in ASKS for value in given.get(name, ()) if value])


def last(given: Given, name: str) -> str:
    """The value of a parameter; the last where there are several, "" where there is none."""
    return next(iter(reversed(given.get(name, ()))), "")


def several(given: Given, name: str, known: Iterable[str]) -> list[str]:
    """The values of a parameter that are known, each once."""
    possible = set(known)
    return [text for text in dict.fromkeys(given.get(name, ())) if text in possible]


def number(given: Given, name: str) -> float | None:
    """A number of dollars or points, or None."""
    try:
        value = float(last(given, name))
    except ValueError:
        return None
    return value if 0 <= value < 1e9 else None


def day(given: Given, name: str) -> date | None:
    """A day as 2026-11-23, or None."""
    try:
        return date.fromisoformat(last(given, name))
    except ValueError:
        return None


def _midnight(when: date | None, days: int = 0) -> datetime | None:
    """The start of a day, or of the day after it, UTC."""
    return datetime.combine(when, time(), UTC) + timedelta(days=days) if when and when.year < 9999 else None
