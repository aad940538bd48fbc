"""Every page in the eyes of axe: names, labels, roles and contrast, in light and dark, on a desk and on a phone."""

import time
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from core.errors import Charged
from core.jobs.history import Remarks
from core.jobs.job import Job, JobError, State
from core.models import MODELS
from core.models.spec import Clips
from core.settings import Settings
from core.studio import open_studio
from tests.browser.inside import Inside
from tests.browser.server import ROOT, App
from tests.browser.visit import Visit
from tests.engine import own_log
from tests.fal_server import FalServer

AXE = files("axe_playwright_python").joinpath("axe.min.js").read_text("utf-8")
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"]
GRAVE = ("serious", "critical")
THEMES = ("light", "dark")
WIDTHS = (1440, 390)
CALM_S = 3.0  # what a page may take to settle after a change of theme; a finding that is still there then is one
GROUND = {
    theme: "rgb({}, {}, {})".format(*bytes.fromhex(settings["backgroundColor"].removeprefix("#")))
    for theme, settings in tomllib.loads((ROOT / ".streamlit/config.toml").read_text("utf-8"))["theme"].items()
    if theme in THEMES
}
REST_MS = 400  # a press at the very moment that a page is painted comes before its fields know what they hold
MANY = 60  # takes: more than a page of the history holds

LOOK = """async ([tags, grave]) => {
    const seen = await axe.run(document, { runOnly: { type: 'tag', values: tags } });
    const told = (node) => [...node.any, ...node.all, ...node.none].map((check) => check.message).join('; ');
    const found = seen.violations.filter((rule) => grave.includes(rule.impact)).flatMap((rule) =>
        rule.nodes.map((node) => `${rule.id}: ${node.target.join(' in ')}: ${node.html.slice(0, 200)}: ${told(node)}`));
    return { found, passed: seen.passes.map((rule) => rule.id) };
}"""


@dataclass(frozen=True)
class Scene:
    """A page as somebody has it before them.

    Args:
        path: its address; names of takes in braces stand for their ids.
        sees: a text that stands on it, so that a blank page is none.
        then: what is pressed there.
        newcomer: seen by somebody without takes.
    """

    path: str
    sees: str
    then: tuple[Callable[[Page], None], ...] = field(default=())
    newcomer: bool = False


def press(name: str) -> Callable[[Page], None]:
    return lambda page: page.get_by_role("button", name=name, exact=True).click()


def unfold(name: str) -> Callable[[Page], None]:
    return lambda page: page.locator("summary").filter(has_text=name).first.click()


def choose_two(page: Page) -> None:
    boxes = page.get_by_role("checkbox", name="Choose")
    for place in range(2):
        boxes.nth(place).press("Space")
    expect(page.get_by_text("2 chosen")).to_be_visible()


def _form(slug: str) -> Scene:
    clips = any(isinstance(field.kind, Clips) for field in MODELS[slug].fields)
    filled = "Try it with the samples" if clips else "Lighthouse"
    return Scene(f"/{slug}", MODELS[slug].title, (press(filled), unfold("More settings")), newcomer=True)


SCENES = {
    "front page": Scene("/", "Your takes appear here", newcomer=True),
    "no address of ours": Scene("/nowhere", "Page not found", newcomer=True),
    "jobs, none yet": Scene("/jobs", "No takes yet", newcomer=True),
    "a form with nothing in it, sent": Scene("/lucy14b", "give its address", (press("Generate"),), newcomer=True),
    "a picture from an address": Scene(
        "/lucy14b", "Address of a picture", (press("From a web address"),), newcomer=True
    ),
    "earlier takes for splice": Scene("/splice", "This heron lifts off.", (press("Earlier takes"),)),
    **{f"form of {slug}": _form(slug) for slug in MODELS},
    "stage and strip": Scene("/lucy14b", "Outcome unknown"),
    "form filled from a take": Scene("/jobs?job={done}", "Filled from", (press("Use these settings"),)),
    "table": Scene("/jobs?q=this", "Running"),
    "table, page 2": Scene("/jobs?page=2", "takes"),
    "gallery": Scene("/jobs?q=this&view=Gallery", "Running"),
    "gallery, two chosen": Scene("/jobs?q=this&view=Gallery", "2 chosen", (choose_two,)),
    "nothing found": Scene("/jobs?q=zzzz", "No take is like that."),
    "filters": Scene("/jobs?q=this", "Aspect ratio", (press("Filters"),)),
    "orders": Scene(
        "/jobs?q=this", "Most expensive", (lambda page: page.get_by_role("combobox", name="Order").click(),)
    ),
    "filters that are set": Scene("/jobs?model=lucy14b&on=fal&aspect=16:9&tag=lamp&star=1", "Clear"),
    "saved views": Scene("/jobs?q=this", "Keep this view", (press("Views"),)),
    "export": Scene("/jobs?q=this", "JSON lines", (press("Export"),)),
    "overview": Scene("/jobs?q=this&overview=1", "Takes per"),
    **{f"take: {name}": Scene(f"/jobs?job={{{name}}}", "Timeline") for name in ("done", "preview", *map(str, State))},
    "send again": Scene("/jobs?job={unknown}", "both are charged", (press("Send again…"),)),
    "place in line": Scene("/jobs?job={waiting}", "Among your own waiting takes", (press("Place in line"),)),
    "siblings": Scene("/jobs?job={done}", "This is sibling 0.", (press("2 other takes of the same parent"),)),
    "splice with": Scene("/jobs?job={done}", "Play this take first", (press("Splice with…"),)),
    "a take that is not there": Scene("/jobs?job=nowhere", "There is no such take."),
}


