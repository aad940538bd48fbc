"""What the command line prints of a job, for people and for scripts."""

import json
from datetime import datetime
from typing import Any

import typer
from rich.console import Console

from core.jobs.job import Event, Job, State, utc_now
from core.studio import Studio

out = Console()
err = Console(stderr=True)


def job_json(studio: Studio, job: Job) -> dict[str, Any]:
    """A job as scripts see it: `Job.public`, the video's place on this computer, its history, and how it stands in time.

    `ahead` is the number of jobs before a waiting one, `late_at` the moment from which one under way is overdue.
    """
    shown = job.public()
    if job.video is not None and studio.media.stat(job.video.key) is not None:
        with studio.media.local(job.video.key) as path:
            shown["video"]["path"] = str(path)
    elif job.video is not None:
        shown["video"]["path"] = None  # retention or a hand has deleted it
    shown["ahead"] = _ahead(studio, job)
    shown["late_at"] = job.late_at and f"{job.late_at:%Y-%m-%dT%H:%M:%SZ}"
    shown["overdue"] = _is_overdue(job, utc_now())
    shown["events"] = [event.model_dump(mode="json", exclude={"job_id"}) for event in studio.history(None, job.id)]
    return shown


def show(studio: Studio, job: Job, *, as_json: bool, history: bool = False) -> None:
    """Print a job; for people with its history only where that is asked for."""
    shown = job_json(studio, job)
    if as_json:
        print_json(shown)
        return
    lines = [f"{job.id}  {job.state}  {job.model} on {job.provider}{'  ★' if job.starred else ''}"]
    if job.prompt:
        lines.append(f"prompt: {job.prompt}")
    if shown["ahead"] is not None:
        lines.append(f"in line here: {shown['ahead']} ahead")
    if job.position is not None:
        lines.append(f"in line at {studio.provider_title(job.provider)}: {job.position} ahead")
    if job.is_open and job.usual_s is not None and job.slow_s is not None:
        lines.append(f"usual: {_span(job.usual_s)} from acceptance, nearly always under {_span(job.slow_s)}")
    if shown["overdue"]:
        lines.append(f"overdue since {shown['late_at']}; it is followed all the same")
    if job.trouble and (job.is_open or job.state is State.UNKNOWN):
        lines.append(f"trouble: {job.trouble}")
    if job.error:
        lines.append(f"error: {job.error.message} ({job.error.charged.replace('_', ' ')})")
    if job.video:
        clip = job.video
        place = shown["video"]["path"] or "no longer stored here"
        lines.append(f"video: {place} ({clip.width}x{clip.height}, {clip.duration_s:.1f} s)")
    if job.is_open:
        age = (utc_now() - job.created_at).total_seconds()
        lines.append(f"open for {age:.0f} s; a worker (the app, or `python -m core worker`) drives it")
    if history:
        lines += ["history (UTC):", *(_event_line(event) for event in studio.history(None, job.id))]
    for line in lines:
        out.print(line, markup=False, soft_wrap=True)


def print_json(value: object) -> None:
    """Print a value as JSON, for people too."""
    typer.echo(json.dumps(value, ensure_ascii=False, indent=2, default=str))


def note(text: str) -> None:
    """Say something on standard error, where no script takes it for a result."""
    err.print(text, markup=False, soft_wrap=True)


def _ahead(studio: Studio, job: Job) -> int | None:
    return studio.places_in_line(job.provider).get(job.id) if job.state is State.WAITING else None


def _is_overdue(job: Job, now: datetime) -> bool:
    return job.late_at is not None and now > job.late_at


def _event_line(event: Event) -> str:
    moved = event.from_state is not None and event.from_state is not event.to_state
    states = f"{event.from_state} → {event.to_state}" if moved else str(event.to_state)
    return f"  {event.at:%Y-%m-%d %H:%M:%S}  {states:<24}  {event.why}".rstrip()


def _span(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"
