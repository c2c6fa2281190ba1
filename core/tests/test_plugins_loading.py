"""Loading plugins: each is judged alone, and the reason for every state is told."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from mykey_core.errors import ConfigurationError
from mykey_core.plugins.config import PluginChoice, PluginsFile, read_plugins_file
from mykey_core.plugins.errors import ManifestError
from mykey_core.plugins.loader import PluginState, load_plugins
from mykey_core.plugins.manifest import parse_manifest
from mykey_core.storage.engine import open_engine

_MANIFEST = """
name = "{name}"
title = {{ ja = "見本", en = "Sample" }}
description = {{ ja = "見本", en = "Sample" }}
version = "1"
api = "{api}"
package = "{package}"
legal_basis = {{ ja = "なし" }}
retention = {{ ja = "なし" }}
[requests]
capabilities = ["tap"]
"""
_GOOD = """
from mykey_core.api import hookimpl

@hookimpl
def mykey_setup(context):
    pass
"""


@dataclass
class Shelf:
    """A folder on the path into which tests put plugin packages."""

    folder: Path

    def put(self, name: str, code: str, *, api: str = "0.1", manifest: str | None = None) -> EntryPoint:
        """Lay a plugin package there and return its entry point."""
        package = f"sample_{name}"
        (self.folder / package).mkdir()
        (self.folder / package / "__init__.py").write_text(code, encoding="utf-8")
        text = _MANIFEST.format(name=name, api=api, package=package) if manifest is None else manifest
        (self.folder / package / "mykey-plugin.toml").write_text(text, encoding="utf-8")
        return EntryPoint(name, package, "mykey.plugins")


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shelf]:
    monkeypatch.syspath_prepend(str(tmp_path))
    yield Shelf(tmp_path)
    for name in [name for name in sys.modules if name.startswith("sample_")]:
        del sys.modules[name]


def _load(*points: EntryPoint, grants: frozenset[str] = frozenset({"tap"})) -> dict[str, tuple[PluginState, str]]:
    choices = {point.name: PluginChoice(grants=grants) for point in points}
    _, reports = load_plugins(
        PluginsFile(plugins=choices), municipality="132217", engine=open_engine("sqlite://"), points=points
    )
    return {report.name: (report.state, report.reason) for report in reports}


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("raise RuntimeError('no')", "RuntimeError: no"),
        ("import not_there_at_all", "ModuleNotFoundError"),
        ("def f(:", "SyntaxError"),
        (_GOOD.replace("mykey_setup", "mykey_setpu"), "mykey_setpu"),
        (_GOOD.replace("pass", "raise ValueError('bad setting')"), "ValueError: bad setting"),
        (_GOOD.replace("(context)", "(context, surprise)"), "surprise"),
    ],
)
def test_one_broken_plugin_is_quarantined_and_the_next_is_active(shelf: Shelf, code: str, reason: str) -> None:
    """Whatever breaks, only that plugin is set aside, with its reason; the one after it runs."""
    states = _load(shelf.put("broken", code), shelf.put("fine", _GOOD))
    assert states["broken"][0] is PluginState.QUARANTINED
    assert reason in states["broken"][1]
    assert states["fine"] == (PluginState.ACTIVE, "")


def test_a_plugin_is_inactive_until_all_is_granted(shelf: Shelf) -> None:
    """The report names the grant that is missing."""
    states = _load(shelf.put("fine", _GOOD), grants=frozenset())
    assert states["fine"] == (PluginState.INACTIVE, "not granted: tap")


def test_a_manifest_is_read_without_importing(shelf: Shelf) -> None:
    """A plugin that lacks a grant is not imported: its code has not run."""
    _load(shelf.put("untouched", "raise SystemExit('imported')"), grants=frozenset())
    assert "sample_untouched" not in sys.modules


@pytest.mark.parametrize("api", ["0.3", "1.0", "9.9"])
def test_a_plugin_for_a_newer_api_is_quarantined(shelf: Shelf, api: str) -> None:
    """It says which API it needs and which this hub has."""
    state, reason = _load(shelf.put("newer", _GOOD, api=api))["newer"]
    assert state is PluginState.QUARANTINED
    assert api in reason


def test_a_name_that_is_not_installed_is_reported(shelf: Shelf) -> None:  # noqa: ARG001 - keeps the path clean
    """`plugins.toml` may name a plugin that is missing; the hub says so and runs on."""
    _, reports = load_plugins(
        PluginsFile(plugins={"ghost": PluginChoice()}),
        municipality="132217",
        engine=open_engine("sqlite://"),
        points=[],
    )
    assert [(report.name, report.state) for report in reports] == [("ghost", PluginState.NOT_INSTALLED)]


def test_the_reason_reaches_the_log(shelf: Shelf, caplog: pytest.LogCaptureFixture) -> None:
    """An administrator who only reads the log learns why, too."""
    with caplog.at_level(logging.WARNING):
        _load(shelf.put("broken", "raise RuntimeError('why')"))
    assert "broken" in caplog.text
    assert "why" in caplog.text


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ('name = "UPPER"', "name"),
        ('api = "one"', "api"),
        ('surprise = "member"', "surprise"),
        ("capabilities = ['everything']", "capabilities"),
    ],
)
def test_manifest_errors_name_the_member(change: str, place: str) -> None:
    """A wrong manifest is refused with the member that is wrong."""
    text = _MANIFEST.format(name="x", api="0.1", package="p")
    key = change.split(" =", maxsplit=1)[0]
    old = next((line for line in text.splitlines() if line.startswith(f"{key} =")), None)
    text = text.replace(old, change) if old else f"{change}\n{text}"
    with pytest.raises(ManifestError, match=place):
        parse_manifest(text, "x")


def test_a_misspelt_member_of_plugins_toml_gets_a_suggestion(tmp_path: Path) -> None:
    """'grant' is answered with 'grants'."""
    path = tmp_path / "plugins.toml"
    path.write_text('[plugins.library]\ngrant = ["tap"]\n', encoding="utf-8")
    with pytest.raises(ConfigurationError, match="did you mean 'grants'"):
        read_plugins_file(path, "132217")
