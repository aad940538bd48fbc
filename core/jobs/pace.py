"""How long a job of a model usually takes, from this installation's own history where there is enough of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

LAST = 50  # jobs that the figures are taken from: recent enough to follow a model that gets faster
LEAST = 5  # fewer say little; until then the model's stated range stands
SLACK = 1.2  # a job that takes a fifth longer than usual is not late, however alike the others were
SLACK_S = 5.0


@dataclass(frozen=True)
class Pace:
    """Seconds from acceptance to the file.

    Args:
        usual_s: half of the jobs are faster.
        slow_s: nearly all are faster; a job that takes longer is overdue, and is followed all the same.
        sample: how many jobs that was read from; 0 where the range is only stated.
        quick_s: the lower end of a stated range, else the same as `usual_s`.
    """

    usual_s: float
    slow_s: float
    sample: int
    quick_s: float


def pace(waits: Sequence[float], stated: tuple[float, float]) -> Pace:
    """Median and 95th percentile of the last jobs; where there are fewer than five, the stated range.

    Args:
        waits: seconds of earlier jobs, in any order.
        stated: least and most seconds, as the model's maker or its users state them.
    """
    if len(waits) < LEAST:
        low, high = stated
        return Pace((low + high) / 2, high, 0, low)
    usual = median(waits)
    rank = -(-95 * len(waits) // 100)  # nearest rank, rounded up
    slow = max(sorted(waits)[rank - 1], usual * SLACK, usual + SLACK_S)
    return Pace(usual, slow, len(waits), usual)
