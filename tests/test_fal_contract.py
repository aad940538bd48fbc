"""Every model's payload fits fal's real schema of its endpoint, and nothing that fal offers is left out by accident."""

import json
from typing import Any

import pytest

from core import models
from core.errors import InvalidInput
from core.models.spec import ModelSpec
from tests.fal_server.sample import UPLOADS, least, variants
from tests.fal_server.schemas import complaints, documents, input_schema, properties

EVERY_MODEL = pytest.mark.parametrize("spec", models.MODELS.values(), ids=models.MODELS)


def payloads(spec: ModelSpec) -> list[tuple[str, dict[str, Any]]]:
    found = []
    for name, given in variants(spec):
        try:
            found.append((name, spec.to_payload(spec.input.model_validate(given), UPLOADS)))
        except InvalidInput:
            assert spec.payload is not None, "only a payload of its own may find that fal cannot do this"
    return found


@EVERY_MODEL
def test_every_value_of_the_form_fits_the_schema(spec: ModelSpec) -> None:
    tried = payloads(spec)
    for name, payload in tried:
        assert complaints(spec.endpoint, payload) == [], f"{name}: {payload}"
        assert set(payload) <= set(properties(spec.endpoint)), "fal would silently ignore a field"
        assert json.loads(json.dumps(payload)) == payload
    assert {name for name, _ in variants(spec)} == {item.name for item in spec.fields}, (
        "a field that no valid input has"
    )


@EVERY_MODEL
def test_every_property_is_offered_constant_or_left_out_on_purpose(spec: ModelSpec) -> None:
    offered = {item.wire for item in spec.fields} | {name for _, payload in payloads(spec) for name in payload}
    accounted = offered | set(spec.constants) | set(spec.not_offered)
    assert set(properties(spec.endpoint)) - accounted == set()
    assert set(spec.not_offered) <= set(properties(spec.endpoint)), "not_offered names something that fal does not have"


@EVERY_MODEL
def test_the_form_offers_each_value_that_the_schema_lists(spec: ModelSpec) -> None:
    schema = properties(spec.endpoint)
    for item in spec.fields:
        allowed = schema.get(item.wire, {}).get("enum")
        if allowed is not None and item.wire not in spec.constants:
            assert set(getattr(item.kind, "options", ())) == set(allowed), item.name


@EVERY_MODEL
def test_the_schema_refuses_what_it_should(spec: ModelSpec) -> None:
    """The check has teeth: a wrong type never fits."""
    payload = spec.to_payload(spec.input.model_validate(least(spec)), UPLOADS)
    for name in payload:
        assert complaints(spec.endpoint, {**payload, name: [{"not": "this"}]}), name


def test_there_is_a_schema_for_each_model_and_no_other() -> None:
    assert set(documents()) == {spec.endpoint for spec in models.MODELS.values()}
    for endpoint in documents():
        assert input_schema(endpoint)["$ref"].endswith("Input")
    with pytest.raises(KeyError):
        input_schema("fal-ai/no-such-model")
