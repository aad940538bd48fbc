"""Out and in again: nothing is lost on the way, nothing that cannot be read is half taken in, and nothing is paid twice."""

import csv
import io
import itertools
import json
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.errors import Charged, InvalidInput
from core.jobs import transfer
from core.jobs.job import ENDED, NEVER, Event, Job, JobError, State, Video, move
from core.jobs.sheet import COLUMNS, harmless, to_csv
from core.jobs.store import JobQuery, Wishes
from core.jobs.transfer import LEFT_OUT, Imported, fill, line, load, settled, to_jsonl
from core.media.local import LocalMediaStore
from core.media.store import key_of
from core.settings import load as load_settings
from core.stores.sqlite import SqliteJobStore
from core.studio import open_studio
from tests.engine import Engine, open_engine, own_log, point_at
from tests.fal_server import FalServer
from tests.test_job import NOW, a_job

LATER = NOW + timedelta(days=3)
NOT_COMPARED = {"version"} | LEFT_OUT
STILL, FILM, POSTER = key_of(b"still", "jpg"), key_of(b"film", "mp4"), key_of(b"poster", "jpg")
UGLY = "\x00\x01 “ünï” 🎈\u2028\u2029\r\n\t,;\"'\\ =1+1 <script> \ufeff\u202e end"

NUMBERS = itertools.count()  # no form is rendered twice
ON_ITS_WAY = (State.WAITING, State.SUBMITTING, State.QUEUED, State.RUNNING, State.SAVING)


class Place:
    """Rows and files of one installation.

    Args:
        home: its folder.
    """

    def __init__(self, home: Path) -> None:
        self.rows = SqliteJobStore(home / "takes.db")
        self.media = LocalMediaStore(home / "media")

    def take_in(self, text: str | bytes, now: datetime = LATER) -> Imported:
        data = text.encode() if isinstance(text, str) else text
        return load(self.rows, self.rows, self.media, io.BytesIO(data), now)

    def jobs(self) -> dict[str, Job]:
        return {job.id: job for job in self.rows.find(JobQuery(limit=10_000))}

    def history(self, job: Job) -> list[Event]:
        return self.rows.events([job.id])


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Place]:
    made = Place(tmp_path / "here")
    yield made
    made.rows.close()


@pytest.fixture
def there(tmp_path: Path) -> Iterator[Place]:
    made = Place(tmp_path / "there")
    yield made
    made.rows.close()


def told(job: Job) -> dict[str, Any]:
    """What must survive."""
    return job.model_dump(exclude=NOT_COMPARED)


def a_whole_job(state: State = State.SUCCEEDED, **changes: Any) -> Job:
    """A job with something in every field that a job of this state may have."""
    ended = {"finished_at": NOW + timedelta(seconds=40, microseconds=7)} if state not in ON_ITS_WAY else {}
    error = JobError(kind="k", message="m", field="prompt", charged=Charged.MAYBE, retryable=True, raw={"a": [1, None]})
    video = Video(
        key=FILM, poster=POSTER, width=1, height=2, duration_s=3.5, fps=23.976, bytes=9, sha256="s", comment="c"
    )
    came: dict[str, Any] = {"video": video} if state is State.SUCCEEDED else {"error": error} if ended else {}
    given: dict[str, Any] = {
        "state": state, "prompt": UGLY, "inputs": {"image": STILL, "prompt": UGLY, "seed": 2**53 + 1, "list": [1.5, None]},
        "options": {"camera_move": "static"}, "fingerprint": "f", "nonce": f"secret of the form {next(NUMBERS)}", "parent_id": "p",
        "still": STILL, "estimate_low_usd": 0.4, "cost_estimate_usd": 0.8, "cost_basis": "$0.08", "rank": -1.25,
        "starred": True, "uploads": {STILL: "https://files/still.jpg"}, "request_id": "request-1",
        "status_url": "https://queue/s", "response_url": "https://queue/r", "cancel_url": "https://queue/c",
        "logs": ["one", "two"], "output": {"location": "https://files/v.mp4", "facts": {"seed": 4711}}, "stage": "x",
        "submitted_at": NOW, "started_at": NOW, "usual_s": 40.0, "slow_s": 80.5, "trouble": "t", "faults": 2,
        "cancel_requested": True, "cancel_sent": True, "cancel_answer": "too_late", "progress": 0.5, "eta_s": 3.25,
        "position": 4, "lease_owner": "w", "lease_until": NOW, "fence": 3, **ended, **came,
    }  # fmt: skip
    return a_job(**{**given, **changes})


