"""Lucy 5B by Decart: the smaller, faster sister of Lucy 14B."""

from core.models.lucy14b import LENGTH_S, LucyInput
from core.models.spec import UNPUBLISHED, ModelSpec

SPEC = ModelSpec(
    slug="lucy5b",
    title="Lucy 5B",
    maker="Decart",
    summary="The quickest Lucy: drafts and prompt experiments.",
    endpoint="fal-ai/decart/lucy-5b/image-to-video",
    input=LucyInput,
    price=lambda _: UNPUBLISHED,
    seconds=lambda _: LENGTH_S,
    expected_wait_s=(5, 40),
    constants={"sync_mode": False},
    not_offered={"sync_mode": "true would return the video inside the reply and leave nothing to fetch again"},
)
