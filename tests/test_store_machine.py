"""Any order of calls: a store with workers that lose their leases, against a model of ten lines a call."""

import sqlite3
import tempfile
from contextlib import closing
from dataclasses import asdict
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from core.errors import IllegalMove, NotFound, StaleJob
from core.jobs.job import ENDED, IN_FLIGHT, MOVES, OPEN, Event, Job, State, move
from core.jobs.store import JobQuery, Wishes
from core.stores.sqlite import SqliteJobStore
from tests.test_job import NOW, a_job

WISHES = frozenset({"cancel_requested", "rank", "starred", "told_request_id"})
STAMPS = frozenset({"fence", "version", "updated_at"})
NAMES = list(Job.model_fields)
ASKED = frozenset(NAMES[: NAMES.index("cancel_requested")])
HOLDERS = [name for name in NAMES if name not in ASKED | WISHES | STAMPS]
UNSEEN = frozenset({"due_at", "lease_owner", "lease_until", "uploads", "faults", "cancel_sent"})

WORKERS = st.sampled_from(["w1", "w2", "w3"])
OWNERS = st.sampled_from(["ann", "bob"])
SECONDS = st.sampled_from([0.0, 0.0, 0.25, 3.0, 30.0, 61.0])
LEASES = st.sampled_from([5.0, 60.0])
INDEX = st.integers(0, 1000)
RECENT = st.integers(0, 3)  # among the last four leases: some of them stale, not most
WHY = st.sampled_from(["", "", "because"])
MOST_JOBS = 7
ONWARD = {
    State.WAITING: State.SUBMITTING, State.SUBMITTING: State.QUEUED, State.QUEUED: State.RUNNING,
    State.RUNNING: State.SAVING, State.SAVING: State.SUCCEEDED, State.UNKNOWN: State.QUEUED,
}  # fmt: skip
REWRITES = (
    "update events set why = 'never' where job_id = ?",
    "update events set to_state = 'failed' where job_id = ? and seq = 1",
    "delete from events where job_id = ?",
)
MEMORY = Path("/dev/shm")  # where there is one, the test does not wait for the disk
FIELDS = st.fixed_dictionaries(
    {},
    optional={
        "stage": st.sampled_from(["", "Sending"]),
        "position": st.sampled_from([None, 0, 4]),
        "progress": st.sampled_from([None, 0.5]),
        "trouble": st.sampled_from(["", "fal is away"]),
        "faults": st.integers(0, 3),
        "uploads": st.sampled_from([{}, {"k": "https://files/k"}]),
        "request_id": st.sampled_from([None, "r-1"]),
        "logs": st.sampled_from([[], ["loading"]]),
        "cancel_sent": st.booleans(),
        "cancel_answer": st.sampled_from(["", "requested"]),
    },
)


def leads(start: State, end: State) -> bool:
    return end is start or end in MOVES[start]