def walked(job: Job, *states: State) -> tuple[Job, list[Event]]:
    """The job with a history that goes through these states to its own."""
    path = [None, *states, job.state]
    return job, [
        Event(job_id=job.id, at=NOW + timedelta(seconds=number), from_state=one, to_state=two or job.state, why=UGLY)
        for number, (one, two) in enumerate(itertools.pairwise(path))
    ]


# --- there and back -----------------------------------------------------------------------------------------------------


def test_a_round_trip_gives_equal_jobs_and_histories(here: Place, there: Place) -> None:
    unchanged = [
        State.SUCCEEDED,
        State.FAILED,
        State.CANCELLED,
        State.QUEUED,
        State.RUNNING,
        State.SAVING,
        State.UNKNOWN,
    ]
    fill(here.rows, [walked(a_whole_job(state), State.WAITING, State.SUBMITTING) for state in unchanged])
    bare = here.rows.add(move(a_job(), State.FAILED, NOW))
    came = there.take_in("".join(to_jsonl(here.rows)))
    assert came == Imported(jobs=8, new=8, followed=3, missing_files=3)
    mine, theirs = here.jobs(), there.jobs()
    assert theirs.keys() == mine.keys()
    for job_id, job in mine.items():
        assert told(theirs[job_id]) == told(job)
        assert there.history(job) == here.history(job)
        arrived = theirs[job_id]
        assert (arrived.nonce, arrived.lease_owner, arrived.lease_until, arrived.fence) == (None, None, None, 0)
    assert theirs[bare.id].state is State.FAILED
    assert there.rows.unused([STILL, FILM, POSTER]) == set(), "retention would delete files in use"


def test_an_export_tells_no_lease_and_no_nonce(here: Place) -> None:
    fill(here.rows, [walked(a_whole_job(), State.WAITING)])
    (text,) = to_jsonl(here.rows)
    given = json.loads(text)
    assert given.keys() == {"takes", "job", "events"}
    assert not given["job"].keys() & LEFT_OUT
    assert "secret of the form" not in text
    assert given["job"].keys() == set(Job.model_fields) - LEFT_OUT
    assert text.count("\n") == 1, "a job is more than one line"


def test_importing_twice_changes_nothing(here: Place, there: Place) -> None:
    fill(here.rows, [walked(a_whole_job(state), State.WAITING) for state in State])
    text = "".join(to_jsonl(here.rows))
    assert there.take_in(text).new == len(State)
    jobs = there.jobs()
    histories = {job.id: there.history(job) for job in jobs.values()}
    again = there.take_in(text, LATER + timedelta(days=1))
    assert again == Imported(jobs=len(State))
    assert there.jobs() == jobs, "the second import wrote over the first"
    assert {job.id: there.history(job) for job in jobs.values()} == histories


def test_what_is_there_already_stays_as_it_is(here: Place, there: Place) -> None:
    job, history = walked(a_whole_job(State.QUEUED), State.WAITING)
    fill(here.rows, [(job, history), walked(a_whole_job(), State.WAITING)])
    fill(there.rows, [(job, history)])
    there.rows.patch(job.id, NOW, Wishes(starred=False), "by hand")
    before = there.jobs()[job.id]
    came = there.take_in("".join(to_jsonl(here.rows)))
    assert (came.jobs, came.new, came.followed) == (2, 1, 0)
    assert there.jobs()[job.id] == before, "an older copy won over what happened since"


def test_an_import_that_was_cut_short_is_run_again(here: Place, there: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transfer, "BATCH", 3)
    fill(here.rows, [walked(a_whole_job(), State.WAITING) for _ in range(10)])
    text = "".join(to_jsonl(here.rows))
    restore = there.rows.restore
    left = iter(range(2))

    def some(entries: Sequence[tuple[Job, Sequence[Event]]]) -> int:
        if next(left, None) is None:
            raise KeyboardInterrupt
        return restore(entries)

    with monkeypatch.context() as patch:
        patch.setattr(there.rows, "restore", some)
        with pytest.raises(KeyboardInterrupt):
            there.take_in(text)
    assert len(there.jobs()) == 6
    assert there.take_in(text).new == 4
    assert there.jobs().keys() == here.jobs().keys()


