"""The systemd units, judged by systemd: understood, hardened, and agreeing with program and how-to."""

from __future__ import annotations

import configparser
import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import click
import pytest

from mykey_core.cli import main

_ROOT = Path(__file__).resolve().parents[1]
_UNITS = sorted((_ROOT / "packaging" / "systemd").iterdir())
_SERVICES = [unit for unit in _UNITS if unit.suffix == ".service" and unit.name != "mykey-kiosk.service"]
_MOST_EXPOSED = 2.0
"""Of ten, as `systemd-analyze security` counts; below it says OK."""


@pytest.fixture
def analyze() -> str:
    """Its path; skipped where systemd is not installed, which in CI is a failure."""
    found = shutil.which("systemd-analyze")
    if found is None:
        reason = "systemd-analyze is not installed (Debian: systemd)"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    return found


@pytest.mark.parametrize("unit", _UNITS, ids=lambda unit: unit.name)
def test_systemd_understands_the_unit(analyze: str, unit: Path) -> None:
    """No unknown directive, no value that is ignored."""
    arguments = ["--user"] if unit.name == "mykey-kiosk.service" else []
    done = subprocess.run(
        [analyze, *arguments, "verify", "--man=no", "--recursive-errors=no", str(unit)],
        capture_output=True, text=True, check=False, env={**os.environ, "XDG_RUNTIME_DIR": "/run"},
    )  # fmt: skip
    about_us = [line for line in done.stderr.splitlines() if "mykey" in line and "chromium" not in line]
    assert about_us == []


@pytest.mark.parametrize("unit", _SERVICES, ids=lambda unit: unit.name)
def test_a_service_can_do_little_else(analyze: str, unit: Path) -> None:
    """What systemd itself says of its exposure."""
    done = subprocess.run(
        [analyze, "security", "--offline=true", "--no-pager", str(unit)], capture_output=True, text=True, check=True
    )
    found = re.search(r"Overall exposure level for \S+: ([0-9.]+)", done.stdout)
    assert found is not None
    assert float(found[1]) <= _MOST_EXPOSED


@pytest.mark.parametrize("unit", _SERVICES, ids=lambda unit: unit.name)
def test_a_service_is_a_command_of_the_program(unit: Path) -> None:
    """Each `mykey …` with its options, as an unprivileged user, with files for nobody else."""
    service = _parsed(unit)["Service"]
    command = service["ExecStart"].replace("$$", "$").replace("%%", "%")
    words = shlex.split(command.partition("mykey ")[2].replace("'", ""))
    found: click.Command = main
    context = click.Context(main)
    while isinstance(found, click.Group) and words and (below := found.get_command(context, words[0])):
        found, context, words = below, click.Context(below, parent=context), words[1:]
    known = {flag for option in found.get_params(context) for flag in option.opts}
    assert not isinstance(found, click.Group), command
    assert {word for word in words if word.startswith("--")} <= known
    assert service["User"] not in {"", "root"}
    assert (service["UMask"], service["StateDirectoryMode"]) == ("0077", "0700")


def test_the_guide_names_every_unit_of_a_hub() -> None:
    """Units and the how-to go together: user, folders and names."""
    guide = (_ROOT / "docs/how-to/small-town-on-one-machine.md").read_text(encoding="utf-8")
    for name in ("mykey-hub", "mykey-crl.timer", "mykey-backup.timer"):
        assert name in guide
    folders = {word for unit in _SERVICES for word in re.findall(r"/(?:var|etc)/[\w/-]*mykey\b", unit.read_text())}
    assert {folder for folder in folders if folder not in guide and "terminal" not in folder} == set()


def _parsed(unit: Path) -> configparser.ConfigParser:
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str  # type: ignore[method-assign,assignment]  # names of directives have capitals
    parser.read(unit, encoding="utf-8")
    return parser
