"""The history as a place to come back to: Back and forward, links, a half-typed search, the overview, and a video left alone."""

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, time, timedelta

import pytest
from playwright.sync_api import Locator, Page, expect

from core.jobs.history import Remarks, Search
from core.jobs.job import State, utc_now
from tests.browser.inside import Inside
from tests.browser.visit import DONE_MS

Visitors = Callable[..., Inside]
WATCH_S = 20.0  # at a refresh a second while a take is made, and one in eight seconds after
MOST_WAIT_MS = 1000  # a busy computer lacks a picture now and then, and so does a clip at its turn, for some 15 ms
STEP_MS = 20_000


@pytest.fixture
def here(inside: Visitors) -> Inside:
    return inside()


def tiles(page: Page) -> Locator:
    return page.locator(".st-key-gallery video")


def first_tile(page: Page) -> Locator:
    return page.locator(".st-key-gallery [data-testid=stCaptionContainer]").first


def box(page: Page) -> Locator:
    return page.get_by_placeholder("Words")


def search(page: Page, words: str) -> None:
    box(page).fill(words)
    box(page).press("Enter")


def turn_to(page: Page, number: int) -> None:
    page.get_by_role("button", name=f"Page {number}", exact=True).click()


def shows(page: Page, address: str, words: str, first: str) -> None:
    """The list at this address: what stands in the search box, and the newest take that it shows."""
    expect(page).to_have_url(re.compile(re.escape(address) + "$"), timeout=STEP_MS)
    expect(first_tile(page)).to_have_text(first, timeout=STEP_MS)
    expect(box(page)).to_have_value(words)


# --- there and back -----------------------------------------------------------------------------------------------


def test_back_forward_and_reload_keep_filters_page_and_opened_take(here: Inside) -> None:
    for number in range(55):
        here.rows.take(prompt=f"take {number} {'heron' if number % 2 else 'fox'}")
    page = here.visit.open("/jobs?view=Gallery")
    shows(page, "/jobs?view=Gallery", "", "take 54 fox")
    steps = page.evaluate("history.length")
    turn_to(page, 2)
    shows(page, "?view=Gallery&page=2", "", "take 4 fox")
    search(page, "heron")
    shows(page, "?view=Gallery&q=heron", "heron", "take 53 heron")
    page.locator(".st-key-gallery").get_by_role("button", name="Open", exact=True).nth(1).click()
    opened = here.visit.plays()
    assert here.studio.get(None, opened).prompt == "take 51 heron"
    assert page.evaluate("history.length") == steps + 3, "a change of the address was more than one step"

    page.go_back()
    shows(page, "?view=Gallery&q=heron", "heron", "take 53 heron")
    page.reload()
    shows(page, "?view=Gallery&q=heron", "heron", "take 53 heron")
    page.go_back()
    shows(page, "?view=Gallery&page=2", "", "take 4 fox")
    page.reload()
    shows(page, "?view=Gallery&page=2", "", "take 4 fox")
    page.go_back()
    shows(page, "?view=Gallery", "", "take 54 fox")
    for _ in range(3):
        page.go_forward()
        here.visit.settled()
    assert here.visit.plays() == opened
    page.reload()
    assert here.visit.plays() == opened
    page.go_back()
    shows(page, "?view=Gallery&q=heron", "heron", "take 53 heron")
    page.get_by_test_id("stSidebarNavLink").filter(has_text="Lucy 14B").click()
    here.visit.heading("Lucy 14B")
    page.go_back()
    shows(page, "?view=Gallery&q=heron", "heron", "take 53 heron")
    assert page.evaluate("history.length") == steps + 3, "coming back wrote new steps"


def test_clearing_and_filters_are_one_step_each(here: Inside) -> None:
    here.rows.take(prompt="a heron", starred=True)
    here.rows.take(State.FAILED, prompt="a fox")
    page = here.visit.open("/jobs?view=Gallery&star=1&q=heron&on=preview&sort=-date")
    shows(page, "&sort=-date", "heron", "★ a heron")
    expect(page.get_by_text("Local preview · starred", exact=True)).to_be_visible()
    steps = page.evaluate("history.length")
    page.get_by_role("button", name="Clear", exact=True).click()
    shows(page, "/jobs?view=Gallery&sort=-date", "", "★ a heron")
    expect(page.get_by_text("2 takes", exact=True)).to_be_visible()
    assert page.evaluate("history.length") == steps + 1
    page.go_back()
    shows(page, "?view=Gallery&star=1&q=heron&on=preview&sort=-date", "heron", "★ a heron")
    expect(page.get_by_text("1 take", exact=True)).to_be_visible()


