"""Attacks on the secure channel, one test per row of the reference (§12.1, §2.10, §2.13).

Whoever sits between host and card may change, cut, drop, repeat, exchange and invent. None of it may be reported as
success, none may end in anything but an error of this package, and afterwards the host sends nothing more.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

from mykey_cardap.apdu import SW, CommandApdu
from mykey_cardap.emulator.globalplatform.secure_channel import State
from mykey_cardap.errors import CardRemovedError
from mykey_cardap.globalplatform.derivation import ScpMode, host_cryptogram, session_keys
from mykey_cardap.globalplatform.errors import (
    CardCryptogramError,
    FailureClass,
    HandshakeError,
    HostRefusedError,
    ResponseProtectionError,
    SecureChannelClosedError,
    SecureChannelError,
    SecureChannelUseError,
)
from mykey_cardap.globalplatform.handshake import CardHello, HostHandshake
from mykey_cardap.globalplatform.keys import ScpKeys
from mykey_cardap.globalplatform.messaging import HostMessaging, SecurityLevel
from mykey_cardap.globalplatform.scp03 import Scp03Session
from mykey_cardap.globalplatform.security_domain import SecurityDomainSession

Keys = Callable[..., ScpKeys]
Make = Callable[..., Any]
ECHO = bytes.fromhex("8001000003616263")
EMPTY = bytes.fromhex("80020000")
WITH_R_MAC = [level for level in SecurityLevel if level.has_response_mac]
WITH_C_MAC = [level for level in SecurityLevel if level.has_command_mac]


@pytest.fixture
def opened(channel_card: Make, cable: Make, scp_keys: Keys) -> Callable[..., tuple[Scp03Session, Any]]:
    """`(level, **card options) -> (session, cable)`."""

    def make(level: SecurityLevel = SecurityLevel.FULL, **options: Any) -> tuple[Scp03Session, Any]:
        wire = cable(channel_card(**options))
        mode = ScpMode.S16 if options.get("parameter", 0) & 1 else ScpMode.S8
        return Scp03Session.open(wire, scp_keys(), security_level=level, mode=mode), wire

    return make


def assert_closed(session: Scp03Session, wire: Any) -> None:
    sent = len(wire.log)
    with pytest.raises(SecureChannelClosedError):
        session.send_apdu(EMPTY)
    assert len(wire.log) == sent
    assert session.closed


def assert_no_success(session: Scp03Session, wire: Any) -> None:
    """An exception that closes the session, or an error status without data."""
    try:
        answer = session.send_apdu(ECHO)
    except ResponseProtectionError:
        assert_closed(session, wire)
    else:
        assert len(answer) == 2
        assert answer != b"\x90\x00"
        assert answer[0] not in {0x61, 0x62, 0x63}


# -- answers ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("level", WITH_R_MAC)
@pytest.mark.parametrize("command", [ECHO, EMPTY], ids=["data", "empty"])
def test_a_stripped_r_mac(opened: Make, level: SecurityLevel, command: bytes) -> None:
    """The MAC cut off a good answer, also an empty one, which yubikit accepts (§12.1, first row)."""
    session, wire = opened(level)
    wire.bend = lambda _, answer: answer[:-10] + answer[-2:]
    with pytest.raises(ResponseProtectionError):
        session.send_apdu(command)
    assert_closed(session, wire)


@pytest.mark.parametrize("level", WITH_R_MAC)
def test_a_swallowed_command(opened: Make, level: SecurityLevel) -> None:
    """STORE DATA never reaches the card and a bare 9000 comes back: no success (§12.1, second row)."""
    session, wire = opened(level)
    wire.bend_command = lambda _: None
    with pytest.raises(ResponseProtectionError):
        session.send_apdu(bytes.fromhex("80E2900003420161"))
    assert wire.card.plain == []
    assert_closed(session, wire)


@pytest.mark.parametrize("sw", [0x6300, 0x6982, 0x6985, 0x6283, 0x9001])
def test_a_refused_external_authenticate_is_not_ignored(
    channel_card: Make, cable: Make, scp_keys: Keys, sw: int
) -> None:
    """§12.1, third row: raise, with the status word, class security; the host tries once and no more."""
    wire = cable(channel_card())
    wire.bend = lambda command, answer: sw.to_bytes(2, "big") if command[1] == 0x82 else answer
    with pytest.raises(HostRefusedError) as refused:
        Scp03Session.open(wire, scp_keys())
    assert refused.value.sw == sw
    assert refused.value.failure is FailureClass.SECURITY
    assert [command[1] for command, _ in wire.log] == [0x50, 0x82]


def test_an_empty_answer_at_level_33(opened: Make) -> None:
    """§12.1, fourth row: no padding block, no IndexError; ten bytes are an empty 9000."""
    session, wire = opened()
    assert session.send_apdu(EMPTY) == b"\x90\x00"
    assert len(wire.log[-1][1]) == 10


@pytest.mark.parametrize("sw", [0x6283, 0x6310, 0x63C1])
def test_warnings_carry_a_mac_too(opened: Make, sw: int) -> None:
    """§12.1, fifth row: 62xx and 63xx are verified like 9000."""
    session, wire = opened()
    command = b"\x80\x03" + sw.to_bytes(2, "big") + b"\x03abc"
    assert session.send_apdu(command) == b"abc" + sw.to_bytes(2, "big")
    wire.bend = lambda _, answer: answer[-2:]
    with pytest.raises(ResponseProtectionError):
        session.send_apdu(command)


@pytest.mark.parametrize("level", SecurityLevel)
def test_data_in_front_of_an_error_status_are_dropped(opened: Make, level: SecurityLevel) -> None:
    """§12.1, fifth row: nothing protects them, so nobody sees them; the session goes on."""
    session, wire = opened(level)
    wire.bend = lambda _, answer: b"forged" + answer
    assert session.send_apdu(bytes.fromhex("80036A8000")) == b"\x6a\x80"
    wire.bend = lambda _, answer: answer
    assert session.send_apdu(ECHO) == b"abc\x90\x00"


@pytest.mark.parametrize("level", WITH_R_MAC)
@pytest.mark.parametrize("parameter", [0x70, 0x71])
def test_a_flipped_bit_in_every_byte_of_an_answer(opened: Make, level: SecurityLevel, parameter: int) -> None:
    """Every bit of data, MAC and status: an error status or an exception, never data that were not sent."""
    session, wire = opened(level, parameter=parameter)
    honest = session.send_apdu(ECHO), len(wire.log[-1][1])
    for position in range(honest[1] * 8):
        session, wire = opened(level, parameter=parameter)
        wire.bend = _flip(position)
        assert_no_success(session, wire)


def _flip(position: int) -> Callable[[bytes, bytes], bytes]:
    def bend(_: bytes, answer: bytes) -> bytes:
        bent = bytearray(answer)
        bent[position // 8] ^= 1 << position % 8
        return bytes(bent)

    return bend


@pytest.mark.parametrize("level", WITH_R_MAC)
def test_an_answer_cut_anywhere(opened: Make, level: SecurityLevel) -> None:
    """From nothing at all to one byte less: an error of the channel, or what is left happens to be an error status."""
    for cut in range(1, 40):
        session, wire = opened(level)
        wire.bend = lambda _, answer, cut=cut: answer[: max(len(answer) - cut, 0)]
        assert_no_success(session, wire)


@pytest.mark.parametrize("level", WITH_R_MAC)
def test_a_repeated_answer(opened: Make, level: SecurityLevel) -> None:
    """Yesterday's good answer to the same command is none today."""
    session, wire = opened(level)
    session.send_apdu(ECHO)
    old = wire.log[-1][1]
    wire.bend = lambda _, __: old
    with pytest.raises(ResponseProtectionError):
        session.send_apdu(ECHO)
    assert_closed(session, wire)


