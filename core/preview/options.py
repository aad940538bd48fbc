"""The settings of the local preview that stand beside a model's own, and the plan that they and the prompt make."""

from typing import Literal

from pydantic import Field

from core.models.spec import ModelInput
from core.preview.grammar import Plan, parse
from core.preview.vocabulary import MoveName

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


class CameraOptions(ModelInput):
    """How a still is filmed on this computer."""

    camera_move: Literal[
        "from the prompt", "push in", "pull out", "dolly zoom", "pan left", "pan right", "tilt up", "tilt down",
        "orbit left", "orbit right", "roll", "handheld", "static",
    ] = Field("from the prompt", title="Camera move", description="The move over your still; anything else than the first overrides the text.")  # fmt: skip
    framing: Literal["auto", "crop", "blurred bars"] = Field(
        "auto",
        description="How a still of another shape fills the video: cut off, or set between blurred bars. Auto cuts up to 40 %.",
    )


def camera_plan(prompt: str, seed: str | int, camera_move: str = "from the prompt") -> Plan:
    """The plan of a prompt, with the move that was chosen in the form in place of the text's.

    Args:
        prompt: the user's text.
        seed: chooses the move where nothing else does.
        camera_move: a key of CHOICES, or "from the prompt".
    """
    plan = parse(prompt, seed)
    return plan.with_move(*CHOICES[camera_move]) if camera_move in CHOICES else plan
