"""What people do with jobs that exist, and what is done about an answer that was lost: nothing is paid twice."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest

from core.errors import AppError, Charged, InvalidInput, NotFound, StorageFull
from core.jobs.desk import Desk
from core.jobs.held import LEASE_S
from core.jobs.job import ENDED, Job, JobError, State, move, utc_now
from core.jobs.pace import LEAST
from core.jobs.store import JobQuery
from core.jobs.truth import cancel_came_to, cancel_means
from core.jobs.worker import Worker
from core.providers.fal import FalProvider
from core.settings import load
from core.stores.sqlite import SqliteJobStore
from core.studio import Studio
from tests.engine import OWNER, Engine, open_engine, own_log, point_at, seen
from tests.fal_server import FalServer, Fault
from tests.test_job import a_job

OTHER = "anon-somebody-else"
REQUEST = "764cabcf-b745-4b3e-ae38-1200304cf45b"
LOST = Fault(cut="after")  # accepted, and the answer never comes


@pytest.fixture
def server() -> Iterator[FalServer]:
    with FalServer() as running:
        yield running


@pytest.fixture
async def engine(server: FalServer, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Engine]:
    point_at(server, monkeypatch)
    with own_log():
        made = open_engine()
        yield made
        await made.close()


@pytest.fixture
async def looking(server: FalServer, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Engine]:
    """An engine that looks lost answers up in fal's records."""
    point_at(server, monkeypatch, FAL_RECORDS_URL=f"{server.url}/v1")
    with own_log():
        made = open_engine()
        yield made
        await made.close()


def a_row(engine: Engine, state: State, **changes: Any) -> Job:
    """A job in this state that no worker has taken."""
    now = utc_now()
    times = {"created_at": now, "due_at": now, "updated_at": now}
    return engine.rows.add(a_job(**{"owner": OWNER, "state": state, **times, **changes}))


def whys(engine: Engine, job: Job) -> list[str]:
    return [event.why for event in engine.studio.history(None, job.id)]


async def lost(server: FalServer, engine: Engine) -> Job:
    """A job that fal has accepted, and whose answer did not come."""
    server.fault("submit", LOST)
    job = await engine.until(engine.ask())
    assert job.state is State.UNKNOWN
    return job


# --- cancel: what it means, does, and comes to --------------------------------------------------------------------------

HERE = "Free: nothing has been sent yet."
PASSED_ON = "Cancel asked for; it is passed on at the next look."
MEANINGS: list[tuple[dict[str, Any], str, State, str]] = [
    ({"state": State.WAITING}, HERE, State.CANCELLED, ""),
    (
        {"state": State.SUBMITTING},
        "It is being sent at this moment. fal.ai is asked to drop it as soon as it has answered.",
        State.SUBMITTING,
        PASSED_ON,
    ),
    ({"state": State.QUEUED}, "Free: it is still in line.", State.QUEUED, PASSED_ON),
    (
        {"state": State.RUNNING},
        "fal.ai is asked to stop. It may finish all the same; then it is charged, and its video is kept.",
        State.RUNNING,
        PASSED_ON,
    ),
    ({"state": State.SAVING}, "Too late: the video is made and paid. It is being fetched.", State.SAVING, ""),
    (
        {"state": State.SAVING, "faults": 3},
        "The video is made and paid, and does not come. Giving it up means that it is no longer asked for.",
        State.CANCELLED,
        "",
    ),
    (
        {"state": State.UNKNOWN},
        "Let it be: it is no longer looked for. If it was accepted, it may be charged all the same.",
        State.CANCELLED,
        "",
    ),
    ({"state": State.SUCCEEDED}, "", State.SUCCEEDED, ""),
    ({"state": State.FAILED}, "", State.FAILED, ""),
    ({"state": State.CANCELLED}, "", State.CANCELLED, ""),
]


