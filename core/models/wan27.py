"""Wan 2.7 by Alibaba: starts from a still or continues a clip, can follow a sound track."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from core.models.spec import (
    Clip,
    Estimate,
    MediaKey,
    ModelInput,
    ModelSpec,
    Prompt,
    Seed,
    Sound,
    Still,
    Text,
    per_second,
)

MEBIBYTE = 1024 * 1024


class WanInput(ModelInput):
    image: Annotated[MediaKey | None, Still(max_bytes=20 * MEBIBYTE)] = Field(
        None,
        title="Still",
        description="The first frame. Leave it out only to continue a clip.",
        serialization_alias="image_url",
        json_schema_extra={"required": True},
    )
    prompt: Annotated[str, Prompt()] = Field(
        "", max_length=5000, description="What happens in the video. May be empty."
    )
    end_image: Annotated[MediaKey | None, Still(max_bytes=20 * MEBIBYTE)] = Field(
        None, title="Last frame", description="A picture that the video ends on.", serialization_alias="end_image_url"
    )
    video: Annotated[MediaKey | None, Clip(seconds=(2, 10), max_bytes=100 * MEBIBYTE)] = Field(
        None,
        title="Clip to continue",
        description="A clip of 2 to 10 s that the video goes on from, instead of a still.",
        serialization_alias="video_url",
    )
    audio: Annotated[MediaKey | None, Sound(seconds=(2, 30), max_bytes=15 * MEBIBYTE)] = Field(
        None,
        title="Sound track",
        description="WAV or MP3 of 2 to 30 s that drives the motion.",
        serialization_alias="audio_url",
    )
    resolution: Literal["720p", "1080p"] = Field("1080p", description="Size of the video.")
    duration: Literal[2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15] = Field(
        5, description="Length of the video.", json_schema_extra={"unit": "s"}
    )
    negative_prompt: Annotated[str | None, Text()] = Field(
        None, max_length=500, description="What to keep out of the video."
    )
    enable_prompt_expansion: bool = Field(
        True, title="Expand prompt", description="Let the model write out a short prompt."
    )
    seed: Annotated[int | None, Seed()] = Field(None, description="Same seed and input, similar result. Empty: random.")
    enable_safety_checker: bool = Field(
        True, title="Safety check", description="Check input and result for forbidden content."
    )

    @model_validator(mode="after")
    def _starts_from_one_thing(self) -> Self:
        if self.image and self.video:
            raise PydanticCustomError("both", "Give a still or a clip to continue, not both.", {"field": "video"})
        if not self.image and not self.video:
            raise PydanticCustomError(
                "neither", "Choose a still, or a clip to continue under More settings.", {"field": "image"}
            )
        return self


def _seconds(given: WanInput) -> tuple[float, float]:
    return float(given.duration), float(given.duration)


def _price(given: WanInput) -> Estimate:
    return per_second(0.10, _seconds(given), "fal's price list, July 2026: base rate, 1080p may cost more")


SPEC = ModelSpec(
    slug="wan27",
    title="Wan 2.7",
    maker="Alibaba",
    summary="2 to 15 seconds from a still, to a last frame, or on from a clip.",
    endpoint="fal-ai/wan/v2.7/image-to-video",
    input=WanInput,
    price=_price,
    seconds=_seconds,
    expected_wait_s=(60, 300),
)
