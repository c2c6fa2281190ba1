"""The scenes of the story about the taxi: registered and written at the counter, ridden without the hub, paid."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mykey_web.demo.clients import Page
from mykey_web.demo.taxi import DESK, NAME, ride_command

Json = dict[str, Any]
TaxiScene = tuple[str, str, Callable[[], str]]
RIDERS = ("former-name", "rare-name")
_PIN = "1234"
_PATIENCE = 40.0


class TaxiStage:
    """What the scenes need: the counter's page, the cab's socket, the town's folder, and a switch for the hub."""

    def __init__(self, counter: Page, socket: Path, town: Path, *, hub: Callable[[bool], None]) -> None:
        self.counter = counter
        self.socket = socket
        self.town = town
        self.switch_hub = hub

    @property
    def config(self) -> Path:
        """The hub's settings."""
        return self.town / "hub" / "hub.toml"

    def mykey(self, *arguments: str) -> tuple[int, str]:
        """A command of `mykey`: exit status and output."""
        command = [sys.executable, "-m", "mykey_core", *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - our own program
        return done.returncode, done.stdout or done.stderr.strip().rpartition("\n")[2]

    def ride(self, *arguments: str) -> str:
        """A ride in the cab; money and riders in one line, or the error."""
        status, output = self.mykey(*ride_command(self.town, self.socket, *arguments))
        if status:
            return output
        receipt = json.loads(output)
        return f"fare {receipt['fare_yen']}, subsidy {receipt['subsidy_yen']}, cash {receipt['cash_yen']}"

    def month(self) -> str:
        """The month under way."""
        return time.strftime("%Y-%m", time.gmtime(time.time() + 9 * 3600))


def taxi_scenes(stage: TaxiStage) -> list[TaxiScene]:
    """(name, expected, act) of each."""

    def registered(card: str) -> str:
        stage.counter.insert(card)
        young = stage.counter.tap(DESK, "register", _PIN)
        tap = stage.counter.tap(DESK, "register", _PIN, documents="3")
        visit = tap["result"]["visit"]["id"]
        done = stage.counter.write("write", plugin=NAME, visit_id=visit)
        stage.counter.take_out()
        code = young["result"]["code"]
        return f"{code}, with a document {tap['result']['code']}, card {done.get('state') or done.get('code')}"

    def offline() -> str:
        stage.switch_hub(False)
        try:
            shared = [part for card in RIDERS for part in ("--card", card)]
            return stage.ride("--meter", "1430", "--from", "駅前", "--to", "病院", *shared)
        finally:
            stage.switch_hub(True)

    def uploaded() -> str:
        until = time.monotonic() + _PATIENCE
        while time.monotonic() < until:
            figures = json.loads(stage.mykey("taxi", "figures", "--config", str(stage.config), *_rules(stage))[1])
            if figures["total"]["rides"]:
                return f"{figures['shared']['rides']} shared ride, {figures['total']['subsidy_yen']} yen"
            time.sleep(0.5)
        return "nothing came"

    def closed() -> str:
        folder = stage.town / "month"
        payer = str(stage.config.parent / "taxi" / "payer.toml")
        close = ["taxi", "close", "--month", stage.month(), "--out", str(folder), "--payer", payer]
        status, output = stage.mykey(
            *close, "--now", "2099-01-01T00:00:00+0900", "--config", str(stage.config), *_rules(stage)
        )
        if status:
            return output
        pdf = next(folder.glob("invoice-*-mihon.pdf")).read_bytes()[:5].decode()
        transfer = next(folder.glob("transfer-*.txt")).read_bytes()
        return f"{json.loads(output)['due_yen']} yen due, {pdf} and {len(transfer)} bytes of Zengin"

    good = "taxi.no_ground, with a document taxi.enrolled, card done"
    return [
        ("first rider at the counter", good, lambda: registered(RIDERS[0])),
        ("second rider at the counter", good, lambda: registered(RIDERS[1])),
        ("shared ride while the hub is down", "fare 1430, subsidy 1000, cash 430", offline),
        ("the ride is uploaded and settled", "1 shared ride, 1000 yen", uploaded),
        ("the month is closed", "1000 yen due, %PDF- and 488 bytes of Zengin", closed),
    ]


def _rules(stage: TaxiStage) -> tuple[str, ...]:
    return ("--packs", str(stage.config.parent / "taxi" / "packs"), "--programme", "mihon-taku")
