"""What it costs to create a job in a store of 100,000, beside a bare insert of the same row: part of `bench.engine`."""

import itertools
import random
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

from core.jobs.job import Event, Job, State, Video, utc_now
from core.models import MODELS
from core.settings import Settings
from core.stores.sqlite import SqliteJobStore
from core.studio import Studio, open_studio
from tests.engine import jpeg

FEW, MANY = 100, 100_000  # jobs in the store
CREATED = 300  # of each kind in a round: their 95th percentile has 15 beyond it
ROUNDS = 5  # their median stands: a disk has its moods
WARM = 1_200  # bare inserts before: SQLite's log has its full length then, as that of the filled store has
BATCH = 2_000  # jobs restored in one transaction
OWNERS = 50
PROMPT = "The heron lifts off from the reeds. Slow push in."
MODEL = "lucy14b"


@dataclass(frozen=True)
class Created:
    """95th percentiles of a round, in seconds: the page's whole creation, the store's part of it, and a bare insert of the
    same row."""

    whole_s: float
    store_s: float
    bare_s: float


def create(folder: Path, jobs: int) -> Created:
    """Fill a store with so many jobs and create more in it, taking turns with a bare insert. The round whose ratio of the
    store's part to the bare insert is the median.

    The whole is what happens at a click: the form checked, the still looked up, the price, the row. The store's part is
    the row with its indexes, its history and the files that it uses, on disk. The bare insert is the finished row into a
    table of its own on the same disk, without any of that, with the same promise that a power cut does not undo it.
    """
    settings = Settings(_env_file=None, data_dir=folder / "data", fal_api_key="bench-id:bench-secret")  # type: ignore[call-arg]
    studio = open_studio(settings)
    path = settings.home / "takes.db"
    store = SqliteJobStore(path)
    still = studio.add_picture(jpeg((1280, 720)), "still.jpg").key
    for first in range(0, jobs, BATCH):
        numbers = range(first, min(first + BATCH, jobs))
        store.restore([_past(still, number, age=jobs - number) for number in numbers])
    with bare_table(path, folder / "bare.db") as insert:
        rounds = [_round(studio, store, still, insert) for _ in range(ROUNDS)]
    store.close()
    return sorted(rounds, key=lambda each: each.store_s / each.bare_s)[ROUNDS // 2]


def _round(studio: Studio, store: SqliteJobStore, still: str, insert: Callable[[Job], float]) -> Created:
    whole, part, bare = [], [], []
    for _ in range(CREATED):
        owner = f"anon-{random.randrange(OWNERS)}"
        began = time.perf_counter()
        job = studio.create(owner, MODEL, {"image": still, "prompt": PROMPT}, provider="fal", again=True)
        whole.append(time.perf_counter() - began)
        twin = job.with_(id=str(uuid4()))
        began = time.perf_counter()
        store.add(twin)
        part.append(time.perf_counter() - began)
        bare.append(insert(twin))
    return Created(_p95(whole), _p95(part), _p95(bare))


@contextmanager
def bare_table(takes: Path, path: Path) -> Iterator[Callable[[Job], float]]:
    """A table with the columns and the key of Takes' jobs, and nothing else; inserts a job's row and returns how long that
    took."""
    source = sqlite3.connect(f"file:{takes}?mode=ro", uri=True)
    db = sqlite3.connect(path, isolation_level=None)
    with closing(source), closing(db):
        names = [
            name for name, hidden in source.execute("select name, hidden from pragma_table_xinfo('jobs')") if not hidden
        ]
        db.execute("pragma journal_mode = wal")
        db.execute(f"create table jobs ({', '.join(names)}, primary key (id))")
        statement = f"insert into jobs values ({', '.join('?' * len(names))})"
        db.execute("pragma synchronous = off")
        some = source.execute(f"select {', '.join(names)} from jobs limit 1").fetchone()
        for number in range(WARM):
            db.execute(statement, (str(number), *some[1:]))
        db.execute("pragma synchronous = full")

        def insert(job: Job) -> float:
            row = source.execute(f"select {', '.join(names)} from jobs where id = ?", (job.id,)).fetchone()
            began = time.perf_counter()
            db.execute(statement, row)
            return time.perf_counter() - began

        yield insert


def _past(still: str, number: int, age: int) -> tuple[Job, list[Event]]:
    """A job that was done so many minutes ago, with its history."""
    done = utc_now() - timedelta(minutes=age)
    spec = MODELS[MODEL]
    key = f"{number:064x}"
    job = Job(
        owner=f"anon-{number % OWNERS}",
        model=MODEL,
        provider="fal",
        endpoint=spec.endpoint,
        prompt=PROMPT,
        inputs={"prompt": PROMPT, "image": still},
        fingerprint=key[-32:],
        nonce=key[-16:],
        still=still,
        estimate_low_usd=0.4,
        cost_estimate_usd=0.8,
        created_at=done - timedelta(seconds=40),
        rank=done.timestamp(),
        state=State.SUCCEEDED,
        request_id=key[-36:],
        logs=["loading the model", "frame 1 of 24"],
        submitted_at=done - timedelta(seconds=35),
        started_at=done - timedelta(seconds=30),
        finished_at=done,
        video=Video(
            key=f"{key}.mp4", poster=f"{key}.jpg", width=1280, height=720, duration_s=5.0, fps=24.0, bytes=2_000_000, sha256=key
        ),
        due_at=done,
        updated_at=done,
    )  # fmt: skip
    path = (None, State.WAITING, State.SUBMITTING, State.QUEUED, State.RUNNING, State.SAVING, State.SUCCEEDED)
    return job, [Event(job_id=job.id, at=done, from_state=old, to_state=new) for old, new in itertools.pairwise(path)]


def _p95(seconds: list[float]) -> float:
    return sorted(seconds)[int(0.95 * len(seconds))]
