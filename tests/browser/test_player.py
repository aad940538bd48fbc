"""What plays: the controls below the opened take, tiles under the pointer, one at a time, and the tone when a take is done."""

import base64
import json
import re
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, FrameLocator, Locator, Page, Route, expect

from core import samples
from core.jobs.job import Job, State
from core.settings import Settings
from core.studio import Studio, open_studio
from core.web.identity import COOKIE
from tests.browser.conftest import Visitor
from tests.browser.server import App
from tests.browser.visit import DONE_MS, PLAYS, Visit
from tests.engine import own_log
from tests.fal_server import FalServer
from tests.fal_server.clip import FPS

PROMPT = "The lamp turns & waves roll in.\n“Slow” push in 🎬"
PATIENCE_S = 30.0
LONG_S = 600.0  # a run that does not end within a test
TICKS_MS = 3500  # a few refreshes, at one a second

# Counts the tones that begin in any frame, and keeps the count through a reload.
TONES = """
    const begin = OscillatorNode.prototype.start;
    OscillatorNode.prototype.start = function (...at) {
        localStorage.setItem('tones', Number(localStorage.getItem('tones') ?? 0) + 1);
        return begin.apply(this, at);
    };
"""
# As on plain http at another host, where there is no such thing.
NO_CLIPBOARD = "Object.defineProperty(Navigator.prototype, 'clipboard', { get: () => undefined })"
PLAYING = "[...document.querySelectorAll('video')].filter(video => !video.paused).map(video => video.src.split('/')[4])"


@dataclass
class Room:
    """The app with a key, the server that is fal, and the same store from the inside."""

    app: App
    fal: FalServer
    studio: Studio

    def ask(self, visit: Visit, prompt: str = PROMPT) -> Job:
        """A new take of a visitor who has opened a page."""
        cookie = next(cookie for cookie in visit.context.cookies() if cookie.get("name") == COOKIE)
        body = str(cookie.get("value")).split(".")[0]
        owner = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
        still = self.studio.add_picture(samples.get("lighthouse").read(), "lighthouse.jpg").key
        return self.studio.create(owner, "lucy14b", {"image": still, "prompt": prompt}, provider="fal", again=True)

    def until(self, job: Job, state: State) -> Job:
        """Wait until the app's worker has brought the take there."""
        deadline = time.monotonic() + PATIENCE_S
        while (stands := self.studio.get(None, job.id)).state is not state:
            assert time.monotonic() < deadline, f"still {stands.state}: {stands.trouble}"
            time.sleep(0.05)
        return stands

    def made(self, visit: Visit, count: int = 1, prompt: str = PROMPT) -> list[Job]:
        """Takes that are done, in the order of asking."""
        jobs = [self.ask(visit, prompt) for _ in range(count)]
        return [self.until(job, State.SUCCEEDED) for job in jobs]

    def path(self, key: str) -> Path:
        """Where a file is kept."""
        with self.studio.media.local(key) as path:
            return path


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Room]:
    folder = tmp_path_factory.mktemp("player")
    with (
        own_log(),
        FalServer() as fal,
        App(folder, FAL_BASE_URL=fal.url, FAL_API_KEY=fal.key, POLL_SECONDS="0.3") as app,
    ):
        yield Room(app, fal, open_studio(Settings(data_dir=folder / "data", fal_api_key=fal.key, fal_base_url=fal.url)))


@pytest.fixture
def room(here: Room) -> Iterator[Room]:
    yield here
    here.fal.run_s = 0.0


def strip_of(page: Page) -> FrameLocator:
    """The controls below the opened take."""
    return page.frame_locator("iframe[title='Player controls']")


def press(page: Page, name: str) -> None:
    strip_of(page).get_by_role("button", name=name, exact=True).click()


def opened(room: Room, visit: Visit, job: Job) -> Page:
    """The page of a take whose video plays and whose controls stand."""
    page = visit.open(f"/jobs?job={job.id}")
    assert visit.plays() == job.id
    expect(strip_of(page).get_by_role("button", name="Loop")).to_be_visible()
    return page


def shown(visit: Visit, what: str) -> object:
    return visit.video.evaluate(f"video => {what}")


# --- the controls -----------------------------------------------------------------------------------------------------


