"""A job's picture and video on a page."""

from html import escape
from urllib.parse import urlsplit

import streamlit as st

from core.jobs.history import Row
from core.jobs.job import Job
from core.studio import current
from pages.parts import words

UPRIGHT_PX = 560  # height of an upright video: with its controls it fits on a laptop's screen
ROUND = "border-radius:10px"
PLAY = (
    "position:absolute;left:4px;bottom:4px;display:flex;align-items:center;justify-content:center;width:44px;height:44px;"
    "padding:6px;border:0;border-radius:22px;background:rgba(11,11,14,.65) content-box;color:#fff;cursor:pointer;"
    "font:inherit;font-size:14px"
)  # a disc of 32 pixels in a finger's 44
TRIANGLE = "border-style:solid;border-width:6px 0 6px 10px;border-color:transparent transparent transparent #fff;margin-left:2px"
FRAME = "display:block;width:100%;aspect-ratio:16/9;object-fit:contain;background:#0b0b0e;"


def address(job: Job | Row, part: str) -> str:
    """Address of a job's `video.mp4`, `poster.jpg` or `still.jpg` on this app; the cookie decides who may open it."""
    return f"/takes/{job.id}/{part}"


def is_kept(job: Job) -> bool:
    """Whether a take has a video, and its file is still stored."""
    return job.video is not None and current().media.stat(job.video.key) is not None


def picture(row: Row) -> str | None:
    """Address of a picture for a take in a list, or None where it has none."""
    if row.has_video:
        return address(row, "poster.jpg")
    return address(row, "still.jpg") if row.still else None


def tile(row: Row) -> None:
    """A take in the gallery: its poster, and a player that loads nothing before it plays (`reel.conductor` sees to it)."""
    label = escape(words.short(row.prompt, 200), quote=True) or "a take"
    if row.has_video:
        st.html(
            f'<div data-tile style="position:relative;cursor:pointer">'
            f'<video loop muted playsinline preload="none" poster="{address(row, "poster.jpg")}" '
            f'src="{address(row, "video.mp4")}" style="{FRAME}{ROUND}" aria-label="{label}"></video>'
            f'<button type="button" aria-label="Play: {label}" style="{PLAY}"><span style="{TRIANGLE}"></span></button>'
            "</div>"
        )
    elif row.still:
        st.html(
            f'<img src="{address(row, "still.jpg")}" alt="The still" loading="lazy" style="{FRAME}opacity:.75;{ROUND}">'
        )
    else:
        st.html(f'<div style="{FRAME}{ROUND}"></div>')


def large(job: Job) -> None:
    """The opened take, playing muted; whether it loops is said by `reel.strip` below it.

    Streamlit's own `loop` starts a video again from a script, and could not be switched off.
    """
    assert job.video is not None
    parts = urlsplit(st.context.url or "http://localhost")
    ratio = max(job.video.width, 1) / max(job.video.height, 1)
    st.video(
        f"{parts.scheme}://{parts.netloc}{address(job, 'video.mp4')}",
        autoplay=True,
        muted=True,
        width="stretch" if ratio >= 1 else max(round(UPRIGHT_PX * ratio), 200),
        alt=f"Video: {words.short(job.prompt, 120)}" if job.prompt else "Video",
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
            f'title="{escape(words.short(job.prompt, 200), quote=True)}" data-shape="{shape}"></video>'
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
