"""A ride in a cab without a network: the card pulled at every command, the program killed at every step."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from mykey_cardap.emulator import InProcessTransport
from mykey_cardap.emulator.cards import make_card
from mykey_cardap.emulator.service_application.persona_cards import DEVELOPMENT_MASTER
from mykey_cardap.errors import CardError, CardRemovedError
from mykey_cardap.service_application import ServiceAdministration, ServiceDirectory
from mykey_cardap.service_application.key_tree import card_keys, debit_master, service_key
from mykey_cardap.service_application.numbers import Role
from mykey_cardap.service_application.profile import AccessRules, NewService
from mykey_cardap.service_application.session import ServiceSession
from mykey_cardap.service_application.wrapped_keys import WrappedKeys
from mykey_taxi.cab.draft import DraftFile
from mykey_taxi.cab.link import CabError, SocketLink
from mykey_taxi.cab.ride import SLOT, CabRide
from mykey_taxi.rules.packs import shipped_packs
from mykey_terminal.device_key import DeviceKey
from mykey_terminal.enrolment import Enrolment, StateDirectory
from mykey_terminal.errors import AgentError
from mykey_terminal.offline_cards import FileDebitKeys, OfflineCardDesk, OfflineOrder, TapJournal
from mykey_terminal.offline_cards.desk import KINDS
from mykey_terminal.offline_cards.keys import DebitKeyEntry
from mykey_terminal.problems import problem_of
from mykey_terminal.queue import OfflineQueue

NOW = datetime(2026, 11, 24, 1, 0, tzinfo=UTC)
ISSUER = 132217
RIDES = 70
REQUESTS = 9
"""Of a shared ride of two: each card is read, looked up, read and committed; then the record."""


class Killed(Exception):
    """The program ends here."""


class Pulled:
    """A card that goes away at its n-th command: before it has got it, or before its answer is heard."""

    def __init__(self, card: InProcessTransport, at: int | None, *, heard: bool) -> None:
        self.card = card
        self.atr = card.atr
        self.left = at
        self.heard = heard

    def send_apdu(self, command: bytes) -> bytes:
        if self.left is None:
            return self.card.send_apdu(command)
        self.left -= 1
        if self.left > 0:
            return self.card.send_apdu(command)
        if self.left == 0 and self.heard:
            self.card.send_apdu(command)
        self.card.close()
        raise CardRemovedError("the card was removed")

    def close(self) -> None:
        self.card.close()


class Reader:
    """A reader whose card is pulled at a chosen command."""

    kind = "virtual"
    name = "test"

    def __init__(self, cards: dict[str, Any]) -> None:
        self.cards = cards
        self.inserted = ""
        self.pull_at: int | None = None
        self.heard = False

    def card_present(self) -> bool:
        return bool(self.inserted)

    @contextmanager
    def open(self) -> Iterator[Pulled]:
        with InProcessTransport(self.cards[self.inserted]) as transport:
            yield Pulled(transport, self.pull_at, heard=self.heard)


class Terminal:
    """The terminal's part of a cab, as its headless program has it; `kill_at` ends the program at the n-th request."""

    def __init__(self, folder: Path, reader: Reader) -> None:
        keys = FileDebitKeys(folder / "keys" / "debit-keys.json")
        own = debit_master(DEVELOPMENT_MASTER, issuer=ISSUER, service=SLOT, generation=1)
        keys.add(DebitKeyEntry(ISSUER, SLOT, 1, own))
        self.reader = reader
        self.desk = OfflineCardDesk(reader, keys, TapJournal(folder / "taps" / "taps.sqlite3", b"cabcabca"))
        self.records: list[dict[str, Any]] = []
        self.kill_at: int | None = None
        self.killed_after = False
        self.asked = 0
        self.now = NOW

    def ask(self, op: str, **members: Any) -> dict[str, Any]:
        """One request; killed before or after it was done."""
        self.asked += 1
        mine = self.asked == self.kill_at
        if mine and not self.killed_after:
            raise Killed
        try:
            answer: dict[str, Any] = getattr(self, f"_{op}")(**members)
        except (AgentError, CardError) as error:
            raise CabError(problem_of(error).code) from error
        if mine:
            raise Killed
        return answer

    def _slot(self, slot: int) -> dict[str, Any]:
        return self.desk.read(slot)

    def _commit(self, *, kind: str, card: str, slot: int, **members: Any) -> dict[str, Any]:
        order = OfflineOrder(service=slot, kind=KINDS[kind], card=bytes.fromhex(card), at=self.now, **members)
        return self.desk.commit(order)

    def _denied(self, alias: str) -> dict[str, Any]:
        del alias
        return {"denied": False}

    def _record(self, service: str, payload: dict[str, Any], *, once: bool) -> dict[str, Any]:
        assert once
        del service
        if payload not in self.records:
            self.records.append(payload)
        return {"record_id": "r", "seq": self.records.index(payload) + 1}


