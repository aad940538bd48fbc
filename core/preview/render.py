"""The render process: `python -m core.preview.render TASK.json`. Polite to its neighbours, and it always cleans up.

Exit codes: 0 done, 1 refused (the progress file says why), 130 stopped by SIGTERM.
"""

import errno
import os
import resource
import signal
import sys
import time
from pathlib import Path
from types import FrameType
from typing import Any

from core.errors import ProviderRefused
from core.preview.progress import Reporter
from core.preview.task import CameraTask, Task, load

NICENESS = 10  # the server's own work comes first: same latency as with no render at all (preview.md 6)
LAST_RESORT_S = 15  # after the limit, for a library that does not come back
STOPPED = 130
FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


class _Run:
    """Passes progress on and ends the render when it is told to, or when it takes too long."""

    def __init__(self, reporter: Reporter, limit_s: float) -> None:
        self._reporter = reporter
        self._deadline = time.monotonic() + limit_s
        self._told_to_stop = False
        signal.signal(signal.SIGTERM, self._stop)
        signal.signal(signal.SIGINT, self._stop)
        signal.alarm(int(limit_s) + LAST_RESORT_S)  # left at its default, which ends the process

    def _stop(self, _signal: int, _frame: FrameType | None) -> None:
        self._told_to_stop = True

    def step(self, done: int, total: int, stage: str) -> None:
        """Raises SystemExit when told to stop, ProviderRefused at the limit."""
        self._reporter.step(done, total, stage)
        if self._told_to_stop:
            raise SystemExit(STOPPED)
        if time.monotonic() > self._deadline:
            raise ProviderRefused(
                "render_timeout",
                "The render took too long on this computer. Try a shorter clip, or when it is less busy.",
            )


def main(argv: list[str]) -> int:
    """Render the task in the file that `argv` names; the exit code."""
    task = load(Path(argv[0]))
    reporter = Reporter(Path(task.progress))
    reporter.line(pid=os.getpid())
    run = _Run(reporter, task.limit_s)
    os.nice(NICENESS)
    resource.setrlimit(resource.RLIMIT_FSIZE, (task.most_bytes, task.most_bytes))
    try:
        facts = _render(task, run)
    except ProviderRefused as refused:
        reporter.line(error=refused.message, kind=refused.kind, field=refused.field)
        return 1
    except OSError as exc:
        if (said := _write_error(exc)) is None:
            raise
        reporter.line(**said)
        return 1
    finally:
        signal.alarm(0)
    reporter.line(done=True, facts=facts)
    reporter.close()
    return 0


def _render(task: Task, run: _Run) -> dict[str, Any]:
    import cv2  # half a second of imports, after the signal handlers stand

    cv2.setNumThreads(1)
    if isinstance(task, CameraTask):
        from core.preview.camera import film

        return film(task, run.step)
    from core.preview.splice import splice

    return splice(task, run.step)


def _write_error(exc: OSError) -> dict[str, Any] | None:
    """The line for an error that the user can do something about; None for a bug."""
    if exc.errno in FULL:
        return {
            "error": "There is no room left on the disk of this computer. Free some, then try again.",
            "kind": "storage_full",
        }
    if exc.errno == errno.EFBIG:
        return {
            "error": "The video grew larger than is allowed here. Make it shorter or smaller.",
            "kind": "video_too_large",
        }
    return None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
