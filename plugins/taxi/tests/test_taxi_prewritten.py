"""Cards that were written in a batch for nobody in particular, and got their rider when they were handed out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from mykey_cardap.service_application.key_tree import debit_master
from mykey_core.card_writing.campaigns.card_list import read_list
from mykey_core.card_writing.campaigns.setup import card_data
from mykey_core.card_writing.plan import Operation
from mykey_core.card_writing.profiles import CardData, CardProfile
from mykey_core.card_writing.writer import Job
from mykey_taxi.cab.draft import DraftFile
from mykey_taxi.cab.link import CabError
from mykey_taxi.cab.ride import SLOT, CabRide
from mykey_taxi.rules.packs import shipped_packs
from mykey_terminal.offline_cards import FileDebitKeys, OfflineCardDesk, OfflineOrder, TapJournal
from mykey_terminal.offline_cards.desk import KINDS
from mykey_terminal.offline_cards.keys import DebitKeyEntry
from mykey_testkit.card_writing import MASTERS, TOWN, EmulatedCard, write
from mykey_testkit.plugin_hub import manifest_of

NOW = datetime(2026, 11, 24, 1, 0, tzinfo=UTC)


class Cab:
    """A cab's terminal with one reader, in which the card always lies."""

    kind, name = "virtual", "cab"

    def __init__(self, folder: Path, card: EmulatedCard) -> None:
        keys = FileDebitKeys(folder / "keys" / "debit-keys.json")
        keys.add(DebitKeyEntry(TOWN, SLOT, 1, debit_master(MASTERS[1], issuer=TOWN, service=SLOT, generation=1)))
        self.card = card
        self.desk = OfflineCardDesk(self, keys, TapJournal(folder / "taps.sqlite3", b"cabcabca"))
        self.ride = CabRide(self, shipped_packs(), DraftFile(folder / "ride.json"), lambda: NOW)

    def card_present(self) -> bool:
        return True

    @contextmanager
    def open(self) -> Iterator[Any]:
        yield self.card.insert()

    def ask(self, op: str, **members: Any) -> dict[str, Any]:
        """What the ride asks the terminal."""
        if op == "slot":
            return self.desk.read(members["slot"])
        if op == "commit":
            members |= {"service": members.pop("slot"), "kind": KINDS[members["kind"]], "at": NOW}
            return self.desk.commit(OfflineOrder(**{**members, "card": bytes.fromhex(members["card"])}))
        return {"denied": False, "record_id": "r", "seq": 1}


@pytest.fixture
def profile() -> CardProfile:
    """The taxi's slot as its manifest declares it."""
    found = manifest_of("taxi").card_profile
    assert found is not None
    return found


def order(profile: CardProfile, data: CardData) -> Job:
    """Write the slot."""
    return Job(Operation.WRITE, profile.service, TOWN, 1, profile.image(TOWN, data))


def test_a_card_of_a_batch_gets_its_rider_at_the_counter(tmp_path: Path, profile: CardProfile) -> None:
    """The batch makes the slot with the year's rides and no rider, the counter one change; only then a cab takes it."""
    listed = tmp_path / "cards.csv"
    listed.write_text("card,pass,rides,period\n04A1B2C3D4E5F6,batch-2026-04,70,2026\n", encoding="utf-8")
    (line,) = read_list(listed, profile)
    card = EmulatedCard()
    batch = write(card.insert(), order(profile, card_data(profile, line.columns)))
    assert (batch.ending.state, batch.ending.steps) == ("done", 7)
    cab = Cab(tmp_path, card)
    cab.ride.begin("inside", NOW)
    with pytest.raises(CabError) as refused:
        cab.ride.tap()
    assert refused.value.code == "card_unbound"
    data = CardData({"rider": "r-1", "pass": "p-1", "until": date(2027, 3, 31)}, rides=70, period=2026)
    bound = write(card.insert(), order(profile, data))
    assert (bound.ending.state, bound.ending.steps) == ("done", 1)
    assert cab.ride.tap().left == 70
    cab.ride.set_fare(1430, zone="inside", at=NOW)
    cab.ride.commit()
    receipt = cab.ride.finish()
    assert (receipt["subsidy_yen"], receipt["cash_yen"]) == (715, 715)
    assert cab.desk.read(SLOT)["rides_left"] == 69
