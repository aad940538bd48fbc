"""Retention: what goes by its age, what stays whatever its age, and what a crash in between leaves behind."""

import asyncio
import logging
import os
import sqlite3
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from core.errors import AppError, StorageFull
from core.jobs import chores, retention
from core.jobs.files import media_keys
from core.jobs.history import Remarks
from core.jobs.job import ENDED, OPEN, Job, State, Video, utc_now
from core.jobs.retention import GRACE, Orphans, Pruned, empty_bin, orphans, prune
from core.jobs.runner import WorkerThread
from core.jobs.store import JobQuery, Wishes
from core.media.local import LocalMediaStore
from core.settings import load
from core.stores.sqlite import SqliteJobStore
from core.stores.sqlite_history import SqliteHistory
from core.studio import open_studio
from tests.engine import Engine, jpeg, open_engine, own_log
from tests.test_job import NOW, a_job

MONTH = timedelta(days=30)


class House:
    """Rows and files of one installation.

    Args:
        home: its folder.
    """

    def __init__(self, home: Path) -> None:
        self.rows = SqliteJobStore(home / "takes.db")
        self.media = LocalMediaStore(home / "media")
        self.count = 0

    def file(self, extension: str, days: float = 0.0) -> str:
        """A file that nobody else has, put so many days ago."""
        self.count += 1
        key = self.media.put(f"file {self.count}".encode(), extension).key
        with self.media.local(key) as path:
            moment = (NOW - timedelta(days=days)).timestamp()
            os.utime(path, (moment, moment))
        return key

    def job(
        self, days: float = 31.0, state: State = State.SUCCEEDED, still: str | None = None, **changes: object
    ) -> Job:
        """A job with a still, and a video if it succeeded, that ended so many days ago."""
        still = still or self.file("jpg", days)
        ended = NOW - timedelta(days=days)
        given: dict[str, object] = {"state": state, "inputs": {"image": still}, "still": still, "created_at": ended}
        if state is State.SUCCEEDED:
            given["video"] = a_video(self.file("mp4", days), self.file("jpg", days))
        if state not in OPEN:
            given["finished_at"] = ended
        return self.rows.add(a_job(**{**given, **changes}))

    def prune(self, older_than: timedelta = MONTH, *, dry_run: bool = False) -> Pruned:
        return prune(self.rows, self.rows, self.media, older_than=older_than, now=NOW, dry_run=dry_run)

    def orphans(self, *, dry_run: bool = False) -> Orphans:
        return orphans(self.rows, self.rows, self.media, now=NOW, dry_run=dry_run)

    def ids(self) -> set[str]:
        """Of the jobs that are there."""
        return {job.id for job in self.rows.find(JobQuery(limit=10_000))}

    def files(self) -> set[str]:
        """Keys of the files that are there."""
        return {file.key for file in self.media.keys()}  # noqa: SIM118

    def everything(self) -> tuple[list[Job], list[object], list[tuple[str, int, float]]]:
        """Rows, histories and files with their times, to compare before and after."""
        jobs = self.rows.find(JobQuery(limit=10_000))
        events: list[object] = list(self.rows.events([job.id for job in jobs]))
        paths = sorted(path for path in self.media.root.rglob("*") if path.is_file())
        return jobs, events, [(str(path), path.stat().st_size, path.stat().st_mtime) for path in paths]


def a_video(key: str, poster: str) -> Video:
    return Video(key=key, poster=poster, width=16, height=9, duration_s=5, fps=24, bytes=6, sha256=key.split(".")[0])


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    made = House(tmp_path)
    yield made
    made.rows.close()


# --- by age -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", sorted(ENDED))
def test_what_ended_long_ago_goes_with_its_files(state: State, house: House) -> None:
    old, young = house.job(30.01, state), house.job(29.99, state)
    size = sum(house.media.stat(key).bytes for key in media_keys(old))  # type: ignore[union-attr]
    told = house.prune()
    assert told == Pruned(jobs=1, files=len(media_keys(old)), bytes=size, stuck=0, ids=())
    assert house.ids() == {young.id}
    assert house.files() == media_keys(young), "a file outlived its row, or a young job lost one"
    assert house.rows.events([old.id]) == []


@pytest.mark.parametrize("state", sorted(set(State) - ENDED))
def test_what_is_not_over_stays_however_old(state: State, house: House) -> None:
    job = house.job(4000, state)
    if state is State.UNKNOWN:
        assert job.finished_at is not None, "it looks ended, and its outcome may still be told"
    before = house.everything()
    assert house.prune() == Pruned(0, 0, 0, 0, ())
    assert house.everything() == before, "a job that may be paid for was thrown away"


