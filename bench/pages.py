"""What a page costs beside a one-line Streamlit app in the same run, on the server and in the browser: `python -m bench.pages`."""

import os
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Browser, Page, WebSocket, sync_playwright
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ClientState_pb2 import ClientState
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.sync.client import connect
from websockets.sync.connection import Connection
from websockets.typing import Subprotocol

RERUN_TARGET, PAINT_TARGET = 1.5, 1.2
RERUNS = 40  # of each app, taking turns
VISITS = 9  # of each app, taking turns
PAUSE_S = 0.1  # as a person's clicks have; without it a ~40 ms floor of TCP is measured
START_S = 60.0
TAKE_S = 180.0  # the local preview of the sample, on a busy machine
TICKS = os.sysconf("SC_CLK_TCK")  # per second, of /proc/PID/stat

ROOT = Path(__file__).parent.parent
BROWSER = os.environ.get("TAKES_BROWSER") or "/usr/bin/chromium"
SLUG = "lucy14b"
ONE_LINE = 'import streamlit as st; st.write("hello")\n'
FLAGS = (
    "--server.address=127.0.0.1",
    "--server.headless=true",
    "--server.fileWatcherType=none",
    "--browser.gatherUsageStats=false",
)
# Notes when the first heading or text of the page's main part has been painted, in ms since the navigation began.
PAINT = """
new MutationObserver((_, observer) => {
  const texts = document.querySelectorAll('[data-testid=stMain] :is(h1, h2, [data-testid=stMarkdown])');
  if (![...texts].some((text) => text.innerText.trim())) return;
  observer.disconnect();
  requestAnimationFrame(() => { document.documentElement.dataset.painted = performance.now(); });
}).observe(document, {childList: true, subtree: true, characterData: true});
"""


@dataclass(frozen=True)
class Server:
    """A running app: its port on 127.0.0.1 and its process id."""

    port: int
    pid: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def cpu_s(self) -> float:
        """CPU seconds, user and system, that its process has used; its render children are not in it."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / TICKS


class Session:
    """One Streamlit session without a browser: sends a run's request and waits for its last message."""

    def __init__(self, socket: Connection, state: ClientState) -> None:
        self._socket = socket
        self._state = state

    def run(self, pressed: str = "") -> list[ForwardMsg]:
        """One run of the page, with the button of this widget id pressed. Returns what the server sent."""
        state = ClientState()
        state.CopyFrom(self._state)
        if pressed:
            state.widget_states.widgets.add(id=pressed, trigger_value=True)
        self._socket.send(BackMsg(rerun_script=state).SerializeToString())
        messages: list[ForwardMsg] = []
        while True:
            message = ForwardMsg.FromString(bytes(self._socket.recv(timeout=START_S, decode=False)))
            messages.append(message)
            if message.WhichOneof("type") == "script_finished":
                if message.script_finished == ForwardMsg.FINISHED_SUCCESSFULLY:
                    return messages
                if message.script_finished == ForwardMsg.FINISHED_WITH_COMPILE_ERROR:
                    raise RuntimeError("the page does not compile")