@pytest.mark.parametrize(("row", "means", "becomes", "came_to"), MEANINGS)
def test_a_cancel_does_what_its_button_says(
    row: dict[str, Any], means: str, becomes: State, came_to: str, engine: Engine
) -> None:
    job = a_row(engine, **row)
    assert cancel_means(job, "fal.ai") == means
    after = engine.studio.cancel(OWNER, job.id)
    assert after == engine.job(job)
    assert after.state is becomes
    assert cancel_came_to(after, "fal.ai") == came_to
    assert after.cancel_requested == (came_to == PASSED_ON)
    assert after.lease_owner is None, "the owner's hand stayed on it"
    if becomes is not State.CANCELLED or job.state is State.CANCELLED:
        assert after.state is job.state
        assert len(whys(engine, job)) == 1 + after.cancel_requested
    again = engine.studio.cancel(OWNER, job.id)
    assert again == after, "a second press changed something"


def test_every_state_has_its_meaning() -> None:
    assert {row["state"] for row, *_ in MEANINGS} == set(State)


@pytest.mark.parametrize(
    ("row", "kind", "charged", "retryable"),
    [
        ({"state": State.WAITING}, "cancelled", Charged.NO, False),
        ({"state": State.SAVING, "faults": 1}, "given_up", Charged.YES, True),
        ({"state": State.UNKNOWN}, "let_be", Charged.MAYBE, True),
    ],
)
def test_what_a_cancel_cost_is_told(
    row: dict[str, Any], kind: str, charged: Charged, retryable: bool, engine: Engine
) -> None:
    gone = engine.studio.cancel(OWNER, a_row(engine, **row).id)
    assert gone.error is not None
    assert (gone.error.kind, gone.error.charged, gone.error.retryable) == (kind, charged, retryable)
    assert gone.finished_at is not None
    assert gone.error.message


def test_the_local_preview_costs_nothing() -> None:
    told = {state: cancel_means(a_job(state=state, provider="preview"), "Local preview") for state in State}
    assert told[State.QUEUED] == "Free: nothing has been made yet."
    assert told[State.RUNNING] == "Free: the render stops."
    assert "charged" not in told[State.RUNNING]


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({"state": State.RUNNING, "cancel_answer": "requested"}, "fal.ai was asked to stop. It may finish"),
        ({"state": State.SAVING, "cancel_answer": "too_late"}, "Too late to cancel: the video was made already."),
        ({"state": State.SUCCEEDED, "cancel_answer": "requested"}, "The cancel came too late: the video was made"),
        ({"state": State.FAILED}, ""),
        ({"state": State.UNKNOWN}, ""),
        ({"state": State.CANCELLED}, ""),
    ],
)
def test_what_a_cancel_came_to(row: dict[str, Any], words: str) -> None:
    told = cancel_came_to(a_job(cancel_requested=True, **row), "fal.ai")
    assert told.startswith(words)
    assert bool(told) == bool(words), "a sentence where the error says it already"
    assert cancel_came_to(a_job(**row), "fal.ai") == "", "nobody asked for a cancel"


@pytest.mark.parametrize("row", [{"state": State.UNKNOWN}, {"state": State.SAVING, "faults": 2}])
def test_a_cancel_that_meets_a_worker_at_it_says_so(row: dict[str, Any], engine: Engine) -> None:
    job = a_row(engine, **row)
    held = engine.rows.hold(job.id, "a worker", utc_now(), LEASE_S)
    with pytest.raises(InvalidInput, match="Try again in a few seconds"):
        engine.studio.cancel(OWNER, job.id)
    assert engine.job(job) == held, "the worker's job was changed under its hands"


