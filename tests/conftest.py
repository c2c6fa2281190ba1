"""What strangers install: the wheels of this checkout, in an environment of their own, far from it."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
import venv
from collections.abc import Callable
from pathlib import Path

import pytest

_ROOT = Path(__file__).resolve().parents[1]
_PROJECTS = (".", "plugins/library", "plugins/taxi", "tests/testkit")
OutsidePython = Callable[[Path], Path]


@pytest.fixture(scope="session")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The wheels of the hub, its plugins and the test kit, built from the checkout."""
    folder = tmp_path_factory.mktemp("wheels")
    for project in _PROJECTS:
        subprocess.run(
            [sys.executable, "-m", "build", "--no-isolation", "--wheel", "--outdir", str(folder), str(_ROOT / project)],
            check=True,
            capture_output=True,
        )
    return sorted(folder.glob("*.whl"))


@pytest.fixture(scope="session")
def outside_python(wheels: list[Path]) -> OutsidePython:
    """Make a new environment with the wheels in a folder; returns its Python.

    Third-party libraries come from this environment, our own code does not: a path in a .pth file is not searched for
    further .pth files, so the editable installs stay invisible.
    """

    def make(folder: Path) -> Path:
        venv.create(folder, with_pip=True)
        python = folder / "bin" / "python"
        command = [str(python), "-m", "pip", "install", "--quiet", "--no-index", "--no-deps"]
        subprocess.run([*command, *map(str, wheels)], check=True, capture_output=True)
        site = next(folder.glob("lib/python*/site-packages"))
        (site / "borrowed.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
        return python

    return make
