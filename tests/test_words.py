"""What pages say about time and money of a job, and that nothing is invented."""

from datetime import timedelta
from typing import Any

import pytest

from core.errors import Charged
from core.jobs.job import Event, JobError, State
from core.jobs.pace import Pace, pace
from core.jobs.truth import cancel_came_to, cancel_means
from pages.parts import take, words
from tests.test_job import NOW, a_job

MEASURED = pace([20.0] * 40 + [30.0] * 10, (6, 60))
STATED = pace([], (6, 60))


def running(**changes: Any) -> Any:
    return a_job(state=State.RUNNING, submitted_at=NOW, usual_s=20.0, slow_s=30.0, **changes)


def test_how_long_it_usually_takes() -> None:
    assert words.usually(MEASURED) == "Usually ready in 20 s (the last 50 here)."
    assert words.usually(STATED) == "Usually ready in 6 s to 1 min, as stated."


def test_the_time_left_is_told_while_it_runs_and_only_from_history() -> None:
    at = NOW + timedelta(seconds=5)
    assert words.wait(running(), MEASURED, at).startswith("About 15 s left.")
    assert "left" not in words.wait(running(), STATED, at), "a time was made up from a stated range"
    assert "left" not in words.wait(running(), MEASURED, NOW + timedelta(seconds=25)), "less than nothing is left"
    assert words.wait(running(eta_s=3.0), MEASURED, at) == "", "two different times for one job"
    assert "left" not in words.wait(a_job(state=State.QUEUED, submitted_at=NOW, usual_s=20, slow_s=30), MEASURED, at)
    assert words.wait(a_job(state=State.SUCCEEDED), MEASURED, at) == ""


def test_overdue_tells_since_when_and_that_it_is_followed() -> None:
    said = words.wait(running(), MEASURED, NOW + timedelta(seconds=31))
    assert said == "Overdue since 09:00:30 UTC; it is still followed. Usually ready in 20 s (the last 50 here)."
    assert "fail" not in said.lower()
    assert "Overdue" not in words.wait(running(), MEASURED, NOW + timedelta(seconds=29))
    assert "Overdue" not in words.wait(a_job(), MEASURED, NOW + timedelta(days=9)), "nothing has been sent yet"


@pytest.mark.parametrize(
    ("state", "charged", "said"),
    [
        (State.RUNNING, None, "Expected cost: about $0.80"),
        (State.FAILED, Charged.NO, ""),
        (State.FAILED, Charged.MAYBE, "If it was charged: about $0.80"),
        (State.CANCELLED, Charged.YES, "Cost: about $0.80"),
        (State.UNKNOWN, Charged.MAYBE, "If it was charged: about $0.80"),
    ],
)
def test_what_is_at_stake(state: State, charged: Charged | None, said: str) -> None:
    error = JobError(kind="k", message="m", charged=charged) if charged else None
    assert words.at_stake(a_job(state=state, cost_estimate_usd=0.8, error=error)) == said


def test_places_in_our_line() -> None:
    assert words.state_line(a_job(), 0) == "Next for a slot"
    assert words.state_line(a_job(), 3) == "Waiting for a slot, 3 ahead"
    assert words.state_line(a_job()) == "Waiting for a slot"
    assert words.state_line(a_job(stage="Sending the picture"), 3) == "Sending the picture"


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("provider", ["fal", "preview"])
def test_a_cancel_says_in_every_state_what_it_means(state: State, provider: str) -> None:
    said = cancel_means(a_job(state=state, provider=provider), "fal.ai")
    assert bool(said) == (state not in (State.SUCCEEDED, State.FAILED, State.CANCELLED))
    if state in (State.WAITING, State.QUEUED) or (provider == "preview" and state is State.RUNNING):
        assert said.startswith("Free")
    else:
        assert "Free" not in said


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("answer", ["", "requested", "too_late"])
def test_what_a_cancel_came_to_is_told_only_where_it_was_asked_for(state: State, answer: str) -> None:
    assert cancel_came_to(a_job(state=state, cancel_answer=answer), "fal.ai") == ""
    said = cancel_came_to(a_job(state=state, cancel_answer=answer, cancel_requested=True), "fal.ai")
    if state is State.SUCCEEDED:
        assert "too late" in said
        assert "kept" in said
    if state in (State.CANCELLED, State.FAILED, State.UNKNOWN):
        assert said == ""


def test_the_timeline_tells_days_moves_and_notes() -> None:
    def event(after_s: float, before: State | None, after: State, why: str) -> Event:
        return Event(job_id="j", at=NOW + timedelta(seconds=after_s), from_state=before, to_state=after, why=why)

    told = take.timeline(
        [
            event(0, None, State.WAITING, "asked for"),
            event(1, State.WAITING, State.SUBMITTING, "slot free"),
            event(2, State.SUBMITTING, State.QUEUED, ""),
            event(3, State.QUEUED, State.QUEUED, "cancel asked for"),
            event(90_000, State.QUEUED, State.CANCELLED, "cancelled at fal.ai"),
        ]
    )
    assert told == [
        "23 Nov 2026, UTC",
        "09:00:00  Waiting for a slot (asked for)",
        "09:00:01  Sending (slot free)",
        "09:00:02  In line",
        "09:00:03    cancel asked for",
        "24 Nov 2026, UTC",
        "10:00:00  Cancelled (cancelled at fal.ai)",
    ]


def test_a_pace_has_an_order() -> None:
    for figures in (MEASURED, STATED, Pace(1, 2, 0, 1)):
        assert figures.quick_s <= figures.usual_s <= figures.slow_s
