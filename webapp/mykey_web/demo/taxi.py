"""The taxi programme of the demo town: its counter, a cab with a debit key, companies, and the town's account."""

from __future__ import annotations

from contextlib import redirect_stdout
from importlib.resources import as_file, files
from io import StringIO
from pathlib import Path

from mykey_core.card_writing.counter import GATE, RIGHT
from mykey_core.hub import open_hub
from mykey_core.settings import load_settings
from mykey_web.demo import processes

NAME, DESK, RIDE, SLOT = "taxi", "taxi-desk", "taxi-ride", "0301"
TAXI_COUNTER, CAB = "taxi-counter", "taxi-cab"
COUNTER_TITLES = {"ja": "交通政策課 タクシー助成窓口", "en": "Taxi subsidy counter", "ja-Hira": "タクシーの まどぐち"}
CAB_TITLES = {"ja": "みほんタクシー 12号車", "en": "Mihon Taxi, cab 12", "ja-Hira": "タクシー 12ごうしゃ"}
_PLUGINS = """
[plugins.taxi]
enabled = true
grants = [
    "attribute:birth_date", "audit", "card-slot", "database", "events", "jobs", "offline", "pages", "people", "tap",
]

[plugins.taxi.settings]
programme = "mihon-taku"
packs = "{folder}/packs"
payer = "{folder}/payer.toml"
early_close = true

[plugins.taxi.services.taxi-desk]
residents_only = true
"""


def enable_taxi(config: Path) -> None:
    """Into plugins.toml, with the demo's rules beside it; before the hub starts."""
    folder = config.parent / "taxi"
    with as_file(files("mykey_taxi") / "demo") as source:
        (folder / "packs").mkdir(parents=True)
        for name in ("operators.toml", "payer.toml", "packs/mihon.toml"):
            (folder / name).write_bytes((source / name).read_bytes())
    plugins = config.parent / "plugins.toml"
    text = plugins.read_text(encoding="utf-8") + _PLUGINS.format(folder=folder)
    plugins.write_text(text, encoding="utf-8")


def add_taxi(config: Path) -> None:
    """The counter and the cab, and the companies by the plugin's own command."""
    hub = open_hub(load_settings(config))
    try:
        hub.terminals.define_service_point(TAXI_COUNTER, COUNTER_TITLES, [RIGHT, GATE, DESK])
        hub.terminals.define_service_point(CAB, CAB_TITLES, [RIDE])
    finally:
        hub.close()
    _mykey("taxi", "operator", "--config", str(config), str(config.parent / "taxi" / "operators.toml"))


def give_debit_key(config: Path, state: Path, log: Path) -> None:
    """From the hub's key store into the cab's terminal, as an administrator would by a pipe."""
    key = _mykey("keys", "debit-key", "--config", str(config), SLOT, "--terminal", CAB)
    if processes.run(["terminal", "debit-key", "--state", str(state)], log, given=key.encode()):
        raise processes.ProcessFailed(f"the cab's terminal took no debit key: see {log}")


def start_cab(state: Path, log: Path, cards: Path) -> processes.Child:
    """The cab's terminal without a page: JSON lines on its socket, and the shared tray of cards."""
    arguments = ["terminal", "run", "--point", CAB, "--state", str(state), "--headless", "socket", "--virtual"]
    return processes.Child([*arguments, "--cards", str(cards)], log)


def start_tablet(town: Path, socket: Path, log: Path) -> processes.Child:
    """The driver's page of the cab; its announcement has the address."""
    rules = ("--packs", str(town / "hub" / "taxi" / "packs"), "--programme", "mihon-taku")
    place = ("--socket", str(socket), "--state", str(town / "cab-ride"))
    return processes.Child(["taxi", "cab", *place, *rules, "--tray"], log)


def _mykey(*arguments: str) -> str:
    """A command of `mykey` in this process; its output."""
    from mykey_core.cli import main  # noqa: PLC0415 - the program's root imports commands lazily

    output = StringIO()
    with redirect_stdout(output):
        main.main(args=list(arguments), standalone_mode=False)
    return output.getvalue()


def ride_command(town: Path, socket: Path, *arguments: str) -> list[str]:
    """`mykey taxi ride` for the cab of the demo town in the folder `town`."""
    rules = ["--packs", str(town / "hub" / "taxi" / "packs"), "--programme", "mihon-taku"]
    return ["taxi", "ride", "--socket", str(socket), "--state", str(town / "cab-ride"), *rules, *arguments]
