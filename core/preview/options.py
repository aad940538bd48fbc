"""The settings of the local preview that stand beside a model's own."""

from typing import Literal

from pydantic import Field

from core.models.spec import ModelInput


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
