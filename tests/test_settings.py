"""Settings: what the environment says, what is refused, and that `.env.example` names them all."""

import re
from pathlib import Path

import pytest

from core.errors import NotConfigured
from core.settings import Settings, load

ROOT = Path(__file__).parents[1]


def names_in_example() -> set[str]:
    text = (ROOT / ".env.example").read_text("utf-8")
    return {name.split("__")[0].lower() for name in re.findall(r"^(?:# )?([A-Z][A-Z0-9_]+)=", text, re.M)}


def test_the_example_names_every_setting_and_no_other() -> None:
    assert names_in_example() == set(Settings.model_fields)


def test_the_example_can_be_used_as_it_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    env = tmp_path / ".env"
    env.write_text((ROOT / ".env.example").read_text("utf-8"))
    monkeypatch.setitem(Settings.model_config, "env_file", str(env))
    monkeypatch.delenv("DATA_DIR")
    settings = load()
    assert settings.fal_key is None
    assert settings == Settings.model_construct(
        **{name: info.get_default(call_default_factory=True) for name, info in Settings.model_fields.items()}
    )


@pytest.mark.parametrize(
    ("env", "key"),
    [
        ({"FAL_API_KEY": "a:b"}, "a:b"),
        ({"FAL_KEY": "c:d"}, "c:d"),
        ({"FAL_API_KEY": "a:b", "FAL_KEY": "c:d"}, "a:b"),
        ({"FAL_KEY_ID": "i", "FAL_KEY_SECRET": "s"}, "i:s"),
        ({"FAL_KEY_ID": "i"}, None),
        ({}, None),
    ],
)
def test_the_key_is_found_under_each_of_its_names(
    monkeypatch: pytest.MonkeyPatch, env: dict[str, str], key: str | None
) -> None:
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    found = load().fal_key
    assert (found.get_secret_value() if found else None) == key
    assert key is None or key not in repr(load())


@pytest.mark.parametrize(
    ("env", "queue", "rest"),
    [
        ({}, "https://queue.fal.run", "https://rest.fal.ai"),
        ({"FAL_BASE_URL": "https://fal.run/"}, "https://queue.fal.run", "https://rest.fal.ai"),
        ({"FAL_BASE_URL": "https://queue.fal.run"}, "https://queue.fal.run", "https://rest.fal.ai"),
        ({"FAL_BASE_URL": "http://127.0.0.1:9"}, "http://127.0.0.1:9", "http://127.0.0.1:9"),
        ({"FAL_QUEUE_URL": "http://q:1", "FAL_REST_URL": "http://r:2"}, "http://q:1", "http://r:2"),
    ],
)
def test_addresses_follow_from_the_base(
    monkeypatch: pytest.MonkeyPatch, env: dict[str, str], queue: str, rest: str
) -> None:
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    assert (load().queue_url, load().rest_url) == (queue, rest)


def test_an_endpoint_can_be_overridden(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAL_ENDPOINT__LUCY14B", "/decart/lucy-i2v")
    assert load().endpoint("lucy14b", "x/y") == "decart/lucy-i2v"
    assert load().endpoint("lucy5b", "x/y") == "x/y"


@pytest.mark.parametrize(
    ("name", "value"),
    [("FAL_BASE_URL", "fal.run"), ("WORKER", "maybe"), ("POLL_SECONDS", "0"), ("FAL_MAX_IN_FLIGHT", "many")],
)
def test_what_cannot_be_used_is_named(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(NotConfigured, match=name) as caught:
        load()
    assert "pydantic" not in caught.value.message


def test_settings_are_frozen(settings: Settings) -> None:
    with pytest.raises(ValueError, match="frozen"):
        settings.debug = "x"  # type: ignore[misc]
