"""Numbers, times and states as people say them."""

import re
from dataclasses import dataclass
from datetime import datetime

from core.errors import Charged
from core.jobs.history import Row
from core.jobs.job import Job, State
from core.jobs.pace import Pace

PROMPT_SHOWN = 400  # characters of a prompt beside a take; the rest is folded
JOINS = "\u200d"  # makes one emoji of two: at a cut it would hang in the air
BETWEEN = "\u2060"  # word joiner: no width, and no line is broken at it
HIDDEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u202a-\u202e\u2066-\u2069\ufeff\ufff9-\ufffb\ud800-\udfff]")
FROM_RIGHT = re.compile("[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefe]")  # letters of Hebrew, Arabic and their neighbours
SIGNS = re.compile(r"[\\`*_{}\[\]()#+!|<>$~:&]")
LIST = re.compile(r"^(\d*)([-=.])")  # at the start of a line it makes a list or a heading
FOUND_LATER = re.compile(r":(?=[A-Za-z/_+-])|@(?=\w)|www(?=\.)|[<>~-](?=[-=>])", re.IGNORECASE)
"""Where Streamlit makes a link, an icon or an arrow of a text, escaped or not."""


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


def clean(text: str) -> str:
    """A text from outside without what is not to be seen in it and yet acts: control characters, and those that turn
    the direction of everything behind them. Line breaks and tabs stay."""
    return HIDDEN.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))


def short(text: str, most: int) -> str:
    """A text cut to a length, on one line."""
    flat = " ".join(clean(text).split())
    return flat if len(flat) <= most else flat[: most - 1].rstrip(" " + JOINS) + "…"


def called(prompt: str, title: str, most: int) -> str:
    """What a take goes by in a list: its prompt, else its model."""
    return short(prompt, most) or short(title, most)


def plain(text: str) -> str:
    """Text from outside for where markdown is read: shown as it is, and nothing in it acts.

    Signs of markdown are escaped. That does not keep Streamlit from making links, icons and arrows of what it finds once
    that is undone: there, a sign without width comes between. Text that runs from right to left is kept to itself.
    """
    lines = [_line(line.strip()) for line in clean(text).split("\n")]
    return "\n".join(f"\u2068{line}\u2069" if FROM_RIGHT.search(line) else line for line in lines)


def choice(text: object) -> str:
    """One of a few to choose from, as `st.segmented_control` and `st.pills` are to show it.

    Not in the accent, which Streamlit gives to what is chosen: on the tint behind it that is too faint in the dark theme,
    where it is to carry white letters as well.
    """
    return f":gray[{plain(str(text))}]"


def _line(text: str) -> str:
    held = FOUND_LATER.sub(rf"\g<0>{BETWEEN}", text)
    return LIST.sub(r"\1\\\2", SIGNS.sub(r"\\\g<0>", held))