@contextmanager
def serve(script: Path, **environment: str) -> Iterator[Server]:
    """Run an app from its own folder, until the block ends."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    command = [sys.executable, "-m", "streamlit", "run", script.name, f"--server.port={port}", *FLAGS]
    process = subprocess.Popen(
        command, cwd=script.parent, env={**os.environ, **environment}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )  # fmt: skip
    try:
        server = Server(port, process.pid)
        _await_health(server, process)
        yield server
    finally:
        process.terminate()
        process.wait(30)


def _await_health(server: Server, process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + START_S
    while time.monotonic() < end and process.poll() is None:
        try:
            with urllib.request.urlopen(f"{server.url}/_stcore/health", timeout=5):
                return
        except (urllib.error.URLError, TimeoutError):
            time.sleep(0.1)
    raise RuntimeError(f"the app did not start (exit code {process.poll()})")


@contextmanager
def both() -> Iterator[tuple[Server, Server]]:
    """Takes, with an empty data folder and no way to a paid provider, and the one-line app."""
    nowhere = "http://127.0.0.1:9"
    with tempfile.TemporaryDirectory() as name:
        plain = Path(name) / "plain"
        plain.mkdir()
        (plain / "app.py").write_text(ONE_LINE)
        closed = {"FAL_BASE_URL": nowhere, "FAL_QUEUE_URL": nowhere, "FAL_REST_URL": nowhere}
        with (
            serve(ROOT / "streamlit_app.py", DATA_DIR=f"{name}/data", PROVIDER_NAME=SLUG, WORKER="embedded", **closed) as takes,
            serve(plain / "app.py") as baseline,
        ):  # fmt: skip
            yield takes, baseline


# --- reruns -------------------------------------------------------------------------------------------------------


def make_take(browser: Browser, server: Server) -> tuple[ClientState, str]:
    """Make a take of a sample as a visitor does. Returns what the browser then sends to rerun the page, and its cookies."""
    context = browser.new_context()
    page = context.new_page()
    sent: list[ClientState] = []
    page.on("websocket", lambda stream: _listen(stream, sent))
    page.goto(f"{server.url}/{SLUG}")
    page.get_by_role("button", name="Try it with a sample").click()
    local = page.get_by_text("Local preview", exact=True)
    local.first.click()
    page.get_by_role("button", name=re.compile("^.*Generate")).click()
    page.locator("video").first.wait_for(timeout=TAKE_S * 1000)
    _settle(page)
    state = sent[-1]
    cookies = "; ".join(f"{cookie['name']}={cookie['value']}" for cookie in context.cookies())
    context.close()
    state.ClearField("fragment_id")
    state.ClearField("is_auto_rerun")
    kept = [widget for widget in state.widget_states.widgets if widget.WhichOneof("value") != "trigger_value"]
    del state.widget_states.widgets[:]
    state.widget_states.widgets.extend(kept)
    return state, cookies


def _listen(stream: WebSocket, sent: list[ClientState]) -> None:
    def keep(payload: str | bytes) -> None:
        message = BackMsg.FromString(payload if isinstance(payload, bytes) else payload.encode("latin-1"))
        if message.HasField("rerun_script"):
            sent.append(message.rerun_script)

    stream.on("framesent", keep)


def _settle(page: Page) -> None:
    page.wait_for_timeout(3000)  # longer than one refresh of the page: what is live has stopped
    page.locator("[data-testid=stApp][data-test-script-state=notRunning]").wait_for()


@contextmanager
def session(server: Server, state: ClientState, cookies: str = "") -> Iterator[Session]:
    """A session of this app that has run once."""
    headers = {"Cookie": cookies} if cookies else {}
    address = f"ws://127.0.0.1:{server.port}/_stcore/stream"
    with connect(
        address, subprotocols=[Subprotocol("streamlit")], additional_headers=headers, max_size=None, proxy=None
    ) as stream:
        opened = Session(stream, state)
        opened.run()
        yield opened


def _widget(messages: list[ForwardMsg], key: str) -> str:
    """The id of the button whose key ends so, out of what a run sent."""
    for message in messages:
        element = message.delta.new_element
        if element.WhichOneof("type") == "button" and element.button.id.endswith(key):
            return str(element.button.id)
    raise RuntimeError(f"the page has no button “…{key}”")


def _shows_video(messages: list[ForwardMsg]) -> bool:
    return any(message.delta.new_element.WhichOneof("type") == "video" for message in messages)


def timed(server: Server, run: Callable[[], object]) -> tuple[float, float]:
    """Wall and CPU seconds of one run; the CPU with what the server does after its last message."""
    cpu = server.cpu_s()
    began = time.perf_counter()
    run()
    wall = time.perf_counter() - began
    time.sleep(PAUSE_S)
    return wall, server.cpu_s() - cpu


def reruns(browser: Browser, takes: Server, baseline: Server) -> float:
    """Median wall time of a rerun of the model page, with a still chosen and a finished take ÷ of the one-line app."""
    state, cookies = make_take(browser, takes)
    with session(takes, state, cookies) as page, session(baseline, ClientState()) as plain:
        page.run(_widget(page.run(), ".sample.lighthouse"))
        sent = page.run()
        if not _shows_video(sent):
            raise RuntimeError("the page does not show the finished take")
        bytes_sent = sum(message.ByteSize() for message in sent)
        ours: list[tuple[float, float]] = []
        theirs: list[tuple[float, float]] = []
        for _ in range(RERUNS):
            ours.append(timed(takes, page.run))
            theirs.append(timed(baseline, plain.run))
    walls = [statistics.median(wall for wall, _ in runs) for runs in (ours, theirs)]
    cpus = [statistics.fmean(cpu for _, cpu in runs) for runs in (ours, theirs)]
    print(
        f"  a rerun: {walls[0] * 1000:.1f} ms / {walls[1] * 1000:.1f} ms; CPU {cpus[0] * 1000:.1f} ms / "
        f"{cpus[1] * 1000:.1f} ms, ratio {cpus[0] / cpus[1]:.2f}; {len(sent)} messages, {bytes_sent / 1000:.0f} kB"
    )
    return walls[0] / walls[1]


# --- first paint --------------------------------------------------------------------------------------------------


def paint_ms(browser: Browser, server: Server) -> float:
    """Milliseconds from the navigation's begin to the first painted text, in a browser with nothing cached."""
    context = browser.new_context()
    page = context.new_page()
    page.add_init_script(PAINT)
    page.goto(server.url, wait_until="commit")
    painted = page.locator("html[data-painted]")  # an attribute: the security headers refuse a script that is polled
    painted.wait_for(state="attached", timeout=START_S * 1000)
    shown = float(painted.get_attribute("data-painted") or "nan")
    context.close()
    return shown


def first_paint(browser: Browser, takes: Server, baseline: Server) -> float:
    """Median first paint of `/` ÷ of the one-line app, after one visit to each that warms the servers."""
    ours: list[float] = []
    theirs: list[float] = []
    for _ in range(VISITS + 1):
        ours.append(paint_ms(browser, takes))
        theirs.append(paint_ms(browser, baseline))
    medians = statistics.median(ours[1:]), statistics.median(theirs[1:])
    print(f"  first paint: {medians[0]:.0f} ms / {medians[1]:.0f} ms")
    return medians[0] / medians[1]


def main() -> bool:
    """Print both ratios. Returns whether both targets are met."""
    with both() as (takes, baseline), sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=BROWSER)
        paint = first_paint(browser, takes, baseline)
        print(f"first paint / one-line app: {paint:.2f} (target ≤ {PAINT_TARGET})", flush=True)
        rerun = reruns(browser, takes, baseline)
        print(f"rerun of a model page / one-line app: {rerun:.2f} (target ≤ {RERUN_TARGET})", flush=True)
        browser.close()
    return rerun <= RERUN_TARGET and paint <= PAINT_TARGET


if __name__ == "__main__":
    sys.exit(0 if main() else 1)
