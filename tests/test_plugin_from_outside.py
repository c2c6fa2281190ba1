"""A stranger writes a plugin: from the installed wheels, outside of this checkout, without the hub's sources."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

pytestmark = pytest.mark.xdist_group("wheels")  # they are built once
_INSTALL = ("-m", "pip", "install", "--quiet", "--no-index", "--no-deps", "--no-build-isolation", "-e")


def _environment(**more: str) -> Mapping[str, str]:
    """This process's environment without its Python paths: nothing of the checkout is found."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "PYTEST"))}
    return kept | more


def _run(python: Path, folder: Path, *arguments: str, fails: bool = False) -> str:
    done = subprocess.run(
        [str(python), *arguments], cwd=folder, env=_environment(), check=False, capture_output=True, text=True
    )
    assert (done.returncode != 0) == fails, done.stdout + done.stderr
    return done.stdout


@pytest.fixture
def rendered(outside_python: Callable[[Path], Path], tmp_path: Path) -> tuple[Path, Path]:
    """(Python of a new environment, folder of a newly rendered and installed plugin)."""
    python = outside_python(tmp_path / "environment")
    _run(python, tmp_path, "-m", "mykey_core", "plugin", "new", "town-stamps", "--title-ja", "まちのスタンプ")
    folder = tmp_path / "town-stamps"
    _run(python, folder, *_INSTALL, ".")
    return python, folder


@pytest.mark.timeout(600)
@pytest.mark.postgres
def test_a_rendered_plugin_passes_its_tests(rendered: tuple[Path, Path]) -> None:
    """Its own tests and the whole conformance suite are green, on both databases, and the checker finds no fault."""
    python, folder = rendered
    where = _run(python, folder, "-c", "import mykey_core, mykey_testkit; print(mykey_core.__file__)")
    assert str(folder.parent) in where
    report = _run(python, folder, "-m", "pytest", "-q", "-p", "no:cacheprovider")
    assert re.search(r"\b2[0-9] passed", report), report
    assert "skipped" not in report
    findings = json.loads(_run(python, folder, "-m", "mykey_core", "plugin", "check", ".", "--json"))
    assert findings["errors"] == 0


@pytest.mark.timeout(600)
def test_a_plugin_lives_in_a_hub(rendered: tuple[Path, Path]) -> None:
    """It is granted and enabled, a card is tapped, it is disabled with its data kept, and purged with an export."""
    python, folder = rendered
    story = Path(__file__).with_name("outside_story.py").read_text(encoding="utf-8")
    (folder.parent / "story.py").write_text(story, encoding="utf-8")
    assert "done" in _run(python, folder.parent, "story.py")
