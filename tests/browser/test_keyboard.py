"""Without a mouse: Tab leads to everything, what has the focus shows it, and nothing holds on to it."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, Page, expect

from core.jobs.job import State
from tests.browser.inside import Inside

MOST_TABS = 150  # once through a page; more is a trap
PROMPT = "The mist lifts. Slow push in."

WALK = """() => {
    const still = () => Promise.all(document.getAnimations()
        .filter((motion) => motion instanceof CSSTransition).map((motion) => motion.finished.catch(() => {})));
    const look = (element) => {
        const looks = [];
        for (let part = element, steps = 0; part && steps < 4; part = part.parentElement, steps++) {
            const style = getComputedStyle(part);  // the line around a field belongs to a part that holds it
            looks.push(style.outline, style.boxShadow, style.borderColor, style.backgroundColor, style.color);
        }
        return looks.join(' ');
    };
    const can = (element) => element.tabIndex >= 0 && !element.matches(':disabled, :disabled *')
        && element.checkVisibility({ visibilityProperty: true });
    const tell = (element) => element.outerHTML.slice(0, 200);
    const inside = 'body, main, canvas, iframe, video';  // what has the focus in there is drawn by the inside
    const reached = new Set();
    const once = (element) => [...(element.closest('[role=radiogroup]') ?? element).querySelectorAll('*'), element]
        .some((part) => reached.has(part));  // in a group one has the focus, the arrow keys lead to the others
    const unseen = new Set();
    let last = null;
    window.walk = {
        async step() {
            await still();
            const element = document.activeElement;
            if (last?.element.isConnected && last.element !== element && last.look === look(last.element)) unseen.add(tell(last.element));
            last = element.matches(inside) ? null : { element, look: look(element) };
            reached.add(element);
            return element === document.body;
        },
        unseen: () => [...unseen],
        left: () => [...document.querySelectorAll('a[href], button, input, textarea, select, summary, video[controls], iframe, canvas')]
            .filter((element) => can(element) && !once(element)).map(tell),
    };
}"""
"""Follows the focus: what it has reached, what it has left out, and what looks with it as it does without."""


def to(page: Page, control: Locator) -> None:
    """By Tab alone to a control."""
    for _ in range(MOST_TABS):
        page.keyboard.press("Tab")
        if control.count() == 1 and control.evaluate("element => element === document.activeElement"):
            return
    raise AssertionError(f"Tab never came to {control}")


def button(page: Page, name: str) -> Locator:
    return page.get_by_role("button", name=name, exact=True)


@pytest.fixture
def here(inside: Callable[..., Inside]) -> Inside:
    return inside()


@pytest.mark.parametrize("path", ["/lucy14b", "/splice", "/jobs", "/jobs?view=Gallery", "/jobs?job={done}"])
def test_tab_goes_once_through_a_page(path: str, here: Inside) -> None:
    done = here.rows.take(prompt="A heron lifts off.")
    here.rows.take(State.FAILED, prompt="A lamp turns.", parent_id=done.id)
    page = here.visit.open(path.format(done=done.id))
    page.wait_for_timeout(500)  # frames of components come a moment later
    page.evaluate(WALK)
    for _ in range(MOST_TABS):
        page.keyboard.press("Tab")
        if page.evaluate("walk.step()"):
            break
    else:
        raise AssertionError("Tab never comes to the end of the page")
    assert page.evaluate("walk.left()") == []
    assert page.evaluate("walk.unseen()") == []


def test_what_is_wrong_would_be_found(here: Inside) -> None:
    page = here.visit.open("/jobs")
    page.evaluate(
        """() => document.querySelector('h2').insertAdjacentHTML('afterend',
            '<button style="outline:none">Shows nothing</button><span><input id="late"></span>')"""
    )
    page.evaluate(WALK)
    page.get_by_role("button", name="Shows nothing").focus()
    page.evaluate("walk.step()")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.evaluate("walk.step()")
    assert ["Shows nothing" in told for told in page.evaluate("walk.unseen()")] == [True]
    assert any('id="late"' in told for told in page.evaluate("walk.left()"))


def test_a_take_is_made_without_a_mouse(here: Inside) -> None:
    page = here.visit.open("/lucy14b")
    to(page, button(page, "Valley"))
    page.keyboard.press("Enter")
    expect(page.get_by_alt_text("The still as it will be used")).to_be_visible()
    here.visit.settled()
    to(page, here.visit.prompt)
    page.keyboard.press("Control+A")
    page.keyboard.type(PROMPT)
    to(page, here.visit.generate)
    page.keyboard.press("Enter")
    expect(page.get_by_test_id("stText").filter(has_text=PROMPT)).to_be_visible()
    [job] = here.others()
    assert job.prompt == PROMPT, "another text was sent"
    assert job.still is not None


def test_a_take_is_found_and_opened_without_a_mouse(here: Inside) -> None:
    heron = here.rows.take(prompt="A heron lifts off.", starred=True)
    here.rows.take(prompt="A heron stands.")
    here.rows.take(prompt="A lamp turns.", starred=True)
    page = here.visit.open("/jobs")
    to(page, page.get_by_role("textbox", name="Search"))
    page.keyboard.type("heron")
    page.keyboard.press("Enter")
    expect(page.get_by_text("2 takes", exact=True)).to_be_visible()
    here.visit.settled()
    to(page, button(page, "Filters"))
    page.keyboard.press("Enter")
    to(page, page.get_by_role("switch", name="Starred"))
    page.keyboard.press("Space")
    expect(page.get_by_text("1 take", exact=True)).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("switch", name="Starred")).to_have_count(0)
    to(page, page.get_by_role("radio", name="Table"))
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Space")
    gallery = page.locator(".st-key-gallery")
    expect(gallery).to_be_visible()
    here.visit.settled()
    to(page, gallery.get_by_role("button", name="Open"))
    page.keyboard.press("Enter")
    assert here.visit.plays() == heron.id
    here.visit.settled()
    to(page, button(page, "All takes"))
    page.keyboard.press("Enter")
    expect(page.get_by_text("1 take", exact=True)).to_be_visible()
    expect(page.get_by_role("textbox", name="Search")).to_have_value("heron")
    assert f"job={heron.id}" not in page.url


def test_a_row_of_the_table_opens_without_a_mouse(here: Inside) -> None:
    here.rows.take(prompt="A lamp turns.")
    newest = here.rows.take(prompt="A heron lifts off.")
    page = here.visit.open("/jobs")
    to(page, page.get_by_test_id("data-grid-canvas"))
    page.keyboard.press("Shift+Space")
    expect(page.get_by_text("1 chosen")).to_be_visible()
    here.visit.settled()
    to(page, button(page, "Open it"))
    page.keyboard.press("Enter")
    assert here.visit.plays() == newest.id
    assert f"job={newest.id}" in page.url
