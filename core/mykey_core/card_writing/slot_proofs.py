"""What a card answered to a terminal without a network, checked afterwards: by the town's keys, for the slot's plugin.

The plugin hands over what stood in a terminal's record, and gets the card's alias and a yes or no; no key leaves here.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from cryptography.hazmat.primitives import constant_time

from mykey_cardap.errors import CardError
from mykey_cardap.service_application.numbers import SERIAL_SIZE, Role
from mykey_cardap.service_application.orders import Order, Receipt
from mykey_core.card_writing.errors import CardKeysUnavailable
from mykey_core.card_writing.keys.provider import CardKeyProvider
from mykey_core.card_writing.keys.slots import KeySlot
from mykey_core.identity.references import sector_of
from mykey_core.keys.provider import FIRST_EPOCH, KeyProvider, Purpose

_ALIAS: Final = b"mykey card alias v1\x00"


@dataclass(frozen=True, slots=True)
class SlotProof:
    """One transaction of the plugin's slot as a terminal recorded it.

    `card` is the serial of the card's application (7 bytes), `generation` that of its transaction-MAC key, `order` what
    the card was asked (27 bytes), `receipt` what it answered: counter, MAC and balance (22 bytes).
    """

    card: bytes
    generation: int
    order: bytes
    receipt: bytes


@dataclass(frozen=True, slots=True)
class SlotEvidence:
    """The card's alias for the plugin, and whether this card made the receipt for this order."""

    card: str
    authentic: bool


class SlotProofs:
    """Checks proofs with the keys of one municipality; a generation without a key makes no proof authentic."""

    def __init__(
        self, municipality: str, keys: Callable[[], KeyProvider], card_keys: Callable[[], CardKeyProvider]
    ) -> None:
        self._municipality = municipality
        self._keys = keys
        self._card_keys = card_keys

    def check(self, plugin: str, service: int, proof: SlotProof) -> SlotEvidence:
        """The evidence of one proof. `ValueError` for a serial that is none."""
        if len(proof.card) != SERIAL_SIZE:
            raise ValueError("a card's serial has 7 bytes")
        alias = card_alias(self._keys(), plugin, self._municipality, proof.card)
        return SlotEvidence(alias, self._authentic(service, proof))

    def _authentic(self, service: int, proof: SlotProof) -> bool:
        slot = KeySlot(int(self._municipality), service, Role.TRANSACTION_MAC, proof.generation, proof.card)
        try:
            order, receipt = Order.from_bytes(proof.order), Receipt.from_bytes(proof.receipt)
            made = bytes(order) + bytes(receipt.balance)
            expected = self._card_keys().transaction_mac(slot, receipt.counter, made)
        except (CardError, CardKeysUnavailable):
            return False
        return constant_time.bytes_eq(expected, receipt.mac)


def card_alias(keys: KeyProvider, plugin: str, municipality: str, serial: bytes) -> str:
    """How one plugin knows a card (43 characters): another one, and another town, know it by another alias."""
    content = _ALIAS + sector_of(plugin, municipality).encode() + b"\x00" + serial
    digest = keys.mac(Purpose.PAIRWISE, FIRST_EPOCH, content)
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode("ascii")
