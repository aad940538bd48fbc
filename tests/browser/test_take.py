"""Every button of an opened take, and what must not happen with it."""

import re
from collections.abc import Callable
from datetime import timedelta

import pytest
from playwright.sync_api import Page, expect

from core.jobs.job import Job, State, utc_now
from core.models.spec import ClipItem
from tests.browser.inside import Inside
from tests.browser.visit import DONE_MS

TYPED = "Half a sentence about a heron that"
FOCUSED = "document.activeElement.innerText.trim()"


@pytest.fixture
def here(inside: Callable[..., Inside]) -> Inside:
    return inside()


def opened(here: Inside, job: Job, more: str = "") -> Page:
    """The take's page, once its player is there."""
    page = here.visit.open(f"/jobs?job={job.id}{more}")
    here.visit.video.wait_for()
    here.visit.settled()
    return page


def clip_names(page: Page) -> list[str]:
    """The clips in the Splice form, in their order."""
    return page.locator("[class*='st-key-splice-clips-row']").get_by_test_id("stText").all_inner_texts()


# --- what comes next ---------------------------------------------------------------------------------------------------


def test_use_these_settings_fills_the_form_and_keeps_what_was_typed(here: Inside) -> None:
    inputs = {"image": here.rows.still, "prompt": "The fog lifts.", "aspect_ratio": "9:16", "seed": 7}
    job = here.rows.take(prompt="The fog lifts.", inputs=inputs)
    page = here.visit.open("/lucy14b")
    here.visit.write(TYPED)
    page.get_by_test_id("stSidebarNavLink").filter(has_text="Jobs").click()
    here.visit.heading("Jobs")
    here.visit.settled()
    page.get_by_text("Gallery", exact=True).click()
    page.locator(".st-key-gallery").get_by_role("button", name="Open").click()
    here.visit.video.wait_for()
    page.get_by_role("button", name="Use these settings").click()
    here.visit.heading("Lucy 14B")
    expect(here.visit.prompt).to_have_value("The fog lifts.")
    expect(page.get_by_alt_text("The still as it will be used")).to_be_visible()
    page.get_by_role("button", name="Bring back what stood here").click()
    expect(here.visit.prompt).to_have_value(TYPED)
    assert here.others(job) == [], "opening the form made something"


def test_continue_begins_with_the_last_frame_and_names_its_parent(here: Inside) -> None:
    job = here.rows.take(prompt="The fog lifts. Slow push in.")
    page = opened(here, job)
    page.get_by_role("button", name="Continue from the last frame").click()
    here.visit.heading("Lucy 14B")
    expect(page.get_by_text("Filled from the last frame of a take of")).to_be_visible()
    expect(page.get_by_alt_text("The still as it will be used")).to_be_visible()
    here.visit.settled()
    here.visit.generate.click()
    expect(page.locator(f"[data-testid=stVideo][src*='{job.id}']")).to_have_count(0)  # the new one is on the stage
    here.visit.plays()
    [child] = here.others(job)
    assert (child.parent_id, child.continues) == (job.id, True)
    assert child.still not in (None, job.still), "it begins with the still of the first one"
    page = opened(here, child)
    expect(page.get_by_text("This take · Continued from the last frame")).to_be_visible()
    page.get_by_role("button", name="The fog lifts. Slow push in.").click()
    expect(page).to_have_url(re.compile(f"job={job.id}"))
    expect(page.get_by_text("Continued from the last frame")).to_be_visible()


def test_a_continued_form_with_another_still_is_an_edit(here: Inside) -> None:
    job = here.rows.take(prompt="The fog lifts. Slow push in.")
    page = opened(here, job)
    page.get_by_role("button", name="Continue from the last frame").click()
    here.visit.heading("Lucy 14B")
    page.get_by_role("button", name="Change", exact=True).click()
    page.get_by_role("button", name="Lighthouse", exact=True).click()
    expect(page.get_by_alt_text("The still as it will be used")).to_be_visible()
    here.visit.settled()
    here.visit.generate.click()
    expect(page.locator(f"[data-testid=stVideo][src*='{job.id}']")).to_have_count(0)  # the new one is on the stage
    here.visit.plays()
    [child] = here.others(job)
    assert (child.parent_id, child.continues) == (job.id, False), "it is told to go on from a frame that is not in it"


