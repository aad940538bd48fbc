"""The state machine: every legal move and no other, and what a move leaves behind."""

from datetime import UTC, datetime, timedelta

import pytest

from core.errors import IllegalMove
from core.jobs.job import ENDED, IN_FLIGHT, MOVES, OPEN, Job, State, backoff, fingerprint, move

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)


def a_job(**changes: object) -> Job:
    values = {
        "owner": "o",
        "model": "lucy14b",
        "provider": "fal",
        "endpoint": "e",
        "created_at": NOW,
        "due_at": NOW,
        "updated_at": NOW,
        **changes,
    }
    return Job.model_validate(values)


@pytest.mark.parametrize("start", State)
@pytest.mark.parametrize("end", State)
def test_only_the_table_moves(start: State, end: State) -> None:
    job = a_job(state=start)
    if end is start or end in MOVES[start]:
        assert move(job, end, NOW).state is end
    else:
        with pytest.raises(IllegalMove, match=f"{start} cannot become {end}"):
            move(job, end, NOW)
        assert job.state is start


def test_an_accepted_job_never_goes_back_to_waiting() -> None:
    for state in (State.QUEUED, State.RUNNING, State.SAVING, State.UNKNOWN):
        assert State.WAITING not in MOVES[state]
        assert State.SUBMITTING not in MOVES[state]


def test_a_finished_job_stays_finished() -> None:
    for state in (State.SUCCEEDED, State.FAILED, State.CANCELLED):
        assert not MOVES[state]


def test_a_move_stamps_its_time_and_clears_what_no_longer_holds() -> None:
    job = a_job(state=State.RUNNING, progress=0.7, trouble="no answer", faults=3)
    later = NOW + timedelta(seconds=9)
    saving = move(job, State.SAVING, later)
    assert (saving.progress, saving.trouble, saving.faults, saving.due_at) == (None, "", 0, later)
    assert saving.finished_at is None
    done = move(saving, State.SUCCEEDED, later)
    assert done.finished_at == later


def test_a_record_is_not_changed_in_place() -> None:
    job = a_job()
    moved = move(job, State.SUBMITTING, NOW)
    assert job.state is State.WAITING
    assert moved is not job


def test_public_holds_no_secret_of_the_engine() -> None:
    public = a_job(nonce="n", lease_owner="w", status_url="https://queue/x", uploads={"k": "u"}).public()
    assert {"id", "model", "provider", "endpoint", "state", "prompt", "inputs", "request_id", "error", "video"} <= set(
        public
    )
    assert {"cost_estimate_usd", "created_at", "finished_at"} <= set(public)
    assert not {"nonce", "lease_owner", "status_url", "uploads", "fence"} & set(public)


def test_backoff_doubles_to_its_cap_and_spreads() -> None:
    waits = [backoff(n, base_s=1, cap_s=60, jitter=0.5).total_seconds() for n in range(1, 10)]
    assert waits[:4] == [1, 2, 4, 8]
    assert max(waits) == 60
    assert backoff(1, base_s=4, cap_s=60, jitter=0).total_seconds() == 3
    assert backoff(1, base_s=4, cap_s=60, jitter=1).total_seconds() == 5


def test_open_states_are_those_that_lead_on() -> None:
    assert {state for state in State if MOVES[state]} == OPEN | {State.UNKNOWN}


def test_every_state_is_open_ended_or_unknown() -> None:
    assert set(State) == OPEN | ENDED | {State.UNKNOWN}
    assert not OPEN & ENDED
    assert IN_FLIGHT < OPEN
    assert State.SAVING not in IN_FLIGHT, "a download holds a slot of the provider"
    assert State.WAITING not in IN_FLIGHT


def test_what_was_lost_and_is_found_is_no_longer_ended() -> None:
    sent = move(a_job(), State.SUBMITTING, NOW)
    lost = move(sent, State.UNKNOWN, NOW + timedelta(seconds=5))
    assert (lost.submitted_at, lost.finished_at) == (NOW, NOW + timedelta(seconds=5))
    found = move(lost, State.QUEUED, NOW + timedelta(hours=1), request_id="r")
    assert (found.submitted_at, found.finished_at) == (NOW, None), "it would be timed from when it was found"


def test_the_second_start_is_not_the_first() -> None:
    running = move(a_job(state=State.QUEUED, position=2), State.RUNNING, NOW)
    assert (running.started_at, running.position) == (NOW, None)
    back = move(running, State.QUEUED, NOW + timedelta(seconds=3), position=1)
    again = move(back, State.RUNNING, NOW + timedelta(seconds=9))
    assert again.started_at == NOW


def test_a_job_is_late_only_while_it_is_under_way() -> None:
    sent = a_job(state=State.QUEUED, submitted_at=NOW, slow_s=90.0)
    assert sent.late_at == NOW + timedelta(seconds=90)
    assert move(sent, State.SAVING, NOW).late_at is not None
    assert move(sent, State.FAILED, NOW).late_at is None
    assert a_job(state=State.QUEUED, submitted_at=NOW).late_at is None, "a guess of nobody"
    assert a_job(slow_s=90.0).late_at is None


def test_the_same_question_has_the_same_fingerprint() -> None:
    asked = ("lucy14b", "fal", "e", {"image": "k", "prompt": "p"}, {"a": 1, "b": 2})
    print_of = fingerprint(*asked)
    assert fingerprint(*asked[:3], {"prompt": "p", "image": "k"}, {"b": 2, "a": 1}) == print_of
    others = [
        ("lucy5b", *asked[1:]),
        ("lucy14b", "preview", *asked[2:]),
        (*asked[:2], "e2", *asked[3:]),
        (*asked[:3], {"image": "k", "prompt": "P"}, asked[4]),
        (*asked[:4], {}),
    ]
    prints = {fingerprint(*other) for other in others}
    assert len(prints) == len(others)
    assert print_of not in prints


def test_a_state_is_changed_by_a_move_only() -> None:
    with pytest.raises(AssertionError, match=r"use move\(\)"):
        a_job().with_(state=State.SUCCEEDED)