@dataclass
class House:
    """Somebody with takes of every kind, and somebody without any, at an app with a key.

    Args:
        takes: ids by the names that the scenes use.
    """

    owner: Visit
    newcomer: Visit
    takes: dict[str, str]


@pytest.fixture(scope="module")
def house(browser: Browser, fal: FalServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    def come() -> Visit:
        context = browser.new_context(reduced_motion="reduce")
        context.set_default_timeout(20_000)
        context.add_init_script(AXE)  # in every frame, those of components too
        return Visit(app, context)

    with App(tmp_path_factory.mktemp("axe"), FAL_BASE_URL=fal.url, FAL_API_KEY=fal.key) as app, own_log():
        studio = open_studio(Settings(data_dir=app.data, fal_api_key=fal.key, fal_base_url=fal.url))
        owner, newcomer = come(), come()
        yield House(owner, newcomer, furnish(Inside.of(owner, studio)))
        for visit in (owner, newcomer):
            visit.context.close()
            assert (visit.foreign, visit.violations, visit.crashes) == ([], [], [])


def furnish(inside: Inside) -> dict[str, str]:
    """Takes of every kind; their ids by name."""
    take = inside.rows.take
    made: dict[str, Job] = {}
    for number in range(MANY):
        take(State.CANCELLED, prompt=f"Number {number}.")
    failed = JobError(kind="policy", message="The content check refused the prompt.", raw={"detail": "No."})
    for state in State:
        wrong = failed if state in (State.FAILED, State.CANCELLED, State.UNKNOWN) else None
        moving: dict[str, Any] = {"progress": 0.4, "eta_s": 12.0} if state is State.RUNNING else {}
        made[state] = take(state, provider="fal", prompt=f"This is {state}.", error=wrong, logs=["It began."], **moving)
    charged = JobError(kind="other", message="It came to nothing.", charged=Charged.MAYBE)
    made["retried"] = take(State.FAILED, provider="fal", prompt="This was tried.", error=charged)
    made["done"] = take(
        provider="fal", prompt="This turns its lamp.", parent_id=made["retried"].id, request_id="764cabcf"
    )
    for number in range(2):
        take(prompt=f"This is sibling {number}.", parent_id=made["retried"].id)
    made["preview"] = take(
        prompt="This heron lifts off.", output={"facts": {"plan": "push in", "ignored": ["thunder"]}}
    )
    take(prompt="This grew out of it.", parent_id=made["done"].id)
    remarks = Remarks(rating=4, tags=("lamp", "october"), note="The best one.", starred=True)
    inside.studio.remark(inside.owner, [made["done"].id], remarks)
    inside.studio.save_view(inside.owner, "The best of October", "star=1")
    return {name: job.id for name, job in made.items()}


def dress(page: Page, theme: str, width: int) -> None:
    """The page in a theme and at a width, as high as what is on it: below the edge axe sees no colours."""
    page.emulate_media(color_scheme=theme, reduced_motion="reduce")  # type: ignore[arg-type]
    page.set_viewport_size({"width": width, "height": 900})
    page.wait_for_function(
        f"() => getComputedStyle(document.querySelector('.stApp')).backgroundColor === '{GROUND[theme]}'"
    )
    high = page.evaluate("document.querySelector('.stMain').scrollHeight")
    page.set_viewport_size({"width": width, "height": max(900, high)})


def act(visit: Visit, scene: Scene) -> None:
    """Press what the scene says."""
    for step in scene.then:
        visit.page.wait_for_timeout(REST_MS)
        step(visit.page)
        visit.settled()


def findings(page: Page) -> list[str]:
    """What axe finds serious or critical on the page as it is now."""
    seen = page.evaluate(LOOK, [TAGS, GRAVE])
    assert "button-name" in seen["passed"], "axe has not looked at the page"
    return list(seen["found"])


def lasting(page: Page) -> list[str]:
    """What it goes on finding: colours that are on their way to others are no finding."""
    until = time.monotonic() + CALM_S
    while (found := findings(page)) and time.monotonic() < until:
        page.wait_for_timeout(200)
    return found


@pytest.mark.parametrize("name", SCENES)
def test_nothing_grave_is_found(name: str, house: House) -> None:
    scene = SCENES[name]
    visit = house.newcomer if scene.newcomer else house.owner
    visit.page.emulate_media(color_scheme="light", reduced_motion="reduce")
    visit.page.set_viewport_size({"width": WIDTHS[0], "height": 900})
    page = visit.open(scene.path.format(**house.takes))
    act(visit, scene)
    found = {}
    for width in WIDTHS:
        for theme in THEMES:
            dress(page, theme, width)
            if not page.get_by_text(scene.sees).first.is_visible():
                act(visit, scene)  # a menu closes when the window changes
            expect(page.get_by_text(scene.sees).first).to_be_visible()
            if grave := lasting(page):
                found[theme, width] = grave
    assert found == {}


@pytest.mark.parametrize(
    ("rule", "markup"),
    [
        ("color-contrast", "<p style='color:#999;background:#fff'>Hardly to be read</p>"),
        ("label", "<input type='text'>"),
        ("image-alt", "<img src='/favicon.png'>"),
        ("list", "<ul><div>no item</div></ul>"),
    ],
)
def test_what_is_wrong_would_be_found(rule: str, markup: str, house: House) -> None:
    page = house.newcomer.open("/jobs")
    dress(page, "light", WIDTHS[0])
    page.evaluate("markup => document.querySelector('h2').insertAdjacentHTML('afterend', markup)", markup)
    assert rule in {finding.split(":")[0] for finding in findings(page)}
