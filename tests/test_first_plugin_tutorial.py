"""The tutorial 'your first plugin', followed to the letter: its commands are run and its files are written."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

pytestmark = [pytest.mark.xdist_group("wheels"), pytest.mark.postgres, pytest.mark.timeout(600)]
_TUTORIAL = Path(__file__).resolve().parents[1] / "docs" / "tutorials" / "your-first-plugin.md"
_BLOCK = re.compile(r"^```(\w+)[ ]?(.*?)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_PATIENCE = 60.0


@dataclass
class _Newcomer:
    """Somebody in an empty folder, with the wheels in place of the package index, who does what the page says."""

    folder: Path
    wheels: Path
    borrow: Callable[[Path], None]

    def follow(self, text: str) -> None:
        """Every block of the page, in its order."""
        for language, instruction, content in _BLOCK.findall(text):
            if language == "sh":
                self._type(content, instruction)
            elif instruction.startswith("append="):
                path = self.folder / instruction.removeprefix("append=")
                blank = "\n\n" if language == "python" else ""
                path.write_text(path.read_text(encoding="utf-8") + blank + content, encoding="utf-8")
            elif instruction.startswith("file="):
                (self.folder / instruction.removeprefix("file=")).write_text(content, encoding="utf-8")

    def _type(self, content: str, instruction: str) -> None:
        for line in content.splitlines():
            if line.startswith("cd "):
                self.folder = self.folder / line.removeprefix("cd ")
            elif instruction == "background":
                self._look_at(line)
            else:
                done = subprocess.run(  # noqa: S602 - what the page tells a newcomer to type
                    line, shell=True, cwd=self.folder, env=_environment(self.wheels), check=False,
                    capture_output=True, text=True,
                )  # fmt: skip
                assert (done.returncode != 0) == (instruction == "fails"), f"{line}\n{done.stdout}\n{done.stderr}"
            if line.startswith(".venv/bin/pip install mykey"):
                self.borrow(self.folder / ".venv")

    def _look_at(self, line: str) -> None:
        """Run a command that goes on, open the address that it prints, and end it."""
        process = subprocess.Popen(  # noqa: S602 - the same
            line, shell=True, cwd=self.folder, env=_environment(self.wheels), stdout=subprocess.PIPE, text=True,
            start_new_session=True,
        )  # fmt: skip
        try:
            assert process.stdout is not None
            printed = (re.search(r"http://127\.0\.0\.1:\d+/point", text) for text in process.stdout)
            address = next(found[0] for found in printed if found)
            until = time.monotonic() + _PATIENCE
            while httpx.get(address).status_code != 200:
                assert time.monotonic() < until
                time.sleep(0.2)
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(20)
            process.stdout.close()


def _environment(wheels: Path) -> dict[str, str]:
    """The wheels stand in for the package index; nothing of the checkout is found."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "PYTEST", "CI"))}
    pip = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(wheels), "PIP_NO_DEPS": "1", "PIP_NO_BUILD_ISOLATION": "0"}
    return kept | pip | {"PYTHONUNBUFFERED": "1"}


@pytest.fixture
def newcomer(wheels: list[Path], borrow: Callable[[Path], None], tmp_path: Path) -> _Newcomer:
    """A newcomer."""
    return _Newcomer(tmp_path, wheels[0].parent, borrow)


def test_the_tutorial_works_to_the_letter(newcomer: _Newcomer) -> None:
    """From an empty folder to a plugin with a feature of its own, its tests green, its hub running."""
    newcomer.follow(_TUTORIAL.read_text(encoding="utf-8"))
