"""What strangers install: the wheels, in an environment of their own, far from this checkout."""

from __future__ import annotations

import os
import subprocess
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

pytestmark = pytest.mark.xdist_group("wheels")  # they are built once


@pytest.mark.timeout(400)
def test_the_demo_runs_from_the_installed_wheels(outside_python: Callable[[Path], Path], tmp_path: Path) -> None:
    """`mykey demo --check` passes outside of the checkout, so nothing is missing from the wheels."""
    python = outside_python(tmp_path / "environment")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    where = subprocess.run(
        [str(python), "-c", "import mykey_web, mykey_library; print(mykey_web.__file__)"],
        check=True, capture_output=True, text=True, cwd=tmp_path, env=environment,
    )  # fmt: skip
    assert str(tmp_path) in where.stdout
    done = subprocess.run(
        [str(python), "-m", "mykey_core", "demo", "--check"],
        check=False, capture_output=True, text=True, cwd=tmp_path, env=environment,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "scenes as expected" in done.stdout


def test_wheels_hold_no_tests_and_no_caches(wheels: list[Path]) -> None:
    """Nothing but the packages travels."""
    names = [name for wheel in wheels for name in zipfile.ZipFile(wheel).namelist()]
    scaffolds = ("/plugin_kit/template/", "/plugin_kit/bare_template/")  # a new plugin's tests travel with them
    own = [name for name in names if not any(scaffold in name for scaffold in scaffolds)]
    assert not [name for name in own if "__pycache__" in name or name.startswith("tests/") or "/tests/" in name]
    assert all(".dist-info/" in name or name.startswith("mykey_") for name in names)


def test_every_wheel_says_that_it_is_typed(wheels: list[Path]) -> None:
    """Each import package has `py.typed`, so type checkers of plugin authors read our annotations."""
    names = {name for wheel in wheels for name in zipfile.ZipFile(wheel).namelist()}
    packages = {name.split("/")[0] for name in names if name.startswith("mykey_") and ".dist-info" not in name}
    assert packages == {name.split("/")[0] for name in names if name.endswith("/py.typed")}
