"""The two TLV encodings: the card's tags, strictness, and hostile bytes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mykey_cardap.tlv import Encoding, TlvError, expect, find, object_length, parse, parse_all, parse_simple


def test_tags_that_are_not_minimal_are_read() -> None:
    """`FF 10` is read as one tag FF10, although X.690 would write it in one byte."""
    tlv = parse(bytes.fromhex("FF100C353337363836363737313838"))
    assert (tlv.tag, tlv.value) == (0xFF10, b"537686677188")


def test_nested_objects_keep_their_raw_bytes() -> None:
    """Children carry the bytes that a signature covers: tag and length included."""
    outer = parse(bytes.fromhex("FF2007DF2501315F0100"))
    assert [child.raw.hex() for child in outer.children()] == ["df250131", "5f0100"]
    assert find(outer.children(), 0xDF25).value == b"1"


@pytest.mark.parametrize(
    ("encoded", "length"),
    [("308205E6", 4 + 0x5E6), ("30820100", 260), ("3003020105", 5), ("308180", 3 + 128)],
)
def test_length_of_a_certificate_is_known_from_four_bytes(encoded: str, length: int) -> None:
    """`30 82 hh ll` means 4 + hhll; the shorter forms work too."""
    assert object_length(bytes.fromhex(encoded), Encoding.DER) == length


@pytest.mark.parametrize(
    ("encoded", "length"), [("FF2065DF210800", 3 + 0x65), ("FF208180DF2108", 4 + 0x80), ("7F21820233", 5 + 0x233)]
)
def test_length_of_a_card_object_is_known_from_seven_bytes(encoded: str, length: int) -> None:
    """Two-byte tags with lengths of one, two and three bytes."""
    assert object_length(bytes.fromhex(encoded), Encoding.BER) == length


@pytest.mark.parametrize(
    "encoded",
    [
        "",
        "FF",
        "FF10",
        "FF1080",
        "FF1083010203",
        "FF9F0100",
        "0482",
        "048201",
        "0402AA",
        "0401AABB",
    ],
)
def test_malformed_objects_are_refused(encoded: str) -> None:
    """Cut short, indefinite, longer than three bytes of length, three-byte tags, bytes left over."""
    with pytest.raises(TlvError):
        parse(bytes.fromhex(encoded))


def test_a_doubled_or_missing_object_is_refused() -> None:
    """Two objects of one tag are ambiguous, and a hostile card must not choose which one counts."""
    objects = parse_all(bytes.fromhex("DF2501 31 DF2501 32".replace(" ", "")))
    with pytest.raises(TlvError):
        find(objects, 0xDF25)
    with pytest.raises(TlvError):
        find(objects, 0xDF24)
    with pytest.raises(TlvError):
        expect(objects[0], 0xDF25, length=2)


def test_a_primitive_object_has_no_children() -> None:
    """The constructed bit decides, so a name is never taken for objects."""
    with pytest.raises(TlvError):
        parse(bytes.fromhex("DF2201AA")).children()


def test_the_number_of_objects_is_bounded() -> None:
    """A file of thousands of empty objects is refused instead of being collected."""
    with pytest.raises(TlvError):
        parse_all(b"\x04\x00" * 65)
    with pytest.raises(TlvError):
        parse_simple(b"\x04\x00" * 65)


def test_simple_tlv_of_the_common_record() -> None:
    """`01 1C` and 28 digits; a length of FF is followed by two bytes."""
    (record,) = parse_simple(b"\x01\x1c" + b"4000000127198431322120350217")
    assert (record.tag, record.value[:15]) == (1, b"400000012719843")
    (long,) = parse_simple(b"\x01\xff\x01\x00" + bytes(256))
    assert len(long.value) == 256


@pytest.mark.parametrize("encoded", ["01", "0105AA", "01FF01", "0000", "FF0100"])
def test_malformed_simple_tlv_is_refused(encoded: str) -> None:
    """Cut short, and the two tags that simple TLV forbids."""
    with pytest.raises(TlvError):
        parse_simple(bytes.fromhex(encoded))


def test_values_are_not_shown() -> None:
    """A data object in a log line shows its tag and length only."""
    assert "537686677188" not in repr(parse(bytes.fromhex("FF100C353337363836363737313838")))


@given(st.binary(max_size=600))
def test_any_bytes_give_objects_that_cover_them_or_an_error(data: bytes) -> None:
    """Never another exception; what is read adds up to what was given."""
    for parser in (parse_all, parse_simple):
        try:
            objects = parser(data)
        except TlvError:
            continue
        assert b"".join(tlv.raw for tlv in objects) == data
