"""The contract of a JobStore, run over every implementation."""

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from core.errors import Charged, NotFound, StaleJob
from core.jobs.job import Job, JobError, State, Video, move
from core.jobs.store import JobQuery, JobStore, Wishes
from core.stores.sqlite import SqliteJobStore
from tests.test_job import a_job

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
SLOTS = {"fal": 2, "preview": 1}


@pytest.fixture(params=["sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[JobStore]:
    assert request.param == "sqlite"
    made = SqliteJobStore(tmp_path / "takes.db")
    yield made
    made.close()


def later(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def claim(store: JobStore, at: datetime = NOW, worker: str = "w1", limit: int = 50) -> list[Job]:
    return store.claim(worker, at, 60, SLOTS, limit)


def test_what_is_written_is_read(store: JobStore) -> None:
    job = a_job(
        prompt="ünïcödé 🎈\nline two",
        inputs={"image": "k", "clips": [{"key": "a"}]},
        options={"camera_move": "static"},
        estimate_low_usd=0.4,
        cost_estimate_usd=0.8,
        logs=["one"],
        error=JobError(kind="x", message="m", charged=Charged.MAYBE, raw={"detail": [1]}),
        video=Video(key="k", poster="p", width=1, height=2, duration_s=3.5, fps=24, bytes=9, sha256="s"),
    )
    written = store.add(job)
    read = store.get(job.id)
    assert read == written
    assert read is not None
    assert read.model_dump(exclude={"version"}) == job.model_dump(exclude={"version"})
    assert store.get("no-such-id") is None


def test_the_same_nonce_is_the_same_job(store: JobStore) -> None:
    first = store.add(a_job(nonce="n1"))
    again = store.add(a_job(nonce="n1"))
    other_owner = store.add(a_job(nonce="n1", owner="p"))
    assert again.id == first.id
    assert other_owner.id != first.id
    assert len(store.find(JobQuery())) == 2


def test_find_filters_and_pages(store: JobStore) -> None:
    for number in range(5):
        store.add(a_job(created_at=later(number), prompt=str(number), model="a" if number % 2 else "b"))
    store.add(a_job(owner="other", created_at=later(9)))
    page = store.find(JobQuery(owner="o", limit=3))
    assert [job.prompt for job in page] == ["4", "3", "2"]
    rest = store.find(JobQuery(owner="o", before=(page[-1].created_at, page[-1].id)))
    assert [job.prompt for job in rest] == ["1", "0"]
    assert {job.model for job in store.find(JobQuery(owner="o", model="a"))} == {"a"}
    assert store.find(JobQuery(states=frozenset({State.RUNNING}))) == []


def test_pages_hold_jobs_of_the_same_moment_once(store: JobStore) -> None:
    ids = {store.add(a_job()).id for _ in range(7)}
    seen: list[str] = []
    before = None
    while page := store.find(JobQuery(before=before, limit=2)):
        seen += [job.id for job in page]
        before = (page[-1].created_at, page[-1].id)
    assert len(seen) == 7
    assert set(seen) == ids


def test_changed_since_tells_only_news(store: JobStore) -> None:
    one, two = store.add(a_job()), store.add(a_job())
    mark = max(job.version for job in store.find(JobQuery()))
    assert store.find(JobQuery(changed_since=mark)) == []
    (held,) = claim(store, limit=1)
    assert store.find(JobQuery(changed_since=mark)) == [], "a lease is no news"
    saved = store.save(held.with_(stage="Sending"), NOW)
    assert [job.id for job in store.find(JobQuery(changed_since=mark))] == [saved.id]
    store.save(saved.with_(due_at=later(5)), NOW)
    assert store.find(JobQuery(changed_since=saved.version)) == [], "a due time is no news"
    assert {one.id, two.id} == {job.id for job in store.find(JobQuery(changed_since=-1))}


def test_a_claimed_job_is_nobody_elses_until_the_lease_ends(store: JobStore) -> None:
    store.add(a_job())
    (held,) = claim(store)
    assert held.lease_owner == "w1"
    assert claim(store, worker="w2") == []
    assert claim(store, later(59), "w2") == []
    (taken,) = claim(store, later(61), "w2")
    assert taken.fence == held.fence + 1
    with pytest.raises(StaleJob):
        store.save(move(held, State.SUBMITTING, NOW), NOW)
    assert store.get(held.id) == taken


def test_a_job_is_not_due_before_its_time(store: JobStore) -> None:
    store.add(a_job(due_at=later(10)))
    assert claim(store, later(9)) == []
    assert len(claim(store, later(10))) == 1


def test_slots_bound_what_is_in_flight(store: JobStore) -> None:
    for _ in range(4):
        store.add(a_job())
    held = claim(store)
    assert len(held) == 2, "two slots at fal"
    for job in held:
        store.save(move(job, State.SUBMITTING, NOW, lease_owner=None, lease_until=None, due_at=later(99)), NOW)
    assert claim(store) == []
    done = store.get(held[0].id)
    assert done is not None
    store.save(move(done, State.FAILED, NOW), NOW)
    assert len(claim(store)) == 1


def test_a_provider_without_slots_gets_nothing(store: JobStore) -> None:
    store.add(a_job(provider="gone"))
    assert claim(store) == []


def test_one_owner_after_the_other(store: JobStore) -> None:
    for number in range(6):
        store.add(a_job(owner="greedy", created_at=later(number), due_at=NOW))
    store.add(a_job(owner="late", created_at=later(100), due_at=NOW))
    owners = [job.owner for job in claim(store, later(200))]
    assert sorted(owners) == ["greedy", "late"]


def test_a_waiting_job_that_is_to_be_cancelled_needs_no_slot(store: JobStore) -> None:
    for _ in range(3):
        store.add(a_job())
    claim(store)
    (waiting,) = [job for job in store.find(JobQuery()) if job.lease_owner is None]
    assert claim(store) == []
    store.patch(waiting.id, NOW, Wishes(cancel_requested=True))
    (found,) = claim(store)
    assert found.id == waiting.id
    assert found.cancel_requested


def test_the_owners_wish_survives_a_save_of_the_engine(store: JobStore) -> None:
    store.add(a_job())
    (held,) = claim(store)
    store.patch(held.id, NOW, Wishes(cancel_requested=True))
    saved = store.save(move(held, State.SUBMITTING, NOW), NOW)
    assert saved.cancel_requested
    with pytest.raises(NotFound):
        store.patch("no-such-id", NOW, Wishes(cancel_requested=True))


def test_every_move_is_in_the_history(store: JobStore) -> None:
    store.add(a_job())
    (held,) = claim(store)
    held = store.save(move(held, State.SUBMITTING, later(1)), later(1), "slot free")
    held = store.save(held.with_(stage="x"), later(2))
    store.save(move(held, State.QUEUED, later(3), request_id="r"), later(3), "accepted")
    told = [(event.from_state, event.to_state, event.why, event.at) for event in store.events([held.id])]
    assert told == [
        (None, State.WAITING, "asked for", NOW),
        (State.WAITING, State.SUBMITTING, "slot free", later(1)),
        (State.SUBMITTING, State.QUEUED, "accepted", later(3)),
    ]


def test_many_workers_at_once_take_each_job_once(store: JobStore) -> None:
    total = 60
    for _ in range(total):
        store.add(a_job())
    taken: list[str] = []
    guard = threading.Lock()

    def work(name: str) -> None:
        while got := store.claim(name, NOW, 60, {"fal": total}, 3):
            with guard:
                taken.extend(job.id for job in got)

    threads = [threading.Thread(target=work, args=(f"w{number}",)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(taken) == total
    assert len(set(taken)) == total
