"""A new model is one file and one line: in a copy of the project, its page, command line and contract tests follow."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PARTS = ("core", "pages", "tests", "streamlit_app.py", "pyproject.toml", ".streamlit")
REGISTRY = "core/models/__init__.py"

PAGE = """
from streamlit.testing.v1 import AppTest

def show():
    from core.models import get
    from pages import generate
    generate.render(get("example"))

page = AppTest.from_function(show, default_timeout=60).run()
page.button(key="example.try").click().run()
next(button for button in page.button if button.key.startswith("example.generate.")).click().run()
assert not page.exception and not page.error, (page.exception, page.error)
assert page.header[0].value == "Example"

from core.jobs.store import JobQuery
from core.studio import current

[job] = current().jobs(JobQuery())
assert (job.model, job.inputs["duration"]) == ("example", "5"), job
print("stored")
"""


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project with the model of `core/models/README.md` in it."""
    root = tmp_path_factory.mktemp("copy")
    for part in PARTS:
        if (ROOT / part).is_dir():
            shutil.copytree(ROOT / part, root / part, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / part, root / part)
    before = {file: file.read_bytes() for file in root.rglob("*") if file.is_file()}
    shown = re.search(r"```python\n(.*?)```", (ROOT / "core/models/README.md").read_text("utf-8"), re.S)
    assert shown
    (root / "core/models/example.py").write_text(shown[1], "utf-8")
    registry = root / REGISTRY
    registry.write_text(
        registry.read_text("utf-8").replace('    "lucy5b",\n', '    "lucy5b",\n    "example",\n', 1), "utf-8"
    )
    changed = [file for file, was in before.items() if file.read_bytes() != was]
    assert changed == [registry], "one line in one file"
    return root


def python(root: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """A fresh interpreter in the copy; it sees nothing of the project itself."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=root,
        env=environment | {"PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
        timeout=300,
    )


def test_the_command_line_lists_it(copy: Path) -> None:
    ran = python(copy, "-m", "core", "models", "--json")
    assert ran.returncode == 0, ran.stderr
    listed = json.loads(ran.stdout)
    names = [model.get("model") or model.get("slug") for model in listed]
    assert names[:3] == ["lucy14b", "lucy5b", "example"], "where its line stands in the registry"


def test_its_page_takes_a_sample_and_stores_a_job(copy: Path) -> None:
    script = copy / "visit.py"  # AppTest reads the page's source, so it has to stand in a file
    script.write_text(PAGE, "utf-8")
    ran = python(copy, str(script))
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.splitlines()[-1] == "stored"


def test_the_contract_tests_run_over_it(copy: Path) -> None:
    ran = python(copy, "-m", "pytest", "-v", "-p", "no:cacheprovider", "tests/test_catalogue.py", "-k", "example")
    assert ran.returncode == 0, ran.stdout
    passed = re.findall(r"::(\w+)\[example\] PASSED", ran.stdout)
    assert "test_every_field_has_words_and_a_widget" in passed
    assert len(passed) >= 8


def test_a_typo_in_the_line_fails_at_once(copy: Path) -> None:
    ran = python(copy, "-c", "from core import models; models._load(('lucy14b', 'exampel'))")
    assert ran.returncode == 1
    assert "core.models.exampel" in ran.stderr
