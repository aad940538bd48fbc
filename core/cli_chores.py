"""The command line's chores over all jobs: clearing away, export and import."""

import contextlib
import gc
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import Annotated, BinaryIO

import typer

from core.cli_show import note, out, print_json
from core.errors import InvalidInput
from core.jobs.job import State
from core.jobs.retention import LONGEST, Orphans, Pruned
from core.jobs.transfer import Imported
from core.studio import current

MEGABYTE = 1_000_000

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")]


class Format(StrEnum):
    """What an export is for: to be imported again, or for a spreadsheet."""

    JSONL = "jsonl"
    CSV = "csv"


def prune(
    older_than: Annotated[
        int | None,
        typer.Option(metavar="DAYS", min=1, max=LONGEST.days, help="Least age in days. Default: KEEP_DAYS."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only tell what would go.")] = False,
    as_json: AsJson = False,
) -> None:
    """Delete finished takes by age with their files, and files that no take uses. Starred takes stay."""
    studio = current()
    days = older_than or studio.settings.keep_days
    if days is None:
        raise InvalidInput("How old? Give --older-than DAYS, or set KEEP_DAYS.", "older_than")
    pruned, orphans = studio.prune(days, dry_run), studio.orphans(dry_run)
    if as_json:
        print_json({"older_than_days": days, "dry_run": dry_run, "jobs": asdict(pruned), "orphans": asdict(orphans)})
        return
    for line in _told(pruned, orphans, days, dry_run):
        out.print(line, markup=False, soft_wrap=True)


def export(
    format_: Annotated[
        Format, typer.Option("--format", help="jsonl can be imported; csv is for a spreadsheet.")
    ] = Format.JSONL,
    state: Annotated[State | None, typer.Option(help="Only jobs in this state.")] = None,
    to: Annotated[Path | None, typer.Option("--out", help="Write to this file instead of standard output.")] = None,
) -> None:
    """Write all takes, newest first, as JSON lines or as a table."""
    studio = current()
    lines = studio.export_csv(state) if format_ is Format.CSV else studio.export_jsonl(state)
    count = -1 if format_ is Format.CSV else 0  # a table has a head
    with _written(to) if to else contextlib.nullcontext(sys.stdout.buffer) as file:
        for line in lines:
            file.write(line.encode())
            count += 1
        file.flush()
    note(f"{_count(count, 'take')} exported{f' to {to}' if to else ''}.")


def import_(
    source: Annotated[
        str, typer.Argument(metavar="FILE", help="What `export --format jsonl` wrote; - reads standard input.")
    ],
    as_json: AsJson = False,
) -> None:
    """Take in exported takes. What is here already stays as it is, and nothing that comes in is sent."""
    studio = current()
    gc.disable()  # jobs are no circles: looking for some among 100,000 takes a fifth of the time, and frees nothing
    with _read(source) as file:
        came = studio.import_jobs(file)
    if as_json:
        print_json(asdict(came))
        return
    for line in _came(came, studio.settings.keep_days):
        out.print(line, markup=False, soft_wrap=True)


# --- files ----------------------------------------------------------------------------------------------------------


@contextmanager
def _written(to: Path) -> Iterator[BinaryIO]:
    """A new file that is there under its name only when it is whole."""
    part = to.with_name(f"{to.name}.part")
    try:
        with part.open("wb") as file:
            yield file
        os.replace(part, to)
    except OSError as exc:
        raise InvalidInput(f"“{to}” cannot be written: {exc.strerror}.", "out") from exc
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def _read(source: str) -> Iterator[BinaryIO]:
    """The file, or a copy of what comes on standard input: it is read twice."""
    if source == "-":
        with tempfile.TemporaryFile() as copy:
            shutil.copyfileobj(sys.stdin.buffer, copy)
            copy.seek(0)
            yield copy
        return
    try:
        file = Path(source).expanduser().open("rb")
    except OSError as exc:
        raise InvalidInput(f"“{source}” cannot be read: {exc.strerror}.", "file") from exc
    with file:
        yield file


# --- words ----------------------------------------------------------------------------------------------------------


def _told(pruned: Pruned, orphans: Orphans, days: int, dry_run: bool) -> Iterator[str]:
    """What a clearing did, or would do, in sentences."""
    gone = "would go" if dry_run else "deleted"
    yield (
        f"{_count(pruned.jobs, 'take')} {gone} that ended more than {_count(days, 'day')} ago, "
        f"with {_count(pruned.files, 'file')} ({_size(pruned.bytes)})."
    )
    yield from (f"  {job_id}" for job_id in pruned.ids)
    if pruned.stuck:
        yield f"{_count(pruned.stuck, 'take')} left for next time: a file cannot be deleted (see the log)."
    yield f"{_count(orphans.files, 'file')} {gone} that no take uses ({_size(orphans.bytes)})."
    yield from (f"  {key}" for key in orphans.keys)
    if orphans.stuck:
        yield f"{_count(orphans.stuck, 'file')} that no take uses cannot be deleted (see the log)."
    if orphans.incomplete:
        yield f"{_count(len(orphans.incomplete), 'take')} without the video or its poster; nothing was done to them:"
        yield from (f"  {job_id}" for job_id in orphans.incomplete)


def _came(came: Imported, keep_days: int | None) -> Iterator[str]:
    """What an import came to, in sentences."""
    yield f"{_count(came.jobs, 'take')} read: {came.new} new, {came.jobs - came.new} here already and left as they are."
    if came.not_sent:
        yield f"Had waited, and cancelled here instead of sent: {came.not_sent}."
    if came.unknown:
        yield f"Were being sent, so their outcome is unknown here, and they are not sent again: {came.unknown}."
    if came.followed:
        yield f"With their provider, and followed from here, which is free: {came.followed}."
    if came.missing_files:
        yield f"Their files that are not here: {came.missing_files:,}. Copy the media folder of the old DATA_DIR into this one."
    if came.new and keep_days:
        yield f"KEEP_DAYS={keep_days} holds for them too; star what shall stay."


def _count(number: int, name: str) -> str:
    return f"{number:,} {name}{'' if number == 1 else 's'}"


def _size(size: int) -> str:
    return f"{size / MEGABYTE:,.1f} MB"
