"""Every error type of fal becomes a kind, a message with its limits, our field, and whether it was charged."""

import json
from typing import Any

import pytest

from core import models
from core.errors import Charged, OutcomeUnknown, ProviderRefused, ProviderUnavailable
from core.providers.fal_errors import field_of, from_response
from core.providers.fal_words import MODEL_TYPES, REQUEST_TYPES

KLING = models.get("kling25-turbo-pro")
JSON = {"content-type": "application/json"}


def verdict(detail: Any, status: int = 422, **more: Any) -> ProviderRefused:
    """The result call's error for this `detail`."""
    body = json.dumps({"detail": detail, **more}).encode()
    error = from_response(status, JSON, body, KLING, phase="result")
    assert isinstance(error, ProviderRefused), error
    return error


@pytest.mark.parametrize(
    ("kind", "loc", "ctx", "message", "field"),
    [
        ("image_too_small", "image_url", {"min_width": 300, "min_height": 300}, "“Still” is too small for this model. It needs at least 300 × 300 pixels. Choose a larger one.", "image"),
        ("image_too_large", "tail_image_url", {"max_width": 4096, "max_height": 2160}, "“Last frame” is too large for this model. It may have at most 4096 × 2160 pixels. Choose a smaller one.", "tail_image"),
        ("file_too_large", "image_url", {"max_size": 10485760}, "“Still” is too large a file for this model. It may have at most 10 MB. Choose a smaller one.", "image"),
        ("greater_than", "cfg_scale", {"gt": 0}, "“Prompt strength” is too small. It must be more than 0.", "cfg_scale"),
        ("greater_than_equal", "cfg_scale", {"ge": 0.5}, "“Prompt strength” is too small. It must be at least 0.5.", "cfg_scale"),
        ("less_than", "cfg_scale", {"lt": 1}, "“Prompt strength” is too large. It must be less than 1.", "cfg_scale"),
        ("less_than_equal", "cfg_scale", {"le": 1.0}, "“Prompt strength” is too large. It must be at most 1.", "cfg_scale"),
        ("multiple_of", "cfg_scale", {"multiple_of": 0.25}, "“Prompt strength” is not a step that the model takes. It must be a multiple of 0.25.", "cfg_scale"),
        ("one_of", "duration", {"expected": ["5", "10"]}, "“Duration” has a value that the model does not take. Allowed: 5 or 10.", "duration"),
        ("literal_error", "duration", {"expected": "'5' or '10'"}, "“Duration” has a value that the model does not take. Allowed: '5' or '10'.", "duration"),
        ("unsupported_image_format", "image_url", {"supported_formats": ["jpeg", "png", "webp"]}, "“Still” has a format that the model does not take. Allowed: jpeg, png or webp.", "image"),
        ("string_too_long", "prompt", {"max_length": 2500}, "“Prompt” is too long. At most 2500 characters are allowed. Shorten it.", "prompt"),
        ("value_error.any_str.max_length", "prompt", {"limit_value": 2500}, "“Prompt” is too long. At most 2500 characters are allowed. Shorten it.", "prompt"),
        ("missing", "prompt", None, "“Prompt” is missing. Fill it in and send it again.", "prompt"),
        ("value_error.missing", "prompt", None, "“Prompt” is missing. Fill it in and send it again.", "prompt"),
        ("content_policy_violation", "prompt", None, "The content check refused the prompt. Change that and send it again.", "prompt"),
        ("content_policy_violation", "image_url", None, "The content check refused the picture “Still”. Change that and send it again.", "image"),
        ("content_policy_violation", "tail_image_url", None, "The content check refused the picture “Last frame”. Change that and send it again.", "tail_image"),
        ("face_detection_error", "image_url", None, "The model found no usable face in “Still”. Choose a picture with a clear face.", "image"),
        ("video_duration_too_long", "elsewhere", {"max_duration": 10, "provided_duration": 12.5}, "The clip is too long. At most 10 s are allowed. Cut it shorter.", None),
    ],
)  # fmt: skip
def test_the_message_says_what_is_allowed_and_which_field(
    kind: str, loc: str, ctx: Any, message: str, field: str | None
) -> None:
    error = verdict([{"loc": ["body", loc], "msg": "…", "type": kind, "ctx": ctx, "url": "https://docs.fal.ai"}])
    assert (error.message, error.field, error.kind) == (message, field, kind)
    assert error.charged is Charged.MAYBE, "fal may charge a 422 if a runner worked first"


