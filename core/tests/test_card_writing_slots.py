"""Two plugins with one slot on the card: found when the hub starts, not at the first card."""

from __future__ import annotations

import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from mykey_core.plugins.config import PluginChoice, PluginsFile
from mykey_core.plugins.loader import PluginState, load_plugins
from mykey_core.storage.engine import open_engine

_MANIFEST = """
name = "{name}"
title = {{ ja = "見本", en = "Sample" }}
description = {{ ja = "見本", en = "Sample" }}
version = "1"
api = "0.1"
package = "slot_{name}"
legal_basis = {{ ja = "なし" }}
retention = {{ ja = "なし" }}
[requests]
capabilities = ["tap"]
[card_profile]
service = {slot}
label = "{name}"
[[card_profile.fields]]
name = "number"
"""


def put(folder: Path, name: str, slot: int, code: str = "") -> EntryPoint:
    package = folder / f"slot_{name}"
    package.mkdir()
    (package / "__init__.py").write_text(code, encoding="utf-8")
    (package / "mykey-plugin.toml").write_text(_MANIFEST.format(name=name, slot=slot), encoding="utf-8")
    return EntryPoint(name, f"slot_{name}", "mykey.plugins")


@pytest.fixture(autouse=True)
def _shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    for name in [name for name in sys.modules if name.startswith("slot_")]:
        monkeypatch.delitem(sys.modules, name)


def test_the_second_claim_of_a_slot_is_quarantined_with_its_reason(tmp_path: Path) -> None:
    """The first by name keeps the slot, others run on; a plugin that fails itself claims nothing."""
    broken = "from mykey_core.api import hookimpl\n@hookimpl\ndef mykey_setup(context):\n    raise RuntimeError\n"
    points = [
        put(tmp_path, "abroken", 0x0501, broken),
        put(tmp_path, "bus", 0x0501),
        put(tmp_path, "points", 0x0501),
        put(tmp_path, "taxi", 0x0301),
    ]
    choices = {point.name: PluginChoice(enabled=True, grants=frozenset({"tap"})) for point in points}
    engine = open_engine(f"sqlite:///{tmp_path}/hub.db")
    file = PluginsFile(plugins=choices)
    loaded, reports = load_plugins(file, municipality="132217", engine=engine, points=points)
    engine.dispose()
    assert set(loaded) == {"bus", "taxi"}
    refused = next(report for report in reports if report.name == "points")
    assert refused.state is PluginState.QUARANTINED
    assert refused.reason == "plugin 'points': the plugin 'bus' has its slot 0501 on the card"
