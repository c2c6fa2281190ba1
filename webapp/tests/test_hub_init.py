"""`mykey hub init`: what a new hub is told of its environment and its residents, and what is said to come next."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from mykey_core.clock import system_clock
from mykey_core.plugins.config import read_plugins_file
from mykey_core.settings import HubSettings, load_settings
from mykey_web.cli import hub
from mykey_web.demo.town import MUNICIPALITY, write_rehearsal

_ORIGIN = "http://127.0.0.1:8000"


@pytest.fixture(scope="module")
def practice(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of a rehearsal."""
    folder = tmp_path_factory.mktemp("practice")
    (folder / "point").write_text(write_rehearsal(folder, system_clock()), encoding="utf-8")
    return folder


def init(folder: Path, practice: Path, *options: str, origin: str = _ORIGIN) -> Result:
    """Make a hub in `folder`."""
    names = ["--municipality", MUNICIPALITY, "--title", "みほん市", "--title-en", "Mihon City"]
    arguments = ["init", str(folder), *names, "--origin", origin, "--ca", str(practice / "ca"), *options]
    return CliRunner().invoke(hub, arguments)


def residents_only(settings: HubSettings) -> bool:
    """Whether the library's desk is for residents."""
    plugins = read_plugins_file(settings.plugins_file, settings.municipality).plugins
    return plugins["library"].services["library-desk"].residents_only


def test_without_a_partition_the_library_is_for_everybody(tmp_path: Path, practice: Path) -> None:
    """No service is closed to everybody by what `init` writes, and it says how residents are told."""
    done = init(tmp_path / "hub", practice, "--environment", "test")
    assert done.exit_code == 0, done.output
    settings = load_settings(tmp_path / "hub" / "hub.toml", {})
    assert (settings.environment, settings.revocation.environment) == ("test", "test")
    assert len(settings.trust.authentication_ca) == 4
    assert not residents_only(settings)
    assert "residents_only = true" in done.stderr
    assert done.stdout.index("mykey trust update") < done.stdout.index("mykey serve")


def test_with_its_partition_the_library_is_for_residents(
    tmp_path: Path, practice: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The name that `mykey demo --files` prints is the one to give; the environment may come by its variable."""
    monkeypatch.setenv("MYKEY_ENVIRONMENT", "test")
    point = (practice / "point").read_text(encoding="utf-8")
    done = init(tmp_path / "hub", practice, "--resident-distribution-point", point)
    assert done.exit_code == 0, done.output
    settings = load_settings(tmp_path / "hub" / "hub.toml", {})
    assert settings.environment == "test"
    assert settings.resident_distribution_points == (point,)
    assert residents_only(settings)


@pytest.mark.parametrize(
    ("options", "origin", "blamed"),
    [
        ((), _ORIGIN, "environment = test or demo"),
        ((), "http://hub.example.jp", "must begin with https://"),
        (("--resident-distribution-point", "Kiyose"), "https://hub.example.jp", "RFC 4514"),
    ],
)
def test_what_is_wrong_is_said_before_anything_is_made(
    tmp_path: Path, practice: Path, options: tuple[str, ...], origin: str, blamed: str
) -> None:
    """The error names the cause, and the folder is not there: the command can be typed again."""
    done = init(tmp_path / "hub", practice, *options, origin=origin)
    assert done.exit_code == 1
    assert blamed in done.output
    assert not (tmp_path / "hub").exists()
