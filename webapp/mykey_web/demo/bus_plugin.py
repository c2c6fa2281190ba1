"""Installing the demo's bus plugin beside the hub, the town's card keys, and where cards are written and used."""

from __future__ import annotations

import shutil
from importlib.resources import as_file, files
from pathlib import Path

from mykey_cardap.emulator.service_application.persona_cards import DEVELOPMENT_GENERATION, DEVELOPMENT_MASTER
from mykey_core.card_writing.counter import GATE, RIGHT
from mykey_core.card_writing.keys.generations import Generations
from mykey_core.card_writing.keys.software import load_card_keys
from mykey_core.hub import open_hub
from mykey_core.settings import load_settings

NAME = "bus"
SERVICE = "bus-pass"
COUNTER, GATE_POINT = "card-counter", "bus-gate"
COUNTER_TITLES = {"ja": "市民課 カード窓口", "en": "City hall, card counter", "ja-Hira": "カードの まどぐち"}
GATE_TITLES = {"ja": "まちなか循環バス 改札", "en": "Circle bus, gate", "ja-Hira": "バスの かいさつ"}
PLUGINS = f"""
[plugins.{NAME}]
enabled = true
grants = ["tap", "card-slot", "audit"]
"""
_INFORMATION = "Metadata-Version: 2.1\nName: mykey-bus\nVersion: 1.0\n"


def install_bus_plugin(folder: Path) -> dict[str, str]:
    """Lay an installed distribution into `folder`; returns the environment in which Python finds it."""
    with as_file(files("mykey_web.demo") / "bus") as source:
        shutil.copytree(source, folder / "mykey_bus", ignore=shutil.ignore_patterns("__pycache__"))
    information = folder / "mykey_bus-1.0.dist-info"
    information.mkdir()
    (information / "METADATA").write_text(_INFORMATION, encoding="utf-8")
    (information / "entry_points.txt").write_text("[mykey.plugins]\nbus = mykey_bus\n", encoding="utf-8")
    return {"PYTHONPATH": str(folder)}


def add_cards(config: Path) -> None:
    """The places, and the master key of the emulated cards: it is published, so it protects nothing."""
    plugins = config.parent / "plugins.toml"
    plugins.write_text(plugins.read_text(encoding="utf-8") + PLUGINS, encoding="utf-8")
    hub = open_hub(load_settings(config))
    try:
        hub.terminals.define_service_point(COUNTER, COUNTER_TITLES, [RIGHT, SERVICE])
        hub.terminals.define_service_point(GATE_POINT, GATE_TITLES, [GATE])
        keys = load_card_keys(hub.settings.card_writing.keys_file)
        keys.add_master(DEVELOPMENT_GENERATION, DEVELOPMENT_MASTER)
        with hub.database.writing() as session:
            Generations(hub.settings.municipality).add(session, DEVELOPMENT_GENERATION, keys, hub.clock())
    finally:
        hub.close()
