"""The registry: every model of the catalogue, in menu order."""

import re
from importlib import import_module

from core.errors import NotFound
from core.models.spec import ModelSpec

NAMES = (
    "lucy14b",
    "lucy5b",
    "splice",
    "kling25_turbo_pro",
    "veo31_fast",
    "wan27",
    "ltx23_fast",
)
"""One line a model: the name of its file in this folder."""


def _load(names: tuple[str, ...]) -> dict[str, ModelSpec]:
    specs: dict[str, ModelSpec] = {}
    for name in names:
        spec = import_module(f"core.models.{name}").SPEC
        if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", spec.slug):
            raise ValueError(f"core/models/{name}.py: slug {spec.slug!r} must be lower case letters, digits and dashes")
        if spec.slug in specs or spec.slug in RESERVED:
            raise ValueError(f"core/models/{name}.py: slug {spec.slug!r} is taken")
        specs[spec.slug] = spec
    return specs


RESERVED = frozenset(
    {"jobs", "takes", "hooks", "media", "static", "component", "healthz", "readyz", "metrics", "oauth2callback"}
)
"""Addresses of other pages and routes."""

MODELS: dict[str, ModelSpec] = _load(NAMES)


def get(slug: str) -> ModelSpec:
    """The model with this slug. Raises NotFound, with the list of those there are."""
    try:
        return MODELS[slug]
    except KeyError:
        raise NotFound(f"There is no model “{slug}”. There are: {', '.join(MODELS)}.") from None
