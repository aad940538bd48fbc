"""A job's picture and video on a page."""

from html import escape
from urllib.parse import urlsplit

import streamlit as st

from core.jobs.history import Row
from core.jobs.job import Job

ROUND = "border-radius:10px"
FRAME = "display:block;width:100%;aspect-ratio:16/9;object-fit:contain;background:#0b0b0e;"


def address(job: Job | Row, part: str) -> str:
    """Address of a job's `video.mp4`, `poster.jpg` or `still.jpg` on this app; the cookie decides who may open it."""
    return f"/takes/{job.id}/{part}"


def picture(row: Row) -> str | None:
    """Address of a picture for a take in a list, or None where it has none."""
    if row.has_video:
        return address(row, "poster.jpg")
    return address(row, "still.jpg") if row.still else None


def tile(row: Row) -> None:
    """A take in the gallery: its poster, and a player that loads nothing before it is pressed."""
    label = escape(row.prompt[:200], quote=True)
    if row.has_video:
        st.html(
            f'<video controls loop muted playsinline preload="none" poster="{address(row, "poster.jpg")}" '
            f'src="{address(row, "video.mp4")}" style="{FRAME}{ROUND}" title="{label}" aria-label="{label}"></video>'
        )
    elif row.still:
        st.html(
            f'<img src="{address(row, "still.jpg")}" alt="The still" loading="lazy" style="{FRAME}opacity:.75;{ROUND}">'
        )
    else:
        st.html(f'<div style="{FRAME}{ROUND}"></div>')


def large(job: Job) -> None:
    """The opened take, playing muted and in a loop."""
    assert job.video is not None
    parts = urlsplit(st.context.url or "http://localhost")
    st.video(
        f"{parts.scheme}://{parts.netloc}{address(job, 'video.mp4')}",
        loop=True,
        autoplay=True,
        muted=True,
        alt=f"Video: {job.prompt[:120]}" if job.prompt else "Video",
    )


def small(job: Job) -> None:
    """A take in a list: its poster, and a player that loads nothing before it is pressed.

    The markup depends on the job alone: the same at every refresh, so that a playing video is left alone.
    """
    if job.video is not None:
        shape = f"{job.video.width}/{job.video.height}"
        st.html(
            f'<video controls loop playsinline preload="none" poster="{address(job, "poster.jpg")}" '
            f'src="{address(job, "video.mp4")}" '
            f'style="width:100%;aspect-ratio:16/9;object-fit:contain;background:#0b0b0e;{ROUND}" '
            f'title="{escape(job.prompt[:200], quote=True)}" data-shape="{shape}"></video>'
        )
    else:
        still(job, height="auto")


def still_of(job: Job) -> None:
    """One small picture of a take, whatever came of it: its poster, else the still it started from."""
    part = "poster.jpg" if job.video else "still.jpg"
    if job.video or job.still:
        st.html(f'<img src="{address(job, part)}" alt="" loading="lazy" style="{FRAME}{ROUND}">')
    else:
        st.html(f'<div style="{FRAME}{ROUND}"></div>')


def still(job: Job, height: str = "auto") -> None:
    """The picture a job started from, as a quiet stand-in for the video to come."""
    if job.still is None:
        st.html(f'<div style="width:100%;aspect-ratio:16/9;background:#0b0b0e;{ROUND}"></div>')
        return
    st.html(
        f'<img src="{address(job, "still.jpg")}" alt="The still" '
        f'style="display:block;width:100%;aspect-ratio:16/9;height:{height};object-fit:contain;background:#0b0b0e;'
        f'opacity:.75;{ROUND}">'
    )