@pytest.mark.parametrize("level", WITH_R_MAC)
def test_answers_exchanged_between_two_sessions(opened: Make, level: SecurityLevel) -> None:
    """Two cards with the same keys: the answer of one is no answer of the other."""
    (first, wire), (second, other) = opened(level), opened(level)
    first.send_apdu(ECHO)
    foreign = wire.log[-1][1]
    other.bend = lambda _, __: foreign
    with pytest.raises(ResponseProtectionError):
        second.send_apdu(ECHO)


def test_endless_response_chaining(opened: Make) -> None:
    """61xx without data, and 61xx for ever, end in an error."""
    for data in (b"", bytes(256)):
        session, wire = opened()
        wire.bend = lambda _, __, data=data: data + b"\x61\x00"
        with pytest.raises(ResponseProtectionError):
            session.send_apdu(ECHO)
        assert_closed(session, wire)


def test_a_wrong_padding_under_a_right_mac(opened: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the card itself could do this; the host tells nobody apart from a wrong MAC (same class of error)."""
    session, wire = opened()
    monkeypatch.setattr(wire.card.channel._messaging, "_encrypted", lambda _: bytes(16))
    with pytest.raises(ResponseProtectionError):
        session.send_apdu(ECHO)
    assert_closed(session, wire)


# -- commands --------------------------------------------------------------------------------------------------


def _recorded_command(opened: Make, level: SecurityLevel, **options: Any) -> tuple[Any, bytes]:
    """A card with an open session, and a genuine command that has not reached it yet."""
    session, wire = opened(level, **options)
    kept: list[bytes] = []
    wire.bend_command = kept.append
    with suppress(SecureChannelError):
        session.send_apdu(ECHO)
    return wire.card, kept[0]


@pytest.mark.parametrize("level", WITH_C_MAC)
@pytest.mark.parametrize("parameter", [0x70, 0x71])
def test_a_flipped_bit_in_every_byte_of_a_command(opened: Make, level: SecurityLevel, parameter: int) -> None:
    """Header, length, data and MAC: the application never sees a changed command; 6982 and the session is aborted."""
    length = len(_recorded_command(opened, level, parameter=parameter)[1])
    for position in range(length * 8):
        card, command = _recorded_command(opened, level, parameter=parameter)
        bent = bytearray(command)
        bent[position // 8] ^= 1 << position % 8
        try:
            parsed = CommandApdu.from_bytes(bytes(bent))
        except ValueError:
            continue  # a wrong Lc is no APDU; the card's runtime answers 6700
        card.channel.answer(parsed, card._handle)
        assert card.plain == [], position


@pytest.mark.parametrize("level", WITH_C_MAC)
def test_a_replayed_command(opened: Make, level: SecurityLevel) -> None:
    """The same bytes a second time: 6982, not executed again."""
    card, command = _recorded_command(opened, level)
    assert card.send_apdu(command)[-2:] == b"\x90\x00"
    assert card.send_apdu(command) == b"\x69\x82"
    assert len(card.plain) == 1


@pytest.mark.parametrize("level", WITH_C_MAC)
def test_reordered_commands(opened: Make, level: SecurityLevel) -> None:
    """The second before the first: neither is executed."""
    session, wire = opened(level)
    messaging = session._messaging
    first, second = (bytes(messaging.wrap(CommandApdu.from_bytes(ECHO))) for _ in range(2))
    assert wire.card.send_apdu(second) == b"\x69\x82"
    assert wire.card.send_apdu(first) == b"\x69\x82"
    assert wire.card.plain == []


@pytest.mark.parametrize("level", WITH_C_MAC)
def test_a_dropped_command(opened: Make, level: SecurityLevel) -> None:
    """The card notices at the next one that a command is missing (at levels without R-MAC only then)."""
    session, wire = opened(level)
    messaging = session._messaging
    messaging.wrap(CommandApdu.from_bytes(ECHO))
    assert wire.card.send_apdu(bytes(messaging.wrap(CommandApdu.from_bytes(ECHO)))) == b"\x69\x82"
    assert wire.card.plain == []


@pytest.mark.parametrize("level", WITH_C_MAC)
def test_a_plain_command_inside_a_session(opened: Make, level: SecurityLevel) -> None:
    """6982 and abort; nothing but a new beginning helps (§2.10)."""
    session, wire = opened(level)
    assert wire.card.send_apdu(ECHO) == b"\x69\x82"
    assert wire.card.channel.state is State.ABORTED
    assert session.send_apdu(ECHO) == b"\x69\x82"
    assert wire.card.plain == []


def test_the_abort_state_ends_only_with_a_new_beginning(opened: Make, scp_keys: Keys) -> None:
    """§2.10: everything gets 6982, EXTERNAL AUTHENTICATE too; INITIALIZE UPDATE or SELECT begin again."""
    _, wire = opened()
    card = wire.card
    card.send_apdu(bytes.fromhex("8401000008") + bytes(8))
    for command in (ECHO, EMPTY, bytes.fromhex("8482330010") + bytes(16), bytes.fromhex("80CA006600")):
        assert card.send_apdu(command) == b"\x69\x82"
    session = Scp03Session.open(card, scp_keys())
    assert session.send_apdu(ECHO) == b"abc\x90\x00"
    card.send_apdu(ECHO)
    card.channel.end()  # what the runtime does on SELECT
    assert card.send_apdu(ECHO) == b"abc\x90\x00"  # outside any session the application's own rules hold


def test_the_card_is_no_padding_oracle(opened: Make) -> None:
    """Wrong MAC, wrong padding and a wrong length answer the same, and the MAC is judged first."""
    answers = set()
    for data in (bytes(8), bytes(23), bytes(24), bytes(40)):
        _, wire = opened()
        answers.add(wire.card.send_apdu(bytes((0x84, 1, 0, 0, len(data))) + data))
    session, wire = opened()
    session._messaging._encrypted = lambda _: bytes(32)  # type: ignore[method-assign]
    answers.add(session.send_apdu(ECHO))
    session, wire = opened()
    session._messaging._encrypted = lambda _: bytes(17)  # type: ignore[method-assign]
    answers.add(session.send_apdu(ECHO))
    assert answers == {b"\x69\x82"}
    assert wire.card.plain == []


def test_nothing_is_decrypted_before_the_mac_is_right(opened: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """The order of checks, on both sides."""
    session, wire = opened()
    monkeypatch.setattr(wire.card.channel._messaging, "_decrypted", _must_not_run)
    assert wire.card.send_apdu(bytes.fromhex("8401000018") + bytes(24)) == b"\x69\x82"
    session, wire = opened()
    monkeypatch.setattr(session._messaging, "_decrypted", _must_not_run)
    wire.bend = lambda _, answer: bytes(8) + answer[8:]
    with pytest.raises(ResponseProtectionError):
        session.send_apdu(ECHO)


def _must_not_run(_: bytes) -> bytes:
    raise AssertionError("decrypted too early")


# -- opening ---------------------------------------------------------------------------------------------------


def test_a_reflected_cryptogram(channel_card: Make, cable: Make, scp_keys: Keys) -> None:
    """Someone without keys sends back the host's own challenge and cryptogram: the constants differ, no proof."""
    keys = scp_keys()
    challenge = bytes(range(1, 9))
    context = challenge + challenge
    cryptogram = host_cryptogram(session_keys(keys.enc, keys.mac, context), context, ScpMode.S8)
    wire = cable(channel_card())
    forged = bytes(10) + bytes.fromhex("300360") + challenge + cryptogram + b"\x90\x00"
    wire.bend = lambda _, __: forged
    with pytest.raises(CardCryptogramError):
        Scp03Session.open(wire, keys, random=lambda _: challenge)
    assert len(wire.log) == 1

    card = channel_card(parameter=0x60)
    hello = card.send_apdu(bytes.fromhex("8050300008") + challenge + b"\x00")
    proof = bytes.fromhex("8482330010") + hello[21:29] + bytes(8)
    assert card.send_apdu(proof) == b"\x63\x00"
    assert card.send_apdu(proof) == b"\x69\x85"


def test_a_flipped_bit_in_every_byte_of_the_opening_answer(channel_card: Make, cable: Make, scp_keys: Keys) -> None:
    """Every bit of the answer to INITIALIZE UPDATE that proves anything: refused before EXTERNAL AUTHENTICATE."""
    proving = [*range(10 * 8, 29 * 8), *range(32 * 8, 34 * 8)]
    for position in proving:
        wire = cable(channel_card())
        wire.bend = _flip(position)
        try:
            Scp03Session.open(wire, scp_keys(), key_version=0x30)
        except (HandshakeError, CardCryptogramError, HostRefusedError, ResponseProtectionError):
            assert [command[1] for command, _ in wire.log if command[1] == 0x82] == [], position
        else:
            pytest.fail(f"bit {position} went unnoticed")


def test_the_opening_answer_cut_anywhere(channel_card: Make, cable: Make, scp_keys: Keys) -> None:
    """Every length but the right one is refused as such."""
    for cut in range(1, 35):
        wire = cable(channel_card())
        wire.bend = lambda _, answer, cut=cut: answer[:-2][: max(32 - cut, 0)] + answer[-2:]
        with pytest.raises(HandshakeError):
            Scp03Session.open(wire, scp_keys())


def test_a_flipped_bit_in_every_byte_of_the_proof(channel_card: Make, cable: Make, scp_keys: Keys) -> None:
    """EXTERNAL AUTHENTICATE changed on the way opens nothing, and the half-open session is gone."""
    for position in range(21 * 8):
        wire = cable(channel_card())
        bent = _flip(position)
        wire.bend_command = lambda command, bent=bent: bent(b"", command) if command[1] == 0x82 else command
        try:
            session = Scp03Session.open(wire, scp_keys())
        except (HostRefusedError, ValueError):
            pass
        else:  # it became a command that the application answered; the next answer unmasks it
            wire.bend_command = lambda command: command
            with pytest.raises(ResponseProtectionError):
                session.send_apdu(ECHO)
        assert wire.card.channel.level is None, position


def test_the_card_takes_no_proof_twice_and_none_without_challenge(opened: Make) -> None:
    """6985 without a fresh INITIALIZE UPDATE: replaying a good EXTERNAL AUTHENTICATE opens nothing."""
    _, wire = opened()
    proof = next(command for command, _ in wire.log if command[1] == 0x82)
    assert wire.card.send_apdu(proof) == b"\x69\x85"
    assert wire.card.channel.level is None
    wire.card.send_apdu(wire.log[0][0])
    assert wire.card.send_apdu(proof) == b"\x63\x00"


def test_a_right_mac_does_not_replace_the_cryptogram(channel_card: Make, scp_keys: Keys) -> None:
    """A proof whose MAC is right over a wrong cryptogram: 6300, no session."""
    card = channel_card()
    handshake = HostHandshake()
    first = handshake.first()
    hello = CardHello.from_bytes(card.send_apdu(bytes(first))[:-2], ScpMode.S8)
    keys = scp_keys().session_keys(first.data + hello.challenge)
    messaging = HostMessaging(keys, mode=ScpMode.S8, level=SecurityLevel.FULL)
    proof = messaging.authenticate(CommandApdu(0x80, 0x82, SecurityLevel.FULL, 0, hello.cryptogram))
    assert card.send_apdu(bytes(proof)) == b"\x63\x00"
    assert card.channel.level is None


@pytest.mark.parametrize(
    ("parameter", "level"),
    [(0x10, SecurityLevel.FULL), (0x30, SecurityLevel.FULL), (0x00, SecurityLevel.C_MAC_R_MAC)],
)
def test_a_downgrade_is_refused(
    channel_card: Make, cable: Make, scp_keys: Keys, parameter: int, level: SecurityLevel
) -> None:
    """A card (or someone between) that says it cannot protect answers gets no proof; a changed level opens nothing."""
    wire = cable(channel_card(parameter=parameter))
    with pytest.raises(HandshakeError):
        Scp03Session.open(wire, scp_keys(), security_level=level)
    assert len(wire.log) == 1


@pytest.mark.parametrize("level", [*range(0x40), 0x80, 0xFF])
def test_the_card_knows_six_levels_and_no_more(channel_card: Make, scp_keys: Keys, level: int) -> None:
    """A genuine proof for a level that does not exist is refused (table 7-3)."""
    card = channel_card()
    handshake = HostHandshake()
    first = handshake.first()
    hello = CardHello.from_bytes(card.send_apdu(bytes(first))[:-2], ScpMode.S8)
    context = first.data + hello.challenge
    keys = scp_keys().session_keys(context)
    messaging = HostMessaging(keys, mode=ScpMode.S8, level=SecurityLevel.AUTHENTICATED)
    cryptogram = host_cryptogram(keys, context, ScpMode.S8)
    proof = messaging.authenticate(CommandApdu(0x80, 0x82, level, 0, cryptogram))
    expected = b"\x90\x00" if level in set(SecurityLevel) else b"\x6a\x86"
    assert card.send_apdu(bytes(proof)) == expected


def test_a_challenge_of_zeros_is_not_sent(channel_card: Make, scp_keys: Keys) -> None:
    """Writer rule 9: what a broken random source gives."""
    card = channel_card()
    for broken in (bytes, lambda _: b"short"):
        with pytest.raises(SecureChannelUseError):
            Scp03Session.open(card, scp_keys(), random=broken)
    assert card.log == []


def test_an_exhausted_sequence_counter(channel_card: Make, scp_keys: Keys) -> None:
    """6985 at FFFFFF; the counter never wraps."""
    card = channel_card(counter=0xFFFFFE)
    assert Scp03Session.open(card, scp_keys()).hello.sequence_counter == 0xFFFFFF
    with pytest.raises(HandshakeError) as refused:
        Scp03Session.open(card, scp_keys())
    assert refused.value.sw == 0x6985


def test_a_card_that_counts_failures_blocks(channel_card: Make, scp_keys: Keys) -> None:
    """Three refused proofs in a row block the key set; a good one in between starts the count again."""
    card = channel_card(failure_limit=3)

    def bad() -> bytes:
        card.send_apdu(bytes.fromhex("8050300008010203040506070800"))
        return bytes(card.send_apdu(bytes.fromhex("8482330010") + bytes(16)))

    assert [bad(), bad()] == [b"\x63\x00"] * 2
    Scp03Session.open(card, scp_keys())
    assert [bad(), bad(), bad()] == [b"\x63\x00"] * 3
    with pytest.raises(HandshakeError) as refused:
        Scp03Session.open(card, scp_keys())
    assert refused.value.sw == 0x6983


# -- the host's own discipline ---------------------------------------------------------------------------------


def test_a_pulled_card_closes_the_session(opened: Make) -> None:
    """§15.3: after a transport error the handle may work again; the session must not."""
    session, wire = opened()

    def pulled(_: bytes) -> bytes:
        raise CardRemovedError("the card was removed")

    wire.bend_command = pulled
    with pytest.raises(CardRemovedError):
        session.send_apdu(ECHO)
    wire.bend_command = lambda command: command
    assert_closed(session, wire)


@pytest.mark.parametrize(
    "command",
    ["00A4040007A0000001510000", "8050300008010203040506070800", "8482000010" + "00" * 16, "00700000", "00C0000000"],
)
def test_commands_that_end_or_bypass_a_session_are_not_sent_through_it(opened: Make, command: str) -> None:
    """SELECT by name, the opening pair, MANAGE CHANNEL, GET RESPONSE: refused, nothing sent, session open."""
    session, wire = opened()
    sent = len(wire.log)
    with pytest.raises(SecureChannelUseError):
        session.send_apdu(bytes.fromhex(command))
    assert len(wire.log) == sent
    assert session.send_apdu(ECHO) == b"abc\x90\x00"


def test_session_keys_are_overwritten(opened: Make) -> None:
    """Closing wipes them on our side; the end of the session on the card's."""
    session, wire = opened()
    ours, theirs = session._messaging._keys, wire.card.channel._messaging.keys
    assert any(ours.enc)
    session.close()
    wire.card.channel.end()
    assert not any(ours.enc + ours.mac + ours.rmac + theirs.enc + theirs.mac + theirs.rmac)


def test_secrets_are_in_no_repr_log_or_traceback(
    opened: Make, scp_keys: Keys, caplog: pytest.LogCaptureFixture
) -> None:
    """Keys and plain data, in hex or as Python shows bytes: nowhere, even in a traceback with local variables."""
    caplog.set_level(0)
    session, wire = opened()
    static = scp_keys()
    working = session._messaging._keys
    secrets = [bytes(key) for key in (static.enc, static.mac, static.dek, working.enc, working.mac, working.rmac)]
    shown = [repr(thing) for thing in (session, static, working, session._messaging, session.hello)]
    shown += [repr(thing) for thing in (wire.card.channel, wire.card.store.key_set(0), session._whole)]
    wire.bend = lambda _, answer: answer[-2:]
    try:
        session.send_apdu(ECHO)
    except ResponseProtectionError as error:
        shown += _with_locals(error)
    try:
        Scp03Session.open(wire.card, scp_keys(32))
    except CardCryptogramError as error:
        shown += _with_locals(error)
    everything = "".join(shown) + caplog.text
    for secret in secrets:
        for form in (secret.hex(), secret.hex().upper(), repr(secret)[2:-1], repr(bytearray(secret))[12:-2]):
            assert form not in everything


def _with_locals(error: BaseException) -> list[str]:
    """The traceback with every local variable, from our code on (the test's own frame holds the secrets)."""
    inner = error.__traceback__ and error.__traceback__.tb_next
    assert inner
    return list(traceback.TracebackException(type(error), error, inner, capture_locals=True).format())


def test_a_swallowed_store_data_is_an_error_of_the_domain_session(
    domain: Callable[..., SecurityDomainSession],
) -> None:
    """The same attack through `SecurityDomainSession`: the step is unknown, not done, and nothing more is sent."""
    session = domain()
    wire: Any = session._transport
    wire.bend_command = lambda _: None
    with pytest.raises(SecureChannelError) as failed:
        session.store_data(bytes.fromhex("42026162"))
    assert failed.value.failure is FailureClass.SECURITY
    sent = len(wire.log)
    with pytest.raises(SecureChannelClosedError):
        session.store_data(bytes.fromhex("42026162"))
    assert len(wire.log) == sent
    assert 0x42 not in wire.card.contents.objects
    assert wire.card.process(bytes.fromhex("80CA004200")) == SW.SECURITY_STATUS.to_bytes(2, "big")
