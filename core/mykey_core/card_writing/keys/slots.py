"""Which key of which card: the derivation input of the key tree, for keys in memory and for keys in a token.

The tree itself (master → service key → key set) is fixed in `mykey_cardap.service_application.key_tree`, which
terminals use too; here are the messages of its pseudo-random function, for tokens that offer AES-CMAC only.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, unique
from typing import Final

from mykey_cardap.service_application.key_tree import (
    DEBIT_LABEL,
    DEBIT_MASTER_SIZE,
    SERVICE_LABEL,
    debit_context,
    service_context,
)
from mykey_cardap.service_application.numbers import KEY_SIZE, SERIAL_SIZE, Role

_RESIDENT_SCHEME: Final = 0x01


@unique
class KeyPart(IntEnum):
    """The keys of a set, with the purpose bytes of the second derivation step. `SINGLE` is K4, which is no set."""

    SINGLE = 0
    ENC = 1
    MAC = 2
    DEK = 3


@dataclass(frozen=True, slots=True)
class KeySlot:
    """One key set of one card.

    `issuer` is the municipality's six-digit code as a number, `service` 0000 to FFFE (0000: the card's root),
    `role` what the key is for, `generation` 1 to 255, `serial` the card's 7 bytes.
    """

    issuer: int
    service: int
    role: Role
    generation: int
    serial: bytes

    def __repr__(self) -> str:
        return f"<KeySlot service={self.service:04x} role={self.role} generation={self.generation}>"

    @property
    def context(self) -> bytes:
        """issuer(3) ‖ service(2) ‖ key number(1) ‖ generation(1) ‖ len(serial)(1) ‖ serial."""
        return service_context(
            issuer=self.issuer,
            service=self.service,
            role=self.role,
            generation=self.generation,
            serial=self.serial,
        )

    @property
    def prf_message(self) -> bytes:
        """The message whose AES-CMAC under the master key is the service key.

        SP 800-108 in counter mode: counter(4) ‖ label ‖ 00 ‖ context ‖ bits(4); 16 bytes are one block.
        """
        bits = (KEY_SIZE * 8).to_bytes(4, "big")
        return (1).to_bytes(4, "big") + SERVICE_LABEL + b"\x00" + self.context + bits

    @property
    def debit_messages(self) -> tuple[bytes, ...]:
        """The messages whose AES-CMACs under the master key are, one after the other, the slot's debit master key.

        The same function with another label, for 32 bytes: two blocks.
        """
        bits = (DEBIT_MASTER_SIZE * 8).to_bytes(4, "big")
        context = debit_context(issuer=self.issuer, service=self.service, generation=self.generation)
        blocks = range(1, DEBIT_MASTER_SIZE // KEY_SIZE + 1)
        return tuple(number.to_bytes(4, "big") + DEBIT_LABEL + b"\x00" + context + bits for number in blocks)

    def resident_block(self, part: KeyPart) -> bytes:
        """The block whose encryption under the master key is a key that never leaves the token.

        scheme(1) ‖ purpose(1) ‖ generation(1) ‖ issuer(3) ‖ service(2) ‖ role(1) ‖ serial(7): one block a key, all
        distinct (reference §10: a permutation, sound for one block a key).
        """
        if len(self.serial) != SERIAL_SIZE:
            raise ValueError("a card's serial has 7 bytes")
        head = bytes((_RESIDENT_SCHEME, part, self.generation)) + self.issuer.to_bytes(3, "big")
        return head + self.service.to_bytes(2, "big") + bytes((self.role,)) + self.serial
