"""What a person does with a take that did not go as hoped: retry, edit, attach, reorder, give up; and what must not happen."""

import base64
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import expect

from core import samples
from core.jobs.job import Job, State
from core.jobs.store import JobQuery
from core.settings import Settings
from core.studio import Studio, open_studio
from core.web.identity import COOKIE
from tests.browser.conftest import Visitor
from tests.browser.server import App
from tests.browser.visit import DONE_MS, Visit
from tests.engine import own_log
from tests.fal_server import FalServer, Fault, policy_refusal

PROMPT = "The lamp turns and waves roll in. Slow push in."
TYPED = "Half a sentence about a heron that"
PATIENCE_S = 30.0


@dataclass
class Place:
    """A visitor at an app with a key, a server that is fal, and the same store from the inside."""

    visit: Visit
    fal: FalServer
    studio: Studio
    owner: str

    def ask(self, prompt: str = PROMPT) -> Job:
        """A new take of this visitor."""
        still = self.studio.add_picture(samples.get("lighthouse").read(), "lighthouse.jpg").key
        return self.studio.create(self.owner, "lucy14b", {"image": still, "prompt": prompt}, provider="fal", again=True)

    def until(self, job: Job, *states: State) -> Job:
        """Wait until the app's worker has brought the take there."""
        deadline = time.monotonic() + PATIENCE_S
        while (stands := self.studio.get(None, job.id)).state not in states:
            assert time.monotonic() < deadline, f"still {stands.state}: {stands.trouble}"
            time.sleep(0.05)
        return stands

    def children(self, job: Job) -> list[Job]:
        return [child for child in self.all() if child.parent_id == job.id]

    def all(self) -> list[Job]:
        return self.studio.jobs(JobQuery(owner=self.owner, limit=1000))


@pytest.fixture
def place(visitor: Visitor, tmp_path: Path) -> Iterator[Callable[..., Place]]:
    servers: list[FalServer] = []
    apps: list[App] = []

    def open_place(**settings: str) -> Place:
        fal = FalServer().start()
        servers.append(fal)
        app = App(tmp_path, FAL_BASE_URL=fal.url, FAL_API_KEY=fal.key, POLL_SECONDS="0.3", **settings).start()
        apps.append(app)
        visit: Visit = visitor(app)
        visit.open("/jobs")
        cookie = next(cookie for cookie in visit.context.cookies() if cookie.get("name") == COOKIE)
        body = str(cookie.get("value")).split(".")[0]
        owner = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
        given = Settings(data_dir=tmp_path / "data", fal_api_key=fal.key, fal_base_url=fal.url)
        return Place(visit, fal, open_studio(given), owner)

    with own_log():
        yield open_place
    for app in apps:
        app.kill()
    for server in servers:
        server.stop()


def test_edit_and_retry_opens_the_form_and_keeps_what_was_typed(place: Callable[..., Place]) -> None:
    here = place()
    here.fal.end_with(policy_refusal("prompt"))
    refused = here.until(here.ask("Something that is not allowed."), State.FAILED)
    page = here.visit.open("/lucy14b")
    here.visit.write(TYPED)
    page.get_by_role("button", name="Edit and retry").click()
    expect(here.visit.prompt).to_have_value("Something that is not allowed.")
    expect(page.get_by_alt_text("The still as it will be used")).to_be_visible()
    expect(page.get_by_text("Filled from a take of")).to_be_visible()
    expect(page.get_by_text("The content check refused the prompt").first).to_be_visible()
    page.get_by_role("button", name="Bring back what stood here").click()
    expect(here.visit.prompt).to_have_value(TYPED)
    expect(page.get_by_text("Filled from a take of")).to_have_count(0)
    page.get_by_role("button", name="Edit and retry").click()
    expect(here.visit.prompt).to_have_value("Something that is not allowed.")
    here.visit.write("Something else. Slow push in.")
    here.visit.generate.click()
    expect(here.visit.state("Done")).to_be_visible(timeout=DONE_MS)
    [child] = here.children(refused)
    assert child.prompt == "Something else. Slow push in."
    assert len(here.fal.accepted) == 2, "a press sent more than one job"


def test_edit_from_the_jobs_page_goes_to_the_form(place: Callable[..., Place]) -> None:
    here = place()
    here.fal.end_with(policy_refusal("prompt"))
    refused = here.until(here.ask("Not allowed."), State.FAILED)
    page = here.visit.open(f"/jobs?job={refused.id}")
    page.get_by_role("button", name="Edit and retry").click()
    here.visit.heading("Lucy 14B")
    expect(here.visit.prompt).to_have_value("Not allowed.")
    assert len(here.all()) == 1, "opening the form sent something"


def test_retry_is_one_new_take_however_fast_it_is_pressed(place: Callable[..., Place]) -> None:
    here = place()
    here.fal.end_with(policy_refusal("prompt"))
    refused = here.until(here.ask(), State.FAILED)
    page = here.visit.open(f"/jobs?job={refused.id}")
    page.get_by_role("button", name="Retry the same").dblclick()
    expect(here.visit.state("Done")).to_be_visible(timeout=DONE_MS)
    [child] = here.children(refused)
    assert child.inputs == refused.inputs
    assert f"job={child.id}" in page.url, "the new take is opened"
    assert len(here.fal.accepted) == 2


