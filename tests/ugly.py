"""Data as nobody wishes for it, as rows of a store: texts that would act, files that are gone, and what no form would write."""

from contextlib import closing
from datetime import timedelta
from typing import Any

from core.errors import Charged
from core.jobs.job import NEVER, Event, Job, JobError, State, Video, utc_now
from core.jobs.store import JobQuery
from core.stores.sqlite import SqliteJobStore
from core.studio import Studio
from tests.engine import jpeg
from tests.fal_server.clip import clip

EVIL = "evil.example"
TEXTS = {
    "long": "Wavesrollin" * 136 + "end!",  # 1,500 characters without a space
    "words": ("Waves roll in under a low sun while the lamp turns. " * 30)[:1500],
    "hebrew": "הספינה עוזבת את הנמל (בשקיעה), 3 פעמים.",
    "arabic": "السفينة تغادر الميناء عند الغروب، ١٢٣ abc.",
    "turned": "harmless \u202egnp.live\u202c and \u2066open \u202e to the end",
    "emoji": "👩‍🚀 walks 🌕🎬🏴󠁧󠁢󠁥󠁮󠁧󠁿 👨‍👩‍👧‍👦 zoom 🚀",
    "script": "<script>alert(1)</script>",
    "broken out": f"\"><img src=x onerror=alert(1)><img src='http://{EVIL}/b.png'>",
    "picture": f"![x](http://{EVIL}/a.png) ![y][z]\n\n[z]: http://{EVIL}/c.png",
    "link": f"[press](http://{EVIL}) [go](javascript:alert(1)) http://{EVIL}/d www.{EVIL} me@{EVIL} <http://{EVIL}/e>",
    "icon": ":material/home: :red[angry] :blue-background[x] :streamlit: :smile: :small[s] :red-badge[b]",
    "formula": "$x^2$ $$\\int_0^1$$ \\(y\\) costs $5 to $8",
    "marks": "# head\n\n- list\n\n1. one\n\n> said\n\n    code\n\n```\nfence\n```\n***bold*** ~~gone~~ | a | b |\n---\n===",
    "brackets": "[[ ]] ]( [x] {y} <z> -> <- -- &lt;b&gt; &copy;",
    "control": "one\x00two\x07\x1b[31mred\x7f\r\nthree\u2028four\ufeff\ufffe",
    "spaces": " \t\n ",
    "csv": '=HYPERLINK("http://evil.example","x"),+1;"',
}
"""What somebody may have typed, by what is ugly about it. None of them may act; all of them are shown."""