@pytest.mark.parametrize("kind", MODEL_TYPES)
def test_every_model_type_has_words_with_and_without_its_limits(kind: str) -> None:
    for loc, ctx in ((["body", "image_url"], {}), (["body"], None), (None, {"max_size": None}), ("body", "nonsense")):
        entry = {"loc": loc, "msg": "words of fal", "type": kind, "ctx": ctx, "input": "SECRET-INPUT"}
        error = verdict([entry], 504 if kind.endswith("timeout") else 422)
        assert error.kind == kind
        assert error.message[0].isupper() or error.message[0] == "“"
        assert error.message.endswith((".", "”"))
        for mark in ("{", "}", "None", "  "):
            assert mark not in error.message
        assert "SECRET-INPUT" not in repr(error.raw), "the repeated input is not kept"


@pytest.mark.parametrize("kind", REQUEST_TYPES)
@pytest.mark.parametrize("in_header", [True, False])
def test_every_request_type_is_the_jobs_own_end(kind: str, in_header: bool) -> None:
    status = 499 if kind.startswith("client") else 400 if kind == "bad_request" else 504
    body = {"detail": "fal's words"} | ({} if in_header else {"error_type": kind})
    headers = JSON | ({"x-fal-error-type": kind} if in_header else {})
    error = from_response(status, headers, json.dumps(body).encode(), KLING, phase="result")
    assert isinstance(error, ProviderRefused)
    assert error.kind == kind
    assert error.message.startswith(REQUEST_TYPES[kind].said)
    assert error.charged is (Charged.MAYBE if status < 500 else Charged.NO), "fal never charges a 5xx"


SAME_AGAIN = frozenset({
    "internal_server_error", "generation_timeout", "downstream_service_error", "downstream_service_unavailable",
})  # fmt: skip
"""The four model errors of which fal says that they may be retried (fal.md 1.8)."""


@pytest.mark.parametrize("kind", MODEL_TYPES)
def test_which_verdicts_may_fare_better_next_time(kind: str) -> None:
    detail = [{"loc": ["body"], "msg": "…", "type": kind}]
    assert verdict(detail, 504 if kind in SAME_AGAIN else 422).retryable is (kind in SAME_AGAIN)


@pytest.mark.parametrize("kind", REQUEST_TYPES)
def test_a_lost_way_to_the_model_may_be_there_again(kind: str) -> None:
    status = 499 if kind.startswith("client") else 400 if kind == "bad_request" else 503
    assert verdict("fal's words", status, error_type=kind).retryable is (kind != "bad_request")


@pytest.mark.parametrize("kind", ["content_policy_violation", "runner_disconnected", ""])
@pytest.mark.parametrize("name", ["x-fal-retryable", "x-fal-needs-retry"])
@pytest.mark.parametrize(("word", "says"), [("true", True), ("True", True), ("1", True), ("false", False), ("0", False), (" no ", False)])  # fmt: skip
def test_what_fal_says_of_it_counts_more(kind: str, name: str, word: str, says: bool) -> None:
    body = json.dumps({"detail": "x", "error_type": kind}).encode()
    error = from_response(422, JSON | {name: word}, body, KLING, phase="result")
    assert isinstance(error, ProviderRefused)
    assert error.retryable is says
    assert error.charged is Charged.MAYBE, "whether to try again says nothing of the money"


@pytest.mark.parametrize(
    ("status", "headers", "body", "retryable"),
    [
        (401, JSON, b'{"detail": "bad key"}', True),  # once the key is mended
        (402, JSON, b'{"detail": "no credit"}', True),
        (403, JSON, b'{"detail": "not allowed"}', True),
        (302, {}, b"", True),
        (404, JSON, b'{"detail": "Path not found"}', False),
        (400, JSON, b'{"detail": "x", "error_type": "bad_request"}', False),
        (422, JSON, b'{"detail": [{"loc": ["body", "prompt"], "msg": "x", "type": "missing"}]}', False),
        (504, {"content-type": "text/html"}, b"<html>", False),  # lost: never offered as a plain retry
        (500, JSON, b'{"detail": "x", "error_type": "internal_error"}', False),
    ],
)
def test_what_a_refused_submit_may_come_to_next_time(
    status: int, headers: dict[str, str], body: bytes, retryable: bool
) -> None:
    error = from_response(status, headers, body, KLING, phase="submit")
    assert error.retryable is retryable
    if isinstance(error, OutcomeUnknown):
        assert error.charged is Charged.MAYBE, "it would be paid twice"