def test_a_double_click_on_generate_is_one_job(place: Callable[..., Place]) -> None:
    here = place()
    page = here.visit.open("/lucy14b")
    here.visit.take_sample()
    here.visit.generate.dblclick()
    here.visit.plays()
    assert len(here.all()) == 1
    assert len(here.fal.calls("submit")) == 1, "paid twice"
    expect(page.get_by_text("exactly this a moment ago")).to_have_count(0)


def test_the_same_again_offers_the_earlier_take(place: Callable[..., Place]) -> None:
    here = place()
    page = here.visit.open("/lucy14b")
    here.visit.take_sample()
    here.visit.generate.click()
    first = here.visit.plays()
    here.visit.settled()
    here.visit.generate.click()
    expect(page.get_by_text("exactly this a moment ago. It is done.")).to_be_visible()
    assert len(here.all()) == 1, "it was sent all the same"
    page.get_by_role("button", name="Show that take").click()
    expect(page.get_by_text("exactly this a moment ago")).to_have_count(0)
    assert here.visit.plays() == first
    here.visit.generate.click()
    page.get_by_role("button", name="Make another one").click()
    expect(page.get_by_role("button", name="Open", exact=True)).to_have_count(1)
    assert len(here.all()) == 2


def test_an_unknown_outcome_is_settled_by_its_request_id(place: Callable[..., Place]) -> None:
    here = place()
    here.fal.fault("submit", Fault(cut="after"))
    lost = here.until(here.ask(), State.UNKNOWN)
    page = here.visit.open(f"/jobs?job={lost.id}")
    box = page.get_by_role("textbox", name="Request id at fal")
    box.fill("no id/../..")
    page.get_by_role("button", name="Attach").click()
    expect(page.get_by_text("That is no request id.")).to_be_visible()
    box.fill(here.fal.accepted[0].request_id)
    page.get_by_role("button", name="Attach").click()
    here.visit.plays()
    assert len(here.fal.calls("submit")) == 1, "it was sent again"
    assert here.studio.get(None, lost.id).state is State.SUCCEEDED


def test_sending_an_unknown_one_again_takes_two_presses(place: Callable[..., Place]) -> None:
    here = place()
    here.fal.fault("submit", Fault(cut="after"))
    lost = here.until(here.ask(), State.UNKNOWN)
    page = here.visit.open(f"/jobs?job={lost.id}")
    page.get_by_role("button", name="Send again…").click()
    expect(page.get_by_text("both are charged")).to_be_visible()
    assert len(here.fal.calls("submit")) == 1
    page.get_by_role("button", name="Send it again all the same").click()
    here.visit.plays()
    [child] = here.children(lost)
    assert child.state is State.SUCCEEDED
    assert here.studio.get(None, lost.id).state is State.UNKNOWN, "the first one's outcome is still unknown"


def test_waiting_takes_show_their_place_and_can_be_reordered(place: Callable[..., Place]) -> None:
    here = place(FAL_MAX_IN_FLIGHT="1")
    here.fal.run_s = 600.0
    here.until(here.ask("Runs."), State.RUNNING)
    first, last = here.ask("First in line."), here.ask("Last in line.")
    page = here.visit.open(f"/jobs?job={last.id}")
    expect(here.visit.state("Waiting for a slot, 1 ahead")).to_be_visible()
    page.get_by_role("button", name="Place in line").click()
    page.get_by_role("button", name="First", exact=True).click()
    expect(here.visit.state("Next for a slot")).to_be_visible()
    assert here.studio.places_in_line("fal") == {last.id: 0, first.id: 1}
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Cancel", exact=True).click()
    expect(here.visit.state("Cancelled")).to_be_visible()
    expect(page.get_by_text("Cancelled before anything was sent. Not charged.")).to_be_visible()
    assert len(here.fal.calls("submit")) == 1


def test_a_cancel_while_it_runs_says_that_it_may_be_charged(place: Callable[..., Place]) -> None:
    here = place()
    here.fal.run_s = 600.0
    job = here.until(here.ask(), State.RUNNING)
    page = here.visit.open(f"/jobs?job={job.id}")
    page.get_by_role("button", name="Cancel", exact=True).click()
    expect(page.get_by_text("fal.ai was asked to stop. It may finish all the same").first).to_be_visible()
    here.fal.accepted[0].at = -1000.0  # it finishes all the same
    here.visit.plays()
    expect(page.get_by_text("The cancel came too late: the video was made, and is kept.")).to_be_visible()
    assert len(here.fal.calls("cancel")) == 1


def test_a_star_is_kept(place: Callable[..., Place]) -> None:
    here = place()
    job = here.until(here.ask(), State.SUCCEEDED)
    page = here.visit.open(f"/jobs?job={job.id}")
    page.get_by_role("button", name="Star", exact=True).click()
    expect(page.get_by_role("button", name="Starred", exact=True)).to_be_visible()
    page.reload()
    expect(page.get_by_role("button", name="Starred", exact=True)).to_be_visible()
    assert here.studio.get(None, job.id).starred
