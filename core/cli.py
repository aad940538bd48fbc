"""The command line: the same studio as the pages, for scripts. Exit code 0 succeeded, 1 failed, 2 bad usage."""

import asyncio
import json
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from core import samples
from core.errors import AppError, InvalidForm, InvalidInput, NotConfigured, NotFound
from core.jobs.job import Job, State, utc_now
from core.jobs.store import JobQuery
from core.jobs.worker import Worker
from core.models import get as get_model
from core.models.spec import Clip, ClipItem, Clips, ModelSpec, Number, Prompt, Seed, Sound, Still, Toggle
from core.studio import Studio, current

OWNER = "cli"
WATCH_S = 0.25

app = typer.Typer(no_args_is_help=True, add_completion=False, rich_markup_mode=None, help="Takes on the command line.")
out = Console()
err = Console(stderr=True)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")]


def main() -> None:
    """Run the command line; errors made on purpose become one line and an exit code."""
    try:
        app()
    except (InvalidInput, NotFound, NotConfigured) as exc:
        _end(exc, 2)
    except AppError as exc:
        _end(exc, 1)


def _end(error: AppError, code: int) -> NoReturn:
    if "--json" in sys.argv:
        fields = error.fields if isinstance(error, InvalidForm) else {}
        field = error.field if isinstance(error, InvalidInput) else None
        print(json.dumps({"error": {"message": error.message, "field": field, "fields": fields}}, ensure_ascii=False))
    else:
        err.print(error.message, style="red", markup=False)
    raise SystemExit(code)


@app.command()
def models(as_json: AsJson = False) -> None:
    """List the models, where each can run, and its inputs."""
    studio = current()
    if as_json:
        _print_json([_model_json(studio, spec) for spec in studio.models()])
        return
    table = Table("Model", "Title", "Endpoint", "Inputs (* needed)")
    for spec in studio.models():
        inputs = ", ".join(f"{field.name}{'*' if field.required else ''}" for field in spec.fields)
        table.add_row(spec.slug, spec.title, studio.settings.endpoint(spec.slug, spec.endpoint), inputs)
    out.print(table)