def test_a_favourite_stays_and_so_do_its_files(house: House) -> None:
    favourite, other = house.job(400), house.job(400)
    house.rows.patch(favourite.id, NOW, Wishes(starred=True))
    assert house.prune().jobs == 1
    assert house.ids() == {favourite.id}
    assert house.files() == media_keys(favourite)
    assert not house.files() & media_keys(other)


def test_a_file_stays_as_long_as_one_job_uses_it(house: House) -> None:
    still = house.file("jpg", 400)
    old = house.job(400, still=still)
    assert old.video is not None
    splice = house.job(1, inputs={"clips": [{"key": old.video.key}]})
    young = house.job(2, still=still)
    told = house.prune()
    assert (told.jobs, told.files) == (1, 1), "only its poster was nobody else's"
    assert {still, old.video.key} <= house.files(), "a job that stays has lost a file"
    house.rows.forget([young.id, splice.id])
    third = house.job(400, still=still, state=State.FAILED)
    assert house.prune().files == 1
    assert third.still not in house.files()


def test_a_file_that_two_share_goes_once_with_the_last(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "BATCH", 1)  # the two are met in different batches
    still = house.file("jpg", 400)
    first, second = house.job(400, State.FAILED, still=still), house.job(300, State.FAILED, still=still)
    dry = house.prune(dry_run=True)
    assert (dry.jobs, dry.files, set(dry.ids)) == (2, 1, {first.id, second.id}), "a dry run counts otherwise"
    told = house.prune()
    assert (told.jobs, told.files, told.bytes) == (2, 1, dry.bytes)
    assert house.files() == house.ids() == set()


def test_a_dry_run_touches_nothing_and_tells_the_same(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "BATCH", 2)
    old = [house.job(31 + number, state) for number, state in enumerate(sorted(ENDED) * 3)]
    for job in (house.job(5), house.job(400, starred=True), house.job(400, State.RUNNING)):
        assert job.id
    stray = house.file("png", 30)
    before = house.everything()
    dry, loose = house.prune(dry_run=True), house.orphans(dry_run=True)
    assert house.everything() == before, "a dry run changed something"
    assert set(dry.ids) == {job.id for job in old}
    assert (loose.files, loose.keys) == (1, (stray,))
    wet, swept = house.prune(), house.orphans()
    assert (wet.jobs, wet.files, wet.bytes) == (dry.jobs, dry.files, dry.bytes)
    assert (swept.files, swept.bytes) == (loose.files, loose.bytes)
    assert len(house.ids()) == 3


def test_many_batches_with_favourites_between_come_to_an_end(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "BATCH", 7)
    still = house.file("jpg", 400)
    jobs = [
        house.job(100, State.CANCELLED, still=still, starred=number % 3 == 0) for number in range(60)
    ]  # all of the same moment
    assert house.prune(dry_run=True).jobs == 40
    assert house.prune().jobs == 40
    assert house.ids() == {job.id for job in jobs if job.starred}
    assert house.files() == {still}


def test_a_time_longer_than_the_calendar_is_a_long_time(house: House) -> None:
    job = house.job(9000)
    assert house.prune(timedelta(days=999_999_999)).jobs == 0
    assert house.ids() == {job.id}


# --- the bin ----------------------------------------------------------------------------------------------------------


def test_the_bin_is_emptied_after_thirty_days(house: House) -> None:
    shared = house.file("jpg", 400)
    old, young, kept = house.job(50, still=shared), house.job(50), house.job(50, still=shared)
    history = SqliteHistory(house.rows.file)
    history.remark([old.id], NOW - timedelta(days=30, seconds=1), Remarks(binned=True))
    history.remark([young.id], NOW - timedelta(days=29), Remarks(binned=True))
    assert house.rows.find(JobQuery(binned=True, limit=9)) != []
    gone = empty_bin(house.rows, house.rows, house.media, now=NOW)
    assert (gone.jobs, gone.stuck) == (1, 0)
    assert house.ids() == {young.id, kept.id}
    assert house.files() == media_keys(young) | media_keys(kept), "a file went that another take uses"
    assert empty_bin(house.rows, house.rows, house.media, now=NOW).jobs == 0


def test_a_worker_empties_the_bin_without_any_setting(house: House, tmp_path: Path) -> None:
    with own_log():
        studio = open_studio(load())
        job = studio.create(
            "me", "lucy14b", {"image": studio.add_picture(jpeg(), "a.jpg").key, "prompt": "x"}, provider="preview"
        )
        studio.cancel("me", job.id)
        studio.remark("me", [job.id], Remarks(binned=True))
        studio.tidy(lambda: False)
        assert studio.get("me", job.id).binned_at is not None, "it went at once"
        rows = SqliteJobStore(studio.settings.home / "takes.db")
        SqliteHistory(rows.file).remark([job.id], utc_now() - timedelta(days=31), Remarks(binned=True))
        studio.tidy(lambda: False)
        assert rows.get(job.id) is None
        rows.close()


