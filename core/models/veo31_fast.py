"""Veo 3.1 Fast by Google: up to 4k, with sound."""

from typing import Annotated, Literal

from pydantic import Field

from core.models.spec import Estimate, MediaKey, ModelInput, ModelSpec, Prompt, Seed, Still, Text, per_second


class VeoInput(ModelInput):
    image: Annotated[MediaKey, Still(max_bytes=8 * 1024 * 1024)] = Field(
        title="Still",
        description="The picture to animate; 720p or larger, ideally 16:9 or 9:16. Other shapes are cropped.",
        serialization_alias="image_url",
    )
    prompt: Annotated[str, Prompt()] = Field(
        min_length=1, max_length=20000, description="How the picture moves: action, style, camera, mood, spoken words."
    )
    aspect_ratio: Literal["auto", "16:9", "9:16"] = Field("auto", description="Shape of the video.")
    duration: Literal["4s", "6s", "8s"] = Field("8s", description="Length of the video.")
    resolution: Literal["720p", "1080p", "4k"] = Field("720p", description="Size of the video.")
    generate_audio: bool = Field(True, title="Sound", description="Make sound and speech with the video.")
    negative_prompt: Annotated[str | None, Text()] = Field(None, description="What to keep out of the video.")
    seed: Annotated[int | None, Seed()] = Field(None, description="Same seed and input, similar result. Empty: random.")
    auto_fix: bool = Field(
        False, title="Repair prompt", description="Let the model rewrite a prompt that its policy refuses."
    )
    safety_tolerance: Literal["1", "2", "3", "4", "5", "6"] = Field(
        "4", description="Content filter: 1 blocks the most, 6 the least."
    )


def _seconds(given: VeoInput) -> tuple[float, float]:
    length = float(given.duration.rstrip("s"))
    return length, length


def _price(given: VeoInput) -> Estimate:
    # One base rate is published; tiers by size and sound are not in the price list (fal.md 5.3).
    return per_second(0.15, _seconds(given), "fal's price list, July 2026: base rate, other sizes may differ")


SPEC = ModelSpec(
    slug="veo31-fast",
    title="Veo 3.1 Fast",
    maker="Google",
    summary="Realistic motion with sound, up to 4k.",
    endpoint="fal-ai/veo3.1/fast/image-to-video",
    input=VeoInput,
    price=_price,
    seconds=_seconds,
    expected_wait_s=(45, 180),
)