def made(persona: str, state: Path | None = None) -> Any:
    """A persona's card; with `state` the one of that file, as a tray has it."""
    today = date(2026, 11, 24) if state is None else None
    return make_card(persona, today=today, state=state, service_application=True)


def written(persona: str, rider: str, state: Path | None = None) -> Any:
    """A card with the plugin's slot, as the counter writes it."""
    card = made(persona, state)
    transport = InProcessTransport(card)
    directory = ServiceDirectory(transport)
    serial = directory.header.serial

    def keys(role: Role, service: int = SLOT) -> Any:
        place = {"issuer": ISSUER, "service": service, "generation": 1, "serial": serial}
        return service_key(DEVELOPMENT_MASTER, role=role, **place)

    root, admin = card_keys(keys(Role.ADMIN, 0)), card_keys(keys(Role.ADMIN))
    directory.authenticate(Role.ADMIN, root)
    access = AccessRules(profile_read=Role.DEBIT)
    new = NewService(SLOT, ISSUER, "taxi", profile_size=90, access=access, rides=RIDES, period=2026)
    directory.create(new, generation=1, admin=WrappedKeys.wrap(admin, root))
    service = ServiceAdministration(transport, SLOT)
    service.authenticate(Role.ADMIN, admin)
    for role in (Role.READ, Role.DEBIT, Role.CREDIT):
        service.put_key(role, generation=1, keys=WrappedKeys.wrap(card_keys(keys(role)), admin))
    service.put_key(Role.TRANSACTION_MAC, generation=1, keys=WrappedKeys.wrap_key(keys(Role.TRANSACTION_MAC), admin))
    values = (rider.encode(), f"p-{rider}".encode(), b"2027-03-31")
    service.write_profile(b"".join(bytes((0xC1 + at, len(raw))) + raw for at, raw in enumerate(values)))
    service.activate()
    return card


def rides_left(card: Any) -> int:
    transport = InProcessTransport(card)
    session = ServiceSession(transport, SLOT)
    place = {"issuer": ISSUER, "service": SLOT, "generation": 1, "serial": session.header.serial}
    session.authenticate(Role.DEBIT, card_keys(service_key(DEVELOPMENT_MASTER, role=Role.DEBIT, **place)))
    return session.state().balance.left


@pytest.fixture
def reader() -> Reader:
    return Reader({"a": written("former-name", "r-a"), "b": written("rare-name", "r-b")})


def cab_of(terminal: Terminal, folder: Path) -> CabRide:
    return CabRide(terminal, shipped_packs(), DraftFile(folder / "ride.json"), lambda: terminal.now)


def play(terminal: Terminal, folder: Path) -> None:
    """A shared ride, or the rest of one that was begun: what a driver does."""
    cab = cab_of(terminal, folder)
    if cab.draft is None:
        cab.begin("inside")
    if not (cab.draft and cab.draft.proofs):
        for name in ("a", "b"):
            terminal.reader.inserted = name
            cab.tap()
        cab.set_fare(1430, zone="inside")
    for name in ("a", "b") if cab.waiting() else ():
        terminal.reader.inserted = name
        cab.commit()
    cab.finish()


def check_one_ride(terminal: Terminal, reader: Reader) -> None:
    """One record of 1,000 yen with a proof of both cards, and one ride less on each."""
    assert [rides_left(card) for card in reader.cards.values()] == [RIDES - 1, RIDES - 1]
    assert len(terminal.records) == 1
    record = terminal.records[0]
    assert (record["subsidy_yen"], record["cash_yen"], record["riders"]) == (1000, 430, ["r-a", "r-b"])
    assert [proof["tmc"] for proof in record["proofs"]] == [1, 1]


