"""From an empty form to a playing video, through restarts, refreshes and wrong keys."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.conftest import Visitor
from tests.browser.server import App
from tests.browser.visit import DONE_MS, Visit
from tests.fal_server import FalServer, Fault

PROMPT = "The lamp turns and waves roll in. Slow push in."
WATCH_S = 8.0  # at one refresh a second, enough of them to interrupt a player that can be interrupted


@pytest.mark.parametrize(("path", "title"), [("/jobs", "Jobs"), ("/splice", "Splice")])
def test_the_very_first_visit_may_be_to_any_page(path: str, title: str, visitor: Visitor, tmp_path: Path) -> None:
    with App(tmp_path) as fresh:
        visit: Visit = visitor(fresh)
        visit.open(path)
        visit.heading(title)
        expect(visit.page.get_by_text("Page not found")).to_have_count(0)
        assert visit.page.url == fresh.url + path


def test_the_front_page_is_the_model_that_is_configured(visitor: Visitor, tmp_path: Path) -> None:
    with App(tmp_path, PROVIDER_NAME="wan27") as fresh:
        visit: Visit = visitor(fresh)
        visit.open("/")
        visit.heading("Wan 2.7")


def test_sample_prompt_generate_and_it_plays(app: App, visitor: Visitor) -> None:
    visit: Visit = visitor(app)
    visit.open("/")
    visit.heading("Lucy 14B")
    job = visit.make(PROMPT)
    first = visit.video.evaluate("video => video.currentTime")
    visit.page.wait_for_function(f"() => document.querySelector('[data-testid=stVideo]').currentTime !== {first}")
    assert visit.video.evaluate("video => [video.videoWidth, video.videoHeight]") == [1280, 720]
    expect(visit.state("Done")).to_be_visible()
    assert visit.prompt.input_value() == PROMPT, "what was typed stays"
    part = visit.context.request.get(f"{app.url}/takes/{job}/video.mp4", headers={"range": "bytes=0-99"})
    assert (part.status, len(part.body())) == (206, 100)


def test_generate_takes_what_was_typed_last(app: App, visitor: Visitor) -> None:
    """A click right after typing sends the text and the click at once; the text of before must not be sent."""
    visit: Visit = visitor(app)
    visit.open("/lucy14b")
    visit.take_sample()
    visit.prompt.fill("The newest words. Static camera.")
    visit.generate.click()
    shown = visit.page.get_by_test_id("stText").filter(has_text="The newest words. Static camera.")
    expect(shown).to_be_visible()
    visit.plays()
    expect(shown).to_be_visible()


def test_pulling_the_plug_loses_nothing(visitor: Visitor, tmp_path: Path) -> None:
    with App(tmp_path) as app:
        visit: Visit = visitor(app)
        visit.open("/lucy14b")
        done = visit.make(PROMPT)
        film = visit.get(f"/takes/{done}/video.mp4").body()
        visit.write("Night falls. Pan left.")
        visit.generate.click()
        expect(visit.page.get_by_role("button", name="Cancel")).to_be_visible()
        app.kill()
        app.start()
        visit.open(f"/jobs?job={done}")
        assert visit.plays() == done
        assert visit.get(f"/takes/{done}/video.mp4").body() == film
        visit.open("/lucy14b")
        assert visit.plays() != done, "the take that was cut short is made after all"
        expect(visit.page.get_by_role("button", name="Open", exact=True)).to_have_count(1)
        assert not list((tmp_path / "data" / "parts").iterdir()), "nothing half done is left lying about"


def test_a_hosted_take_is_sent_once_and_plays(hosted: App, fal: FalServer, visitor: Visitor) -> None:
    visit: Visit = visitor(hosted)
    visit.open("/lucy14b")
    before = len(fal.calls("submit"))
    visit.take_sample()
    expect(visit.generate).to_contain_text("about $0.40 to $0.80")
    visit.write(PROMPT)
    visit.generate.click()
    visit.plays()
    [submit] = fal.calls("submit")[before:]
    assert submit.body["prompt"] == PROMPT
    assert submit.body["image_url"].startswith(fal.url)
    expect(visit.page.get_by_text("Lucy 14B · fal.ai")).to_be_visible()
    assert fal.key not in visit.page.content()
    assert fal.key not in hosted.log()


def test_a_lost_answer_is_never_sent_again(visitor: Visitor, tmp_path: Path) -> None:
    with FalServer() as fal:
        fal.fault("submit", Fault(cut="after"))
        with App(tmp_path, FAL_BASE_URL=fal.url, FAL_API_KEY=fal.key, POLL_SECONDS="0.3") as app:
            visit: Visit = visitor(app)
            visit.open("/lucy14b")
            visit.take_sample()
            visit.generate.click()
            expect(visit.state("Outcome unknown")).to_be_visible(timeout=DONE_MS)
            app.kill()
            app.start()
            visit.open("/lucy14b")
            expect(visit.state("Outcome unknown")).to_be_visible()
            expect(visit.page.get_by_text("attach its request id")).to_be_visible()
        assert len(fal.calls("submit")) == len(fal.accepted) == 1


def test_a_wrong_key_is_said_on_the_stage(fal: FalServer, visitor: Visitor, tmp_path: Path) -> None:
    wrong = "wrong-id:wrong-secret"
    with App(tmp_path, FAL_BASE_URL=fal.url, FAL_API_KEY=wrong, POLL_SECONDS="0.3") as app:
        visit: Visit = visitor(app)
        visit.open("/lucy14b")
        accepted = len(fal.accepted)
        visit.take_sample()
        visit.generate.click()
        expect(visit.state("Failed")).to_be_visible(timeout=DONE_MS)
        alert = visit.page.get_by_role("alert").filter(has_text="key")
        expect(alert).to_be_visible()
        expect(alert).to_contain_text("Not charged.")
        assert len(fal.accepted) == accepted
        assert wrong not in visit.page.content()
        assert "wrong-secret" not in app.log()


WATCH = """video => {
    video.tagged = 'the same node';
    window.heard = [];
    for (const name of ['pause', 'emptied', 'abort', 'error'])
        video.addEventListener(name, () => name === 'pause' && video.ended || window.heard.push(name));
    window.played = 0;
    let last = video.currentTime;
    video.addEventListener('timeupdate', () => {
        window.played += (video.currentTime - last + video.duration) % video.duration;
        last = video.currentTime;
    });
    video.play();
}"""


def test_a_playing_take_is_left_alone_while_others_are_made(app: App, visitor: Visitor) -> None:
    """Two takes of another tab appear above, end, and move down into the gallery around the one that plays."""
    visit: Visit = visitor(app)
    visit.open("/lucy14b")
    job = visit.make(PROMPT)
    other = visit.context.new_page()
    visit.open("/lucy14b", other)
    visit.page.bring_to_front()  # a page behind another paints nothing, and need not play
    visit.open("/jobs?view=Gallery")
    video = visit.page.locator(f"video[src='/takes/{job}/video.mp4']")
    video.evaluate(WATCH)
    visit.page.get_by_placeholder("Words").press_sequentially("half a wo")
    visit.take_sample("Valley", other)
    other.get_by_role("button", name="Generate").click()
    expect(other.get_by_role("button", name="Cancel").first).to_be_visible()
    other.get_by_role("button", name="Generate").click()
    other.get_by_role("button", name="Make another one").click()
    expect(visit.page.locator("video")).to_have_count(3, timeout=DONE_MS)  # both have ended and moved down
    visit.page.wait_for_function(f"() => window.played >= {WATCH_S}", timeout=DONE_MS)
    assert video.evaluate("video => [video.tagged, video.paused]") == ["the same node", False]
    assert visit.page.evaluate("window.heard") == []
    box = visit.page.get_by_placeholder("Words")
    expect(box).to_have_value("half a wo")
    expect(box).to_be_focused()


def test_a_gallery_loads_no_video_before_it_is_pressed(app: App, visitor: Visitor) -> None:
    visit: Visit = visitor(app)
    visit.open("/lucy14b")
    visit.make(PROMPT)
    asked: list[str] = []
    visit.context.on("request", lambda request: asked.append(request.url))
    visit.open("/jobs?view=Gallery")
    expect(visit.page.locator("video")).to_have_count(1)
    visit.page.wait_for_timeout(1500)
    assert any(url.endswith("/poster.jpg") for url in asked)
    assert not [url for url in asked if url.endswith("/video.mp4")], "a video was loaded that nobody pressed"


def test_filters_page_and_opened_take_stand_in_the_address(app: App, visitor: Visitor) -> None:
    visit: Visit = visitor(app)
    visit.open("/lucy14b")
    first = visit.make("A heron lifts off. Slow push in.")
    visit.write("The lamp turns. Pan left.")
    visit.generate.click()
    expect(visit.page.get_by_role("button", name="Open", exact=True)).to_have_count(1, timeout=DONE_MS)
    visit.plays()
    page = visit.open("/jobs?view=Gallery")
    box = page.get_by_placeholder("Words")
    box.fill("heron")
    box.press("Enter")
    expect(page.get_by_text("1 take", exact=True)).to_be_visible()
    assert "q=heron" in page.url
    page.reload()
    visit.settled()
    expect(page.get_by_placeholder("Words")).to_have_value("heron")
    expect(page.locator("video")).to_have_count(1)
    page.locator(".st-key-gallery").get_by_role("button", name="Open").click()
    assert visit.plays() == first
    assert "q=heron" in page.url
    assert f"job={first}" in page.url
    page.get_by_role("button", name="All takes").click()
    expect(page.get_by_placeholder("Words")).to_have_value("heron")
    expect(page.get_by_text("1 take", exact=True)).to_be_visible()


def test_the_tab_and_a_toast_tell_when_a_take_is_done(
    hosted: App, fal: FalServer, visitor: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fal, "run_s", 600.0)
    visit: Visit = visitor(hosted)
    visit.open("/lucy14b")
    visit.take_sample()
    visit.write("A heron lifts off.")
    visit.generate.click()
    expect(visit.page.get_by_role("button", name="Cancel")).to_be_visible()
    page = visit.open("/jobs")
    expect(page).to_have_title("(1) Takes")
    fal.run_s = 0.0  # it is done there from now on
    expect(page.get_by_test_id("stToast").filter(has_text="Done: A heron lifts off")).to_be_visible(timeout=DONE_MS)
    expect(page).to_have_title("Takes")


def test_arrow_keys_lead_from_one_take_to_the_next(app: App, visitor: Visitor) -> None:
    visit: Visit = visitor(app)
    visit.open("/lucy14b")
    first = visit.make("A heron lifts off. Slow push in.")
    visit.write("The lamp turns. Pan left.")
    visit.generate.click()
    expect(visit.page.locator(f"[data-testid=stVideo][src*='{first}']")).to_have_count(0)
    second = visit.plays()
    assert second != first
    page = visit.open(f"/jobs?job={second}")
    visit.plays()
    visit.settled()
    page.keyboard.press("ArrowRight")
    expect(page).to_have_url(re.compile(f"job={first}"))
    visit.settled()
    page.keyboard.press("ArrowLeft")
    expect(page).to_have_url(re.compile(f"job={second}"))
    expect(page.get_by_role("button", name="Newer")).to_be_disabled()


def test_typing_goes_on_while_a_take_is_made(app: App, visitor: Visitor) -> None:
    visit: Visit = visitor(app)
    visit.open("/lucy14b")
    visit.take_sample("Valley")
    visit.generate.click()
    expect(visit.page.get_by_role("button", name="Cancel")).to_be_visible()
    visit.prompt.click()
    visit.page.keyboard.press("Control+A")
    typed = "Half a thought about mist that is not yet"
    visit.prompt.press_sequentially(typed, delay=60)
    visit.plays()
    assert visit.prompt.input_value() == typed
    assert visit.prompt.evaluate("box => document.activeElement === box")
    visit.prompt.press_sequentially(" finished")
    assert visit.prompt.input_value() == f"{typed} finished"


def test_what_was_typed_survives_a_visit_to_another_page(app: App, visitor: Visitor) -> None:
    visit: Visit = visitor(app)
    visit.open("/lucy14b")
    visit.take_sample("Balloon")
    visit.write("The balloon drifts. Keep me.")
    menu = visit.page.get_by_test_id("stSidebarNavLink")
    menu.filter(has_text="Jobs").click()
    visit.heading("Jobs")
    visit.settled()
    menu.filter(has_text="Lucy 14B").click()
    visit.heading("Lucy 14B")
    visit.settled()
    assert visit.prompt.input_value() == "The balloon drifts. Keep me."
    expect(visit.page.get_by_alt_text("The still as it will be used")).to_be_visible()


def test_a_text_file_called_jpg(app: App, visitor: Visitor) -> None:
    visit: Visit = visitor(app)
    visit.open("/lucy14b")
    visit.write("Keep me.")
    notes = {"name": "notes.jpg", "mimeType": "image/jpeg", "buffer": b"Dear diary, no picture here.\n" * 30}
    visit.page.locator("input[type=file]").first.set_input_files(files=[notes])
    alert = visit.page.get_by_role("alert").filter(has_text="notes.jpg")
    expect(alert).to_contain_text("is not a picture")
    visit.settled()
    assert visit.prompt.input_value() == "Keep me."
    assert "Traceback" not in visit.page.content()


def test_a_file_over_the_limit(app: App, visitor: Visitor, tmp_path: Path) -> None:
    big = tmp_path / "big.jpg"
    big.write_bytes(b"\xff\xd8\xff" + bytes(31 * 1024 * 1024))
    visit: Visit = visitor(app)
    visit.open("/lucy5b")
    visit.page.locator("input[type=file]").first.set_input_files(big)
    expect(visit.page.get_by_text(re.compile(r"30(\.0)? ?MB or smaller"))).to_be_visible()


def test_clips_are_spliced(app: App, visitor: Visitor) -> None:
    visit: Visit = visitor(app)
    visit.open("/splice")
    visit.page.get_by_role("button", name="Try it with the samples").click()
    expect(visit.page.get_by_text("Hot-air balloon")).to_be_visible()
    visit.settled()
    visit.page.get_by_role("button", name="Splice").click()
    visit.plays()
    assert visit.video.evaluate("video => Math.round(video.duration)") == 9, "three stills of three seconds"


def test_two_visitors_do_not_see_each_other(app: App, visitor: Visitor, browser: Browser) -> None:
    one: Visit = visitor(app)
    two: Visit = visitor(app)
    one.open("/lucy14b")
    job = one.make("Only mine. Pan right.")
    two.open("/lucy14b")
    expect(two.page.get_by_text("Your takes appear here")).to_be_visible()
    two.open("/jobs")
    expect(two.page.get_by_text("No takes yet")).to_be_visible()
    two.open(f"/jobs?job={job}")
    expect(two.page.get_by_text("There is no such take.")).to_be_visible()
    assert "Only mine" not in two.page.content()
    for part in ("video.mp4", "poster.jpg", "still.jpg"):
        assert one.get(f"/takes/{job}/{part}").status == 200
        assert two.get(f"/takes/{job}/{part}").status == 404
    stranger = browser.new_context()
    assert stranger.request.get(f"{app.url}/takes/{job}/video.mp4").status == 404
    stranger.close()
    cookie = next(cookie for cookie in one.context.cookies() if cookie["name"] == "takes_owner")
    assert cookie["httpOnly"]
    assert cookie["sameSite"] == "Lax"


def test_on_a_phone_it_reads_from_the_still_to_the_stage(app: App, visitor: Visitor) -> None:
    visit: Visit = visitor(app, 390, 844)
    for path in ("/lucy14b", "/splice", "/jobs"):
        visit.open(path)
        assert overflow(visit) <= 0, path
    visit.open("/lucy14b")
    visit.make(PROMPT)
    still = visit.page.get_by_alt_text("The still as it will be used")
    tops = [(item.bounding_box() or {})["y"] for item in (still, visit.prompt, visit.generate, visit.video)]
    assert tops == sorted(tops)
    assert overflow(visit) <= 0
    visit.open("/jobs")
    assert overflow(visit) <= 0


def overflow(visit: Visit) -> int:
    """CSS pixels by which the page is wider than the window."""
    return int(visit.page.evaluate("document.scrollingElement.scrollWidth - window.innerWidth"))
