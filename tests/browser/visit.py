"""What a visitor does on the pages, in words of the app; and what the browser noticed meanwhile."""

from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import BrowserContext, ConsoleMessage, Locator, Page, Request, expect

from tests.browser.server import App

DONE_MS = 60_000  # a local render of five seconds on a busy computer; usually under ten
PLAYS = "video => video.videoWidth > 0 && !video.paused && video.currentTime > 0.1"


class Visit:
    """One browser profile at one app.

    Args:
        app: the app.
        context: the profile.
    """

    def __init__(self, app: App, context: BrowserContext) -> None:
        self.app = app
        self.context = context
        self.foreign: list[str] = []
        self.violations: list[str] = []
        self.crashes: list[str] = []
        context.on("request", self._asked)
        context.on("console", self._said)
        context.on("weberror", lambda error: self.crashes.append(str(error.error)))
        self.page = context.new_page()

    def _asked(self, request: Request) -> None:
        address = urlsplit(request.url)
        if address.scheme in ("http", "https", "ws", "wss") and address.hostname != "127.0.0.1":
            self.foreign.append(request.url)

    def _said(self, message: ConsoleMessage) -> None:
        if "Content Security Policy" in message.text or "Permissions policy violation" in message.text:
            self.violations.append(message.text)

    def open(self, path: str, page: Page | None = None) -> Page:
        """Go to an address of the app and wait until its page stands."""
        page = page or self.page
        page.goto(self.app.url + path)
        self.settled(page)
        return page

    def settled(self, page: Page | None = None) -> None:
        """Wait until the page's script has run."""
        page = page or self.page
        page.locator('[data-testid="stApp"][data-test-script-state="notRunning"]').wait_for()
        page.locator("h2").first.wait_for()

    def heading(self, text: str) -> None:
        """The page has this heading."""
        expect(self.page.get_by_role("heading", name=text, exact=True, level=2)).to_be_visible()

    @property
    def prompt(self) -> Locator:
        return self.page.get_by_role("textbox", name="Prompt", exact=True)

    @property
    def video(self) -> Locator:
        return self.page.get_by_test_id("stVideo")

    @property
    def generate(self) -> Locator:
        return self.page.get_by_role("button", name="Generate")

    def state(self, word: str) -> Locator:
        """The badge that says where a take stands."""
        return self.page.locator(".stMarkdownBadge").filter(has_text=word)

    def take_sample(self, name: str = "Lighthouse", page: Page | None = None) -> None:
        """Take a sample still; it fills an empty prompt too."""
        page = page or self.page
        page.get_by_role("button", name=name, exact=True).click()
        expect(page.get_by_alt_text("The still as it will be used")).to_be_visible()
        expect(page.get_by_role("textbox", name="Prompt", exact=True)).not_to_have_value("")
        self.settled(page)

    def write(self, text: str) -> None:
        """Write a prompt and leave the box."""
        self.prompt.fill(text)
        self.prompt.blur()
        self.settled()

    def plays(self, page: Page | None = None) -> str:
        """Wait until the opened take plays; its job's id."""
        page = page or self.page
        video = page.get_by_test_id("stVideo")
        video.wait_for(timeout=DONE_MS)
        page.wait_for_function(
            f"() => {{ const v = document.querySelector('[data-testid=stVideo]'); return v && ({PLAYS})(v) }}"
        )
        return str(video.get_attribute("src")).split("/takes/")[1].split("/")[0]

    def make(self, text: str) -> str:
        """Three steps to a playing video: a sample, a prompt, Generate. The job's id."""
        self.take_sample()
        self.write(text)
        self.generate.click()
        return self.plays()

    def get(self, path: str) -> Any:
        """Ask for an address with this profile's cookies."""
        return self.context.request.get(self.app.url + path)