@pytest.mark.parametrize("after", [False, True])
def test_killed_at_every_request(tmp_path: Path, reader: Reader, *, after: bool) -> None:
    """Whichever request the program is killed before or after, beginning again ends in exactly one ride."""
    terminal = Terminal(tmp_path, reader)
    terminal.killed_after = after
    for kill_at in range(1, REQUESTS + 1):
        folder = tmp_path / f"{kill_at}"
        terminal.now = NOW + timedelta(days=kill_at)  # the rules allow two rides a day
        terminal.records.clear()
        terminal.asked, terminal.kill_at = 0, kill_at
        with pytest.raises(Killed):
            play(terminal, folder)
        terminal.kill_at = None
        play(terminal, folder)
        left = [rides_left(card) for card in reader.cards.values()]
        assert left == [RIDES - kill_at] * 2, kill_at
        assert [record["subsidy_yen"] for record in terminal.records] == [1000], kill_at
        assert len(terminal.records[0]["proofs"]) == len(reader.cards), kill_at


@pytest.mark.parametrize("heard", [False, True])
def test_pulled_at_every_command_and_tapped_again(tmp_path: Path, reader: Reader, *, heard: bool) -> None:
    """A card that is pulled at any command of the commit has counted once after the next tap, and never twice."""
    terminal = Terminal(tmp_path, reader)
    cab = cab_of(terminal, tmp_path)
    cab.begin("inside", NOW)
    for name in ("a", "b"):
        reader.inserted = name
        cab.tap()
    cab.set_fare(1430, zone="inside", at=NOW)
    refusals = []
    reader.inserted, reader.heard = "a", heard
    for pull_at in range(1, 40):
        reader.pull_at = pull_at
        try:
            cab.commit()
        except CabError as error:
            refusals.append(error.code)
            continue
        break
    reader.pull_at = None
    cab.commit()
    reader.inserted = "b"
    cab.commit()
    cab.finish()
    assert len(refusals) >= 5
    assert set(refusals) <= {"card_removed", "tap_unknown"}
    check_one_ride(terminal, reader)


@pytest.mark.parametrize("heard", [False, True])
def test_an_order_is_committed_once_however_often_its_card_is_pulled(
    tmp_path: Path, reader: Reader, *, heard: bool
) -> None:
    """The journal, the card and the log agree at the end; the same key again gives the same proof."""
    terminal = Terminal(tmp_path, reader)
    reader.inserted, reader.heard = "a", heard
    serial = bytes.fromhex(terminal.desk.read(SLOT)["card"])
    order = OfflineOrder("k", SLOT, KINDS["ride"], serial, 1430, 715, NOW)
    ended: list[str] = []
    for pull_at in range(1, 40):
        reader.pull_at = pull_at
        try:
            ended.append(terminal.desk.commit(order)["state"])
            break
        except (AgentError, CardError) as error:
            ended.append(problem_of(error).code)
    reader.pull_at = None
    assert ended[-1] == "committed"
    assert "tap_unknown" in ended
    first, second = terminal.desk.commit(order), terminal.desk.commit(order)
    assert first == second
    assert first["proof"]["tmc"] == 1
    assert rides_left(reader.cards["a"]) == RIDES - 1
    assert terminal.desk.journal.open_count() == 0
    assert [line["total"] for line in terminal.desk.read(SLOT)["log"]] == [1430]


