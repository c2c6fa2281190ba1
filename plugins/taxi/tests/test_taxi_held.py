"""Rides whose card's proof is in doubt: held, seen by a clerk, decided once; nobody is paid before."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest

from mykey_cardap.emulator.service_application.persona_cards import DEVELOPMENT_MASTER
from mykey_cardap.service_application.key_tree import service_key
from mykey_cardap.service_application.numbers import Kind, Role
from mykey_cardap.service_application.orders import Balance, OperationId, Order
from mykey_cardap.service_application.transaction_mac import transaction_mac
from mykey_core.api import ClockState, OfflineRecord, RecordState
from mykey_core.card_writing.keys.software import SoftwareCardKeys
from mykey_core.card_writing.slot_proofs import SlotProofs, card_alias
from mykey_core.keys.file import create_keys, load_keys
from mykey_taxi import held
from mykey_taxi.offline import POINT, settle_record
from mykey_taxi.register import Cab, Register

SLOT = 0x0301
SERIAL = bytes.fromhex("f0010203040506")
BOARD = datetime(2026, 10, 5, 1, 0, tzinfo=UTC)


@dataclass
class Cabs:
    """A town with a cab, a rider, and the rider's card."""

    town: Any
    context: Any
    alias: str
    rider: str
    sequence: int = 0

    def ride(self, tmc: int, *, board: datetime = BOARD, mac: bytes | None = None) -> Any:
        """A record as the cab's terminal sends it; the verdict."""
        self.sequence += 1
        order = Order(Kind.RIDE, OperationId(b"cabcabca", self.sequence), 1430, 715, board, 2026)
        balance = Balance(0, 70 - tmc, tmc, 2026)
        place = {"issuer": int(self.town.hub.municipality), "service": SLOT, "generation": 1, "serial": SERIAL}
        key = service_key(DEVELOPMENT_MASTER, role=Role.TRANSACTION_MAC, **place)
        made = mac or transaction_mac(key, counter=tmc, serial=SERIAL, transaction=bytes(order) + bytes(balance))
        proof = {"rider": self.rider, "card": SERIAL.hex(), "order": bytes(order).hex(), "tmc": tmc, "generation": 1}
        payload = {
            "board_ts": board.isoformat(),
            "alight_ts": (board + timedelta(minutes=10)).isoformat(),
            "board_zone": "inside",
            "alight_zone": "inside",
            "meter_yen": 1430,
            "riders": [self.rider],
            "subsidy_yen": 715,
            "cash_yen": 715,
            "proofs": [{**proof, "balance": bytes(balance).hex(), "tmv": made.hex()}],
        }
        names = ("taxi-ride", "taxi-cab", "t" * 43)
        record = OfflineRecord(
            self.town.hub.municipality, *names, self.sequence, uuid4(), board, board, ClockState.OK, payload
        )
        with self.town.begin() as database:
            return settle_record(self.context, self.town.packs, record, database)


@pytest.fixture
def cabs(taxi_town: Any, tmp_path: Path) -> Cabs:
    create_keys(tmp_path / "keys.json")
    keys = load_keys(tmp_path / "keys.json")
    town = taxi_town.hub.municipality
    proofs = SlotProofs(town, lambda: keys, lambda: SoftwareCardKeys({1: DEVELOPMENT_MASTER}))
    card = SimpleNamespace(check=lambda proof: proofs.check("taxi", SLOT, proof))
    alias = card_alias(keys, "taxi", town, SERIAL)
    rider = taxi_town.add_rider("somebody")
    with taxi_town.begin() as database:
        Register(database).put_cab(Cab(f"{POINT}taxi-cab", "op0", "12"))
        Register(database).put_card(alias, rider, "active", BOARD)
    return Cabs(taxi_town, SimpleNamespace(card=card), alias, rider)


def test_a_right_proof_is_paid(cabs: Cabs) -> None:
    """Nothing waits, and the card's counter is known."""
    verdict = cabs.ride(1)
    assert (verdict.state, verdict.receipt["flags"]) == (RecordState.ACCEPTED, [])
    with cabs.town.begin() as database:
        assert Register(database).card(cabs.alias).last_tmc == 1  # type: ignore[union-attr] - it is there
        assert held.held(database) == []


def test_a_copy_a_wrong_mac_and_a_lost_card_wait(cabs: Cabs) -> None:
    """Three doubts, three rides that nobody is paid for; each says why."""
    cabs.ride(1)
    later = [BOARD + timedelta(days=day) for day in (1, 2, 3)]
    verdicts = [cabs.ride(1, board=later[0]), cabs.ride(2, board=later[1], mac=bytes(8))]
    with cabs.town.begin() as database:
        Register(database).put_card(cabs.alias, cabs.rider, "lost", BOARD)
    verdicts.append(cabs.ride(3, board=later[2]))
    assert [verdict.state for verdict in verdicts] == [RecordState.QUARANTINED] * 3
    with cabs.town.begin() as database:
        waiting = held.held(database)
    assert [ride.flags for ride in waiting] == [("clone_suspected",), ("mac_invalid",), ("tmc_gap",)]
    closed = cabs.town.close("2026-10")
    assert (closed.rides, closed.due_yen) == (1, 715)


def test_the_clerk_decides_once(cabs: Cabs) -> None:
    """An accepted ride is paid with the open month, a refused one never; a second decision changes nothing."""
    cabs.ride(1)
    for day in (1, 2):
        cabs.ride(1, board=BOARD + timedelta(days=day))
    with cabs.town.begin() as database:
        first, second = (ride.ride_id for ride in held.held(database))
        assert held.accept(database, first, BOARD + timedelta(days=3)) == "2026-10"
        assert held.refuse(database, second)
        assert held.accept(database, second, BOARD) is None
        assert not held.refuse(database, first)
        assert held.held(database) == []
    closed = cabs.town.close("2026-10")
    assert (closed.rides, closed.due_yen) == (2, 1430)
