"""The README tells the truth: every setting and model is in it, and the file it shows works."""

import re
import sys
from pathlib import Path

import pytest

from core.models import MODELS
from core.settings import Settings

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text("utf-8")


@pytest.mark.parametrize("name", Settings.model_fields)
def test_every_setting_is_in_it(name: str) -> None:
    assert f"`{name.upper()}" in README


@pytest.mark.parametrize("slug", MODELS)
def test_every_model_is_in_it(slug: str) -> None:
    assert f"`/{slug}`" in README
    assert MODELS[slug].title in README
    assert MODELS[slug].endpoint in README


@pytest.mark.parametrize("page", ["README.md", "core/models/README.md"])
def test_the_file_it_shows_is_a_model(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = re.search(r"```python\n(.*?)```", (ROOT / page).read_text("utf-8"), re.S)
    assert code
    (tmp_path / "shown_in_readme.py").write_text(code[1], "utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    try:
        import shown_in_readme  # type: ignore[import-not-found]

        spec = shown_in_readme.SPEC
    finally:
        sys.modules.pop("shown_in_readme", None)
    assert [field.name for field in spec.fields] == ["image", "prompt", "duration"]
    assert spec.slug not in MODELS


def test_every_picture_and_file_it_links_to_is_there() -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        assert (ROOT / target).exists(), target