class KilledTerminal:
    """The real `mykey terminal run --headless socket` with the cards in its tray; SIGKILL in the middle of a request.

    `after` counts requests; the process is killed `wait` seconds after the request has been written.
    """

    def __init__(self, folder: Path) -> None:
        self.state = StateDirectory(folder / "terminal")
        key = self.state.key_to_enrol()
        assert isinstance(key, DeviceKey)
        self.state.save(_enrolment())
        own = debit_master(DEVELOPMENT_MASTER, issuer=ISSUER, service=SLOT, generation=1)
        FileDebitKeys(self.state.debit_keys).add(DebitKeyEntry(ISSUER, SLOT, 1, own))
        self.cards = folder / "cards"
        self.cards.mkdir(mode=0o700)
        self.path = self.state.path / "terminal.sock"
        self.kills: dict[int, float] = {}
        self.asked = 0
        self.inserted = ""
        self.process = self._start()

    def _start(self) -> subprocess.Popen[str]:
        program = [sys.executable, "-m", "mykey_core", "terminal", "run", "--point", "cab", "--headless", "socket"]
        places = ["--state", str(self.state.path), "--virtual", "--cards", str(self.cards)]
        process = subprocess.Popen([*program, *places], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        assert process.stdout is not None
        assert "ready" in json.loads(process.stdout.readline())
        self.link = SocketLink(self.path)
        return process

    def ask(self, op: str, **members: Any) -> dict[str, Any]:
        """As `Link.ask`; at a kill point the terminal dies, a new one is started, and the driver sees a failure."""
        self.asked += 1
        wait = self.kills.pop(self.asked, None)
        if wait is None:
            return self.link.ask(op, **members)
        timer = threading.Timer(wait, self.process.kill)
        timer.start()
        try:
            self.link.ask(op, **members)
        except CabError:
            pass  # killed before its answer
        finally:
            self.process.wait(10)
            self._leave()
            self.process = self._start()
            self.insert(self.inserted)
        raise CabError("terminal_unreachable")

    def insert(self, card: str) -> None:
        self.inserted = card
        self.link.ask("insert", card=card)

    def _leave(self) -> None:
        self.link.close()
        assert self.process.stdout is not None
        self.process.stdout.close()

    def close(self) -> None:
        self.process.terminate()
        self.process.wait(20)
        self._leave()


def _enrolment() -> Enrolment:
    return Enrolment(
        hub_origin="http://127.0.0.1:9",  # nobody listens there: the cab is far from any network
        terminal_id="01930000-0000-7000-8000-0000000000ca",
        municipality="132217",
        service_point={"name": "cab"},
        services=["taxi-ride"],
        token_endpoint="http://127.0.0.1:9/api/v1/terminals/token",
        audience="http://127.0.0.1:9",
        name="cab",
        enrolled_at=NOW,
    )


@pytest.mark.parametrize("waits", [(0.0, 0.0, 0.0), (0.004, 0.02, 0.004), (0.4, 0.4, 0.4)])
def test_the_real_terminal_is_killed_within_a_ride(tmp_path: Path, waits: tuple[float, ...]) -> None:
    """SIGKILL at, in and after each commit and the record: one ride on each card, one record, a whole chain."""
    terminal = KilledTerminal(tmp_path)
    people = {"former-name": "r-a", "rare-name": "r-b"}
    for card, rider in people.items():
        written(card, rider, tmp_path / "cards" / f"{card}.json")
    cab = CabRide(terminal, shipped_packs(), DraftFile(tmp_path / "ride.json"), lambda: NOW)
    cab.begin("inside")
    for card in people:
        terminal.insert(card)
        cab.tap()
    cab.set_fare(1430, zone="inside")
    killed = 0
    for card, wait in zip(people, waits, strict=False):
        terminal.insert(card)
        terminal.kills = {terminal.asked + 2: wait}  # a commit reads the slot first
        while card_waits(cab, people[card]):
            try:
                cab.commit()
            except CabError as error:
                killed += error.code == "terminal_unreachable"
    terminal.kills = {terminal.asked + 1: waits[2]}
    with pytest.raises(CabError):
        cab.finish()
    receipt = cab.finish()
    terminal.close()
    assert killed == len(people)
    assert receipt["sequence"] == 1
    enrolment, key = terminal.state.load()
    with OfflineQueue(terminal.state.queue, key, terminal_id=enrolment.terminal_id) as queue:  # verifies the chain
        (record,) = queue.pending()
    assert (record.seq, record.payload["subsidy_yen"], record.payload["riders"]) == (1, 1000, ["r-a", "r-b"])
    left = [rides_left(made(card, tmp_path / "cards" / f"{card}.json")) for card in people]
    assert left == [RIDES - 1, RIDES - 1]


def card_waits(cab: CabRide, rider: str) -> bool:
    """Whether this rider's card has still to commit."""
    return rider in cab.waiting()