def test_pages_hold_every_job_once_and_only_what_was_asked_for(here: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transfer, "PAGE", 3)
    fill(here.rows, [walked(a_whole_job(list(State)[number % 9])) for number in range(31)])  # all of the same moment
    ids = [json.loads(text)["job"]["id"] for text in to_jsonl(here.rows)]
    assert len(ids) == 31
    assert set(ids) == here.jobs().keys(), "a job was left out"
    only = [json.loads(text)["job"]["state"] for text in to_jsonl(here.rows, State.FAILED)]
    assert set(only) == {"failed"}
    assert len(only) == sum(job.state is State.FAILED for job in here.jobs().values())
    assert len(list(to_csv(here.rows, State.FAILED))) == len(only) + 1


def test_a_job_that_moves_while_it_is_told_is_told_as_it_was_read(there: Place) -> None:
    job, history = walked(a_whole_job(State.QUEUED), State.WAITING, State.SUBMITTING)
    went_on = [
        Event(job_id=job.id, at=NOW, from_state=one, to_state=two)
        for one, two in ((State.QUEUED, State.RUNNING), (State.RUNNING, State.SAVING))
    ]
    assert there.take_in(line(job, [*history, *went_on])).new == 1, "an export of ours cannot be read"
    assert there.history(job) == history


def test_clocks_that_disagree_do_not_break_a_history(here: Place, there: Place) -> None:
    job = here.rows.add(a_job())
    early = NOW - timedelta(seconds=9)
    (held,) = here.rows.claim("w", NOW, 60, {"fal": 1}, 1)
    here.rows.save(move(held, State.FAILED, early), early, "by a clock that goes after")
    there.take_in("".join(to_jsonl(here.rows)))
    assert there.history(job) == here.history(job)


def test_files_that_are_missing_are_counted_once(here: Place, there: Place) -> None:
    there.media.put(b"poster", "jpg")
    fill(here.rows, [walked(a_whole_job(), State.WAITING) for _ in range(5)])
    text = "".join(to_jsonl(here.rows))
    assert there.take_in(text).missing_files == 2
    assert there.take_in(text).missing_files == 0, "jobs that were there already are not this import's"


def test_fill_writes_what_it_is_given_just_as_it_is(here: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transfer, "BATCH", 2)
    entries = [walked(a_whole_job(state), State.WAITING) for state in ON_ITS_WAY]
    assert fill(here.rows, iter(entries)) == 5
    for job, history in entries:
        assert here.jobs()[job.id].model_dump(exclude={"version"}) == job.model_dump(exclude={"version"})
        assert here.history(job) == history
    assert fill(here.rows, entries) == 0


# --- what cannot be read -------------------------------------------------------------------------------------------------

Change = Callable[[dict[str, Any]], object]

BROKEN: dict[str, tuple[Change, str]] = {
    "another version": (lambda it: it.update(takes=2), "another version of the format; here, “takes” is 1"),
    "no version": (lambda it: it.pop("takes"), "takes: Field required"),
    "a version that is a word": (lambda it: it.update(takes="1"), "another version of the format"),
    "no job": (lambda it: it.pop("job"), "job: Field required"),
    "no history": (lambda it: it.pop("events"), "events: Field required"),
    "an unknown part": (lambda it: it.update(signature="x"), "signature: Extra inputs are not permitted"),
    "an unknown field": (lambda it: it["job"].update(colour="red"), "job.colour: Extra inputs"),
    "an unknown field of the video": (lambda it: it["job"]["video"].update(codec="h"), "job.video.codec: Extra inputs"),
    "an unknown field of an event": (lambda it: it["events"][0].update(by="x"), "events.0.by: Extra inputs"),
    "a lease": (lambda it: it["job"].update(lease_owner="w"), "job: lease_owner does not belong into a file"),
    "a fence": (lambda it: it["job"].update(fence=3), "job: fence does not belong into a file"),
    "no owner": (lambda it: it["job"].pop("owner"), "job.owner: Field required"),
    "no such state": (lambda it: it["job"].update(state="lost"), "job.state: Input should be 'waiting'"),
    "an id that is a path": (lambda it: it["job"].update(id="../../etc/cron.d/x"), "job.id: String should match"),
    "an id that is none": (lambda it: it["job"].update(id=""), "job.id: String should match"),
    "a time without a zone": (lambda it: it["job"].update(created_at="2026-11-23T09:00:00"), "with their zone"),
    "a time beyond the calendar": (
        lambda it: it["job"].update(due_at="9999-12-31T23:59:59-12:00"), "job.due_at: give times between 1970 and 9999"
    ),
    "an event without a zone": (lambda it: it["events"][0].update(at="2026-11-23T09:00:00"), "line 3: give times between 1970"),
    "a number as text": (lambda it: it["job"].update(rank="1"), "job.rank: Input should be a valid number"),
    "a number that is none": (lambda it: it["job"].update(rank=float("nan")), "job.rank: Input should be a finite"),
    "a number that is endless": (lambda it: it["job"].update(eta_s=float("inf")), "job.eta_s: Input should be a finite"),
    "an endless one inside": (lambda it: it["job"]["inputs"].update(seed=float("inf")), "job.inputs: Out of range"),
    "one too large for a row": (lambda it: it["job"].update(position=2**63), "job.position: this number is too large"),
    "a yes that is a word": (lambda it: it["job"].update(starred="yes"), "job.starred: Input should be a valid boolean"),
    "a history with a gap": (lambda it: it["events"].pop(1), "its history goes from waiting to submitting"),
    "a history without a beginning": (lambda it: it["events"].pop(0), "its history goes from nothing to waiting"),
    "a history of another job": (lambda it: it["job"].update(state="failed"), "its history ends at succeeded"),
    "half a text": (lambda it: it["job"].update(prompt="\ud800"), "Invalid JSON"),
}  # fmt: skip