def test_a_saved_view_and_a_link_show_the_same(here: Inside) -> None:
    here.rows.take(prompt="a heron", model="retired-2024")
    here.rows.take(prompt="a fox", model="retired-2024")
    here.rows.take(prompt="another heron")
    asked = "?q=heron&model=retired-2024&view=Gallery&overview=1&by=state"
    page = here.visit.open(f"/jobs{asked}")
    expect(page.get_by_text("1 take", exact=True)).to_be_visible()
    page.get_by_role("button", name="Views").click()
    name = page.get_by_label("Name")
    name.fill("Old herons")
    name.press("Enter")
    page.get_by_role("button", name="Keep this view").click()
    expect(page.get_by_role("button", name="Old herons")).to_be_visible()

    second = here.visit.context.new_page()
    here.visit.open("/jobs", second)
    expect(second.get_by_text("3 takes", exact=True)).to_be_visible()
    second.get_by_role("button", name="Views").click()
    second.get_by_role("button", name="Old herons").click()
    link = here.visit.context.new_page()
    for other in (second, link):
        if other is link:
            here.visit.open(f"/jobs{second.evaluate('location.search')}", link)
        expect(other.get_by_text("1 take", exact=True)).to_be_visible()
        expect(other.get_by_text("retired-2024", exact=True).first).to_be_visible()
        expect(first_tile(other)).to_have_text("a heron")
        expect(box(other)).to_have_value("heron")
        expect(other.get_by_role("table")).to_contain_text("Done")
        expect(other.locator(".st-key-gallery")).not_to_contain_text("another heron")


# --- what is left alone -------------------------------------------------------------------------------------------


def test_a_half_typed_search_is_left_alone(here: Inside) -> None:
    """While takes come, move and go, what is being typed keeps its text and its focus."""
    here.rows.take(prompt="a heron")
    page = here.visit.open("/jobs?view=Gallery")
    box(page).click()
    box(page).press_sequentially("half a w")
    moving = here.rows.take(State.RUNNING, prompt="under way")
    expect(page.locator(".st-key-live").get_by_text("under way")).to_be_visible(timeout=STEP_MS)
    box(page).press_sequentially("ord")
    here.studio.cancel(here.owner, moving.id)
    late = here.rows.take(prompt="a late one")
    here.studio.remark(here.owner, [late.id], Remarks(note="news of it"))
    expect(page.locator(".st-key-gallery").get_by_text("a late one", exact=True)).to_be_visible(timeout=STEP_MS)
    expect(box(page)).to_have_value("half a word")
    expect(box(page)).to_be_focused()
    assert "q=" not in page.url, "half a word was searched for"
    box(page).press("Enter")
    expect(page.get_by_text("No take is like that.")).to_be_visible()


def test_a_gallery_of_fifty_loads_no_video(here: Inside) -> None:
    for number in range(50):
        here.rows.take(prompt=f"take {number}")
    asked: list[str] = []
    here.visit.context.on("request", lambda request: asked.append(request.url))
    page = here.visit.open("/jobs?view=Gallery")
    expect(tiles(page)).to_have_count(50)
    page.mouse.wheel(0, 3000)
    page.wait_for_timeout(2000)
    assert any(url.endswith("/poster.jpg") for url in asked)
    assert not [url for url in asked if ".mp4" in url], "a video was loaded that nobody pressed"
    assert page.evaluate("[...document.querySelectorAll('video')].every(v => v.buffered.length === 0)")


WATCH = """video => {
    video.tagged = 'the same node';
    window.heard = [];
    window.played = window.stood = 0;
    let last = video.currentTime;
    let since = performance.now();
    // A clip that turns round is put to its start by the browser itself.
    const turns = () => video.loop && video.currentTime === 0 && (last === 0 || last > video.duration / 2);
    for (const name of ['pause', 'emptied', 'abort', 'error', 'ended', 'seeking'])
        video.addEventListener(name, () => name === 'seeking' && turns() || window.heard.push([name, last]));
    video.addEventListener('waiting', () => since = performance.now());
    video.addEventListener('playing', () => window.stood = Math.max(window.stood, performance.now() - since));
    video.addEventListener('timeupdate', () => {
        if (video.seeking) return;
        window.played += (video.currentTime - last + video.duration) % video.duration;
        last = video.currentTime;
    });
    return video.play();
}"""


@pytest.fixture(params=["gallery", "opened"])
def playing(request: pytest.FixtureRequest, here: Inside) -> Iterator[tuple[Inside, Locator]]:
    """A visitor who watches a take, in the gallery or opened, with others below and above it."""
    old = here.rows.take(prompt="the oldest")
    watched = here.rows.take(prompt="watched")
    newer = here.rows.take(prompt="newer")
    here.visit.page.bring_to_front()
    is_opened = request.param == "opened"
    page = here.visit.open(f"/jobs?job={watched.id}" if is_opened else "/jobs?view=Gallery")
    if is_opened:
        here.visit.plays()
        here.visit.settled()
    video = page.locator(f"video[src*='/takes/{watched.id}/']")
    expect(video).to_have_count(1)
    video.evaluate(WATCH)
    yield here, video
    assert page.locator(f"video[src*='{newer.id}']").count() == 0, "what was deleted is still shown"
    assert page.locator(f"video[src*='{old.id}']").count() == (0 if is_opened else 1)


