"""Names of workers: which of them another process of this computer may call dead, and which it may not."""

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.jobs.process import is_dead, worker_name

ROOT = Path(__file__).parents[1]
SAYS_ITS_NAME = "from core.jobs.process import worker_name; print(worker_name(), flush=True); input()"
PLACE, PID, BEGAN, _ = worker_name().split("/")


@pytest.fixture
def child() -> Iterator[subprocess.Popen[str]]:
    """A process that prints its worker's name and ends when its input does."""
    command = [sys.executable, "-c", SAYS_ITS_NAME]
    with subprocess.Popen(command, cwd=ROOT, stdin=-1, stdout=-1, stderr=subprocess.DEVNULL, text=True) as process:
        yield process
        process.kill()


def name_of(child: subprocess.Popen[str]) -> str:
    assert child.stdout is not None
    return child.stdout.readline().strip()


def test_this_process_is_alive() -> None:
    assert not is_dead(worker_name()), "its jobs would be taken from it"


def test_no_two_workers_share_a_name() -> None:
    names = {worker_name() for _ in range(100)}
    assert len(names) == 100
    assert {tuple(name.split("/")[:3]) for name in names} == {(PLACE, PID, BEGAN)}


def test_another_process_is_alive_until_it_ends(child: subprocess.Popen[str]) -> None:
    name = name_of(child)
    assert not is_dead(name)
    child.communicate("\n")
    assert is_dead(name)


def test_one_that_was_killed_and_not_fetched_is_dead(child: subprocess.Popen[str]) -> None:
    """Under a parent that does not wait for it, it keeps its number as a zombie."""
    name = name_of(child)
    child.kill()
    until = time.monotonic() + 5
    while Path(f"/proc/{child.pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z":
        assert time.monotonic() < until
        time.sleep(0.005)
    assert is_dead(name)
    child.wait()
    assert is_dead(name)


def test_a_number_that_went_to_another_process_is_no_sign_of_life() -> None:
    assert is_dead(f"{PLACE}/{PID}/{int(BEGAN) - 1}/abcdef")
    assert not is_dead(f"{PLACE}/{PID}/{BEGAN}/abcdef"), "another worker of this very process"


def test_where_the_start_is_not_known_the_number_counts(child: subprocess.Popen[str]) -> None:
    assert not is_dead(f"{PLACE}/{PID}/?/abcdef")
    pid = name_of(child).split("/")[1]
    child.communicate("\n")
    assert is_dead(f"{PLACE}/{pid}/?/abcdef")


def test_of_another_computer_nothing_is_known(child: subprocess.Popen[str]) -> None:
    place, *rest = name_of(child).split("/")
    child.communicate("\n")
    for elsewhere in ("elsewhere", f"{place}x", ""):
        assert not is_dead("/".join((elsewhere, *rest))), "a worker of another computer was called dead"


@pytest.mark.parametrize(
    "name",
    [
        "", "/", "///", "w1", "owner", "webhook", "late receipt", PLACE, f"{PLACE}/{PID}", f"{PLACE}/{PID}/1/a/b",
        f"{PLACE}//1/a", f"{PLACE}/-1/1/a", f"{PLACE}/pid/1/a", f"{PLACE}/1e3/1/a", f"{PLACE}/²/1/a",
        f"{PLACE}/{2**31}/1/a", f"{PLACE}/{10**30}/1/a", f"{PLACE}/{'9' * 5000}/1/a",
    ],
)  # fmt: skip
def test_what_is_no_name_is_nobody_dead(name: str) -> None:
    assert not is_dead(name)