def test_loop_and_speed_go_with_you_to_the_next_take(room: Room, visitor: Visitor) -> None:
    visit = visitor(room.app)
    visit.open("/jobs")
    older, newer = room.made(visit, 2)
    page = opened(room, visit, newer)
    visit.settled()
    sent: list[object] = []
    page.on("websocket", lambda socket: socket.on("framesent", lambda frame: sent.append(frame)))
    page.reload()
    visit.plays()
    visit.settled()
    loop = strip_of(page).get_by_role("button", name="Loop")
    expect(loop).to_have_attribute("aria-pressed", "true")
    page.wait_for_function("() => document.querySelector('[data-testid=stVideo]').loop")
    sent.clear()
    loop.click()
    strip_of(page).get_by_label("Speed").select_option("0.5")
    expect(loop).to_have_attribute("aria-pressed", "false")
    assert shown(visit, "[video.loop, video.playbackRate]") == [False, 0.5]
    page.wait_for_function("() => document.querySelector('[data-testid=stVideo]').ended")
    assert sent == [], "a control ran the page again"
    page.keyboard.press("ArrowRight")  # the keys are the page's again
    expect(page).to_have_url(re.compile(f"job={older.id}"))
    page.wait_for_function(f"() => document.querySelector('[data-testid=stVideo]')?.src.includes('{older.id}')")
    page.wait_for_function("() => document.querySelector('[data-testid=stVideo]').playbackRate === 0.5")
    assert shown(visit, "video.loop") is False
    expect(strip_of(page).get_by_label("Speed")).to_have_value("0.5")


def test_controls_that_come_late_find_the_video_as_they_should(room: Room, visitor: Visitor) -> None:
    visit = visitor(room.app)
    visit.open("/jobs")
    [job] = room.made(visit)
    page = visit.page
    held: list[Route] = []
    page.route("**/reel.js", lambda route: held.append(route))
    visit.open(f"/jobs?job={job.id}")
    page.wait_for_function("() => document.querySelector('[data-testid=stVideo]')?.ended")
    for route in held:
        route.continue_()
    assert visit.plays() == job.id
    expect(strip_of(page).get_by_text("The video cannot be loaded.")).to_be_hidden()


def test_frames_are_stepped_one_by_one(room: Room, visitor: Visitor) -> None:
    visit = visitor(room.app)
    visit.open("/jobs")
    [job] = room.made(visit)
    page = opened(room, visit, job)
    press(page, "One frame forward")
    assert shown(visit, "video.paused") is True
    visit.video.evaluate("video => new Promise(done => { video.onseeked = done; video.currentTime = 0 })")

    def frame() -> float:
        page.wait_for_function("() => !document.querySelector('[data-testid=stVideo]').seeking")
        return float(str(shown(visit, "video.currentTime"))) * FPS

    press(page, "One frame forward")
    assert frame() == pytest.approx(1.5, abs=0.01), "the middle of the second frame"
    press(page, "One frame forward")
    assert frame() == pytest.approx(2.5, abs=0.01)
    press(page, "One frame back")
    assert frame() == pytest.approx(1.5, abs=0.01)
    page.keyboard.press(".")
    page.keyboard.press(".")
    page.keyboard.press(",")
    assert frame() == pytest.approx(2.5, abs=0.01)
    for _ in range(8):
        page.keyboard.press(",")
    assert frame() == pytest.approx(0.5, abs=0.01), "nothing before the first"
    page.get_by_label("Note").press_sequentially("One, two. Three.")
    assert frame() == pytest.approx(0.5, abs=0.01), "writing moved the video"


def test_the_keyboard_reaches_every_control_and_leaves_the_arrows_to_the_page(room: Room, visitor: Visitor) -> None:
    visit = visitor(room.app)
    visit.open("/jobs")
    older, newer = room.made(visit, 2)
    page = opened(room, visit, newer)
    strip = strip_of(page)
    reached: list[str] = []
    strip.get_by_role("button", name="Loop").focus()
    for _ in range(9):
        at = strip.locator(":focus")
        assert at.evaluate("node => getComputedStyle(node).outlineStyle") == "solid", (
            "where the focus is cannot be seen"
        )
        reached.append(str(at.get_attribute("aria-label")))
        page.keyboard.press("Tab")
    assert reached == [
        "Loop", "Speed", "One frame back", "One frame forward", "Full screen",
        "Copy prompt", "Copy link", "Download video", "Download poster",
    ]  # fmt: skip
    strip.get_by_label("Speed").focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowRight")
    assert f"job={newer.id}" in page.url, "choosing a speed turned the page"
    strip.get_by_role("button", name="Loop").focus()
    page.keyboard.press("Enter")
    expect(strip.get_by_role("button", name="Loop")).to_be_focused()
    page.keyboard.press("ArrowRight")
    expect(page).to_have_url(re.compile(f"job={older.id}"))


