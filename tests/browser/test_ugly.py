"""Texts that would act, files that are gone, and models that nobody has any more: all of it shown, and none of it acts."""

import re
from collections.abc import Callable
from contextlib import closing

import pytest
from playwright.sync_api import Page, expect

from core.jobs.job import Job, State, move, utc_now
from core.stores.sqlite import SqliteJobStore
from pages.parts import words
from tests.browser.inside import Inside
from tests.browser.visit import DONE_MS
from tests.ugly import EVIL, TEXTS

PHONE = {"width": 390, "height": 844}
ACTS = f"""() => {{
    const found = [];
    const look = (what, selector) => document.querySelectorAll(selector).forEach(e => found.push(what + ': ' + e.outerHTML.slice(0, 200)));
    look('a picture', 'img[src*="{EVIL}"], img[src="x"], video[src*="{EVIL}"]');
    look('a link', 'a[href*="{EVIL}"], a[href^="javascript:"], a[href^="mailto:"]');
    look('a handler', '[onerror], [onload], [onclick]');
    look('an icon', '[aria-label="home icon"], img[alt="Streamlit logo"]');
    look('a formula', '.katex');
    look('colour', ':is(.stMarkdownColoredText, .stMarkdownColoredBackground, .stMarkdownSmall):not([data-testid=stButtonGroup] *)');
    look('a list', '[data-testid=stMarkdownContainer] :is(li, blockquote, table, h1, hr, del, em, input, code)');
    look('a breakdown', '[data-testid=stException]');
    for (const script of document.scripts) if (script.textContent.includes('alert')) found.push('a script');
    const nodes = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);  // a tag's chip turns nothing but itself
    while (nodes.nextNode()) {{
        const node = nodes.currentNode;
        if (/[\u202a-\u202e\u2066\u2067]/.test(node.textContent) && !node.parentElement.closest('[data-testid=stMultiSelect], textarea'))
            found.push('turned round: ' + node.textContent.slice(0, 200));
    }}
    const wide = document.scrollingElement.scrollWidth - window.innerWidth;
    if (wide > 0) found.push(`${{wide}} pixels too wide`);
    return found;
}}"""
HELD = re.compile("[\u2060\u2068\u2069]")


@pytest.fixture
def here(inside: Callable[..., Inside]) -> Inside:
    """A visitor with a phone, who is told of every dialog."""
    made = inside(**PHONE)
    made.visit.page.on("dialog", lambda dialog: made.visit.crashes.append(f"a dialog: {dialog.message}"))
    return made


def look(here: Inside, path: str | None = None) -> Page:
    """Open an address, and see that nothing on its page acts. The visitor's fixture sees to requests, scripts and policy."""
    page = here.visit.open(path) if path else here.visit.page
    here.visit.settled()
    page.wait_for_timeout(200)  # pictures and plug-ins of a text come a moment later
    assert page.evaluate(ACTS) == [], path
    return page


def said(page: Page) -> str:
    """All that is to be read on the page, without what holds words apart."""
    return " ".join(HELD.sub("", page.inner_text("[data-testid=stMain]")).split())


def test_texts_are_shown_in_an_opened_take(here: Inside) -> None:
    for name, text in TEXTS.items():
        job = here.rows.text(text)
        page = look(here, f"/jobs?job={job.id}")
        if text.strip():
            assert words.short(text, 380).rstrip("…") in said(page), name
    long = here.rows.text(TEXTS["long"])
    page = look(here, f"/jobs?job={long.id}")
    page.get_by_text("Prompt, 1,500 characters", exact=True).click()
    expect(page.get_by_test_id("stCode").filter(has_text="end!").first).to_be_visible()
    look(here)


def test_texts_are_shown_where_a_take_came_to_nothing(here: Inside) -> None:
    for name in ("long", "turned", "broken out", "picture", "icon", "marks"):
        job = here.rows.text(TEXTS[name], State.FAILED, provider="fal")
        page = look(here, f"/jobs?job={job.id}")
        expect(page.get_by_role("alert").filter(has_text="It may have been charged.")).to_be_visible()


