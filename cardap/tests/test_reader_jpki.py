"""The JPKI session against exact transcripts of the card reference (§3, §8, §9, §11, §12, §18)."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest

from mykey_cardap.errors import (
    ApduError,
    BadCardDataError,
    FileNotFoundOnCardError,
    LastAttemptError,
    PinBlockedError,
    PinError,
    PinFormatError,
    SecurityStatusError,
)
from mykey_cardap.jpki import JpkiSession, SignScheme, TokenKind
from mykey_cardap.kinds import CertificateKind
from mykey_testkit.scripted import ScriptedTransport

if TYPE_CHECKING:
    from collections.abc import Sequence

AUTHENTICATION, SIGNATURE = CertificateKind.AUTHENTICATION, CertificateKind.SIGNATURE
SELECT_AP = ("00A4040C0A D392F000260100000001", "9000")
QUERY = "00200080"
SIGNED = "AB" * 256


def session(*script: tuple[str, str]) -> tuple[JpkiSession, ScriptedTransport]:
    transport = ScriptedTransport([SELECT_AP, *script])
    return JpkiSession(transport), transport


def select(fid: str) -> tuple[str, str]:
    return (f"00A4020C02{fid}", "9000")


def test_authenticate_as_every_client_does() -> None:
    """SELECT AP, ask, VERIFY, SIGN a DigestInfo: the canonical flow, and no second SELECT AP in between."""
    digest = hashlib.sha256(b"challenge").hexdigest()
    jpki, transport = session(
        select("0018"),
        (QUERY, "63C3"),
        ("0020008004 31323334", "9000"),
        select("0017"),
        (f"802A008033 3031300D060960864801650304020105000420{digest} 00", SIGNED + "9000"),
    )
    assert not jpki.verify_pin("authentication", b"1234").uppercased
    assert jpki.sign_message(AUTHENTICATION, b"challenge", "RS256").hex().upper() == SIGNED
    assert transport.finished


def test_small_letters_of_the_password_become_capitals_with_a_warning() -> None:
    """The card compares bytes, so a small letter would cost a try."""
    jpki, transport = session(select("001B"), (QUERY, "63C5"), ("0020008006 414243313233", "9000"))
    assert jpki.verify_pin("signature", bytearray(b"abc123")).uppercased
    assert transport.finished


@pytest.mark.parametrize(
    ("pin", "value"),
    [
        ("authentication", b"123"),
        ("authentication", b"12345"),
        ("authentication", b"12a4"),
        ("authentication", "１２３４".encode()),
        ("signature", b"ABC12"),
        ("signature", b"ABCDEFGH123456789"),
        ("signature", b"ABC-123"),
        ("text", b"1234"),
    ],
)
def test_a_pin_that_cannot_be_right_never_reaches_the_card(pin: str, value: bytes) -> None:
    """Not even the counter is asked, and the error does not repeat the PIN."""
    jpki, transport = session()
    with pytest.raises(PinFormatError) as caught:
        jpki.verify_pin(pin, value)  # type: ignore[arg-type]
    assert value.decode() not in str(caught.value)
    assert transport.finished


def test_the_last_try_is_refused_unless_told() -> None:
    """At one left nothing is presented; with the caller's word it is, once."""
    jpki, transport = session(select("0018"), (QUERY, "63C1"))
    with pytest.raises(LastAttemptError):
        jpki.verify_pin("authentication", b"1234")
    assert transport.finished
    jpki, transport = session(select("0018"), (QUERY, "63C1"), ("0020008004 31323334", "9000"))
    jpki.verify_pin("authentication", b"1234", allow_last_attempt=True)
    assert transport.finished


def test_a_wrong_pin_is_presented_once_and_tells_the_tries_left() -> None:
    """63C2 after VERIFY: two left, no repetition."""
    jpki, transport = session(select("0018"), (QUERY, "63C3"), ("0020008004 31323334", "63C2"))
    with pytest.raises(PinError) as caught:
        jpki.verify_pin("authentication", b"1234")
    assert (caught.value.attempts_remaining, caught.value.pin) == (2, "authentication")
    assert "1234" not in str(caught.value)
    assert transport.finished


@pytest.mark.parametrize("sw", ["63C0", "6983", "6984"])
def test_all_three_ways_of_saying_blocked(sw: str) -> None:
    """A query that says blocked stops before VERIFY."""
    jpki, transport = session(select("0018"), (QUERY, sw))
    with pytest.raises(PinBlockedError):
        jpki.verify_pin("authentication", b"1234")
    assert transport.finished


