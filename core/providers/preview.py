"""The embedded provider: renders a camera move or a splice on this computer, in a process of its own. Free, no key."""

import asyncio
import contextlib
import errno
import logging
import os
import shutil
from collections.abc import Collection
from pathlib import Path
from typing import Any, ClassVar

from pydantic import ValidationError

from core.errors import NotFound, ProviderRefused, ProviderUnavailable, StorageFull
from core.jobs.job import Job
from core.media.framing import ASPECTS, nearest_aspect
from core.media.store import MediaStore
from core.models import get
from core.models.spec import FREE, MEDIA_KINDS, Clip, Estimate, FormField, ModelInput, ModelSpec, Still
from core.models.splice import SIZES, SpliceInput
from core.preview.options import CameraOptions, camera_plan
from core.preview.grammar import Plan
from core.preview.process import MOST_STARTS, Render, Slots
from core.preview.task import CameraTask, Part, SpliceTask, Task
from core.providers.base import Cancelled, CancelAnswer, Completed, Output, Queued, Receipt, Running, Status, TooLate

log = logging.getLogger("takes.preview")

FPS = 24
SHORTEST_S, LONGEST_S, USUAL_S = 2.0, 10.0, 5.0
VIDEO_SIZES: dict[str, tuple[int, int]] = {"16:9": (1280, 720), "9:16": (720, 1280), "1:1": (960, 960)}
"""Aspect → width and height in pixels; all have the area of 720p."""
LAST_FRAMES = frozenset({"end_image", "tail_image"})
"""Inputs that a camera move over one still cannot end on."""


def plan_of(spec: ModelSpec, inputs: dict[str, Any], options: dict[str, Any]) -> Plan:
    """What the preview will do with an input: the plan that `submit` renders, for the page to show before it does.

    Args:
        spec: a model with `local == "camera"`.
        inputs: as they are stored in a job.
        options: likewise; a CameraOptions as a dict, or empty.
    """
    source = _source(spec, inputs)
    return camera_plan(inputs.get("prompt") or "", _seed(inputs, source[1] if source else ""), options.get("camera_move") or "from the prompt")


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

    async def result(self, job: Job) -> Output | None:
        """The path of the video, with the plan's words as facts."""
        return await asyncio.to_thread(self._result, job)

    async def download(self, job: Job, output: Output, to: Path) -> None:
        """Hand the file over and remove the render's folder."""
        await asyncio.to_thread(self._download, job, output, to)

    async def cancel(self, job: Job) -> CancelAnswer:
        """Stop the render and remove its folder, unless it is over."""
        return await asyncio.to_thread(self._cancel, job)

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
                render.prepare(self._task(job, render))
            except NotFound as exc:
                raise ProviderRefused("media_missing", "A file of this job is no longer stored here. Choose it again.") from exc
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
            raise ProviderRefused("render_crashed", f"The render broke off {MOST_STARTS} times on this computer. Try another still or a shorter clip.")
        return Output(str(render.output), dict(record.facts))

    def _download(self, job: Job, output: Output, to: Path) -> None:
        source = Path(output.location)
        draft = to.with_name(to.name + ".copy")
        draft.unlink(missing_ok=True)
        try:
            _bring(source, draft)
            os.replace(draft, to)
        except FileNotFoundError as exc:
            raise ProviderUnavailable("result_gone", "The rendered file is gone; it is made again.") from exc
        except OSError as exc:
            draft.unlink(missing_ok=True)
            raise StorageFull(_no_room(exc)) from exc
        self._render(job).remove()

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
            dead = [Render(path) for path in self._work.iterdir() if path.is_dir() and path.name[0] != "." and path.name not in live]
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

    # --- from a job to a task -------------------------------------------------------------------------------------

    def _task(self, job: Job, render: Render) -> Task:
        try:
            spec = get(job.model)
            given = spec.input.model_validate(job.inputs)
            options = CameraOptions.model_validate(job.options)
        except (NotFound, ValidationError) as exc:
            raise ProviderRefused("invalid_input", "This job was made for another version of the model. Set it up again.") from exc
        paths = {key: self._fetch(key, render) for key in _needed(spec, given, job)}
        if isinstance(given, SpliceInput):
            return SpliceTask(
                parts=tuple(Part(paths[part.key], part.is_still, part.seconds) for part in given.clips),
                transition=given.transition, transition_s=given.transition_seconds, size=SIZES[given.size], fps=given.fps,
                output=str(render.output), progress=str(render.progress),
            )  # fmt: skip
        found = _source(spec, job.inputs)
        assert found is not None  # `_needed` refused it
        item, key = found
        return CameraTask(
            source=paths[key], field=item.name, prompt=job.inputs.get("prompt") or "", seed=_seed(job.inputs, key),
            size=self._size(job.inputs.get("aspect_ratio"), paths[key]), seconds=_seconds(spec, given),
            camera_move=options.camera_move, framing=options.framing, left_out=_left_out(spec, job.inputs, key), fps=FPS,
            output=str(render.output), progress=str(render.progress),
        )  # fmt: skip

    def _fetch(self, key: str, render: Render) -> str:
        """Bring a stored file into the render's folder; its path there."""
        path = render.folder / key
        if not path.exists():
            draft = path.with_suffix(".part")
            draft.unlink(missing_ok=True)
            with self._media.local(key) as stored:
                _bring(stored, draft)
            os.replace(draft, path)
        return str(path)

    def _size(self, aspect: str | None, path: str) -> tuple[int, int]:
        if aspect in VIDEO_SIZES:
            return VIDEO_SIZES[aspect]
        return VIDEO_SIZES[nearest_aspect(*_dimensions(Path(path)))]


