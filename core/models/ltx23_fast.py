"""LTX 2.3 Fast by Lightricks: long clips, high frame rates, with sound."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from core.models.spec import Estimate, MediaKey, ModelInput, ModelSpec, Prompt, Still, per_second

LONG_S = 10  # longer clips exist only at 25 frames per second and 1080p, says the endpoint's schema


class LtxInput(ModelInput):
    image: Annotated[MediaKey, Still()] = Field(
        title="Still", description="The first frame of the video.", serialization_alias="image_url"
    )
    prompt: Annotated[str, Prompt()] = Field(min_length=1, max_length=5000, description="What happens in the video.")
    aspect_ratio: Literal["auto", "16:9", "9:16"] = Field("auto", description="Shape of the video.")
    duration: Literal[6, 8, 10, 12, 14, 16, 18, 20] = Field(
        6,
        description="Length of the video. More than 10 s only at 1080p and 25 frames per second.",
        json_schema_extra={"unit": "s"},
    )
    resolution: Literal["1080p", "1440p", "2160p"] = Field("1080p", description="Size of the video.")
    fps: Literal[24, 25, 48, 50] = Field(25, title="Frames per second", description="Frame rate of the video.")
    generate_audio: bool = Field(True, title="Sound", description="Make sound with the video.")
    end_image: Annotated[MediaKey | None, Still()] = Field(
        None, title="Last frame", description="A picture that the video ends on.", serialization_alias="end_image_url"
    )

    @model_validator(mode="after")
    def _long_clips_are_plain(self) -> Self:
        if self.duration > LONG_S and (self.fps != 25 or self.resolution != "1080p"):
            raise PydanticCustomError(
                "long_clip",
                "More than 10 s needs 1080p and 25 frames per second. Change those, or choose 10 s or less.",
                {"field": "duration"},
            )
        return self


def _seconds(given: LtxInput) -> tuple[float, float]:
    return float(given.duration), float(given.duration)


def _price(given: LtxInput) -> Estimate:
    return per_second(0.06, _seconds(given), "fal's price list, July 2026: base rate, larger sizes may cost more")


SPEC = ModelSpec(
    slug="ltx23-fast",
    title="LTX 2.3 Fast",
    maker="Lightricks",
    summary="Up to 20 seconds with sound, at low cost.",
    endpoint="fal-ai/ltx-2.3/image-to-video/fast",
    input=LtxInput,
    price=_price,
    seconds=_seconds,
    expected_wait_s=(15, 120),
)
