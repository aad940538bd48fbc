"""Reads a camera plan off a prompt: which moves, how fast, which effects, and what has to be left out."""

import hashlib
import re
from dataclasses import dataclass

from core.preview.plan import CHOICES, FROM_PROMPT, MOST_IGNORED, Move, Plan
from core.preview.vocabulary import EFFECTS, RULES, SPEEDS, Axis, MoveName, Rule

LONGEST_PROMPT = 2000  # characters that are read; 5 ms for 1.5 kB (preview.md 4)
GENTLE = 0.6  # speed of a move that nobody asked for; its word is "gentle"
DEFAULTS: tuple[tuple[MoveName, str], ...] = (("push", "in"), ("pull", "out"), ("orbit", "left"), ("orbit", "right"))

_HARD = re.compile(r"[.!?\n]+")
_SOFT = re.compile(r"[;:,()—–|/]+|\s-+\s|\b(?:while|as|when|whilst|before|until|but|and|then|where)\b", re.IGNORECASE)
_FILLER = re.compile(
    r"(?:\b(?:a|an|the|one|with|in|using|add|we|do|make|shot|camera|cinematic|dramatic|slow|very|gentle|subtle|smooth|soft|fast"
    r"|quick|rapid|dynamic|slight|long|continuous|steady|single|sudden|whip|swish|crash|snap|finally|next|also|followed|by|please"
    r"|extremely|super|ultra|really|ever|so|barely|energetic|handheld|aerial|drone|fpv|pov|\w+ly)\b[\s-]*)*",
    re.IGNORECASE,
)
_ARTICLE = re.compile(r"\b(?:a|an|the|his|her|their)\s+$", re.IGNORECASE)
_CAMERA = re.compile(
    r"\b(?:(?:camera|cam|lens(?!\s+flare)|view|viewpoint|frame|framing|gimbal|steadicam)(?!\s+of\b)"
    r"|(?:shot|drone|fpv|pov)(?!\s+of\b))\b",
    re.IGNORECASE,
)
_OBJECT = re.compile(  # "toward the camera", "holding an old camera": the camera is not what moves
    r"\b(?:towards?|to|at|into|in|inside|from|past|of|near|behind|by|through|enter\w*|leav\w+|fill\w*|fac(?:e|es|ing)|cross\w*"
    r"|exit\w*|hold\w*|carr(?:y|ies|ying)|with|on|rais\w+|lift\w*|adjust\w*|look\w*|across|outside|off|before|beside|around|for)"
    r"\s+(?:(?:the|a|an|her|his|their|our|its|this|that)\s+)?(?:\w+\s+)?$",
    re.IGNORECASE,
)
_OBJECT_SHOT = re.compile(  # "a slow drone shot" may well stand after "in"
    r"\b(?:into|of|from|enter\w*|leav\w+|exit\w*|hold\w*|carr(?:y|ies|ying)|fl(?:y|ies|ying)|watch\w*|at|towards?|past)"
    r"\s+(?:(?:the|a|an|her|his|their|our|its)\s+)?$",
    re.IGNORECASE,
)
_AFTER = re.compile(r"\s+(?:aerial\s+|drone\s+)?(?:camera|shot|view|drone)\b", re.IGNORECASE)
_MOVE_WORDS = (
    r"(?:any|a|an|the|kind|of|or|and|nor|use|using|do|add|make|let|be|too|very|slow|fast|quick|sudden|heavy|hard|visible|falling"
    r"|camera|zoom\w*|pan\w*|tilt\w*|orbit\w*|push\w*|pull\w*|shak\w*|handheld|snow|rain|grain|dust|left|right|up|down|in|out)"
)
_NEGATED = re.compile(
    r"\b(?:no|not|never|without|avoid(?:ing)?|don['’]?t|doesn['’]?t|isn['’]?t|won['’]?t|instead\s+of|rather\s+than)"
    rf"(?:[\s-]+{_MOVE_WORDS})*[\s,-]*$",
    re.IGNORECASE,
)
_LEFT_TO_RIGHT = re.compile(r"left\s+to\s+(?:the\s+)?right|left-to-right|from\s+the\s+left", re.IGNORECASE)
_RIGHT_TO_LEFT = re.compile(r"right\s+to\s+(?:the\s+)?left|right-to-left|from\s+the\s+right", re.IGNORECASE)
_SIDE = re.compile(r"\b(counter-?\s?clockwise|anti-?clockwise|clockwise|(?:left|right))(?:wards?)?\b", re.IGNORECASE)
_PLAIN_SPEED = {
    "gently": "gentle",
    "subtly": "subtle",
    "barely": "very slow",
    "imperceptibly": "very slow",
    "snap": "very fast",
} | dict.fromkeys(("whip", "swish", "crash", "sudden", "suddenly"), "very fast")


@dataclass(frozen=True)
class _Clause:
    start: int
    end: int
    opens_sentence: bool


@dataclass(frozen=True)
class _Hit:
    start: int
    end: int
    axis: Axis
    move: MoveName
    direction: str