class JobsMachine(RuleBasedStateMachine):
    """`rows` and `history` are what the store should hold; `hands` what the workers believe to have, stale or not."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None)
        self.path = Path(self.folder.name) / "takes.db"
        self.store = SqliteJobStore(self.path)
        self.now = NOW
        self.version = 0
        self.rows: dict[str, Job] = {}
        self.history: dict[str, list[Event]] = {}
        self.forgotten: set[str] = set()
        self.hands: list[tuple[str, Job]] = []
        self.seen: dict[str, Job] = {}

    def teardown(self) -> None:
        self.store.close()
        self.folder.cleanup()

    # --- the model --------------------------------------------------------------------------------------------------

    def is_free(self, job: Job) -> bool:
        return job.lease_until is None or job.lease_until <= self.now

    def pick(self, index: int) -> Job:
        return list(self.rows.values())[index % len(self.rows)]

    def newer(self, version: int) -> int:
        assert version > self.version, "a page that knows the last version would not see this"
        self.version = version
        return version

    def write(self, asked: Job, why: str, stands: Job | None) -> Job:
        """What `save` should leave of this job; `stands` is the row as the store has it then."""
        before = self.rows[asked.id]
        inside = {name: getattr(asked, name) for name in HOLDERS}
        if (before.cancel_requested and not asked.cancel_requested) or before.told_request_id != asked.told_request_id:
            inside["due_at"] = min(asked.due_at, self.now)
        after = before.model_copy(update=inside)
        if any(getattr(after, name) != getattr(before, name) for name in HOLDERS if name not in UNSEEN):
            assert stands is not None
            after = after.model_copy(update={"version": self.newer(stands.version), "updated_at": self.now})
        if after.state is not before.state or why:
            self.note(before.state, after, why)
        self.rows[asked.id] = after
        return after

    def note(self, start: State | None, job: Job, why: str) -> None:
        event = Event(job_id=job.id, at=self.now, from_state=start, to_state=job.state, why=why)
        self.history.setdefault(job.id, []).append(event)

    def leased(self, before: Job, got: Job, worker: str, lease_s: float) -> None:
        lease = {"lease_owner": worker, "lease_until": self.now + timedelta(seconds=lease_s), "fence": before.fence + 1}
        assert got == before.model_copy(update=lease)
        self.rows[got.id] = got
        self.hands.append((worker, got))

    # --- calls ------------------------------------------------------------------------------------------------------

    @initialize()
    def begin(self) -> None:
        for owner, provider in (("ann", "fal"), ("bob", "fal"), ("bob", "preview")):
            self.add(owner, None, provider, 0.0, 0.0)

    @precondition(lambda self: len(self.rows) < MOST_JOBS)
    @rule(
        owner=OWNERS,
        nonce=st.sampled_from([None, "n1", "n2"]),
        provider=st.sampled_from(["fal", "fal", "preview"]),
        rank=st.sampled_from([0.0, 1.0, -1.0]),
        wait_s=SECONDS,
    )
    def add(self, owner: str, nonce: str | None, provider: str, rank: float, wait_s: float) -> None:
        times = {"created_at": self.now, "due_at": self.now + timedelta(seconds=wait_s), "updated_at": self.now}
        job = a_job(owner=owner, nonce=nonce, provider=provider, rank=rank, **times)
        twin = next((row for row in self.rows.values() if nonce and (row.owner, row.nonce) == (owner, nonce)), None)
        got = self.store.add(job)
        if twin is not None:
            assert got == twin
            return
        assert got == job.model_copy(update={"version": self.newer(got.version)})
        self.rows[job.id] = got
        self.note(None, got, "asked for")

    @rule(
        worker=WORKERS,
        lease_s=LEASES,
        fal=st.sampled_from([0, 1, 2, 3, 9]),
        preview=st.integers(0, 1),
        limit=st.sampled_from([1, 2, 50, 50]),
    )
    def claim(self, worker: str, lease_s: float, fal: int, preview: int, limit: int) -> None:
        before = dict(self.rows)
        lines = {provider: self.store.line(provider) for provider in ("fal", "preview")}
        ready = [job for job in before.values() if self.is_free(job) and job.due_at <= self.now]
        urgent = [
            job
            for job in ready
            if (job.state in OPEN and (job.state is not State.WAITING or job.cancel_requested))
            or job.state is State.UNKNOWN
        ]
        got = self.store.claim(worker, self.now, lease_s, {"fal": fal, "preview": preview}, limit)
        taken = [job.id for job in got]
        assert len(set(taken)) == len(taken), "handed out twice in one claim"

        first = [job for job in urgent if job.id in taken]
        assert len(first) == min(limit, len(urgent))
        left = [job.due_at for job in urgent if job.id not in taken]
        assert not (first and left) or max(job.due_at for job in first) <= min(left), "one that waited longer was left"
        room = limit - len(first)
        for provider, most in (("fal", fal), ("preview", preview)):
            theirs = [job for job in before.values() if job.provider == provider]
            busy = sum(
                job.state in IN_FLIGHT or (job.state is State.WAITING and not self.is_free(job)) for job in theirs
            )
            waits = [job for job in theirs if job in ready and job.state is State.WAITING and not job.cancel_requested]
            fits = min(max(most - busy, 0), room, len(waits))
            sent = [job_id for job_id in taken if job_id in {job.id for job in waits}]
            assert len(sent) == fits, "slots that stay empty, or more jobs than slots"
            if not any(job.cancel_requested for job in theirs):
                assert sent == [job_id for job_id in lines[provider] if before[job_id] in waits][:fits]
            room -= fits
        assert len(taken) == limit - room
        for job in got:
            self.leased(before[job.id], job, worker, lease_s)

    @precondition(lambda self: self.rows)
    @rule(index=INDEX, worker=WORKERS, lease_s=LEASES)
    def hold(self, index: int, worker: str, lease_s: float) -> None:
        before = self.pick(index)
        got = self.store.hold(before.id, worker, self.now, lease_s)
        if not self.is_free(before):
            assert got is None
            return
        assert got is not None
        self.leased(before, got, worker, lease_s)

    @precondition(lambda self: self.hands)
    @rule(
        index=RECENT,
        choices=st.lists(st.integers(0, 9), min_size=1, max_size=4),
        fields=FIELDS,
        wait_s=SECONDS,
        why=WHY,
        gives_up=st.booleans(),
    )
    def step(
        self, index: int, choices: list[int], fields: dict[str, Any], wait_s: float, why: str, gives_up: bool
    ) -> None:
        """A worker writes legal moves of the job as it believes to have it: the newest or a stale copy."""
        self.walk(len(self.hands) - 1 - index % len(self.hands), choices, fields, wait_s, why, gives_up)

    @rule(
        worker=WORKERS,
        choices=st.lists(st.lists(st.integers(0, 9), min_size=1, max_size=6), min_size=1, max_size=MOST_JOBS),
        fields=FIELDS,
        wait_s=SECONDS,
        why=WHY,
        gives_up=st.booleans(),
    )
    def turn(
        self, worker: str, choices: list[list[int]], fields: dict[str, Any], wait_s: float, why: str, gives_up: bool
    ) -> None:
        """A worker takes what is due, and takes each job some way."""
        had = len(self.hands)
        self.claim(worker, 60.0, 9, 1, 50)
        for place, way in zip(range(had, len(self.hands)), choices, strict=False):
            self.walk(place, way, fields, wait_s, why, gives_up)

    def walk(
        self, place: int, choices: list[int], fields: dict[str, Any], wait_s: float, why: str, gives_up: bool
    ) -> None:
        for number, choice in enumerate(choices, start=1):
            worker, job = self.hands[place]
            ends = [job.state, *sorted(MOVES[job.state])]
            end = ONWARD.get(job.state, job.state) if choice < 6 else ends[choice % len(ends)]
            is_last = gives_up and number == len(choices)
            lease = {"lease_owner": None, "lease_until": None} if is_last else {}
            due = {"due_at": self.now + timedelta(seconds=wait_s)}
            asked = move(job, end, self.now, **fields, **due, **lease)
            row = self.rows.get(job.id)
            if row is None or row.fence != job.fence:
                with pytest.raises(NotFound if row is None else StaleJob):
                    self.store.save(asked, self.now, why)
                return
            got = self.store.save(asked, self.now, why)
            after = self.write(asked, why, self.store.get(job.id))
            assert got.model_copy(update={"due_at": after.due_at}) == after
            self.hands[place] = (worker, got)

    @precondition(lambda self: self.hands)
    @rule(index=RECENT, end=st.sampled_from(sorted(State)))
    def step_illegally(self, index: int, end: State) -> None:
        _, job = self.hands[-1 - index % len(self.hands)]
        row = self.rows.get(job.id)
        if leads(job.state, end):
            return
        with pytest.raises(IllegalMove):
            move(job, end, self.now)
        expected = NotFound if row is None else StaleJob if row.fence != job.fence else IllegalMove
        with pytest.raises(expected):
            self.store.save(job.model_copy(update={"state": end}), self.now, "by force")

    @precondition(lambda self: self.hands)
    @rule(indexes=st.lists(INDEX, max_size=4), fields=FIELDS, wait_s=SECONDS)
    def put_back(self, indexes: list[int], fields: dict[str, Any], wait_s: float) -> None:
        chosen = [self.hands[place][1] for place in sorted({index % len(self.hands) for index in indexes})]
        asked = [job.with_(**fields, due_at=self.now + timedelta(seconds=wait_s)) for job in chosen]
        self.store.put_back(asked, self.now)
        for job in asked:
            row = self.rows.get(job.id)
            if row is not None and row.fence == job.fence:
                self.write(job.with_(lease_owner=None, lease_until=None), "", self.store.get(job.id))

    @precondition(lambda self: self.rows)
    @rule(
        index=INDEX,
        wishes=st.builds(
            Wishes,
            cancel_requested=st.sampled_from([None, None, True]),
            rank=st.sampled_from([None, -2.0, 0.5]),
            starred=st.sampled_from([None, True, False]),
            told_request_id=st.sampled_from([None, None, "r-1", "r-2"]),
        ),
        why=WHY,
    )
    def patch(self, index: int, wishes: Wishes, why: str) -> None:
        before = self.pick(index)
        given = {name: value for name, value in asdict(wishes).items() if value is not None}
        got = self.store.patch(before.id, self.now, wishes, why)
        due = min(before.due_at, self.now) if given.keys() & {"cancel_requested", "told_request_id"} else before.due_at
        stamps = {"version": self.newer(got.version), "updated_at": self.now, "due_at": due}
        self.rows[before.id] = before.model_copy(update={**given, **stamps})
        assert got == self.rows[before.id]
        if why:
            self.note(before.state, before, why)

    @rule(seconds=SECONDS)
    def time_passes(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    @precondition(lambda self: self.rows)
    @rule(indexes=st.lists(INDEX, max_size=3))
    def wake(self, indexes: list[int]) -> None:
        jobs = [self.pick(index) for index in indexes]
        self.store.wake([job.id for job in jobs], self.now)
        for job in jobs:
            if job.is_open:
                self.rows[job.id] = job.model_copy(update={"due_at": min(job.due_at, self.now)})

    @rule(dead=st.sets(WORKERS, max_size=2))
    def free_dead(self, dead: set[str]) -> None:
        hit = [job for job in self.rows.values() if job.lease_owner in dead and job.state not in ENDED]
        assert self.store.free_dead(dead.__contains__, self.now) == len(hit)
        for job in hit:
            free = {"lease_owner": None, "lease_until": None, "due_at": min(job.due_at, self.now)}
            self.rows[job.id] = job.model_copy(update=free)

    @precondition(lambda self: len(self.rows) > 3)
    @rule(index=INDEX)
    def forget(self, index: int) -> None:
        job = self.pick(index)
        self.store.forget([job.id])
        self.forgotten.add(job.id)
        del self.rows[job.id], self.history[job.id]

    @precondition(lambda self: self.rows)
    @rule(index=INDEX, sql=st.sampled_from(REWRITES))
    def trespass(self, index: int, sql: str) -> None:
        """Call for a job that is gone, and rewrite the history of one that is not."""
        job_id = sorted(self.forgotten)[index % len(self.forgotten)] if self.forgotten else "never-was"
        with pytest.raises(NotFound):
            self.store.patch(job_id, self.now, Wishes(starred=True), "too late")
        assert self.store.hold(job_id, "w1", self.now, 5) is None
        assert self.store.get(job_id) is None
        assert self.store.events([job_id]) == []
        with closing(sqlite3.connect(self.path)) as db, pytest.raises(sqlite3.IntegrityError, match="history of a job"):
            db.execute(sql, (self.pick(index).id,))

    # --- what always holds --------------------------------------------------------------------------------------------

    @invariant()
    def rows_are_as_they_should_be(self) -> None:
        found = {job.id: job for job in self.store.find(JobQuery(limit=100))}
        assert found == self.rows

    @invariant()
    def what_changed_is_told(self) -> None:
        for mark in (0, self.version // 2, self.version - 1, self.version):
            told = [job.id for job in self.store.find(JobQuery(changed_since=mark))]
            newer = sorted((job.version, job.id) for job in self.rows.values() if job.version > mark)
            assert told == [job_id for _, job_id in newer]

    @invariant()
    def history_is_one_chain_of_legal_moves(self) -> None:
        for job_id, row in self.rows.items():
            events = self.store.events([job_id])
            assert events == self.history[job_id]
            assert events[0].from_state is None
            assert events[-1].to_state is row.state
            for before, after in pairwise(events):
                assert after.from_state is before.to_state, "a link is missing"
                assert leads(before.to_state, after.to_state)

    @invariant()
    def a_lease_has_one_holder(self) -> None:
        for row in self.rows.values():
            holders = [worker for worker, job in self.hands if (job.id, job.fence) == (row.id, row.fence)]
            assert len(holders) <= 1
            if row.lease_owner is not None:
                assert holders == [row.lease_owner]

    @invariant()
    def nothing_goes_backwards(self) -> None:
        for row in self.rows.values():
            before = self.seen.get(row.id, row)
            assert row.fence >= before.fence
            assert row.version >= before.version
            assert before.state not in ENDED or row.state is before.state, "an ended job went on"
            assert row.version > before.version or row.state is before.state
        self.seen = dict(self.rows)

    @invariant()
    def a_nonce_stands_for_one_job(self) -> None:
        named = [(row.owner, row.nonce) for row in self.rows.values() if row.nonce is not None]
        assert len(set(named)) == len(named)


def test_any_order_of_calls() -> None:
    run_state_machine_as_test(
        JobsMachine,
        settings=settings(
            max_examples=80,
            stateful_step_count=60,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
        ),
    )


# --- one move -----------------------------------------------------------------------------------------------------------

STATES = st.sampled_from(sorted(State))
MOMENTS = st.none() | st.integers(0, 3600).map(lambda seconds: NOW + timedelta(seconds=seconds))
JOBS = st.fixed_dictionaries(
    {
        "state": STATES,
        "fence": st.integers(0, 9),
        "version": st.integers(0, 99),
        "faults": st.integers(0, 9),
        "trouble": st.text(max_size=9),
        "stage": st.text(max_size=9),
        "prompt": st.text(max_size=20),
        "cancel_requested": st.booleans(),
        "starred": st.booleans(),
        "rank": st.floats(-1e9, 1e9),
        "told_request_id": st.none() | st.text(min_size=1, max_size=9),
        "position": st.none() | st.integers(0, 99),
        "progress": st.none() | st.floats(0, 1),
        "eta_s": st.none() | st.floats(0, 999),
        "request_id": st.none() | st.text(min_size=1, max_size=9),
        "submitted_at": MOMENTS,
        "started_at": MOMENTS,
        "finished_at": MOMENTS,
        "lease_owner": st.none() | WORKERS,
        "lease_until": MOMENTS,
    }
).map(lambda values: a_job(**values))
MAY_CHANGE = {
    "state", "trouble", "faults", "due_at", "stage", "progress", "eta_s", "position", "submitted_at", "started_at",
    "finished_at",
}  # fmt: skip


@settings(max_examples=400, deadline=None)
@given(job=JOBS, end=STATES, seconds=st.integers(0, 3600), fields=FIELDS)
def test_a_move_is_legal_or_nothing(job: Job, end: State, seconds: int, fields: dict[str, Any]) -> None:
    before, now = job.model_dump(), NOW + timedelta(seconds=seconds)
    if not leads(job.state, end):
        with pytest.raises(IllegalMove):
            move(job, end, now, **fields)
        assert job.model_dump() == before
        return
    after = move(job, end, now, **fields)
    assert job.model_dump() == before, "changed in place"
    assert after.state is end
    differs = {name for name in NAMES if getattr(after, name) != getattr(job, name)}
    assert differs <= MAY_CHANGE | fields.keys(), "a move touched what is not its own"
    assert {name: getattr(after, name) for name in fields} == fields
    if end is job.state:
        assert differs <= fields.keys()
        return
    assert after.due_at == now
    assert (after.finished_at is None) == (end in OPEN)
    if end not in OPEN:
        assert after.finished_at == now
    if job.submitted_at is not None and end is not State.SUBMITTING:
        assert after.submitted_at == job.submitted_at
    if job.started_at is not None:
        assert after.started_at == job.started_at
    if "position" not in fields and end is not State.QUEUED:
        assert after.position is None
    if "faults" not in fields:
        assert after.faults == 0


def test_every_pair_of_states_was_meant() -> None:
    for start in State:
        for end in State:
            job = a_job(state=start)
            if leads(start, end):
                assert move(job, end, NOW).state is end
            else:
                with pytest.raises(IllegalMove, match=f"{start} cannot become {end}"):
                    move(job, end, NOW)
