"""The contract of the catalogue: what every model has to have, so that its page, form, price and command line work."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Annotated, Any

import pytest
from pydantic import Field

from core import models
from core.errors import InvalidForm, NotFound
from core.models.spec import (
    Choice,
    Clips,
    Estimate,
    Kind,
    ModelInput,
    ModelSpec,
    Number,
    Prompt,
    Seed,
    Still,
    Text,
    form_fields,
)
from core.models.validate import validate
from pages.parts.form import WIDGETS
from tests.fal_server.sample import UPLOADS, least

ROOT = Path(__file__).parents[1]
EVERY_MODEL = pytest.mark.parametrize("spec", models.MODELS.values(), ids=models.MODELS)


@EVERY_MODEL
def test_the_model_introduces_itself(spec: ModelSpec) -> None:
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", spec.slug)
    assert spec.title.strip() == spec.title != ""
    assert spec.maker
    assert spec.summary.endswith(".")
    assert "/" in spec.endpoint
    assert not spec.endpoint.startswith(("/", "http"))
    low, high = spec.expected_wait_s
    assert 0 < low <= high
    assert models.get(spec.slug) is spec


@EVERY_MODEL
def test_every_field_has_words_and_a_widget(spec: ModelSpec) -> None:
    assert spec.fields
    for field in spec.fields:
        assert field.label[0].isupper(), field.name
        assert field.help.endswith("."), field.name
        assert type(field.kind) in WIDGETS, field.name
    assert len({field.wire for field in spec.fields}) == len(spec.fields), "two fields with one name on the wire"


@EVERY_MODEL
def test_the_form_begins_with_a_still_or_clips(spec: ModelSpec) -> None:
    """The page's samples and posters rest on it."""
    assert any(field.required and isinstance(field.kind, Still | Clips) for field in spec.fields)


@EVERY_MODEL
def test_untouched_fields_are_valid_and_stay_as_they_are(spec: ModelSpec) -> None:
    given = validate(spec.input, least(spec), spec.title)
    for field in spec.fields:
        value = getattr(given, field.name)
        if field.name not in least(spec):
            assert value == field.default, field.name
        match field.kind:
            case Choice(options):
                assert value in options, field.name
            case Number(low, high, _, _):
                assert low is None or value >= low, field.name
                assert high is None or value <= high, field.name
    shown = {field.name: field.default for field in spec.fields} | least(spec)
    assert validate(spec.input, shown, spec.title) == given, "what an untouched form sends is not the default"


@EVERY_MODEL
def test_an_empty_form_is_told_what_is_missing(spec: ModelSpec) -> None:
    with pytest.raises(InvalidForm) as caught:
        validate(spec.input, {}, spec.title)
    assert caught.value.fields
    for name, message in caught.value.fields.items():
        assert name in {field.name for field in spec.fields}
        assert message.endswith(".")
        assert not re.search(r"validation|pydantic|\bNone\b|type=", message)


@EVERY_MODEL
def test_a_text_over_its_limit_is_told_by_how_much(spec: ModelSpec) -> None:
    for field in spec.fields:
        if not isinstance(field.kind, Prompt | Text) or field.kind.limit is None:
            assert not isinstance(field.kind, Prompt), "a prompt has a limit: the form counts towards it"
            continue
        with pytest.raises(InvalidForm) as caught:
            validate(spec.input, {**least(spec), field.name: "x" * (field.kind.limit + 7)}, spec.title)
        assert list(caught.value.fields) == [field.name]
        assert "Shorten it by 7." in caught.value.fields[field.name]


@EVERY_MODEL
def test_an_unknown_setting_is_refused(spec: ModelSpec) -> None:
    with pytest.raises(InvalidForm, match="no setting “sharpness”"):
        validate(spec.input, {**least(spec), "sharpness": 3}, spec.title)


@EVERY_MODEL
def test_price_and_length(spec: ModelSpec) -> None:
    given = validate(spec.input, least(spec), spec.title)
    estimate = spec.price(given)
    assert isinstance(estimate, Estimate)
    assert estimate.basis
    assert (estimate.low_usd is None) == (estimate.high_usd is None)
    if estimate.low_usd is not None and estimate.high_usd is not None:
        assert 0 < estimate.low_usd <= estimate.high_usd < 50
    assert "$0.00" not in str(estimate)
    assert "free" not in str(estimate), "a hosted model is never free"
    low, high = spec.seconds(given)
    assert 0 < low <= high <= 600