def parse(prompt: str, seed: str | int) -> Plan:
    """The camera plan of a prompt. The same prompt and seed always give the same plan.

    Args:
        prompt: the user's text; only the first 2000 characters are read.
        seed: chooses the move where the prompt names none.
    """
    text = prompt[:LONGEST_PROMPT].replace("\u00a0", " ").replace("\u2011", "-").replace("\u2010", "-")
    clauses = _clauses(text)
    taken = [False] * len(text)  # spans that a more specific word has used
    hits, denied = _moves(text, clauses, taken)
    moves, kept, extra = _one_an_axis(text, hits)
    effects: list[tuple[int, int, str]] = []
    for name, pattern in EFFECTS:
        for found in pattern.finditer(text):
            clause = _clause_at(clauses, found.start())
            if _NEGATED.search(text[clause.start : found.start()]):
                denied.append(found.span())
            else:
                effects.append((*found.span(), name))
    speed, speed_word, speed_span = _speed(text, clauses, kept)
    if is_default := not moves:
        digest = hashlib.sha256(str(seed).encode()).digest()
        moves = (Move(*DEFAULTS[digest[0] % len(DEFAULTS)]),)
        speed, speed_word = (speed, speed_word) if speed_word else (GENTLE, "gentle")
    spans = [(hit.start, hit.end) for hit in kept] + [(start, end) for start, end, _ in effects] + speed_span
    used = spans + denied
    left_out = [text[hit.start : hit.end] for hit in extra] + [
        _words(text, clause)
        for clause in clauses
        if not any(
            start < clause.end and end > clause.start for start, end in [*used, *((h.start, h.end) for h in extra)]
        )
        and not _FILLER.fullmatch(_words(text, clause))
    ]
    return Plan(
        moves=moves,
        speed=speed,
        speed_word=speed_word,
        effects=tuple(name for name, _ in EFFECTS if any(name == found for _, _, found in effects)),
        is_default=is_default,
        recognised=tuple(dict.fromkeys(text[start:end] for start, end in _outermost(spans))),
        ignored=tuple(dict.fromkeys(part for part in left_out if re.search(r"\w\w", part)))[:MOST_IGNORED],
        seed=str(seed),
    )


def camera_plan(prompt: str, seed: str | int, camera_move: str = FROM_PROMPT) -> Plan:
    """The plan of a prompt, with the move that was chosen in the form in place of the text's.

    Args:
        prompt, seed: as for `parse`.
        camera_move: a key of CHOICES, or FROM_PROMPT.
    """
    plan = parse(prompt, seed)
    return plan if camera_move == FROM_PROMPT else plan.with_move(*CHOICES[camera_move])


def _clauses(text: str) -> list[_Clause]:
    clauses: list[_Clause] = []
    for sentence_start, sentence_end in _between(text, _HARD, 0, len(text)):
        for number, (start, end) in enumerate(_between(text, _SOFT, sentence_start, sentence_end)):
            clauses.append(_Clause(start, end, number == 0))
    return clauses or [_Clause(0, len(text), True)]


def _between(text: str, separator: re.Pattern[str], start: int, end: int) -> list[tuple[int, int]]:
    parts, at = [], start
    for found in separator.finditer(text, start, end):
        parts.append((at, found.start()))
        at = found.end()
    return [(a, b) for a, b in [*parts, (at, end)] if text[a:b].strip()]


def _clause_at(clauses: list[_Clause], position: int) -> _Clause:
    return next((c for c in reversed(clauses) if c.start <= position), clauses[0])


def _words(text: str, clause: _Clause) -> str:
    return " ".join(text[clause.start : clause.end].split())


def _moves(text: str, clauses: list[_Clause], taken: list[bool]) -> tuple[list[_Hit], list[tuple[int, int]]]:
    """All moves in the text, and the spans of those that a negation dropped."""
    hits: list[_Hit] = []
    denied: list[tuple[int, int]] = []
    # the second look sees which clauses speak of the camera without naming it: "zooms in and rises"
    for rule in (*RULES, *(rule for rule in RULES if rule.need != "free")):
        for found in rule.pattern.finditer(text):
            start, end = found.span()
            clause = _clause_at(clauses, start)
            if any(taken[start:end]):
                continue
            counts = _counts(rule, text, clauses, clause, start, end, hits)
            if rule.move != "static" and _NEGATED.search(text[clause.start : start]):
                if counts or rule.need == "lead" or rule.axis == "shake":
                    taken[start:end] = [True] * (end - start)
                    denied.append((start, end))
            elif counts:
                taken[start:end] = [True] * (end - start)
                hits.append(
                    _Hit(
                        start,
                        end,
                        rule.axis,
                        rule.move,
                        rule.direction or _direction(rule.move, text, clause, start, end),
                    )
                )
    return sorted(hits, key=lambda hit: hit.start), denied


