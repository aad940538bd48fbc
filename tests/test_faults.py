"""The fault table: what goes wrong, where and how often, and what has to come of it. Every row runs through the real engine."""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import certifi
import pytest

from core.errors import Charged
from core.jobs.job import MOVES, Job, State, utc_now
from core.jobs.worker import Worker
from core.providers.fal import FalProvider
from tests.engine import Engine, open_engine, own_log, point_at
from tests.fal_server import Ending, FalServer, Fault, policy_refusal
from tests.fal_server.clip import clip
from tests.fal_server.sample import QUICK

QUICKER = replace(QUICK, upload_s=0.5)
SLOW_S = 1.0  # longer than any wait in QUICKER
TICKS = 60  # looks at a job; a row that needs more goes round in circles
WAIT_S = 20.0  # what a 429 asks for
RUN_S = 0.1  # a job at the fake fal, where the engine's own loop follows it
PATIENCE_S = 60.0  # two cores are shared with other work

WAITING, QUEUED, SAVING = State.WAITING, State.QUEUED, State.SAVING
SUCCEEDED, FAILED, CANCELLED, UNKNOWN = State.SUCCEEDED, State.FAILED, State.CANCELLED, State.UNKNOWN
NO, MAYBE, YES = Charged.NO, Charged.MAYBE, Charged.YES

MP4, EVENTS = {"Content-Type": "video/mp4"}, {"Content-Type": "text/event-stream"}
STILL_BUSY = {"detail": "Request is still in progress"}
NOT_FOUND = {"status": "NOT_FOUND"}
LOCKED = {"detail": "User is locked. Reason: Exhausted balance."}
NO_VIDEO = {"video": None, "seed": 1}
HEARD = "may finish all the same"  # no trouble: the wish was passed on
LOST = "answer to the request was lost"
IN_USE = "takes no more requests"
OF_ITS_OWN = "a fault of its own ({})"
BROKE_OFF = "connection to fal broke off"
TOO_SLOW = "did not answer in time"
UNREADABLE = "answer cannot be read"
NO_STORE = "storage did not take the file ({})"
NO_FILE_HOST = "video's server has a fault ({})"

EVERYWHERE: Mapping[str, Fault] = {
    "429 with Retry-After": Fault(status=429, body={"detail": "slow down"}, headers={"Retry-After": str(int(WAIT_S))}),
    "429": Fault(status=429, body={"detail": "slow down"}),
    "500 of fal, typed": Fault(status=500, body={"detail": "oops", "error_type": "internal_error"}),
    "500 of fal, bare": Fault(status=500, body={"detail": "oops"}),
    "502 of the ingress": Fault(status=502, html=True),
    "503 of the ingress": Fault(status=503, html=True),
    "504 of the ingress": Fault(status=504, html=True),
    "cut before": Fault(cut="before"),
    "cut after": Fault(cut="after"),
    "slow": Fault(wait_s=SLOW_S),
    "200 that is no JSON": Fault(status=200, body="fine"),
    "200 with a page": Fault(status=200, html=True),
}
"""What can go wrong with every call."""


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Args:
        at: the call that gets the fault; "end" where it is the job's own end at fal.
        what: what goes wrong: a name from EVERYWHERE, or any other beside `fault`.
        fault: it, where EVERYWHERE has none: one, several in a row, or how the job ends.
        times: how often in a row.
        ends: the state that the job ends in.
        says: words that name the cause, in the trouble while it went on, the error, or the history; "" for no trouble.
        kind: of the error.
        charged: what the error says of the money; None where there is no error.
        retryable: whether the same job, sent again, may well succeed.
        field: of the form, that the error names.
        waits_s: how long the engine had to wait at least.
    """

    at: str
    what: str
    ends: State
    says: str
    fault: Fault | tuple[Fault, ...] | Ending | None = None
    times: int = 1
    kind: str = ""
    charged: Charged | None = None
    retryable: bool = False
    field: str | None = None
    waits_s: float = 0.0

    @property
    def name(self) -> str:
        return f"{self.at}: {self.what}" + (f", {self.times} times" if self.times > 1 else "")

    @property
    def passes(self) -> bool:
        """Whether it is waited out, so that there is trouble before the end."""
        at_once = self.ends is FAILED or (self.at == "submit" and self.ends is UNKNOWN)
        return not at_once and bool(self.says) and self.says != HEARD

    @property
    def faults(self) -> list[Fault]:
        """In the order in which the calls get them."""
        given = self.fault or EVERYWHERE[self.what]
        assert not isinstance(given, Ending)
        return [*(given if isinstance(given, tuple) else (given,))] * self.times


def goes_on(at: str, what: str, says: str, fault: Fault | tuple[Fault, ...] | None = None, **more: object) -> Row:
    """The engine waits it out and the job succeeds."""
    return Row(at, what, SUCCEEDED, says, fault, **more)  # type: ignore[arg-type]


def lost(what: str, kind: str, fault: Fault | None = None) -> Row:
    """The paid call's answer is lost: nobody knows, and it is not sent again."""
    return Row("submit", what, UNKNOWN, LOST, fault, kind=kind, charged=MAYBE)


