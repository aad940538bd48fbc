"""What takes are found by: texts folded for the index, what people type into the search box, and the shape of a video."""

import re
import unicodedata
from collections.abc import Callable, Sequence

from core.jobs.job import Job

LONGEST = 32  # words of a search that count; nobody means more
ASPECT_RATIOS = {"16:9": 16 / 9, "9:16": 9 / 16, "1:1": 1.0, "4:3": 4 / 3, "3:4": 3 / 4, "21:9": 21 / 9}
ALIKE = 0.05  # models round to multiples of 16: 1280 × 704 is their 16:9
SERVED = 3  # letters: the index keeps the takes of such short beginnings together
_SIMPLE = re.compile(r"[a-z0-9]+")  # what the index has as it was typed
_PART = re.compile(r'(-?)"([^"]*)"?|(-?)(\S+)')


def aspect(job: Job) -> str:
    """The shape that a take is listed under: its video's, else the one that was asked for; "" where nothing is known."""
    if job.video is None:
        return str(job.inputs.get("aspect_ratio") or "")
    shape = max(job.video.width, 1) / max(job.video.height, 1)  # a take that was imported may say anything
    name, best = min(ASPECT_RATIOS.items(), key=lambda known: abs(known[1] / shape - 1))
    return name if abs(best / shape - 1) <= ALIKE else "other"


def fold(text: str) -> str:
    """A text as it is indexed and searched: compatible forms made one, case and the German sharp s folded.

    Accents and umlauts are folded by the index itself.
    """
    return unicodedata.normalize("NFKC", text).casefold()


def token(text: str) -> str:
    """A name (an owner, a model) as one word of the index, which no text of a user can be."""
    return "zz" + re.sub(r"[^a-z0-9]", "", text.casefold()) + "zz"


Beginnings = Callable[[str], Sequence[str] | None]
"""Tells the words of the index that begin so; None where they are many."""


def expression(typed: str, beginnings: Beginnings = lambda _: None) -> str | None:
    """The search as the index understands it; None where nothing to look for was typed.

    Every word must occur, as the start of a word at least; "words in quotes" must occur so, in this order; a minus before
    either leaves out what has it. Nothing else has a meaning, so that every typed text is a search.

    Args:
        typed: what was typed.
        beginnings: where it tells the few words that a beginning stands for, the index can stop at a page of takes; by the
            beginning, it first gathers all that there are.
    """
    wanted: list[str] = []
    unwanted: list[str] = []
    for minus, phrase, minus_word, word in _PART.findall(fold(typed)):
        text = phrase or word
        if not re.search(r"\w", text):
            continue
        quoted = '"' + text.replace('"', " ") + '"'
        found = quoted if phrase else _begun(quoted, text, beginnings)
        (unwanted if minus or minus_word else wanted).append(found)
        if len(wanted) + len(unwanted) >= LONGEST:
            break
    if not wanted:
        return None  # the index cannot look for what is not there
    said = " AND ".join(wanted)
    return f"({said}) NOT ({' OR '.join(unwanted)})" if unwanted else said


def _begun(quoted: str, word: str, beginnings: Beginnings) -> str:
    """A beginning of a word, as the index is asked for it."""
    words = beginnings(word) if len(word) > SERVED and _SIMPLE.fullmatch(word) else None
    return "(" + " OR ".join(f'"{each}"' for each in words) + ")" if words else f"{quoted}*"