def _counts(
    rule: Rule, text: str, clauses: list[_Clause], clause: _Clause, start: int, end: int, hits: list[_Hit]
) -> bool:
    before = text[clause.start : start]
    if rule.need == "free":
        return True
    if _names_camera(text, clause, start, end) or _inherits(text, clauses, clause, start, hits):
        return True
    if rule.need == "camera":
        return False
    if not _FILLER.fullmatch(before.lstrip()) or (rule.noun and _ARTICLE.search(before)):
        return False
    # ", pushing in …" goes on with the subject of the clause before it, which is not the camera
    is_participle = bool(re.match(r"(?!ring|king)\w+ing\b", text[start:end], re.IGNORECASE))
    return clause.opens_sentence or not is_participle


def _names_camera(text: str, clause: _Clause, start: int, end: int) -> bool:
    """Whether the clause has the camera as its subject before the hit, inside it or right behind it."""
    if _CAMERA.search(text, start, end) or _AFTER.match(text, end, clause.end):
        return True
    for noun in _CAMERA.finditer(text, clause.start, start):
        ahead = text[clause.start : noun.start()]
        pattern = _OBJECT_SHOT if noun[0].lower() in ("shot", "drone", "fpv", "pov") else _OBJECT
        if not pattern.search(ahead):
            return True
    return False


def _inherits(text: str, clauses: list[_Clause], clause: _Clause, start: int, hits: list[_Hit]) -> bool:
    """Whether the hit opens a clause that goes on with the camera of the clause before: "the camera pans left and rises"."""
    if clause.opens_sentence or not _FILLER.fullmatch(text[clause.start : start].lstrip()):
        return False
    previous = clauses[clauses.index(clause) - 1]
    if any(previous.start <= hit.start < previous.end for hit in hits) or _names_camera(
        text, previous, previous.end, previous.end
    ):
        return True
    first_word = re.compile(r"\S").search(text, previous.start, previous.end)
    opening = _FILLER.match(text, first_word.start(), previous.end) if first_word else None
    return opening is not None and _inherits(text, clauses, previous, opening.end(), hits)


def _direction(move: MoveName, text: str, clause: _Clause, start: int, end: int) -> str:
    """The side that the match or, failing that, the rest of its clause names; right and clockwise where none does."""
    near = text[start:end]
    for part in (near, text[end : clause.end]):
        if _LEFT_TO_RIGHT.search(part):
            return "right" if move != "roll" else "cw"
        if _RIGHT_TO_LEFT.search(part):
            return "left" if move != "roll" else "ccw"
        if side := _SIDE.search(part):
            word = side[1].lower()
            against = word.startswith(("counter", "anti"))
            if move == "roll":
                return "ccw" if against or word == "left" else "cw"
            # seen from above, a camera that walks clockwise round its subject goes to its own left
            return {"left": "left", "right": "right", "clockwise": "left"}.get(word, "right")
    return {"roll": "cw", "pan": "right", "orbit": "right"}.get(move, "")


def _one_an_axis(text: str, hits: list[_Hit]) -> tuple[tuple[Move, ...], list[_Hit], list[_Hit]]:
    """The first move of each axis; a static camera only where nothing moves it."""
    kept: list[_Hit] = []
    extra: list[_Hit] = []
    moving = any(hit.axis != "static" for hit in hits)
    for hit in hits:
        same = next((other for other in kept if other.axis == hit.axis), None)
        if (hit.axis == "static" and moving) or (same and (same.move, same.direction) != (hit.move, hit.direction)):
            extra.append(hit)
        else:
            kept.append(hit)
    moves: dict[Axis, Move] = {}
    for hit in kept:
        moves.setdefault(hit.axis, Move(hit.move, hit.direction, text[hit.start : hit.end]))
    return tuple(moves.values()), kept, extra


def _speed(text: str, clauses: list[_Clause], kept: list[_Hit]) -> tuple[float, str, list[tuple[int, int]]]:
    """The speed word nearest to a move in the same clause, else one alone in its clause; without a move, one with the camera."""
    best: tuple[int, float, int, int] | None = None
    taken: list[tuple[int, int]] = []
    for factor, pattern in SPEEDS:
        for found in pattern.finditer(text):
            start, end = found.span()
            clause = _clause_at(clauses, start)
            if any(a < end and start < b for a, b in taken):
                continue
            taken.append((start, end))
            near = [hit for hit in kept if hit.start < clause.end and hit.end > clause.start]
            if near:
                distance = min(
                    0 if hit.start <= start < hit.end else max(hit.start - end, start - hit.end) + 1 for hit in near
                )
            elif text[clause.start : clause.end].strip(" .,;:!") == found[0]:  # "orbit left, slow": a clause of its own
                distance = len(text)
            elif not kept and _CAMERA.search(text, clause.start, clause.end):
                distance = 0
            else:
                continue
            if best is None or distance < best[0]:
                best = (distance, factor, start, end)
    if best is None:
        return 1.0, "", []
    word = text[best[2] : best[3]].lower().replace("-", " ")
    plain = _PLAIN_SPEED.get(word) or (word[:-2] if word.endswith("ly") else word)
    return best[1], plain, [(best[2], best[3])]


def _outermost(spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """The spans in order, without those that lie inside another."""
    unique = sorted(set(spans), key=lambda span: (span[0], -span[1]))
    return [a for a in unique if not any(b != a and b[0] <= a[0] and a[1] <= b[1] for b in unique)]
