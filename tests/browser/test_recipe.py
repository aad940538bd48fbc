"""A downloaded take, dropped on a form: it opens as it was, and gives back what was typed; other videos are told apart."""

import base64
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from core.jobs.recipe import NONE
from tests.browser.conftest import Visitor
from tests.browser.server import App
from tests.browser.visit import Visit

PROMPT = "The lamp turns 🌊 and waves roll in.\nSlow push in."
TYPED = "Half a sentence about a heron that"
SHOWN = "The still as it will be used"
DROP = """([zone, name, data]) => {
    const bytes = Uint8Array.from(atob(data), sign => sign.charCodeAt(0));
    const carried = new DataTransfer();
    carried.items.add(new File([bytes], name, {type: 'video/mp4'}));
    for (const what of ['dragenter', 'dragover', 'drop'])
        zone.dispatchEvent(new DragEvent(what, {dataTransfer: carried, bubbles: true, cancelable: true}));
}"""


def drop(page: Page, data: bytes, name: str = "take.mp4") -> None:
    """Let a file fall on the still's place, as the mouse would."""
    zone = page.get_by_test_id("stFileUploaderDropzone").first.element_handle()
    page.evaluate(DROP, [zone, name, base64.b64encode(data).decode("ascii")])


def prompt(page: Page) -> str:
    return page.get_by_role("textbox", name="Prompt", exact=True).input_value()


def typed(visit: Visit, path: str) -> Page:
    """A new tab on a model's page, with half a sentence in it."""
    page = visit.open(path, visit.context.new_page())
    box = page.get_by_role("textbox", name="Prompt", exact=True)
    box.fill(TYPED)
    box.blur()
    visit.settled(page)
    return page


def more(page: Page) -> None:
    """Open the folded part of the form."""
    page.get_by_text("More settings", exact=True).click()


def one_take(page: Page) -> None:
    """The one that was made stands beside the form, and no other: nothing was sent by opening it."""
    expect(page.get_by_test_id("stVideo")).to_have_count(1)
    expect(page.locator(".st-key-takes").get_by_role("button", name="Open", exact=True)).to_have_count(0)
    expect(page.get_by_role("button", name="Cancel", exact=True)).to_have_count(0)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("recipe")


def test_a_download_brings_its_form_back_on_any_page(app: App, visitor: Visitor, home: Path) -> None:
    visit: Visit = visitor(app)
    page = visit.open("/lucy14b")
    visit.take_sample()
    visit.write(PROMPT)
    more(page)
    page.get_by_role("radio", name="9:16").click()
    expect(page.get_by_text("to fill 9:16")).to_be_visible()
    visit.settled()
    move = page.get_by_role("combobox", name="Camera move")
    move.click()
    move.press_sequentially("orbit left")
    expect(page.get_by_role("option")).to_have_count(1)
    move.press("Enter")
    expect(page.get_by_text("slow orbit left")).to_be_visible()
    visit.settled()
    still = page.get_by_alt_text(SHOWN).get_attribute("src")
    visit.generate.click()
    job = visit.plays()
    strip = page.frame_locator("iframe[title='Player controls']")
    with page.expect_download() as download:
        strip.get_by_role("link", name="Download video").click()
    download.value.save_as(home / "carried.mp4")
    carried = (home / "carried.mp4").read_bytes()
    assert carried != visit.get(f"/takes/{job}/video.mp4").body(), "the settings are not in it"

    other = typed(visit, "/wan27")
    drop(other, carried)
    expect(other.get_by_role("heading", name="Lucy 14B", level=2)).to_be_visible()
    expect(other.get_by_role("textbox", name="Prompt", exact=True)).to_have_value(PROMPT)
    expect(other.get_by_text("Filled from a dropped video, made")).to_be_visible()
    expect(other.get_by_alt_text(SHOWN)).to_be_visible()
    more(other)
    expect(other.get_by_role("radio", name="9:16")).to_be_checked()
    expect(other.get_by_role("combobox", name="Camera move")).to_have_value("orbit left")
    assert other.get_by_alt_text(SHOWN).get_attribute("src") == still
    one_take(other)
    other.get_by_role("link", name="Wan 2.7").click()
    expect(other.get_by_role("heading", name="Wan 2.7", level=2)).to_be_visible()
    expect(other.get_by_role("textbox", name="Prompt", exact=True)).to_have_value(TYPED)

    same = typed(visit, "/lucy14b")
    drop(same, carried)
    expect(same.get_by_role("textbox", name="Prompt", exact=True)).to_have_value(PROMPT)
    expect(same.get_by_alt_text(SHOWN)).to_be_visible()
    same.get_by_role("button", name="Bring back what stood here").click()
    expect(same.get_by_role("textbox", name="Prompt", exact=True)).to_have_value(TYPED)
    expect(same.get_by_alt_text(SHOWN)).to_have_count(0)
    expect(same.get_by_text("Filled from")).to_have_count(0)


def test_a_foreign_video_is_told_plainly_and_takes_nothing(app: App, visitor: Visitor) -> None:
    visit: Visit = visitor(app)
    page = visit.open("/lucy14b")
    job = visit.make(PROMPT)
    stored = visit.get(f"/takes/{job}/video.mp4").body()
    page.get_by_role("button", name="Change", exact=True).click()
    expect(page.get_by_alt_text(SHOWN)).to_have_count(0)
    drop(page, stored, "![holiday](https://evil.example/x.png).mp4")
    expect(page.get_by_role("alert").filter(has_text=NONE)).to_be_visible()
    assert prompt(page) == PROMPT
    page.get_by_role("button", name="Keep the one before").click()
    expect(page.get_by_alt_text(SHOWN)).to_be_visible()
    expect(page.get_by_role("alert").filter(has_text=NONE)).to_have_count(0)
    one_take(page)