@app.command()
def generate(
    model: Annotated[str, typer.Argument(help="The model's short name, as `models` lists it.")],
    image: Annotated[
        list[str] | None, typer.Option(help="Picture: a file, a URL or sample:NAME. For Splice once for each clip.")
    ] = None,
    prompt: Annotated[str | None, typer.Option(help="What happens in the video.")] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", help="Another input, as name=value; a local setting as preview.name=value."),
    ] = None,
    on: Annotated[
        str | None, typer.Option(help="fal or preview. Default: fal if there is a key, else preview.")
    ] = None,
    wait: Annotated[
        bool, typer.Option("--wait", help="Stay until the video is there, and drive it if no worker does.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Make a take."""
    studio = current()
    spec = get_model(model)
    provider = on or ("fal" if studio.settings.fal_key else "preview")
    values, options = _values(studio, spec, image or [], prompt, set_ or [], provider)
    job = studio.create(OWNER, model, values, provider=provider, options=options)
    if wait:
        job = _wait(studio, job, quiet=as_json)
    _show(job, as_json)
    if job.state in (State.FAILED, State.CANCELLED, State.UNKNOWN):
        raise SystemExit(1)


@app.command()
def jobs(
    state: Annotated[State | None, typer.Option(help="Only jobs in this state.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="At most this many, newest first.")] = 20,
    as_json: AsJson = False,
) -> None:
    """List jobs of every owner, newest first."""
    query = JobQuery(states=frozenset({state}) if state else None, limit=limit)
    rows = current().jobs(query)
    if as_json:
        _print_json([job.public() for job in rows])
        return
    table = Table("Id", "State", "Model", "On", "Made", "Prompt")
    for job in rows:
        made = f"{job.created_at:%Y-%m-%d %H:%M}"
        table.add_row(job.id, job.state, job.model, job.provider, made, job.prompt.replace("[", r"\[")[:60])
    out.print(table)


@app.command()
def job(job_id: Annotated[str, typer.Argument(help="The job's id.")], as_json: AsJson = False) -> None:
    """Show one job."""
    _show(current().get(None, job_id), as_json)


@app.command()
def cancel(job_id: Annotated[str, typer.Argument(help="The job's id.")], as_json: AsJson = False) -> None:
    """Ask for the end of a job."""
    _show(current().cancel(None, job_id), as_json)


@app.command()
def worker() -> None:
    """Run the engine without the pages, until Ctrl-C. Any number may run beside an app with WORKER=off."""
    studio = current()
    for line in studio.describe():
        err.print(f"configured: {line}", markup=False)
    asyncio.run(_work(studio, studio.worker()))


@app.command()
def check(as_json: AsJson = False) -> None:
    """Tell what is configured and what is missing."""
    studio = current()
    report: dict[str, Any] = {
        "data_dir": str(studio.settings.home),
        "store": "ok" if studio.is_alive() else "failing",
        "configured": studio.describe(),
        "missing": [] if studio.settings.fal_key else ["FAL_API_KEY: without it only Local preview runs."],
        "models": {spec.slug: studio.settings.endpoint(spec.slug, spec.endpoint) for spec in studio.models()},
    }
    if as_json:
        _print_json(report)
        return
    out.print(f"Data: {report['data_dir']} (job store {report['store']})", markup=False)
    for line in report["configured"]:
        out.print(line, markup=False)
    for line in report["missing"]:
        out.print(f"Missing: {line}", markup=False, style="yellow")


# --- inputs ---------------------------------------------------------------------------------------------------------


def _values(
    studio: Studio, spec: ModelSpec, pictures: list[str], prompt: str | None, sets: list[str], provider: str
) -> tuple[dict[str, Any], dict[str, Any]]:
    """What the options hold, as form values and provider options."""
    values: dict[str, Any] = {}
    options: dict[str, Any] = {}
    fields = {field.name: field for field in spec.fields}
    still = next((field for field in spec.fields if isinstance(field.kind, Still)), None)
    clips = next((field for field in spec.fields if isinstance(field.kind, Clips)), None)
    if clips:
        values[clips.name] = [_clip(studio, given).model_dump() for given in pictures]
    elif pictures and still:
        if len(pictures) > 1:
            raise InvalidInput(f"{spec.title} takes one --image.", still.name)
        values[still.name] = _picture(studio, pictures[0])
    if prompt is not None:
        if not any(isinstance(field.kind, Prompt) for field in spec.fields):
            raise InvalidInput(f"{spec.title} takes no prompt.", "prompt")
        values["prompt"] = prompt
    for pair in sets:
        name, sign, text = pair.partition("=")
        if not sign:
            raise InvalidInput(f"--set {pair}: write it as name=value.")
        group, dot, inner = name.partition(".")
        if dot:
            if group != provider:
                raise InvalidInput(f"--set {pair}: this job runs on {provider}, not on {group}.")
            options[inner] = text
        elif name not in fields:
            raise InvalidInput(f"{spec.title} has no input “{name}”. It has: {', '.join(fields)}.", name)
        else:
            values[name] = _cast(studio, fields[name].kind, name, text)
    return values, options


def _cast(studio: Studio, kind: object, name: str, text: str) -> Any:
    """A --set value as its field's type; what does not fit is left for validation to name."""
    if isinstance(kind, Toggle):
        words = {
            "true": True,
            "yes": True,
            "on": True,
            "1": True,
            "false": False,
            "no": False,
            "off": False,
            "0": False,
        }
        if text.lower() not in words:
            raise InvalidInput(f"--set {name}: true or false.", name)
        return words[text.lower()]
    if isinstance(kind, Still):
        return _picture(studio, text)
    if isinstance(kind, Clip):
        return studio.add_clip(_file(text).read_bytes(), Path(text).name, kind).key
    if isinstance(kind, Sound):
        return studio.add_sound(_file(text).read_bytes(), Path(text).name, kind).key
    options = getattr(kind, "options", ())
    if isinstance(kind, Number | Seed) or (options and not isinstance(options[0], str)):
        try:
            return float(text) if "." in text else int(text)
        except ValueError:
            return text
    return text


def _picture(studio: Studio, given: str) -> str:
    if given.startswith("sample:"):
        sample = samples.get(given.removeprefix("sample:"))
        return studio.add_picture(sample.read(), f"{sample.name}.jpg").key
    if given.startswith(("http://", "https://")):
        return studio.add_picture_from(given).key
    return studio.add_picture(_file(given).read_bytes(), Path(given).name).key


def _clip(studio: Studio, given: str) -> ClipItem:
    """An element of a Clips input: a job's id, an MP4 or a picture."""
    if not Path(given).exists() and given.count("-") == 4:
        take = studio.get(None, given)
        if take.video is None:
            raise InvalidInput(f"Take {given} has no video.", "clips")
        return ClipItem(key=take.video.key, label=take.prompt[:40])
    if given.lower().endswith((".mp4", ".mov", ".m4v")):
        return ClipItem(key=studio.add_clip(_file(given).read_bytes(), Path(given).name).key, label=Path(given).name)
    return ClipItem(key=_picture(studio, given), label=given.rsplit("/", 1)[-1])


def _file(given: str) -> Path:
    path = Path(given).expanduser()
    if not path.is_file():
        raise InvalidInput(f"There is no file “{given}”.", "image")
    return path


# --- waiting --------------------------------------------------------------------------------------------------------


def _wait(studio: Studio, job: Job, *, quiet: bool) -> Job:
    """Stay with a job until it ends; drives the engine here, which is harmless beside a running worker."""

    async def drive() -> Job:
        stop = asyncio.Event()
        engine = asyncio.create_task(studio.worker().run(stop))
        try:
            with _bar(quiet) as bar:
                while True:
                    now = studio.get(None, job.id)
                    bar(now)
                    if not now.is_open:
                        return now
                    await asyncio.sleep(WATCH_S)
        finally:
            stop.set()
            await engine
            await studio.close()

    return asyncio.run(drive())


@contextmanager
def _bar(quiet: bool) -> Iterator[Any]:
    if quiet:
        yield lambda job: None
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f}%"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=err) as progress:
        task = progress.add_task("waiting", total=1.0)

        def show(job: Job) -> None:
            done = 1.0 if not job.is_open else job.progress or 0.0
            place = f" ({job.position} ahead)" if job.position else ""
            progress.update(task, completed=done, description=f"{job.state}{place}")

        yield show


async def _work(studio: Studio, engine: Worker) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    try:
        await studio.sweep()
        await engine.run(stop)
    finally:
        await studio.close()


# --- printing -------------------------------------------------------------------------------------------------------


def job_json(studio: Studio, job: Job) -> dict[str, Any]:
    """A job as scripts see it: `Job.public` with the video's place on this computer."""
    shown = job.public()
    if job.video is not None:
        with studio.media.local(job.video.key) as path:
            shown["video"]["path"] = str(path)
    return shown


def _model_json(studio: Studio, spec: ModelSpec) -> dict[str, Any]:
    return {
        "model": spec.slug,
        "title": spec.title,
        "maker": spec.maker,
        "endpoint": studio.settings.endpoint(spec.slug, spec.endpoint),
        "on": [place.provider for place in studio.places(spec) if place.ready],
        "inputs": [
            {
                "name": field.name,
                "kind": type(field.kind).__name__.lower(),
                "required": field.required,
                "default": field.default,
                "help": field.help,
                "options": list(getattr(field.kind, "options", ())),
            }
            for field in spec.fields
        ],
    }


def _show(job: Job, as_json: bool) -> None:
    studio = current()
    shown = job_json(studio, job)
    if as_json:
        _print_json(shown)
        return
    lines = [f"{job.id}  {job.state}  {job.model} on {job.provider}"]
    if job.prompt:
        lines.append(f"prompt: {job.prompt}")
    if job.is_open and job.trouble:
        lines.append(f"trouble: {job.trouble}")
    if job.error:
        lines.append(f"error: {job.error.message} ({job.error.charged.replace('_', ' ')})")
    if job.video:
        clip = job.video
        lines.append(f"video: {shown['video']['path']} ({clip.width}x{clip.height}, {clip.duration_s:.1f} s)")
    if job.is_open:
        age = (utc_now() - job.created_at).total_seconds()
        lines.append(f"open for {age:.0f} s; a worker (the app, or `python -m core worker`) drives it")
    for line in lines:
        out.print(line, markup=False, soft_wrap=True)


def _print_json(value: object) -> None:
    print(json.dumps(value, ensure_ascii=False, indent=2, default=str))
