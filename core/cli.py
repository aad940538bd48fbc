"""The command line: the same studio as the pages, for scripts. Exit code 0 succeeded, 1 failed, 2 bad usage."""

import asyncio
import gc
import json
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any, NoReturn

import typer
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from core import cli_chores
from core.cli_inputs import read_values
from core.cli_show import err, job_json, note, out, print_json, show
from core.errors import AppError, AskedBefore, InvalidForm, InvalidInput, NotConfigured, NotFound
from core.jobs import chores
from core.jobs.job import ENDED, Job, State
from core.jobs.store import JobQuery
from core.jobs.truth import cancel_came_to, cancel_means
from core.models import get as get_model
from core.models.spec import ModelSpec
from core.studio import Studio, current

OWNER = "cli"
WATCH_S = 0.25

app = typer.Typer(no_args_is_help=True, add_completion=False, rich_markup_mode=None, help="Takes on the command line.")

JobId = Annotated[str, typer.Argument(help="The job's id.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")]


def main() -> None:
    """Run the command line; errors made on purpose become one line and an exit code."""
    try:
        app()
    except (InvalidInput, NotFound, NotConfigured, AskedBefore) as exc:
        _end(exc, 2)
    except AppError as exc:
        _end(exc, 1)


def _end(error: AppError, code: int) -> NoReturn:
    message = error.message
    if isinstance(error, AskedBefore):
        message = f"{message} It is job {error.job_id}. To make it a second time, add --again."
    if "--json" in sys.argv:
        told = {
            "message": message,
            "field": error.field if isinstance(error, InvalidInput) else None,
            "fields": error.fields if isinstance(error, InvalidForm) else {},
            "job_id": error.job_id if isinstance(error, AskedBefore) else None,
        }
        print(json.dumps({"error": told}, ensure_ascii=False))
    else:
        err.print(message, style="red", markup=False, soft_wrap=True)
    raise SystemExit(code)


@app.command()
def models(as_json: AsJson = False) -> None:
    """List the models, where each can run, and its inputs."""
    studio = current()
    if as_json:
        print_json([_model_json(studio, spec) for spec in studio.models()])
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
    again: Annotated[
        bool, typer.Option("--again", help="Make it although the same was asked for within ten minutes.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Make a take."""
    studio = current()
    spec = get_model(model)
    provider = on or ("fal" if studio.settings.fal_key else "preview")
    values, options = read_values(studio, spec, image or [], prompt, set_ or [], provider)
    job = studio.create(OWNER, model, values, provider=provider, options=options, again=again)
    if wait:
        job = _wait(studio, job, quiet=as_json)
    show(studio, job, as_json=as_json)
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
        print_json([job.public() for job in rows])
        return
    table = Table("Id", "State", "Model", "On", "Made", "Prompt")
    for job in rows:
        made = f"{job.created_at:%Y-%m-%d %H:%M}"
        table.add_row(job.id, job.state, job.model, job.provider, made, job.prompt.replace("[", r"\[")[:60])
    out.print(table)


@app.command()
def job(job_id: JobId, as_json: AsJson = False) -> None:
    """Show one job and its history."""
    studio = current()
    show(studio, studio.get(None, job_id), as_json=as_json, history=True)


@app.command()
def cancel(job_id: JobId, as_json: AsJson = False) -> None:
    """Ask for the end of a job, and tell what that means and what came of it."""
    studio = current()
    before = studio.get(None, job_id)
    place = studio.provider_title(before.provider)
    meant = cancel_means(before, place)
    after = studio.cancel(None, job_id)
    came_to = _came_to(before, after, place)
    if as_json:
        print_json({**job_json(studio, after), "cancel": {"meant": meant, "came_to": came_to}})
        return
    show(studio, after, as_json=False)
    for line in filter(None, (meant and f"before: {meant}", f"after: {came_to}")):
        out.print(line, markup=False, soft_wrap=True)


@app.command()
def retry(job_id: JobId, as_json: AsJson = False) -> None:
    """Ask for the same again, as a new job. The old one stays as it is."""
    studio = current()
    old = studio.get(None, job_id)
    new = studio.retry(None, job_id)
    paid = new.cost_estimate_usd != 0
    if old.state is State.UNKNOWN:
        note(f"The first, {old.id}, may have been accepted{' and paid; this one is paid as well' if paid else ''}.")
    elif old.is_open:
        note(f"The first, {old.id}, is still under way: both are made{', and both are paid' if paid else ''}.")
    show(studio, new, as_json=as_json)


@app.command()
def attach(
    job_id: JobId,
    request_id: Annotated[str, typer.Argument(help="As fal.ai/dashboard shows it.")],
    as_json: AsJson = False,
) -> None:
    """Give a job of unknown outcome the request id that you found at the provider; it is followed from there."""
    studio = current()
    show(studio, studio.attach(None, job_id, request_id), as_json=as_json)


@app.command()
def star(
    job_id: JobId,
    off: Annotated[bool, typer.Option("--off", help="Take the star away.")] = False,
    as_json: AsJson = False,
) -> None:
    """Mark a take as a favourite, which is never deleted for its age."""
    studio = current()
    show(studio, studio.star(None, job_id, not off), as_json=as_json)


@app.command()
def worker() -> None:
    """Run the engine without the pages, until Ctrl-C. Any number may run beside an app with WORKER=off."""
    studio = current()
    for line in studio.describe():
        err.print(f"configured: {line}", markup=False)
    asyncio.run(_work(studio))


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
        print_json(report)
        return
    out.print(f"Data: {report['data_dir']} (job store {report['store']})", markup=False)
    for line in report["configured"]:
        out.print(line, markup=False)
    for line in report["missing"]:
        out.print(f"Missing: {line}", markup=False, style="yellow")


app.command()(cli_chores.prune)
app.command()(cli_chores.export)
app.command("import")(cli_chores.import_)


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


async def _work(studio: Studio) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    gc.collect()
    gc.freeze()  # what is loaded by now stays: no later collection has to walk through it
    try:
        await studio.sweep()
        await chores.work(studio.worker(), studio.tidy, stop)
    finally:
        await studio.close()


# --- telling --------------------------------------------------------------------------------------------------------


def _came_to(before: Job, after: Job, place: str) -> str:
    """What became of a cancel, in one sentence."""
    if before.state in ENDED:
        return f"Nothing: it had ended already, as {after.state}."
    if after.state is State.CANCELLED and after.error is not None:
        return after.error.message
    return cancel_came_to(after, place) or f"Nothing: it is {after.state}."


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
