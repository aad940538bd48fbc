"""A visitor at an app, and the same store from the inside: what no form would write is put there by hand."""

import base64
import json
from dataclasses import dataclass

from core.jobs.job import Job
from core.jobs.store import JobQuery
from core.studio import Studio
from core.web.identity import COOKIE
from tests.browser.visit import Visit
from tests.ugly import Ugly


@dataclass
class Inside:
    """One visitor, and the store behind the app.

    Args:
        visit: the visitor, who has opened a page.
        studio: opened over the same folder as the app.
        owner: the visitor's name in the store.
        rows: writes takes of theirs.
    """

    visit: Visit
    studio: Studio
    owner: str
    rows: Ugly

    @classmethod
    def of(cls, visit: Visit, studio: Studio) -> "Inside":
        """The visitor becomes somebody by opening a page."""
        visit.open("/jobs")
        cookie = next(cookie for cookie in visit.context.cookies() if cookie.get("name") == COOKIE)
        body = str(cookie.get("value")).split(".")[0]
        owner = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
        return cls(visit, studio, owner, Ugly(studio, owner))

    def job(self, job: Job) -> Job:
        """The take as it stands now."""
        return self.studio.get(None, job.id)

    def others(self, *besides: Job) -> list[Job]:
        """The visitor's takes but for these, newest first."""
        known = {job.id for job in besides}
        return [job for job in self.studio.jobs(JobQuery(owner=self.owner, limit=1000)) if job.id not in known]