def _needed(spec: ModelSpec, given: ModelInput, job: Job) -> tuple[str, ...]:
    if spec.local == "splice":
        return spec.media_keys(given)
    if (found := _source(spec, job.inputs)) is None:
        raise ProviderRefused("still_missing", "The local preview needs a still or a clip to start from.")
    return (found[1],)


def _source(spec: ModelSpec, inputs: dict[str, Any]) -> tuple[FormField, str] | None:
    """The input that is filmed: the first still that is no last frame, else a clip (its last frame)."""
    for kind in (Still, Clip):
        for item in spec.fields:
            if isinstance(item.kind, kind) and item.name not in LAST_FRAMES and inputs.get(item.name):
                return item, inputs[item.name]
    return None


def _left_out(spec: ModelSpec, inputs: dict[str, Any], source: str) -> tuple[str, ...]:
    """Pictures, clips and sounds of the input that a camera move does not follow, in the form's words."""
    return tuple(
        item.label.lower()
        for item in spec.fields
        if isinstance(item.kind, MEDIA_KINDS) and inputs.get(item.name) and (item.name in LAST_FRAMES or inputs[item.name] != source)
    )


def _seed(inputs: dict[str, Any], source: str) -> str:
    """The input's seed, else the still: the same form gives the same preview, and the page can tell which."""
    seed = inputs.get("seed")
    return source if seed is None else str(seed)


def _seconds(spec: ModelSpec, given: ModelInput) -> float:
    low = spec.seconds(given)[0] or USUAL_S
    return min(max(low, SHORTEST_S), LONGEST_S)


def _dimensions(path: Path) -> tuple[int, int]:
    """Width and height of a still or clip, as it is seen. A file that cannot be read is refused by the render, with its field."""
    with contextlib.suppress(OSError, ValueError, SyntaxError):
        if path.suffix in (".mp4", ".mov"):
            from core.preview.clip import shape  # PyAV is imported only where there is a clip

            return shape(path)
        from PIL import Image

        with Image.open(path, formats=("JPEG", "PNG")) as image:
            return image.size
    return VIDEO_SIZES["16:9"]


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


assert set(VIDEO_SIZES) == set(ASPECTS)
