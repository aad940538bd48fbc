"""The words of camera language: which pattern means which move, effect or speed, and what it needs to count."""

import re
from dataclasses import dataclass
from typing import Literal

Axis = Literal["x", "y", "z", "roll", "shake", "static"]
MoveName = Literal[
    "push", "pull", "zoom in", "zoom out", "dolly zoom", "pan", "orbit", "tilt", "roll", "handheld", "static"
]
Need = Literal["free", "lead", "camera"]
"""`free` counts anywhere; `lead` opens its clause ("slow push in") or has the camera as its subject; `camera` needs the camera."""


@dataclass(frozen=True)
class Rule:
    """One way to say a move.

    Args:
        axis: at most one move an axis is kept.
        move: what it means.
        direction: "left", "up", "cw" …, or "" where the words in and after the match decide.
        pattern: what it looks like; matched without regard to case.
        need: what has to stand around it.
        noun: the word is also a thing (a crane, a truck): an article right before it speaks against the move.
    """

    axis: Axis
    move: MoveName
    direction: str
    pattern: re.Pattern[str]
    need: Need = "free"
    noun: bool = False


MID = r"(?:\s+(?:\w+ly|very|slow|fast|quick|ever\s+so|all\s+the\s+way|straight|further))*"
GAP = r"(?:-|" + MID + r"\s+)"
NOT_A_THING = r"(?!\s+(?:the|a|an|his|her|their|its|my|your|our)\b)"  # "push in the chair" is no camera move
X = (
    r"(?:(?:from\s+)?(?:the\s+)?(?:left|right)\s+to\s+(?:the\s+)?(?:left|right)|from\s+the\s+(?:left|right)"
    r"|(?:(?:to|towards?)\s+)?(?:the\s+)?(?:left|right)(?:wards?)?)\b"
)
UP = r"(?:up(?:wards?)?|skywards?)\b"
DOWN = r"(?:down(?:wards?)?)\b"
IN = r"(?:in(?:to|wards?)?|forwards?|closer|nearer|towards?|ahead)\b"
OUT = r"(?:out(?:wards?)?|back(?:wards?)?|away)\b"
# after an ambiguous verb: "moves in on her", but not "moves in slow motion" and not "drifts into view"
IN_STRICT = (
    r"(?:in(?=\s*(?:$|[,.;:!?]|(?:on|to|towards?|close|closer|for|and|\w+ly)\b))|into(?!\s+(?:the\s+)?(?:view|frame|shot)\b)"
    r"|forwards?|closer|nearer|towards?|ahead|through|inwards?)\b"
)
OUT_STRICT = r"(?:out(?!\s+of\s+(?:the\s+)?(?:view|frame|shot))|outwards?|back(?:wards?)?|away)\b"
THE_CAMERA = r"(?:\s+(?:the|our)\s+(?:camera|view|shot|lens|frame|drone))?"
TRAVEL = (
    r"(?:mov(?:e|es|ing|ement|ements)|motion|glid(?:e|es|ing)|drift(?:s|ing)?|float(?:s|ing)?|fl(?:y|ies|ying)|travel(?:s|l?ing)?"
    r"|sweep(?:s|ing)?|creep(?:s|ing)?|inch(?:es|ing)?|eas(?:e|es|ing)|advanc(?:e|es|ing)|go(?:es|ing)?|com(?:e|es|ing)"
    r"|rac(?:e|es|ing)|rush(?:es|ing)?|swoop(?:s|ing)?|sail(?:s|ing)?|soar(?:s|ing)?|walk(?:s|ing)?|slid(?:e|es|ing)"
    r"|swing(?:s|ing)?|shift(?:s|ing)?|back(?:s|ing)?|retreat(?:s|ing)?|clos(?:e|es|ing)|dart(?:s|ing)?|turn(?:s|ing)?"
    r"|push(?:es|ing)?|pull(?:s|ing)?|track(?:s|ing)?|truck(?:s|ing)?)"
)
AROUND = (
    r"(?:rotat|spin|revolv|swirl|whirl|mov|travel|glid|swing|sweep|wrap|curv|fl(?:y|ies)|turn|circl|float|drift|pan)\w*"
)