def test_a_video_plays_on_through_all_that_happens(playing: tuple[Inside, Locator]) -> None:
    """A take is sent from another tab, is made, ends and moves down; another one is deleted."""
    here, video = playing
    page = here.visit.page
    is_list = "job=" not in page.url
    other = here.visit.context.new_page()
    here.visit.open("/lucy14b", other)
    page.bring_to_front()  # a page behind another paints nothing, and need not play
    # With nothing under way a list asks every eight seconds, and could miss a take that is made in five.
    first = here.rows.take(State.WAITING, prompt="in line", model="wan27", lease_owner=None, lease_until=None)
    if is_list:
        expect(page.locator(f".st-key-live-{first.id}")).to_be_visible(timeout=STEP_MS)
    here.visit.take_sample("Valley", other)
    other.get_by_role("button", name="Generate").click()
    expect(other.get_by_role("button", name="Cancel").first).to_be_visible()
    [made] = [job for job in here.others(first) if job.is_open]
    if is_list:
        expect(page.locator(f".st-key-live-{made.id}")).to_be_visible(timeout=STEP_MS)
    other.get_by_test_id("stVideo").wait_for(timeout=DONE_MS)
    assert here.studio.cancel(here.owner, first.id).state is State.CANCELLED
    [newer] = [job for job in here.others() if job.prompt == "newer"]
    here.studio.remark(here.owner, [newer.id], Remarks(binned=True))
    if is_list:
        expect(page.locator(f".st-key-tile-{made.id}")).to_be_visible(timeout=STEP_MS)
        expect(page.locator(f".st-key-tile-{newer.id}")).to_have_count(0, timeout=STEP_MS)
        expect(page.locator(".st-key-live").get_by_role("button", name="Open")).to_have_count(0, timeout=STEP_MS)
    page.wait_for_function(f"() => window.played >= {WATCH_S}", timeout=DONE_MS)
    assert video.evaluate("video => [video.tagged, video.paused]") == ["the same node", False]
    assert page.evaluate("window.heard") == [], "the video was interrupted"
    assert page.evaluate("window.stood") < MOST_WAIT_MS, "the video stood still"


# --- the overview -------------------------------------------------------------------------------------------------


def test_the_overview_shows_the_sums_of_what_is_found(here: Inside) -> None:
    """Charts draw under our security policy, which the end of every test looks at."""
    now = utc_now()
    for number in range(12):
        given = {
            "model": ("lucy14b", "wan27")[number % 2],
            "created_at": now - timedelta(days=number * 5),
            "provider": "fal",
        }
        cost = round(0.11 * (number + 1), 2)
        state = State.FAILED if number % 4 == 3 else State.SUCCEEDED
        here.rows.take(
            state, prompt=f"take {number} {'heron' if number < 7 else 'fox'}", cost_estimate_usd=cost, **given
        )
    page = here.visit.open("/jobs?q=heron")
    expect(page.get_by_text("7 takes", exact=True)).to_be_visible()
    charts = page.locator(".st-key-overview").get_by_test_id("stVegaLiteChart")
    expect(charts).to_have_count(0)
    page.get_by_text("Overview", exact=True).click()
    expect(charts.locator("canvas, svg").last).to_be_visible()
    expect(charts).to_have_count(2)
    assert "overview=1" in page.url
    for span, days in (("30 days", 30), ("All", None)):
        page.get_by_role("radiogroup", name="Time").get_by_text(span, exact=True).click()
        since = datetime.combine(now.date() - timedelta(days=days - 1), time(), UTC) if days else None
        sums = here.studio.sums(Search(owner=here.owner, text="heron", since=since))
        takes, usd = sum(row.jobs for row in sums), sum(row.usd for row in sums)
        done = sum(row.jobs for row in sums if row.state == State.SUCCEEDED)
        told = f"{takes} takes · {done / takes:.0%} done · ${usd:.2f} spent, as estimated"
        expect(page.locator(".st-key-overview").get_by_text(told, exact=True)).to_be_visible()
        table = page.get_by_role("table")
        for model, name in (("lucy14b", "Lucy 14B"), ("wan27", "Wan 2.7")):
            mine = [row for row in sums if row.model == model]
            line = table.get_by_role("row").filter(has_text=name)
            expect(line).to_contain_text(f"{sum(row.jobs for row in mine)}")
            expect(line).to_contain_text(f"${sum(row.usd for row in mine):.2f}")
    assert (takes, "fox" in page.locator(".st-key-overview").inner_text()) == (7, False)
    page.reload()
    expect(page.locator(".st-key-overview").get_by_text(told, exact=True)).to_be_visible()
    expect(charts.locator("canvas, svg").last).to_be_visible()
    page.get_by_text("Overview", exact=True).click()
    expect(charts).to_have_count(0)
    assert "overview" not in page.url