def test_splice_with_another_take(here: Inside) -> None:
    first = here.rows.take(prompt="The fog lifts.")
    second = here.rows.take(prompt="A heron lands.")
    page = here.visit.open("/splice")
    page.get_by_role("button", name="Try it with the samples").click()
    expect(page.locator("[class*='st-key-splice-clips-row']")).to_have_count(3)
    before = clip_names(page)
    page = here.visit.page
    page.get_by_test_id("stSidebarNavLink").filter(has_text="Lucy 14B").click()
    here.visit.heading("Lucy 14B")
    here.visit.settled()
    page.locator(".st-key-recent").get_by_role("button", name="Open").click()  # the older of the two, on the stage
    expect(page.locator(f"[data-testid=stVideo][src*='{first.id}']")).to_be_visible()
    page.get_by_role("button", name="Splice with…").click()
    page.get_by_role("button", name="A heron lands.").click()
    here.visit.heading("Splice")
    expect(page.locator("[class*='st-key-splice-clips-row']")).to_have_count(2)
    assert clip_names(page) == ["The fog lifts.", "A heron lands."]
    page.get_by_role("button", name="Bring back what stood here").click()
    expect(page.locator("[class*='st-key-splice-clips-row']")).to_have_count(3)
    assert clip_names(page) == before, "what was arranged there is lost"
    assert here.others(first, second) == [], "something was made before Splice was pressed"


def test_a_splice_is_made_of_the_takes_and_both_lead_to_it(here: Inside) -> None:
    first = here.rows.take(prompt="The fog lifts.")
    second = here.rows.take(prompt="A heron lands.")
    page = opened(here, first)
    page.get_by_role("button", name="Splice with…").click()
    page.get_by_role("button", name="A heron lands.").click()
    here.visit.heading("Splice")
    here.visit.settled()
    page.get_by_role("button", name="Splice · free").click()
    here.visit.plays()
    [spliced] = here.others(first, second)
    assert first.video is not None
    assert second.video is not None
    assert [item["key"] for item in spliced.inputs["clips"]] == [first.video.key, second.video.key]
    page = opened(here, spliced)
    tree = page.locator(f".st-key-family-{spliced.id}")
    for prompt in ("The fog lifts.", "A heron lands."):
        expect(tree.get_by_role("button", name=prompt)).to_be_visible()
    expect(tree.get_by_text("A clip of the splice below")).to_have_count(2)
    expect(page.locator("[class*='st-key-given'] video")).to_have_count(2)
    page = opened(here, second)
    page.get_by_role("button", name="Splice", exact=True).click()
    expect(page).to_have_url(re.compile(f"job={spliced.id}"))


def test_a_take_is_added_to_the_clips_that_are_there(here: Inside) -> None:
    first = here.rows.take(prompt="The fog lifts.")
    here.rows.take(prompt="A heron lands.")
    page = here.visit.open("/splice")
    page.get_by_role("button", name="Try it with the samples").click()
    expect(page.locator("[class*='st-key-splice-clips-row']")).to_have_count(3)
    before = clip_names(page)
    page.get_by_test_id("stSidebarNavLink").filter(has_text="Lucy 14B").click()
    here.visit.heading("Lucy 14B")
    here.visit.settled()
    page.locator(".st-key-recent").get_by_role("button", name="Open").click()
    expect(page.locator(f"[data-testid=stVideo][src*='{first.id}']")).to_be_visible()
    page.get_by_role("button", name="Splice with…").click()
    page.get_by_role("button", name="Add it to the 3 clips on the Splice page").click()
    here.visit.heading("Splice")
    expect(page.locator("[class*='st-key-splice-clips-row']")).to_have_count(4)
    assert clip_names(page) == [*before, "The fog lifts."]


# --- remarks and the bin -----------------------------------------------------------------------------------------------