async def test_a_cancel_during_the_submit_is_passed_on_at_once(
    server: FalServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The wish comes between the request and its answer: it does not wait for the usual turn after that."""
    server.queue_polls = 50
    point_at(server, monkeypatch, POLL_SECONDS="60")
    with own_log():
        engine = open_engine()
    server.fault("submit", Fault(wait_s=0.2))
    job = engine.ask()
    sending = asyncio.create_task(engine.tick())
    await seen(lambda: server.accepted)
    assert engine.studio.cancel(OWNER, job.id).state is State.SUBMITTING
    await sending
    queued = engine.job(job)
    assert queued.state is State.QUEUED
    assert queued.due_at <= engine.now + timedelta(seconds=1), "it waits for its turn, 15 s later"
    assert (await engine.until(job)).state is State.CANCELLED
    await engine.close()
    assert [call.op for call in server.calls("cancel", "status", "file")] == ["cancel"], "it was followed first"
    assert len(server.accepted) == 1


# --- whose job it is ----------------------------------------------------------------------------------------------------

ACTS: dict[str, Callable[[Studio, str, str], object]] = {
    "get": lambda desk, owner, job_id: desk.get(owner, job_id),
    "history": lambda desk, owner, job_id: desk.history(owner, job_id),
    "cancel": lambda desk, owner, job_id: desk.cancel(owner, job_id),
    "star": lambda desk, owner, job_id: desk.star(owner, job_id, True),
    "move in line": lambda desk, owner, job_id: desk.move_in_line(owner, job_id, "last"),
    "attach": lambda desk, owner, job_id: desk.attach(owner, job_id, REQUEST),
    "retry": lambda desk, owner, job_id: desk.retry(owner, job_id),
}


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("act", ACTS)
def test_theirs_looks_like_none(act: str, state: State, engine: Engine) -> None:
    job = a_row(engine, state)
    told = set()
    for owner, job_id in ((OTHER, job.id), (OTHER, "no-such-id"), (OWNER, "no-such-id")):
        with pytest.raises(NotFound) as caught:
            ACTS[act](engine.studio, owner, job_id)
        told.add(caught.value.message)
    assert len(told) == 1, "the message tells whether there is such a job"
    assert engine.studio.jobs(JobQuery()) == [job], "a stranger's call changed it, or made another"
    assert len(whys(engine, job)) == 1


# --- star and line ------------------------------------------------------------------------------------------------------


def test_a_star_is_kept_through_what_the_engine_writes(engine: Engine) -> None:
    job = a_row(engine, State.RUNNING)
    held = engine.rows.hold(job.id, "a worker", utc_now(), LEASE_S)
    assert held is not None
    assert engine.studio.star(OWNER, job.id, True).starred
    engine.rows.put_back([move(held, State.SAVING, utc_now())], utc_now())
    assert (engine.job(job).state, engine.job(job).starred) == (State.SAVING, True), "the star went with the save"
    assert not engine.studio.star(OWNER, job.id, False).starred


def line(engine: Engine) -> list[str]:
    """Prompts in the order in which they will be sent."""
    places = engine.studio.places_in_line("fal")
    assert sorted(places.values()) == list(range(len(places)))
    return [engine.studio.get(None, job_id).prompt for job_id in sorted(places, key=places.__getitem__)]


@pytest.fixture
def waiting(engine: Engine) -> dict[str, Job]:
    """Four jobs of one owner and two of another, by their prompts."""
    began = utc_now()
    rows = {}
    for number, (owner, prompt) in enumerate([(OWNER, "a"), (OTHER, "x"), *((OWNER, p) for p in "bcd"), (OTHER, "y")]):
        at = began + timedelta(seconds=number)
        rows[prompt] = a_row(engine, State.WAITING, owner=owner, prompt=prompt, created_at=at, rank=at.timestamp())
    assert line(engine) == ["a", "x", "b", "y", "c", "d"]
    return rows


@pytest.mark.parametrize(
    ("which", "where", "mine"),
    [
        ("c", "first", "cabd"), ("c", "earlier", "acbd"), ("b", "earlier", "bacd"), ("b", "later", "acbd"),
        ("c", "later", "abdc"), ("b", "last", "acdb"), ("a", "later", "bacd"), ("d", "earlier", "abdc"),
    ],
)  # fmt: skip
def test_a_job_changes_places_with_its_owners_own(
    which: str, where: Any, mine: str, engine: Engine, waiting: dict[str, Job]
) -> None:
    engine.studio.move_in_line(OWNER, waiting[which].id, where)
    order = line(engine)
    assert [prompt for prompt in order if prompt in "abcd"] == list(mine)
    assert order.index("x") <= 1, "somebody else's turn was taken"
    assert order.index("y") <= 3
    for prompt, job in waiting.items():
        if prompt != which:
            assert engine.job(job) == job, "another row was written"


@pytest.mark.parametrize(("which", "where"), [("a", "first"), ("a", "earlier"), ("d", "later"), ("d", "last")])
def test_at_the_end_of_the_line_there_is_no_further(
    which: str, where: Any, engine: Engine, waiting: dict[str, Job]
) -> None:
    assert engine.studio.move_in_line(OWNER, waiting[which].id, where) == waiting[which]
    assert line(engine) == ["a", "x", "b", "y", "c", "d"]


async def test_the_new_order_is_the_order_of_sending(server: FalServer, engine: Engine) -> None:
    still = engine.picture()
    jobs = [engine.ask(image=still) for _ in range(4)]
    engine.studio.move_in_line(OWNER, jobs[3].id, "first")
    engine.studio.move_in_line(OWNER, jobs[0].id, "last")
    fal = FalProvider(engine.studio.settings)
    parts = engine.studio.settings.home / "parts"
    engine.worker = Worker(
        engine.rows, engine.studio.media, {"fal": fal}, slots={"fal": 1}, poll_s={"fal": 0.05}, part_dir=parts
    )
    for job in jobs:
        await engine.until(job)
    await fal.aclose()
    sent = [paid.tags.removeprefix("takes-job=") for paid in server.accepted]
    assert sent == [jobs[index].id for index in (3, 1, 2, 0)]


@pytest.mark.parametrize("state", [state for state in State if state is not State.WAITING])
def test_only_what_waits_has_a_place(state: State, engine: Engine) -> None:
    job = a_row(engine, state)
    with pytest.raises(InvalidInput, match="no longer waits"):
        engine.studio.move_in_line(OWNER, job.id, "first")
    assert engine.job(job) == job
    assert engine.studio.places_in_line("fal") == {}


# --- pace -----------------------------------------------------------------------------------------------------------------


def test_the_usual_time_is_read_once_in_a_while(engine: Engine) -> None:
    stated = engine.studio.pace("lucy14b", "fal")
    assert stated.sample == 0
    began = utc_now()
    for seconds in (10, 20, 30, 40, 50):
        ended = began + timedelta(seconds=seconds)
        a_row(engine, State.SUCCEEDED, submitted_at=began, finished_at=ended)
    assert engine.studio.pace("lucy14b", "fal") is stated, "50 rows are read at every refresh of every page"
    fresh = Desk(engine.rows, engine.rows, {}).pace("lucy14b", "fal")
    assert (fresh.usual_s, fresh.sample) == (pytest.approx(30, abs=0.01), LEAST)
    assert engine.studio.pace("lucy5b", "fal").sample == 0, "another model's jobs were counted"
    assert Desk(engine.rows, engine.rows, {}).pace("sora-9", "gone").slow_s == 3600


async def test_an_accepted_job_knows_when_it_is_late(server: FalServer, engine: Engine) -> None:
    server.queue_polls = 50
    job = await engine.until(engine.ask(), State.QUEUED)
    usual = engine.studio.pace("lucy14b", "fal")
    assert (job.usual_s, job.slow_s) == (usual.usual_s, usual.slow_s)
    assert job.submitted_at is not None
    assert job.late_at == job.submitted_at + timedelta(seconds=usual.slow_s)
    engine.now = job.late_at + timedelta(hours=1)
    await engine.tick()
    assert engine.job(job).state is State.QUEUED, "a job that takes long was given up"


# --- attach ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "given",
    [
        "",
        "   ",
        "short",
        "../../other/requests/x",
        "764cabcf b745 4b3e",
        "a" * 101,
        "https://fal.ai/x",
        "764cabcf-b7\n5",
    ],
)
def test_what_is_no_request_id_is_not_taken(given: str, engine: Engine) -> None:
    job = a_row(engine, State.UNKNOWN)
    with pytest.raises(InvalidInput, match="no request id"):
        engine.studio.attach(OWNER, job.id, given)
    assert engine.job(job) == job


@pytest.mark.parametrize("state", [state for state in State if state is not State.UNKNOWN])
def test_only_an_unknown_outcome_takes_a_request_id(state: State, engine: Engine) -> None:
    job = a_row(engine, state)
    with pytest.raises(InvalidInput, match="Only a take of unknown outcome"):
        engine.studio.attach(OWNER, job.id, REQUEST)
    assert engine.job(job) == job


async def test_the_right_id_brings_the_video(server: FalServer, engine: Engine) -> None:
    job = await lost(server, engine)
    known = engine.studio.attach(OWNER, job.id, f"  {server.accepted[0].request_id}\n")
    assert (known.state, known.error, known.lease_owner) == (State.QUEUED, None, None)
    assert known.finished_at is None
    done = await engine.until(job)
    assert done.state is State.SUCCEEDED
    assert "its owner attached the request id" in whys(engine, job)
    assert len(server.accepted) == 1, "paid twice"


async def test_a_wrong_id_leads_back_and_never_to_a_failure(server: FalServer, engine: Engine) -> None:
    job = await lost(server, engine)
    engine.studio.attach(OWNER, job.id, REQUEST)
    back = await engine.until(job)
    assert back.state is State.UNKNOWN
    assert back.error is not None
    assert (back.error.kind, back.error.charged) == ("request_not_found", Charged.MAYBE)
    asked = [call for call in server.calls("status") if REQUEST in call.path]
    assert len(asked) == 6, "one answer that it is not there was believed, or it was asked for ever"
    engine.studio.attach(OWNER, job.id, server.accepted[0].request_id)
    assert (await engine.until(job)).state is State.SUCCEEDED
    assert "failed" not in engine.path(job)
    assert len(server.calls("submit")) == 1


def test_attach_waits_for_a_look_up_that_is_under_way(engine: Engine) -> None:
    job = a_row(engine, State.UNKNOWN)
    held = engine.rows.hold(job.id, "a worker", utc_now(), LEASE_S)
    with pytest.raises(InvalidInput, match="Try again in a few seconds"):
        engine.studio.attach(OWNER, job.id, REQUEST)
    assert engine.job(job) == held


# --- told by a webhook ------------------------------------------------------------------------------------------------------


async def test_a_webhook_finds_a_lost_job(server: FalServer, engine: Engine) -> None:
    job = await lost(server, engine)
    engine.studio.told(job.id, server.accepted[0].request_id)
    assert engine.job(job).state is State.QUEUED
    assert (await engine.until(job)).state is State.SUCCEEDED
    assert "its webhook told the request id" in whys(engine, job)
    assert len(server.calls("submit")) == 1


async def test_a_webhook_of_a_job_that_waits_means_that_it_was_taken(server: FalServer, engine: Engine) -> None:
    """Its submit was answered as if nothing had been accepted, and that was not so: it must not be sent again."""
    server.fault("submit", Fault(status=503, html=True, works=True))
    job = engine.ask()
    await engine.tick()
    assert engine.job(job).state is State.WAITING
    engine.studio.told(job.id, server.accepted[0].request_id)
    done = await engine.until(job)
    assert done.state is State.SUCCEEDED
    assert done.request_id == server.accepted[0].request_id
    assert len(server.calls("submit")) == 1, "a job that was taken was sent again"


async def test_a_cancel_of_such_a_job_is_passed_on(server: FalServer, engine: Engine) -> None:
    server.queue_polls = 50
    server.fault("submit", Fault(status=503, html=True, works=True))
    job = engine.ask()
    await engine.tick()
    engine.studio.told(job.id, server.accepted[0].request_id)
    assert engine.studio.cancel(OWNER, job.id).state is State.WAITING, "called free, and it is with fal"
    assert (await engine.until(job)).state is State.CANCELLED
    assert len(server.calls("cancel")) == 1


async def test_a_webhook_during_the_submit_is_as_good_as_its_answer(server: FalServer, engine: Engine) -> None:
    server.fault("submit", Fault(cut="after", wait_s=0.2))
    job = engine.ask()
    sending = asyncio.create_task(engine.tick())
    await seen(lambda: server.accepted)
    engine.studio.told(job.id, server.accepted[0].request_id)
    await sending
    queued = engine.job(job)
    assert (queued.state, queued.request_id) == (State.QUEUED, server.accepted[0].request_id)
    assert (await engine.until(job)).state is State.SUCCEEDED
    assert "unknown" not in engine.path(job)
    assert len(server.calls("submit")) == 1


async def test_a_webhook_before_a_crash_is_found_after_it(server: FalServer, engine: Engine) -> None:
    job = engine.ask()
    [held] = engine.rows.claim("died", engine.now, LEASE_S, {"fal": 8}, 8)
    engine.rows.save(move(held, State.SUBMITTING, engine.now), engine.now, "slot free")
    engine.studio.told(job.id, REQUEST)
    engine.now += timedelta(seconds=LEASE_S + 1)
    await engine.worker.tick(engine.now)
    assert (engine.job(job).state, engine.job(job).request_id) == (State.QUEUED, REQUEST)
    assert server.calls("submit") == []


@pytest.mark.parametrize("state", [State.QUEUED, State.RUNNING, State.SAVING])
def test_a_webhook_that_names_another_request_is_ignored(state: State, engine: Engine) -> None:
    job = a_row(engine, state, request_id=REQUEST)
    engine.studio.told(job.id, "another-request-of-that-job")
    assert engine.job(job) == job


@pytest.mark.parametrize("state", sorted(ENDED))
def test_a_webhook_of_what_has_ended_is_ignored(state: State, engine: Engine) -> None:
    job = a_row(engine, state, request_id=REQUEST)
    engine.studio.told(job.id, REQUEST)
    engine.studio.told(job.id, "another-request-of-that-job")
    engine.studio.told("no-such-job", REQUEST)
    assert engine.job(job) == job


@pytest.mark.parametrize("state", [state for state in State if state not in ENDED])
def test_a_webhook_that_comes_again_writes_nothing(state: State, engine: Engine) -> None:
    with_id = state in (State.QUEUED, State.RUNNING, State.SAVING)
    job = a_row(engine, state, request_id=REQUEST if with_id else None)
    engine.studio.told(job.id, REQUEST)
    once = engine.job(job)
    assert once.told_request_id == REQUEST
    for _ in range(3):
        engine.studio.told(job.id, REQUEST)
    assert engine.job(job) == once
    assert engine.path(job) == [state, *(["queued"] if state is State.UNKNOWN else [])]


async def test_what_is_told_during_a_look_up_is_seen_at_once(server: FalServer, looking: Engine) -> None:
    job = await lost(server, looking)
    looking.now += timedelta(seconds=31)
    server.fault("records", Fault(status=500, wait_s=0.2))
    sending = asyncio.create_task(looking.worker.tick(looking.now))
    await seen(lambda: server.calls("records"))
    looking.studio.told(job.id, server.accepted[0].request_id)
    assert looking.job(job).state is State.UNKNOWN, "the look-up had it in its hands"
    await sending
    await looking.worker.tick(looking.now + timedelta(seconds=1))
    assert looking.job(job).state is State.QUEUED
    assert (await looking.until(job)).state is State.SUCCEEDED
    assert len(server.calls("submit")) == 1


# --- receipts that come late, or cannot be written -------------------------------------------------------------------------


def at_a_time(engine: Engine, seconds: float) -> datetime:
    return engine.now + timedelta(seconds=seconds)


async def test_an_answer_after_the_lease_is_written_down(server: FalServer, engine: Engine) -> None:
    """A process that was stopped for a minute: another worker had to call the outcome unknown."""
    server.fault("submit", Fault(wait_s=0.3))
    job = engine.ask()
    other = open_engine()
    sending = asyncio.create_task(engine.tick())
    await seen(lambda: server.accepted)
    await other.worker.tick(at_a_time(engine, LEASE_S + 2))
    assert other.job(job).state is State.UNKNOWN
    await sending
    known = engine.job(job)
    assert (known.state, known.request_id) == (State.QUEUED, server.accepted[0].request_id)
    assert known.status_url is not None
    assert known.error is None
    assert "the answer came after all" in whys(engine, job)
    assert (await engine.until(job)).state is State.SUCCEEDED
    assert len(server.calls("submit")) == 1, "paid twice"
    await other.close()


async def test_an_answer_is_not_thrown_away_where_the_other_worker_died_too(server: FalServer, engine: Engine) -> None:
    """It took the job over and got no further: the row still says that the answer is waited for."""
    server.fault("submit", Fault(wait_s=0.3))
    job = engine.ask()
    sending = asyncio.create_task(engine.tick())
    await seen(lambda: server.accepted)
    [taken] = engine.rows.claim("died at once", at_a_time(engine, LEASE_S + 2), -LEASE_S, {}, 8)
    assert taken.state is State.SUBMITTING
    await sending
    known = engine.job(job)
    assert (known.state, known.request_id) == (State.QUEUED, server.accepted[0].request_id)
    assert (await engine.until(job)).state is State.SUCCEEDED
    assert "unknown" not in engine.path(job)
    assert len(server.calls("submit")) == 1


async def test_a_late_answer_of_a_job_that_was_let_be_brings_nothing_back(server: FalServer, engine: Engine) -> None:
    server.fault("submit", Fault(wait_s=0.3))
    job = engine.ask()
    other = open_engine()
    sending = asyncio.create_task(engine.tick())
    await seen(lambda: server.accepted)
    await other.worker.tick(at_a_time(engine, LEASE_S + 2))
    gone = engine.studio.cancel(OWNER, job.id)
    assert gone.state is State.CANCELLED
    await sending
    assert engine.job(job).state is State.CANCELLED, "an ended job was taken up again"
    await other.close()


async def test_a_late_answer_of_a_job_that_was_deleted_ends_quietly(server: FalServer, engine: Engine) -> None:
    server.fault("submit", Fault(wait_s=0.2))
    job = engine.ask()
    sending = asyncio.create_task(engine.tick())
    await seen(lambda: server.accepted)
    engine.rows.forget([job.id])
    await asyncio.wait_for(sending, 5)
    assert engine.rows.get(job.id) is None
    assert len(server.calls("submit")) == 1


class FullDisk(SqliteJobStore):
    """Has no room for the next receipts."""

    refuses = 2

    def save(self, job: Job, now: datetime, why: str = "") -> Job:
        if job.state is State.QUEUED and self.refuses:
            self.refuses -= 1
            raise StorageFull("The disk that holds the job database is full.")
        return super().save(job, now, why)


async def test_a_receipt_on_a_full_disk_is_written_when_there_is_room(server: FalServer, engine: Engine) -> None:
    settings = load()
    full, fal = FullDisk(settings.home / "takes.db"), FalProvider(settings)
    engine.worker = Worker(
        full,
        engine.studio.media,
        {"fal": fal},
        slots={"fal": 8},
        poll_s={"fal": 0.05},
        part_dir=settings.home / "parts",
    )
    job = engine.ask()
    await engine.tick()
    assert full.refuses == 0
    assert (engine.job(job).state, engine.job(job).request_id) == (State.QUEUED, server.accepted[0].request_id)
    assert (await engine.until(job)).state is State.SUCCEEDED
    assert len(server.calls("submit")) == 1, "paid twice"
    await fal.aclose()
    full.close()


# --- looked up in the provider's records -----------------------------------------------------------------------------------


async def look(engine: Engine, after_s: float = 31.0) -> int:
    engine.now += timedelta(seconds=after_s)
    return await engine.worker.tick(engine.now)


async def test_a_lost_job_is_found_by_its_upload(server: FalServer, looking: Engine) -> None:
    others = [looking.ask() for _ in range(3)]
    for other in others:
        await looking.until(other)
    job = await lost(server, looking)
    assert await look(looking, 1) == 0, "asked at once: records take a while"
    assert await look(looking) == 1
    [asked] = server.calls("records")
    assert asked.has_key
    assert (asked.query["endpoint_id"], asked.query["expand"]) == (job.endpoint, "payloads")
    done = await looking.until(job)
    assert done.state is State.SUCCEEDED
    assert done.request_id == server.accepted[-1].request_id
    assert "found in the records of fal.ai" in whys(looking, job)
    assert len(server.accepted) == 4, "paid twice"


async def test_one_that_was_not_accepted_stays_unknown(server: FalServer, looking: Engine) -> None:
    await looking.until(looking.ask())  # the same still and prompt, of somebody whose answer came
    server.fault("submit", Fault(cut="before"))
    job = await looking.until(looking.ask())
    assert job.state is State.UNKNOWN
    for _ in range(5):
        assert await look(looking, 3700) == 1
    assert looking.job(job).state is State.UNKNOWN, "another's request was taken for it"
    assert len(server.calls("submit")) == 2
    assert len(server.accepted) == 1


async def test_the_records_are_read_page_by_page(server: FalServer, looking: Engine) -> None:
    server.records_page = 2
    job = await lost(server, looking)
    still = looking.picture()
    for _ in range(5):  # later requests come first in the records
        await looking.until(looking.ask(image=still))
    await look(looking)
    assert looking.job(job).request_id == server.accepted[0].request_id
    assert [call.query.get("cursor") for call in server.calls("records")] == [None, "2", "4"]
    assert (await looking.until(job)).state is State.SUCCEEDED
    assert len(server.accepted) == 6


@pytest.mark.parametrize(
    "fault",
    [
        Fault(status=403, body={"error": {"type": "forbidden", "message": "This key may not read requests"}}),
        Fault(status=401, body={"error": {"type": "authorization_error", "message": "no"}}),
        Fault(status=500, body={"error": {"type": "server_error", "message": "x"}}),
        Fault(status=502, html=True),
        Fault(status=200, body=["not", "an", "object"]),
        Fault(status=200, body={"items": None, "has_more": True, "next_cursor": 7}),
        Fault(status=200, body={"items": [{"request_id": 5, "json_input": "x"}, None], "has_more": False}),
    ],
)
async def test_records_that_cannot_be_read_change_nothing(fault: Fault, server: FalServer, looking: Engine) -> None:
    job = await lost(server, looking)
    server.fault("records", fault)
    await look(looking)
    stands = looking.job(job)
    assert (stands.state, stands.error, stands.version) == (State.UNKNOWN, job.error, job.version)
    assert stands.due_at > looking.now, "it would be asked again and again"
    await look(looking, 60)
    assert (await looking.until(job)).state is State.SUCCEEDED, "the next look finds it"
    assert len(server.calls("submit")) == 1


async def test_looks_grow_rarer_and_end(server: FalServer, looking: Engine) -> None:
    server.fault("submit", Fault(cut="before"))
    job = await looking.until(looking.ask())
    began = looking.now
    looks = []
    while (due := looking.job(job).due_at) - began < timedelta(days=30):
        looks.append((due - began).total_seconds())
        looking.now = due
        await looking.worker.tick(due)
    waits = [after - before for before, after in itertools.pairwise(looks)]
    assert looks[0] == pytest.approx(30, abs=2)
    assert max(waits) <= 3602, "less than once an hour"
    assert waits[-1] > waits[0]
    assert looks[-1] > timedelta(days=7).total_seconds() > looks[-2], "looked for longer than a week, or given up early"
    assert looking.job(job).state is State.UNKNOWN
    assert len(server.calls("submit")) == 1


def test_an_error_of_the_desk_is_for_the_user(engine: Engine) -> None:
    job = a_row(engine, State.UNKNOWN, error=JobError(kind="x", message="m"))
    with pytest.raises(AppError) as caught:
        engine.studio.attach(OWNER, job.id, "nope")
    assert job.id not in caught.value.message
    assert engine.studio.jobs(JobQuery(owner=OWNER)) == [job]
