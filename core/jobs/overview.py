"""What an overview of takes is made of: the sums of days put into bars that can be read, and added up."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from typing import Any, NamedTuple, TypeVar

from core.jobs.history import Search, Sum
from core.jobs.job import State

Key = TypeVar("Key")

DAYS, WEEKS = 62, 550  # the longest spans that are shown by day and by week: up to about 80 bars


class Step(StrEnum):
    """What one bar stands for."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"


class Total(NamedTuple):
    """Takes added up.

    Args:
        takes: how many.
        done: how many of them succeeded.
        usd: what those were estimated to cost, at the upper end.
        unpriced: how many of those had no estimate.
    """

    takes: int = 0
    done: int = 0
    usd: float = 0.0
    unpriced: int = 0


def within(search: Search, days: int, today: date) -> Search:
    """The same search among the last so many days, today included; as it is where it has dates of its own."""
    if search.since is not None or search.until is not None:
        return search
    return replace(search, since=datetime.combine(today - timedelta(days=days - 1), time(), UTC))


def at(search: Search, place: str) -> Search:
    """The same search among what ran there."""
    return replace(search, places=frozenset({place}))


def span(search: Search, sums: Iterable[Sum], today: date) -> tuple[date, date]:
    """The first and the last day that a search is about: its own dates, else from the first take to today, UTC."""
    days = [date.fromisoformat(row.day) for row in sums]
    first = search.since.date() if search.since else min(days, default=today)
    last = (search.until - timedelta(microseconds=1)).date() if search.until else max([today, *days])
    return min(first, last), last


def step(first: date, last: date) -> Step:
    """The shortest bars of which a span does not need too many."""
    length = (last - first).days + 1
    return Step.DAY if length <= DAYS else Step.WEEK if length <= WEEKS else Step.MONTH


def start(day: date, by: Step) -> date:
    """The first day of the bar that a day falls into; weeks begin on Monday."""
    match by:
        case Step.DAY:
            return day
        case Step.WEEK:
            return day - timedelta(days=day.weekday())
        case Step.MONTH:
            return day.replace(day=1)


def starts(first: date, last: date, by: Step) -> list[date]:
    """The bars of a span by their first days, also those that nothing falls into."""
    bars = [start(first, by)]
    while (following := start(bars[-1] + timedelta(days={"day": 1, "week": 7, "month": 31}[by]), by)) <= last:
        bars.append(following)
    return bars


def bars(sums: Iterable[Sum], by: Step) -> dict[str, date]:
    """The bar that each day of the sums falls into."""
    return {day: start(date.fromisoformat(day), by) for day in {row.day for row in sums}}


def totals(sums: Iterable[Sum], key: Callable[[Sum], Key]) -> dict[Key, Total]:
    """Sums added up by what the key says of each, in the order of first sight."""
    added: dict[Key, list[Any]] = {}
    for row in sums:
        total = added.setdefault(key(row), [0, 0, 0.0, 0])
        total[0] += row.jobs
        total[1] += row.jobs if row.state == State.SUCCEEDED else 0
        total[2] += row.usd
        total[3] += row.unpriced
    return {name: Total(*total) for name, total in added.items()}
