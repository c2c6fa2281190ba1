"""The emulated JPKI application: files, PINs and signatures (EMU-07 to 12, 14)."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, utils
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from mykey_cardap.emulator.application import Options

Talk = Callable[..., Any]
JPKI = "00A4040C0AD392F000260100000001"
GOOD, PASSWORD = "31323334", "414243313233"
BAD = "39393939"
SHA256_PREFIX = "3031300D060960864801650304020105000420"


def public_key(card: Any) -> RSAPublicKey:
    """The key in EF 000A."""
    key = x509.load_der_x509_certificate(card.data("00B08A00000000")).public_key()
    assert isinstance(key, RSAPublicKey)
    return key


@pytest.fixture
def card(talk: Talk) -> Any:
    """The adult's card with JPKI selected."""
    card = talk()
    card(JPKI)
    return card


@pytest.fixture
def signing(card: Any) -> Any:
    """The same with the authentication PIN verified and its key selected."""
    assert card("0020009804", GOOD) == "9000"
    assert card("00A4020C020017") == "9000"
    return card


def test_only_the_password_opens_the_signature_certificate(card: Any) -> None:
    """EMU-07: 0001 is 6982 without its own password, also with the authentication PIN; the others are free."""
    for fid in (0x02, 0x0A, 0x0B, 0x06, 0x08):
        assert card(f"00B0{0x80 | fid:02X}0001").endswith("9000")
    assert card("00B0810004") == "6982"
    assert card("0020009804", GOOD) == "9000"
    assert card("00B0810004") == "6982"
    assert card("0020009B06", PASSWORD) == "9000"
    certificate = x509.load_der_x509_certificate(card.data("00B08100000000"))
    assert certificate.subject != certificate.issuer


def test_files_of_unknown_purpose_open_to_nobody(card: Any) -> None:
    """§3: they exist, and no PIN of the holder opens them."""
    card("0020009804", GOOD)
    card("0020009B06", PASSWORD)
    for fid in ("0005", "0009", "0010", "0016", "0019", "001C", "001E"):
        assert card(f"00A4020C02{fid}") == "9000"
        assert card("00B0000000") == "6982"


def test_each_key_signs_with_its_own_pin_only(card: Any) -> None:
    """EMU-08: 6982 before VERIFY and with the other PIN; both PINs can be open at the same time."""
    assert card("802A009701AA00") == card("802A009A01AA00") == "6982"
    card("0020009804", GOOD)
    assert card("802A009701AA00").endswith("9000")
    assert card("802A009A01AA00") == "6982"
    card("0020009B06", PASSWORD)
    assert card("802A009701AA00").endswith("9000")
    assert card("802A009A01AA00").endswith("9000")


def test_openssl_verifies_a_signed_digest_info(
    signing: Any, openssl_verify: Callable[[RSAPublicKey, bytes, bytes], bool]
) -> None:
    """EMU-09: scheme 00 over a DigestInfo is an ordinary signature, judged by the openssl program."""
    message = b"mykey"
    signature = signing.data("802A008033", SHA256_PREFIX, sha256(message).hexdigest(), "00")
    assert openssl_verify(public_key(signing), message, signature)
    assert not openssl_verify(public_key(signing), message + b"!", signature)


@pytest.mark.parametrize(("scheme", "payload"), [("00", b"as given"), ("01", sha256(b"as given").digest())])
def test_schemes_without_digest_info_sign_bare_bytes(
    signing: Any, scheme: str, payload: bytes, openssl_recover: Callable[[RSAPublicKey, bytes], bytes]
) -> None:
    """EMU-09: 00 signs exactly what it gets and 01 the bare hash of it; openssl recovers the payload."""
    signature = signing.data(f"802A{scheme}8008", b"as given".hex(), "00")
    assert openssl_recover(public_key(signing), signature) == payload


@pytest.mark.parametrize("scheme", ["02", "03"])
def test_schemes_in_which_the_card_adds_the_digest_info(
    signing: Any, scheme: str, openssl_verify: Callable[[RSAPublicKey, bytes, bytes], bool]
) -> None:
    """EMU-09: 02 takes a SHA-256 value, 03 the message; both are PKCS#1 v1.5 with SHA-256."""
    message = b"message of any length"
    data = sha256(message).digest() if scheme == "02" else message
    signature = signing.data(f"802A{scheme}80{len(data):02X}", data.hex(), "00")
    assert openssl_verify(public_key(signing), message, signature)