def test_full_screen(room: Room, visitor: Visitor) -> None:
    visit = visitor(room.app)
    visit.open("/jobs")
    [job] = room.made(visit)
    page = opened(room, visit, job)
    press(page, "Full screen")
    page.wait_for_function("() => document.fullscreenElement?.dataset.testid === 'stVideo'")
    assert shown(visit, "video.paused") is False
    page.evaluate("document.exitFullscreen()")


def test_prompt_and_link_are_copied(room: Room, visitor: Visitor) -> None:
    visit = visitor(room.app)
    visit.context.grant_permissions(["clipboard-read", "clipboard-write"])
    visit.open("/jobs")
    [job] = room.made(visit)
    page = opened(room, visit, job)
    press(page, "Copy prompt")
    expect(strip_of(page).get_by_role("status")).to_have_text("Copied")
    assert page.evaluate("navigator.clipboard.readText()") == PROMPT
    press(page, "Copy link")
    page.wait_for_function(f"async () => await navigator.clipboard.readText() === '{room.app.url}/jobs?job={job.id}'")
    expect(strip_of(page).get_by_role("status")).to_have_text("")
    expect(strip_of(page).get_by_role("button", name="Copy link")).to_have_text("Link")


def test_copying_works_without_a_clipboard_of_the_browser(room: Room, visitor: Visitor) -> None:
    visit = visitor(room.app)
    visit.context.add_init_script(NO_CLIPBOARD)
    visit.open("/jobs")
    [job] = room.made(visit, prompt="Only words.")
    page = opened(room, visit, job)
    press(page, "Copy prompt")
    expect(strip_of(page).get_by_role("status")).to_have_text("Copied")
    note = page.get_by_label("Note")
    note.focus()
    page.keyboard.press("Control+V")
    expect(note).to_have_value("Only words.")
    assert strip_of(page).locator("textarea").count() == 0


def test_video_and_poster_are_downloaded(room: Room, visitor: Visitor) -> None:
    visit = visitor(room.app)
    visit.open("/jobs")
    [job] = room.made(visit)
    page = opened(room, visit, job)
    name = f"lucy14b-{job.created_at:%Y%m%d-%H%M%S}-{job.id[:8]}"
    for label, part, ending, kind in (
        ("Download video", "video.mp4", "mp4", "video/mp4"),
        ("Download poster", "poster.jpg", "jpg", "image/jpeg"),
    ):
        with page.expect_download() as download:
            strip_of(page).get_by_role("link", name=label, exact=True).click()
        assert download.value.suggested_filename == f"{name}.{ending}"
        assert download.value.url == f"{room.app.url}/takes/{job.id}/{part}?download"
        assert visit.get(f"/takes/{job.id}/{part}?download").headers["content-type"] == kind
    expect(strip_of(page).get_by_role("button", name="Loop")).to_be_visible()


TAG = """frame => {
    frame.contentWindow.tagged = 'the same frame';
    const video = document.querySelector('[data-testid=stVideo]');
    video.tagged = 'the same node';
    window.paused = 0;
    video.addEventListener('pause', () => window.paused += 1);
}"""


def test_the_controls_survive_refreshes(room: Room, visitor: Visitor) -> None:
    visit = visitor(room.app)
    visit.open("/jobs")
    [job] = room.made(visit)
    room.fal.run_s = LONG_S
    other = room.ask(visit, "Another one.")
    page = visit.open("/lucy14b")
    page.locator(f".st-key-card-{job.id}").get_by_role("button", name="Open").click()
    assert visit.plays() == job.id
    strip_of(page).get_by_label("Speed").select_option("2")
    expect(page).to_have_title("(1) Takes")
    page.locator("iframe[title='Player controls']").evaluate(TAG)
    page.wait_for_timeout(TICKS_MS)
    frame = page.locator("iframe[title='Player controls']")
    assert frame.evaluate("frame => frame.contentWindow.tagged") == "the same frame"
    assert shown(visit, "[video.tagged, video.paused, video.playbackRate]") == ["the same node", False, 2]
    assert page.evaluate("window.paused") == 0
    room.fal.run_s = 0.0
    expect(page).to_have_title("Takes")  # the stage refreshes alone, and the tab is told all the same
    assert room.studio.get(None, other.id).state is State.SUCCEEDED
    assert page.evaluate("window.paused") == 0
    assert frame.evaluate("frame => frame.contentWindow.tagged") == "the same frame"