def _rule(axis: Axis, move: MoveName, direction: str, pattern: str, need: Need = "free", *, noun: bool = False) -> Rule:
    return Rule(axis, move, direction, re.compile(rf"\b(?:{pattern})", re.IGNORECASE), need, noun)


RULES: tuple[Rule, ...] = (
    # the camera stays where it is
    _rule("static", "static", "", r"(?:no|without|avoid|zero)\s+(?:any\s+)?camera\s+(?:movement|motion|move)s?\b"),
    _rule("static", "static", "", r"(?:do\s+not|don['’]?t|never)\s+move\s+the\s+camera\b"),
    _rule("static", "static", "", r"camera\s+(?:does\s+not|doesn['’]?t|never|is\s+not|isn['’]?t|won['’]?t)\s+mov(?:e|es|ing)\b"),
    _rule("static", "static", "", r"locked[- ](?:off|down)(?:\s+(?:camera|shot|tripod))*|(?:static|fixed|stationary|motionless|still|locked)\s+(?:\w+\s+)?(?:camera|shot|framing|tripod|angle)\b"),
    _rule("static", "static", "", r"(?:camera|shot|frame|view)\s+(?:is|stays|remains|holds|kept|stands)\s+(?:\w+ly\s+)?(?:static|still|fixed|steady|locked|stationary|motionless|put)\b"),
    _rule("static", "static", "", r"on\s+(?:a\s+)?tripod\b|tripod\s+shot\b"),
    _rule("static", "static", "", r"(?:tripod|static)\b(?=\s*(?:$|[,.;:!?]))", "lead"),
    # nearer and farther, said plainly
    _rule("z", "dolly zoom", "in", r"dolly[- ]zoom(?:s|ing)?\b|contra[- ]zoom\b|zolly\b|vertigo(?:\s+(?:effect|shot|zoom))?\b"),
    _rule("z", "zoom out", "out", rf"(?:crash\s+)?zoom(?:s|ing)?{GAP}{OUT}|(?:outward|reverse)\s+zoom\b"),
    _rule("z", "zoom in", "in", rf"(?:crash\s+)?zoom(?:s|ing)?{GAP}(?:{IN}|on(?:to)?\b|up\s+on\b)|inward\s+zoom\b|(?:crash|snap|punch)[- ]zoom(?:s|ing)?\b"),
    _rule("z", "zoom in", "in", r"zoom(?:ing)?\b(?!\s+(?:call|lens|meeting|past|by|across|down|along|over|around|off))(?:\s+shot\b)?", "lead"),
    _rule("z", "zoom in", "in", r"zooms\b(?!\s+(?:past|by|across|down|along|over|around|off))", "camera"),
    _rule("z", "push", "in", rf"doll(?:y|ies|ying){GAP}{IN}"),
    _rule("z", "pull", "out", rf"doll(?:y|ies|ying){GAP}{OUT}"),
    _rule("z", "push", "in", r"push-ins?\b|dolly-ins?\b|fly-?through\b|fly-?over\b"),
    _rule("z", "pull", "out", r"pull-?backs?\b|pull-outs?\b(?!\s+(?:sofa|couch|bed))"),
    _rule("z", "push", "in", rf"push(?:ing)?{MID}\s+(?:in\b{NOT_A_THING}|into\b|forwards?\b|closer\b|inwards?\b|towards?\b)", "lead"),
    _rule("z", "push", "in", rf"push(?:es|ing)?{THE_CAMERA}{MID}\s+(?:{IN}|through\b)", "camera"),
    _rule("z", "pull", "out", rf"(?:pull|push)(?:ing)?{MID}\s+{OUT}{NOT_A_THING}", "lead"),
    _rule("z", "pull", "out", rf"(?:pull|push)(?:s|es|ing)?{THE_CAMERA}{MID}\s+{OUT}", "camera"),
    _rule("z", "push", "in", rf"track(?:ing)?{MID}\s+{IN}", "lead"),
    _rule("z", "pull", "out", rf"track(?:ing)?{MID}\s+{OUT}", "lead"),
    # round the subject (x)
    _rule("x", "orbit", "", r"bullet[- ]time\b"),
    _rule("x", "orbit", "", rf"(?:left|right|clockwise|counter-?\s?clockwise|anti-?clockwise)(?:wards?)?\s+(?:orbit|arc)\b|(?:orbit|arc)(?:\s+shot)?{MID}\s+(?:{X}|(?:counter-?|anti-?)?clockwise\b)"),
    _rule("x", "orbit", "", r"360(?:\s*°|[- ]?deg(?:ree)?s?)?[- ]+(?:\w+\s+)?(?:orbit|shot|rotation|view|camera|move|arc|sweep|pan)\b|parallax\b|arc\s+shot\b|orbit(?:al|ing)?\s+shot\b"),
    _rule("x", "orbit", "", r"360(?:\s*°|[- ]?deg(?:ree)?s?)?(?:[- ]+(?:spin|turn|around))?", "camera"),
    _rule("x", "orbit", "", r"(?:orbit(?:ing)?|arcing)\b(?!\s+of\b)", "lead"),
    _rule("x", "orbit", "", r"arc\s+(?:around|about)\b|circl(?:e|ing)\s+(?:around|about|the\s+subject)\b", "lead"),
    _rule("x", "orbit", "", r"(?:orbit(?:s|ing)?|arc(?:s|ing)?|circl(?:e|es|ing))\b(?:\s+around\b)?", "camera"),
    _rule("x", "orbit", "", rf"{AROUND}{THE_CAMERA}{MID}\s+(?:around|round|in\s+an?\s+(?:\w+\s+)?(?:arc|circle|semi-?circle|orbit))\b", "camera"),
    # up and down (y), before pans, so that "pan up" is a tilt
    _rule("y", "tilt", "up", rf"(?:upward|rising)\s+(?:camera\s+)?(?:tilt|pan)\b|pan(?:s|ning)?{GAP}{UP}"),
    _rule("y", "tilt", "down", rf"(?:downward|falling)\s+(?:camera\s+)?(?:tilt|pan)\b|pan(?:s|ning)?{GAP}{DOWN}"),
    _rule("y", "tilt", "up", rf"tilt(?:ing)?{GAP}{UP}{NOT_A_THING}", "lead"),
    _rule("y", "tilt", "down", rf"tilt(?:ing)?{GAP}{DOWN}{NOT_A_THING}", "lead"),
    _rule("y", "tilt", "up", rf"(?:tilt|look)(?:s|ing)?{THE_CAMERA}{GAP}{UP}", "camera"),
    _rule("y", "tilt", "down", rf"(?:tilt|look)(?:s|ing)?{THE_CAMERA}{GAP}{DOWN}", "camera"),
    _rule("y", "tilt", "down", r"(?:descending|lowering|falling)\s+(?:(?:drone|camera|aerial|crane)\s+)?(?:shot|view|crane|drone|camera)\b"),
    _rule("y", "tilt", "up", r"(?:rising|ascending|climbing)\s+(?:(?:drone|camera|aerial|crane)\s+)?(?:shot|view|crane|drone|camera)\b"),
    _rule("y", "tilt", "down", rf"(?:pedestal|crane|jib|boom)(?:ing)?{GAP}{DOWN}(?:\s+shot\b)?", "lead", noun=True),
    _rule("y", "tilt", "up", rf"(?:pedestal|crane|jib|boom)(?:ing)?{GAP}(?:{UP}|over\b)(?:\s+shot\b)?", "lead", noun=True),
    _rule("y", "tilt", "down", rf"(?:pedestal|crane|jib|boom)s{GAP}{DOWN}", "camera"),
    _rule("y", "tilt", "up", rf"(?:pedestal|crane|jib|boom)s{GAP}{UP}", "camera"),
    _rule("y", "tilt", "up", r"(?:crane|jib|boom)\s+shot\b"),
    _rule("y", "tilt", "down", rf"(?:div(?:e|es|ing)|descend(?:s|ing)?|plung(?:e|es|ing)|plummet(?:s|ing)?|lower(?:s|ing)?|drop(?:s|ping)?|sink(?:s|ing)?|dip(?:s|ping)?|swoop(?:s|ing)?|fall(?:s|ing)?)\b(?!\s+(?:in|of)\b)|{TRAVEL}{THE_CAMERA}{MID}\s+{DOWN}", "camera"),
    _rule("y", "tilt", "up", rf"(?:ris(?:e|es|ing)|ascend(?:s|ing)?|climb(?:s|ing)?|lift(?:s|ing)?|elevat(?:e|es|ing)|soar(?:s|ing)?)\b(?:{MID}\s+up\b)?|{TRAVEL}{THE_CAMERA}{MID}\s+{UP}", "camera"),
    # past the subject (x)
    _rule("x", "pan", "", rf"(?:whip|swish)[- ]?pan(?:s|ning)?\b(?:{MID}\s+{X})?"),
    _rule("x", "pan", "", rf"pan(?:s|ning)?{GAP}{X}(?!\s+(?:on|in|out|behind|unattended)\b)|(?:left|right)(?:[- ]?wards?|[- ]to[- ](?:left|right))?\s+(?:camera\s+)?pan(?:ning)?\b"),
    _rule("x", "pan", "", rf"doll(?:y|ies|ying){MID}\s+{X}|lateral\s+(?:\w+\s+)?(?:shot|move|movement|dolly|slide|track|tracking|pan)\b(?:\s+shot\b)?"),
    _rule("x", "pan", "", rf"(?:slide|sliding|track|tracking|crab|crabbing|trucking)(?:\s+shot)?{MID}\s+{X}|(?:left|right)wards?\s+(?:movement|motion|drift|slide|move|track)\b", "lead"),
    _rule("x", "pan", "", rf"truck{MID}\s+{X}", "lead", noun=True),
    _rule("x", "pan", "", r"(?:panning|tracking|trucking|slider)\s+shot\b|pan(?:ning)?\s+(?:shot|across|over|along|through)\b|sideways\s+(?:camera\s+)?(?:move|movement|shot)\b", "lead"),
    _rule("x", "pan", "", rf"(?:slid(?:e|es)|tracks?|trucks?|pans?|panning|sideways)\b(?:{MID}\s+(?:{X}|across\b|along\b))?|{TRAVEL}{THE_CAMERA}{MID}\s+(?:{X}|sideways\b|laterally\b|across\b)", "camera"),
    _rule("x", "pan", "", r"(?:slow|gentle|smooth|fast|quick|steady)\s+pan\b(?!\s+(?:of|on|with)\b)", "lead"),
    # nearer and farther again, by verbs that only the camera's name makes clear
    _rule("z", "push", "in", rf"{TRAVEL}{THE_CAMERA}{MID}:?\s+{IN_STRICT}", "camera"),
    _rule("z", "pull", "out", rf"{TRAVEL}{THE_CAMERA}{MID}:?\s+{OUT_STRICT}", "camera"),
    _rule("z", "pull", "out", r"reveal(?:s|ing)?\b|widen(?:s|ing)?\b", "camera"),
    _rule("z", "push", "in", r"(?:dolly|dollies|dollying)\b(?:\s+(?:shot|move)\b)?", "lead", noun=True),
    # round the lens
    _rule("roll", "roll", "", r"dutch[- ](?:angle|tilt|roll|shot)s?\b|canted\s+angle\b|camera[- ]roll\b"),
    _rule("roll", "roll", "", rf"barrel[- ]?roll(?:s|ing)?\b(?:{MID}\s+{X})?|roll{MID}\s+(?:{X}|(?:counter-?|anti-?)?clockwise\b)", "lead"),
    _rule("roll", "roll", "", rf"(?:roll(?:s|ing)?|rotat(?:e|es|ing)|spin(?:s|ning)?|twist(?:s|ing)?|twirl(?:s|ing)?)\b{THE_CAMERA}(?:{MID}\s+(?:{X}|(?:counter-?|anti-?)?clockwise\b))?", "camera"),
    # the hand that holds it
    _rule("shake", "handheld", "", r"(?:camera[- ]shake|shaky[- ](?:cam|camera|footage|shot|handheld|video)|found[- ]footage)\b"),
    _rule("shake", "handheld", "", r"hand-?held\b(?=\s*(?:$|[,.;:!?]|(?:camera|shot|feel|look|style|motion|movement|footage|cam|video|shake|documentary|tracking|follow|and|with|push|pan|zoom)\b))(?:\s+(?:camera|cam|shot|feel|look|style|footage)\b)?"),
    _rule("shake", "handheld", "", r"hand-?held\b|shak(?:y|es|ing)\b|jitter(?:s|y|ing)?\b|trembl(?:es|ing)\b", "camera"),
    # said by the craft alone, so last
    _rule("z", "push", "in", r"fpv\b"),
    _rule("x", "pan", "", r"(?:drift|glid|float|sweep|travel)(?:s|es|e|ing)?\b", "camera"),
)  # fmt: skip
"""Most specific first: what an earlier rule matched, a later one does not see."""

