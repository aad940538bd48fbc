"""Splice: joins two to ten clips and stills into one video, in the order that the user arranges."""

import math
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from core.errors import InvalidInput
from core.models.spec import ClipItem, Clips, Estimate, ModelInput, ModelSpec

SIZES: dict[str, tuple[int, int]] = {
    "1280x720": (1280, 720),
    "720x1280": (720, 1280),
    "960x960": (960, 960),
    "1920x1080": (1920, 1080),
    "1080x1920": (1080, 1920),
}


class SpliceInput(ModelInput):
    clips: Annotated[list[ClipItem], Clips(least=2, most=10)] = Field(
        min_length=2,
        max_length=10,
        serialization_alias="video_urls",
        description="Two to ten takes, uploaded MP4s or stills, in playing order.",
    )
    transition: Literal["cut", "crossfade", "fade through black"] = Field(
        "cut", description="What happens between two clips."
    )
    transition_seconds: float = Field(
        0.5,
        ge=0.1,
        le=2.0,
        title="Transition length",
        description="How long a crossfade or a fade takes.",
        json_schema_extra={"unit": "s"},
    )
    size: Literal["1280x720", "720x1280", "960x960", "1920x1080", "1080x1920"] = Field(
        "1280x720", description="Width and height of the video in pixels.", serialization_alias="resolution"
    )
    fps: Literal[24, 25, 30, 50, 60] = Field(
        24, title="Frames per second", description="Frame rate of the video.", serialization_alias="target_fps"
    )

    @model_validator(mode="after")
    def _stills_have_a_length(self) -> Self:
        for part in self.clips:
            if part.is_still and not 0.5 <= part.seconds <= 30:
                raise PydanticCustomError("still_seconds", "A still is held for 0.5 to 30 seconds.", {"field": "clips"})
        return self


def closest_size(width: int, height: int) -> str:
    """The size whose shape comes nearest to a clip of so many pixels; of those with the same shape, the smallest."""
    shape = math.log(max(width, 1) / max(height, 1))
    return min(SIZES, key=lambda name: (abs(math.log(SIZES[name][0] / SIZES[name][1]) - shape), SIZES[name][0]))


def _payload(_: ModelSpec, given: ModelInput, urls: Mapping[str, str]) -> dict[str, Any]:
    assert isinstance(given, SpliceInput)
    if given.transition != "cut":
        raise InvalidInput("fal joins with hard cuts only. Choose “cut”, or run it on this computer.", "transition")
    if any(part.is_still for part in given.clips):
        raise InvalidInput("fal joins clips only, no stills. Take the stills out, or run it on this computer.", "clips")
    width, height = SIZES[given.size]
    return {
        "video_urls": [urls[part.key] for part in given.clips],
        "target_fps": given.fps,
        "resolution": {"width": width, "height": height},
    }


def _price(_: SpliceInput) -> Estimate:
    # A join takes well under a minute of fal's compute; the bound is ours, the rate is fal's.
    return Estimate(0.0001, 0.0102, "$0.00017 per compute second, at most about a minute (fal's price list, July 2026)")


SPEC = ModelSpec(
    slug="splice",
    title="Splice",
    maker="Takes",
    summary="Join takes, clips and stills into one video.",
    endpoint="fal-ai/ffmpeg-api/merge-videos",
    input=SpliceInput,
    price=_price,
    seconds=lambda given: (1.0, 30.0 * len(given.clips)),
    expected_wait_s=(5, 60),
    payload=_payload,
    local="splice",
)
