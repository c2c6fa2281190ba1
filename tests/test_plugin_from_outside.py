"""A stranger writes a plugin: from the installed wheels, outside of this checkout, without the hub's sources."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

pytestmark = pytest.mark.xdist_group("wheels")  # they are built once
_OPTIONS = ("--quiet", "--no-index", "--no-deps", "--no-build-isolation", "-e")


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


@pytest.fixture(scope="module")
def rendered(outside_python: Callable[[Path], Path], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """(Python of a new environment, folder of a newly rendered and installed plugin), with a bare one beside it."""
    base = tmp_path_factory.mktemp("outside")
    python = outside_python(base / "environment")
    _run(python, base, "-m", "mykey_core", "plugin", "new", "town-stamps", "--title-ja", "まちのスタンプ")
    _run(python, base, "-m", "mykey_core", "plugin", "new", "town-bus", "--bare")
    for name in ("town-stamps", "town-bus"):
        _run(Path(sys.executable), base / name, "-m", "pip", "--python", str(python), "install", *_OPTIONS, ".")
    return python, base / "town-stamps"


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
@pytest.mark.postgres
def test_a_bare_plugin_passes_its_tests(rendered: tuple[Path, Path]) -> None:
    """The scaffold without an example is green too; what needs a service is skipped, with that as the reason."""
    python, folder = rendered
    bare = folder.with_name("town-bus")
    report = _run(python, bare, "-m", "pytest", "-q", "-rs", "-p", "no:cacheprovider")
    assert re.search(r"\b1[0-9] passed, 8 skipped", report), report
    assert set(re.findall(r"SKIPPED.*: (.*)", report)) == {"the plugin has no service"}
    findings = json.loads(_run(python, bare, "-m", "mykey_core", "plugin", "check", ".", "--json"))
    assert findings["errors"] == 0


@pytest.mark.timeout(600)
def test_a_plugin_lives_in_a_hub(rendered: tuple[Path, Path]) -> None:
    """It is granted and enabled, a card is tapped, it is disabled with its data kept, and purged with an export."""
    python, folder = rendered
    story = Path(__file__).with_name("outside_story.py").read_text(encoding="utf-8")
    (folder.parent / "story.py").write_text(story, encoding="utf-8")
    assert "done" in _run(python, folder.parent, "story.py")
