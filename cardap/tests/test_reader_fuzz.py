"""Hostile cards: whatever a card answers, a session gives a result or a typed error, and presents a PIN once."""

from __future__ import annotations

import random
from contextlib import suppress
from datetime import date
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mykey_cardap.certificate_attributes import CertificateAttributes
from mykey_cardap.common_ap import CommonSession, ResidentRegisterSession
from mykey_cardap.emulator.cards import make_card
from mykey_cardap.emulator.in_process import InProcessTransport
from mykey_cardap.errors import CardError
from mykey_cardap.face_ap import FaceSession
from mykey_cardap.identity import card_identity
from mykey_cardap.jpki import JpkiSession
from mykey_cardap.kinds import CertificateKind
from mykey_cardap.overview import read_overview
from mykey_cardap.text_ap import TextSession

if TYPE_CHECKING:
    from collections.abc import Callable

    from mykey_cardap.transport import Transport

NIGHTLY_APDUS = 1_000_000
STATUS_WORDS = bytes.fromhex("9000 6282 63C0 63C1 63C3 6300 6982 6983 6984 6A82 6B00 6C10 6110 6F00")
HEADS = [bytes.fromhex(head) for head in ("", "3082", "FF100C", "FF20", "FF3082", "FF40", "FF50", "7F2182", "011C")]


class HostileCard:
    """An emulated card whose answers are replaced or bent; counts commands and presented PINs."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)  # noqa: S311 - reproducible fuzzing
        self._card = InProcessTransport(make_card("adult", today=date(2026, 11, 1)))
        self._honesty = self._random.choice([0.0, 0.5, 0.9, 0.97])
        self.commands = 0
        self.presented = 0

    def send_apdu(self, command: bytes) -> bytes:
        """Answer honestly, or not."""
        self.commands += 1
        if command[1] == 0x20 and len(command) > 5:
            self.presented += 1
        honest = self._card.send_apdu(command)
        if self._random.random() < self._honesty:
            return honest
        return self._random.choice([self._bend, self._invent, self._cut])(honest)

    def _bend(self, honest: bytes) -> bytes:
        bent = bytearray(honest)
        for _ in range(self._random.randint(1, 3)):
            bent[self._random.randrange(len(bent))] = self._random.randrange(256)
        return bytes(bent)

    def _invent(self, honest: bytes) -> bytes:
        size = self._random.choice([0, 1, 4, 7, len(honest), 255, 256])
        body = self._random.choice(HEADS) + self._random.randbytes(size)
        known = 2 * self._random.randrange(len(STATUS_WORDS) // 2)
        sw = self._random.choice([STATUS_WORDS[known : known + 2], self._random.randbytes(2)])
        return body + sw

    def _cut(self, honest: bytes) -> bytes:
        return honest[: self._random.randrange(len(honest) + 1)]


def everything_with_jpki(transport: Transport) -> None:
    session = JpkiSession(transport)
    session.token_info()
    session.availability()
    session.verify_pin("signature", b"abc123")
    for kind in CertificateKind:
        session.read_ca_certificate(kind)
        session.sign_message(kind, b"message")
    CertificateAttributes.from_certificate(session.read_certificate(CertificateKind.SIGNATURE))


def everything_with_text(transport: Transport) -> None:
    session = TextSession(transport)
    session.verify_pin("text", b"1234")
    number, attributes = session.read_number(), session.read_attributes()
    key = session.read_cv_certificate().public_key
    session.read_signatures().verify(key, number=number, attributes=attributes)
    session.read_card_key(key)


def everything_with_face(transport: Transport) -> None:
    session = FaceSession(transport)
    session.read_application_info()
    session.verify_pin("number-b", b"55021720352285")
    session.read_face().verify(session.read_cv_certificate().public_key)
    session.verify_pin("birth-date", b"550217")
    session.read_age_record()


def everything_with_the_rest(transport: Transport) -> None:
    session = CommonSession(transport)
    session.card_record()
    session.authenticate(b"challenge")
    session.change_pin(b"1234", b"1234")
    ResidentRegisterSession(transport).pin_status("juki")


OPERATIONS: list[tuple[Callable[[Transport], object], int]] = [
    (everything_with_jpki, 1),
    (everything_with_text, 1),
    (everything_with_face, 2),
    (everything_with_the_rest, 1),
    (read_overview, 0),
    (card_identity, 0),
]


def attack(seed: int) -> int:
    """Run every operation against one hostile card; returns how many commands it saw."""
    card = HostileCard(seed)
    for operation, verifications in OPERATIONS:
        before = card.presented
        with suppress(CardError):
            operation(card)
        assert card.presented - before <= verifications, seed
    return card.commands


@given(st.integers(min_value=0, max_value=2**32))
def test_hostile_cards_get_typed_errors(seed: int) -> None:
    """No other exception, and no PIN is presented twice, whatever the card says."""
    attack(seed)


@pytest.mark.nightly
@pytest.mark.timeout(3600)
def test_a_million_hostile_answers() -> None:
    """The same, until a million commands have been answered."""
    commands = seed = 0
    while commands < NIGHTLY_APDUS:
        commands += attack(seed)
        seed += 1
    assert commands >= NIGHTLY_APDUS