def test_a_finger_finds_every_control(room: Room, browser: Browser) -> None:
    context = browser.new_context(viewport={"width": 390, "height": 844}, has_touch=True)
    context.set_default_timeout(20_000)
    with closing(context):
        finger(room, Visit(room.app, context))


def finger(room: Room, visit: Visit) -> None:
    visit.open("/jobs")
    [job] = room.made(visit)
    page = visit.open(f"/jobs?job={job.id}")
    controls = strip_of(page).locator("button, select, a")
    expect(controls).to_have_count(9)
    for control in controls.all():
        box = control.bounding_box() or {"width": 0, "height": 0, "x": 0}
        assert min(box["width"], box["height"]) >= 44, control
        assert box["x"] + box["width"] <= 390
    visit.open("/jobs?view=Gallery")
    page.wait_for_timeout(500)
    tile(page, job).tap()
    page.wait_for_function(f"() => ({PLAYS})(document.querySelector('[data-tile] video'))")
    tile(page, job).tap()
    page.wait_for_function("() => document.querySelector('[data-tile] video').paused")
    assert visit.crashes == visit.violations == []


# --- tiles ------------------------------------------------------------------------------------------------------------


def tile(page: Page, job: Job) -> Locator:
    return page.locator(f"[data-tile] video[src='/takes/{job.id}/video.mp4']")


def gallery(visit: Visit, asked: list[str] | None = None) -> Page:
    """The gallery, with its conductor at work."""
    if asked is not None:
        visit.context.on("response", lambda response: asked.append(response.url))
    page = visit.open("/jobs?view=Gallery")
    expect(page.frame_locator("iframe[title='Sound']").get_by_role("switch")).to_be_attached()
    return page


def playing(page: Page, *jobs: Job) -> None:
    """Wait until exactly these play."""
    page.wait_for_function(f"wanted => JSON.stringify({PLAYING}) === JSON.stringify(wanted)", arg=[j.id for j in jobs])


def test_a_tile_plays_under_the_pointer_and_one_at_a_time(room: Room, visitor: Visitor) -> None:
    visit = visitor(room.app)
    visit.page.emulate_media(reduced_motion="no-preference")
    visit.open("/jobs")
    one, two = room.made(visit, 2)
    asked: list[str] = []
    page = gallery(visit, asked)
    expect(tile(page, one)).to_be_visible()
    page.wait_for_timeout(500)
    assert [url for url in asked if url.endswith("poster.jpg")]
    assert not [url for url in asked if url.endswith("video.mp4")], "a video was loaded that nobody asked for"
    tile(page, one).hover()
    playing(page, one)
    assert tile(page, one).evaluate("video => video.muted")
    tile(page, two).hover()
    playing(page, two)
    page.get_by_role("heading", name="Jobs").hover()
    playing(page)
    assert tile(page, two).evaluate("video => video.currentTime") == 0
    # A press makes it stay, with sound; the pointer elsewhere does not stop it, another press does.
    tile(page, one).click()
    playing(page, one)
    assert not tile(page, one).evaluate("video => video.muted")
    tile(page, two).hover()
    page.wait_for_timeout(600)
    playing(page, one)
    tile(page, two).click()
    playing(page, two)
    tile(page, two).click()
    playing(page)
    # On another page and back: still one conductor, or a press would be two.
    menu = page.get_by_test_id("stSidebarNavLink")
    menu.filter(has_text="Lucy 14B").click()
    visit.heading("Lucy 14B")
    visit.settled()
    menu.filter(has_text="Jobs").click()
    visit.heading("Jobs")
    page.get_by_text("Gallery", exact=True).click()
    expect(page.frame_locator("iframe[title='Sound']").get_by_role("switch")).to_be_attached()
    tile(page, one).click()
    playing(page, one)


def test_a_pointer_in_passing_and_a_wish_for_less_motion_start_nothing(room: Room, visitor: Visitor) -> None:
    visit = visitor(room.app)
    visit.open("/jobs")
    [job] = room.made(visit)
    asked: list[str] = []
    page = gallery(visit, asked)
    tile(page, job).hover()  # visitors of these tests wish for less motion
    page.wait_for_timeout(700)
    page.emulate_media(reduced_motion="no-preference")
    page.get_by_role("heading", name="Jobs").hover()
    tile(page, job).hover()
    page.wait_for_timeout(100)
    page.get_by_role("heading", name="Jobs").hover()
    page.wait_for_timeout(500)
    playing(page)
    assert not [url for url in asked if url.endswith("video.mp4")]
    button = page.get_by_role("button", name=re.compile("^Play: The lamp turns & waves"))
    button.focus()
    page.keyboard.press("Enter")
    playing(page, job)
    expect(page.get_by_role("button", name=re.compile("^Pause: The lamp"))).to_be_focused()
    page.keyboard.press("Space")
    playing(page)


