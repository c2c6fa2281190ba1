"""The life of the stranger's plugin in a town, played by `test_plugin_from_outside` with the installed wheels only."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import tomlkit
from sqlalchemy import inspect

from mykey_testkit.hub import HubHarness

PLUGIN = "town-stamps"
SERVICE_POINT_TITLES = {"ja": "スタンプの窓口", "en": "Stamp desk"}


def mykey(*arguments: str) -> None:
    """Run a `mykey` command."""
    subprocess.run([sys.executable, "-m", "mykey_core", *arguments], check=True, capture_output=True, text=True)


def tables(town: HubHarness) -> set[str]:
    """The plugin's tables in the town's database."""
    return {name for name in inspect(town.hub.engine).get_table_names() if name.startswith("town_stamps_")}


def state(town: HubHarness) -> str:
    """The plugin's state, as `mykey plugins` shows it."""
    return next(report.state.value for report in town.hub.plugins.reports if report.name == PLUGIN)


def play(folder: Path) -> None:
    """Granted, enabled, used, disabled with the data kept, purged with an export."""
    town = HubHarness(folder, "", [PLUGIN])
    config = str(town.config)
    assert state(town) == "disabled"
    mykey("plugins", "grant", PLUGIN, "--config", config, "--yes")
    mykey("db", "upgrade", "--config", config)
    town.restart()
    assert state(town) == "active"
    desk = town.terminal()
    assert desk.tap("adult", PLUGIN)["result"]["code"] == "town-stamps.stamped"

    plugins_file = town.config.with_name("plugins.toml")
    written = tomlkit.parse(plugins_file.read_text(encoding="utf-8"))
    written["plugins"][PLUGIN]["enabled"] = False
    plugins_file.write_text(tomlkit.dumps(written), encoding="utf-8")
    town.restart()
    assert desk.begin(PLUGIN)["code"] == "service_unavailable"
    assert (state(town), len(tables(town))) == ("disabled", 1)

    export = folder / "export.json"
    mykey("plugin", "purge", PLUGIN, "--config", config, "--export", str(export), "--yes")
    assert len(json.loads(export.read_text(encoding="utf-8"))) > 0
    assert tables(town) == set()
    mykey("db", "upgrade", "--config", config)
    town.close()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        play(Path(name))
    sys.stdout.write("done\n")