def test_into_the_bin_and_out_of_it(here: Inside) -> None:
    job = here.rows.take(prompt="The fog lifts.")
    other = here.rows.take(prompt="A heron lands.")
    page = opened(here, job)
    page.get_by_role("button", name="Delete", exact=True).click()
    expect(page.get_by_role("button", name="Take out of the bin")).to_be_visible()
    assert here.job(job).binned_at is not None
    page.reload()
    expect(page.get_by_role("button", name="Take out of the bin")).to_be_visible()
    here.visit.video.wait_for()
    page.get_by_role("button", name="Take out of the bin").click()
    expect(page.get_by_role("button", name="Delete", exact=True)).to_be_visible()
    assert here.job(job).binned_at is None
    assert here.job(other).binned_at is None, "another take went into the bin"
    assert here.visit.get(f"/takes/{job.id}/video.mp4").status == 200, "its file is gone"


def test_rating_tags_and_note_are_kept_over_a_reload(here: Inside) -> None:
    job = here.rows.take()
    page = opened(here, job)
    page.get_by_role("radio", name="4 out of 5 stars").click()
    tags = page.get_by_role("combobox", name="Tags")
    tags.fill("launch")
    tags.press("Enter")
    expect(
        page.locator("[data-baseweb=tag], [data-testid=stMultiSelect]").filter(has_text="launch").first
    ).to_be_visible()
    page.keyboard.press("Escape")
    note = page.get_by_role("textbox", name="Note")
    note.fill("The client liked it.")
    note.blur()
    here.visit.settled()
    page.reload()
    here.visit.settled()
    expect(page.get_by_role("textbox", name="Note")).to_have_value("The client liked it.")
    expect(page.get_by_test_id("stMultiSelect").filter(has_text="launch")).to_be_visible()
    kept = here.job(job)
    assert (kept.rating, kept.tags, kept.note) == (4, ("launch",), "The client liked it.")
    assert kept.starred is False, "a rating starred it"


# --- from one take to the next -----------------------------------------------------------------------------------------


def test_newer_and_older_keep_the_filters_and_end_where_the_list_ends(here: Inside) -> None:
    takes = [here.rows.take(prompt=f"heron {number}") for number in range(3)]
    here.rows.take(prompt="A lighthouse.")  # the newest of all, and not what was searched for
    page = opened(here, takes[1], "&q=heron&view=Gallery&page=1")

    def stands_at(job: Job) -> None:
        expect(page).to_have_url(re.compile(f"job={job.id}"))
        expect(page.locator(f"[data-testid=stVideo][src*='{job.id}']")).to_be_attached()
        here.visit.settled()
        assert "q=heron" in page.url
        assert "view=Gallery" in page.url

    page.get_by_role("button", name="Newer").click()
    stands_at(takes[2])
    expect(page.get_by_role("button", name="Newer")).to_be_disabled()
    page.keyboard.press("ArrowLeft")
    page.wait_for_timeout(500)
    stands_at(takes[2])
    page.keyboard.press("ArrowRight")
    stands_at(takes[1])
    page.get_by_role("button", name="Older").click()
    stands_at(takes[0])
    expect(page.get_by_role("button", name="Older")).to_be_disabled()
    page.keyboard.press("ArrowRight")
    page.wait_for_timeout(500)
    stands_at(takes[0])
    page.go_back()
    stands_at(takes[1])
    page.get_by_role("button", name="All takes").click()
    expect(page.get_by_text("3 takes", exact=True)).to_be_visible()
    expect(page.locator(".st-key-gallery video")).to_have_count(3)


def test_arrow_keys_stay_in_the_box_that_is_typed_in(here: Inside) -> None:
    [_, middle, _] = [here.rows.take(prompt=f"take {number}") for number in range(3)]
    page = opened(here, middle)
    note = page.get_by_role("textbox", name="Note")
    note.click()
    note.press_sequentially("ab")
    for key in ("ArrowLeft", "ArrowLeft", "ArrowRight", "ArrowRight", "ArrowLeft"):
        page.keyboard.press(key)
    note.press_sequentially("-")
    expect(note).to_have_value("a-b")
    tags = page.get_by_role("combobox", name="Tags")
    tags.click()
    tags.press_sequentially("la")
    for key in ("ArrowLeft", "ArrowRight", "ArrowRight"):
        page.keyboard.press(key)
    page.wait_for_timeout(500)
    assert f"job={middle.id}" in page.url, "an arrow key in a box turned the page"


