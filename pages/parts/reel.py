"""What runs in the browser beside the players: the controls below one, one playing at a time, and a tone when a take is done.

It is one component, `pages/assets/reel`, in frames of this app's own. Nothing it does runs a page again.
"""

from pathlib import Path
from typing import Any

import streamlit as st
from streamlit.components import v1

from core.jobs.job import Job, State, utc_now
from pages.parts import live

FOLDER = Path(__file__).parents[1] / "assets" / "reel"
STRIP_PX = 44  # before the frame knows its width; on a phone it becomes two lines
SWITCH_PX = 36
NEWS_S = 60.0  # a take that ended longer ago is no news
TITLED = "takes.titled"  # the tab's title as this session last set it

_reel = v1.declare_component("reel", path=FOLDER)


def strip(job: Job, where: str) -> None:
    """Below the opened take's player: loop, speed, frame by frame, full screen, copy and download.

    Args:
        job: a take with a video.
        where: start of the component's key.
    """
    assert job.video is not None
    _reel(
        role="strip",
        files=f"/takes/{job.id}",
        fps=job.video.fps,
        prompt=job.prompt,
        link=f"/jobs?job={job.id}",
        height=STRIP_PX,
        key=f"{where}.strip.{job.id}",
    )


def conductor(rows: live.Jobs, *, switches: bool = False) -> None:
    """For all players of a page, once: one plays at a time, tiles play under the pointer; tab and tone tell of takes.

    Args:
        rows: the session's rows.
        switches: show the switch for the tone; else nothing is seen.
    """
    title(rows)
    more: dict[str, Any] = {} if switches else {"tab_index": -1}
    _reel(
        role="conductor",
        ended=news(rows),
        switches=switches,
        height=SWITCH_PX if switches else 0,
        key="conductor",
        **more,
    )


def news(rows: live.Jobs) -> list[str]:
    """Ids of takes that have just come to an end which nobody asked for by cancelling."""
    now = utc_now()
    return [
        job.id
        for job in rows.newest()
        if job.finished_at is not None
        and job.state is not State.CANCELLED
        and (now - job.finished_at).total_seconds() < NEWS_S
    ]


def title(rows: live.Jobs, *, anew: bool = False) -> None:
    """The tab tells how many takes are under way; a fragment may call it, too.

    Args:
        rows: the session's rows.
        anew: a whole page begins, which has set its own title.
    """
    moving = len(rows.moving())
    wanted = f"({moving}) Takes" if moving else "Takes"
    if anew or st.session_state.get(TITLED) != wanted:
        st.session_state[TITLED] = wanted
        st.set_page_config(page_title=wanted)
