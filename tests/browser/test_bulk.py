"""Several takes at once: chosen in table and gallery, starred, tagged, rated, binned and taken out again, and taken along."""

import csv
import io
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from zipfile import ZipFile

import pytest
from playwright.sync_api import Download, Locator, Page, expect

from core import samples
from core.jobs.job import Job, State, Video, utc_now
from core.jobs.store import JobQuery
from core.jobs.transfer import fill
from core.studio import Studio
from tests.browser.inside import Inside
from tests.browser.visit import Visit
from tests.fal_server.clip import clip
from tests.test_job import a_job

HEAD_PX, ROW_PX, BOX_PX = 36, 64, 18  # of the table: its head, a row, and where the checkbox of a row is
PATIENCE_S = 20.0


@dataclass
class Place:
    """A visitor at an app, and the same store from the inside."""

    visit: Visit
    studio: Studio
    owner: str

    @property
    def page(self) -> Page:
        return self.visit.page

    @property
    def bar(self) -> Locator:
        return self.page.locator(".st-key-bulk-actions")

    @property
    def undo(self) -> Locator:
        return self.page.locator(".st-key-undo")

    def seed(self, count: int, first: int = 0, **changes: object) -> list[Job]:
        """Finished takes, the newest first, with a video each."""
        film = self.studio.media.put(clip(), "mp4").key
        picture = self.studio.add_picture(samples.get("lighthouse").read(), "lighthouse.jpg").key
        video = Video(
            key=film, poster=picture, width=1280, height=720, duration_s=5, fps=24, bytes=len(clip()), sha256="s"
        )
        jobs = []
        for number in range(first, first + count):
            made = utc_now() - timedelta(minutes=5 * number + 5)
            given: dict[str, object] = {
                "owner": self.owner, "prompt": f"Take number {number:03d}", "state": State.SUCCEEDED, "video": video,
                "inputs": {"image": picture, "prompt": "x"}, "still": picture, "created_at": made, "submitted_at": made,
                "finished_at": made + timedelta(minutes=1),
            }  # fmt: skip
            jobs.append(a_job(**{**given, **changes}))
        fill(self.studio._archive, [(job, ()) for job in jobs])
        return jobs

    def job(self, job: Job) -> Job:
        return self.studio.get(None, job.id)

    def all(self) -> list[Job]:
        return self.studio.jobs(JobQuery(owner=self.owner, limit=1000))

    def pick_row(self, row: int) -> None:
        """Press the checkbox of a row of the table. It is drawn, so it is found by its place."""
        table = self.page.get_by_test_id("stDataFrame")
        table.scroll_into_view_if_needed()
        box = table.bounding_box()
        assert box
        self.page.mouse.click(box["x"] + BOX_PX, box["y"] + HEAD_PX + ROW_PX * (row + 0.5))

    def picked_rows(self) -> list[int]:
        """The rows that the table shows as selected."""
        marked = self.page.locator("[data-testid='data-grid-canvas'] tr[aria-selected='true']")
        return sorted(int(row) - 2 for row in marked.evaluate_all("rows => rows.map(row => row.ariaRowIndex)"))

    def box(self, job: Job) -> Locator:
        """The checkbox of a tile."""
        return self.page.locator(f".st-key-tile-{job.id}").get_by_role("checkbox")

    def choose(self, *jobs: Job) -> None:
        """Check tiles; each by its label, which is what is pressed."""
        for job in jobs:
            self.page.locator(f".st-key-tile-{job.id}").get_by_test_id("stCheckbox").locator("label").click()
            expect(self.box(job)).to_be_checked()

    def says(self, count: int) -> None:
        expect(self.bar.get_by_text(f"{count} chosen", exact=True)).to_be_visible()

    def press(self, name: str) -> None:
        """Press a button of the bar, or open what it holds."""
        self.bar.get_by_role("button", name=name, exact=True).click()

    def take_along(self, link: str) -> Download:
        """Press a link to a file, which comes in a tab of its own."""
        with self.page.expect_download() as came:
            self.page.get_by_role("link", name=link).click()
        return came.value

    def download(self, job: Job) -> bytes:
        """The video as it comes by the take's own button."""
        return bytes(self.visit.get(f"/takes/{job.id}/video.mp4?download").body())

    def until(self, true: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not true():
            assert time.monotonic() < deadline, "it did not come to that"
            time.sleep(0.05)


@pytest.fixture
def place(inside: Callable[..., Inside]) -> Place:
    here = inside(width=1440, height=900)
    return Place(here.visit, here.studio, here.owner)


def test_rows_of_the_table_are_chosen_and_starred(place: Place) -> None:
    jobs = place.seed(5)
    place.visit.open("/jobs")
    expect(place.bar).to_have_count(0)
    place.pick_row(0)
    place.says(1)
    place.pick_row(2)
    place.says(2)
    place.press("Star")
    expect(place.bar.get_by_role("button", name="Unstar")).to_be_visible()
    assert [place.job(job).starred for job in jobs] == [True, False, True, False, False]
    place.press("Unstar")
    expect(place.bar.get_by_role("button", name="Star", exact=True)).to_be_visible()
    assert not any(job.starred for job in place.all())
    place.press("None")
    expect(place.bar).to_have_count(0)
    place.until(lambda: place.picked_rows() == [])


def test_a_star_and_open_are_buttons_in_the_table(place: Place) -> None:
    jobs = place.seed(3)
    page = place.visit.open("/jobs")
    box = page.get_by_test_id("stDataFrame").bounding_box()
    assert box
    second = box["y"] + HEAD_PX + ROW_PX * 1.5
    page.mouse.click(box["x"] + 33 + 58 + 19, second)
    place.until(lambda: place.job(jobs[1]).starred)
    expect(place.bar).to_have_count(0)
    place.visit.settled()
    page.mouse.click(box["x"] + 33 + 58 + 19, second)
    place.until(lambda: not place.job(jobs[1]).starred)
    assert not any(job.starred for job in place.all())
    place.visit.settled()
    page.mouse.click(box["x"] + 33 + 29, second)
    expect(page.get_by_role("button", name="All takes")).to_be_visible()
    assert f"job={jobs[1].id}" in page.url


def test_what_is_chosen_stays_over_pages_views_and_takes_that_come(place: Place) -> None:
    jobs = place.seed(60)
    page = place.visit.open("/jobs")
    place.pick_row(0)
    place.says(1)
    place.pick_row(3)
    place.says(2)
    page.get_by_role("button", name="Next page").click()
    place.visit.settled()
    place.until(lambda: place.picked_rows() == [])  # the same places are other takes here
    place.pick_row(1)
    place.says(3)
    page.get_by_role("button", name="Previous page").click()
    place.until(lambda: place.picked_rows() == [0, 3])
    page.get_by_role("radio", name="Gallery").click()
    expect(place.box(jobs[0])).to_be_checked()
    expect(place.box(jobs[3])).to_be_checked()
    expect(place.box(jobs[1])).not_to_be_checked()
    place.says(3)
    page.get_by_role("radio", name="Table").click()
    place.until(lambda: place.picked_rows() == [0, 3])
    [new] = place.seed(1, -1, prompt="It came from another tab")  # above them: every place is another's now
    place.until(lambda: place.picked_rows() == [1, 4])
    place.press("Delete")
    expect(place.undo.get_by_text("3 takes are in the bin for 30 days.")).to_be_visible()
    assert [job.id for job in place.all() if job.binned_at] == [jobs[0].id, jobs[3].id, jobs[51].id]
    assert place.job(new).binned_at is None
    place.until(lambda: place.picked_rows() == [])


def test_another_filter_begins_with_none(place: Place) -> None:
    jobs = place.seed(3)
    page = place.visit.open("/jobs?view=Gallery")
    place.choose(jobs[0], jobs[1])
    place.says(2)
    box = page.get_by_placeholder("Words")
    box.fill("number 000")
    box.press("Enter")
    expect(page.get_by_text("1 take", exact=True)).to_be_visible()
    expect(place.bar).to_have_count(0)
    expect(place.box(jobs[0])).not_to_be_checked()
    box.fill("")
    box.press("Enter")
    expect(page.get_by_text("3 takes", exact=True)).to_be_visible()
    expect(place.bar).to_have_count(0)


def test_all_on_this_page_and_none(place: Place) -> None:
    jobs = place.seed(55)
    page = place.visit.open("/jobs?view=Gallery&page=2")
    place.choose(jobs[50])
    place.press("All on this page")
    place.says(5)
    for job in jobs[50:]:
        expect(place.box(job)).to_be_checked()
    page.get_by_role("button", name="Previous page").click()
    expect(place.box(jobs[0])).not_to_be_checked()
    place.says(5)
    place.press("None")
    expect(place.bar).to_have_count(0)


def test_tags_come_and_go_on_all_of_them(place: Place) -> None:
    jobs = place.seed(3)
    place.studio.retag(place.owner, [jobs[0].id], add=["old", "mine"])
    page = place.visit.open("/jobs?view=Gallery")
    place.choose(jobs[0], jobs[1])
    place.press("Tags")
    add = page.get_by_role("combobox", name="Add", exact=True)
    add.fill("launch")
    add.press("Enter")
    off = page.get_by_role("combobox", name="Take off")
    off.fill("old")
    off.press("Enter")
    page.get_by_text("Take off").click()  # the list of tags closes
    page.get_by_role("button", name="Change the tags").click()
    expect(page.get_by_text("The tags of 2 takes were changed.")).to_be_visible()
    assert [place.job(job).tags for job in jobs] == [("mine", "launch"), ("launch",), ()]
    place.says(2)


def test_a_rating_is_given_to_all_of_them(place: Place) -> None:
    jobs = place.seed(3)
    page = place.visit.open("/jobs?view=Gallery")
    place.choose(jobs[0], jobs[2])
    place.press("Rate")
    page.get_by_test_id("stFeedback").get_by_role("button").or_(
        page.get_by_test_id("stFeedback").get_by_role("radio")
    ).nth(3).click()
    place.until(lambda: place.job(jobs[0]).rating == 4)
    assert [place.job(job).rating for job in jobs] == [4, None, 4]
    page.get_by_role("button", name="No rating").click()
    place.until(lambda: place.job(jobs[2]).rating is None)
    assert place.job(jobs[0]).rating is None


def test_what_is_under_way_stays_and_the_rest_comes_back_from_the_bin(place: Place) -> None:
    jobs = place.seed(3)
    [moving] = place.seed(
        1, 3, state=State.RUNNING, video=None, finished_at=None, request_id="r", due_at=utc_now() + timedelta(hours=1)
    )
    page = place.visit.open("/jobs?view=Gallery")
    place.choose(jobs[0], jobs[1], moving)
    place.press("Delete")
    expect(
        place.undo.get_by_text("2 takes are in the bin for 30 days. 1 is under way and stays; cancel it first.")
    ).to_be_visible()
    expect(page.locator(".st-key-gallery video")).to_have_count(1)
    place.says(1)
    assert [bool(place.job(job).binned_at) for job in (*jobs, moving)] == [True, True, False, False]
    page.wait_for_timeout(3000)  # refreshes
    place.undo.get_by_role("button", name="Undo").click()
    expect(page.locator(".st-key-gallery video")).to_have_count(3)
    expect(place.undo.get_by_role("button")).to_have_count(0)
    assert not any(job.binned_at for job in place.all())


def test_one_take_is_deleted_and_comes_back(place: Place) -> None:
    [job, other] = place.seed(2)
    for path in (f"/jobs?job={job.id}", "/lucy14b"):
        page = place.visit.open(path)
        page.get_by_role("button", name="Delete", exact=True).click()
        expect(place.undo.get_by_text("1 take is in the bin for 30 days.")).to_be_visible()
        assert place.job(job).binned_at is not None
        assert place.job(other).binned_at is None
        place.undo.get_by_role("button", name="Undo").click()
        expect(place.undo.get_by_role("button")).to_have_count(0)
        assert place.job(job).binned_at is None
    page.get_by_role("button", name="Delete", exact=True).click()
    place.undo.get_by_role("button", name="Close").click()
    expect(place.undo.get_by_role("button")).to_have_count(0)
    assert place.job(job).binned_at is not None, "closing undid it"


def test_the_last_take_in_the_bin_can_be_brought_back(place: Place) -> None:
    [job] = place.seed(1)
    page = place.visit.open("/jobs?view=Gallery")
    place.choose(job)
    place.press("Delete")
    expect(page.get_by_text("No take is like that.")).to_be_visible()
    expect(page.get_by_text("No takes yet")).to_have_count(0)
    place.undo.get_by_role("button", name="Undo").click()
    expect(place.box(job)).to_be_visible()
    assert place.job(job).binned_at is None


def test_from_the_bin_they_come_back_or_go_for_good(place: Place) -> None:
    jobs = place.seed(4)
    place.studio.to_bin(place.owner, [job.id for job in jobs[:3]])
    page = place.visit.open("/jobs?view=Gallery&bin=1")
    place.choose(jobs[0])
    expect(place.bar.get_by_role("button", name="Delete", exact=True)).to_have_count(0)
    place.press("Take out of the bin")
    expect(place.bar).to_have_count(0)
    assert place.job(jobs[0]).binned_at is None
    place.choose(jobs[1])
    place.press("Delete for good…")
    assert len(place.all()) == 4, "it was not asked twice"
    page.get_by_role("button", name="Delete 1 take for good").click()
    expect(page.get_by_text("1 take deleted for good.")).to_be_visible()
    expect(place.bar).to_have_count(0)
    assert [job.id for job in place.all()] == [jobs[0].id, jobs[2].id, jobs[3].id]
    assert jobs[2].video
    assert place.studio.media.stat(jobs[2].video.key) is not None, "others have lost the video that they share"


def test_the_chosen_are_taken_along_as_a_zip(place: Place, tmp_path: Path) -> None:
    jobs = place.seed(4)
    place.visit.open("/jobs?view=Gallery")
    place.choose(jobs[1], jobs[3])
    place.press("Download")
    came = place.take_along("Zip: 2 videos")
    assert came.suggested_filename.startswith("takes-")
    assert came.suggested_filename.endswith(".zip")
    came.save_as(tmp_path / "takes.zip")
    with ZipFile(tmp_path / "takes.zip") as archive:
        assert archive.testzip() is None
        videos = [name for name in archive.namelist() if name.startswith("videos/")]
        assert len(videos) == 2
        assert {archive.read(name) for name in videos} == {place.download(jobs[1]), place.download(jobs[3])}
        lines = archive.read("takes.jsonl").splitlines()
    assert [json.loads(line)["job"]["id"] for line in lines] == [jobs[1].id, jobs[3].id]
    table = place.take_along("CSV").path().read_text("utf-8")
    assert [row["id"] for row in csv.DictReader(io.StringIO(table))] == [jobs[1].id, jobs[3].id]


def test_everything_that_is_found_is_taken_along(place: Place, tmp_path: Path) -> None:
    jobs = place.seed(60)
    place.studio.star(place.owner, jobs[55].id, True)
    page = place.visit.open("/jobs")
    page.get_by_role("button", name="Export").click()
    expect(page.get_by_text("All 60 takes that are found, on every page.")).to_be_visible()
    table = place.take_along("CSV").path().read_text("utf-8")
    assert [row["id"] for row in csv.DictReader(io.StringIO(table))] == [job.id for job in jobs]
    page = place.visit.open("/jobs?star=1")
    page.get_by_role("button", name="Export").click()
    lines = place.take_along("JSON lines").path().read_text("utf-8")
    assert [json.loads(line)["job"]["id"] for line in lines.splitlines()] == [jobs[55].id]
    with ZipFile(place.take_along("Zip with videos").path()) as archive:
        assert len(archive.read("takes.jsonl").splitlines()) == 1
    page = place.visit.open("/jobs?q=nowhere")
    expect(page.get_by_role("button", name="Export")).to_be_disabled()


WATCH = """video => {
    video.tagged = 'the same node';
    window.heard = [];
    for (const name of ['pause', 'emptied', 'abort', 'error'])
        video.addEventListener(name, () => window.heard.push(name));
    video.play();
}"""


def test_a_playing_take_is_left_alone_by_all_of_it(place: Place) -> None:
    jobs = place.seed(6)
    page = place.visit.open("/jobs?view=Gallery")
    video = page.locator(f".st-key-tile-{jobs[4].id} video")
    video.evaluate(WATCH)
    top = video.evaluate(
        "video => video.getBoundingClientRect().top + document.querySelector('[data-testid=stMain]').scrollTop"
    )
    place.choose(jobs[0])
    place.says(1)
    assert top == video.evaluate(
        "video => video.getBoundingClientRect().top + document.querySelector('[data-testid=stMain]').scrollTop"
    ), "the page jumps when the bar comes"
    place.press("Star")
    expect(place.bar.get_by_role("button", name="Unstar")).to_be_visible()
    place.press("None")
    expect(place.bar).to_have_count(0)
    place.choose(jobs[1], jobs[5])
    place.press("Delete")
    expect(page.locator(".st-key-gallery video")).to_have_count(4)
    place.undo.get_by_role("button", name="Undo").click()
    expect(page.locator(".st-key-gallery video")).to_have_count(6)
    assert video.evaluate("video => [video.tagged, video.paused]") == ["the same node", False]
    assert page.evaluate("window.heard") == []


def test_on_a_phone_nothing_is_wider_than_the_window(place: Place) -> None:
    jobs = place.seed(3)
    place.page.set_viewport_size({"width": 390, "height": 844})
    page = place.visit.open("/jobs?view=Gallery")
    place.choose(jobs[0])
    place.says(1)
    assert page.evaluate("document.scrollingElement.scrollWidth - window.innerWidth") <= 0
    for name in ("Star", "Tags", "Rate", "Download", "Delete", "All on this page", "None"):
        box = place.bar.get_by_role("button", name=name, exact=True).bounding_box()
        assert box, name
        assert box["x"] >= 0, name
        assert box["x"] + box["width"] <= 390, name
        assert box["y"] + box["height"] <= 844, name


def test_the_boxes_can_be_reached_and_heard(place: Place) -> None:
    jobs = place.seed(2)
    page = place.visit.open("/jobs?view=Gallery")
    box = page.get_by_role("checkbox", name="Choose: Take number 001")
    expect(box).to_have_count(1)
    box.focus()
    page.keyboard.press("Space")
    place.says(1)
    expect(place.box(jobs[0])).not_to_be_checked()