def test_a_5xx_is_the_jobs_end_only_with_fals_own_type() -> None:
    typed = [{"loc": ["body"], "msg": "x", "type": "generation_timeout"}]
    assert verdict(typed, 504).charged is Charged.NO
    for body in (
        b"",
        b"upstream timeout",
        b"<html>504</html>",
        b'{"detail": "x"}',
        b'{"error": {"message": "x"}}',
        b"[]",
    ):
        error = from_response(504, {}, body, KLING, phase="result")
        assert isinstance(error, ProviderUnavailable), body
    page = from_response(
        502, {"x-fal-error-type": "internal_error", "content-type": "text/html"}, b"<html>", KLING, phase="result"
    )
    assert isinstance(page, ProviderUnavailable)


def test_a_policy_refusal_that_names_no_input_says_so() -> None:
    error = verdict([{"loc": ["body"], "msg": "flagged", "type": "content_policy_violation"}])
    assert "does not say whether for its words or its pictures" in error.message
    assert error.field is None


def test_plain_text_and_unknown_types_are_quoted() -> None:
    assert verdict("Kling says no").message == "fal refused the request (422). fal says: “Kling says no”."
    assert (
        verdict([{"loc": ["body", "prompt"], "msg": "too poetic", "type": "new_type"}]).message
        == "“Prompt” cannot be used: “too poetic”"
    )
    assert verdict([{"msg": "odd", "type": "new_type"}]).message == "The model refused the input: “odd”"
    assert verdict([{"type": "new_type"}]).message == "The model refused the input."
    assert verdict([]).message == "fal refused the request (422)."
    noisy = verdict("line\none\x00\x1b[31m " + "x" * 900)
    assert "\n" not in noisy.message
    assert "\x1b" not in noisy.message
    assert len(noisy.message) < 600


def test_several_details_become_several_sentences_each_once() -> None:
    small = {"loc": ["body", "prompt"], "msg": "", "type": "missing"}
    other = {"loc": ["body", "image_url"], "msg": "", "type": "missing"}
    error = verdict([small, small, other])
    assert error.message.count("is missing") == 2
    assert error.field == "prompt"


def test_a_place_in_a_list_is_told() -> None:
    wan = models.get("wan27")
    item, number = field_of(["body", "image_url", 1], wan)
    assert item is not None
    assert (item.name, number) == ("image", 2)
    assert field_of(["body", 0, "nothing"], wan) == (None, None)
    assert field_of("body", wan) == (None, None)
    assert field_of(["image_url"], None) == (None, None)


@pytest.mark.parametrize("body", [b"", b"null", b"3", b'"x"', b"[1]", b"\xff\xfe", b'{"detail": 5}', b'{"detail": [5, null]}', b'{"detail": {"a": 1}}', b'{"detail": [{"type": 7, "loc": 3, "msg": null, "ctx": []}]}'])  # fmt: skip
@pytest.mark.parametrize(
    "status", [200, 302, 400, 401, 402, 403, 404, 408, 418, 422, 425, 429, 499, 500, 502, 503, 504]
)
@pytest.mark.parametrize("phase", ["upload", "submit", "status", "result", "cancel"])
def test_nothing_that_comes_breaks_the_mapping(body: bytes, status: int, phase: Any) -> None:
    for spec in (KLING, None):
        error = from_response(status, {}, body, spec, phase=phase)
        assert error.message
        assert error.kind
        json.dumps(error.raw)
        if phase == "submit" and status in (200, 408, 500, 502, 503, 504):
            assert isinstance(error, OutcomeUnknown)
        if phase != "submit":
            assert not isinstance(error, OutcomeUnknown), "only a submit can be lost"
        if phase in ("upload", "submit") and not isinstance(error, OutcomeUnknown):
            assert error.charged is Charged.NO
        if phase in ("status", "result", "cancel") and status in (401, 402, 403):
            assert isinstance(error, ProviderUnavailable), "a key to be mended is not the job's failure"
