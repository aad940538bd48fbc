"""Which stored files a job uses."""

import re
from collections.abc import Iterator
from typing import Any

from core.jobs.job import Job

MEDIA_KEY = re.compile(r"[0-9a-f]{64}\.[a-z0-9]{2,4}")  # core.models.spec.MediaKey


def media_keys(job: Job) -> set[str]:
    """Keys of all stored files of a job: what it was given, its still, its video and the poster of that."""
    keys = set(_in(job.inputs)) | {job.still or ""}
    if job.video:
        keys |= {job.video.key, job.video.poster}
    return {key for key in keys if MEDIA_KEY.fullmatch(key)}


def videos_given(job: Job) -> list[str]:
    """Keys of the stored videos that a job was given, in their order, each once."""
    return [key for key in dict.fromkeys(_in(job.inputs)) if key.endswith(".mp4")]


def _in(value: Any) -> Iterator[str]:
    """Every text in a JSON value that names a stored file."""
    if isinstance(value, str):
        if MEDIA_KEY.fullmatch(value):
            yield value
    elif isinstance(value, dict | list):
        for part in value.values() if isinstance(value, dict) else value:
            yield from _in(part)