@pytest.mark.parametrize("sw", ["6983", "6984"])
def test_a_pin_that_turns_out_blocked_on_verify(sw: str) -> None:
    """Blocked between the query and the VERIFY by somebody else."""
    jpki, _ = session(select("0018"), (QUERY, "63C2"), ("0020008004 31323334", sw))
    with pytest.raises(PinBlockedError):
        jpki.verify_pin("authentication", b"1234")


def test_9000_to_the_query_means_verified_and_count_unknown() -> None:
    """Some cards answer so; before a VERIFY the session logs out and asks again."""
    jpki, _ = session(select("0018"), (QUERY, "9000"))
    status = jpki.pin_status("authentication")
    assert (status.attempts_remaining, status.blocked, status.verified_unknown_count) == (None, False, True)
    jpki, transport = session(select("0018"), (QUERY, "9000"), SELECT_AP, select("0018"), (QUERY, "63C1"))
    with pytest.raises(LastAttemptError):
        jpki.verify_pin("authentication", b"1234")
    assert transport.finished


def test_unlimited_tries_are_no_number() -> None:
    """6300 to the query."""
    jpki, _ = session(select("0018"), (QUERY, "6300"))
    assert jpki.pin_status("authentication").attempts_remaining is None


def test_the_first_command_after_power_up_may_fail() -> None:
    """One card answers 6F00 to it: SELECT is sent once more, not twice."""
    aid = SELECT_AP[0]
    transport = ScriptedTransport([(aid, "6F00"), SELECT_AP])
    JpkiSession(transport)
    assert transport.finished
    with pytest.raises(ApduError):
        JpkiSession(ScriptedTransport([(aid, "6F00"), (aid, "6F00")]))


def test_a_card_without_the_application() -> None:
    """6A82 to both names under which the application is known."""
    other = "00A4040C0A F04D594B45594E01".replace("0A ", "08")
    with pytest.raises(FileNotFoundOnCardError):
        JpkiSession(ScriptedTransport([(SELECT_AP[0], "6A82"), (other, "6A82")]))


def certificate_script(total: int) -> Sequence[tuple[str, str]]:
    """A certificate of `total` bytes, read as 4 bytes, then 256 each, then the exact rest."""
    der = b"\x30\x82" + (total - 4).to_bytes(2, "big") + bytes(index % 251 for index in range(total - 4))
    script = [select("000A"), ("00B0000004", der[:4].hex() + "9000")]
    for start in range(4, total, 256):
        piece = der[start : start + 256]
        script.append((f"00B0{start:04X}{len(piece) & 0xFF:02X}", piece.hex() + "9000"))
    return script


@pytest.mark.parametrize("total", [261, 260, 516, 1514])
def test_a_certificate_is_read_in_exact_pieces(total: int) -> None:
    """Length from the first four bytes, Le 00 for full pieces, the exact Le for the last."""
    jpki, transport = session(*certificate_script(total))
    assert len(jpki.read_certificate(AUTHENTICATION)) == total
    assert transport.finished


def test_fewer_bytes_than_asked_are_no_end() -> None:
    """A short piece (9000 or 6282) is taken, and the rest is asked from where it ended."""
    jpki, transport = session(
        select("000A"),
        ("00B0000004", "308200109000"),
        ("00B0000410", "00" * 10 + "6282"),
        ("00B0000E06", "00" * 6 + "9000"),
    )
    assert len(jpki.read_certificate(AUTHENTICATION)) == 20
    assert transport.finished


def test_answers_that_some_readers_pass_through() -> None:
    """6Cxx asks for the exact Le again, 61xx is fetched with GET RESPONSE."""
    jpki, transport = session(
        select("000A"),
        ("00B0000004", "6C02"),
        ("00B0000002", "30039000"),
        ("00B0000203", "01026101"),
        ("00C0000001", "039000"),
    )
    assert jpki.read_certificate(AUTHENTICATION) == bytes.fromhex("3003010203")
    assert transport.finished


@pytest.mark.parametrize(
    "answers",
    [
        ["9000"],
        ["FFFFFFFF9000"],
        ["30 80 00 00 9000"],
        ["30 83 01 00 9000"],
        ["30 82 FF FF 9000"],
        ["30 82 00 10 00 9000"],
        ["30 82 00 10 9000", "9000"],
        ["90"],
        [""],
    ],
)
def test_hostile_files_are_refused_as_bad_card_data(answers: list[str]) -> None:
    """Empty, no certificate, indefinite, too long, more than asked, an end too early, no status word."""
    commands = ["00B0000004", "00B0000410"]
    jpki, _ = session(select("000A"), *zip(commands, answers, strict=False))
    with pytest.raises(BadCardDataError):
        jpki.read_certificate(AUTHENTICATION)


