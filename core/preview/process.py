"""One render's folder and process: started once, found again after any crash, stopped for sure.

The child holds an exclusive `flock` on its progress file from before it exists until it is gone: the parent takes the lock
and hands the open file down. A kill -9 frees it, a reused process number cannot fake it, and no two renders share a folder.
"""

import contextlib
import fcntl
import logging
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import core
from core.errors import ProviderUnavailable
from core.preview.progress import Record
from core.preview.task import Task, dump

log = logging.getLogger("takes.preview")

MOST_STARTS = 3  # a render that died three times will die again
TERM_GRACE_S = 2.0  # a frame takes milliseconds; reading a large still about a second
KILL_GRACE_S = 5.0
LOOK_EVERY_S = 0.02
PASSED_ON = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "PYTHONPATH", "VIRTUAL_ENV", "LD_LIBRARY_PATH")
"""Environment of the child: no key or token of the server's goes there."""


class Render:
    """A render in its folder, running or not.

    Args:
        folder: its own; made by `prepare`.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.task = folder / "task.json"
        self.progress = folder / "progress.jsonl"
        self.output = folder / "video.mp4"

    @property
    def is_prepared(self) -> bool:
        return self.task.exists()

    def prepare(self, task: Task) -> None:
        """Write the task down; from then on it can be started. Raises OSError."""
        draft = self.folder / f"task.{uuid.uuid4().hex}.part"
        draft.write_text(dump(task), encoding="utf-8")
        os.replace(draft, self.task)

    def record(self) -> Record:
        """What the render has told so far."""
        return Record.read(self.progress)

    def is_running(self) -> bool:
        """Whether a process works on it, whoever started it."""
        with _locked(self.progress, shared=True) as lock:
            return lock is None and self.progress.exists()

    def start(self, slots: "Slots") -> bool:
        """Start the process, unless it runs, is over, or has died too often.

        Returns:
            Whether it is running or over; False where no slot was free.

        Raises:
            ProviderUnavailable: this computer cannot start a process now.
        """
        with _locked(self.progress, make=True) as lock:
            if lock is None:
                return True
            record = self.record()
            if record.is_over or record.starts >= MOST_STARTS:
                return True
            with slots.take() as slot:
                if slot is None:
                    return False
                if record.starts:
                    log.warning(
                        "render %s ended without a result (start %d): %s",
                        self.folder.name,
                        record.starts,
                        self._last_words(),
                    )
                self._sweep_parts()
                os.write(lock, b'\n{"start": %d}\n' % (record.starts + 1))  # the newline ends what a crash cut off
                self._spawn(lock, slot)
                return True

    def _spawn(self, lock: int, slot: int) -> None:
        command = [sys.executable, "-m", "core.preview.render", str(self.task)]
        environment = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
        try:
            with (self.folder / "render.log").open("ab") as words:
                child = subprocess.Popen(
                    command, stdin=subprocess.DEVNULL, stdout=words, stderr=words, start_new_session=True,
                    cwd=Path(core.__file__).parents[1], env=environment, pass_fds=(lock, slot),
                )  # fmt: skip
        except OSError as exc:
            raise ProviderUnavailable(
                "cannot_start", "This computer cannot start the render just now. It is tried again."
            ) from exc
        # somebody has to wait for it, or it stays in the process table when it is done
        threading.Thread(target=child.wait, name=f"render {child.pid}", daemon=True).start()

    def stop(self) -> bool:
        """End the process if there is one. Returns False if it does not end, not even when killed."""
        began = time.monotonic()
        sent: signal.Signals | None = None
        while self.is_running():
            waited = time.monotonic() - began
            wanted = signal.SIGTERM if waited < TERM_GRACE_S else signal.SIGKILL
            # the process number is safe to use: the lock shows that its owner lives
            if wanted is not sent and (pid := self.record().pid) is not None:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, wanted)
                sent = wanted
            if waited > TERM_GRACE_S + KILL_GRACE_S:
                return False
            time.sleep(LOOK_EVERY_S)
        return True

    def remove(self) -> None:
        """Remove the folder and all in it."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _sweep_parts(self) -> None:
        for part in self.folder.glob("*.part.mp4"):  # what a killed render left
            part.unlink(missing_ok=True)

    def _last_words(self) -> str:
        with contextlib.suppress(OSError):
            return (self.folder / "render.log").read_text(errors="replace").strip()[-300:]
        return ""


class Slots:
    """How many renders run at the same time on this computer, across all processes of the app.

    Args:
        folder: where the lock files are.
        count: how many slots there are, 1 or more.
    """

    def __init__(self, folder: Path, count: int) -> None:
        self._folder = folder
        self._count = count

    @contextlib.contextmanager
    def take(self) -> Iterator[int | None]:
        """An open file whose lock is a slot, or None. The slot is free again when all who hold the file are gone."""
        self._folder.mkdir(parents=True, exist_ok=True)
        for number in range(self._count):
            with _locked(self._folder / f"{number}.lock", make=True) as lock:
                if lock is not None:
                    yield lock
                    return
        yield None


@contextlib.contextmanager
def _locked(path: Path, *, make: bool = False, shared: bool = False) -> Iterator[int | None]:
    """The file, open for adding and locked, until the context ends; None if somebody else has it or there is none.

    `shared` only asks: two who ask at the same time do not take each other for a render.
    """
    flags = os.O_RDWR | os.O_APPEND | (os.O_CREAT if make else 0)
    try:
        file = os.open(path, flags, 0o600)
    except FileNotFoundError:
        yield None
        return
    try:
        try:
            fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
            # a folder that was removed in between leaves us with a file that nobody else can see
            mine = os.fstat(file)
            there = os.stat(path)
            got = (mine.st_dev, mine.st_ino) == (there.st_dev, there.st_ino)
        except (BlockingIOError, FileNotFoundError):
            got = False
        yield file if got else None
    finally:
        # closing gives the lock up only if no child has the file: never LOCK_UN, that would take the child's
        os.close(file)