@pytest.mark.parametrize("scheme", ["04", "05"])
def test_pss_signatures_verify_and_are_salted(signing: Any, scheme: str) -> None:
    """EMU-09: PSS with SHA-256 and MGF1-SHA-256; the salt is random, so no two signatures are alike."""
    message = b"message"
    data = sha256(message).digest() if scheme == "04" else message
    command = (f"802A{scheme}80{len(data):02X}", data.hex(), "00")
    first, second = signing.data(*command), signing.data(*command)
    assert first != second
    pss = padding.PSS(padding.MGF1(hashes.SHA256()), 32)
    digest = utils.Prehashed(hashes.SHA256())
    public_key(signing).verify(first, sha256(message).digest(), pss, digest)


def test_signing_refuses_wrong_lengths_schemes_and_files(signing: Any) -> None:
    """EMU-09: 245 bytes pass, 246 and 0 do not; 02 and 04 take 32 bytes; other schemes 6A86; other files 6981."""
    assert signing("802A0080F5", "AA" * 245, "00").endswith("9000")
    assert signing("802A0080F6", "AA" * 246, "00") == "6985"
    assert signing("802A008000") == signing("802A0080") == signing("802A058000") == "6700"
    assert signing("802A0380FF", "AA" * 255, "00").endswith("9000")
    for scheme in ("02", "04"):
        assert signing(f"802A{scheme}801F", "AA" * 31, "00") == "6985"
        assert signing(f"802A{scheme}8021", "AA" * 33, "00") == "6985"
    assert signing("802A068001AA00") == signing("802AFF8001AA00") == "6A86"
    assert signing("802A000001AA00") == "6A86"
    signing("00A4020C02000A")
    assert signing("802A008001AA00") == "6981"


def test_other_digests_pass_because_the_card_does_not_parse(signing: Any) -> None:
    """§12: a SHA-512 DigestInfo is signed like any other bytes."""
    prefix, digest = "3051300D060960864801650304020305000440", "AB" * 64
    signature = signing.data("802A008053", prefix, digest, "00")
    key = public_key(signing)
    key.verify(signature, bytes.fromhex(digest), padding.PKCS1v15(), utils.Prehashed(hashes.SHA512()))


@pytest.mark.parametrize(("sw", "options"), [("6984", Options()), ("6983", Options(blocked_sw=0x6983))])
def test_three_wrong_tries_block_the_pin(talk: Talk, sw: str, options: Options) -> None:
    """EMU-10: 63C2, 63C1, 63C0, then 6984 (or 6983 by option), for the right PIN too; the query stays 63C0."""
    card = talk(options=options)
    card(JPKI)
    assert [card("0020009804", BAD) for _ in range(5)] == ["63C2", "63C1", "63C0", sw, sw]
    assert card("0020009804", GOOD) == sw
    assert card("00200098") == "63C0"
    card.power_cycle()
    card(JPKI)
    assert card("0020009804", GOOD) == sw


def test_a_success_restores_the_full_count(card: Any) -> None:
    """EMU-10: and the counters are separate: wrong tries on one PIN leave the other."""
    assert [card("0020009B06", "616263313233") for _ in range(2)] == ["63C4", "63C3"]
    assert [card("0020009804", BAD) for _ in range(2)] == ["63C2", "63C1"]
    assert card("0020009B06", PASSWORD) == "9000"
    assert (card("0020009B"), card("00200098")) == ("63C5", "63C1")
    card.power_cycle()
    card(JPKI)
    assert (card("0020009B"), card("00200098")) == ("63C5", "63C1")


@pytest.mark.parametrize("candidate", ["31", "3132333400", "313233343536373839", "00" * 255])
def test_any_other_bytes_cost_a_try(card: Any, candidate: str) -> None:
    """The card compares bytes and knows no format: a value of the wrong length is a wrong try (our decision)."""
    assert card(f"00200098{len(candidate) // 2:02X}", candidate) == "63C2"


def test_a_wrong_try_closes_the_key_again(signing: Any) -> None:
    """EMU-11: our decision, not measured: a wrong VERIFY drops the flag of that PIN and of no other."""
    signing("0020009B06", PASSWORD)
    assert signing("0020009804", BAD) == "63C2"
    assert signing("802A009701AA00") == "6982"
    assert signing("802A009A01AA00").endswith("9000")