def good(**changes: Any) -> str:
    return line(*walked(a_whole_job(**changes), State.WAITING, State.SUBMITTING))


@pytest.mark.parametrize("case", BROKEN)
def test_a_line_that_cannot_be_read_is_named_and_nothing_is_written(case: str, there: Place) -> None:
    change, said = BROKEN[case]
    given = json.loads(good())
    change(given)
    with pytest.raises(InvalidInput) as caught:
        there.take_in(f"{good()}\n{json.dumps(given)}\n{good()}")
    assert "Nothing was imported: 1 line cannot be read." in caught.value.message
    assert "line 3: " in caught.value.message, "the empty line counts"
    assert said in caught.value.message
    assert UGLY not in caught.value.message
    assert there.jobs() == {}, "half a file was taken in"


@pytest.mark.parametrize(
    "text", [b"{", b"[]", b"nonsense", b"\xff\xfe{}", b'"takes"', b"[" * 5000, b"null", b"id,state,model"]
)
def test_what_is_no_line_of_ours(text: bytes, there: Place) -> None:
    with pytest.raises(InvalidInput, match="line 2: "):
        there.take_in(good().encode() + text)
    assert there.jobs() == {}


def test_being_saved_without_an_address_is_no_place_to_go_on_from(there: Place) -> None:
    text = line(*walked(a_whole_job(State.SAVING, output=None), State.WAITING))
    with pytest.raises(InvalidInput, match="its output names no location"):
        there.take_in(text)
    assert there.jobs() == {}


def test_a_job_that_is_in_the_file_twice(there: Place) -> None:
    first, second = good(id="a"), good(id="b")
    with pytest.raises(InvalidInput, match=r"line 3: the job a is in line 1 already"):
        there.take_in(first + second + first)
    assert there.jobs() == {}


def test_of_many_bad_lines_five_are_named(there: Place) -> None:
    with pytest.raises(InvalidInput) as caught:
        there.take_in(good() + "{\n" * 12)
    said = caught.value.message.splitlines()
    assert said[0] == "Nothing was imported: 12 lines cannot be read."
    assert [text.split(":")[0] for text in said[1:-1]] == [f"line {number}" for number in range(2, 7)]
    assert said[-1] == "and 7 more"
    assert there.jobs() == {}


def test_an_empty_file_holds_no_jobs(there: Place) -> None:
    assert there.take_in("") == there.take_in("\n \n") == Imported()


# --- never paid twice ----------------------------------------------------------------------------------------------------


def test_what_waited_is_cancelled_and_says_so() -> None:
    job, history = settled(*walked(a_whole_job(State.WAITING, request_id=None)), LATER)
    assert job.state is State.CANCELLED
    assert job.error == JobError(kind="imported", message="Imported while it waited; it was not sent.", retryable=True)
    assert (job.finished_at, job.updated_at) == (LATER, LATER)
    assert [event.to_state for event in history] == ["waiting", "cancelled"]
    assert history[-1].why == "imported while it waited; it was not sent"