def test_it_can_be_told_to_stop(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "BATCH", 2)
    for _ in range(6):
        house.job()
    answers = iter((False, True))
    told = prune(
        house.rows, house.rows, house.media, older_than=MONTH, now=NOW, dry_run=False, enough=lambda: next(answers)
    )
    assert told.jobs == 2
    assert len(house.ids()) == 4, "it went on although it was told to stop"


# --- faults -----------------------------------------------------------------------------------------------------------


class Crash(BaseException):
    """The process ends here."""


def test_a_crash_between_files_and_rows_is_finished_by_the_next_run(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, young = house.job(), house.job(1)

    def crash(_: object) -> None:
        raise Crash

    with monkeypatch.context() as patch:
        patch.setattr(house.rows, "forget", crash)
        with pytest.raises(Crash):
            house.prune()
    assert not media_keys(old) & house.files()
    assert house.ids() == {old.id, young.id}, "the row went first: its files could have been left without one"
    assert house.orphans(dry_run=True).incomplete == (old.id,)
    assert house.prune() == Pruned(1, 0, 0, 0, ())
    assert house.ids() == {young.id}
    assert house.files() == media_keys(young)
    assert house.orphans().files == 0


def test_a_crash_in_the_middle_of_the_files_leaves_no_file_without_a_row(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = [house.job() for _ in range(3)]
    left = iter(range(4))
    delete = house.media.delete

    def some(key: str) -> None:
        if next(left, None) is None:
            raise Crash
        delete(key)

    with monkeypatch.context() as patch:
        patch.setattr(house.media, "delete", some)
        with pytest.raises(Crash):
            house.prune()
    assert len(house.files()) == 5
    assert house.ids() == {job.id for job in jobs}
    assert set(house.rows.unused(house.files())) == set(), "a file has lost its row"
    assert house.prune().files == 5
    assert house.ids() == house.files() == set()


def test_a_file_that_cannot_be_deleted_keeps_its_row_and_holds_up_nobody(
    house: House, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    stuck, other = house.job(500), house.job(400)
    delete = house.media.delete

    def guarded(key: str) -> None:
        if key == stuck.still:
            raise PermissionError(13, "Permission denied", "/secret/place")
        delete(key)

    monkeypatch.setattr(house.media, "delete", guarded)
    monkeypatch.setattr(retention, "BATCH", 1)
    told = house.prune()
    assert (told.jobs, told.stuck) == (1, 1)
    assert house.ids() == {stuck.id}, "the oldest job kept all the others from going"
    assert stuck.still in house.files()
    assert not media_keys(other) & house.files()
    assert "Permission denied" in caplog.text


# --- files and rows that have lost each other ---------------------------------------------------------------------------


def test_files_without_a_row_go_after_the_grace(house: House) -> None:
    kept = house.job(400)
    old, in_a_form = house.file("png", GRACE.days + 0.01), house.file("png", GRACE.days - 0.01)
    told = house.orphans()
    assert (told.files, told.keys) == (1, ())
    assert house.files() == media_keys(kept) | {in_a_form}, "a still in a form that was not sent yet was swept away"
    assert old not in house.files()


def test_a_still_that_was_given_again_is_young(house: House) -> None:
    house.job(1)
    key = house.file("png", 100)
    house.media.put(house.media.read(key), "png")  # somebody chose the same picture today
    assert house.orphans(dry_run=True).files == 0
    house.orphans()
    assert key in house.files(), "the picture went while its form was being filled in"


def test_rows_without_a_file_are_told_and_left_alone(house: House) -> None:
    whole, no_video, no_poster = house.job(1), house.job(2), house.job(3)
    failed = house.job(4, State.FAILED)
    assert no_video.video
    assert no_poster.video
    house.media.delete(no_video.video.key)
    house.media.delete(no_poster.video.poster)
    house.media.delete(failed.still or "")
    before = house.everything()
    for dry_run in (True, False):
        told = house.orphans(dry_run=dry_run)
        assert set(told.incomplete) == {no_video.id, no_poster.id}
    assert house.everything() == before, "a row was changed because its file is elsewhere"
    assert whole.id not in told.incomplete


def test_rows_without_a_file_are_found_on_every_page(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "BATCH", 2)
    jobs = [house.job(number, video=a_video("0" * 64 + ".mp4", "0" * 64 + ".jpg")) for number in range(7)]
    assert set(house.orphans().incomplete) == {job.id for job in jobs}


def test_without_a_single_job_no_file_goes(house: House, caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(3):
        house.file("mp4", 400)
    assert house.orphans() == Orphans(0, 0, 0, (), ())
    assert len(house.files()) == 3, "a database that was put aside has cost every video"
    assert "files stay" in caplog.text


def test_an_orphan_that_cannot_be_deleted_is_counted(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    house.job(1)
    house.file("png", 100)

    def refuse(_: str) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(house.media, "delete", refuse)
    told = house.orphans()
    assert (told.files, told.bytes, told.stuck) == (0, 0, 1), "what is still there was counted as gone"


# --- beside the worker --------------------------------------------------------------------------------------------------


@pytest.fixture
async def engine(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Engine]:
    monkeypatch.setenv("KEEP_DAYS", "30")
    with own_log():
        made = open_engine()
        yield made
        await made.close()


def an_old_job(engine: Engine, ended: datetime) -> Job:
    job = a_job(state=State.FAILED, created_at=ended, finished_at=ended, still=engine.picture(seed=ended.day))
    return engine.rows.add(job)


def wait_until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


async def test_keep_days_is_applied_at_the_start_of_a_worker(engine: Engine) -> None:
    old, young = an_old_job(engine, utc_now() - timedelta(days=31)), an_old_job(engine, utc_now() - timedelta(days=29))
    studio = engine.studio
    thread = WorkerThread(studio.worker(), studio.sweep, studio.close, studio.tidy)
    thread.start()
    try:
        await asyncio.to_thread(wait_until, lambda: engine.rows.get(old.id) is None)
    finally:
        await asyncio.to_thread(thread.stop)
    assert engine.rows.get(young.id) is not None, "younger than KEEP_DAYS"
    assert studio.media.stat(old.still or "") is None
    assert studio.media.stat(young.still or "") is not None


async def test_without_keep_days_everything_stays(monkeypatch: pytest.MonkeyPatch, engine: Engine) -> None:
    old = an_old_job(engine, utc_now() - timedelta(days=4000))
    monkeypatch.setenv("KEEP_DAYS", "")
    studio = open_studio(load())
    studio.tidy(lambda: False)
    assert engine.rows.get(old.id) == old, "nobody asked for that"
    await studio.close()


async def test_the_chore_leaves_stray_files_to_the_command(engine: Engine) -> None:
    an_old_job(engine, utc_now())
    key = engine.picture(seed=77)
    with engine.studio.media.local(key) as path:
        os.utime(path, (1, 1))
    engine.studio.tidy(lambda: False)
    assert engine.studio.media.stat(key) is not None, "KEEP_DAYS speaks of jobs"


@pytest.mark.parametrize(
    "fault", [StorageFull("full"), OSError(5, "Input/output error"), sqlite3.OperationalError("locked"), KeyError("x")]
)
async def test_no_fault_of_the_chore_takes_the_worker_down(
    fault: Exception, engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    logging.getLogger("takes").propagate = True
    tried = threading.Event()

    def broken(_: Callable[[], bool]) -> None:
        tried.set()
        raise fault

    stop = asyncio.Event()
    running = asyncio.create_task(chores.work(engine.worker, broken, stop))
    await asyncio.to_thread(tried.wait, 10)
    await asyncio.sleep(0.1)
    assert not running.done(), "the worker ended with its chore"
    stop.set()
    await asyncio.wait_for(running, 10)
    assert "tidying up" in caplog.text
    assert ("Traceback" in caplog.text) == (not isinstance(fault, AppError)), "a full disk is no bug, the rest is"


async def test_the_chore_comes_again_and_keeps_nobody_waiting(engine: Engine) -> None:
    done: list[int] = []
    slow = threading.Event()

    def chore(enough: Callable[[], bool]) -> None:
        done.append(threading.get_ident())
        while not enough() and len(done) == 3:
            slow.wait(0.01)

    stop = asyncio.Event()
    repeating = asyncio.create_task(chores.repeat(chore, stop, every_s=0.01))
    while len(done) < 3:
        await asyncio.sleep(0.01)
    stop.set()
    await asyncio.wait_for(repeating, 5)  # a long chore is told to end
    assert threading.get_ident() not in done, "it ran on the loop of the worker"


async def test_two_workers_at_once_delete_each_job_once(engine: Engine) -> None:
    young = an_old_job(engine, utc_now())
    for number in range(300):
        ended = utc_now() - timedelta(days=40, seconds=number)
        engine.rows.add(a_job(state=State.FAILED, created_at=ended, finished_at=ended, inputs={"image": young.still}))
    other = open_studio(load())
    await asyncio.gather(*(asyncio.to_thread(one.tidy, lambda: False) for one in (engine.studio, other)))
    assert [job.id for job in engine.rows.find(JobQuery())] == [young.id]
    assert engine.studio.media.stat(young.still or "") is not None, "a file in use went in the race"
    await other.close()
