"""The history at 100 and at 100,000 takes, in one run: pages, filters and searches against the look-up of a single row through the
same call: `python -m bench.history`. What the page costs a browser and the server is not in it yet.
"""

import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

from core.jobs import transfer
from core.jobs.history import Search, Sort
from core.jobs.job import NEVER, Event, Job, JobError, State, Video, utc_now
from core.models import MODELS
from core.stores.sqlite import SqliteJobStore
from core.stores.sqlite_history import SqliteHistory

FEW, MANY = 100, 100_000
OWNER = "anon-00000000-0000-4000-8000-000000000001"
OTHERS = 10  # one take in ten belongs to somebody else
LIVE = 100  # one take in so many is under way
TIMES = 60  # of each search
PAGE_TARGET = 3.0  # page 1,000 to page 1
OPEN_TARGET = 1.3  # page 1 of many to page 1 of few
SEARCH_TARGET, SEARCH_MS = 5.0, 50.0  # any filter or two-word search, to a single row, and in ms
ENDS = [State.SUCCEEDED] * 88 + [State.FAILED] * 8 + [State.CANCELLED] * 3 + [State.UNKNOWN]
SHAPES = ((1280, 720), (1280, 720), (720, 1280), (960, 960))
TOPICS = (
    "lighthouse heron balloon waves fog dawn dusk valley snow train market rain neon city river cat dog child runner kite storm "
    "desert dune moon star forest pine leaf window piano dancer robot car bridge boat harbour gull cloud smoke fire candle shadow "
    "mirror glass paper tower castle meadow horse"
)


@dataclass(frozen=True)
class Timed:
    """One call, many times: its median and 95th percentile in ms."""

    what: str
    median_ms: float
    p95_ms: float


def takes(count: int) -> Iterator[tuple[Job, list[Event]]]:
    """Made-up takes, five minutes apart, the oldest first."""
    chance, topics = random.Random(7), TOPICS.split()
    now = utc_now()
    for number in range(count):
        made = now - timedelta(seconds=300 * (count - number) + chance.random())
        state = State.RUNNING if number % LIVE == 0 else chance.choice(ENDS)
        prompt = " ".join(chance.choices(topics, k=chance.randrange(6, 30)))
        here = chance.random() < 0.3
        key = f"{number:064x}"
        width, height = chance.choice(SHAPES)
        video = Video(
            key=f"{key}.mp4", poster=f"{key}.jpg", width=width, height=height,
            duration_s=round(chance.uniform(3, 12), 2), fps=24.0, bytes=2_000_000, sha256=key,
        )  # fmt: skip
        job = Job(
            owner=OWNER if chance.randrange(OTHERS) else f"anon-{chance.randrange(5)}",
            model=chance.choice(list(MODELS)),
            provider="preview" if here else "fal",
            endpoint="local" if here else "example/endpoint",
            prompt=prompt,
            inputs={"prompt": prompt, "aspect_ratio": "16:9"},
            cost_estimate_usd=0.0 if here else round(chance.random(), 2),
            created_at=made,
            state=state,
            starred=chance.random() < 0.02,
            request_id=key[-36:],
            submitted_at=made,
            finished_at=None if state is State.RUNNING else made + timedelta(seconds=chance.uniform(10, 60)),
            error=JobError(kind="k", message="The content check refused the prompt.") if state is State.FAILED else None,
            video=video if state is State.SUCCEEDED else None,
            logs=["loading the model", "frame 1 of 24"],
            due_at=NEVER,
            updated_at=made,
        )  # fmt: skip
        yield job, [Event(job_id=job.id, at=made, from_state=None, to_state=state)]