def test_the_family_is_reached_by_the_keyboard_and_bounded(here: Inside) -> None:
    parent = here.rows.take(prompt="The parent.")
    job = here.rows.take(prompt="The one that is opened.", parent_id=parent.id)
    children = [here.rows.take(prompt=f"child {number}", parent_id=job.id) for number in range(20)]
    page = opened(here, job)
    tree = page.locator(f".st-key-family-{job.id}")
    expect(tree.get_by_role("button")).to_have_count(1 + 12)
    expect(tree.get_by_text("and 8 more", exact=True)).to_be_visible()
    button = tree.get_by_role("button", name="The parent.")
    button.focus()
    page.keyboard.press("Tab")
    assert page.evaluate(FOCUSED) == "child 0", "the tree is not walked from line to line"
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(f"job={children[0].id}"))
    expect(page.get_by_role("button", name="19 other takes of the same parent")).to_be_visible()


# --- all that was asked for ----------------------------------------------------------------------------------------------


def test_every_input_is_there_to_be_read_and_looked_at(here: Inside) -> None:
    long = "Mist rises from the river, and the boat turns. " * 30
    clip, sound = here.rows.video().key, here.studio.media.put(b"RIFF\x00\x00\x00\x00WAVE" + bytes(64), "wav").key
    inputs = {
        "image": here.rows.still, "prompt": long, "negative_prompt": f"blurry, {long}", "seed": 12345, "loop": True,
        "motion_video": clip, "audio": sound, "clips": [ClipItem(key=clip, label="The first clip").model_dump()],
    }  # fmt: skip
    asked = utc_now() - timedelta(minutes=9)
    job = here.rows.take(
        prompt=long.strip(), inputs=inputs, provider="fal", request_id="764cabcf-b745-4b3e", cost_estimate_usd=0.8,
        cost_basis="$0.16 a second", endpoint="example/endpoint", logs=["loading", "frame 1 of 24"], created_at=asked,
    )  # fmt: skip
    page = opened(here, job)
    for label in ("Prompt", "Negative prompt"):
        page.get_by_text(re.compile(f"^{label}, 1,4\\d\\d characters")).click()
    for whole in (long.strip(), f"blurry, {long}".strip()):
        expect(page.get_by_test_id("stCode").filter(has_text=whole).first).to_be_visible()
    told = page.inner_text("[data-testid=stMain]")
    for said in ("Seed: 12345", "Loop: yes", "$0.16 a second", "Endpoint: example/endpoint", "764cabcf-b745-4b3e"):
        assert said in told, said
    assert clip[:12] not in told, "a file is told by its key"
    given = page.locator("[class*='st-key-given']")
    expect(given.locator("video")).to_have_count(2)
    expect(page.locator("audio")).to_have_count(1)
    page.get_by_text("Log", exact=True).click()
    expect(page.get_by_text("frame 1 of 24")).to_be_visible()
    still = given.locator("img").first
    expect(still).to_be_visible()
    page.wait_for_function("image => image.complete && image.naturalWidth > 0", arg=still.element_handle())
    for key in (here.rows.still, clip, sound):
        assert here.visit.get(f"/takes/{job.id}/given/{key}").status == 200
    assert here.visit.get(f"/takes/{job.id}/given/{'0' * 64}.mp4").status == 404


def test_what_a_take_was_given_is_for_its_owner_alone(inside: Callable[..., Inside]) -> None:
    mine, theirs = inside(), inside()
    job = mine.rows.take()
    address = f"/takes/{job.id}/given/{mine.rows.still}"
    assert mine.visit.get(address).status == mine.visit.get(f"{address}/picture.jpg").status == 200
    assert theirs.visit.get(address).status == theirs.visit.get(f"{address}/picture.jpg").status == 404
    own = theirs.rows.take(still=None, inputs={})
    assert theirs.visit.get(f"/takes/{own.id}/given/{mine.rows.still}").status == 404, "a key opens every file"


def test_a_take_that_ends_while_it_is_opened_plays(here: Inside) -> None:
    page = here.visit.open("/lucy14b")
    here.visit.take_sample()
    here.visit.generate.click()
    expect(page.get_by_role("button", name="Cancel")).to_be_visible()
    [job] = here.others()
    page = here.visit.open(f"/jobs?job={job.id}")
    assert here.visit.plays() == job.id
    expect(here.visit.state("Done")).to_be_visible(timeout=DONE_MS)
    assert here.job(job).state is State.SUCCEEDED
