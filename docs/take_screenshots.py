"""Take the README's screenshots from a running app: `python docs/take_screenshots.py http://127.0.0.1:8501`."""

import os
import sys
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

OUT = Path(__file__).parent / "screenshots"
BROWSER = os.environ.get("TAKES_BROWSER") or "/usr/bin/chromium"
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
LONGEST_MS = 60_000  # a local render with room to spare


def settle(page: Page) -> None:
    """Wait until Streamlit is done and pictures had time to appear."""
    page.wait_for_timeout(400)
    page.wait_for_selector('[data-testid=stApp][data-test-script-state="notRunning"]')
    page.wait_for_timeout(900)


def make(page: Page, base: str, sample: str) -> None:
    """Make one take of a sample and wait for its video."""
    page.goto(f"{base}/lucy14b")
    settle(page)
    page.get_by_role("button", name=sample, exact=True).click()
    settle(page)
    page.get_by_role("button", name="Generate ·").click()
    page.wait_for_timeout(1500)
    page.wait_for_selector("[data-testid=stVideo]", timeout=LONGEST_MS)


def main(base: str) -> None:
    """Make three takes and photograph the pages."""
    OUT.mkdir(exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=BROWSER, args=FLAGS)
        page = browser.new_context(viewport={"width": 1440, "height": 900}).new_page()
        for sample in ("Balloon", "Lighthouse", "Valley"):
            make(page, base, sample)
        page.wait_for_timeout(1500)
        page.locator("[data-testid=stMain]").evaluate("main => main.scrollTo(0, 0)")
        page.mouse.move(10, 890)
        page.wait_for_timeout(3500)
        page.screenshot(path=OUT / "model.png")
        page.goto(f"{base}/jobs")
        settle(page)
        page.get_by_text("Gallery", exact=True).click()
        settle(page)
        page.screenshot(path=OUT / "gallery.png")
        page.locator(".st-key-gallery").get_by_role("button", name="Open").first.click()
        settle(page)
        page.wait_for_timeout(2500)
        page.screenshot(path=OUT / "jobs.png")
        browser.close()


if __name__ == "__main__":
    main(sys.argv[1])