@pytest.mark.parametrize(
    ("state", "changes"),
    [(State.SUBMITTING, {}), (State.QUEUED, {"request_id": None}), (State.RUNNING, {"request_id": None})],
)
def test_what_may_have_been_accepted_is_unknown_and_never_due(state: State, changes: dict[str, Any]) -> None:
    job, history = settled(*walked(a_whole_job(state, **changes), State.WAITING), LATER)
    assert (job.state, job.due_at) == (State.UNKNOWN, NEVER)
    assert job.error is not None
    assert (job.error.kind, job.error.charged) == ("imported", Charged.MAYBE)
    assert (history[-1].from_state, history[-1].to_state) == (state, State.UNKNOWN)
    free, _ = settled(*walked(a_whole_job(state, cost_estimate_usd=0.0, **changes), State.WAITING), LATER)
    assert free.error is not None
    assert free.error.charged is Charged.NO, "a free job is said to have cost something"


@pytest.mark.parametrize("state", [State.WAITING, State.SUBMITTING])
def test_what_a_webhook_has_told_is_followed(state: State, there: Place) -> None:
    given = walked(a_whole_job(state, request_id=None, told_request_id="told-1"))
    assert there.take_in(line(*given)).followed == 1
    (job,) = there.jobs().values()
    assert (job.state, job.request_id) == (State.QUEUED, "told-1")
    assert there.history(job)[-1].why == "imported; its webhook had told the request id"


@pytest.mark.parametrize("state", [*sorted(ENDED), State.UNKNOWN, State.QUEUED, State.RUNNING, State.SAVING])
def test_the_rest_stays_as_it_is(state: State) -> None:
    job, history = walked(a_whole_job(state), State.WAITING)
    assert settled(job, history, LATER) == (job, history)


def test_an_unknown_job_keeps_the_time_of_its_next_look(there: Place) -> None:
    due = NOW + timedelta(minutes=5)
    there.take_in(line(*walked(a_whole_job(State.UNKNOWN, due_at=due))) + line(*walked(a_whole_job(State.SUBMITTING))))
    assert sorted(job.due_at for job in there.jobs().values()) == [due, NEVER]


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
async def second(engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Engine]:
    """Another installation, over the same fal."""
    monkeypatch.setenv("DATA_DIR", str(tmp_path / "second"))
    made = Engine(open_studio(load_settings()))
    made.now = engine.now
    yield made
    await made.close()


def carry(one: Engine, other: Engine) -> Imported:
    """Export there, import here, and bring the files."""
    for file in one.studio.media.keys():  # noqa: SIM118
        other.studio.media.put(one.studio.media.read(file.key), file.key.split(".")[1])
    return other.studio.import_jobs(io.BytesIO("".join(one.studio.export_jsonl()).encode()))


async def test_a_waiting_job_is_not_sent_from_where_it_came_to(
    server: FalServer, engine: Engine, second: Engine
) -> None:
    job = engine.ask()
    came = carry(engine, second)
    assert (came.not_sent, came.followed, came.missing_files) == (1, 0, 0)
    for _ in range(5):
        second.now += timedelta(minutes=10)
        assert await second.worker.tick(second.now) == 0
    assert server.record == [], "it was sent by the second installation"
    assert second.job(job).state is State.CANCELLED
    done = await engine.until(job)
    assert done.state is State.SUCCEEDED
    assert len(server.accepted) == 1, "paid twice"


async def test_a_job_with_its_provider_is_followed_from_where_it_came_to(
    server: FalServer, engine: Engine, second: Engine
) -> None:
    server.run_polls = 2
    job = engine.ask()
    running = await engine.until(job, State.RUNNING)
    assert carry(engine, second).followed == 1
    assert second.job(job).request_id == running.request_id
    done = await second.until(job)
    assert done.state is State.SUCCEEDED
    assert done.video is not None
    assert second.studio.media.stat(done.video.key) is not None
    assert len(server.calls("submit")) == 1, "paid twice"


async def test_a_job_that_was_being_sent_is_not_sent_again(server: FalServer, engine: Engine, second: Engine) -> None:
    job = engine.ask()
    (held,) = engine.rows.claim("w", engine.now, 60, {"fal": 1}, 1)
    engine.rows.save(move(held, State.SUBMITTING, engine.now), engine.now, "slot free")
    assert carry(engine, second).unknown == 1
    for _ in range(5):
        second.now += timedelta(hours=10)
        await second.worker.tick(second.now)
    assert second.job(job).state is State.UNKNOWN
    assert server.calls("submit") == [], "it may have been paid already"