def test_a_certificate_behind_a_pin() -> None:
    """The signature certificate always, the authentication certificate on a phone: 6982."""
    jpki, _ = session(select("0001"), ("00B0000004", "6982"))
    with pytest.raises(SecurityStatusError):
        jpki.read_certificate(SIGNATURE)


def token_info(label: str) -> str:
    fields = (label.ljust(32) + "0" * 31 + "1" + "E16R01NJ".ljust(16) + "0000000020500003").encode() + bytes.fromhex(
        "0000040D" + "00" * 24 + "FFFFFFFF" * 4
    )
    return (fields + b"0301" + b"9" * 16).hex()


@pytest.mark.parametrize(
    ("label", "kind", "phone"),
    [
        ("JPKIAPICCTOKEN2", TokenKind.MY_NUMBER_CARD, False),
        ("JPKIAPICCTOKEN", TokenKind.RESIDENT_REGISTER_CARD, False),
        ("JPKIAPGPSETOKEN", TokenKind.ANDROID, True),
        ("JPKIAPIOSTOKEN", TokenKind.IPHONE, True),
        ("SOMETHINGELSE", TokenKind.UNKNOWN, False),
    ],
)
def test_token_information(label: str, kind: TokenKind, *, phone: bool) -> None:
    """160 bytes in one read; the label decides, the serial number is not shown."""
    jpki, _ = session(select("0006"), ("00B00000A0", token_info(label) + "9000"))
    info = jpki.token_info()
    assert (info.kind, info.kind.is_phone, info.model) == (kind, phone, "E16R01NJ")
    assert info.serial == "0000000020500003"
    assert info.serial not in repr(info)


@pytest.mark.parametrize(("raw", "authentication", "signature"), [("8F8F00", True, True), ("008F00", True, False)])
def test_which_certificates_are_there(raw: str, *, authentication: bool, signature: bool) -> None:
    """File 0008: the first byte is the signature certificate, the second the authentication certificate."""
    jpki, _ = session(select("0008"), ("00B0000003", raw + "9000"))
    found = jpki.availability()
    assert (AUTHENTICATION in found, SIGNATURE in found) == (authentication, signature)


def test_change_pin() -> None:
    """VERIFY the current one, then `00 24 01 80` with the new value only."""
    jpki, transport = session(
        select("0018"), (QUERY, "63C3"), ("0020008004 31323334", "9000"), ("0024018004 35363738", "9000")
    )
    jpki.change_pin("authentication", b"1234", b"5678")
    assert transport.finished


def test_a_new_pin_of_the_wrong_form_costs_nothing() -> None:
    """The new value is judged before the current one is presented."""
    jpki, transport = session()
    with pytest.raises(PinFormatError):
        jpki.change_pin("signature", b"ABC123", b"abc")
    assert transport.finished


def test_logout_selects_the_application_again() -> None:
    """That is how the card forgets a verified PIN."""
    jpki, transport = session(SELECT_AP)
    jpki.logout()
    assert transport.finished


@pytest.mark.parametrize("scheme", list(SignScheme))
def test_sign_schemes_go_into_p1(scheme: SignScheme) -> None:
    """P1 00 to 05, the key by SELECT and P2 = 80."""
    jpki, _ = session(select("001A"), (f"802A{scheme:02X}8020{'11' * 32}00", SIGNED + "9000"))
    assert len(jpki.sign(SIGNATURE, b"\x11" * 32, scheme=scheme)) == 256


def test_a_payload_that_fits_no_command() -> None:
    """0 and 246 bytes raw, 256 bytes as a message: refused without asking the card."""
    jpki, transport = session()
    for payload, scheme in (
        (b"", SignScheme.RAW),
        (bytes(246), SignScheme.RAW),
        (bytes(256), SignScheme.PSS_OF_MESSAGE),
    ):
        with pytest.raises(ValueError, match="fit"):
            jpki.sign(AUTHENTICATION, payload, scheme=scheme)
    assert transport.finished


def test_the_pin_is_overwritten_in_every_buffer_of_ours() -> None:
    """A transport that takes a buffer gets one, and it holds zeros afterwards."""

    class KeepsTheBuffer(ScriptedTransport):
        kept: bytearray

        def send_secret_apdu(self, command: bytearray) -> bytes:
            self.kept = command
            return self.send_apdu(bytes(command))

    transport = KeepsTheBuffer([SELECT_AP, select("0018"), (QUERY, "63C3"), ("0020008004 31323334", "9000")])
    JpkiSession(transport).verify_pin("authentication", bytearray(b"1234"))
    assert transport.kept == bytes(9)
