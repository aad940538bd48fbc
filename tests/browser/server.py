"""The real app as a process of its own: started on a free port, killed by its id."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx

ROOT = Path(__file__).parents[2]
START_S = 60.0  # a cold start on a busy computer; usually under five seconds


class App:
    """A context manager around `streamlit run`.

    Args:
        folder: holds the data, an empty home and the log of this app.
        settings: Takes' settings, as environment variables; `{url}` in them stands for the app's own address.
    """

    def __init__(self, folder: Path, **settings: str) -> None:
        self._log = folder / "app.log"
        self.data = folder / "data"
        (folder / "home").mkdir(parents=True, exist_ok=True)
        self._environment = {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(folder / "home"),
            "DATA_DIR": str(self.data),
            "LANG": "C.UTF-8",
            **settings,
        }
        self._process: subprocess.Popen[bytes] | None = None
        self.url = ""

    def start(self) -> Self:
        """Start it on a free port and wait until it is well."""
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        command = [sys.executable, "-m", "streamlit", "run", "streamlit_app.py", "--server.port", str(port)]
        environment = {name: value.replace("{url}", self.url) for name, value in self._environment.items()}
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                command, cwd=ROOT, env=environment, stdout=log, stderr=log, start_new_session=True
            )
        until = time.monotonic() + START_S
        while time.monotonic() < until:
            assert self._process.poll() is None, f"it ended at once:\n{self.log()}"
            with contextlib.suppress(httpx.TransportError):
                if httpx.get(f"{self.url}/healthz").json() == {"status": "ok"}:
                    return self
            time.sleep(0.1)
        raise AssertionError(f"not well after {START_S} s:\n{self.log()}")

    def kill(self) -> None:
        """Pull the plug: SIGKILL, by its id. A render that is under way goes on by itself."""
        assert self._process
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def log(self) -> str:
        """What it has printed so far, over all its starts."""
        return self._log.read_text("utf-8", "replace")

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()
