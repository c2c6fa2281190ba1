"""The open card's runtime: selection, logical channels, long commands and answers, and the built-in applications."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from mykey_cardap.apdu import CommandApdu
from mykey_cardap.emulator.cards import make_card
from mykey_cardap.emulator.globalplatform.domain_session import DomainOptions
from mykey_cardap.emulator.globalplatform.runtime import OpenCard
from mykey_cardap.emulator.globalplatform.secure_channel import ChannelOptions
from mykey_cardap.emulator.in_process import InProcessTransport
from mykey_cardap.globalplatform.derivation import ScpMode
from mykey_cardap.globalplatform.errors import ChainingRefusedError, SecureChannelUseError
from mykey_cardap.globalplatform.keys import ScpKeys
from mykey_cardap.globalplatform.messaging import SecurityLevel
from mykey_cardap.globalplatform.scp03 import Scp03Session
from mykey_cardap.globalplatform.security_domain import SecurityDomainSession
from mykey_cardap.jpki import JpkiSession

Card = Callable[..., OpenCard]
DOMAIN = "A000000151000000"
JPKI = "D392F000260100000001"


def ask(card: OpenCard, command: str) -> str:
    return card.process(bytes.fromhex(command)).hex().upper()


def select(card: OpenCard, aid: str, p2: str = "00", cla: str = "00") -> str:
    named = f"{len(aid) // 2:02X}{aid}" if aid else ""
    return ask(card, f"{cla}A404{p2}{named}00")


# -- selection -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("aid", [DOMAIN, "A0000001510000", "A000000151", ""])
def test_the_issuer_domain_is_found_by_full_and_partial_name(open_card: Card, aid: str) -> None:
    """And it is selected at power-on; the answer names it and its longest data field."""
    answer = select(open_card(), aid)
    assert answer.startswith("6F")
    assert f"8408{DOMAIN}" in answer
    assert answer.endswith("9F6501FF9000")


def test_selecting_the_next_application(open_card: Card) -> None:
    """P2 = 02 goes on after the present one; after the last one there is none."""
    card = open_card()
    assert select(card, "A0000001").endswith("9000")
    assert select(card, "A0000001", "02").endswith("9000")  # the short name of the same domain
    assert select(card, "A0000001", "02") == "6A82"


def test_selecting_without_an_answer(open_card: Card) -> None:
    """P2 = 0C, as the reader's card manager asks."""
    assert select(open_card(), DOMAIN, "0C") == "9000"


def test_select_ends_a_session_even_when_it_fails(open_card: Card, default_keys: ScpKeys) -> None:
    """§2.4: SELECT drops the session, whatever it finds."""
    for aid in (DOMAIN, "F0FFFFFFFF"):
        card = open_card()
        session = Scp03Session.open(InProcessTransport(card), default_keys)
        assert session.send_apdu(bytes.fromhex("80CA00D300"))[:-2].hex() == "d30133"
        select(card, aid)
        assert ask(card, "80CA00D300") == "D301009000"


def test_a_half_open_session_does_not_outlive_select(open_card: Card) -> None:
    """§2.4: EXTERNAL AUTHENTICATE after INITIALIZE UPDATE and SELECT is 6985."""
    card = open_card()
    assert ask(card, "8050300008010203040506070800").endswith("9000")
    select(card, DOMAIN)
    assert ask(card, "8482330010" + "00" * 16) == "6985"


# -- logical channels ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("channel", [0, 1, 3, 4, 19])
@pytest.mark.parametrize("level", [SecurityLevel.C_MAC, SecurityLevel.FULL])
def test_a_secure_channel_on_every_kind_of_logical_channel(
    open_card: Card, default_keys: ScpKeys, channel: int, level: SecurityLevel
) -> None:
    """Channels 1–3 and 4–19 code the class byte differently; the MAC leaves the number out."""
    card = open_card()
    for number in range(1, channel + 1):
        assert ask(card, "0070000001") == f"{number:02X}9000"
    session = SecurityDomainSession(Powered(card), channel=channel)
    session.authenticate(default_keys, security_level=level)
    session.store_data(bytes.fromhex("42026162"))
    assert session.get_data(0x42) == b"ab"


class Powered:
    """A transport to a card that has power already (`InProcessTransport` would switch it on anew)."""

    def __init__(self, card: OpenCard) -> None:
        self.send_apdu = card.process


