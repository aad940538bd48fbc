"""fal's real OpenAPI documents of the seven endpoints, and a check of a payload against them."""

import json
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

FOLDER = Path(__file__).parent.parent / "fixtures" / "openapi"


@cache
def documents() -> dict[str, dict[str, Any]]:
    """OpenAPI document by endpoint id."""
    found = {}
    for path in sorted(FOLDER.glob("*.json")):
        document = json.loads(path.read_text())
        found[document["info"]["x-fal-metadata"]["endpointId"]] = document
    return found


def input_schema(endpoint: str) -> dict[str, Any]:
    """JSON schema of an endpoint's input, with what it refers to. Raises KeyError for an unknown endpoint."""
    document = documents()[endpoint]
    body = document["paths"][f"/{endpoint}"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    return {**body, "components": document["components"]}


def properties(endpoint: str) -> dict[str, Any]:
    """The input's properties by name."""
    schema = input_schema(endpoint)
    name = schema["$ref"].rpartition("/")[2]
    found: dict[str, Any] = schema["components"]["schemas"][name]["properties"]
    return found


def complaints(endpoint: str, payload: Any) -> list[dict[str, Any]]:
    """What the schema has against a payload, in the shape of fal's `detail`; empty where it fits."""
    errors = sorted(
        Draft202012Validator(input_schema(endpoint)).iter_errors(payload), key=lambda error: list(map(str, error.path))
    )
    details: list[dict[str, Any]] = []
    for error in errors:
        loc = ["body", *error.absolute_path]
        if error.validator == "required":
            gone = next(name for name in error.validator_value if name not in error.instance)
            details.append({"loc": [*loc, gone], "msg": "Field required", "type": "missing"})
        elif error.validator == "enum":
            details.append(
                {"loc": loc, "msg": error.message, "type": "literal_error", "ctx": {"expected": error.validator_value}}
            )
        elif error.validator == "maxLength":
            details.append(
                {
                    "loc": loc,
                    "msg": error.message,
                    "type": "string_too_long",
                    "ctx": {"max_length": error.validator_value},
                }
            )
        elif error.validator == "maximum":
            details.append(
                {"loc": loc, "msg": error.message, "type": "less_than_equal", "ctx": {"le": error.validator_value}}
            )
        else:
            details.append({"loc": loc, "msg": error.message, "type": f"{error.validator}_error"})
    return details
