"""The session's copy of its owner's jobs, kept fresh by asking only for what changed."""

import streamlit as st
from streamlit_autorefresh import st_autorefresh

from core.jobs.job import OPEN, Job, State
from core.jobs.store import JobQuery
from core.studio import current

CACHE = "takes.jobs"
PAGE = 60  # rows that a session keeps of its history
REFRESH_MS = 1000  # how often a page asks while something is live: one indexed look-up
IDLE_MS = 8_000  # how often it asks while nothing is, to notice what another tab has sent
MOVING = 200  # takes in motion that a session holds; a person's batch, with room to spare


class Jobs:
    """Rows of one owner, newest first. The store always wins over what is cached here."""

    def __init__(self, owner: str) -> None:
        self.owner = owner
        self._rows: dict[str, Job] = {}
        self._seen = -1
        self._ahead: dict[str, int] = {}
        self._ended: set[str] = set()

    def refresh(self) -> None:
        """Read the first page once, afterwards only rows changed since."""
        studio = current()
        if self._seen < 0:
            rows = studio.jobs(JobQuery(owner=self.owner, limit=PAGE))
            rows += studio.jobs(JobQuery(owner=self.owner, states=OPEN, limit=MOVING))
            self._seen = 0
        else:
            rows = studio.jobs(JobQuery(owner=self.owner, changed_since=self._seen, limit=PAGE))
            self._ended |= {row.id for row in rows if not row.is_open}
        for row in rows:
            self._rows[row.id] = row
            self._seen = max(self._seen, row.version)
        if len(self._rows) > 2 * PAGE + MOVING:
            kept = [*self.newest()[:PAGE], *self.moving()]
            self._rows = {job.id: job for job in kept}
        waited_for = {job.provider for job in self._rows.values() if job.state is State.WAITING}
        self._ahead = {}
        for provider in waited_for:
            self._ahead |= studio.places_in_line(provider)

    def newest(self, model: str | None = None) -> list[Job]:
        """The rows, newest first."""
        rows = (job for job in self._rows.values() if (model is None or job.model == model) and job.binned_at is None)
        return sorted(rows, key=lambda job: (job.created_at, job.id), reverse=True)

    def moving(self) -> list[Job]:
        """Those in motion: first what is nearest to its end, then what waits, in the order of asking."""
        rows = [job for job in self._rows.values() if job.is_open]
        return sorted(rows, key=lambda job: (job.state is State.WAITING, job.created_at, job.id))

    def ended(self) -> set[str]:
        """Takes that have ended, or were changed after their end, since this was last asked."""
        ended, self._ended = self._ended, set()
        return ended

    def get(self, job_id: str) -> Job | None:
        return self._rows.get(job_id)

    def ahead(self, job: Job) -> int | None:
        """How many jobs, of everybody, are before a waiting one in our own line."""
        return self._ahead.get(job.id)

    def any_live(self, model: str | None = None) -> bool:
        return any(job.is_open for job in self._rows.values() if model is None or job.model == model)


def jobs(owner: str) -> Jobs:
    """This session's rows, brought up to date."""
    cached = st.session_state.get(CACHE)
    if not isinstance(cached, Jobs) or cached.owner != owner:
        cached = st.session_state[CACHE] = Jobs(owner)
    cached.refresh()
    return cached


def ahead(job: Job) -> int | None:
    """How many are before a job in our own line, as this session last saw it; None where it does not wait there."""
    cached = st.session_state.get(CACHE)
    return cached.ahead(job) if isinstance(cached, Jobs) else None


def keep_fresh(key: str, *, busy: bool = True) -> None:
    """Run the fragment that this is called in again: soon while something is live, else now and then."""
    st_autorefresh(REFRESH_MS if busy else IDLE_MS, key=key if busy else f"{key}.idle")
