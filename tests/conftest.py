"""Fixtures that every test shares: a scrubbed environment and a data folder of its own."""

import os
from pathlib import Path

import pytest

from core.settings import Settings, load

pytest_plugins = ["tests.supabase_server.fixtures"]

OURS = tuple(
    alias.upper()
    for name, info in Settings.model_fields.items()
    for alias in (name, *(getattr(info.validation_alias, "choices", None) or ()))
)


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No test sees the developer's settings, or writes outside its own folder."""
    for name in list(os.environ):
        if (
            name.upper() in OURS
            or name.upper().startswith(("FAL_", "SUPABASE_", "NEXT_PUBLIC_"))
            or name.upper().endswith("_PROXY")
        ):
            monkeypatch.delenv(name)
    monkeypatch.setenv("DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setitem(Settings.model_config, "env_file", None)


@pytest.fixture
def settings() -> Settings:
    return load()