def test_sessions_on_two_channels_do_not_touch_each_other(open_card: Card, default_keys: ScpKeys) -> None:
    """Each channel has its own keys, chain and counter; closing one leaves the other."""
    card = open_card()
    ask(card, "0070000001")
    sessions = [SecurityDomainSession(Powered(card), channel=channel) for channel in (0, 1)]
    for session in sessions:
        session.authenticate(default_keys)
    for value in (b"one", b"two"):
        for session in sessions:
            session.store_data(b"\x42\x03" + value)
            assert session.get_data(0x42) == value
    assert ask(card, "00708001") == "9000"
    assert sessions[0].get_data(0x42) == b"two"
    assert sessions[1].secure_channel.send_apdu(bytes.fromhex("80CA004200")) == b"\x68\x81"


def test_managing_channels(open_card: Card) -> None:
    """Nineteen can be opened, then 6A81; closing twice is a warning; the basic channel cannot be closed."""
    card = open_card()
    assert [ask(card, "0070000001") for _ in range(19)] == [f"{number:02X}9000" for number in range(1, 20)]
    assert ask(card, "0070000001") == "6A81"
    assert ask(card, "00708003") == "9000"
    assert ask(card, "00708003") == "6200"
    assert ask(card, "00708000") == "6A86"
    assert ask(card, "0370000001") == "6881"
    assert ask(card, "0070000001") == "039000"


def test_a_channel_that_does_not_exist(open_card: Card, default_keys: ScpKeys) -> None:
    """Refused before anything is sent, and by the card."""
    card = open_card()
    assert ask(card, "8150300008010203040506070800") == "6881"
    with pytest.raises(SecureChannelUseError):
        Scp03Session.open(InProcessTransport(card), default_keys, channel=20)


def test_reset_ends_sessions_and_closes_channels(open_card: Card) -> None:
    """Warm reset: the domain is selected on the basic channel, others are gone."""
    card = open_card()
    ask(card, "0070000001")
    card.reset()
    assert ask(card, "01CA006600") == "6881"
    assert ask(card, "80CA006600").endswith("9000")


# -- long commands and answers ---------------------------------------------------------------------------------


@pytest.mark.parametrize("extended", [False, True], ids=["parts", "extended"])
@pytest.mark.parametrize("parameter", [0x70, 0x71])
@pytest.mark.parametrize("level", SecurityLevel)
def test_long_commands_and_answers(
    open_card: Card, default_keys: ScpKeys, parameter: int, level: SecurityLevel, *, extended: bool
) -> None:
    """1,500 bytes each way: extended length, or ISO chaining and 61xx, protected as one command (§2.11)."""
    card = open_card(options=DomainOptions(channel=ChannelOptions(parameter=parameter)))
    mode = ScpMode(16 if parameter & 1 else 8)
    transport = InProcessTransport(card)
    session = Scp03Session.open(transport, default_keys, security_level=level, mode=mode, extended=extended)
    value = bytes(range(250)) * 6
    store = bytes.fromhex("80E2900000") + (len(value) + 4).to_bytes(2, "big") + b"\x45\x82\x05\xdc" + value
    assert session.send_apdu(store) == b"\x90\x00"
    assert session.send_apdu(bytes.fromhex("00CA0045000000")) == value + b"\x90\x00"
    assert session.send_apdu(bytes.fromhex("80CA004200")) == b"\x6a\x88"


@pytest.mark.parametrize("length", [222, 223, 224, 238, 239, 240, 246, 247, 248, 254, 255, 256])
@pytest.mark.parametrize("level", [SecurityLevel.C_MAC, SecurityLevel.FULL])
@pytest.mark.parametrize("mode", list(ScpMode))
def test_the_longest_data_field_of_one_short_apdu(
    channel_card: Any, scp_keys: Any, length: int, level: SecurityLevel, mode: ScpMode
) -> None:
    """§2.12: 247 and 239 bytes with S8, 239 and 223 with S16; one byte more goes in two parts."""
    card = channel_card(parameter=0x70 | (mode is ScpMode.S16))
    session = Scp03Session.open(card, scp_keys(), security_level=level, mode=mode)
    expected = {(8, 1): 247, (8, 0x33): 239, (16, 1): 239, (16, 0x33): 223}[mode, level]
    assert session.max_command_data == expected
    parts = list(
        session._whole._parts(session._messaging.wrap(_command(length)))  # the pieces that would be sent
    )
    assert len(parts) == (1 if length <= expected else 2)


