"""`mykey demo --check`: the story of the demo, scene by scene, over loopback HTTP with two processes.

A scene says what it saw in one line; the hub, the terminal's agent and the cards are the real ones.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from mykey_cardap.kinds import CertificateKind
from mykey_core.audit.records import records_since
from mykey_core.clock import system_clock
from mykey_core.settings import load_settings
from mykey_core.storage.database import open_database
from mykey_web.demo import processes
from mykey_web.demo.broken_plugin import NAME as BROKEN
from mykey_web.demo.broken_plugin import enable_broken_plugin, install_broken_plugin
from mykey_web.demo.bus_plugin import COUNTER, GATE_POINT, add_cards, install_bus_plugin
from mykey_web.demo.card_scenes import card_scenes
from mykey_web.demo.clerks import add_clerks
from mykey_web.demo.clients import Page, RawTerminal, make_token
from mykey_web.demo.counter_scenes import counter_scenes
from mykey_web.demo.proxy import LossyProxy
from mykey_web.demo.self_check_scenes import on_loan, self_check_scenes
from mykey_web.demo.sip2_scenes import has_client, sip2_scenes, start_sip2
from mykey_web.demo.taxi import CAB, TAXI_COUNTER, add_taxi, enable_taxi, give_debit_key, start_cab
from mykey_web.demo.taxi_scenes import TaxiStage, taxi_scenes
from mykey_web.demo.town import MUNICIPALITY, SELF_CHECK, SERVICE, SERVICE_POINT, Town, make_town

Say = Callable[[str], None]
Json = dict[str, Any]
_PATRON, _OTHER_PATRON, _THIRD_PATRON = "10000017", "10000025", "10000033"
_ITEM, _SIP2_ITEM = "A1000001", "A1000002"
_PIN, _WRONG_PIN, _SIGN_PIN = "1234", "0000", "ABC123"


@dataclass(frozen=True, slots=True)
class Scene:
    """One scene: its name, what is expected (a code and perhaps a figure), and how it is played."""

    name: str
    expected: str
    act: Callable[[], str]


class Stage:
    """The running town: hub behind a proxy, agent, page and a hostile terminal."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self._folder = folder
        self._stack = stack
        self._hub_port = processes.free_port()
        self._proxy = stack.enter_context(LossyProxy(self._hub_port))
        self.origin = f"http://127.0.0.1:{self._proxy.port}"
        self.town: Town = make_town(folder, self.origin, system_clock())
        self._environment = install_broken_plugin(folder / "broken-plugin")
        enable_broken_plugin(self.town.config.parent / "plugins.toml")
        self._environment = _joined(self._environment, install_bus_plugin(folder / "bus-plugin"))
        add_cards(self.town.config)
        enable_taxi(self.town.config)
        add_taxi(self.town.config)
        add_clerks(self.town)
        self._hub = self._start_hub()
        stack.callback(self._stop_hub)
        self.page = self._start_terminal(SERVICE_POINT)
        self.machine = self._start_terminal(SELF_CHECK)
        self.sip2 = start_sip2(stack, self.town)
        self.counter = self._start_terminal(COUNTER)
        self.gate = self._start_terminal(GATE_POINT)
        self.taxi = TaxiStage(self._start_terminal(TAXI_COUNTER), self._start_cab(), folder, hub=self._switch_hub)
        self.raw = RawTerminal(self.origin, self._code())
        stack.callback(self.raw.close)
        self.visit: str | None = None
        self.used: tuple[str, dict[str, str]] | None = None

    def _start_hub(self) -> processes.Child:
        return processes.start_hub(self.town.config, self._hub_port, self._folder / "hub.log", self._environment)

    def _stop_hub(self) -> None:
        self._hub.stop()

    def _start_terminal(self, point: str) -> Page:
        state, log = self._folder / f"terminal-{point}", self._folder / "terminal.log"
        processes.enrol_terminal(self.origin, self._code(point), state, log)
        agent = self._stack.enter_context(processes.start_agent(state, log, cards=self._folder / "cards"))
        page = Page(agent.announcement["address"], self.origin, agent.announcement["pairing_code"])
        self._stack.callback(page.close)
        return page

    def _start_cab(self) -> Path:
        """The cab's terminal with its debit key; the socket on which it listens."""
        state, log = self._folder / f"terminal-{CAB}", self._folder / "terminal.log"
        processes.enrol_terminal(self.origin, self._code(CAB), state, log)
        give_debit_key(self.town.config, state, log)
        cab = self._stack.enter_context(start_cab(state, log, self._folder / "cards"))
        return Path(cab.announcement["ready"])

    def _switch_hub(self, on: bool) -> None:  # noqa: FBT001 - a switch
        if on:
            self._hub = self._start_hub()
        else:
            self._hub.stop()

    def _code(self, point: str = SERVICE_POINT) -> str:
        return self._run("hub", "enrolment-code", "--config", str(self.town.config), point).strip()

    def _run(self, *arguments: str) -> str:
        done = subprocess.run(  # noqa: S603 - our own program with our own arguments
            [sys.executable, "-m", "mykey_core", *arguments],
            capture_output=True,
            check=True,
            text=True,
            env={**os.environ, **self._environment},
        )
        return done.stdout

    def plugin_states(self) -> dict[str, str]:
        """The state of each plugin as `mykey plugins` tells it."""
        reports = json.loads(self._run("plugins", "--config", str(self.town.config), "--json"))
        return {report["name"]: report["state"] for report in reports}

    def lose_reply(self, *, after_commit: bool) -> None:
        """At the next proof the hub is killed with SIGKILL and started again."""

        def crash() -> None:
            self._hub.kill()
            self._hub = self._start_hub()

        self._proxy.lose_next_reply(crash, after_commit=after_commit)

    def times_done(self, tap_id: str) -> int:
        """How often the audit says that a tap was done."""
        database = open_database(load_settings(self.town.config).database_url, MUNICIPALITY)
        with database.reading() as session:
            records = records_since(session, MUNICIPALITY, system_clock() - timedelta(hours=1))
        database.dispose()
        return sum(record.event == "tap.done" and record.facts.get("tap") == tap_id for record in records)

    def tap(self, card: str, action: str, pin: str = _PIN, **values: str) -> Json:
        """Put a card into the reader and tap."""
        self.page.insert(card)
        return self.page.tap(SERVICE, action, pin, **values)

    def expect(self, answer: Json) -> str:
        """The machine code of an answer, with the tries left where a PIN was wrong."""
        if answer.get("state") == "done":
            result: Json = answer["result"]
            visit = result.get("visit")
            self.visit = visit["id"] if visit else self.visit
            return str(result["code"])
        problem: Json = answer.get("problem") or answer
        remaining = problem.get("attempts_remaining")
        code = str(problem.get("code"))
        return code if remaining is None else f"{code}, {remaining} tries left"


