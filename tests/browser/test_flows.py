"""What a person does, in a real browser: from a cold link to a playing video, and what must survive on the way."""

import re
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import (
    PHONE,
    App,
    await_video,
    choose_sample,
    generate,
    settle,
    visit,
    write_prompt,
)
from tests.fal_server import FalServer
from tests.fal_server.faults import Fault

Visitor = Callable[..., Page]
PLAYER = "[data-testid=stVideo]"


@pytest.mark.parametrize(
    ("path", "heading"), [("/jobs", "Jobs"), ("/splice", "Splice"), ("/wan27", "Wan 2.7"), ("/", "Lucy 14B")]
)
def test_a_cold_deep_link_opens_its_page(
    new_app: Callable[..., App], visitor: Visitor, path: str, heading: str
) -> None:
    page = visitor()
    visit(page, new_app().url + path)
    expect(page.get_by_role("heading", name=heading, exact=True)).to_be_visible()
    expect(page.get_by_text("Page not found")).to_have_count(0)


def test_the_front_page_is_the_one_that_is_configured(new_app: Callable[..., App], visitor: Visitor) -> None:
    page = visitor()
    visit(page, new_app(PROVIDER_NAME="wan27").url)
    expect(page.get_by_role("heading", name="Wan 2.7", exact=True)).to_be_visible()


def test_three_clicks_to_a_playing_video_that_a_crash_does_not_lose(
    new_app: Callable[..., App], visitor: Visitor
) -> None:
    app = new_app()
    page = visitor()
    refused: list[str] = []
    page.on("console", lambda message: refused.append(message.text) if "Content Security" in message.text else None)
    visit(page, f"{app.url}/lucy14b")
    choose_sample(page)
    write_prompt(page, "Slow orbit to the left, snow falls")
    generate(page)
    expect(page.locator(".st-key-stage-head")).to_contain_text(
        re.compile("Waiting|Sending|line|Rendering|Running|Saving"), timeout=10_000
    )
    await_video(page)
    source = page.locator(PLAYER).get_attribute("src")
    assert source
    expect(page.get_by_text("Not the AI model").first).to_be_visible()
    app.kill()
    app.start()
    visit(page, f"{app.url}/lucy14b")
    await_video(page)
    assert page.locator(PLAYER).get_attribute("src") == source
    assert refused == []


def test_a_crash_in_the_middle_of_a_render_is_made_good(new_app: Callable[..., App], visitor: Visitor) -> None:
    app = new_app()
    page = visitor()
    visit(page, f"{app.url}/lucy14b")
    choose_sample(page)
    generate(page)
    expect(page.locator(".st-key-stage-head")).to_contain_text("Rendering", timeout=20_000)
    app.kill()
    app.start()
    visit(page, f"{app.url}/lucy14b")
    await_video(page)
    assert not list((app.data / "parts").iterdir())


def test_the_hosted_model_is_asked_once_and_its_video_plays(new_app: Callable[..., App], visitor: Visitor) -> None:
    with FalServer(queue_s=0.5, run_s=1.0) as fal:
        app = new_app(FAL_BASE_URL=fal.url, FAL_API_KEY=fal.key)
        page = visitor()
        visit(page, f"{app.url}/lucy14b")
        expect(page.get_by_text("Lucy 14B on fal.ai")).to_be_visible()
        choose_sample(page)
        expect(page.get_by_role("button", name="Generate")).to_contain_text("$0.40 to $0.80")
        generate(page)
        await_video(page)
        assert len(fal.accepted) == 1
        assert fal.key not in app.log
        assert fal.key not in page.content()


def test_a_wrong_key_is_told_with_what_to_do(new_app: Callable[..., App], visitor: Visitor) -> None:
    with FalServer() as fal:
        app = new_app(FAL_BASE_URL=fal.url, FAL_API_KEY="wrong:key")
        page = visitor()
        visit(page, f"{app.url}/lucy14b")
        choose_sample(page)
        generate(page)
        expect(page.locator(".st-key-takes")).to_contain_text("FAL_API_KEY", timeout=20_000)
        expect(page.locator(".st-key-takes")).to_contain_text("Not charged")
        expect(page.get_by_label("Prompt", exact=True)).not_to_have_value("")
        assert fal.accepted == []


def test_a_lost_answer_is_never_sent_again(new_app: Callable[..., App], visitor: Visitor) -> None:
    with FalServer() as fal:
        fal.fault("submit", Fault(cut="after"))
        app = new_app(FAL_BASE_URL=fal.url, FAL_API_KEY=fal.key)
        page = visitor()
        visit(page, f"{app.url}/lucy14b")
        choose_sample(page)
        generate(page)
        expect(page.locator(".st-key-stage-head")).to_contain_text("Outcome unknown", timeout=20_000)
        page.wait_for_timeout(3000)
        assert len(fal.accepted) == 1