def _command(length: int) -> CommandApdu:
    return CommandApdu(0x80, 0x01, 0, 0, bytes(length))


def test_long_install_is_chained_by_p1(domain: Any, open_card: Card) -> None:
    """§2.11: INSTALL says "more" in P1 b8; the MAC is over the whole command with the last P1."""
    card = open_card()
    session = domain(card)
    package, module = bytes.fromhex("F04D594B4559F0"), bytes.fromhex("F04D594B4559F001")
    applets = b"\x01\x08" + module + b"\x00\x08"
    code = b"\x01\x00\x04" + bytes.fromhex("DECAFFED") + b"\x03\x00" + bytes((len(applets),)) + applets
    session.install_for_load(package)
    session.load(code)
    session.install(package, module, module + b"\x01", parameters=bytes(range(200)) * 2)
    sent = [command for command, _ in session._transport.log if command[1] == 0xE6]
    assert [command[2] for command in sent[-2:]] == [0x8C, 0x0C]
    assert card.contents.instance(module + b"\x01").parameters == bytes(range(200)) * 2  # type: ignore[union-attr]


def test_a_refused_part_closes_the_session(channel_card: Any, cable: Any, scp_keys: Any) -> None:
    """A card that does not chain: both sides no longer count alike."""
    wire = cable(channel_card())
    session = Scp03Session.open(wire, scp_keys())
    wire.bend = lambda _, __: b"\x68\x84"
    with pytest.raises(ChainingRefusedError) as refused:
        session.send_apdu(bytes.fromhex("80010000000200") + bytes(512))
    assert refused.value.sw == 0x6884
    assert session.closed


def test_get_response_without_anything_to_get(open_card: Card) -> None:
    """It is a command that the domain does not know; the rest of an answer is lost by any other command."""
    card = open_card()
    assert ask(card, "00C0000000") == "6D00"
    card.memory.commit(replace(card.contents, objects={0x45: bytes(600)}))
    assert ask(card, "00CA004500").endswith("6100")
    assert ask(card, "00C0000000").endswith("6158")
    assert ask(card, "0070000001") == "019000"
    assert ask(card, "00C0000000") == "6D00"


# -- with the applications of a persona ------------------------------------------------------------------------


@pytest.fixture
def citizen(open_card: Card) -> OpenCard:
    """An open card that also has the applications of a synthetic adult."""
    adult = make_card("adult", today=date(2026, 11, 23))
    return open_card(built_in=adult.applications.values())


def test_the_built_in_applications_work_as_ever(citizen: OpenCard) -> None:
    """JPKI beside GlobalPlatform: the reader's session verifies a PIN and signs; then back to the domain."""
    session = JpkiSession(InProcessTransport(citizen))
    assert session.pin_status("authentication").attempts_remaining == 3
    assert ask(citizen, "00A4020C020018") == "9000"
    assert select(citizen, DOMAIN).endswith("9000")
    assert ask(citizen, "00200080") == "6D00"
    assert ask(citizen, f"00A4040C0A{JPKI}") == "9000"


def test_the_built_in_applications_keep_their_own_answers(citizen: OpenCard) -> None:
    """Class bytes, channels and unknown instructions as on the card without GlobalPlatform."""
    plain = make_card("adult", today=date(2026, 11, 23))
    plain.power_on()
    for command in (f"00A4040C0A{JPKI}", "08B0000000", "01200080", "40200080", "00FF0000", "80E2000000", "00C0000000"):
        assert ask(citizen, command) == plain.process(bytes.fromhex(command)).hex().upper(), command


def test_a_session_ends_when_a_built_in_application_is_selected(citizen: OpenCard, default_keys: ScpKeys) -> None:
    """And they are there on the basic channel only."""
    Scp03Session.open(InProcessTransport(citizen), default_keys)
    assert ask(citizen, f"00A4040C0A{JPKI}") == "9000"
    select(citizen, DOMAIN)
    assert ask(citizen, "80CA00D300") == "D301009000"
    ask(citizen, "0070000001")
    assert ask(citizen, f"01A4040C0A{JPKI}") == "6A82"


def test_without_power_the_card_is_dead(open_card: Card) -> None:
    """6F00, as every virtual card."""
    card = open_card()
    card.power_off()
    assert ask(card, "80CA006600") == "6F00"