def test_on_a_model_s_page_the_stage_gives_way_to_the_take_that_is_pressed(room: Room, visitor: Visitor) -> None:
    visit = visitor(room.app)
    visit.open("/jobs")
    one, two = room.made(visit, 2)
    page = visit.open("/lucy14b")
    assert visit.plays() == two.id
    playing(page, two)
    page.locator(f".st-key-card-{one.id} video").evaluate("video => video.play()")
    playing(page, one)
    room.fal.run_s = LONG_S
    visit.take_sample()
    visit.generate.click()
    expect(page.get_by_role("button", name="Cancel", exact=True)).to_be_visible()
    page.locator(f".st-key-card-{one.id} video").evaluate("video => video.play()")
    room.fal.run_s = 0.0
    expect(page.locator("[data-testid=stVideo]")).to_be_visible(timeout=DONE_MS)  # it ends, and would play by itself
    page.wait_for_timeout(500)
    playing(page, one)


def test_what_is_missing_looks_calm(room: Room, visitor: Visitor) -> None:
    visit = visitor(room.app)
    visit.open("/jobs")
    [job] = room.made(visit, prompt="Its files are gone.")
    room.fal.run_s = LONG_S
    waiting = room.ask(visit, "Its still is gone.")
    assert job.video
    assert waiting.still
    for key in (job.video.key, job.video.poster, waiting.still):
        room.path(key).unlink()
    page = gallery(visit)
    image = page.get_by_alt_text("The still (missing)")
    expect(image).to_be_visible()
    assert image.evaluate("image => image.complete && image.naturalWidth > 0"), "a broken picture is shown"
    tile(page, job).click()
    expect(page.get_by_text("Video missing")).to_be_disabled()
    room.fal.run_s = 0.0
    [other] = room.made(visit, prompt="Its file cannot be read.")
    page.route("**/video.mp4", lambda route: route.abort())
    visit.open(f"/jobs?job={other.id}")
    expect(strip_of(page).get_by_text("The video cannot be loaded.")).to_be_visible()
    expect(strip_of(page).get_by_role("button", name="Loop")).to_have_count(0)
    expect(strip_of(page).get_by_role("button", name="Copy prompt")).to_be_visible()


# --- the tone ---------------------------------------------------------------------------------------------------------


def tones(page: Page) -> int:
    return int(page.evaluate("localStorage.getItem('tones') ?? 0"))


def rung(page: Page, count: int) -> None:
    page.wait_for_function(f"() => localStorage.getItem('tones') === '{count}'")


@pytest.mark.parametrize("path", ["/jobs", "/lucy14b"])
def test_a_tone_tells_that_a_take_is_done(path: str, room: Room, visitor: Visitor) -> None:
    visit = visitor(room.app)
    visit.context.add_init_script(TONES)
    page = visit.open("/jobs")
    [first] = room.made(visit)
    visit.open("/jobs")
    expect(page.get_by_text("1 take", exact=True)).to_be_visible()
    switch = page.frame_locator("iframe[title='Sound']").get_by_role("switch")
    expect(switch).not_to_be_checked()
    page.wait_for_timeout(500)
    assert tones(page) == 0, f"a sound nobody asked for, of {first.id}"
    page.frame_locator("iframe[title='Sound']").get_by_text("Sound when a take is done").click()
    expect(switch).to_be_checked()
    rung(page, 2)  # two notes, so that one knows it
    room.fal.run_s = LONG_S
    job = room.ask(visit, "It will ring.")
    visit.open(path)
    page.get_by_role("heading", level=2).click()  # a browser that was not touched since gives no sound
    expect(page.get_by_role("button", name="Cancel", exact=True)).to_be_visible()
    room.fal.run_s = 0.0
    room.until(job, State.SUCCEEDED)
    rung(page, 4)
    page.reload()
    visit.settled()
    page.get_by_role("heading", level=2).click()
    page.wait_for_timeout(1000)
    assert tones(page) == 4, "it rang again for the same take"