def ends_job(at: str, what: str, says: str, kind: str, charged: Charged, fault: Fault | Ending, **more: object) -> Row:
    """fal's verdict: the job has failed."""
    return Row(at, what, FAILED, says, fault, kind=kind, charged=charged, **more)  # type: ignore[arg-type]


def model_error(kind: str, *loc: str, **ctx: object) -> dict[str, object]:
    """A `detail` of fal: about one input, or about the job as a whole."""
    return {"detail": [{"loc": ["body", *loc], "msg": "words of the model", "type": kind, "ctx": ctx}]}


def request_error(kind: str) -> dict[str, object]:
    """fal's other shape: the way to the model failed."""
    return {"detail": "words of fal", "error_type": kind}


ROWS = (
    # --- submit: what surely was not accepted is sent again; whatever else has no answer is lost ----------------------
    goes_on("submit", "429 with Retry-After", IN_USE, waits_s=WAIT_S),
    goes_on("submit", "429", IN_USE, times=2, waits_s=10),
    lost("500 of fal, typed", "internal_error"),
    lost("500 of fal, bare", "http_500"),
    lost("502 of the ingress", "http_502"),
    goes_on("submit", "503 of the ingress", "front door is closed", times=2, waits_s=10),
    lost("504 of the ingress", "http_504"),
    lost("cut before", "cut_off"),
    lost("cut after", "cut_off"),
    lost("slow", "timeout"),
    lost("200 that is no JSON", "odd_answer"),
    lost("200 with a page", "odd_answer"),
    lost("502 of the ingress though fal has it", "http_502", Fault(status=502, html=True, works=True)),
    lost("503 page that names a request", "http_503", Fault(status=503, html=True, headers={"X-Fal-Request-Id": "r"}, works=True)),
    lost("503 of fal itself", "http_503", Fault(status=503, body={"detail": "no runner"})),
    lost("408", "timeout", Fault(status=408, works=True)),
    lost("half an answer", "cut_off", Fault(short=15)),
    lost("200 without a request id", "odd_answer", Fault(status=200, body={"status": "IN_QUEUE"}, works=True)),
    ends_job("submit", "wrong key", "FAL_API_KEY", "wrong_key", NO, Fault(status=401, body={"detail": "invalid key credentials test-key-id:test-key-secret"}), retryable=True),
    ends_job("submit", "key without permission", "API permission", "wrong_key", NO, Fault(status=403, body={"detail": "not allowed"}), retryable=True),
    ends_job("submit", "locked account", "fal.ai/dashboard/billing", "locked_account", NO, Fault(status=403, body=LOCKED), retryable=True),
    ends_job("submit", "no credit", "fal.ai/dashboard/billing", "locked_account", NO, Fault(status=402, body={"detail": "pay"}), retryable=True),
    ends_job("submit", "unknown endpoint", "FAL_ENDPOINT__LUCY14B", "endpoint_not_found", NO, Fault(status=404, body={"detail": "Path not found"})),
    ends_job("submit", "redirect", "redirect", "redirected", NO, Fault(status=308, headers={"Location": "http://127.0.0.1:1/x"}), retryable=True),
    ends_job("submit", "proxy's page", "proxy or firewall", "not_fal", NO, Fault(status=403, html=True), retryable=True),
    ends_job("submit", "refusal that names a field", "“Prompt” is too long", "string_too_long", NO, Fault(status=422, body=model_error("string_too_long", "prompt", max_length=9)), field="prompt"),
    ends_job("submit", "refusal in plain words", "too poetic", "http_422", NO, Fault(status=422, body={"detail": "too poetic"})),
    # --- upload: nothing is paid yet, so everything that may pass is tried again --------------------------------------
    goes_on("initiate", "429 with Retry-After", IN_USE, waits_s=WAIT_S),
    goes_on("initiate", "429", IN_USE, times=2, waits_s=10),
    goes_on("initiate", "500 of fal, typed", OF_ITS_OWN.format(500)),
    goes_on("initiate", "500 of fal, bare", OF_ITS_OWN.format(500)),
    goes_on("initiate", "502 of the ingress", OF_ITS_OWN.format(502)),
    goes_on("initiate", "503 of the ingress", OF_ITS_OWN.format(503)),
    goes_on("initiate", "504 of the ingress", OF_ITS_OWN.format(504)),
    goes_on("initiate", "cut before", BROKE_OFF, times=2),
    goes_on("initiate", "cut after", BROKE_OFF, times=2),
    goes_on("initiate", "slow", TOO_SLOW),
    goes_on("initiate", "200 that is no JSON", UNREADABLE),
    goes_on("initiate", "200 with a page", UNREADABLE),
    ends_job("initiate", "wrong key", "FAL_API_KEY", "wrong_key", NO, Fault(status=401, body={"detail": "no"}), retryable=True),
    ends_job("initiate", "locked account", "fal.ai/dashboard/billing", "locked_account", NO, Fault(status=403, body=LOCKED), retryable=True),
    ends_job("initiate", "not there", "FAL_REST_URL", "not_fal", NO, Fault(status=404, body=NOT_FOUND), retryable=True),
    goes_on("put", "429 with Retry-After", NO_STORE.format(429)),
    goes_on("put", "429", NO_STORE.format(429), times=2),
    goes_on("put", "500 of fal, typed", NO_STORE.format(500)),
    goes_on("put", "500 of fal, bare", NO_STORE.format(500)),
    goes_on("put", "502 of the ingress", NO_STORE.format(502)),
    goes_on("put", "503 of the ingress", NO_STORE.format(503)),
    goes_on("put", "504 of the ingress", NO_STORE.format(504)),
    goes_on("put", "cut before", BROKE_OFF, times=2),
    goes_on("put", "cut after", BROKE_OFF, times=2),
    goes_on("put", "slow", TOO_SLOW),
    goes_on("put", "200 that is no JSON", "", Fault(status=200, body="fine", works=True)),  # a storage owes none
    goes_on("put", "200 with a page", NO_STORE.format(200)),
    goes_on("put", "address that ran out", NO_STORE.format(403), Fault(status=403, body="<Error/>")),
    ends_job("put", "file too large", "does not take a file of this size", "file_too_large", NO, Fault(status=413)),
    # --- status: no answer to it ends a job ---------------------------------------------------------------------------
    goes_on("status", "429 with Retry-After", IN_USE, waits_s=WAIT_S),
    goes_on("status", "429", IN_USE, times=2, waits_s=10),
    goes_on("status", "500 of fal, typed", OF_ITS_OWN.format(500)),
    goes_on("status", "500 of fal, bare", OF_ITS_OWN.format(500)),
    goes_on("status", "502 of the ingress", OF_ITS_OWN.format(502), times=8),
    goes_on("status", "503 of the ingress", OF_ITS_OWN.format(503)),
    goes_on("status", "504 of the ingress", OF_ITS_OWN.format(504)),
    goes_on("status", "cut before", BROKE_OFF, times=3),
    goes_on("status", "cut after", BROKE_OFF, times=3),
    goes_on("status", "slow", TOO_SLOW),
    goes_on("status", "200 that is no JSON", UNREADABLE),
    goes_on("status", "200 with a page", UNREADABLE),
    goes_on("status", "unknown word", "a status that Takes does not know", Fault(status=200, body={"status": "FAILED"}), times=3),
    goes_on("status", "wrong key", "FAL_API_KEY", Fault(status=401, body={"detail": "invalid test-key-id:test-key-secret"}), times=3),
    goes_on("status", "key without permission", "API permission", Fault(status=403, body={"detail": "not allowed"})),
    goes_on("status", "locked account", "fal.ai/dashboard/billing", Fault(status=403, body=LOCKED)),
    goes_on("status", "no credit", "fal.ai/dashboard/billing", Fault(status=402, body={"detail": "pay"})),
    goes_on("status", "redirect", "redirect", Fault(status=301, headers={"Location": "http://127.0.0.1:1/x"})),
    goes_on("status", "unknown request", "does not know this request", Fault(status=404, body=NOT_FOUND)),
    Row("status", "unknown request for good", UNKNOWN, "does not know this request", Fault(status=404, body=NOT_FOUND), 99, "request_not_found", MAYBE),
    # --- result: only the model's own words end a job -----------------------------------------------------------------
    goes_on("result", "429 with Retry-After", IN_USE, waits_s=WAIT_S),
    goes_on("result", "429", IN_USE, times=2, waits_s=10),
    ends_job("result", "500 of fal, typed", "a fault of its own", "internal_error", NO, EVERYWHERE["500 of fal, typed"], retryable=True),
    goes_on("result", "500 of fal, bare", OF_ITS_OWN.format(500), times=30),
    goes_on("result", "502 of the ingress", OF_ITS_OWN.format(502), times=30),
    goes_on("result", "503 of the ingress", OF_ITS_OWN.format(503)),
    goes_on("result", "504 of the ingress", OF_ITS_OWN.format(504)),
    goes_on("result", "cut before", BROKE_OFF, times=3),
    goes_on("result", "cut after", BROKE_OFF, times=3),
    goes_on("result", "slow", TOO_SLOW),
    goes_on("result", "200 that is no JSON", UNREADABLE),
    goes_on("result", "200 with a page", UNREADABLE),
    goes_on("result", "too early (400)", "", Fault(status=400, body=STILL_BUSY), times=3),
    goes_on("result", "too early (202)", "", Fault(status=202, body={"status": "IN_PROGRESS"}), times=3),
    goes_on("result", "wrong key", "FAL_API_KEY", Fault(status=401, body={"detail": "no"}), times=3),
    goes_on("result", "locked account", "fal.ai/dashboard/billing", Fault(status=402, body={"detail": "pay"})),
    goes_on("result", "unknown request", "does not know this request", Fault(status=404, body=NOT_FOUND)),
    Row("result", "unknown request for good", UNKNOWN, "does not know this request", Fault(status=404, body=NOT_FOUND), 99, "request_not_found", MAYBE),
    ends_job("result", "no video in it", "finished without a video", "no_video", MAYBE, Fault(status=200, body=NO_VIDEO), retryable=True),
    # --- the job's own end at fal -------------------------------------------------------------------------------------
    ends_job("end", "refusal of the prompt", "content check refused the prompt", "content_policy_violation", MAYBE, policy_refusal("prompt"), field="prompt"),
    ends_job("end", "refusal of the picture", "content check refused the picture", "content_policy_violation", MAYBE, policy_refusal("image_url"), field="image"),
    ends_job("end", "refusal that names a field", "at least 300 × 300 pixels", "image_too_small", MAYBE, Ending(422, model_error("image_too_small", "image_url", min_width=300, min_height=300)), field="image"),
    ends_job("end", "nothing made", "made no video", "no_media_generated", MAYBE, Ending(422, model_error("no_media_generated"))),
    ends_job("end", "runner gone", "dropped out", "runner_disconnected", NO, Ending(503, request_error("runner_disconnected"), error_type="runner_disconnected"), retryable=True),
    ends_job("end", "no runner", "found no machine", "runner_scheduling_failure", NO, Ending(503, request_error("runner_scheduling_failure"), error_type="runner_scheduling_failure"), retryable=True),
    ends_job("end", "generation timeout", "within its own time limit", "generation_timeout", NO, Ending(504, model_error("generation_timeout")), retryable=True),
    ends_job("end", "service behind the model refused", "service behind this model", "downstream_service_error", MAYBE, Ending(400, model_error("downstream_service_error")), retryable=True),
    ends_job("end", "the same, and fal says that it will fare no better", "service behind this model", "downstream_service_error", MAYBE, Ending(400, model_error("downstream_service_error"), {"X-Fal-Retryable": "false"})),
    ends_job("end", "error told by the status, bare 500 by the result", "broke down", "internal_server_error", NO, Ending(500, "Internal Server Error", error="Invalid status code: 500"), retryable=True),
    ends_job("end", "error and its type told by the status only", "broke down", "runner_server_error", NO, Ending(500, {"detail": "x"}, error="x", error_type="runner_server_error"), retryable=True),
    # --- download: it is paid, so it is fetched until its owner gives up ----------------------------------------------
    goes_on("file", "429 with Retry-After", NO_FILE_HOST.format(429), waits_s=WAIT_S),
    goes_on("file", "429", NO_FILE_HOST.format(429), times=2, waits_s=10),
    goes_on("file", "500 of fal, typed", NO_FILE_HOST.format(500)),
    goes_on("file", "500 of fal, bare", NO_FILE_HOST.format(500)),
    goes_on("file", "502 of the ingress", NO_FILE_HOST.format(502), times=12),
    goes_on("file", "503 of the ingress", NO_FILE_HOST.format(503)),
    goes_on("file", "504 of the ingress", NO_FILE_HOST.format(504)),
    goes_on("file", "cut before", BROKE_OFF, times=2),
    goes_on("file", "cut after", BROKE_OFF, times=2),
    goes_on("file", "slow", TOO_SLOW),
    goes_on("file", "200 that is no JSON", "Something else than a video"),
    goes_on("file", "200 with a page", "Something else than a video", times=5),
    goes_on("file", "cut off in the middle", "Only a part of the video", Fault(short=20_000), times=3),
    goes_on("file", "gone on from another place", "Only a part of the video", (Fault(short=5_000), Fault(status=206, body=b"x" * 99, headers=MP4 | {"Content-Range": "bytes 9-107/108"}))),
    goes_on("file", "416 to the rest", "Only a part of the video", (Fault(short=5_000), Fault(status=416))),
    goes_on("file", "bytes that do not play", "not a playable video", Fault(status=200, body=b"\0" * 4096, headers=MP4), times=2),
    goes_on("file", "half the file under a length that fits it", "not a playable video", Fault(status=200, body=clip()[: len(clip()) // 2], headers=MP4)),
    goes_on("file", "nothing at all", "Only a part of the video", Fault(status=200, body="", headers=MP4)),
    goes_on("file", "JSON in its place", "Something else than a video", Fault(status=200, body={"detail": "expired"})),
    goes_on("file", "404 for a while", "not at its address (404)", Fault(status=404), times=5),
    Row("file", "404 for good", SAVING, "not at its address (404)", Fault(status=404), 99),
    Row("file", "410 for good", SAVING, "not at its address (410)", Fault(status=410), 99),
    goes_on("file", "redirect in circles", "leads nowhere", Fault(status=302, headers={"Location": "/files/x.mp4"}), times=4),
    # --- cancel: the wish is passed on until somebody has heard it ----------------------------------------------------
    *(
        Row("cancel", what, CANCELLED, says, times=times, kind="cancelled", charged=NO, waits_s=waits_s)
        for what, says, times, waits_s in (
            ("429 with Retry-After", IN_USE, 1, WAIT_S),
            ("429", IN_USE, 2, 10),
            ("500 of fal, typed", OF_ITS_OWN.format(500), 1, 0),
            ("500 of fal, bare", OF_ITS_OWN.format(500), 1, 0),
            ("502 of the ingress", OF_ITS_OWN.format(502), 3, 0),
            ("503 of the ingress", OF_ITS_OWN.format(503), 1, 0),
            ("504 of the ingress", OF_ITS_OWN.format(504), 1, 0),
            ("cut before", BROKE_OFF, 3, 0),
            ("cut after", BROKE_OFF, 3, 0),
            ("slow", TOO_SLOW, 1, 0),
            ("200 with a page", UNREADABLE, 1, 0),
        )
    ),
    Row("cancel", "200 that is no JSON", SUCCEEDED, HEARD),  # any other yes: it may have begun
    Row("cancel", "wrong key", CANCELLED, "FAL_API_KEY", Fault(status=401, body={"detail": "no"}), 2, "cancelled", NO),
)  # fmt: skip

STREAM_ROWS = (
    *(goes_on("stream", what, "") for what in EVERYWHERE),
    goes_on("stream", "half a line", "", Fault(short=30)),
    goes_on("stream", "nonsense", "", Fault(status=200, body="data: {\n\n", headers=EVENTS)),
    goes_on("stream", "another shape", "", Fault(status=200, body="data: 3\n\n", headers=EVENTS)),
    goes_on("stream", "drip", "", Fault(drip_s=0.05)),
    goes_on("stream", "wrong key", "", Fault(status=401, body={"detail": "no"})),
    goes_on("stream", "not there", "", Fault(status=404, body=NOT_FOUND)),
)  # fmt: skip
"""What is told on a stream is never needed: none of these may change how a job ends."""


@pytest.fixture(autouse=True)
def one_authority(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """httpx reads all authorities for each client; nothing here is encrypted, and one takes a tenth of the time."""
    first, end, _ = Path(certifi.where()).read_text("ascii", "ignore").partition("-----END CERTIFICATE-----")
    (tmp_path / "one.pem").write_text(f"{first}{end}\n")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "one.pem"))


@pytest.fixture
def server() -> Iterator[FalServer]:
    with FalServer() as running:
        yield running


@pytest.fixture
async def engine(server: FalServer, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Engine]:
    point_at(server, monkeypatch)
    with own_log():
        made = open_engine()
        fal = FalProvider(made.studio.settings, QUICKER)
        made.worker = worker(made, fal)
        yield made
        await fal.aclose()
        await made.close()


@pytest.fixture
def log(engine: Engine, caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    """All that is logged, to the last detail."""
    logging.getLogger("takes").propagate = True
    caplog.set_level(logging.DEBUG)
    caplog.set_level(logging.DEBUG, "takes")
    return caplog


def worker(engine: Engine, fal: FalProvider, poll_s: float = 0.05) -> Worker:
    """The studio's worker with a provider whose waits a test can wait for."""
    studio = engine.studio
    parts = studio.settings.home / "parts"
    return Worker(
        engine.rows, studio.media, {"fal": fal}, slots={"fal": 8}, poll_s={"fal": poll_s}, part_dir=parts,
        pace=lambda job: studio.pace(job.model, job.provider),
    )  # fmt: skip


def told(engine: Engine, job: Job, troubles: list[str]) -> str:
    """All that its owner was told of the job, in one text."""
    error = engine.job(job).error
    history = [event.why for event in engine.studio.history(None, job.id)]
    return "\n".join([*troubles, *history, error.message if error else ""])


async def follow(engine: Engine, job: Job) -> list[str]:
    """Tick until the job has ended, or for long enough; the troubles that it had on the way."""
    troubles = []
    for _ in range(TICKS):
        stands = engine.job(job)
        if not stands.is_open:
            break
        if stands.trouble:
            troubles.append(stands.trouble)
        await engine.tick()
    return troubles


def check(row: Row, server: FalServer, engine: Engine, job: Job, log: pytest.LogCaptureFixture) -> None:
    """What holds after every row."""
    paid = [accepted for accepted in server.accepted if accepted.tags == f"takes-job={job.id}"]
    assert len(paid) == len(server.accepted) <= 1, "paid twice"
    verdict = row.at in ("end", "result")
    assert job.state is not FAILED or verdict or not paid, "a paid job was called failed, and fal had not said so"
    if job.state in (SUCCEEDED, CANCELLED):
        assert len(paid) == 1
    assert (job.video is not None) is (job.state is SUCCEEDED)
    if job.video is not None:
        assert engine.studio.media.read(job.video.key) == clip()

    assert job.lease_owner is None, "a lease was left"
    assert job.lease_until is None
    home = engine.studio.settings.home
    assert not list((home / "parts").iterdir()), "a part file was left"

    chain = engine.studio.history(None, job.id)
    assert (chain[0].from_state, chain[0].to_state) == (None, WAITING)
    for before, after in pairwise(chain):
        assert after.from_state is before.to_state
        assert after.to_state is after.from_state or after.to_state in MOVES[after.from_state]
    assert chain[-1].to_state is job.state

    half = server.key.partition(":")[2]
    assert half not in job.model_dump_json(), "the key is in the row"
    for file in home.glob("takes.db*"):
        assert half.encode() not in file.read_bytes(), "the key is in the database"
    assert half not in log.text, "the key is in the log"
    for record in log.records:
        assert record.exc_info is None, f"a bug on the way: {record.getMessage()}"
        assert record.levelno < logging.INFO or job.prompt not in record.getMessage(), "the prompt is in the log"


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
async def test_the_table(row: Row, server: FalServer, engine: Engine, log: pytest.LogCaptureFixture) -> None:
    if isinstance(row.fault, Ending):
        server.end_with(row.fault)
    else:
        for fault in row.faults:
            server.fault(row.at, fault)  # type: ignore[arg-type]
    job, begun = engine.ask(), engine.now
    if row.at == "cancel":
        server.queue_polls = 8
        await engine.until(job, QUEUED)
        while utc_now() < engine.now:  # the wish is written with the true time, and the history is told in order
            await asyncio.sleep(0.01)
        engine.studio.cancel(job.owner, job.id)
    troubles = await follow(engine, job)
    ended = engine.job(job)

    assert ended.state is row.ends, f"{ended.trouble} {ended.error}"
    assert row.says in told(engine, job, troubles)
    assert bool(troubles) is row.passes, "a fault that nobody was told of, or trouble out of nothing"
    assert engine.now - begun >= timedelta(seconds=row.waits_s), "it did not wait as it was told"
    if ended.error is None:
        assert (row.charged, row.kind) == (None, "")
    else:
        error = ended.error
        assert (error.kind, error.charged, error.retryable, error.field) == (
            row.kind, row.charged, row.retryable, row.field,
        )  # fmt: skip
    if row.ends is SAVING:  # for as long as its owner wants it
        await given_up(engine, job)
        ended = engine.job(job)
    check(row, server, engine, ended, log)


async def given_up(engine: Engine, job: Job) -> None:
    """The owner gives up on a paid file that does not come."""
    while utc_now() < engine.now and engine.now - utc_now() < timedelta(seconds=1):
        await asyncio.sleep(0.01)
    ended = engine.studio.cancel(job.owner, job.id)
    assert ended.state is CANCELLED
    assert ended.error is not None
    assert (ended.error.charged, ended.error.retryable) == (YES, True)
    assert await engine.tick() == 0, "it is still asked for"


async def test_a_part_of_what_was_given_up_goes_too(server: FalServer, engine: Engine) -> None:
    for fault in (Fault(short=5_000), *[Fault(status=404)] * TICKS):
        server.fault("file", fault)
    job = engine.ask()
    await follow(engine, job)
    await given_up(engine, job)
    assert not list((engine.studio.settings.home / "parts").iterdir())


async def run(engine: Engine, job: Job) -> list[str]:
    """Let the worker's own loop end the job; the troubles that it had on the way."""
    stop, troubles = asyncio.Event(), []
    loop = asyncio.create_task(engine.worker.run(stop))
    async with asyncio.timeout(PATIENCE_S):
        while (stands := engine.job(job)).is_open:
            troubles += [stands.trouble] if stands.trouble else []
            await asyncio.sleep(0.02)
    stop.set()
    await loop
    return troubles


@pytest.mark.parametrize("row", STREAM_ROWS, ids=lambda row: row.name)
async def test_whatever_the_stream_does(
    row: Row, server: FalServer, engine: Engine, log: pytest.LogCaptureFixture
) -> None:
    server.run_s = RUN_S
    for fault in row.faults * 2:  # the line is opened once more where it was kept open and broke
        server.fault("stream", fault)
    job = engine.ask()
    troubles = await run(engine, job)
    ended = engine.job(job)
    assert ended.state is row.ends
    assert troubles == [], "what a stream does is nobody's trouble"
    assert 1 <= len(server.calls("stream")) <= 2, "a stream that broke off was asked for at once"
    check(row, server, engine, ended, log)


async def test_a_healthy_stream_is_quicker_than_the_next_look(
    server: FalServer, engine: Engine, log: pytest.LogCaptureFixture
) -> None:
    server.run_s = 5 * RUN_S
    fal = FalProvider(engine.studio.settings, QUICKER)
    engine.worker = worker(engine, fal, poll_s=8 * PATIENCE_S)  # the first look comes after a quarter of it
    job = engine.ask()
    assert await run(engine, job) == []
    ended = engine.job(job)
    assert ended.state is SUCCEEDED
    assert len(server.calls("stream")) == 1
    assert 1 <= len(server.calls("status")) <= 3, "it was polled, or what the stream told was believed"
    check(goes_on("stream", "healthy", ""), server, engine, ended, log)
    await fal.aclose()


@pytest.mark.parametrize("when", ["before the upload", "before the submit", "while it is followed"])
async def test_fal_that_cannot_be_reached(
    when: str, server: FalServer, engine: Engine, log: pytest.LogCaptureFixture
) -> None:
    if when == "before the submit":
        server.fault("submit", Fault(status=503, html=True))
    job = engine.ask()
    if when != "before the upload":
        await engine.tick()
    server.stop()
    for _ in range(4):
        await engine.tick()
    stands = engine.job(job)
    assert stands.state is (QUEUED if when == "while it is followed" else WAITING), (
        "a lost line was taken for an answer"
    )
    assert "cannot be reached" in stands.trouble
    server.start()
    await follow(engine, job)
    ended = engine.job(job)
    assert ended.state is SUCCEEDED
    assert len(server.calls("initiate")) == 1, "the still was sent twice"
    check(goes_on("submit", when, "cannot be reached"), server, engine, ended, log)


def test_the_table_is_whole() -> None:
    """Every fault of EVERYWHERE stands at every call, and no line stands twice."""
    names = [row.name for row in (*ROWS, *STREAM_ROWS)]
    assert len(names) == len(set(names))
    calls = ("initiate", "put", "submit", "status", "result", "file", "cancel", "stream")
    there = {(row.at, row.what) for row in (*ROWS, *STREAM_ROWS)}
    assert not {(at, what) for at in calls for what in EVERYWHERE} - there, "a fault that nobody has thought through"
