"""Lucy 14B by Decart: a still and a prompt become a short 720p video."""

from typing import Annotated, Literal

from pydantic import Field

from core.models.spec import Estimate, MediaKey, ModelInput, ModelSpec, Prompt, Still, per_second

LENGTH_S = (5.0, 10.0)  # not an input; sources differ between 5 and 10 s, and fal states none


class LucyInput(ModelInput):
    """Input of both Lucy models."""

    image: Annotated[MediaKey, Still()] = Field(
        title="Still", description="The first frame of the video.", serialization_alias="image_url"
    )
    prompt: Annotated[str, Prompt()] = Field(
        min_length=1, max_length=1500, description="What happens: the subject's action, then the camera's move."
    )
    aspect_ratio: Literal["16:9", "9:16"] = Field("16:9", description="Shape of the video.")
    resolution: Literal["720p"] = Field("720p", description="Size of the video.")


def _price(_: LucyInput) -> Estimate:
    return per_second(0.08, LENGTH_S, "fal's price list, July 2026; fal states no clip length")


SPEC = ModelSpec(
    slug="lucy14b",
    title="Lucy 14B",
    maker="Decart",
    summary="Fast image-to-video with steady faces and large motion.",
    endpoint="decart/lucy-14b/image-to-video",
    input=LucyInput,
    price=_price,
    seconds=lambda _: LENGTH_S,
    expected_wait_s=(6, 60),
    constants={"sync_mode": False},
    not_offered={"sync_mode": "true would return the video inside the reply and leave nothing to fetch again"},
)
