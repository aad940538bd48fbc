"""The overview: how days become bars, what the page says of them, and that it asks for nothing while it is folded."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

import pytest
from streamlit.testing.v1 import AppTest

from core.jobs import overview
from core.jobs.history import Search, Sum
from core.jobs.job import State, utc_now
from core.jobs.overview import Step, Total
from core.stores.sqlite_history import SqliteHistory
from core.studio import current
from tests.engine import own_log
from tests.test_pages import OWNER, captions, clean, jobs_page, write

TODAY = date(2026, 11, 25)  # a Wednesday


@pytest.fixture(autouse=True)
def own_studio() -> Iterator[None]:
    """A studio of its own for a test."""
    current.cache_clear()
    with own_log():
        yield
    current.cache_clear()


# --- days and bars ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("first", "step", "bars", "starts"),
    [
        (date(2026, 11, 25), Step.DAY, 1, date(2026, 11, 25)),
        (date(2026, 10, 27), Step.DAY, 30, date(2026, 10, 27)),
        (date(2026, 9, 25), Step.DAY, 62, date(2026, 9, 25)),
        (date(2026, 9, 24), Step.WEEK, 10, date(2026, 9, 21)),
        (date(2025, 11, 26), Step.WEEK, 53, date(2025, 11, 24)),
        (date(2025, 1, 15), Step.MONTH, 23, date(2025, 1, 1)),
    ],
)
def test_a_span_is_shown_in_bars_that_can_be_told_apart(first: date, step: Step, bars: int, starts: date) -> None:
    assert overview.step(first, TODAY) is step
    found = overview.starts(first, TODAY, step)
    assert (len(found), found[0]) == (bars, starts)
    assert found == sorted(set(found)), "a bar stands twice"
    assert {overview.start(first + timedelta(days=number), step) for number in range((TODAY - first).days + 1)} == set(
        found
    )


def test_a_span_is_that_of_the_search_or_of_what_it_found() -> None:
    sums = [Sum("2026-03-01", "wan27", "succeeded", 1, 0.4, 0), Sum("2026-05-02", "wan27", "failed", 2, 0.0, 0)]
    mine = Search(owner="me")
    assert overview.span(mine, sums, TODAY) == (date(2026, 3, 1), TODAY)
    thirty = overview.within(mine, 30, TODAY)
    assert thirty.since == datetime(2026, 10, 27, tzinfo=UTC)
    assert overview.span(thirty, [], TODAY) == (date(2026, 10, 27), TODAY)
    dated = Search(since=datetime(2026, 2, 1, tzinfo=UTC), until=datetime(2026, 4, 1, tzinfo=UTC))
    assert overview.within(dated, 30, TODAY) == dated, "the dates that somebody chose were changed"
    assert overview.span(dated, sums, TODAY) == (date(2026, 2, 1), date(2026, 3, 31))


def test_sums_are_added_up_by_what_is_asked() -> None:
    sums = [
        Sum("2026-11-02", "wan27", "succeeded", 2, 0.8, 1),
        Sum("2026-11-03", "wan27", "failed", 1, 0.0, 0),
        Sum("2026-11-03", "lucy14b", "succeeded", 4, 0.2, 0),
    ]
    assert overview.totals(sums, lambda row: row.model) == {
        "wan27": Total(3, 2, pytest.approx(0.8), 1),
        "lucy14b": Total(4, 4, pytest.approx(0.2), 0),
    }
    assert overview.totals([], lambda row: row.model) == {}


# --- the page -----------------------------------------------------------------------------------------------------


def table(page: AppTest) -> str:
    """The numbers under the bars, as HTML."""
    return "".join(item.proto.body for item in page.get("html") if "Numbers of the overview" in item.proto.body)


def asked_for(page: AppTest, name: str) -> list[str]:
    """The values of a parameter of the address."""
    value = page.query_params.get(name, [])
    return [value] if isinstance(value, str) else list(value)


def three_kinds() -> None:
    write(model="wan27", prompt="one", cost_estimate_usd=0.5)
    write(model="<b>gone</b>", prompt="two", cost_estimate_usd=None)
    write(State.FAILED, prompt="three", cost_estimate_usd=9.0)
    write(prompt="long ago", cost_estimate_usd=2.0, created_at=utc_now() - timedelta(days=200))
    write(prompt="not mine", owner="somebody-else", cost_estimate_usd=5.0)


def test_a_folded_overview_asks_for_nothing() -> None:
    write(prompt="one")
    history = current()._history
    assert isinstance(history, SqliteHistory)
    asked: list[str] = []
    page = clean(jobs_page().run())
    connection = history._file._idle.get_nowait()
    connection.set_trace_callback(asked.append)
    history._file._idle.put(connection)
    clean(page.run())
    assert any("from jobs" in sql for sql in asked), "the questions of the page are not seen"
    assert not [sql for sql in asked if "jobs.model, jobs.state" in sql or "julianday" in sql], (
        "the sums are read for nobody"
    )
    assert not page.get("vega_lite_chart")
    page.toggle(key="filters.overview").set_value(True).run()
    assert asked_for(page, "overview") == ["1"]
    assert [sql for sql in asked if "from tallies" in sql and "jobs.model, jobs.state" in sql]
    page.toggle(key="filters.overview").set_value(False).run()
    assert "overview" not in page.query_params


def test_the_overview_tells_what_was_made_and_spent() -> None:
    three_kinds()
    page = jobs_page()
    page.query_params["overview"] = "1"
    clean(page.run())
    said = " ".join(item.value for item in page.markdown)
    assert "**3** takes · **67%** done · **\\$0.50** spent, as estimated" in said
    assert "1 of them has no published price" in captions(page)
    assert "&lt;b&gt;gone&lt;/b&gt;" in table(page)
    assert "<b>" not in table(page), "the name of a model acts"
    assert "$9.00" not in table(page), "what failed is said to have cost something"
    assert len(page.get("vega_lite_chart")) == 2
    page.segmented_control(key="filters.span").set_value("all").run()
    assert asked_for(page, "span") == ["all"]
    assert "**4** takes · **75%** done · **\\$2.50** spent" in " ".join(item.value for item in clean(page).markdown)
    page.segmented_control(key="filters.by").set_value("state").run()
    assert "Failed" in table(clean(page))
    assert "25%" in table(page)


def test_the_overview_is_of_what_the_filters_find() -> None:
    three_kinds()
    page = jobs_page()
    page.query_params["overview"] = "1"
    page.query_params["q"] = "one"
    assert "**1** take · **100%** done · **\\$0.50**" in " ".join(item.value for item in clean(page.run()).markdown)
    page.query_params["q"] = "nowhere"
    assert not clean(page.run()).get("vega_lite_chart")
    page.query_params["q"] = "long"
    assert "None of these takes was made in that time." in captions(clean(page.run()))
    page.query_params["until"] = f"{utc_now().date() - timedelta(days=100)}"
    page.query_params["q"] = ""
    assert "**1** take · **100%** done · **\\$2.00**" in " ".join(item.value for item in clean(page.run()).markdown)
    assert not [item for item in page.segmented_control if item.key == "filters.span"], "two spans at once"
    assert str(current().sums(Search(owner=OWNER))).count("Sum(") == 4


# --- filters and orders -------------------------------------------------------------------------------------------


def test_every_order_can_be_turned_round() -> None:
    for number, cost in enumerate((0.4, 0.1, 0.9)):
        write(prompt=f"take {number}", cost_estimate_usd=cost)
    page = jobs_page().run()
    for order, shown in (("date", "210"), ("-date", "012"), ("cost", "201"), ("-cost", "102")):
        page.selectbox(key="filters.sort").set_value(order).run()
        assert [row[-1] for row in clean(page).dataframe[0].value["Prompt"]] == [f"{digit}" for digit in shown]
        assert asked_for(page, "sort") == ([] if order == "date" else [order]), order


def test_a_model_that_has_left_the_catalogue_can_be_asked_for() -> None:
    write(model="retired-2024", prompt="old")
    write(prompt="new")
    write(model="not-mine", owner="somebody-else")
    page = clean(jobs_page().run())
    box = page.multiselect(key="filters.model")
    assert "retired-2024" in box.options
    assert "not-mine" not in box.options, "somebody else's model is offered"
    box.set_value(["retired-2024"]).run()
    assert list(clean(page).dataframe[0].value["Prompt"]) == ["old"]
    assert asked_for(page, "model") == ["retired-2024"]
    assert "retired-2024" in captions(page)
    page.button(key="said.clear").click().run()
    assert len(clean(page).dataframe[0].value) == 2
    page.query_params["model"] = "never-there"
    assert "No take is like that." in captions(clean(page.run()))
    assert page.multiselect(key="filters.model").value == ["never-there"]


def test_the_filters_are_said_in_words() -> None:
    write(prompt="one")
    page = clean(jobs_page().run())
    assert not [button for button in page.button if button.key == "said.clear"]
    for name, value in {
        "state": "failed", "on": "preview", "since": "2026-11-02", "until": "2026-11-30", "min": "0.1", "max": "2", "star": "1",
        "hide": "1", "rated": "4", "tag": "**bold** tag", "bin": "1", "aspect": "9:16", "q": "heron", "sort": "-cost",
    }.items():  # fmt: skip
        page.query_params[name] = value
    [said] = [caption for caption in captions(clean(page.run())).split("\n") if "starred" in caption]
    for part in (
        "Failed",
        "Local preview",
        "02 Nov 2026",
        "30 Nov 2026",
        "from \\$0.1",
        "up to \\$2",
        "★★★★ or more",
        "in the bin",
    ):
        assert part in said, part
    assert "**bold**" not in said, "a tag acts as markdown"
    assert "heron" not in said, "what the box shows is said twice"
    page.button(key="said.clear").click().run()
    assert set(page.query_params) == {"sort"}, "the order is no filter, and everything else is"
