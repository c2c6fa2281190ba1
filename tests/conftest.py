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
def outside_python(wheels: list[Path], borrow: Callable[[Path], None]) -> OutsidePython:
    """Make a new environment with the wheels in a folder; returns its Python.

    Third-party libraries come from this environment, our own code does not.
    """

    def make(folder: Path) -> Path:
        venv.create(folder, with_pip=False)  # this environment's pip does it: a pip of its own takes seconds to make
        python = folder / "bin" / "python"
        command = [
            sys.executable,
            "-m",
            "pip",
            "--python",
            str(python),
            "install",
            "--quiet",
            "--no-index",
            "--no-deps",
        ]
        subprocess.run([*command, *map(str, wheels)], check=True, capture_output=True)
        borrow(folder)
        return python

    return make


@pytest.fixture(scope="session")
def borrow(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Path], None]:
    """Lend the third-party libraries of this environment to another one, and nothing of this checkout."""
    lent = tmp_path_factory.mktemp("libraries")
    for entry in Path(sysconfig.get_path("purelib")).iterdir():
        if not entry.name.startswith(("mykey", "_mykey", "__editable__", "__pycache__")) and entry.suffix != ".pth":
            (lent / entry.name).symlink_to(entry)

    def lend(environment: Path) -> None:
        site = next(environment.glob("lib/python*/site-packages"))
        (site / "borrowed.pth").write_text(f"{lent}\n", encoding="utf-8")

    return lend
