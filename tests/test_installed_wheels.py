"""What strangers install: the wheels, in an environment of their own, far from this checkout."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

_ROOT = Path(__file__).resolve().parents[1]
_PROJECTS = (".", "plugins/library", "tests/testkit")


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The three wheels, built from the checkout."""
    folder = tmp_path_factory.mktemp("wheels")
    for project in _PROJECTS:
        subprocess.run(
            [sys.executable, "-m", "build", "--no-isolation", "--wheel", "--outdir", str(folder), str(_ROOT / project)],
            check=True,
            capture_output=True,
        )
    return sorted(folder.glob("*.whl"))


def _python_with(wheels: list[Path], folder: Path) -> Path:
    """A new environment with the wheels; third-party libraries come from this one, our own code does not.

    A path in a .pth file is not searched for further .pth files, so the editable installs stay invisible.
    """
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    command = [str(python), "-m", "pip", "install", "--quiet", "--no-index", "--no-deps"]
    subprocess.run([*command, *map(str, wheels)], check=True, capture_output=True)
    site = next(folder.glob("lib/python*/site-packages"))
    (site / "borrowed.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
    return python


@pytest.mark.timeout(180)
def test_the_demo_runs_from_the_installed_wheels(wheels: list[Path], tmp_path: Path) -> None:
    """`mykey demo --check` passes outside of the checkout, so nothing is missing from the wheels."""
    python = _python_with(wheels, tmp_path / "environment")
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
    assert not [name for name in names if "__pycache__" in name or name.startswith("tests/") or "/tests/" in name]
    assert all(".dist-info/" in name or name.startswith("mykey_") for name in names)


def test_every_wheel_says_that_it_is_typed(wheels: list[Path]) -> None:
    """Each import package has `py.typed`, so type checkers of plugin authors read our annotations."""
    names = {name for wheel in wheels for name in zipfile.ZipFile(wheel).namelist()}
    packages = {name.split("/")[0] for name in names if name.startswith("mykey_") and ".dist-info" not in name}
    assert packages == {name.split("/")[0] for name in names if name.endswith("/py.typed")}