@EVERY_MODEL
def test_the_payload_carries_addresses_and_no_key_of_ours(spec: ModelSpec) -> None:
    given = validate(spec.input, least(spec), spec.title)
    payload = spec.to_payload(given, UPLOADS)
    assert spec.media_keys(given)
    for key in spec.media_keys(given):
        assert UPLOADS[key] in str(payload)
        assert f"'{key}'" not in str(payload)
    assert spec.still(given.model_dump(mode="json")) in spec.media_keys(given)
    for name, value in spec.constants.items():
        assert payload[name] == value


def test_no_widget_without_a_kind_and_no_kind_without_a_widget() -> None:
    assert set(WIDGETS) == set(Kind.__args__)


def test_a_field_of_no_known_kind_is_a_type_error() -> None:
    class Odd(ModelInput):
        when: complex = Field(description="A moment.")

    with pytest.raises(TypeError, match=r"'when'.*give it a kind"):
        form_fields(Odd)


def test_a_field_without_a_description_is_a_type_error() -> None:
    class Bare(ModelInput):
        prompt: Annotated[str, Prompt()]

    with pytest.raises(TypeError, match="needs a description"):
        form_fields(Bare)


def test_fields_are_read_off_the_input() -> None:
    class Sample(ModelInput):
        prompt: Annotated[str, Prompt()] = Field(max_length=12, description="What happens.")
        note: Annotated[str | None, Text()] = Field(None, description="A note.")
        strength: float = Field(0.5, ge=0, le=1, description="How much.", json_schema_extra={"unit": "%"})
        frames: int | None = Field(None, ge=8, description="How many.", serialization_alias="num_frames")
        seed: Annotated[int | None, Seed()] = Field(None, description="Seed.")

    prompt, note, strength, frames, seed = form_fields(Sample)
    assert (prompt.kind, prompt.required, prompt.label) == (Prompt(12), True, "Prompt")
    assert (note.kind, note.required, note.default) == (Text(None), False, None)
    assert (strength.kind, strength.unit, strength.default) == (Number(0, 1, 0.05, False), "%", 0.5)
    assert (frames.kind, frames.wire) == (Number(8, None, 1, True), "num_frames")
    assert seed.kind == Seed()


def test_a_model_that_is_not_there() -> None:
    with pytest.raises(NotFound, match="There are: lucy14b"):
        models.get("lucy99")


@pytest.mark.parametrize(
    ("names", "error"),
    [
        (("lucy14b", "lucy14b"), "ValueError: core/models/lucy14b.py: slug 'lucy14b' is taken"),
        (("lucy14b", "lucy41b"), "ModuleNotFoundError: No module named 'core.models.lucy41b'"),
    ],
)
def test_a_duplicate_or_a_typo_in_the_registry_fails_at_once(names: tuple[str, ...], error: str) -> None:
    ran = python(f"from core import models; models._load({names!r})")
    assert ran.returncode == 1
    assert ran.stderr.strip().endswith(error)


def test_a_slug_that_is_a_page_or_route_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not models.RESERVED & models.MODELS.keys()
    monkeypatch.setattr(models, "RESERVED", models.RESERVED | {"lucy14b"})
    with pytest.raises(ValueError, match="'lucy14b' is taken"):
        models._load(("lucy14b",))


def test_core_never_imports_streamlit() -> None:
    ran = python(
        "import pkgutil, importlib, sys, core\n"
        "for found in pkgutil.walk_packages(core.__path__, 'core.'):\n"
        "    if not found.name.endswith('__main__'):\n"
        "        importlib.import_module(found.name)\n"
        "found = sorted(name for name in sys.modules if name.partition('.')[0].startswith(('streamlit', 'pages')))\n"
        "assert 'core.studio' in sys.modules and 'core.cli' in sys.modules\n"
        "assert not found, found"
    )
    assert ran.returncode == 0, ran.stderr


def python(code: str) -> "subprocess.CompletedProcess[Any]":
    """A fresh interpreter in the project's folder."""
    return subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120)
