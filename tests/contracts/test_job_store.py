"""The contract of a JobStore and JobArchive, run over every implementation."""

import random
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

import pytest

from core.errors import Charged, IllegalMove, NotFound, StaleJob
from core.jobs.job import ENDED, MOVES, NEVER, Event, Job, JobError, State, Video, move
from core.jobs.store import JobArchive, JobQuery, JobStore, Wishes
from core.stores.sqlite import SqliteJobStore
from tests.test_job import a_job

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
SLOTS = {"fal": 2, "preview": 1}
KEYS = [f"{number:064x}.{extension}" for number, extension in enumerate(("png", "jpg", "mp4", "wav", "webp"))]


class Rows(JobStore, JobArchive, Protocol):
    """Both protocols over the same rows."""


@pytest.fixture(params=["sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Rows]:
    assert request.param == "sqlite"
    made = SqliteJobStore(tmp_path / "takes.db")
    yield made
    made.close()


def later(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def claim(store: Rows, at: datetime = NOW, worker: str = "w1", limit: int = 50) -> list[Job]:
    return store.claim(worker, at, 60, SLOTS, limit)


def row(store: Rows, job: Job) -> Job:
    """The job as it stands."""
    stands = store.get(job.id)
    assert stands is not None
    return stands


def test_what_is_written_is_read(store: Rows) -> None:
    job = a_job(
        prompt="ünïcödé 🎈\nline two",
        inputs={"image": "k", "clips": [{"key": "a"}]},
        options={"camera_move": "static"},
        parent_id="p",
        continues=True,
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


def test_the_same_nonce_is_the_same_job(store: Rows) -> None:
    first = store.add(a_job(nonce="n1"))
    again = store.add(a_job(nonce="n1"))
    other_owner = store.add(a_job(nonce="n1", owner="p"))
    assert again.id == first.id
    assert other_owner.id != first.id
    assert len(store.find(JobQuery())) == 2


def test_find_filters_and_pages(store: Rows) -> None:
    for number in range(5):
        store.add(a_job(created_at=later(number), prompt=str(number), model="a" if number % 2 else "b"))
    store.add(a_job(owner="other", created_at=later(9)))
    page = store.find(JobQuery(owner="o", limit=3))
    assert [job.prompt for job in page] == ["4", "3", "2"]
    rest = store.find(JobQuery(owner="o", before=(page[-1].created_at, page[-1].id)))
    assert [job.prompt for job in rest] == ["1", "0"]
    assert {job.model for job in store.find(JobQuery(owner="o", model="a"))} == {"a"}
    assert store.find(JobQuery(states=frozenset({State.RUNNING}))) == []


def test_pages_hold_jobs_of_the_same_moment_once(store: Rows) -> None:
    ids = {store.add(a_job()).id for _ in range(7)}
    seen: list[str] = []
    before = None
    while page := store.find(JobQuery(before=before, limit=2)):
        seen += [job.id for job in page]
        before = (page[-1].created_at, page[-1].id)
    assert len(seen) == 7
    assert set(seen) == ids


def test_changed_since_tells_only_news(store: Rows) -> None:
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


def test_a_claimed_job_is_nobody_elses_until_the_lease_ends(store: Rows) -> None:
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


def test_a_job_is_not_due_before_its_time(store: Rows) -> None:
    store.add(a_job(due_at=later(10)))
    assert claim(store, later(9)) == []
    assert len(claim(store, later(10))) == 1


def test_slots_bound_what_is_in_flight(store: Rows) -> None:
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


def test_a_provider_without_slots_gets_nothing(store: Rows) -> None:
    store.add(a_job(provider="gone"))
    assert claim(store) == []


def test_one_owner_after_the_other(store: Rows) -> None:
    for number in range(6):
        store.add(a_job(owner="greedy", created_at=later(number), due_at=NOW))
    store.add(a_job(owner="late", created_at=later(100), due_at=NOW))
    owners = [job.owner for job in claim(store, later(200))]
    assert sorted(owners) == ["greedy", "late"]


def test_a_waiting_job_that_is_to_be_cancelled_needs_no_slot(store: Rows) -> None:
    for _ in range(3):
        store.add(a_job())
    claim(store)
    (waiting,) = [job for job in store.find(JobQuery()) if job.lease_owner is None]
    assert claim(store) == []
    store.patch(waiting.id, NOW, Wishes(cancel_requested=True))
    (found,) = claim(store)
    assert found.id == waiting.id
    assert found.cancel_requested


def test_the_owners_wish_survives_a_save_of_the_engine(store: Rows) -> None:
    store.add(a_job())
    (held,) = claim(store)
    store.patch(held.id, NOW, Wishes(cancel_requested=True))
    saved = store.save(move(held, State.SUBMITTING, NOW), NOW)
    assert saved.cancel_requested
    with pytest.raises(NotFound):
        store.patch("no-such-id", NOW, Wishes(cancel_requested=True))


def test_every_move_is_in_the_history(store: Rows) -> None:
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


def test_a_history_is_told_in_the_order_in_which_it_was_written(store: Rows) -> None:
    first, second = sorted(store.add(a_job()).id for _ in range(2))
    for job_id, seconds in ((first, 30), (second, 20), (first, 10)):  # one clock goes after the other
        store.patch(job_id, later(seconds), Wishes(), f"note {seconds}")
    told = [(event.job_id, event.why) for event in store.events([second, first])]
    assert told == [
        (first, "asked for"), (first, "note 30"), (first, "note 10"), (second, "asked for"), (second, "note 20"),
    ], "a history was sorted by clocks that disagree"  # fmt: skip


def test_many_workers_at_once_take_each_job_once(store: Rows) -> None:
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


def test_two_who_add_the_same_nonce_at_once_get_one_job(store: Rows) -> None:
    got: list[str] = []
    threads = [threading.Thread(target=lambda: got.append(store.add(a_job(nonce="n")).id)) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(got) == 6
    assert len(set(got)) == 1, "two clicks became two jobs"
    assert len(store.find(JobQuery())) == 1


# --- what is asked for ------------------------------------------------------------------------------------------------


def test_find_by_what_was_asked_by_parent_and_by_time(store: Rows) -> None:
    first = store.add(a_job(fingerprint="same", created_at=later(0)))
    store.add(a_job(fingerprint="other", created_at=later(1), parent_id=first.id))
    twin = store.add(a_job(fingerprint="same", created_at=later(2), parent_id=first.id))
    theirs = store.add(a_job(fingerprint="same", created_at=later(3), owner="p"))
    no_print = store.add(a_job(created_at=later(4)))

    def ids(**query: Any) -> list[str]:
        return [job.id for job in store.find(JobQuery(**query))]

    assert ids(fingerprint="same") == [theirs.id, twin.id, first.id]
    assert ids(owner="o", fingerprint="same", since=later(1)) == [twin.id]
    assert ids(ids=frozenset({first.id, theirs.id, "gone"})) == [theirs.id, first.id]
    assert ids(ids=frozenset()) == []
    assert ids(owner="o", fingerprint="same", since=later(2)) == [twin.id], "since means then or later"
    assert ids(since=later(5)) == []
    assert ids(parents=frozenset({first.id}), fingerprint="same") == [twin.id]
    assert no_print.id not in ids(fingerprint="same")
    assert ids(fingerprint="None") == []


def test_find_relatives(store: Rows) -> None:
    still, _, film, _, _ = KEYS
    other = f"{99:064x}.mp4"

    def shown(key: str) -> Video:
        return Video(key=key, poster=still, width=1, height=1, duration_s=1, fps=24, bytes=1, sha256="s")

    made = store.add(a_job(video=shown(film), state=State.SUCCEEDED, inputs={"image": still}))
    again = store.add(a_job(video=shown(film), state=State.SUCCEEDED, created_at=later(1), parent_id=made.id))
    spliced = store.add(
        a_job(created_at=later(2), inputs={"clips": [{"key": film}, {"key": other}]}, video=shown(other), owner="p")
    )
    store.add(a_job(created_at=later(3), inputs={"image": still, "prompt": film[:-4]}))

    def ids(**query: Any) -> list[str]:
        return [job.id for job in store.find(JobQuery(**{name: frozenset(among) for name, among in query.items()}))]

    assert ids(made=[film]) == [again.id, made.id]
    assert ids(made=[film, other]) == [spliced.id, again.id, made.id]
    assert ids(given=[film]) == [spliced.id], "a take that made the file was told to have been given it"
    assert ids(parents=[made.id, "no-such-id"]) == [again.id]
    for nothing in ({"made": []}, {"given": []}, {"parents": []}, {"made": [still]}, {"given": ["' or 1=1 --"]}):
        assert ids(**nothing) == []
    assert store.find(JobQuery(owner="o", given=frozenset({film}))) == [], "another owner's take"


def test_find_what_ended_before_oldest_first(store: Rows) -> None:
    ended = [
        store.add(a_job(state=state, finished_at=later(seconds)))
        for seconds, state in ((30, State.FAILED), (10, State.SUCCEEDED), (20, State.CANCELLED), (40, State.UNKNOWN))
    ]
    store.add(a_job(state=State.RUNNING))
    found = store.find(JobQuery(finished_before=later(40)))
    assert [job.id for job in found] == [ended[1].id, ended[2].id, ended[0].id], "what still runs is not old"
    assert [job.id for job in store.find(JobQuery(states=ENDED, finished_before=later(99), limit=2))] == [
        ended[1].id,
        ended[2].id,
    ]
    assert store.find(JobQuery(finished_before=later(10))) == []


def test_find_pages_through_what_ended_and_meets_each_once(store: Rows) -> None:
    ended = [store.add(a_job(state=State.FAILED, finished_at=later(number // 4))).id for number in range(11)]
    store.add(a_job(state=State.UNKNOWN, finished_at=later(1)))
    seen: list[str] = []
    after = None
    while page := store.find(JobQuery(states=ENDED, finished_before=later(9), after=after, limit=2)):
        seen += [job.id for job in page]
        assert page[-1].finished_at is not None
        after = (page[-1].finished_at, page[-1].id)
        store.forget(seen[-1:])  # what goes on the way moves nobody to another page
    assert len(seen) == len(ended)
    assert set(seen) == set(ended), "one was left out, or is not over"


def test_find_favourites_or_the_others(store: Rows) -> None:
    plain, favourite = store.add(a_job()), store.add(a_job())
    store.patch(favourite.id, NOW, Wishes(starred=True))
    assert [job.id for job in store.find(JobQuery(starred=True))] == [favourite.id]
    assert [job.id for job in store.find(JobQuery(starred=False))] == [plain.id], "a favourite passes for another"
    assert len(store.find(JobQuery())) == 2


# --- leases -------------------------------------------------------------------------------------------------------------


def test_claim_returns_what_is_unknown_when_it_is_due(store: Rows) -> None:
    job = store.add(a_job(state=State.UNKNOWN, due_at=later(30)))
    store.add(a_job(state=State.UNKNOWN, due_at=NEVER))
    assert claim(store, later(29)) == []
    (held,) = claim(store, later(30))
    assert (held.id, held.state, held.lease_owner) == (job.id, State.UNKNOWN, "w1")
    assert claim(store, later(31), "w2") == [], "two look it up at once"
    store.put_back([held.with_(due_at=NEVER)], later(31))
    assert claim(store, later(1e8)) == []


@pytest.mark.parametrize("state", sorted(ENDED))
def test_what_has_ended_is_never_claimed(state: State, store: Rows) -> None:
    store.add(a_job(state=state, cancel_requested=True))
    assert claim(store, later(1e6)) == []


def test_a_claim_hands_a_job_out_once(store: Rows) -> None:
    """A waiting job whose owner asked for a cancel is due for two reasons."""
    job = store.add(a_job())
    store.patch(job.id, NOW, Wishes(cancel_requested=True))
    assert [held.id for held in claim(store)] == [job.id], "two steps would work on one job"
    assert row(store, job).fence == 1


def test_a_claim_takes_no_more_than_its_limit(store: Rows) -> None:
    for _ in range(5):
        store.add(a_job(state=State.RUNNING))
        store.add(a_job())
    assert [job.state for job in claim(store, limit=3)] == [State.RUNNING] * 3
    assert claim(store, limit=0) == []


def test_hold_takes_one_job_whatever_its_state(store: Rows) -> None:
    for state in State:
        job = store.add(a_job(state=state, due_at=NEVER))
        held = store.hold(job.id, "owner", NOW, 10)
        assert held is not None
        assert held == row(store, job)
        assert (held.fence, held.lease_owner, held.lease_until) == (job.fence + 1, "owner", later(10))
        assert (held.state, held.version, held.due_at) == (state, job.version, NEVER), "a lease is no news"


def test_hold_gets_nothing_that_another_has(store: Rows) -> None:
    store.add(a_job())
    (theirs,) = claim(store)
    assert store.hold(theirs.id, "owner", later(59), 10) is None
    assert row(store, theirs) == theirs
    assert store.hold("no-such-id", "owner", NOW, 10) is None
    ours = store.hold(theirs.id, "owner", later(60), 10)
    assert ours is not None
    assert claim(store, later(69), "w2") == []
    with pytest.raises(StaleJob):
        store.save(theirs.with_(stage="x"), later(61))
    assert [job.id for job in claim(store, later(70), "w2")] == [theirs.id]


def test_of_many_who_hold_at_once_one_has_it(store: Rows) -> None:
    job = store.add(a_job())
    got: list[Job | None] = []
    threads = [
        threading.Thread(target=lambda name=f"w{number}": got.append(store.hold(job.id, name, NOW, 10)))
        for number in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len([held for held in got if held is not None]) == 1
    assert row(store, job).fence == 1


def test_free_dead_lets_go_of_the_dead_and_of_nobody_else(store: Rows) -> None:
    rows = {
        name: store.add(a_job(state=state, lease_owner=name, lease_until=later(60), due_at=later(due), fence=3))
        for name, state, due in (
            ("dead", State.RUNNING, 40),
            ("dead too", State.UNKNOWN, 3000),
            ("alive", State.SAVING, 40),
            ("elsewhere", State.WAITING, 40),
        )
    }
    free = store.add(a_job(state=State.QUEUED, due_at=later(50)))
    asked: list[str] = []

    def is_dead(name: str) -> bool:
        asked.append(name)
        return name.startswith("dead")

    assert store.free_dead(is_dead, later(1)) == 2
    assert sorted(asked) == ["alive", "dead", "dead too", "elsewhere"]
    for name in ("dead", "dead too"):
        freed = row(store, rows[name])
        assert (freed.lease_owner, freed.lease_until, freed.due_at) == (None, None, later(1))
        assert (freed.state, freed.version) == (rows[name].state, rows[name].version), "being freed is no news"
    assert {job.id for job in claim(store, later(1), "w2")} == {rows["dead"].id, rows["dead too"].id}
    for name in ("alive", "elsewhere"):
        assert row(store, rows[name]) == rows[name], "a lease was taken from a worker that lives"
    assert row(store, free) == free
    assert store.free_dead(is_dead, later(2)) == 0


def test_free_dead_leaves_the_living_their_other_jobs(store: Rows) -> None:
    for _ in range(2):
        store.add(a_job())
    one, two = claim(store, worker="dead", limit=1), claim(store, worker="alive", limit=1)
    assert store.free_dead(lambda name: name == "dead", NOW) == 1
    (again,) = claim(store, worker="w2", limit=1)
    assert again.id == one[0].id
    with pytest.raises(StaleJob):
        store.save(one[0].with_(stage="a dead hand"), NOW)
    assert store.save(two[0].with_(stage="Sending"), NOW).stage == "Sending"


# --- saving and putting back --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("start", State)
def test_only_legal_moves_are_saved(start: State, store: Rows) -> None:
    for end in State:
        job = store.add(a_job(state=start))
        held = store.hold(job.id, "w1", NOW, 60)
        assert held is not None
        asked = held.model_copy(update={"state": end, "stage": "new"})
        if end is start or end in MOVES[start]:
            assert store.save(asked, NOW).state is end
        else:
            with pytest.raises(IllegalMove, match=f"{start} cannot become {end}"):
                store.save(asked, NOW)
            assert row(store, job) == held, "half of an illegal move was written"
            assert len(store.events([job.id])) == 1


def test_a_stale_save_says_stale_before_it_says_illegal(store: Rows) -> None:
    store.add(a_job())
    (old,) = claim(store)
    (new,) = claim(store, later(61), "w2")
    new = store.save(move(new, State.FAILED, later(61)), later(61))
    with pytest.raises(StaleJob):
        store.save(move(old, State.SUBMITTING, later(62)), later(62))
    store.forget([new.id])
    with pytest.raises(NotFound):
        store.save(new, later(63))
    assert store.events([new.id]) == []


def test_a_why_is_a_note_where_nothing_moved(store: Rows) -> None:
    store.add(a_job(state=State.RUNNING))
    (held,) = claim(store)
    held = store.save(held.with_(cancel_sent=True), later(1), "fal.ai was asked to stop")
    store.save(held.with_(stage="x"), later(2))
    store.patch(held.id, later(3), Wishes(starred=True), "starred by hand")
    store.patch(held.id, later(4), Wishes(starred=False))
    told = [(event.from_state, event.to_state, event.why, event.at) for event in store.events([held.id])]
    assert told[1:] == [
        (State.RUNNING, State.RUNNING, "fal.ai was asked to stop", later(1)),
        (State.RUNNING, State.RUNNING, "starred by hand", later(3)),
    ]


def test_history_keeps_its_order_whatever_the_clocks_say(store: Rows) -> None:
    """A wish comes from a page whose clock is behind the worker's."""
    jobs = [store.add(a_job(state=State.QUEUED)) for _ in range(2)]
    for job in claim(store):
        held = store.save(move(job, State.RUNNING, later(10)), later(10), "started")
        store.patch(job.id, later(9), Wishes(cancel_requested=True), "cancel asked for")
        store.save(move(held, State.CANCELLED, later(11)), later(11), "cancelled")
    events = store.events([job.id for job in jobs])
    for job in jobs:
        told = [(event.from_state, event.to_state) for event in events if event.job_id == job.id]
        assert told == [
            (None, State.QUEUED),
            (State.QUEUED, State.RUNNING),
            (State.RUNNING, State.RUNNING),
            (State.RUNNING, State.CANCELLED),
        ], "a link of the chain is out of place"
    assert store.events([]) == []


def test_put_back_writes_and_gives_up_the_lease(store: Rows) -> None:
    store.add(a_job(state=State.QUEUED))
    (held,) = claim(store)
    store.put_back([move(held, State.RUNNING, later(1), due_at=later(5), stage="half")], later(1))
    back = row(store, held)
    assert (back.state, back.stage, back.due_at) == (State.RUNNING, "half", later(5))
    assert (back.lease_owner, back.lease_until, back.fence) == (None, None, held.fence)
    assert back.version > held.version
    assert [event.to_state for event in store.events([held.id])] == [State.QUEUED, State.RUNNING]
    assert [job.id for job in claim(store, later(5), "w2")] == [held.id], "it waits for a lease that nobody has"


def test_put_back_leaves_what_is_stale_and_writes_the_rest(store: Rows) -> None:
    for _ in range(4):
        store.add(a_job(state=State.QUEUED))
    lost, gone, kept, left = claim(store)
    taken = store.hold(lost.id, "w2", later(61), 60)
    store.forget([gone.id])
    store.put_back([job.with_(stage="mine") for job in (lost, gone, kept)], later(62))
    assert row(store, lost) == taken, "a worker that lost its lease wrote"
    assert store.get(gone.id) is None
    assert (row(store, kept).stage, row(store, kept).lease_owner) == ("mine", None)
    assert row(store, left) == left
    store.put_back([], later(63))


def test_put_back_is_all_or_nothing(store: Rows) -> None:
    for _ in range(3):
        store.add(a_job(state=State.QUEUED))
    one, two, three = claim(store)
    illegal = two.model_copy(update={"state": State.SUBMITTING})
    with pytest.raises(IllegalMove):
        store.put_back([one.with_(stage="x"), illegal, three.with_(stage="x")], later(1))
    assert [row(store, job) for job in (one, two, three)] == [one, two, three]


def test_wake_makes_open_jobs_due_and_no_others(store: Rows) -> None:
    waiting, running = store.add(a_job(due_at=later(50))), store.add(a_job(state=State.RUNNING, due_at=later(50)))
    ended, other = store.add(a_job(state=State.FAILED, due_at=NEVER)), store.add(a_job(due_at=later(50)))
    store.wake([waiting.id, running.id, ended.id, "no-such-id"], later(5))
    assert row(store, running) == running.model_copy(update={"due_at": later(5)}), "a hint is no news"
    assert row(store, waiting).due_at == later(5)
    assert (row(store, ended), row(store, other)) == (ended, other)
    store.wake([running.id], later(9))
    assert row(store, running).due_at == later(5), "a hint made it wait longer"
    store.wake([], later(9))


# --- wishes ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wishes", "is_urgent"),
    [
        (Wishes(cancel_requested=True), True),
        (Wishes(told_request_id="r-1"), True),
        (Wishes(rank=-7.5), False),
        (Wishes(starred=True), False),
        (Wishes(rank=0.0, starred=False), False),
    ],
)
def test_a_wish_is_written_beside_the_lease(wishes: Wishes, is_urgent: bool, store: Rows) -> None:
    store.add(a_job(state=State.RUNNING, rank=3.0))
    (held,) = claim(store)
    held = store.save(held.with_(due_at=later(90)), NOW)
    patched = store.patch(held.id, later(2), wishes)
    assert patched == row(store, held)
    assert patched.due_at == (later(2) if is_urgent else later(90))
    assert (patched.fence, patched.lease_owner, patched.state) == (held.fence, "w1", State.RUNNING)
    assert patched.version > held.version
    assert patched.updated_at == later(2)
    for name in ("cancel_requested", "rank", "starred", "told_request_id"):
        wanted = getattr(wishes, name)
        assert getattr(patched, name) == (getattr(held, name) if wanted is None else wanted)
    assert len(store.events([held.id])) == 1, "a note that nobody gave"


def test_an_early_job_is_not_made_later_by_a_wish(store: Rows) -> None:
    job = store.add(a_job(due_at=later(1)))
    assert store.patch(job.id, later(9), Wishes(cancel_requested=True)).due_at == later(1)


def test_a_wish_to_one_that_does_not_exist(store: Rows) -> None:
    other = store.add(a_job())
    for wishes in (Wishes(starred=True), Wishes(told_request_id="x"), Wishes(rank=1.0)):
        with pytest.raises(NotFound):
            store.patch("no-such-id", NOW, wishes, "why")
    assert row(store, other) == other
    assert store.events(["no-such-id"]) == []


@pytest.mark.parametrize("wishes", [Wishes(cancel_requested=True), Wishes(told_request_id="r-1")])
def test_a_wish_that_comes_while_a_step_runs_is_seen_to_at_once(wishes: Wishes, store: Rows) -> None:
    store.add(a_job(state=State.QUEUED))
    (held,) = claim(store)
    store.patch(held.id, later(1), wishes)
    store.put_back([move(held, State.RUNNING, later(2), due_at=later(99))], later(2))
    back = row(store, held)
    assert back.due_at <= later(2), "the step's own due time came over it"
    assert back.cancel_requested == bool(wishes.cancel_requested)
    assert back.told_request_id == wishes.told_request_id
    (seen,) = claim(store, later(2), "w2")
    store.put_back([seen.with_(due_at=later(99))], later(3))
    assert row(store, held).due_at == later(99), "seen once, it would be urgent for ever"


def test_a_star_that_comes_while_a_step_runs_hurries_nobody(store: Rows) -> None:
    store.add(a_job(state=State.RUNNING))
    (held,) = claim(store)
    store.patch(held.id, later(1), Wishes(starred=True, rank=5.0))
    store.put_back([held.with_(due_at=later(99), stage="x", starred=False, rank=1.0)], later(2))
    back = row(store, held)
    assert (back.due_at, back.starred, back.rank) == (later(99), True, 5.0)


# --- lines and waits --------------------------------------------------------------------------------------------------------


def a_crowd(store: Rows, seed: int) -> list[Job]:
    dice = random.Random(seed)
    return [
        store.add(
            a_job(
                owner=dice.choice(["ann", "bob", "cid"]),
                created_at=later(number * dice.choice([0, 1])),
                rank=dice.choice([0.0, 1.0, float(number)]),
                due_at=NOW,
            )
        )
        for number in range(14)
    ]


@pytest.mark.parametrize("seed", range(4))
def test_the_line_is_the_order_in_which_jobs_are_handed_out(seed: int, store: Rows) -> None:
    jobs = a_crowd(store, seed)
    store.add(a_job(provider="preview"))
    store.add(a_job(state=State.RUNNING, due_at=NEVER))
    line = store.line("fal")
    assert sorted(line) == sorted(job.id for job in jobs)
    handed = [store.claim("w1", later(100), 60, {"fal": slots}, 1) for slots in range(2, 16)]
    assert [job.id for (job,) in handed] == line, "the place in line that is shown is not the true one"
    assert store.line("fal") == line, "a job that is leased still waits"
    assert len(store.line("preview")) == 1
    assert store.line("gone") == []


def test_all_at_once_the_order_is_the_same(store: Rows) -> None:
    a_crowd(store, 5)
    line = store.line("fal")
    assert [job.id for job in store.claim("w1", later(100), 60, {"fal": 9}, 50)] == line[:9]


def test_rank_orders_an_owners_own_jobs_and_nobody_elses(store: Rows) -> None:
    ann = [store.add(a_job(owner="ann", rank=float(rank), created_at=later(0))) for rank in (3, 1, 2)]
    bob = [store.add(a_job(owner="bob", rank=1000.0, created_at=later(1)))]
    assert store.line("fal") == [ann[1].id, bob[0].id, ann[2].id, ann[0].id], "a high rank is no place behind others"
    store.patch(ann[0].id, NOW, Wishes(rank=-5.0))
    assert store.line("fal") == [ann[0].id, bob[0].id, ann[1].id, ann[2].id]


def test_whoever_has_jobs_in_flight_comes_behind(store: Rows) -> None:
    for _ in range(2):
        store.add(a_job(owner="ann", state=State.RUNNING, due_at=NEVER))
    store.add(a_job(owner="ann", state=State.SAVING, due_at=NEVER))
    ann = store.add(a_job(owner="ann"))
    bob = [store.add(a_job(owner="bob", created_at=later(number))) for number in range(3)]
    assert store.line("fal") == [bob[0].id, bob[1].id, ann.id, bob[2].id]


@pytest.mark.parametrize("provider", ["fal", "preview"])
def test_with_one_slot_owners_take_turns(provider: str, store: Rows) -> None:
    """Each job ends before the next is sent, so that nobody ever has one in flight."""
    for number in range(8):
        store.add(a_job(owner="ann", provider=provider, created_at=later(number), due_at=NOW))
    order = []
    for second in range(100, 200):
        if second == 103:
            for place, owner in enumerate(["bob", "bob", "bob", "cid", "cid"]):
                store.add(a_job(owner=owner, provider=provider, created_at=later(second + place / 10), due_at=NOW))
        got = store.claim("w1", later(second), 60, {provider: 1}, 5)
        assert len(got) <= 1
        for job in got:
            order.append(job.owner[0])
            held = store.save(move(job, State.SUBMITTING, later(second)), later(second))
            store.put_back([move(held, State.FAILED, later(second))], later(second))
    assert "".join(order) == "aaa" + "bca" + "bca" + "ba" + "aa", "who came late stood behind a whole batch"


def test_waits_are_of_this_model_there_and_of_late(store: Rows) -> None:
    for seconds, took, changes in (
        (10, 4.5, {}),
        (20, 6.0, {}),
        (30, 8.25, {}),
        (40, 99.0, {"model": "wan27"}),
        (50, 99.0, {"provider": "preview"}),
        (60, 99.0, {"state": State.FAILED}),
        (70, 99.0, {"state": State.UNKNOWN}),
    ):
        times = {"submitted_at": later(seconds - took), "finished_at": later(seconds)}
        store.add(a_job(**{"state": State.SUCCEEDED, **times, **changes}))
    store.add(a_job(state=State.SUCCEEDED, finished_at=later(5)))  # of an older version: not known when it was sent
    waits = store.waits("lucy14b", "fal", 3)
    assert sorted(waits) == pytest.approx([4.5, 6.0, 8.25], abs=0.01)
    assert store.waits("lucy14b", "fal", 2) == pytest.approx([8.25, 6.0], abs=0.01)
    assert len(store.waits("lucy14b", "fal", 99)) == 3
    assert store.waits("lucy5b", "fal", 9) == []


# --- out, in, and away ------------------------------------------------------------------------------------------------------


def test_what_was_taken_out_is_put_in_as_it_was(store: Rows, tmp_path: Path) -> None:
    job = store.add(a_job(inputs={"image": KEYS[0]}, nonce="n"))
    (held,) = claim(store)
    held = store.save(move(held, State.SUBMITTING, later(1)), later(1), "slot free")
    store.patch(job.id, later(2), Wishes(starred=True, rank=4.0, told_request_id="r"), "by hand")
    store.put_back([move(held, State.QUEUED, later(3), request_id="r", due_at=later(9))], later(3))
    whole, history = row(store, job), store.events([job.id])
    store.forget([job.id])
    kept = store.add(a_job())
    newest = max(stands.version for stands in store.find(JobQuery()))

    assert store.restore([(whole, history), (kept, [])]) == 1, "one of them was there"
    back = row(store, job)
    assert back.model_dump(exclude={"version"}) == whole.model_dump(exclude={"version"})
    assert back.version > newest, "a page that is open would not see it"
    assert store.events([job.id]) == history
    assert row(store, kept) == kept
    assert store.unused([KEYS[0]]) == set()

    assert store.restore([(whole, history)]) == 0
    assert row(store, job) == back, "put in twice, it is not the same"
    assert store.events([job.id]) == history


def test_a_row_that_is_there_is_not_overwritten_by_an_old_copy(store: Rows) -> None:
    store.add(a_job())
    (held,) = claim(store)
    old = row(store, held)
    new = store.save(move(held, State.FAILED, later(1)), later(1))
    history = store.events([held.id])
    assert store.restore([(old, [Event(job_id=old.id, at=NOW, from_state=None, to_state=State.WAITING)])]) == 0
    assert row(store, held) == new
    assert store.events([held.id]) == history


def test_forgotten_jobs_are_gone_with_their_history(store: Rows) -> None:
    gone, kept = store.add(a_job(nonce="n")), store.add(a_job())
    store.forget([gone.id, "no-such-id"])
    store.forget([])
    assert store.get(gone.id) is None
    assert store.events([gone.id]) == []
    assert [job.id for job in store.find(JobQuery())] == [kept.id]
    assert len(store.events([kept.id])) == 1
    assert store.line("fal") == [kept.id]
    assert store.add(a_job(nonce="n")).id != gone.id


def test_a_file_is_used_as_long_as_one_job_names_it(store: Rows) -> None:
    still, shared, film, poster, never = KEYS
    one = store.add(a_job(still=still, inputs={"image": shared, "prompt": "a.png"}))
    two = store.add(a_job(inputs={"clips": [{"key": shared, "seconds": 1.0}], "nested": {"deep": [None, still]}}))
    assert store.unused(KEYS) == {film, poster, never}
    (held,) = claim(store, limit=1)
    assert held.id in (one.id, two.id)
    done = held
    for state in (State.SUBMITTING, State.QUEUED, State.SAVING):
        done = store.save(move(done, state, NOW), NOW)
    video = Video(key=film, poster=poster, width=1, height=2, duration_s=3, fps=24, bytes=9, sha256="s")
    store.save(move(done, State.SUCCEEDED, NOW, video=video), NOW)
    assert store.unused(KEYS) == {never}
    assert store.unused(KEYS, besides=frozenset({one.id, two.id})) == set(KEYS), "they would all go with these two"
    other = two if held.id == one.id else one
    assert store.unused(KEYS, besides=frozenset({other.id})) == {never}, "a file of a job that stays would be deleted"
    store.forget([held.id])
    assert store.unused(KEYS) == {film, poster, never}
    store.forget([other.id])
    assert store.unused(KEYS) == set(KEYS)
    assert store.unused([]) == set()