def _joined(*environments: dict[str, str]) -> dict[str, str]:
    """Environments in which Python finds the packages of all."""
    return {"PYTHONPATH": os.pathsep.join(one["PYTHONPATH"] for one in environments)}


def _honest_scenes(stage: Stage) -> list[Scene]:
    def unknown() -> str:
        return stage.expect(stage.tap("adult", "open"))

    def lend() -> str:
        return stage.expect(stage.page.act(SERVICE, "lend", stage.visit, barcode=_ITEM))

    def loans() -> str:
        answer = stage.tap("adult", "open")
        tables = [block for block in answer["result"]["view"] if block["kind"] == "table"]
        due = "in both forms" if any(era in tables[0]["rows"][0][2] for era in ("令和", "Reiwa")) else "?"
        return f"{stage.expect(answer)}, {len(tables[0]['rows'])} on loan, due date {due}"

    return [
        Scene("first tap: not registered", "not_registered", unknown),
        Scene("link", "library.linked", lambda: stage.expect(stage.tap("adult", "link", patron_number=_PATRON))),
        Scene("tap", "library.welcome", lambda: stage.expect(stage.tap("adult", "open"))),
        Scene("lend", "library.lent", lend),
        Scene("lend the same item again", "library.item_with_you", lend),
        Scene("tap shows the loan", "library.welcome, 1 on loan, due date in both forms", loans),
        Scene("return", "library.returned", lambda: stage.expect(stage.page.act(SERVICE, "return", barcode=_ITEM))),
    ]


def _library_scenes(stage: Stage) -> list[Scene]:
    """The self-check machine, with the card that the honest scenes have linked; and machines that speak SIP2."""
    folder, card = stage.town.folder, "adult"
    over_sip2 = sip2_scenes(stage.sip2, folder, _PATRON, _SIP2_ITEM, lambda: on_loan(stage.machine, card))
    return [Scene(*scene) for scene in (*self_check_scenes(stage.machine, stage.page, card), *over_sip2)]


def _refused_cards(stage: Stage) -> list[Scene]:
    def tap(card: str, pin: str = _PIN) -> Callable[[], str]:
        return lambda: stage.expect(stage.tap(card, "open", pin))

    return [
        Scene("wrong PIN", "pin_wrong, 2 tries left", tap("adult", _WRONG_PIN)),
        Scene("right PIN restores the tries", "library.welcome", tap("adult")),
        Scene("blocked PIN", "pin_blocked", tap("blocked-pin")),
        Scene("revoked certificate", "certificate_revoked", tap("revoked")),
        Scene("held certificate", "certificate_held", tap("held")),
        Scene("expired certificate", "certificate_expired", tap("expired")),
        Scene("unknown CA with the same DN", "issuer_signature_invalid", tap("forged-ca")),
        Scene("card of another town", "other_municipality", tap("other-town")),
    ]


