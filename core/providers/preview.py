"""The embedded provider: renders a camera move or a splice on this computer, in a process of its own. Free, no key."""

import asyncio
import contextlib
import errno
import logging
import os
import shutil
from collections.abc import AsyncIterator, Collection
from pathlib import Path
from typing import ClassVar
from uuid import uuid4

from core.errors import NotFound, ProviderRefused, ProviderUnavailable, StorageFull
from core.jobs.job import Job
from core.media.store import MediaStore
from core.models.spec import FREE, Estimate, ModelInput, ModelSpec
from core.preview import order
from core.preview.options import CameraOptions
from core.preview.process import MOST_STARTS, Render, Slots
from core.providers.base import CancelAnswer, Cancelled, Completed, Output, Queued, Receipt, Running, Status, TooLate

log = logging.getLogger("takes.preview")

USUAL_WAIT_S = (2.0, 30.0)  # a camera move of 5 s at 720p takes 3 to 8 s; a splice of ten clips most of a minute


class PreviewProvider:
    """Renders on this computer.

    Args:
        work_dir: where renders have their folders; one per job, removed when the video was fetched.
        media: where the stills and clips are.
        slots: how many renders run at the same time.
    """

    name: ClassVar[str] = "preview"
    title: ClassVar[str] = "Local preview"
    resubmits: ClassVar[bool] = True
    keeps_records: ClassVar[bool] = False  # none are needed: a job is sent again instead

    def __init__(self, work_dir: Path, media: MediaStore, slots: int | None = None) -> None:
        self._work = work_dir.absolute()
        self._media = media
        self._slots = Slots(self._work / ".slots", slots or max(1, min(2, (os.cpu_count() or 1) // 2)))

    def options(self, spec: ModelSpec) -> type[ModelInput] | None:
        """CameraOptions for a camera move; None for a splice."""
        return CameraOptions if spec.local == "camera" else None

    def price(self, spec: ModelSpec, given: ModelInput) -> Estimate:
        """Nothing."""
        return FREE

    def wait_s(self, spec: ModelSpec) -> tuple[float, float]:
        """As measured on two ordinary cores."""
        return USUAL_WAIT_S

    async def find(self, job: Job) -> str | None:
        """None: nothing is ever lost here."""
        return None

    async def upload(self, job: Job, key: str, path: Path) -> str:
        """The key itself: the render reads from the media store."""
        return key

    async def submit(self, job: Job) -> Receipt:
        """Write the task down and start it if there is a free slot. A render that runs or is over is left alone."""
        position = await asyncio.to_thread(self._submit, job)
        return Receipt(request_id=f"preview-{job.id}", position=position)

    async def status(self, job: Job) -> Status:
        """Where the render stands; one that died is started again, and so is one whose folder is gone."""
        return await asyncio.to_thread(self._status, job)

    async def watch(self, job: Job) -> AsyncIterator[None]:
        """Nothing: a look at the progress file costs less."""
        for _ in ():
            yield

    async def result(self, job: Job) -> Output | None:
        """The path of the video, with the plan's words as facts."""
        return await asyncio.to_thread(self._result, job)

    async def download(self, job: Job, output: Output, to: Path) -> None:
        """Hand the file over and remove the render's folder. If that is gone, the video is made again."""
        await asyncio.to_thread(self._download, job, to)

    async def cancel(self, job: Job) -> CancelAnswer:
        """Stop the render and remove its folder, unless it is over."""
        return await asyncio.to_thread(self._cancel, job)

    async def aclose(self) -> None:
        """Nothing to let go of: renders go on by themselves and are found again."""

    async def sweep(self, live_job_ids: Collection[str]) -> int:
        """Stop and remove the renders of all other jobs; how many there were. For the start of the app."""
        return await asyncio.to_thread(self._sweep, frozenset(live_job_ids))

    # --- the same without async -----------------------------------------------------------------------------------

    def _render(self, job: Job) -> Render:
        return Render(self._work / job.id)

    def _prepared(self, job: Job) -> Render:
        """The render of a job, with its task written. Raises ProviderRefused where that cannot be done."""
        render = self._render(job)
        if not render.is_prepared:
            try:
                render.folder.mkdir(parents=True, exist_ok=True)
                spec, given = order.read(job)
                paths = {key: self._fetch(key, render) for key in order.needed(spec, given)}
                render.prepare(order.task(job, spec, given, paths, render.output, render.progress))
            except NotFound as exc:
                raise ProviderRefused(
                    "media_missing", "A file of this job is no longer stored here. Choose it again."
                ) from exc
            except OSError as exc:
                raise ProviderRefused("storage_full", _no_room(exc)) from exc
        return render

    def _submit(self, job: Job) -> int | None:
        render = self._prepared(job)
        self._fill()
        return None if render.is_running() or render.record().is_over else self._position(render)

    def _status(self, job: Job) -> Status:
        render = self._prepared(job)
        running = render.is_running()  # before the record: a render that ends in between is then seen as over
        record = render.record()
        if record.is_over or (not running and record.starts >= MOST_STARTS):
            return Completed()
        if not running:
            self._fill()
            if not render.is_running():
                return Completed() if render.record().is_over else Queued(self._position(render))
        return Running(record.progress, record.eta_s, record.stage or "Starting")

    def _result(self, job: Job) -> Output | None:
        status = self._status(job)  # brings a render back whose folder was lost
        if not isinstance(status, Completed):
            return None
        render = self._render(job)
        record = render.record()
        if record.error is not None:
            error = record.error
            raise ProviderRefused(str(error.get("kind")), str(error["error"]), field=error.get("field"))
        if record.facts is None or not render.output.exists():
            raise ProviderRefused(
                "render_crashed",
                f"The render broke off {MOST_STARTS} times on this computer. Try another still or a shorter clip.",
                retryable=True,
            )
        return Output(str(render.output), dict(record.facts))

    def _download(self, job: Job, to: Path) -> None:
        render = self._render(job)
        if not render.is_prepared and to.exists():
            return  # a crash came between an earlier download and the saving of it; `to` only ever appears whole
        if self._result(job) is None:
            raise ProviderUnavailable("made_again", "The rendered file was lost with a restart; it is made again.")
        draft = to.with_name(to.name + ".copy")
        try:
            draft.unlink(missing_ok=True)
            _bring(render.output, draft)
            os.replace(draft, to)
            draft.unlink(missing_ok=True)  # a rename onto another name of the same file leaves both
        except OSError as exc:
            draft.unlink(missing_ok=True)
            raise StorageFull(_no_room(exc)) from exc
        render.remove()

    def _cancel(self, job: Job) -> CancelAnswer:
        render = self._render(job)
        if render.record().is_over:
            return TooLate()
        if not render.stop():
            raise ProviderUnavailable("will_not_stop", "The render does not stop yet. It is tried again.")
        if render.record().is_over:  # it was faster
            return TooLate()
        render.remove()
        return Cancelled()

    def _sweep(self, live: frozenset[str]) -> int:
        with contextlib.suppress(FileNotFoundError):
            dead = [
                Render(path)
                for path in self._work.iterdir()
                if path.is_dir() and path.name[0] != "." and path.name not in live
            ]
            for render in dead:
                if render.stop():
                    render.remove()
            return len(dead)
        return 0

    def _waiting(self) -> list[Render]:
        """Renders that are neither running nor over nor given up, oldest first."""
        found: list[tuple[int, str, Render]] = []
        for path in self._work.iterdir():
            render = Render(path)
            with contextlib.suppress(FileNotFoundError):
                found.append((render.task.stat().st_mtime_ns, path.name, render))
        return [
            render
            for *_, render in sorted(found, key=lambda entry: entry[:2])
            if not (render.is_running() or (record := render.record()).is_over or record.starts >= MOST_STARTS)
        ]

    def _fill(self) -> None:
        """Start what waits, oldest first, as long as there are slots."""
        for render in self._waiting():
            with contextlib.suppress(FileNotFoundError):  # cancelled in between
                if not render.start(self._slots):
                    return

    def _position(self, render: Render) -> int | None:
        waiting = [other.folder for other in self._waiting()]
        return waiting.index(render.folder) if render.folder in waiting else None

    def _fetch(self, key: str, render: Render) -> str:
        """Bring a stored file into the render's folder; its path there."""
        path = render.folder / key
        if not path.exists():
            draft = path.with_name(f"{uuid4().hex}.part")  # its own, so that two submits at once do not meet
            with self._media.local(key) as stored:
                _bring(stored, draft)
            os.replace(draft, path)
            draft.unlink(missing_ok=True)
        return str(path)


def _bring(source: Path, to: Path) -> None:
    """A second name for the file where that is possible, else a copy. Stored files and finished videos never change."""
    try:
        os.link(source, to)
    except FileNotFoundError:
        raise
    except OSError:  # another disk, or one that knows no links
        shutil.copyfile(source, to)


def _no_room(exc: OSError) -> str:
    if exc.errno in (errno.ENOSPC, errno.EDQUOT):
        return "There is no room left on the disk of this computer. Free some, then try again."
    return "The folder for local renders cannot be written. Check DATA_DIR and its permissions."