def test_change_needs_verify_and_replaces_the_pin(card: Any) -> None:
    """EMU-12: 6982 without VERIFY; afterwards the old value fails and the new one works, after power-off too."""
    card("00A4020C020018")
    assert card("0024018004", BAD) == "6982"
    card("0020008004", GOOD)
    assert card("0024018004", BAD) == "9000"
    assert (card("0024008004", BAD), card("0024018003", "313233"), card("00240180")) == ("6A86", "6A80", "6700")
    card.power_cycle()
    card(JPKI)
    assert card("0020009804", GOOD) == "63C2"
    assert card("0020009804", BAD) == "9000"


@pytest.mark.parametrize(
    ("value", "sw"), [("5A" * 16, "9000"), ("5A" * 5, "6A80"), ("5A" * 17, "6A80"), ("61" * 6, "6A80")]
)
def test_a_new_password_has_six_to_sixteen_capitals_or_digits(card: Any, value: str, sw: str) -> None:
    """EMU-12: the format of §7 is checked when a password is set (our decision)."""
    card("0020009B06", PASSWORD)
    assert card(f"0024019B{len(value) // 2:02X}", value) == sw


def test_token_information_and_availability(card: Any) -> None:
    """EMU-14: 160 bytes with the label in the first 32, 6B00 past the end; 0008 says which certificates."""
    information = card.data("00B0860000")
    assert len(information) == 160
    assert information[:32] == b"JPKIAPICCTOKEN2".ljust(32)
    assert information[96:124].hex() == "0000040d0000000100000000000000010000000000000010" + "00000006"
    assert (information[140:144], information[144:]) == (b"0301", b"9" * 16)
    assert (information[124:140], len(information[80:96].decode())) == (b"\xff" * 16, 16)
    assert card("00B086A000") == "6B00"
    assert card.data("00B0880000").hex() == "8f8f00"


@pytest.mark.parametrize(
    ("persona", "label"),
    [("phone", "JPKIAPGPSETOKEN"), ("phone-ios", "JPKIAPIOSTOKEN"), ("old-juki", "JPKIAPICCTOKEN")],
)
def test_labels_tell_the_kind_of_token(talk: Talk, persona: str, label: str) -> None:
    """EMU-14: phones and the old resident-register card have their own labels."""
    card = talk(persona)
    card(JPKI)
    assert card.data("00B0860020") == label.encode().ljust(32)


def test_a_phone_gives_its_certificate_only_after_the_pin(talk: Talk) -> None:
    """§3: 000A needs the authentication PIN on a phone, and a phone has no other application."""
    card = talk("phone")
    assert card("00A4040C0AD3921000310001010408") == "6A82"
    card(JPKI)
    assert card("00B08A0004") == "6982"
    card("0020009804", GOOD)
    assert card.data("00B08A0002").hex() == "3082"


def test_a_child_has_no_signature_certificate(talk: Talk) -> None:
    """§26: 0008 says so, 0001 is empty, the password is blocked; authentication works."""
    card = talk("child")
    card(JPKI)
    assert card.data("00B0880000").hex() == "008f00"
    assert (card("0020009B"), card("0020009B06", PASSWORD)) == ("63C0", "6984")
    assert card("00B0810000") == "6982"
    assert card("0020009804", "32333435") == "9000"


def test_a_card_without_pin_use_signs_nothing(talk: Talk) -> None:
    """§18.12: the face-authentication card has its PINs blocked and no signature certificate."""
    card = talk("pinless")
    card(JPKI)
    assert (card("00200098"), card("0020009804", GOOD), card("0020009B")) == ("63C0", "6984", "63C0")
    assert card("802A009701AA00") == "6982"
    assert card.data("00B08A0002").hex() == "3082"


@pytest.mark.parametrize(
    ("persona", "query", "sw"),
    [("blocked-pin", "00200098", "63C0"), ("last-try", "00200098", "63C1"), ("blocked-signature", "0020009B", "63C0")],
)
def test_unlucky_personas_begin_with_few_tries(talk: Talk, persona: str, query: str, sw: str) -> None:
    """§26: blocked PIN, one try left, blocked password."""
    card = talk(persona)
    card(JPKI)
    assert card(query) == sw


def test_every_rule_of_the_conformance_list_is_named() -> None:
    """§25: each EMU id occurs in a test of the card, and in the reference page."""
    here = Path(__file__).parent
    rules = {f"EMU-{number:02d}" for number in range(1, 25)}
    page = here.parents[1] / "docs" / "reference" / "emulator.md"
    tests = "".join(path.read_text("utf-8") for path in here.rglob("test_*.py"))
    for text in (tests, page.read_text("utf-8")):
        assert {rule for rule in rules if rule not in text} == set()