# --- ugly text ----------------------------------------------------------------------------------------------------------

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
ugly = st.one_of(texts, st.sampled_from(["=1+1", "@x", "-", "+", "\t=x", "\r", "\n", '"', "'=", ",", '","', "", UGLY]))
plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | ugly,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(ugly, inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    prompt=ugly, why=ugly, message=ugly, inputs=st.dictionaries(ugly, plain, max_size=3), rank=st.floats(-1e12, 1e12)
)
def test_no_text_is_changed_on_the_way(
    here: Place, there: Place, prompt: str, why: str, message: str, inputs: dict[str, Any], rank: float
) -> None:
    error = JobError(kind="k", message=message, raw=inputs)
    job = a_job(state=State.FAILED, prompt=prompt, inputs=inputs, error=error, finished_at=NOW, logs=[why], rank=rank)
    fill(here.rows, [(job, [Event(job_id=job.id, at=NOW, from_state=None, to_state=job.state, why=why)])])
    try:
        texts_out = list(to_jsonl(here.rows))
        there.take_in("".join(texts_out))
        assert told(there.jobs()[job.id]) == told(job)
        assert there.history(job) == here.history(job)
        assert len(texts_out) == 1

        head, row = csv.reader(io.StringIO("".join(to_csv(here.rows)), newline=""))
        assert tuple(head) == COLUMNS
        cells = dict(zip(head, row, strict=True))
        assert cells["prompt"].removeprefix("'") == prompt.removeprefix("'")
        assert cells["error_message"] in (message, f"'{message}")
        assert not [cell for cell in row if cell.startswith(("=", "+", "-", "@", "\t", "\r"))], "a formula"
    finally:
        for place in (here, there):
            place.rows.forget([job.id])


# --- the table -----------------------------------------------------------------------------------------------------------


def test_a_row_says_what_a_spreadsheet_wants_to_know(here: Place) -> None:
    done = a_whole_job(prompt='=HYPERLINK("http://evil","x")', created_at=NOW)
    failed = a_whole_job(State.FAILED, created_at=NOW - timedelta(seconds=1), starred=False, request_id=None)
    fill(here.rows, [(done, ()), (failed, ())])
    head, first, second = csv.reader(io.StringIO("".join(to_csv(here.rows)), newline=""))
    assert tuple(head) == COLUMNS
    row = dict(zip(head, first, strict=True))
    assert row["prompt"] == '\'=HYPERLINK("http://evil","x")'
    assert (row["id"], row["state"], row["charged"], row["starred"]) == (done.id, "succeeded", "charged", "yes")
    assert (row["seconds"], row["video_seconds"], row["cost_estimate_usd"]) == ("40.0", "3.5", "0.8")
    assert row["finished_at"] == "2026-11-23T09:00:40Z"
    assert (row["error_kind"], row["error_message"]) == ("", "")
    other = dict(zip(head, second, strict=True))
    assert (other["error_kind"], other["charged"], other["starred"], other["video"]) == (
        "k",
        "may_be_charged",
        "no",
        "",
    )
    assert other["request_id"] == ""
    told_all = ",".join(first + second)
    for private in ("https://queue", "https://files", "secret of the form", "None"):
        assert private not in told_all


def test_money_is_only_told_where_it_is_known(here: Place) -> None:
    jobs = [
        a_whole_job(State.SUCCEEDED, cost_estimate_usd=0.0), a_whole_job(State.SUCCEEDED, cost_estimate_usd=None),
        a_whole_job(State.RUNNING), a_whole_job(State.WAITING),
    ]  # fmt: skip
    fill(here.rows, [(job, ()) for job in jobs])
    rows = {row["id"]: row["charged"] for row in csv.DictReader(io.StringIO("".join(to_csv(here.rows)), newline=""))}
    assert [rows[job.id] for job in jobs] == ["not_charged", "charged", "", ""]


@pytest.mark.parametrize("text", ["=1", "+1", "-1", "@x", "\tx", "\rx", "\nx", "-", "=cmd|' /C calc'!A0"])
def test_no_cell_begins_like_a_formula(text: str) -> None:
    assert harmless(text) == f"'{text}"


@pytest.mark.parametrize("text", ["", "a=1", " =1", "2026-11-23", "'=1", "€", "a-b"])
def test_other_cells_are_left_alone(text: str) -> None:
    assert harmless(text) == text
