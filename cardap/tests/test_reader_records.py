"""The records of the text, face and common applications: the published vector, and hostile variants of it."""

from __future__ import annotations

import hashlib
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mykey_cardap.card_data import CardSex, parse_text
from mykey_cardap.card_numbers import birth_date_key, check_digit, is_individual_number, number_b
from mykey_cardap.common_ap import CardRecord, CommonSession, ResidentRegisterSession
from mykey_cardap.errors import BadCardDataError, PinFormatError
from mykey_cardap.face_ap import AgeRecord, CardFace, FaceApplicationInfo, FaceSession, NumberPicture
from mykey_cardap.issuer_signatures import CvCertificate, parse_public_key
from mykey_cardap.text_ap import Attributes, IndividualNumber, IssuerSignatures, TextSession
from mykey_testkit.scripted import ScriptedTransport

# The public test card's invented person (card reference §13.3).
NUMBER_FILE = bytes.fromhex("FF100C353337363836363737313838FFFF")
ATTRIBUTE_FILE = bytes.fromhex(
    "ff2065df2108000e002000590064df220fe9bb92e6a190e38080e5b9b9e4b99fdf2336e69db1e4baace983bde6b885e780ac"
    "e5b882e8a6b3e5b883e5ad90e58d97efbc91efbc92efbc8defbc97efbc8defbc92efbc90efbc92df24083139383030323137df250131"
)
RECORD = b"\x01\x1c4000000127198431322120350217"


def test_number_of_the_public_vector() -> None:
    """The twelve digits, and the digest that covers the filler too."""
    number = IndividualNumber.from_bytes(NUMBER_FILE)
    assert number.digits == "537686677188"
    digest = hashlib.sha256(number.physical).hexdigest()
    assert digest == "6d5a4c1ef9ab15bf506862d7e66b9c0f179ca065bc936c8e634e9e57449ca9cd"
    assert "537686677188" not in repr(number)


def test_attributes_of_the_public_vector() -> None:
    """The four attributes as written, and the bytes that the issuer's digest covers."""
    attributes = Attributes.from_bytes(ATTRIBUTE_FILE)
    assert (attributes.name, attributes.birth_date) == ("黒桐　幹也", date(1980, 2, 17))
    assert attributes.address == "東京都清瀬市観布子南１２－７－２０２"
    assert attributes.sex is CardSex.MALE
    digest = hashlib.sha256(attributes.signed).hexdigest()
    assert digest == "b9e0d09427b23b1d4beda2848512b4103752dc2667e51f9712872d65f472cb3b"
    assert "黒桐" not in repr(attributes)


def test_offsets_are_not_believed() -> None:
    """A table of offsets that points elsewhere changes nothing."""
    forged = ATTRIBUTE_FILE.replace(bytes.fromhex("000e002000590064"), bytes.fromhex("ffff000000010002"))
    assert Attributes.from_bytes(forged).name == "黒桐　幹也"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("df220f", "df2200"),
        ("df2408", "df2407"),
        ("3139383030323137", "3139383030323331"),
        ("df250131", "df250133"),
        ("e9bb92", "e9ff92"),
        ("e9bb92", "1b5b6d"),
        ("ff2065", "ff2066"),
        ("df2108", "df2208"),
    ],
)
def test_hostile_attribute_files_are_bad_card_data(old: str, new: str) -> None:
    """Wrong lengths, 30 February, a sex code of the certificate, broken UTF-8, a terminal's escape sequence."""
    with pytest.raises(BadCardDataError):
        Attributes.from_bytes(bytes.fromhex(ATTRIBUTE_FILE.hex().replace(old, new, 1)))


@pytest.mark.parametrize(
    "raw", [b"", NUMBER_FILE[:-1], NUMBER_FILE.replace(b"537", b"538"), NUMBER_FILE.replace(b"537", b"5a7")]
)
def test_hostile_number_files_are_bad_card_data(raw: bytes) -> None:
    """Too short, a wrong check digit, a letter."""
    with pytest.raises(BadCardDataError):
        IndividualNumber.from_bytes(raw)


def test_common_record() -> None:
    """28 digits; the serial number is not shown."""
    record = CardRecord.from_bytes(RECORD)
    assert (record.municipality, record.expiry) == ("13221", date(2035, 2, 17))
    assert record.serial == "400000012719843"
    assert record.serial not in repr(record)


@pytest.mark.parametrize("raw", [b"", RECORD[:-1], RECORD[:-4] + b"1332", RECORD + RECORD, b"\x02" + RECORD[1:]])
def test_hostile_common_records_are_bad_card_data(raw: bytes) -> None:
    """Cut, month 13, doubled, another tag."""
    with pytest.raises(BadCardDataError):
        CardRecord.from_bytes(raw)


def test_check_digits() -> None:
    """The two numbers that the reference verified by calculation, and their neighbours."""
    assert is_individual_number("537686677188")
    assert is_individual_number("123456789018")
    assert check_digit("12345678901") == 8
    assert not is_individual_number("123456789019")
    assert not is_individual_number("１２３４５６７８９０１８")


