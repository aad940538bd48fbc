"""The command line as scripts meet it: processes of its own, exit codes, and JSON on standard output."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

import core
from core.jobs.job import Event, Job, State, utc_now
from core.models import MODELS
from core.preview import LABEL, SPLICE_LABEL
from core.stores.sqlite import SqliteJobStore
from tests.engine import jpeg
from tests.fal_server import FalServer, Fault, policy_refusal
from tests.fal_server.clip import clip
from tests.test_job import a_job

ROOT = Path(core.__file__).parent.parent
ASKED = {
    "id", "model", "provider", "endpoint", "state", "prompt", "inputs", "request_id", "error", "video",
    "cost_estimate_usd", "created_at", "finished_at",
}  # fmt: skip
LUCY = ("generate", "lucy14b", "--image", "sample:lighthouse", "--prompt", "Slow push in.")
PRIVATE = {"nonce", "uploads", "status_url", "response_url", "cancel_url", "output", "lease_owner", "fence"}


class Shell:
    """`python -m core …` in a folder and an environment of its own.

    Args:
        home: the working folder; DATA_DIR is inside it.
        settings: the environment beside the least that a process needs.
    """

    def __init__(self, home: Path, **settings: str) -> None:
        self.home = home
        self.env = {
            "PATH": os.environ["PATH"], "HOME": str(home), "PYTHONPATH": str(ROOT), "DATA_DIR": str(home / "data"),
            "LANG": "C.UTF-8", "COLUMNS": "200", "POLL_SECONDS": "0.1", **settings,
        }  # fmt: skip

    def run(self, *args: str, given: str | None = None) -> subprocess.CompletedProcess[str]:
        """Run to the end, with this on standard input."""
        command = [sys.executable, "-m", "core", *args]
        return subprocess.run(
            command, cwd=self.home, env=self.env, capture_output=True, text=True, timeout=120, input=given
        )

    def json(self, *args: str, code: int = 0) -> Any:
        """The JSON that it prints; nothing else may be on standard output."""
        ended = self.run(*args, "--json")
        assert ended.returncode == code, ended.stderr + ended.stdout
        assert "Traceback" not in ended.stderr
        return json.loads(ended.stdout)

    def put(self, *jobs: Job) -> None:
        """Write these jobs into its database, as if they had been made here."""
        with closing(SqliteJobStore(self.home / "data" / "takes.db")) as rows:
            for job in jobs:
                first = Event(job_id=job.id, at=job.created_at, from_state=None, to_state=job.state, why="asked for")
                rows.restore([(job, [first])])

    def start(self, *args: str) -> subprocess.Popen[str]:
        """Start and leave it running."""
        command = [sys.executable, "-m", "core", *args]
        return subprocess.Popen(
            command, cwd=self.home, env=self.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )


@pytest.fixture
def server() -> Iterator[FalServer]:
    with FalServer() as running:
        yield running


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    return Shell(tmp_path)


@pytest.fixture
def hosted(tmp_path: Path, server: FalServer) -> Shell:
    return Shell(tmp_path, FAL_BASE_URL=server.url, FAL_API_KEY=server.key)


def test_models_lists_the_catalogue(shell: Shell) -> None:
    told = shell.json("models")
    assert [model["model"] for model in told] == list(MODELS)
    lucy = told[0]
    assert lucy["endpoint"] == "decart/lucy-14b/image-to-video"
    assert lucy["on"] == ["preview"], "fal is offered without a key"
    assert [item["name"] for item in lucy["inputs"] if item["required"]] == ["image", "prompt"]
    assert next(item for item in lucy["inputs"] if item["name"] == "aspect_ratio")["options"] == ["16:9", "9:16"]
    assert not (shell.home / "data" / "parts").exists(), "listing models started the engine"


@pytest.mark.slow
def test_a_preview_from_end_to_end(shell: Shell) -> None:
    told = shell.json(*LUCY, "--on", "preview", "--wait")
    assert told.keys() >= ASKED
    assert not told.keys() & PRIVATE
    assert (told["state"], told["provider"], told["endpoint"], told["error"]) == ("succeeded", "preview", "local", None)
    assert told["cost_estimate_usd"] == 0
    video = told["video"]
    data = Path(video["path"]).read_bytes()
    assert hashlib.sha256(data).hexdigest() == video["sha256"]
    assert len(data) == video["bytes"]
    assert (video["width"], video["height"], video["comment"]) == (1280, 720, LABEL)
    assert video["duration_s"] == pytest.approx(5, abs=0.1)
    assert told["created_at"] < told["finished_at"]


@pytest.mark.slow
def test_a_hosted_job_from_end_to_end(hosted: Shell, server: FalServer) -> None:
    server.run_polls = 2
    told = hosted.json(*LUCY, "--on", "fal", "--wait", "--set", "aspect_ratio=9:16")
    assert told.keys() >= ASKED
    assert (told["state"], told["endpoint"]) == ("succeeded", "decart/lucy-14b/image-to-video")
    assert Path(told["video"]["path"]).read_bytes() == clip()
    [paid] = server.accepted
    assert told["request_id"] == paid.request_id
    assert paid.payload["aspect_ratio"] == "9:16"
    again = hosted.json("job", told["id"])
    assert again == told
    everything = json.dumps(told) + hosted.run("jobs").stdout + json.dumps(hosted.json("check"))
    assert server.key not in everything
    assert server.key.split(":")[1] not in everything


@pytest.mark.slow
def test_with_a_key_the_hosted_model_is_the_default(hosted: Shell, server: FalServer) -> None:
    still = hosted.home / "my still.jpg"
    still.write_bytes(jpeg((640, 360)))
    told = hosted.json(
        "generate", "wan27", "--image", str(still), "--wait", "--set", "resolution=720p", "--set", "duration=2",
        "--set", "enable_prompt_expansion=no", "--set", "seed=7",
    )  # fmt: skip
    assert (told["provider"], told["state"]) == ("fal", "succeeded")
    payload = server.accepted[0].payload
    assert (payload["resolution"], payload["duration"], payload["seed"]) == ("720p", 2, 7)
    assert payload["enable_prompt_expansion"] is False


@pytest.mark.slow
def test_a_refused_job_ends_with_1(hosted: Shell, server: FalServer) -> None:
    server.end_with(policy_refusal("prompt"), times=2)
    told = hosted.json(*LUCY, "--on", "fal", "--wait", code=1)
    assert (told["state"], told["video"]) == ("failed", None)
    assert told["error"]["kind"] == "content_policy_violation"
    assert told["error"]["field"] == "prompt"
    plain = hosted.run(*LUCY, "--on", "fal", "--wait")
    assert plain.returncode == 1
    assert "content check refused the prompt" in plain.stdout
    assert len(server.accepted) == 2, "a refusal was sent again"


BAD = {
    "no such model": (("generate", "sora", "--prompt", "x"), "There is no model “sora”"),
    "no such file": (("generate", "lucy14b", "--image", "gone.jpg", "--prompt", "x"), "There is no file “gone.jpg”"),
    "no such sample": (("generate", "lucy14b", "--image", "sample:moon", "--prompt", "x"), "There is no sample “moon”"),
    "not name=value": ((*LUCY, "--set", "resolution"), "write it as name=value"),
    "no such input": ((*LUCY, "--set", "steps=3"), "has no input “steps”. It has: image, prompt"),
    "no such value": ((*LUCY, "--set", "aspect_ratio=4:3"), "choose one of 16:9, 9:16"),
    "another's option": ((*LUCY, "--on", "preview", "--set", "fal.x=1"), "runs on preview, not on fal"),
    "no key": ((*LUCY, "--on", "fal"), "FAL_API_KEY"),
    "no such place": ((*LUCY, "--on", "replicate"), "cannot run on “replicate”"),
    "empty prompt": (("generate", "lucy14b", "--image", "sample:valley", "--prompt", " "), "Write a prompt"),
    "no still": (("generate", "lucy14b", "--prompt", "x"), "Choose a still"),
    "no such job": (("job", "0000"), "There is no such take"),
    "nothing to cancel": (("cancel", "0000"), "There is no such take"),
    "no such option": (("generate", "lucy14b", "--frames", "3"), "--frames"),
    "no such state": (("jobs", "--state", "lost"), "lost"),
    "nothing to retry": (("retry", "0000"), "There is no such take"),
    "nothing to attach to": (("attach", "0000", "764cabcf-b745-4b3e"), "There is no such take"),
    "nothing to star": (("star", "0000"), "There is no such take"),
    "no age": (("prune",), "Give --older-than DAYS, or set KEEP_DAYS"),
    "no age that counts": (("prune", "--older-than", "0"), "--older-than"),
    "no such format": (("export", "--format", "xml"), "xml"),
    "nowhere to write": (("export", "--out", "no/such/folder/x"), "cannot be written: No such file or directory"),
    "nothing to import": (("import", "gone.jsonl"), "“gone.jsonl” cannot be read"),
    "nothing of ours": (("import", "/etc/hostname"), "Nothing was imported"),
}


ALWAYS = {
    "no such model",
    "no such file",
    "no key",
    "empty prompt",
    "no such option",
    "no age",
}  # one process each: the rest is slow together


@pytest.mark.parametrize("case", [pytest.param(case, marks=[] if case in ALWAYS else pytest.mark.slow) for case in BAD])
def test_bad_usage_ends_with_2(case: str, shell: Shell) -> None:
    args, said = BAD[case]
    ended = shell.run(*args)
    assert ended.returncode == 2, ended.stdout + ended.stderr
    assert said in ended.stderr.replace("\n", " ")
    assert "Traceback" not in ended.stderr
    assert ended.stdout == "", "a script would read this as a result"


@pytest.mark.slow
def test_bad_usage_as_json_names_the_field(shell: Shell) -> None:
    told = shell.json("generate", "lucy14b", "--image", "sample:valley", "--prompt", "", code=2)
    assert told["error"]["field"] == "prompt"
    assert told["error"]["fields"] == {"prompt": "Write a prompt: say what should happen in the video."}
    assert shell.json("jobs") == [], "a refused form became a job"


def test_a_setting_that_cannot_be_used_ends_with_2(tmp_path: Path) -> None:
    ended = Shell(tmp_path, POLL_SECONDS="never").run("models")
    assert ended.returncode == 2
    assert "POLL_SECONDS" in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.slow
def test_jobs_are_listed_shown_and_cancelled(shell: Shell) -> None:
    first, second = shell.json(*LUCY), shell.json(*LUCY, "--set", "preview.camera_move=static")
    assert first["state"] == "waiting"
    assert second["options"]["camera_move"] == "static"
    assert shell.json("cancel", first["id"])["state"] == "cancelled"
    assert [job["id"] for job in shell.json("jobs")] == [second["id"], first["id"]]
    assert [job["id"] for job in shell.json("jobs", "--limit", "1")] == [second["id"]]
    assert [job["id"] for job in shell.json("jobs", "--state", "cancelled")] == [first["id"]]
    shown = shell.json("job", second["id"])
    assert shown["state"] == "waiting", "another's cancel reached this one"
    assert not shown.keys() & PRIVATE


@pytest.mark.slow
def test_check_tells_what_is_missing(shell: Shell, server: FalServer) -> None:
    told = shell.json("check")
    assert told["data_dir"] == str(shell.home / "data")
    assert told["store"] == "ok"
    assert "FAL_API_KEY" in told["missing"][0]
    assert list(told["models"]) == list(MODELS)
    keyed = Shell(shell.home, FAL_API_KEY=server.key, FAL_ENDPOINT__LUCY14B="decart/other")
    told = keyed.json("check")
    assert told["missing"] == []
    assert told["models"]["lucy14b"] == "decart/other"
    assert server.key not in json.dumps(told)
    plain = keyed.run("check")
    assert plain.returncode == 0
    assert server.key not in plain.stdout + plain.stderr


@pytest.mark.slow
def test_splice_joins_two_samples(shell: Shell) -> None:
    told = shell.json(
        "generate", "splice", "--image", "sample:valley", "--image", "sample:balloon",
        "--set", "transition=crossfade", "--set", "transition_seconds=0.3", "--set", "size=960x960", "--wait",
    )  # fmt: skip
    assert told["state"] == "succeeded"
    assert told["inputs"]["transition_seconds"] == 0.3
    assert (told["video"]["width"], told["video"]["height"]) == (960, 960)
    assert told["video"]["comment"] == SPLICE_LABEL
    assert told["video"]["duration_s"] == pytest.approx(5.7, abs=0.2)


@pytest.mark.slow
def test_a_worker_drives_what_others_asked_for_and_stops_on_sigterm(hosted: Shell, server: FalServer) -> None:
    job = hosted.json(*LUCY)
    assert job["state"] == "waiting"
    assert server.record == [], "asking without --wait reached fal"
    worker = hosted.start("worker")
    try:
        deadline = time.monotonic() + 60
        while (stands := hosted.json("job", job["id"]))["state"] != "succeeded":
            assert time.monotonic() < deadline, stands
            assert worker.poll() is None, "the worker ended by itself"
    finally:
        worker.send_signal(signal.SIGTERM)
        out, err = worker.communicate(timeout=20)
    assert worker.returncode == 0, err
    assert "Traceback" not in err
    assert len(server.accepted) == 1
    assert server.key not in out + err
    assert job["prompt"] not in out + err


# --- next steps -------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_same_again_is_only_made_knowingly(hosted: Shell, server: FalServer) -> None:
    first = hosted.json(*LUCY)
    refused = hosted.run(*LUCY)
    assert refused.returncode == 2
    assert first["id"] in refused.stderr
    assert "--again" in refused.stderr
    assert refused.stdout == "", "a script would read this as a result"
    told = hosted.json(*LUCY, code=2)["error"]
    assert told["job_id"] == first["id"]
    assert "--again" in told["message"]
    assert len(hosted.json("jobs")) == 1, "a second job was made by oversight"
    second = hosted.json(*LUCY, "--again")
    assert second["id"] != first["id"]
    assert second["ahead"] == 1
    assert hosted.json(*LUCY, "--set", "aspect_ratio=9:16")["state"] == "waiting"
    assert server.record == []


@pytest.mark.slow
def test_a_job_tells_its_history_its_place_and_whether_it_is_late(shell: Shell) -> None:
    now = utc_now()
    late = a_job(
        state=State.RUNNING, request_id="r", submitted_at=now - timedelta(minutes=10), usual_s=40.0, slow_s=300.0,
        trouble="fal does not answer", created_at=now, rank=1.0,
    )  # fmt: skip
    waiting = [a_job(created_at=now, rank=float(number)) for number in range(3)]
    shell.put(late, *waiting)
    told = shell.json("job", late.id)
    assert told["overdue"] is True
    assert told["late_at"] == f"{late.late_at:%Y-%m-%dT%H:%M:%SZ}"
    assert [event["why"] for event in told["events"]] == ["asked for"]
    assert not told.keys() & PRIVATE
    plain = shell.run("job", late.id).stdout
    for said in ("usual: 40 s from acceptance", "under 5 min", "overdue since", "fal does not answer", "asked for"):
        assert said in plain
    assert shell.json("job", waiting[2].id)["ahead"] == 2
    assert "in line here: 2 ahead" in shell.run("job", waiting[2].id).stdout
    assert "overdue" not in shell.run("job", waiting[0].id).stdout, "what was not sent cannot be late"


@pytest.mark.slow
def test_cancel_tells_what_it_means_and_what_came_of_it(shell: Shell) -> None:
    waiting, running, saving, lost, over = (
        a_job(), a_job(state=State.RUNNING, request_id="r"), a_job(state=State.SAVING, request_id="s"),
        a_job(state=State.UNKNOWN), a_job(state=State.FAILED, finished_at=utc_now()),
    )  # fmt: skip
    shell.put(waiting, running, saving, lost, over)
    said = {
        waiting.id: ("Free: nothing has been sent yet.", "Cancelled before anything was sent."),
        running.id: ("is asked to stop. It may finish all the same", "passed on at the next look"),
        saving.id: ("Too late: the video is made and paid", "Nothing: it is saving."),
        over.id: ("", "Nothing: it had ended already, as failed."),
    }
    for job_id, (meant, came_to) in said.items():
        told = shell.json("cancel", job_id)
        assert meant in told["cancel"]["meant"]
        assert came_to in told["cancel"]["came_to"]
    plain = shell.run("cancel", lost.id)
    assert plain.returncode == 0
    assert "before: Let it be" in plain.stdout
    assert "after: Let be, while it was not known" in plain.stdout
    states = {job["id"]: job["state"] for job in shell.json("jobs")}
    assert states[saving.id] == "saving", "a paid video was thrown away"
    assert states[over.id] == "failed"


@pytest.mark.slow
def test_a_lost_job_is_retried_knowingly_or_given_its_request_id(hosted: Shell, server: FalServer) -> None:
    server.fault("submit", Fault(cut="after"))
    lost = hosted.json(*LUCY, "--wait", code=1)
    assert lost["state"] == "unknown"
    assert len(server.accepted) == 1
    again = hosted.run("retry", lost["id"], "--json")
    assert again.returncode == 0
    assert f"The first, {lost['id']}, may have been accepted and paid" in again.stderr
    new = json.loads(again.stdout)
    assert (new["parent_id"], new["state"]) == (lost["id"], "waiting")
    assert hosted.json("job", lost["id"])["state"] == "unknown", "the old one was changed"
    assert hosted.json("cancel", new["id"])["state"] == "cancelled"

    wrong = hosted.run("attach", lost["id"], "../x")
    assert (wrong.returncode, wrong.stdout) == (2, "")
    told = hosted.json("attach", lost["id"], server.accepted[0].request_id)
    assert (told["state"], told["request_id"]) == ("queued", server.accepted[0].request_id)
    assert hosted.run("attach", lost["id"], server.accepted[0].request_id).returncode == 2
    assert len(server.accepted) == 1, "attaching sent it again"


@pytest.mark.slow
def test_retrying_what_is_under_way_says_that_both_are_made(shell: Shell) -> None:
    first = shell.json(*LUCY)
    again = shell.run("retry", first["id"])
    assert f"The first, {first['id']}, is still under way: both are made." in again.stderr
    assert "paid" not in again.stderr, "Local preview is free"
    assert len(shell.json("jobs")) == 2


# --- all jobs -----------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_old_takes_go_and_favourites_stay(shell: Shell) -> None:
    ended = utc_now() - timedelta(days=40)
    old, favourite, young = (
        a_job(state=State.FAILED, created_at=ended, finished_at=ended), a_job(state=State.FAILED, finished_at=ended),
        a_job(state=State.FAILED, finished_at=utc_now()),
    )  # fmt: skip
    shell.put(old, favourite, young)
    assert shell.json("star", favourite.id)["starred"] is True
    assert shell.json("star", young.id)["starred"] is True
    assert shell.json("star", young.id, "--off")["starred"] is False
    dry = shell.json("prune", "--older-than", "30", "--dry-run")
    assert (dry["dry_run"], dry["jobs"]["jobs"], dry["jobs"]["ids"]) == (True, 1, [old.id])
    assert len(shell.json("jobs")) == 3, "a dry run deleted something"
    assert old.id in shell.run("prune", "--older-than", "30", "--dry-run").stdout
    plain = Shell(shell.home, KEEP_DAYS="30").run("prune")
    assert plain.returncode == 0
    assert "1 take deleted that ended more than 30 days ago" in plain.stdout
    assert {job["id"] for job in shell.json("jobs")} == {favourite.id, young.id}
    assert Shell(shell.home, KEEP_DAYS="30").json("prune", "--older-than", "4000")["jobs"]["jobs"] == 0


@pytest.mark.slow
def test_out_of_one_installation_and_into_another(shell: Shell) -> None:
    done = shell.json(*LUCY, "--on", "preview", "--wait")
    waits = shell.json(*LUCY, "--set", "preview.camera_move=static")
    shell.put(a_job(state=State.SUBMITTING, prompt="=1+1 ünï"))
    out = shell.run("export", "--format", "jsonl")
    assert out.returncode == 0
    assert "3 takes exported" in out.stderr
    assert shell.run("export", "--out", "all.jsonl").stdout == ""
    assert (shell.home / "all.jsonl").read_text("utf-8") == out.stdout
    assert [path.name for path in shell.home.iterdir() if path.name.startswith("all")] == ["all.jsonl"]
    assert len(shell.run("export", "--state", "waiting").stdout.splitlines()) == 1
    table = shell.run("export", "--format", "csv").stdout
    assert "'=1+1 ünï" in table
    assert ",=1" not in table

    (shell.home / "other").mkdir()
    other = Shell(shell.home / "other")
    told = other.json("import", str(shell.home / "all.jsonl"))
    assert told == {"jobs": 3, "new": 3, "not_sent": 1, "unknown": 1, "followed": 0, "missing_files": 3}
    again = other.run("import", "-", given=out.stdout)
    assert again.returncode == 0, again.stderr
    assert "3 takes read: 0 new, 3 here already and left as they are." in again.stdout
    assert other.json("job", waits["id"])["state"] == "cancelled", "it would be made a second time"
    shown = other.json("job", done["id"])
    assert shown["video"]["sha256"] == done["video"]["sha256"]
    assert shown["video"]["path"] is None, "there is no such file"
    broken = other.run("import", "-", given=out.stdout + "{}\n")
    assert (broken.returncode, broken.stdout) == (2, "")
    assert "line 4: takes: Field required" in broken.stderr
    assert "Traceback" not in broken.stderr


@pytest.mark.slow
def test_a_reader_that_goes_away_is_no_bug(shell: Shell) -> None:
    shell.put(*(a_job(state=State.FAILED, prompt="x" * 1000) for _ in range(300)))
    export = shell.start("export")
    assert export.stdout
    assert export.stderr
    export.stdout.readline()
    export.stdout.close()
    said = export.stderr.read()
    export.stderr.close()
    assert export.wait(60) == 1
    assert "Traceback" not in said


@pytest.mark.slow
def test_a_worker_applies_keep_days(shell: Shell) -> None:
    ended = utc_now() - timedelta(days=40)
    old, young = a_job(state=State.FAILED, finished_at=ended), a_job(state=State.FAILED, finished_at=utc_now())
    shell.put(old, young)
    worker = Shell(shell.home, KEEP_DAYS="30").start("worker")
    try:
        deadline = time.monotonic() + 60
        while [job["id"] for job in shell.json("jobs")] != [young.id]:
            assert time.monotonic() < deadline
            assert worker.poll() is None, "the worker ended by itself"
    finally:
        worker.send_signal(signal.SIGTERM)
        _, err = worker.communicate(timeout=20)
    assert worker.returncode == 0, err
    assert "KEEP_DAYS=30: takes deleted: 1, their files: 0" in err