EFFECTS: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (name, re.compile(rf"\b(?:{pattern})", re.IGNORECASE))
    for name, pattern in (
        ("snow", r"snow(?:s|ing|fall|flakes?|storm)\b|blizzard\b|flurries\b|snow\s+(?:\w+ly\s+)?(?:falls?|falling|drifts?|drifting|swirls?|swirling|blows?|blowing|starts|begins|comes|particles)\b|(?:falling|light|heavy|gentle|soft|drifting|swirling|blowing|with|add|adding|some)\s+snow\b|snow\b(?=\s*(?:$|[,.;:!?&+]))(?<!the snow)(?<!in snow)(?<!on snow)"),
        ("rain", r"(?<!after the )(?<!after )(?:rain(?:s|ing|fall|drops|storm|y)?|downpour|drizzl(?:e|es|ing))\b(?![- ](?:forest|boots?|coats?|jacket|soaked|slick(?:ed)?|wet|gutter|barrel)\b)"),
        ("embers", r"(?:embers?|sparks\s+(?:fly|flying|rise|rising|drift|drifting)|(?:flying|rising|drifting|floating)\s+sparks)\b"),
        ("fireflies", r"firefl(?:y|ies)\b"),
        ("dust", r"dust\s+(?:motes?|particles?|floats?|floating|drifts?|drifting|hangs|swirls?|swirling|dances|dancing)\b|(?:floating|drifting|swirling|with|add|some)\s+(?:dust|particles|pollen)\b|(?:dust|particles|pollen)\b(?=\s*(?:$|[,.;:!?&+]))(?<!the dust)"),
        ("grain", r"film\s+grain\b|grainy\b|grain\b(?=\s*(?:$|[,.;:!?&+]))|(?:8|16)\s?mm\s+(?:film|footage|look)\b"),
        ("vignette", r"vignett(?:e|es|ing|ed)\b"),
        ("fade in", r"fad(?:e|es|ing)[- ]in\b(?!\s+(?:the|a)\b)|fad(?:e|es|ing)[- ](?:in\s+)?from\s+black\b"),
        ("fade out", r"fad(?:e|es|ing)[- ]out\b|fad(?:e|es|ing)[- ](?:out\s+)?to\s+black\b"),
        ("loop", r"(?:seamless|perfect|endless|infinite)(?:ly)?\s+(?:loop|looping|looped)\b|loopable\b|looping\s+(?:video|clip|shot|animation)\b|as\s+a\s+loop\b|loop(?:ing)?\b(?=\s*(?:$|[,.;:!?]))"),
    )
)  # fmt: skip
"""What can be drawn over the picture, in the order in which it is told."""

SPEEDS: tuple[tuple[float, re.Pattern[str]], ...] = tuple(
    (factor, re.compile(rf"\b(?:{pattern})\b(?![- ](?:mo|motion)\b)", re.IGNORECASE))
    for factor, pattern in (
        (
            0.35,
            r"(?:very|extremely|ultra|super|really|so)[- ]slow(?:ly)?|barely|imperceptibl[ey]|ever\s+so\s+(?:slowly|slightly|gently)",
        ),
        (
            1.8,
            r"(?:very|extremely|ultra|super|really)[- ](?:fast|quick(?:ly)?)|whip|swish|crash|snap|rapid(?:ly)?|sudden(?:ly)?|lightning[- ]fast",
        ),
        (
            0.6,
            r"slow(?:ly)?|gentl[ey]|subtl[ey]|smooth(?:ly)?|soft(?:ly)?|slight(?:ly)?|gradual(?:ly)?|calm(?:ly)?|steady|steadily|delicate(?:ly)?",
        ),
        (1.4, r"fast|quick(?:ly)?|dynamic(?:ally)?|energetic(?:ally)?|swift(?:ly)?|speedy|brisk(?:ly)?"),
    )
)
"""Factor on the amount of motion, and the words for it."""
