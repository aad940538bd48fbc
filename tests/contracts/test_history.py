"""The contract of a JobHistory, run over every implementation."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from core.jobs.history import JobHistory, Remarks, Search, Sort
from core.jobs.job import NEVER, Job, JobError, State, Video, move
from core.jobs.store import JobStore
from core.stores.sqlite import SqliteJobStore
from core.stores.sqlite_history import SqliteHistory
from tests.test_job import a_job

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
ME = Search(owner="me")


@dataclass
class House:
    """A store, the history over it, and how to put takes into it."""

    store: JobStore
    history: JobHistory

    def add(self, prompt: str = "", **changes: Any) -> Job:
        count = changes.pop("at", None)
        created = NOW + timedelta(minutes=count if count is not None else len(self.history.page(Search(size=1000))))
        given = {"owner": "me", "prompt": prompt, "created_at": created, "cost_estimate_usd": 0.4, **changes}
        return self.store.add(a_job(**given))

    def done(self, prompt: str = "", seconds: float = 5.0, size: tuple[int, int] = (1280, 720), **changes: Any) -> Job:
        video = Video(
            key="v", poster="p", width=size[0], height=size[1], duration_s=seconds, fps=24, bytes=1, sha256="s"
        )
        return self.add(prompt, state=State.SUCCEEDED, video=video, **changes)

    def prompts(self, search: Search) -> list[str]:
        rows = self.history.page(search)
        assert self.history.count(search) >= len(rows)
        return [row.prompt for row in rows]


@pytest.fixture(params=["sqlite"])
def house(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[House]:
    assert request.param == "sqlite"
    store = SqliteJobStore(tmp_path / "takes.db")
    yield House(store, SqliteHistory(store.file))
    store.close()


# --- pages --------------------------------------------------------------------------------------------------------


def test_pages_are_newest_first_and_whole(house: House) -> None:
    jobs = [house.add(str(number)) for number in range(7)]
    house.add("not mine", owner="you")
    pages = [house.prompts(replace(ME, page=page, size=3)) for page in (1, 2, 3, 4)]
    assert pages == [["6", "5", "4"], ["3", "2", "1"], ["0"], []]
    assert house.history.count(ME) == 7
    assert house.history.count(ME, most=5) == 5
    assert house.history.count(Search()) == 8
    assert {row.id for row in house.history.page(ME)} == {job.id for job in jobs}, "somebody else's take is shown"


def test_takes_of_the_same_moment_stand_on_one_page_each(house: House) -> None:
    for number in range(5):
        house.add(str(number), at=0)
    seen = [prompt for page in (1, 2, 3) for prompt in house.prompts(replace(ME, page=page, size=2))]
    assert sorted(seen) == ["0", "1", "2", "3", "4"]


def test_an_old_take_that_comes_later_stands_where_it_belongs(house: House) -> None:
    house.add("new", at=10)
    house.add("old", at=0)
    assert house.prompts(ME) == ["new", "old"]


def test_a_row_tells_what_a_list_shows(house: House) -> None:
    job = house.done("A heron.", seconds=5.25, size=(720, 1280), still="k.jpg", estimate_low_usd=0.2)
    [row] = house.history.page(ME)
    assert (row.id, row.model, row.provider, row.state, row.prompt) == (
        job.id,
        "lucy14b",
        "fal",
        "succeeded",
        "A heron.",
    )
    assert (row.duration_s, row.aspect, row.has_video, row.still) == (5.25, "9:16", 1, "k.jpg")
    assert (row.low_usd, row.high_usd, row.created_at) == (0.2, 0.4, job.created_at)
    assert (row.is_starred, row.rating, row.tags, row.error) == (False, None, (), None)


# --- words --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("typed", "found"),
    [
        ("lighthouse", ["c", "a"]),
        ("light", ["c", "a"]),
        ("LIGHTHOUSE Storm", ["c"]),
        ("storm lighthouse", ["c"]),
        ('"the lighthouse at dusk"', ["a"]),
        ('"lighthouse the at dusk"', []),
        ("lighthouse -storm", ["a"]),
        ('lighthouse -"at dusk"', ["c"]),
        ("möwe", ["b"]),
        ("mowe", ["b"]),
        ("strasse", ["b"]),
        ("STRASSE", ["b"]),
        ("straße", ["b"]),
        ("house", []),
        ("nowhere", []),
        ("''; drop table jobs --", []),
        ("* ( ) ^ :", []),
        ("AND OR NOT NEAR", []),
        ("prompt:lighthouse", []),
    ],
)
def test_words_are_found(typed: str, found: list[str], house: House) -> None:
    texts = {"a": "The lighthouse at dusk", "b": "Eine MÖWE über der Straße", "c": "Storm, and a lighthouse"}
    for name, text in texts.items():
        house.add(text, id=name)
    house.add("Another lighthouse in the storm", owner="you")
    search = replace(ME, text=typed)
    assert [row.id for row in house.history.page(search)] == found
    assert house.history.count(search) == len(found)


def test_every_text_of_a_take_is_searched(house: House) -> None:
    job = house.add("plain", inputs={"negative_prompt": "blurry hands"}, id="n")
    house.history.remark(["n"], NOW, Remarks(note="shown to the client", tags=("launch", "très bon")))
    assert job.id == "n"
    failed = house.add("other", id="f", due_at=NOW, at=3)
    [held] = [held for held in house.store.claim("w", NOW + timedelta(hours=1), 60, {"fal": 9}, 9) if held.id == "f"]
    house.store.save(move(held, State.FAILED, NOW, error=JobError(kind="k", message="The picture is too small.")), NOW)
    assert failed.id == "f"
    for typed, found in (
        ("blurry", "n"), ("client", "n"), ("launch", "n"), ("tres", "n"), ("picture small", "f"),
    ):  # fmt: skip
        assert [row.id for row in house.history.page(replace(ME, text=typed))] == [found], typed
    house.history.remark(["n"], NOW, Remarks(note="", tags=()))
    assert house.history.page(replace(ME, text="client")) == [], "a note that was taken back is still found"


def test_what_is_deleted_is_not_found(house: House) -> None:
    house.add("lighthouse", id="a")
    house.store.forget(["a"])  # type: ignore[attr-defined]
    assert house.history.page(replace(ME, text="lighthouse")) == []
    assert house.history.count(replace(ME, text="lighthouse")) == 0


def test_names_of_people_are_no_words(house: House) -> None:
    house.add("lighthouse", owner="me")
    for typed in ("me", "zzmezz", "lucy14b", "fal"):
        assert house.history.page(replace(ME, text=typed)) == [], typed


# --- filters ------------------------------------------------------------------------------------------------------


def test_filters(house: House) -> None:
    house.done("a", size=(1280, 704), at=0)
    house.done("b", size=(720, 1280), model="wan27", provider="preview", at=60, cost_estimate_usd=0.0)
    house.add("c", state=State.FAILED, at=120, cost_estimate_usd=1.5)
    house.add("d", state=State.RUNNING, at=180, inputs={"aspect_ratio": "1:1"}, cost_estimate_usd=None)
    for search, found in (
        ({"models": frozenset({"wan27"})}, "b"),
        ({"models": frozenset({"wan27", "lucy14b"})}, "dcba"),
        ({"states": frozenset({State.FAILED, State.RUNNING})}, "dc"),
        ({"states": frozenset({State.FAILED}), "models": frozenset({"wan27"})}, ""),
        ({"places": frozenset({"preview"})}, "b"),
        ({"aspects": frozenset({"16:9"})}, "a"),
        ({"aspects": frozenset({"9:16", "1:1"})}, "db"),
        ({"since": NOW + timedelta(minutes=60), "until": NOW + timedelta(minutes=180)}, "cb"),
        ({"cost": (0.3, None)}, "ca"),
        ({"cost": (None, 0.4)}, "ba"),
        ({"cost": (0.3, 0.5)}, "a"),
        ({"hide_failed": True}, "dba"),
        ({"text": "b", "models": frozenset({"wan27"})}, "b"),
        ({"text": "b", "models": frozenset({"lucy14b"})}, ""),
    ):
        asked = replace(ME, **search)
        assert "".join(house.prompts(asked)) == found, search
        assert house.history.count(asked) == len(found), search


def test_remarks_stars_and_the_bin(house: House) -> None:
    for name in "abc":
        house.add(name, id=name)
    version = max(row.version for row in house.history.page(ME))
    assert house.history.remark(["a", "b", "gone"], NOW, Remarks(rating=4, tags=("x", "y", "x"))) == 2
    rows = {row.id: row for row in house.history.page(ME)}
    assert (rows["a"].rating, rows["a"].tags, rows["c"].rating, rows["c"].tags) == (4, ("x", "y"), None, ())
    assert rows["a"].version > version, "pages would not see it"
    assert house.prompts(replace(ME, rated=4)) == ["b", "a"]
    assert house.prompts(replace(ME, rated=5)) == []
    assert house.prompts(replace(ME, tag="y")) == ["b", "a"]
    assert house.history.tags("me") == ["x", "y"]
    assert house.history.tags("you") == []
    house.history.remark(["a"], NOW, Remarks(rating=0))
    assert house.prompts(replace(ME, rated=1)) == ["b"]
    house.history.remark(["a", "c"], NOW, Remarks(starred=True))
    assert house.prompts(replace(ME, starred=True)) == ["c", "a"]
    house.history.remark(["a"], NOW, Remarks(starred=False))
    assert house.prompts(replace(ME, starred=True)) == ["c"]
    assert house.store.get("a").tags == ("x", "y"), "a star cost its tags"  # type: ignore[union-attr]
    house.history.remark(["b"], NOW, Remarks(binned=True))
    assert house.prompts(ME) == ["c", "a"]
    assert house.prompts(replace(ME, binned=True)) == ["b"]
    assert house.prompts(replace(ME, text="b")) == [], "the search finds what is in the bin"
    house.history.remark(["b"], NOW, Remarks(binned=False))
    assert house.prompts(ME) == ["c", "b", "a"]
    assert house.store.get("b").tags == ("x", "y")  # type: ignore[union-attr]
    with pytest.raises(Exception, match="CHECK"):
        house.history.remark(["a"], NOW, Remarks(rating=9))


# --- orders -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize("text", ["", "take"])
@pytest.mark.parametrize("sort", Sort)
def test_orders_and_neighbours(sort: Sort, text: str, backwards: bool, house: House) -> None:
    house.done("take a", seconds=3, cost_estimate_usd=0.5, at=0)
    house.done("take b", seconds=9, cost_estimate_usd=0.1, at=1)
    house.done("take c", seconds=3, cost_estimate_usd=0.5, at=2)
    house.add("take d", cost_estimate_usd=None, at=3)
    ids = {row.prompt[-1]: row.id for row in house.history.page(ME)}
    house.history.remark([ids["a"]], NOW, Remarks(rating=5))
    house.history.remark([ids["b"], ids["c"]], NOW, Remarks(rating=2))
    best = {Sort.DATE: "dcba", Sort.COST: "cabd", Sort.LENGTH: "bcad", Sort.RATING: "acbd"}[sort]
    search = replace(ME, sort=sort, backwards=backwards, text=text)
    order = "".join(row.prompt[-1] for row in house.history.page(search))
    without_value = "" if sort is Sort.DATE else "d"
    assert order == (
        best[::-1] if backwards and not without_value else best if not backwards else best[:-1][::-1] + "d"
    )
    paged = "".join(row.prompt[-1] for page in (1, 2) for row in house.history.page(replace(search, size=2, page=page)))
    assert paged == order
    names = {job_id: letter for letter, job_id in ids.items()}
    assert "".join(names[job_id] for job_id in house.history.ids(replace(search, size=2, page=2))) == order, (
        "a part of it is left out"
    )
    assert "".join(names[job_id] for job_id in house.history.ids(search, 3)) == order[:3]
    for place, name in enumerate(order):
        before, behind = house.history.around(search, ids[name])
        assert before == (ids[order[place - 1]] if place else None)
        assert behind == (ids[order[place + 1]] if place + 1 < len(order) else None)
    assert house.history.around(search, "no-such-id") == (None, None)


@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize("text", ["", "take"])
@pytest.mark.parametrize("sort", Sort)
def test_every_take_is_passed_once_from_one_to_the_next(sort: Sort, text: str, backwards: bool, house: House) -> None:
    """Also among many of the same value, and of none."""
    for number in range(14):
        cost = (0.4, 0.4, None, 0.1, 2.0)[number % 5]
        if number % 3:
            house.done(f"take {number}", seconds=3 + number % 4, cost_estimate_usd=cost, at=number, id=f"t{number}")
        else:
            house.add(f"take {number}", cost_estimate_usd=cost, at=number, id=f"t{number}")
    house.history.remark(["t1", "t4", "t5"], NOW, Remarks(rating=3))
    house.history.remark(["t7"], NOW, Remarks(rating=5))
    house.add("take of somebody else", owner="you", cost_estimate_usd=0.4, at=5)
    search = replace(ME, sort=sort, backwards=backwards, text=text)
    order = [row.id for row in house.history.page(search)]
    assert len(order) == 14
    beside = [house.history.around(search, job_id) for job_id in order]
    assert [before for before, _ in beside] == [None, *order[:-1]]
    assert [behind for _, behind in beside] == [*order[1:], None]


# --- sums and views -----------------------------------------------------------------------------------------------


def counted(house: House, search: Search) -> dict[tuple[str, str, str], tuple[int, float, int]]:
    """What the sums should be, from the rows themselves."""
    added: dict[tuple[str, str, str], tuple[int, float, int]] = {}
    for row in house.history.page(replace(search, size=10_000)):
        jobs, usd, unpriced = added.get((row.created[:10], row.model, row.state), (0, 0.0, 0))
        is_done = row.state == State.SUCCEEDED
        usd += (row.high_usd or 0.0) if is_done else 0.0
        added[row.created[:10], row.model, row.state] = (jobs + 1, usd, unpriced + (is_done and row.high_usd is None))
    return added


def summed(house: House, search: Search) -> dict[tuple[str, str, str], tuple[int, float, int]]:
    sums = house.history.sums(search)
    assert [row.day for row in sums] == sorted(row.day for row in sums)
    assert len({row[:3] for row in sums}) == len(sums), "a day, model and state is said twice"
    assert all(row.jobs > 0 for row in sums)
    return {(row.day, row.model, row.state): (row.jobs, pytest.approx(row.usd), row.unpriced) for row in sums}


def test_sums_by_day_model_and_state(house: House) -> None:
    house.done("a", at=0)
    house.done("b", at=1)
    house.done("free", at=2, provider="preview", cost_estimate_usd=0.0)
    house.done("no price", at=3, cost_estimate_usd=None)
    house.add("c", at=24 * 60, state=State.FAILED, cost_estimate_usd=9.0)
    house.add("d", at=2, owner="you", state=State.SUCCEEDED)
    assert summed(house, ME) == {
        ("2026-11-23", "lucy14b", "succeeded"): (4, 0.8, 1),
        ("2026-11-24", "lucy14b", "failed"): (1, 0.0, 0),
    }
    assert [row.jobs for row in house.history.sums(replace(ME, text="a"))] == [1]
    assert house.history.sums(replace(ME, text="*")) == []


def test_sums_are_those_of_the_rows_whatever_became_of_them(house: House) -> None:
    """However takes move, are binned, come back and are deleted, and whatever is asked for."""
    for number in range(24):
        model, provider = ("lucy14b", "wan27", "gone-2024")[number % 3], ("fal", "preview")[number % 2]
        cost = (0.4, 0.00017, None, 1.25)[number % 4]
        given = {
            "model": model,
            "provider": provider,
            "cost_estimate_usd": cost,
            "at": number * 400,
            "id": f"t{number}",
            "due_at": NEVER if number % 5 else NOW,
        }
        if number % 5 == 0:
            house.add(f"take {number}", **given)
        elif number % 5 == 1:
            house.add(f"take {number}", state=(State.FAILED, State.CANCELLED, State.UNKNOWN)[number % 3], **given)
        else:
            house.done(f"take {number}", **given)
    house.add("not mine", owner="you", state=State.SUCCEEDED)
    for held in house.store.claim("w", NOW + timedelta(hours=1), 60, {"fal": 9, "preview": 9}, 3):
        sent = house.store.save(move(held, State.SUBMITTING, NOW), NOW)
        house.store.save(
            move(sent, (State.FAILED, State.UNKNOWN)[held.id == "t0"], NOW, error=JobError(kind="k", message="m")), NOW
        )
    house.history.remark(["t2", "t3", "t5", "t6", "t7"], NOW, Remarks(binned=True))
    house.history.remark(["t3", "t5", "t8"], NOW, Remarks(binned=False))
    house.history.remark(["t4"], NOW, Remarks(rating=4, tags=("x",)))
    house.store.forget(["t7", "t9", "t11", "t10"])  # type: ignore[attr-defined]
    whole = summed(house, ME)
    assert sum(jobs for jobs, _, _ in whole.values()) == house.history.count(ME)
    for asked in (
        {}, {"owner": None}, {"owner": "nobody"}, {"models": frozenset({"wan27"})}, {"models": frozenset({"wan27", "gone-2024"})},
        {"states": frozenset({State.SUCCEEDED})}, {"states": frozenset({State.WAITING, State.UNKNOWN})},
        {"places": frozenset({"preview"})}, {"hide_failed": True}, {"binned": True}, {"text": "take"}, {"rated": 4}, {"tag": "x"},
        {"cost": (0.5, None)}, {"starred": True}, {"aspects": frozenset({"16:9"})},
        {"since": NOW.replace(hour=0) + timedelta(days=1)}, {"until": NOW.replace(hour=0) + timedelta(days=2)},
        {"since": NOW + timedelta(days=1), "until": NOW + timedelta(days=3, hours=2)},
        {"since": NOW.replace(hour=0) + timedelta(days=1), "models": frozenset({"wan27"}), "places": frozenset({"fal"})},
    ):  # fmt: skip
        search = replace(ME, **asked)  # type: ignore[arg-type]
        assert summed(house, search) == counted(house, search), asked


def test_models_that_an_owner_has_takes_of(house: House) -> None:
    house.done("a", model="gone-2024", id="a")
    house.done("b", model="wan27")
    house.done("c", model="secret-model", owner="you")
    assert house.history.models("me") == ["gone-2024", "wan27"], "somebody else's model is offered"
    house.store.forget(["a"])  # type: ignore[attr-defined]
    assert house.history.models("me") == ["wan27"]


def test_a_page_far_back_is_the_right_one(house: House) -> None:
    for number in range(620):
        house.add(str(619 - number), at=number * 7)
    house.history.remark([house.history.page(ME)[0].id], NOW, Remarks(binned=True))
    assert house.prompts(replace(ME, page=61, size=10)) == [str(number) for number in range(601, 611)]
    assert house.prompts(replace(ME, page=63, size=10)) == []


def test_usual_waits_by_model(house: House) -> None:
    for seconds in (10, 20, 60):
        times = {"submitted_at": NOW, "finished_at": NOW + timedelta(seconds=seconds)}
        house.done("a", **times)
    house.add("b", model="wan27")
    waits = house.history.usual_waits(ME)
    assert waits.keys() == {"lucy14b"}
    assert waits["lucy14b"] == pytest.approx(20, abs=0.01)


def test_views_are_kept_by_name_and_owner(house: House) -> None:
    house.history.save_view("me", "The best", "rated=4", NOW)
    house.history.save_view("me", "Failed", "state=failed", NOW)
    house.history.save_view("you", "Mine", "q=x", NOW)
    house.history.save_view("me", "The best", "rated=5", NOW)
    assert house.history.views("me") == {"Failed": "state=failed", "The best": "rated=5"}
    house.history.drop_view("me", "Failed")
    house.history.drop_view("me", "Mine")
    assert house.history.views("me") == {"The best": "rated=5"}
    assert house.history.views("you") == {"Mine": "q=x"}, "somebody else's view was dropped"