@pytest.mark.parametrize(
    ("born", "key"),
    [
        (date(1980, 2, 17), "550217"),
        (date(1989, 1, 7), "640107"),
        (date(1989, 1, 8), "010108"),
        (date(2019, 4, 30), "310430"),
        (date(2019, 5, 1), "010501"),
        (date(1926, 12, 24), "151224"),
        (date(1926, 12, 25), "011225"),
    ],
)
def test_birth_date_keys_at_the_boundaries_of_eras(born: date, key: str) -> None:
    """The day decides, not the year (card reference §5)."""
    assert birth_date_key(born) == key


def test_number_b_of_the_reference() -> None:
    """Born 1980-02-17, expiry 2035, code 2285."""
    assert number_b(date(1980, 2, 17), 2035, "2285") == "55021720352285"
    with pytest.raises(ValueError, match="digits"):
        number_b(date(1980, 2, 17), 2035, "22850")


def test_common_session_transcript() -> None:
    """The record by short file identifier, the challenge under key 99, the PIN by JICSAP CHANGE KEY."""
    transport = ScriptedTransport(
        [
            ("00A4040C0A D3921000310001010100", "9000"),
            ("00B2010C00", RECORD.hex() + "9000"),
            ("00880099 02 AABB 00", "11" * 256 + "9000"),
            ("00A4020C02 001C", "9000"),
            ("00200080", "63C3"),
            ("0020008004 31323334", "9000"),
            ("8032008004 35363738", "9000"),
        ]
    )
    session = CommonSession(transport)
    assert session.card_record().municipality == "13221"
    assert len(session.authenticate(b"\xaa\xbb")) == 256
    session.change_pin(b"1234", b"5678")
    assert transport.finished
    with pytest.raises(ValueError, match="255"):
        session.authenticate(b"")


def test_text_and_face_transcripts() -> None:
    """A and B are 0014 and 0015 in the text application, but 0013 and 0012 in the face application."""
    for session_class, aid, number_a, number_b_fid in (
        (TextSession, "D3921000310001010408", "0014", "0015"),
        (FaceSession, "D3921000310001010402", "0013", "0012"),
    ):
        transport = ScriptedTransport(
            [
                (f"00A4040C0A{aid}", "9000"),
                (f"00A4020C02{number_a}", "9000"),
                ("00200080", "63CA"),
                (f"00A4020C02{number_b_fid}", "9000"),
                ("00200080", "63CA"),
                ("802A0000 01 AA 00", "22" * 256 + "9000"),
            ]
        )
        session = session_class(transport)
        assert session.pin_status("number-a").attempts_remaining == 10
        assert session.pin_status("number-b").attempts_remaining == 10
        assert len(session.sign_with_card_key(b"\xaa")) == 256
        assert transport.finished


def test_text_files_transcript() -> None:
    """The number is 17 physical bytes; the attributes begin with seven bytes that tell their length."""
    transport = ScriptedTransport(
        [
            ("00A4040C0A D3921000310001010408", "9000"),
            ("00A4020C02 0001", "9000"),
            ("00B0000011", NUMBER_FILE.hex() + "9000"),
            ("00A4020C02 0002", "9000"),
            ("00B0000007", ATTRIBUTE_FILE[:7].hex() + "9000"),
            ("00B0000761", ATTRIBUTE_FILE[7:].hex() + "9000"),
        ]
    )
    session = TextSession(transport)
    assert session.read_number().digits == "537686677188"
    assert session.read_attributes().name == "黒桐　幹也"
    assert transport.finished


def test_an_application_knows_its_own_pins_only() -> None:
    """The text PIN is never tried on another key."""
    transport = ScriptedTransport([("00A4040C0A D3921000310001010401", "9000")])
    with pytest.raises(PinFormatError):
        ResidentRegisterSession(transport).verify_pin("text", b"1234")


def test_text_from_the_card_is_never_normalised() -> None:
    """Variation selectors, compatibility ideographs and half-width letters come out as they went in."""
    for text in ("葛\U000e0100城", "﨑", "𠮷", "ﾔﾏﾀﾞ", "㈱"):
        assert parse_text(text.encode()) == text


@pytest.mark.parametrize(
    "raw", [b"", b"\x90\x01\x03\x91\x01\x04", b"\x90\x01\x02\x91\x02\x00\x09", b"\x91\x00", b"\x90\x00\x91\x00"]
)
def test_numbers_that_are_no_key(raw: bytes) -> None:
    """Missing, even exponent, empty."""
    with pytest.raises(BadCardDataError):
        parse_public_key(raw)


PARSERS = (
    Attributes,
    IndividualNumber,
    IssuerSignatures,
    CardRecord,
    CvCertificate,
    AgeRecord,
    CardFace,
    NumberPicture,
    FaceApplicationInfo,
)
PIECES = st.one_of(
    st.binary(max_size=40),
    st.sampled_from(
        [ATTRIBUTE_FILE, NUMBER_FILE, RECORD, b"\xff\x20", b"\xff\x30", b"\xff\x10", b"\x7f\x21", b"\xdf\x22\x02"]
    ),
)


@given(st.lists(PIECES, max_size=4).map(b"".join))
def test_any_bytes_are_a_record_or_bad_card_data(raw: bytes) -> None:
    """No other exception leaves a parser."""
    for parser in PARSERS:
        try:
            parser.from_bytes(raw)
        except BadCardDataError:
            continue
