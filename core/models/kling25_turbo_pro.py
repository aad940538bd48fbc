"""Kling 2.5 Turbo Pro by Kuaishou: strong motion, optional last frame."""

from typing import Annotated, Literal

from pydantic import Field

from core.models.spec import Estimate, MediaKey, ModelInput, ModelSpec, Prompt, Still, Text, per_second

# The limits are those that fal states for Kling's other endpoints (fal.md 5.3); the schema of this one is silent.
FRAME = Still(min_side=300, max_bytes=10 * 1024 * 1024, ratio=(0.4, 2.5))


class KlingInput(ModelInput):
    image: Annotated[MediaKey, FRAME] = Field(
        title="Still", description="The first frame of the video.", serialization_alias="image_url"
    )
    prompt: Annotated[str, Prompt()] = Field(min_length=1, max_length=2500, description="What happens in the video.")
    duration: Literal["5", "10"] = Field("5", description="Length of the video.", json_schema_extra={"unit": "s"})
    tail_image: Annotated[MediaKey | None, FRAME] = Field(
        None, title="Last frame", description="A picture that the video ends on.", serialization_alias="tail_image_url"
    )
    negative_prompt: Annotated[str, Text()] = Field(
        "blur, distort, and low quality", max_length=2500, description="What to keep out of the video."
    )
    cfg_scale: float = Field(
        0.5,
        ge=0,
        le=1,
        title="Prompt strength",
        description="How closely the video keeps to the prompt: 0 loose, 1 strict.",
    )


def _seconds(given: KlingInput) -> tuple[float, float]:
    return float(given.duration), float(given.duration)


def _price(given: KlingInput) -> Estimate:
    return per_second(0.07, _seconds(given), "fal's price page, September 2026")


SPEC = ModelSpec(
    slug="kling25-turbo-pro",
    title="Kling 2.5 Turbo Pro",
    maker="Kuaishou",
    summary="Strong, fluid motion; can end on a given frame.",
    endpoint="fal-ai/kling-video/v2.5-turbo/pro/image-to-video",
    input=KlingInput,
    price=_price,
    seconds=_seconds,
    expected_wait_s=(60, 240),
)
