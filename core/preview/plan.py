"""A camera plan: the moves, speed and effects that a preview is rendered with, and how they are told to the user."""

from dataclasses import dataclass, replace

from core.preview.vocabulary import MoveName

MOST_IGNORED = 12  # parts named to the user; a long prompt is not read back whole
FROM_PROMPT = "from the prompt"
CHOICES: dict[str, tuple[MoveName, str]] = {
    "push in": ("push", "in"),
    "pull out": ("pull", "out"),
    "dolly zoom": ("dolly zoom", "in"),
    "pan left": ("pan", "left"),
    "pan right": ("pan", "right"),
    "tilt up": ("tilt", "up"),
    "tilt down": ("tilt", "down"),
    "orbit left": ("orbit", "left"),
    "orbit right": ("orbit", "right"),
    "roll": ("roll", "cw"),
    "handheld": ("handheld", ""),
    "static": ("static", ""),
}
"""What the form offers → the move and its direction."""


@dataclass(frozen=True)
class Move:
    """One move of the camera: what, where to, and the words that said so ("" for a default or a choice)."""

    move: MoveName
    direction: str
    matched: str = ""

    def __str__(self) -> str:
        match self.move:
            case "push" | "pull" | "pan" | "tilt" | "orbit":
                return f"{self.move} {self.direction}"
            case "handheld":
                return "handheld shake"
            case "static":
                return "static camera"
            case _:
                return self.move


@dataclass(frozen=True)
class Plan:
    """What the preview will do with a still.

    Args:
        moves: at most one an axis, in the order in which they are told.
        speed: factor on the amount of motion, 0.35 to 1.8; 1 where no word says.
        speed_word: the word for it as an adjective, or "".
        effects: snow, rain, embers, fireflies, dust, grain, vignette, fade in, fade out, loop.
        is_default: whether no move was found and one was chosen by the seed.
        recognised: the words of the prompt that are followed.
        ignored: the parts of the prompt that can't be rendered here ("she smiles").
        seed: what chose the default and the chance in the picture.
    """

    moves: tuple[Move, ...]
    speed: float
    speed_word: str
    effects: tuple[str, ...]
    is_default: bool
    recognised: tuple[str, ...]
    ignored: tuple[str, ...]
    seed: str

    def describe(self) -> str:
        """One line for the page: "slow push in · snow", "no camera move found, using a gentle orbit left"."""
        moves = " and ".join(str(move) for move in self.moves)
        if self.is_default:
            article = "an" if (self.speed_word or moves)[0] in "aeiou" else "a"
            moves = f"no camera move found, using {article} {f'{self.speed_word} {moves}'.strip()}"
        elif self.speed_word and moves != "static camera":
            moves = f"{self.speed_word} {moves}"
        return " · ".join((moves, *self.effects))

    def with_move(self, move: MoveName, direction: str) -> "Plan":
        """The plan with a move that was chosen in the form; those of the text are ignored, its speed and effects stay."""
        dropped = tuple(item.matched for item in self.moves if item.matched)
        return replace(
            self,
            moves=(Move(move, direction),),
            speed=1.0 if self.is_default and self.speed_word == "gentle" else self.speed,
            speed_word="" if self.is_default and self.speed_word == "gentle" else self.speed_word,
            is_default=False,
            recognised=tuple(word for word in self.recognised if word not in dropped),
            ignored=(*dropped, *self.ignored)[:MOST_IGNORED],
        )
