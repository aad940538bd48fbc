"""What takes are found by: texts folded for the index, what people type into the search box, and the shape of a video."""

import re
import unicodedata

from core.jobs.job import Job

LONGEST = 32  # words of a search that count; nobody means more
ASPECT_RATIOS = {"16:9": 16 / 9, "9:16": 9 / 16, "1:1": 1.0, "4:3": 4 / 3, "3:4": 3 / 4, "21:9": 21 / 9}
ALIKE = 0.05  # models round to multiples of 16: 1280 × 704 is their 16:9
_PART = re.compile(r'(-?)"([^"]*)"?|(-?)(\S+)')


def aspect(job: Job) -> str:
    """The shape that a take is listed under: its video's, else the one that was asked for; "" where nothing is known."""
    if job.video is None:
        return str(job.inputs.get("aspect_ratio") or "")
    shape = job.video.width / job.video.height
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


def expression(typed: str) -> str | None:
    """The search as the index understands it; None where nothing to look for was typed.

    Every word must occur, as the start of a word at least; "words in quotes" must occur so, in this order; a minus before
    either leaves out what has it. Nothing else has a meaning, so that every typed text is a search.
    """
    wanted: list[str] = []
    unwanted: list[str] = []
    for minus, phrase, minus_word, word in _PART.findall(fold(typed)):
        text = phrase or word
        if not re.search(r"\w", text):
            continue
        quoted = '"' + text.replace('"', " ") + '"'
        found = quoted if phrase else f"{quoted}*"
        (unwanted if minus or minus_word else wanted).append(found)
        if len(wanted) + len(unwanted) >= LONGEST:
            break
    if not wanted:
        return None  # the index cannot look for what is not there
    said = " AND ".join(wanted)
    return f"({said}) NOT ({' OR '.join(unwanted)})" if unwanted else said
