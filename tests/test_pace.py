"""How long a job usually takes: read from history where there is enough of it, stated where there is not."""

import random

import pytest

from core.jobs.pace import LEAST, SLACK, SLACK_S, Pace, pace

STATED = (40.0, 120.0)


@pytest.mark.parametrize("waits", [[], [1.0], [1.0] * (LEAST - 1)])
def test_few_jobs_say_little(waits: list[float]) -> None:
    figures = pace(waits, STATED)
    assert figures == Pace(usual_s=80.0, slow_s=120.0, sample=0, quick_s=40.0)
    assert figures.usual_s != 1.0, "four jobs were taken for the rule"


def test_five_are_enough() -> None:
    figures = pace([10, 30, 20, 50, 40], STATED)
    assert figures == Pace(usual_s=30.0, slow_s=50.0, sample=5, quick_s=30.0)


def test_half_are_faster_and_nearly_all_are_faster() -> None:
    waits = [float(second) for second in range(1, 101)]
    random.Random(7).shuffle(waits)
    figures = pace(waits, STATED)
    assert figures.usual_s == 50.5
    assert figures.slow_s == 95.0, "nearest rank: 95 of 100 are done by then"
    assert figures.sample == 100
    assert sum(wait > figures.slow_s for wait in waits) == 5


def test_one_that_hung_is_not_usual() -> None:
    figures = pace([10.0] * 49 + [3600.0], STATED)
    assert figures.usual_s == 10.0
    assert figures.slow_s < 3600.0, "one slow job made every job slow"


def test_alike_as_they_are_a_fifth_more_is_not_late() -> None:
    assert pace([100.0] * 10, STATED).slow_s == 100.0 * SLACK
    assert pace([3.0] * 10, STATED).slow_s == 3.0 + SLACK_S, "a job of three seconds would be late after one more"


def test_the_order_does_not_count_and_the_list_stays_as_it_was() -> None:
    waits = [5.0, 1.0, 4.0, 2.0, 3.0, 9.0]
    assert pace(waits, STATED) == pace(sorted(waits), STATED)
    assert waits == [5.0, 1.0, 4.0, 2.0, 3.0, 9.0]