def test_a_video_plays_on_through_refreshes(app: App, visitor: Visitor) -> None:
    page = visitor()
    visit(page, f"{app.url}/lucy14b")
    choose_sample(page)
    generate(page)
    await_video(page)
    visit(page, f"{app.url}/jobs")
    page.get_by_text("Gallery", exact=True).click()
    page.get_by_role("button", name="Open", exact=True).first.click()
    page.wait_for_url("**/jobs?job=*")
    await_video(page)
    page.evaluate(
        """() => { const v = document.querySelector('[data-testid=stVideo]'); window.kept = v; window.pauses = 0;
                   v.addEventListener('pause', () => window.pauses++) }"""
    )
    other = page.context.new_page()
    visit(other, f"{app.url}/lucy5b")
    choose_sample(other, "Valley")
    generate(other)
    await_video(other)
    page.bring_to_front()
    page.get_by_text("Live", exact=True).click()
    page.get_by_text("All", exact=True).click()
    expect(page.locator(".st-key-gallery")).to_contain_text("Mist drifts", timeout=15_000)
    page.wait_for_timeout(2500)
    state = page.evaluate(
        "() => { const v = document.querySelector('[data-testid=stVideo]'); return [v === window.kept, window.pauses, v.paused] }"
    )
    assert state == [True, 0, False]


def test_what_is_half_typed_survives_a_live_job(app: App, visitor: Visitor) -> None:
    page = visitor()
    visit(page, f"{app.url}/kling25-turbo-pro")
    choose_sample(page, "Balloon")
    generate(page)
    expect(page.locator(".st-key-stage-head")).to_contain_text("Rendering", timeout=30_000)
    prompt = page.get_by_label("Prompt", exact=True)
    prompt.click()
    page.keyboard.press("Control+A")
    page.keyboard.type("half a thou")
    page.wait_for_timeout(2500)
    expect(prompt).to_be_focused()
    expect(prompt).to_have_value("half a thou")


def test_another_browser_sees_none_of_it(app: App, visitor: Visitor) -> None:
    mine, theirs = visitor(), visitor()
    visit(mine, f"{app.url}/veo31-fast")
    choose_sample(mine)
    generate(mine)
    await_video(mine)
    source = str(mine.locator(PLAYER).get_attribute("src"))
    job = source.split("/takes/")[1].split("/")[0]
    visit(theirs, f"{app.url}/jobs?job={job}")
    expect(theirs.get_by_text("There is no such take")).to_be_visible()
    expect(theirs.get_by_text("No takes yet")).to_be_visible()
    assert theirs.request.get(source).status == 404
    assert httpx.get(source).status_code == 404
    assert mine.request.get(source, headers={"Range": "bytes=0-99"}).status == 206


def test_on_a_phone_still_prompt_generate_and_stage_follow_in_that_order(app: App, visitor: Visitor) -> None:
    page = visitor(PHONE)
    visit(page, f"{app.url}/lucy14b")
    choose_sample(page)
    places = [
        box["y"]
        for box in (
            page.get_by_alt_text("The still as it will be used").bounding_box(),
            page.get_by_label("Prompt", exact=True).bounding_box(),
            page.get_by_role("button", name="Generate").bounding_box(),
            page.locator(".st-key-takes").bounding_box(),
        )
        if box
    ]
    assert len(places) == 4
    assert places == sorted(places)
    assert page.evaluate("document.scrollingElement.scrollWidth <= innerWidth")


def test_what_was_typed_survives_a_change_of_page(app: App, visitor: Visitor) -> None:
    page = visitor()
    visit(page, f"{app.url}/ltx23-fast")
    choose_sample(page, "Valley")
    write_prompt(page, "Kept for later")
    page.get_by_role("link", name="Jobs").click()
    expect(page.get_by_role("heading", name="Jobs", exact=True)).to_be_visible()
    page.get_by_role("link", name="LTX 2.3 Fast").click()
    expect(page.get_by_label("Prompt", exact=True)).to_have_value("Kept for later")
    expect(page.get_by_alt_text("The still as it will be used")).to_be_visible()


def test_a_bad_file_is_told_and_nothing_is_lost(app: App, visitor: Visitor, tmp_path: Path) -> None:
    text = tmp_path / "notes.jpg"
    text.write_text("Dear all, this is not a picture.\n" * 20)
    page = visitor()
    visit(page, f"{app.url}/lucy5b")
    write_prompt(page, "Typed before the upload")
    page.locator("input[type=file]").first.set_input_files(text)
    expect(page.get_by_text("it holds text")).to_be_visible()
    expect(page.get_by_label("Prompt", exact=True)).to_have_value("Typed before the upload")
    generate(page)
    expect(page.get_by_text("Choose a still").first).to_be_visible()
    settle(page)
    expect(page.get_by_label("Prompt", exact=True)).to_have_value("Typed before the upload")


def test_a_file_over_the_limit_is_told(app: App, visitor: Visitor, tmp_path: Path) -> None:
    big = tmp_path / "big.jpg"
    big.write_bytes(b"\xff\xd8\xff" + bytes(31 * 1024 * 1024))
    page = visitor()
    visit(page, f"{app.url}/lucy5b")
    page.locator("input[type=file]").first.set_input_files(big)
    expect(page.get_by_text(re.compile(r"30(\.0)? ?MB or smaller"))).to_be_visible()


def test_clips_are_spliced_in_their_order(app: App, visitor: Visitor) -> None:
    page = visitor()
    visit(page, f"{app.url}/splice")
    page.get_by_role("button", name="Try it with the samples").click()
    expect(page.get_by_text("Hot-air balloon")).to_be_visible()
    page.get_by_role("button", name="Splice").click()
    await_video(page)
    expect(page.locator(".st-key-takes")).to_contain_text("9.0 s")
