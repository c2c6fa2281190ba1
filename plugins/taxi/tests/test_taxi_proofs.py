"""Records and the card's proof of a ride, against the frozen vectors of the service application."""

from __future__ import annotations

from typing import Any

import pytest

from mykey_taxi.errors import InputError
from mykey_taxi.rules.ride import Flag
from mykey_taxi.upload.card_proof import counter_flag, proof_flags
from mykey_taxi.upload.chain import first_mismatch, hashes
from mykey_taxi.upload.record import read_record

ORDER = "015445524d303030310000000100000596000002cb6b03ac3007ea"
KEY = bytes.fromhex("6db308b3cc3985009e165c35c57ca584")
PROOF = {
    "rider": "r-1",
    "card": "04a1b2c3d4e5f6",
    "order": ORDER,
    "balance": "000024450045000107ea",
    "tmc": 1,
    "tmv": "481ee3279fae0aef",
    "generation": 1,
}


def _record(**members: Any) -> dict[str, Any]:
    return {
        "terminal_id": "t-1",
        "seq": 1,
        "ride_id": "ride-1",
        "board_ts": "2026-11-18T10:00:00+09:00",
        "alight_ts": "2026-11-18T10:15:00+09:00",
        "board_zone": "前橋駅",
        "meter_yen": 1430,
        "riders": ["r-1", "r-1"],
        "subsidy_yen": 715,
        "cash_yen": 715,
        "proofs": [PROOF],
        **members,
    }


def test_the_vector_of_the_specification_is_a_right_proof() -> None:
    """Ride 1 of docs/reference/service-application.md."""
    record = read_record(_record())
    assert proof_flags(record.proofs[0], record, key_of=lambda *_: KEY, last=None) == Flag.NONE


@pytest.mark.parametrize(
    ("members", "change"),
    [
        ({}, {"tmv": "481ee3279fae0aee"}),
        ({}, {"tmc": 2}),
        ({}, {"balance": "000024450045000107eb"}),
        ({}, {"card": "04a1b2c3d4e5f7"}),
        ({"meter_yen": 1440}, {}),
        ({"subsidy_yen": 714}, {}),
    ],
)
def test_a_changed_proof_is_seen(members: dict[str, Any], change: dict[str, Any]) -> None:
    """MAC, counter, balance, card, fare and subsidy are all bound."""
    record = read_record(_record(**members, proofs=[{**PROOF, **change}]))
    assert Flag.MAC_INVALID in proof_flags(record.proofs[0], record, key_of=lambda *_: KEY, last=None)


def test_a_missing_key_counts_as_a_wrong_proof() -> None:
    """Nothing is taken on trust."""
    record = read_record(_record())
    assert proof_flags(record.proofs[0], record, key_of=lambda *_: None, last=None) == Flag.MAC_INVALID


def test_counters_tell_gaps_and_copies() -> None:
    """One above the last is right; more is a gap; equal or less is a copy."""
    flags = [counter_flag(last, 7) for last in (None, 6, 5, 7, 9)]
    assert flags == [Flag.NONE, Flag.NONE, Flag.TMC_GAP, Flag.CLONE_SUSPECTED, Flag.CLONE_SUSPECTED]


def test_riders_who_tap_twice_count_once() -> None:
    """TX-C2, in tap order."""
    assert read_record(_record(riders=["b", "a", "b"])).ride().riders == ("b", "a")


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"seq": 0}, "seq"),
        ({"seq": "1"}, "seq"),
        ({"meter_yen": 1430.0}, "meter_yen"),
        ({"board_ts": "yesterday"}, "board_ts"),
        ({"alight_ts": "2026-11-18T09:00:00+09:00"}, "alight_ts"),
        ({"name": "somebody"}, "name"),
        ({"riders": ["山田"]}, "riders.0"),
        ({"rule_pack_hash": "xyz"}, "rule_pack_hash"),
    ],
)
def test_records_of_another_form_are_refused(change: dict[str, Any], place: str) -> None:
    """Floats, names of people, times that are none: the error names the member."""
    with pytest.raises(InputError) as caught:
        read_record(_record(**change))
    assert caught.value.place == place


def test_the_chain_names_its_first_broken_record() -> None:
    """TX-U4 counts from one; chain members do not count, every other member does."""
    records = [_record(seq=number) for number in (1, 2, 3)]
    chain = hashes(records)
    assert first_mismatch([{**record, "sig": "x"} for record in records], chain) is None
    assert first_mismatch([records[0], {**records[1], "meter_yen": 1440}, records[2]], chain) == 2