def _hostile_scenes(stage: Stage) -> list[Scene]:
    def proof(tap: Json, origin: str, kind: CertificateKind = CertificateKind.AUTHENTICATION) -> dict[str, str]:
        pin = _PIN if kind is CertificateKind.AUTHENTICATION else _SIGN_PIN
        return make_token("adult", pin, origin, tap["nonce"], kind)

    def replay() -> str:
        tap = stage.raw.begin(SERVICE)
        token = proof(tap, stage.origin)
        first = stage.expect(stage.raw.prove(tap["tap_id"], token))
        second = stage.expect(stage.raw.prove(tap["tap_id"], token))
        third = stage.expect(stage.raw.prove(stage.raw.begin(SERVICE)["tap_id"], token))
        return f"{first}, then {second}, on a new tap {third}"

    def other_origin() -> str:
        tap = stage.raw.begin(SERVICE)
        return stage.expect(stage.raw.prove(tap["tap_id"], proof(tap, "https://login.example.com")))

    def signing_certificate() -> str:
        tap = stage.raw.begin(SERVICE)
        token = proof(tap, stage.origin, CertificateKind.SIGNATURE)
        return stage.expect(stage.raw.prove(tap["tap_id"], token))

    def other_terminal() -> str:
        tap = stage.raw.begin(SERVICE)
        second = RawTerminal(stage.origin, stage._code())  # noqa: SLF001 - the stage hands out codes to its scenes
        try:
            return stage.expect(second.prove(tap["tap_id"], proof(tap, stage.origin)))
        finally:
            second.close()

    def malformed() -> str:
        tap = stage.raw.begin(SERVICE)
        token = proof(tap, stage.origin) | {"signature": "not base64!"}
        return stage.expect(stage.raw.prove(tap["tap_id"], token))

    replayed = "library.welcome, then tap_used, on a new tap signature_invalid"
    return [
        Scene("replayed proof", replayed, replay),
        Scene("proof for another origin", "signature_invalid", other_origin),
        Scene("signing certificate for authentication", "certificate_other_kind", signing_certificate),
        Scene("tap of another terminal", "tap_of_another_terminal", other_terminal),
        Scene("malformed token", "token_base64", malformed),
    ]


def _fault_scenes(stage: Stage) -> list[Scene]:
    def quarantined() -> str:
        state = stage.plugin_states()[BROKEN]
        return f"{state}, hub answers {stage.expect(stage.tap('adult', 'open'))}"

    def killed(card: str, number: str, *, after_commit: bool) -> Callable[[], str]:
        def act() -> str:
            stage.lose_reply(after_commit=after_commit)
            answer = stage.tap(card, "link", patron_number=number)
            code = stage.expect(answer)
            tap_id = answer.get("tap_id") or (answer.get("result") or {}).get("tap_id")
            times = stage.times_done(str(tap_id or _tap_of(answer)))
            return f"{code}, done {times} time(s)"

        return act

    once = "library.linked, done 1 time(s)"
    return [
        Scene("quarantined broken plugin", "quarantined, hub answers library.welcome", quarantined),
        Scene("hub killed after its commit", once, killed("renewed", _OTHER_PATRON, after_commit=True)),
        Scene("hub killed when the proof arrived", once, killed("long-name", _THIRD_PATRON, after_commit=False)),
    ]


def _tap_of(answer: Json) -> str:
    evidence = (answer.get("result") or {}).get("evidence") or {}
    return str((evidence.get("audit") or {}).get("facts", {}).get("tap", ""))


def play(folder: Path, say: Say) -> int:
    """Play all scenes in `folder`; 0 when every scene went as expected, else 1."""
    with ExitStack() as stack:
        stage = Stage(folder, stack)
        scenes = [*_honest_scenes(stage), *_library_scenes(stage), *_refused_cards(stage), *_hostile_scenes(stage)]
        scenes += _fault_scenes(stage)
        scenes += [Scene(*scene) for scene in card_scenes(stage.counter, stage.gate)]
        scenes += [Scene(*scene) for scene in taxi_scenes(stage.taxi)]
        scenes += [Scene(*scene) for scene in counter_scenes(stage.origin)]
        good = sum(_play_one(number, scene, say) for number, scene in enumerate(scenes, start=1))
    if not has_client():
        say("-- the scenes over SIP2 were left out: their client is the package sip2 (`pip install sip2`)")
    say(f"{good} of {len(scenes)} scenes as expected")
    return 0 if good == len(scenes) else 1


def _play_one(number: int, scene: Scene, say: Say) -> bool:
    try:
        seen = scene.act()
    except Exception as error:  # noqa: BLE001 - a scene that breaks is a scene that failed; the story goes on
        seen = f"{type(error).__name__}: {error}"
    good = seen == scene.expected
    say(f"{'ok ' if good else 'BAD'} {number:2} {scene.name}: {seen}{'' if good else f' (expected {scene.expected})'}")
    return good
