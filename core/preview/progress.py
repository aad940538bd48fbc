"""The file in which a render tells how far it is: written by the child, read by whoever asks."""

import json
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

LINE_EVERY_S = 0.2  # at most five lines a second


class Reporter:
    """Adds JSON lines to a progress file; each with one write, so that no reader sees half of one but at a crash."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._began = time.monotonic()
        self._last = float("-inf")

    def line(self, **facts: Any) -> None:
        """Add a line with these facts."""
        os.write(self._file, (json.dumps(facts, ensure_ascii=False) + "\n").encode())

    def step(self, done: int, total: int, stage: str) -> None:
        """Tell how many frames of how many are done; silent if the last line is younger than LINE_EVERY_S."""
        now = time.monotonic()
        if now - self._last < LINE_EVERY_S:
            return
        if self._last == float("-inf"):
            self._began = now  # reading the still is no measure for the frames
        elapsed, self._last = now - self._began, now
        left = {"eta_s": round(elapsed / done * (total - done), 1)} if done > 2 and elapsed > 0 else {}
        self.line(progress=round(done / total, 3), stage=stage, **left)

    def close(self) -> None:
        os.close(self._file)


@dataclass(frozen=True)
class Record:
    """What a progress file says.

    Args:
        starts: how many times the render was started.
        pid: of the newest start, or None.
        progress, eta_s, stage: of the newest start; 0 to 1, seconds, words.
        facts: what the finished render told, or None.
        error: kind, message and field of its end without a video, or None.
    """

    starts: int = 0
    pid: int | None = None
    progress: float | None = None
    eta_s: float | None = None
    stage: str = ""
    facts: Mapping[str, Any] | None = None
    error: Mapping[str, Any] | None = field(default=None)

    @property
    def is_over(self) -> bool:
        return self.facts is not None or self.error is not None

    @classmethod
    def read(cls, path: Path) -> Self:
        """The record in a file; an empty one where there is no file. A line that a crash cut off is passed over."""
        try:
            lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
        except FileNotFoundError:
            return cls()
        said: dict[str, Any] = {}
        starts = 0
        for line in lines:
            try:
                facts = json.loads(line)
            except ValueError:
                continue
            if not isinstance(facts, dict):
                continue
            if "start" in facts:
                starts, said = starts + 1, {}
            elif "done" in facts:
                said["facts"] = facts.get("facts", {})
            elif "error" in facts:
                said["error"] = facts
            elif "pid" in facts:
                said["pid"] = facts["pid"]
            elif "progress" in facts:
                said |= {"eta_s": None} | {key: facts[key] for key in ("progress", "eta_s", "stage") if key in facts}
        return cls(starts=starts, **said)
