"""The engine beside fal-client and beside a bare table: following 1,000 live jobs, and creating one in a store of 100,000: `python -m bench.engine`.

Both follow the same number of jobs at the same fake fal, one after the other, each in a process of its own: Takes as
`python -m core worker` runs it, fal-client as its README shows. Takes does more: it fetches each video, checks that it
plays, and has every step on disk.
"""

import sys
import tempfile
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from bench import creating, following
from bench.following import Follower, Measured
from tests.fal_server import FalServer


@dataclass(frozen=True)
class Row:
    """One line of the table: a figure of Takes, the same of what it is measured against, and the most that it, or their
    ratio, may be."""

    what: str
    ours: float
    theirs: float
    target: float | None = None
    form: str = ".2f"
    of_ratio: bool = False

    @property
    def met(self) -> bool:
        figure = self.ours / self.theirs if self.of_ratio else self.ours
        return self.target is None or figure <= self.target

    def __str__(self) -> str:
        ratio = f"{self.ours / self.theirs:.2f}" if self.theirs else ""
        verdict = ""
        if self.target is not None:
            verdict = f"{'ratio ' if self.of_ratio else ''}≤ {self.target:g}: {'met' if self.met else 'MISSED'}"
        return f"  {self.what:<52}{self.ours:>9{self.form}}{self.theirs:>13{self.form}}{ratio:>9}  {verdict}".rstrip()


def head(what: str, theirs: str) -> str:
    return f"{what:<54}{'Takes':>9}{theirs:>13}{'ratio':>9}  target"


def follow(begin: Callable[[FalServer, Path], AbstractContextManager[Follower]]) -> Measured:
    """Measure one follower, at a server of its own."""
    with tempfile.TemporaryDirectory() as name, FalServer() as server, begin(server, Path(name)) as follower:
        return following.measure(server, follower)


def follow_both() -> list[Row]:
    """Takes and fal-client, one after the other."""
    ours, theirs = follow(following.takes), follow(following.fal_client)
    seconds = following.WINDOW_S
    print(head(f"following {following.JOBS:,} live jobs for {seconds:.0f} s", "fal-client"))
    rows = [
        Row("done there → seen here, median (s)", ours.p50_s, theirs.p50_s),
        Row("done there → seen here, 95th percentile (s)", ours.p95_s, theirs.p95_s, 3.0),
        Row("requests per job and second", ours.requests, theirs.requests, 0.6),
        Row("CPU of the process, of one core", ours.cpu, theirs.cpu, 0.6),
        Row("CPU per request (ms)", _per_request_ms(ours), _per_request_ms(theirs)),
        Row("most memory (MB)", ours.memory_mb, theirs.memory_mb, 300, ".0f"),
        Row("jobs lost, or not seen by the end of the run", ours.lost, theirs.lost, 0, ".0f"),
        Row("submitted a second time", ours.twice, theirs.twice, 0, ".0f"),
        Row("(CPU of the fake fal meanwhile, of one core)", ours.server_cpu, theirs.server_cpu),
    ]
    print(*rows, sep="\n", flush=True)
    return rows


def _per_request_ms(measured: Measured) -> float:
    return 1000 * measured.cpu / (measured.requests * following.JOBS)


def create_both() -> list[Row]:
    """Creating a job in a small and in a large store, each beside a bare insert."""
    rows = []
    for jobs in (creating.FEW, creating.MANY):
        with tempfile.TemporaryDirectory() as name:
            took = creating.create(Path(name), jobs)
        target = 3.0 if jobs == creating.MANY else None
        rows += [
            Row(f"written into a store of {jobs:,}", 1000 * took.store_s, 1000 * took.bare_s, target, of_ratio=True),
            Row("  with the form checked, as at a click", 1000 * took.whole_s, 1000 * took.bare_s),
        ]
    print(head("a new job, 95th percentile (ms)", "bare insert"), *rows, sep="\n", flush=True)
    return rows


def main() -> bool:
    """Print both tables. Returns whether every target is met."""
    return all(row.met for row in [*follow_both(), *create_both()])


if __name__ == "__main__":
    sys.exit(0 if main() else 1)
