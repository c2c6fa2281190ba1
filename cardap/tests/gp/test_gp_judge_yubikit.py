"""The judge in process: the SCP03 client of Yubico's yubikey-manager drives our card (reference, §11.3).

Its code and ours share nothing but the cryptographic library. What it does not check is in test_gp_attacks.py.
"""

from __future__ import annotations

from typing import Any

import pytest
from yubikit.core import TRANSPORT, Tlv
from yubikit.core.smartcard import ApduError, SmartCardConnection
from yubikit.core.smartcard.scp import KeyRef, Scp03KeyParams, StaticKeys
from yubikit.securitydomain import SecurityDomainSession

from mykey_cardap.emulator.globalplatform.cards import make_open_card
from mykey_cardap.emulator.globalplatform.domain_session import DomainOptions
from mykey_cardap.emulator.globalplatform.runtime import OpenCard
from mykey_cardap.emulator.globalplatform.secure_channel import ChannelOptions

NEW = StaticKeys(*(bytes(range(start, start + 16)) for start in (0x00, 0x10, 0x20)))
DEFAULT = Scp03KeyParams(KeyRef(1, 0x30), StaticKeys.default())
RENEWED = Scp03KeyParams(KeyRef(1, 0x31), NEW)


class InProcess(SmartCardConnection):
    """A connection of yubikit to a card of ours; `kind` decides between extended length and chaining."""

    def __init__(self, card: OpenCard, kind: TRANSPORT) -> None:
        self.card = card
        self.kind = kind
        card.power_on()

    @property
    def transport(self) -> TRANSPORT:
        """USB or NFC."""
        return self.kind

    def send_and_receive(self, apdu: bytes) -> tuple[bytes, int]:
        """Data and status word."""
        answer = self.card.process(apdu)
        return answer[:-2], int.from_bytes(answer[-2:], "big")

    def close(self) -> None:
        """Nothing is held."""


@pytest.fixture(params=[TRANSPORT.USB, TRANSPORT.NFC], ids=["extended", "short"])
def connection(request: Any) -> InProcess:
    """Once with extended length, once with short APDUs and chaining."""
    return InProcess(make_open_card(), request.param)


def test_yubikit_reads_what_a_card_says_about_itself(connection: InProcess) -> None:
    """Key information and card recognition data, without authentication."""
    session = SecurityDomainSession(connection)
    assert session.get_key_information() == {KeyRef(kid, 0x30): {0x88: 16} for kid in (1, 2, 3)}
    assert Tlv.parse_list(session.get_card_recognition_data())[-1].hex().endswith("0403 70".replace(" ", ""))


def test_yubikit_lives_a_life(connection: InProcess) -> None:
    """Authenticate, store, read back, put a key set and authenticate with it; the old one is gone."""
    session = SecurityDomainSession(connection)
    session.authenticate(DEFAULT)
    session.store_data(Tlv(0x42, b"issuer"))
    assert session.get_data(0x42) == b"issuer"
    session.put_key(KeyRef(1, 0x31), NEW, 0x30)

    session = SecurityDomainSession(connection)
    assert session.get_key_information().keys() == {KeyRef(kid, 0x31) for kid in (1, 2, 3)}
    with pytest.raises(ValueError, match="Incorrect SCP"):
        session.authenticate(DEFAULT)
    session.authenticate(RENEWED)
    assert session.get_data(0x42) == b"issuer"


def test_yubikit_deletes_a_key_set(connection: InProcess) -> None:
    """A second key set is added and deleted; the last one stays unless the host insists."""
    session = SecurityDomainSession(connection)
    session.authenticate(DEFAULT)
    session.put_key(KeyRef(1, 0x31), NEW)
    session.delete_key(kvn=0x30)
    assert {key.kvn for key in session.get_key_information()} == {0x31}
    with pytest.raises(ApduError) as refused:
        session.delete_key(kvn=0x31)
    assert refused.value.sw == 0x6985


def test_yubikit_stores_a_long_object(connection: InProcess) -> None:
    """1,000 bytes: extended length, or ISO chaining with the MAC over the extended form, and 61xx on the way back."""
    session = SecurityDomainSession(connection)
    session.authenticate(DEFAULT)
    value = bytes(range(250)) * 4
    session.store_data(Tlv(0x45, value))
    assert session.get_data(0x45) == value


def test_yubikit_with_wrong_keys_learns_it_from_the_card_cryptogram(connection: InProcess) -> None:
    """Wrong keys end before EXTERNAL AUTHENTICATE, and the card counts nothing."""
    session = SecurityDomainSession(connection)
    with pytest.raises(ValueError, match="Incorrect SCP"):
        session.authenticate(Scp03KeyParams(KeyRef(1, 0x30), NEW))
    assert connection.card.contents.keys[0].failures == 0


def test_yubikit_against_a_random_challenge() -> None:
    """I = 60: no sequence counter in the answer."""
    card = make_open_card(options=DomainOptions(channel=ChannelOptions(parameter=0x60)))
    session = SecurityDomainSession(InProcess(card, TRANSPORT.USB))
    session.authenticate(DEFAULT)
    session.store_data(Tlv(0x42, b"issuer"))
