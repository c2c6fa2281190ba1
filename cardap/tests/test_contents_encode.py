"""The emulator's two encodings, judged by asn1crypto where it accepts the tag, and by their limits."""

from __future__ import annotations

import pytest
from asn1crypto import parser
from hypothesis import given
from hypothesis import strategies as st

from mykey_cardap.emulator.contents.encode import EncodingError, ber, ber_length, ber_with_offsets, simple

ONE_BYTE_TAGS = [0x80, 0x86, 0x90, 0x91, 0xA1]
MINIMAL_TWO_BYTE_TAGS = [0x7F21, 0x5F4E, 0x5F37, 0xDF21, 0xDF2A, 0xFF20, 0xFF30, 0xFF40]


@given(tag=st.sampled_from(ONE_BYTE_TAGS + MINIMAL_TWO_BYTE_TAGS), value=st.binary(max_size=700))
def test_asn1crypto_reads_what_the_encoder_wrote(tag: int, value: bytes) -> None:
    """An ASN.1 library of other authors finds tag, header and value where its rules allow the tag."""
    encoded = ber(tag, value)
    tag_class, method, number, header, contents, trailer = parser.parse(encoded, strict=True)
    assert parser.emit(tag_class, method, number, value) == encoded
    assert (header + contents, contents, trailer) == (encoded, value, b"")


@pytest.mark.parametrize("tag", [0xFF10, 0xDF11])
def test_jicsap_tags_are_written_as_the_card_has_them(tag: int) -> None:
    """`FF 10` keeps its two bytes although its number would fit in one, which asn1crypto refuses."""
    encoded = ber(tag, b"x")
    assert encoded == tag.to_bytes(2, "big") + b"\x01x"
    with pytest.raises(ValueError, match="tag"):
        parser.parse(encoded, strict=True)


@pytest.mark.parametrize(
    ("length", "encoded"),
    [(0, "00"), (0x7F, "7f"), (0x80, "8180"), (0xFF, "81ff"), (0x100, "820100"), (0xFFFF, "82ffff")],
)
def test_lengths_are_the_shortest(length: int, encoded: str) -> None:
    """Each boundary between the length forms."""
    assert ber_length(length).hex() == encoded


def test_values_are_concatenated() -> None:
    """Several values make one object."""
    assert ber(0xA1, b"ab", b"", b"c") == b"\xa1\x03abc"


@given(st.lists(st.binary(max_size=200), min_size=1, max_size=9))
def test_every_offset_points_at_its_object(values: list[bytes]) -> None:
    """Whatever the length of the outer length, the table is counted from the first byte of the file."""
    objects = [ber(0xDF22 + index, value) for index, value in enumerate(values)]
    encoded = ber_with_offsets(0xFF20, 0xDF21, objects)
    start = encoded.index(b"\xdf\x21") + 3
    table = encoded[start : start + 2 * len(objects)]
    offsets = [int.from_bytes(table[at : at + 2], "big") for at in range(0, len(table), 2)]
    assert [encoded[at : at + len(member)] for at, member in zip(offsets, objects, strict=True)] == objects
    assert encoded.endswith(b"".join(objects))


@pytest.mark.parametrize(("size", "first"), [(10, 0x0E), (120, 0x0F), (300, 0x10)])
def test_first_offset_in_all_three_length_forms(size: int, first: int) -> None:
    """000E, 000F or 0010 for four objects, as the reference says (§13.1)."""
    encoded = ber_with_offsets(0xFF20, 0xDF21, [ber(0xDF22, bytes(size)), *[ber(0xDF23, b"")] * 3])
    start = encoded.index(b"\xdf\x21") + 3
    assert int.from_bytes(encoded[start : start + 2], "big") == first


def test_simple_tlv_changes_to_three_length_bytes_at_255() -> None:
    """254 is the last length in one byte, because FF announces two more."""
    assert simple(0x01, bytes(254))[:2] == b"\x01\xfe"
    assert simple(0x01, bytes(255))[:4] == b"\x01\xff\x00\xff"


@pytest.mark.parametrize("make", [lambda: ber(0, b""), lambda: ber(0x10000, b""), lambda: ber(1, bytes(65536))])
def test_what_the_card_cannot_hold_is_refused(make: object) -> None:
    """No tag, a tag of three bytes, and a value above 65,535 bytes."""
    with pytest.raises(EncodingError):
        make()  # type: ignore[operator]


@pytest.mark.parametrize("tag", [0x00, 0xFF])
def test_simple_tlv_has_no_tags_00_and_ff(tag: int) -> None:
    """Both mean "nothing here" in a record (JICSAP 4.4.1)."""
    with pytest.raises(EncodingError):
        simple(tag, b"")
    with pytest.raises(EncodingError):
        simple(1, bytes(65536))