class Ugly:
    """A studio's store, filled with what no form would write.

    Args:
        studio: whose store and media it is.
        owner: whose takes they are.
    """

    def __init__(self, studio: Studio, owner: str) -> None:
        self._studio = studio
        self._owner = owner
        self._count = self._films = 0
        self.still = studio.add_picture(jpeg(), "still.jpg").key

    def take(self, state: State = State.SUCCEEDED, **changes: Any) -> Job:
        """A take as it would stand after a run, with a file of its own; whatever `changes` say instead."""
        self._count += 1
        now = utc_now() + timedelta(seconds=self._count - 600)
        given: dict[str, Any] = {
            "owner": self._owner, "model": "lucy14b", "provider": "preview", "endpoint": "local", "prompt": "A heron.",
            "inputs": {"image": self.still, "prompt": changes.get("prompt", "A heron.")}, "still": self.still,
            "estimate_low_usd": 0.0, "cost_estimate_usd": 0.0, "created_at": now, "due_at": NEVER, "updated_at": now,
            "video": self.video() if state is State.SUCCEEDED else None,
        }  # fmt: skip
        if state not in (State.SUCCEEDED, State.FAILED, State.CANCELLED, State.UNKNOWN):
            given |= {
                "provider": "fal",
                "lease_owner": "nobody",
                "lease_until": NEVER,
            }  # it stays so: no worker takes it
        job = Job.model_validate({"state": state, **given, **changes})
        with closing(SqliteJobStore(self._studio.settings.home / "takes.db")) as store:
            store.restore(
                [(job, [Event(job_id=job.id, at=now, from_state=None, to_state=state, why=job.prompt[:200])])]
            )
        return self._studio.get(None, job.id)

    def video(self, **changes: Any) -> Video:
        """A stored video that plays, and a file of its own."""
        self._films += 1
        mark = b"free" + self._films.to_bytes(4, "big")  # a box that players pass over
        film = self._studio.media.put(clip() + (len(mark) + 4).to_bytes(4, "big") + mark, "mp4")
        poster = self._studio.media.put(jpeg((1280, 720), seed=2), "jpg")
        known = {
            "width": 1280,
            "height": 720,
            "duration_s": 5.0,
            "fps": 24.0,
            "bytes": film.bytes,
            "sha256": film.key[:64],
        }
        return Video.model_validate({"key": film.key, "poster": poster.key, **known, **changes})

    def texts(self) -> dict[str, Job]:
        """A take that is done with each of the texts wherever a text can stand."""
        return {name: self.text(text) for name, text in TEXTS.items()}

    def text(self, text: str, state: State = State.SUCCEEDED, **changes: Any) -> Job:
        """A take with this text in every place that has room for one."""
        inputs = {"image": self.still, "prompt": text, "negative_prompt": text, text[:40]: text, "seed": 7}
        error = JobError(kind="other", message=text, charged=Charged.MAYBE, raw={"said": text})
        rows: dict[str, Any] = {
            "prompt": text, "inputs": inputs, "options": {"camera_move": text}, "note": text[:4000],
            "tags": [" ".join(text.split())[:40] or "spaces"], "logs": [text, text], "cost_basis": text, "trouble": text,
            "stage": text, "request_id": text[:90], "output": {"facts": {"plan": text, "ignored": [text], "seed": text}},
            "error": error if state in (State.FAILED, State.CANCELLED, State.UNKNOWN) else None,
        }  # fmt: skip
        return self.take(state, **{**rows, **changes})

    def gone(self) -> dict[str, Job]:
        """Takes that have lost something, or were made by something that is no longer there."""
        nothing = f"{'0' * 64}"
        lost = Video.model_validate({**self.video().model_dump(), "key": f"{nothing}.mp4"})
        blind = Video.model_validate({**self.video().model_dump(), "poster": f"{nothing}.jpg"})
        empty = Video.model_validate({**lost.model_dump(), "poster": f"{nothing}.jpg"})
        strange = self.video(
            key="no key at all", poster="../../takes.db", width=0, height=0, duration_s=-1, fps=0, bytes=-1
        )
        gone = {"image": f"{nothing}.png", "prompt": "The still is gone."}
        retired: dict[str, Any] = {"model": TEXTS["picture"], "provider": TEXTS["icon"], "endpoint": TEXTS["long"]}
        return {
            "video": self.take(prompt="The video is gone.", video=lost),
            "poster": self.take(prompt="The poster is gone.", video=blind),
            "still": self.take(prompt="The still is gone.", still=f"{nothing}.png", inputs=gone),
            "everything": self.take(prompt="Everything is gone.", video=empty, still=f"{nothing}.png", inputs=gone),
            "keys": self.take(prompt="Keys that are none.", video=strange, still="no/key", inputs={"image": 7, "x": [None]}),
            "model": self.take(prompt="A retired model.", model="retired-2024", inputs={"was": {"asked": [1, {"a": "b"}]}}),
            "names": self.take(prompt="", **retired),
            "failed": self.take(State.FAILED, prompt="", error=None, **retired),
            "waiting": self.take(State.WAITING, prompt="Nobody makes this.", **retired),
            "no cost": self.take(State.FAILED, provider="fal", estimate_low_usd=None, cost_estimate_usd=None,
                                 error=JobError(kind="x", message="It came to nothing.", charged=Charged.MAYBE)),
            "much was said": self.take(State.FAILED, prompt="Much was said.", logs=["line " * 500] * 3000, error=JobError(
                kind="x", message="m " * 2000, raw={"detail": ["word " * 20] * 50_000})),
            "nothing": self.take(prompt="", inputs={}, still=None, video=empty),
        }  # fmt: skip

    def all(self) -> list[Job]:
        """The owner's takes, newest first."""
        return self._studio.jobs(JobQuery(owner=self._owner, limit=1000))

    def views(self) -> None:
        """Saved views, and searches, of such names."""
        for text in TEXTS.values():
            name = " ".join(text.split())[:60]
            if name:
                self._studio.save_view(self._owner, name, f"q={name[:5]}")