def searches(mine: Search) -> dict[str, Search]:
    """Every filter, and words."""
    now = utc_now()
    return {
        "model": replace(mine, models=frozenset({"wan27"})),
        "two models": replace(mine, models=frozenset({"wan27", "splice"})),
        "state": replace(mine, states=frozenset({State.FAILED})),
        "state and model": replace(mine, states=frozenset({State.UNKNOWN}), models=frozenset({"wan27"})),
        "place": replace(mine, places=frozenset({"preview"})),
        "aspect ratio": replace(mine, aspects=frozenset({"1:1"})),
        "starred": replace(mine, starred=True),
        "starred and upright": replace(mine, starred=True, aspects=frozenset({"9:16"})),
        "failed hidden": replace(mine, hide_failed=True),
        "ten days": replace(mine, since=now - timedelta(days=30), until=now - timedelta(days=20)),
        "cost from 10 to 12 cents": replace(mine, cost=(0.10, 0.12)),
        "two words": replace(mine, text="lighthouse heron"),
        "two beginnings": replace(mine, text="light her"),
        "a phrase": replace(mine, text='"lighthouse heron"'),
        "two words of errors": replace(mine, text="content refused"),
        "two words and a model": replace(mine, text="storm moon", models=frozenset({"wan27"})),
        "by cost": replace(mine, sort=Sort.COST),
        "by length": replace(mine, sort=Sort.LENGTH),
    }


def timed(what: str, call: Callable[[], object]) -> Timed:
    """Call it often."""
    call()
    seconds = []
    for _ in range(TIMES):
        before = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - before)
    seconds.sort()
    return Timed(what, statistics.median(seconds) * 1000, seconds[int(0.95 * TIMES)] * 1000)


def main() -> bool:
    """Print the table. Returns whether every target is met."""
    mine = Search(owner=OWNER)
    met = True
    with tempfile.TemporaryDirectory() as folder:
        first: dict[int, Timed] = {}
        for count in (FEW, MANY):
            with closing(SqliteJobStore(Path(folder) / f"{count}.db")) as store:
                transfer.fill(store, takes(count))
                history = SqliteHistory(store.file)
                first[count] = timed(f"page 1 of {count:,}", lambda h=history: h.page(mine))
                if count == MANY:
                    met = _many(history, mine, first[count]) and met
        ratio = first[MANY].median_ms / first[FEW].median_ms
        return _say(f"page 1 of {MANY:,} / of {FEW}", ratio, OPEN_TARGET) and met


def _many(history: SqliteHistory, mine: Search, first: Timed) -> bool:
    newest = history.page(mine)[0]
    moment = newest.created_at
    one = replace(mine, since=moment, until=moment + timedelta(microseconds=1))
    single = timed("a single row", lambda: history.page(one))
    far = timed("page 1,000", lambda: history.page(replace(mine, page=1000)))
    print(f"  {'at 100,000 takes':<28}{'median ms':>10}{'95 % ms':>10}{'to a single row':>17}")
    for row in (single, first, far):
        print(f"  {row.what:<28}{row.median_ms:>10.2f}{row.p95_ms:>10.2f}{row.p95_ms / single.p95_ms:>17.1f}")
    met = True
    for what, search in searches(mine).items():
        row = timed(what, lambda asked=search: history.page(asked))
        counted = timed(what, lambda asked=search: history.count(asked))
        good = row.p95_ms <= SEARCH_TARGET * single.p95_ms and row.p95_ms <= SEARCH_MS and counted.p95_ms <= SEARCH_MS
        met = met and good
        verdict = "" if good else f"  MISSED (≤ {SEARCH_TARGET:g} and ≤ {SEARCH_MS:g} ms)"
        print(
            f"  {what:<28}{row.median_ms:>10.2f}{row.p95_ms:>10.2f}{row.p95_ms / single.p95_ms:>17.1f}"
            f"   counted in {counted.p95_ms:.1f}{verdict}"
        )
    return _say("page 1,000 / page 1", far.median_ms / first.median_ms, PAGE_TARGET) and met


def _say(what: str, ratio: float, target: float) -> bool:
    print(f"{what}: {ratio:.2f} (target ≤ {target})")
    return ratio <= target


if __name__ == "__main__":
    sys.exit(0 if main() else 1)
