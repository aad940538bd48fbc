"""Numbers, times and states as people say them."""

from dataclasses import dataclass
from datetime import datetime

from core.errors import Charged
from core.jobs.history import Row
from core.jobs.job import Job, State
from core.jobs.pace import Pace


@dataclass(frozen=True)
class Look:
    """A state as a word, an icon and a colour; the same everywhere."""

    word: str
    icon: str
    color: str


LOOKS = {
    State.WAITING: Look("Waiting for a slot", ":material/hourglass_empty:", "gray"),
    State.SUBMITTING: Look("Sending", ":material/upload:", "blue"),
    State.QUEUED: Look("In line", ":material/low_priority:", "blue"),
    State.RUNNING: Look("Running", ":material/motion_photos_on:", "violet"),
    State.SAVING: Look("Saving", ":material/download:", "violet"),
    State.SUCCEEDED: Look("Done", ":material/check_circle:", "green"),
    State.FAILED: Look("Failed", ":material/error:", "red"),
    State.CANCELLED: Look("Cancelled", ":material/cancel:", "gray"),
    State.UNKNOWN: Look("Outcome unknown", ":material/help:", "orange"),
}

CHARGED = {
    Charged.NO: "Not charged.",
    Charged.MAYBE: "It may have been charged.",
    Charged.YES: "It was charged.",
}


def state_line(job: Job, ahead: int | None = None) -> str:
    """The state with what is known of it: place in line, percent, seconds left. Nothing is invented.

    Args:
        job: the job.
        ahead: how many are before it in our own line, where that is known.
    """
    word = LOOKS[job.state].word
    if job.cancel_requested and job.is_open:
        word = f"{word} · cancel asked for"
    if job.state is State.WAITING and ahead is not None:
        word = "Next for a slot" if ahead == 0 else f"Waiting for a slot, {ahead} ahead"
    if job.state is State.WAITING and job.stage:
        word = job.stage
    if job.state is State.QUEUED and job.position is not None:
        word = "Next in line" if job.position == 0 else f"In line, {job.position} ahead"
    if job.state is State.RUNNING:
        if job.stage:
            word = job.stage
        if job.progress is not None:
            word += f" · {job.progress:.0%}"
        if job.eta_s is not None and job.eta_s >= 1:
            word += f" · about {seconds(job.eta_s)} left"
    return word


def wait(job: Job, pace: Pace, now: datetime) -> str:
    """What an open job may still take, or since when it is overdue; "" where nothing can be told.

    Args:
        job: the job.
        pace: of its model, for a job that has not been accepted yet.
        now: the time, UTC.
    """
    if not job.is_open or job.eta_s is not None:
        return ""
    late_at = job.late_at
    if late_at is None or job.usual_s is None or job.submitted_at is None:
        return usually(pace)
    if now > late_at:
        return f"Overdue since {late_at:%H:%M:%S} UTC; it is still followed. {usually(pace)}"
    left = job.usual_s - (now - job.submitted_at).total_seconds()
    if pace.sample and left >= 1 and job.state is State.RUNNING:
        return f"About {seconds(left)} left. {usually(pace)}"
    return usually(pace)


def usually(pace: Pace) -> str:
    """How long jobs of a model take, as measured here or as stated."""
    if pace.sample:
        return f"Usually ready in {seconds(pace.usual_s)} (the last {pace.sample} here)."
    return f"Usually ready in {seconds(pace.quick_s)} to {seconds(pace.slow_s)}, as stated."


def ago(then: datetime, now: datetime) -> str:
    """A moment in the past, as "3 min ago"."""
    gone = (now - then).total_seconds()
    if gone < 45:
        return "just now"
    for size, name in ((86400, "day"), (3600, "hour"), (60, "min")):
        if gone >= size * (1 if size > 60 else 0.75):
            count = max(1, round(gone / size))
            plural = "s" if count > 1 and name != "min" else ""
            return f"{count} {name}{plural} ago"
    return "just now"


def exact(moment: datetime) -> str:
    """A moment to the second, in UTC."""
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"


def seconds(count: float) -> str:
    """A length of time: "8 s", "2 min 5 s"."""
    whole = round(count)
    if whole < 60:
        return f"{whole} s"
    return f"{whole // 60} min {whole % 60} s" if whole % 60 else f"{whole // 60} min"


def size(count: int) -> str:
    """A file size: "830 kB", "1.2 MB"."""
    return f"{count / 1000:.0f} kB" if count < 950_000 else f"{count / 1_000_000:.1f} MB"


def cost(job: Job | Row) -> str:
    """What a job was expected to cost."""
    if job.provider == "preview":
        return "free"
    low, high = (job.low_usd, job.high_usd) if isinstance(job, Row) else (job.estimate_low_usd, job.cost_estimate_usd)
    if high is None:
        return "price not published"
    if low is not None and round(low, 2) != round(high, 2) and low >= 0.01:
        return f"about ${low:.2f} to ${high:.2f}"
    return f"about ${high:.2f}" if high >= 0.01 else "under $0.01"


def at_stake(job: Job) -> str:
    """What a job without a video costs, or may cost; "" where it costs nothing for sure and its error says so."""
    if job.is_open or job.error is None:
        return f"Expected cost: {cost(job)}"
    if job.provider == "preview" or job.error.charged is Charged.NO:
        return ""
    return f"{'Cost' if job.error.charged is Charged.YES else 'If it was charged'}: {cost(job)}"


def short(text: str, most: int) -> str:
    """A text cut to a length, on one line."""
    flat = " ".join(text.split())
    return flat if len(flat) <= most else flat[: most - 1].rstrip() + "…"


def plain(text: str) -> str:
    """Text from outside, with every sign that markdown could act on made harmless."""
    for sign in "\\`*_{}[]()#+!|<>$~:":
        text = text.replace(sign, "\\" + sign)
    return text
