"""The card's own proof of a ride: transaction MAC, amounts and counter (docs/reference/service-application.md §5)."""

from __future__ import annotations

from collections.abc import Callable

from mykey_cardap.api import CardError, Order, Receipt, verify_receipt
from mykey_taxi.rules.ride import Flag
from mykey_taxi.upload.record import CardProof, RideRecord

_RIDE = 1  # kind of the order

MacKey = Callable[[str, int], bytes | None]
"""(serial of the card, generation) → the transaction-MAC key K4, or None when there is none."""


def counter_flag(last: int | None, seen: int) -> Flag:
    """What a transaction counter says beside the last one that was settled of this card.

    One above it is right; more is a gap (an unreported transaction); equal or less is a copy or a restored card.
    """
    if last is None or seen == last + 1:
        return Flag.NONE
    return Flag.TMC_GAP if seen > last else Flag.CLONE_SUSPECTED


def amounts_agree(proof: CardProof, record: RideRecord) -> bool:
    """True when the order that the card committed is a ride of the record's fare and at most its subsidy."""
    try:
        order = Order.from_bytes(bytes.fromhex(proof.order))
    except CardError:
        return False
    fare = record.meter_yen - record.operator_discount_yen
    return order.kind == _RIDE and order.total == fare and order.amount <= record.subsidy_yen


def mac_is_right(proof: CardProof, key: bytes) -> bool:
    """True when the card with this key answered the order with this balance under this counter."""
    receipt = proof.tmc.to_bytes(4, "big") + bytes.fromhex(proof.tmv + proof.balance)
    try:
        order = Order.from_bytes(bytes.fromhex(proof.order))
        verify_receipt(key, order, Receipt.from_bytes(receipt), serial=bytes.fromhex(proof.card))
    except CardError:
        return False
    return True


def proof_flags(proof: CardProof, record: RideRecord, *, key_of: MacKey, last: int | None) -> Flag:
    """All flags of one rider's proof; a missing key counts as a wrong MAC."""
    key = key_of(proof.card, proof.generation)
    right = key is not None and mac_is_right(proof, key) and amounts_agree(proof, record)
    return counter_flag(last, proof.tmc) | (Flag.NONE if right else Flag.MAC_INVALID)