def test_texts_are_shown_in_lists(here: Inside) -> None:
    for number, text in enumerate(TEXTS.values()):
        here.rows.text(text, model="lucy14b" if number % 2 else "lucy5b")
    here.rows.gone()
    here.rows.views()
    page = look(here, "/jobs")
    expect(page.get_by_test_id("stDataFrame")).to_be_visible()
    page.get_by_role("button", name="Views").click()
    expect(page.get_by_role("button", name="[press]")).to_be_visible()
    look(here)
    page.keyboard.press("Escape")
    page = look(here, "/jobs?view=Gallery")
    expect(page.locator("video").first).to_be_attached()
    page = look(here, "/lucy14b")
    look(here, "/lucy5b")
    look(here, f"/jobs?q={TEXTS['broken out']}&tag={TEXTS['picture'][:40]}")


def test_texts_are_shown_on_cards_in_motion_and_in_toasts(here: Inside) -> None:
    moving = [here.rows.text(text, State.RUNNING) for text in [*TEXTS.values()][:10]]
    page = look(here, "/jobs")
    expect(page.get_by_role("button", name="Open", exact=True).first).to_be_visible()
    with closing(SqliteJobStore(here.studio.settings.home / "takes.db")) as rows:
        for job in moving:
            saving = rows.save(move(job, State.SAVING, utc_now()), utc_now())
            rows.save(move(saving, State.SUCCEEDED, utc_now(), video=here.rows.video()), utc_now())
    expect(page.get_by_test_id("stToast").first).to_be_visible(timeout=DONE_MS)
    look(here)
    for text in [*TEXTS.values()][10:]:
        here.rows.text(text, State.RUNNING)
    look(here, "/jobs")
    look(here, "/lucy14b")


def test_texts_are_shown_in_the_family_and_among_clips(here: Inside) -> None:
    first = here.rows.take()
    parent = here.rows.text(TEXTS["picture"], parent_id=first.id)
    middle = here.rows.text(TEXTS["long"], parent_id=parent.id)
    for text in TEXTS.values():
        here.rows.text(text, parent_id=middle.id)
        here.rows.text(text, parent_id=parent.id)
    page = look(here, f"/jobs?job={middle.id}")
    page.get_by_role("button", name="other takes of the same parent").click()
    expect(page.get_by_text("and 5 more", exact=True).last).to_be_visible()
    look(here)
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Splice with…").click()
    expect(page.get_by_text("Play this take first, and then…")).to_be_visible()
    look(here)
    page.get_by_role("button", name="Choose on the Splice page").click()
    here.visit.heading("Splice")
    page.get_by_role("button", name="Earlier takes").click()
    look(here)


def test_what_is_gone_is_said_and_the_rest_stands(here: Inside) -> None:
    gone = here.rows.gone()
    for name, job in gone.items():
        page = look(here, f"/jobs?job={job.id}")
        lost = page.get_by_text("The file of this take is no longer stored.")
        expect(lost).to_have_count(1 if name in ("video", "everything", "keys", "nothing") else 0)
    page = here.visit.open(f"/jobs?job={gone['video'].id}")
    for label in ("Continue from the last frame", "Splice with…"):
        expect(page.get_by_role("button", name=label)).to_have_count(0)
    page.get_by_role("button", name="Use these settings").click()
    here.visit.heading("Lucy 14B")
    expect(here.visit.prompt).to_have_value("The video is gone.")
    page = here.visit.open(f"/jobs?job={gone['video'].id}")
    page.get_by_role("button", name="Retry the same").click()
    here.visit.plays()
    [again] = [job for job in here.others() if job.parent_id == gone["video"].id]
    assert again.state is State.SUCCEEDED
    assert here.job(gone["video"]) == gone["video"], "the old take was changed"


def test_files_have_names_that_can_be_kept(here: Inside) -> None:
    job: Job = here.rows.take(model='../"x";\r\nSet-Cookie: a=b/\u202e😀', prompt=TEXTS["broken out"])
    answer = here.visit.get(f"/takes/{job.id}/video.mp4?download")
    assert answer.status == 200
    name = answer.headers["content-disposition"]
    assert re.fullmatch(r'attachment; filename="[A-Za-z0-9._-]+\.mp4"', name)
    assert not name.startswith('attachment; filename=".')
    assert "set-cookie" not in answer.headers
    for part in ("video.mp4", "poster.jpg", "still.jpg"):
        for lost in here.rows.gone().values():
            assert here.visit.get(f"/takes/{lost.id}/{part}").status in (200, 404)
