"""The codec: recorded bytes of other implementations, round trips of every message, charsets, hostile bytes."""

from __future__ import annotations

import contextlib
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mykey_library.sip2 import requests, responses
from mykey_library.sip2.charset import Charset, compose, lookup_key, readable
from mykey_library.sip2.errors import (
    BadValue,
    ChecksumError,
    DamagedTrailer,
    FixedPartTooShort,
    FramingError,
    MessageError,
    MessageTooLong,
    MissingField,
    Sip2Error,
    UnencodableIdentifier,
    UnknownMessage,
    UnsealedMessage,
)
from mykey_library.sip2.framing import Framer, checksum, seal, unseal
from mykey_library.sip2.table import Codec, Message, message_class
from mykey_library.sip2.values import SipDate, YesNoUnknown

# Recorded with Evergreen's SIPServer and worked examples of the protocol; the sums were recomputed independently.
RECORDED = """\
9900802.00AY1AZFCA0
9300CNkiosk01|COexample|CPMAIN|AY0AZF412
941AY0AZFDFD
98YNNYNN60000320261123    1444192.00AOUWOLS|BXYYYYYYYYYNYNYYYY|AY1AZEDD8
1720261123    150000AOUWOLS|AB1565921879|AC|AY0AZF442
1803020120261123    151910AB1565921879|AJPerl 5 desktop reference|CK001|BGUWOLS|AY0AZE8A4
11YN20261123    150000                  AOUWOLS|AAdjfiander|AB1565921879|AC|AD6789|BON|BIN|AY5AZE828
121NNY20261123    144419AOUWOLS|AAdjfiander|AB1565921879|AJPerl 5 desktop reference|AH20261207    144419|CK001|AY5AZDFA3
09N20261123    15000020261123    150000APMAIN|AOUWOLS|AB1565921879|AC|AY0AZEE8A
101YNN20261123    144419AOUWOLS|AB1565921879|AQ|AJPerl 5 desktop reference|AAdjfiander|CK001|AY0AZE2EC
120NUN20261123    151934AOUWOLS|AAdjfiander|AB1565921879|AJPerl 5 desktop reference|AH|\
AFItem on Hold for Another User|BLY|AY3AZD7E0
100YNN20261123    151934AOUWOLS|AB1565921879|AQ|AJPerl 5 desktop reference|CK001|CHx|AY2AZE611
09N20160419    12200820160419    122008APReading Room 1|AO830|AB830$28170815|AC|AY2AZEB80
6300120261123    150000Y         AO姫路市立図書館|AA20012345|AC|AD|AY3AZE3F0""".splitlines()
EXPECTED_BARS = 40  # and ten places for private use
JAPANESE = [charset for charset in Charset if charset not in {Charset.ASCII, Charset.LATIN_1}]


def _double(lead: int) -> str | None:
    try:
        text = bytes([lead, 0x7C]).decode("cp932")
    except UnicodeDecodeError:
        return None
    return text if len(text) == 1 and not "\ue000" <= text <= "\uf8ff" else None  # without private use


BAR_CHARACTERS = {bytes([lead, 0x7C]): text for lead in range(0x80, 0x100) if (text := _double(lead))}


@pytest.mark.parametrize("line", RECORDED)
def test_recorded_bytes(line: str) -> None:
    """A recorded message is read, and written again byte for byte with its checksum."""
    frame = line.encode()
    envelope = unseal(frame)
    assert seal(Codec().encode(Codec().decode(envelope)), envelope.sequence) == frame


def test_the_sum_is_over_bytes() -> None:
    """Summing code points, the usual mistake, gives another value, which is refused."""
    body = RECORDED[-1][:-4].encode()
    assert checksum(body) == b"E3F0"
    with pytest.raises(ChecksumError):
        unseal(body + b"DB98")


def test_leading_zeros() -> None:
    """A long Japanese message sums to a value below 0x1000: it is written with its zeros."""
    found = [value for size in range(2000) if (value := checksum(("竹" * size).encode() + b"AZ")).startswith(b"0")]
    assert found
    assert all(len(value) == 4 for value in found)


ALL_IDS = [*requests.RESPONSE_TO, "97", "96", *dict.fromkeys(requests.RESPONSE_TO.values())]
_text = st.text(
    st.characters(codec="cp932", exclude_categories=["Cc", "Cs"], exclude_characters="|¢£¬‖−〜"), max_size=30
).filter(lambda text: "&#124;" not in text)
_kinds: dict[Any, st.SearchStrategy[Any]] = {
    "bool": st.booleans(),
    "SipDate": st.datetimes(timezones=st.just(UTC)).filter(lambda at: 1950 < at.year < 9000).map(SipDate.of),
    "YesNoUnknown": st.sampled_from(YesNoUnknown),
    "timedelta | None": st.one_of(
        st.none(), st.integers(0, 999).map(lambda tenths: timedelta(milliseconds=100 * tenths))
    ),
    "int | None": st.one_of(st.none(), st.integers(0, 999)),
}


def _value(entry: Any) -> st.SearchStrategy[Any]:
    if "extensions" in entry.metadata:
        return st.lists(st.tuples(st.sampled_from(["ZZ", "XQ", "PB"]), _text), max_size=2).map(tuple)
    if entry.metadata.get("repeated"):
        return st.lists(_text, max_size=3).map(tuple)
    if "fixed" in entry.metadata and entry.type == "str":
        size = entry.metadata["fixed"].length
        return st.text("0123456789YN ", min_size=size, max_size=size)
    if entry.type in _kinds:
        return _kinds[entry.type]
    return st.one_of(st.none(), _text) if "None" in entry.type else _text


@st.composite
def messages(draw: st.DrawFn) -> Message:
    """Any message of the table."""
    cls = message_class(draw(st.sampled_from(ALL_IDS)))
    return cls(**{entry.name: draw(_value(entry)) for entry in fields(cls)})


@given(messages(), st.sampled_from([Charset.CP932, Charset.UTF_8]), st.integers(0, 9))
@settings(max_examples=300, deadline=None)
def test_round_trip(message: Message, charset: Charset, sequence: int) -> None:
    """Every message survives writing and reading, in UTF-8 and CP932, also cut into single bytes."""
    codec = Codec(charset)
    framer = Framer()
    pieces = [bytes([octet]) for octet in seal(codec.encode(message), sequence) + b"\r\n"]
    (frame,) = [frame for piece in pieces for frame in framer.feed(piece)]
    envelope = unseal(frame)
    assert envelope.sequence == sequence
    assert codec.decode(envelope) == message


@given(st.binary(max_size=200), st.sampled_from(list(Charset)))
@settings(max_examples=500, deadline=None)
def test_hostile_bytes(data: bytes, charset: Charset) -> None:
    """Bytes of any kind give messages or errors of the package, and nothing else."""
    for frame in Framer().feed(data + b"\r"):
        with contextlib.suppress(Sip2Error):
            Codec(charset, composed=True, unescape=True).decode(unseal(frame))


@given(messages(), st.data())
@settings(max_examples=300, deadline=None)
def test_damaged_messages(message: Message, data: st.DataObject) -> None:
    """A well-formed message with bytes changed is a typed error, or another message that carries a right checksum."""
    frame = bytearray(seal(Codec().encode(message), 1))
    for _ in range(data.draw(st.integers(1, 4))):
        frame[data.draw(st.integers(0, len(frame) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(FramingError, MessageError):
        Codec().decode(unseal(bytes(frame), must_be_sealed=True))


@pytest.mark.parametrize("line", RECORDED)
def test_any_flipped_bit_is_seen(line: str) -> None:
    """Each single flipped bit of a message is found, wherever it is; a flip into a terminator leaves halves."""
    frame = line.encode()
    for place in range(len(frame)):
        for bit in range(8):
            wrong = frame[:place] + bytes([frame[place] ^ (1 << bit)]) + frame[place + 1 :]
            for piece in Framer().feed(wrong + b"\r"):
                with pytest.raises(FramingError):
                    unseal(piece, must_be_sealed=True)


def test_the_bar_as_second_byte() -> None:
    """In CP932 the delimiter's byte is also the second byte of forty characters, such as the hyphen of addresses."""
    codec = Codec(Charset.CP932)
    for octets, character in BAR_CHARACTERS.items():
        start = b"18030001" + b" " * 18 + b"AB1|AJ"
        read = codec.decode(unseal(seal(start + octets + b"x|BGy|", 0)))
        assert (getattr(read, "title", None), getattr(read, "owner", None)) == (character + "x", "y")
        assert codec.decode(unseal(codec.encode(read))) == read
    assert (len(BAR_CHARACTERS), "－" in BAR_CHARACTERS.values()) == (EXPECTED_BARS, True)


@pytest.mark.parametrize("charset", JAPANESE)
def test_japanese_round_trips(charset: Charset) -> None:
    """Titles and names in each Japanese charset."""
    for text in ("ポケット竹取", "姫路 太郎", "ｶﾞｷﾞ１２"):
        assert charset.decode(charset.encode(text)) == text


def test_missing_characters() -> None:
    """A character that a charset lacks becomes its twin or 〓 in a text, and is refused in a number."""
    assert Charset.CP932.decode(Charset.CP932.encode("1−2 𠮷野家")) == "1－2 〓野家"
    assert Charset.EUC_JP.decode(Charset.EUC_JP.encode("1－2〜3")) == "1−2〜3"
    assert Charset.ASCII.encode("姫路") == b"??"
    with pytest.raises(UnencodableIdentifier):
        Codec(Charset.CP932).encode(requests.ItemInformation(item="𠮷"))


def test_composed_on_receipt() -> None:
    """Decomposed kana are joined; compatibility ideographs of names stay, which NFC would replace."""
    assert compose("カ\u3099キ") == "ガキ"
    assert compose("\ufa19戸") == "\ufa19戸"
    assert lookup_key(" 10000017 ") == "10000017"
    assert lookup_key("a\x00b") is None
    assert lookup_key(Charset.UTF_8.decode(b"\xff1")) is None
    assert "\ufffd" in readable(Charset.UTF_8.decode(b"\xff1"))


@given(st.binary(max_size=40).filter(lambda data: b"|" not in data and b"\r" not in data and b"\n" not in data))
def test_numbers_are_echoed_unchanged(data: bytes) -> None:
    """A number in bytes that mean nothing in UTF-8 is echoed byte for byte."""
    request = Codec().decode(unseal(b"17" + b" " * 18 + b"AB" + data + b"|"))
    assert isinstance(request, requests.ItemInformation)
    answer = responses.ItemInformationResponse(circulation_status="01", item=request.item)
    assert b"AB" + data + b"|" in Codec().encode(answer)


def test_delimiter_and_line_ends_in_data() -> None:
    """A bar in a title is escaped as Koha does, and a client reads it back; line ends become blanks."""
    sent = responses.ItemInformationResponse(circulation_status="03", item="1", title="a|b\rc")
    data = Codec().encode(sent)
    assert b"a&#124;b c|" in data
    assert getattr(Codec(unescape=True).decode(unseal(data)), "title", None) == "a|b c"


@pytest.mark.parametrize(
    ("frame", "error"),
    [
        (b"9900802.00AY1AZFCA1", ChecksumError),
        (b"9900802.00AY1AZfca0", DamagedTrailer),
        (b"9900802.00AY1", DamagedTrailer),
        (b"1720261123    150000AOUWOLS|AB1|AC|AX0AZF442", DamagedTrailer),
        (b"1720261123    150000AOUWOLS|AB1|AC|AY0QZF442", DamagedTrailer),
        (b"1720261123    150000AOUWOLS|AB1|AC|AYxAZF442", DamagedTrailer),
        (b"1720261123    150000AOUWOLS|AB1|AC|", UnsealedMessage),
        (b"97AZFEF6", ChecksumError),
    ],
)
def test_damaged_trailers(frame: bytes, error: type[FramingError]) -> None:
    """Half a trailer, a wrong sum, and none at all where one is due are told apart."""
    with pytest.raises(error):
        unseal(frame, must_be_sealed=True)


@pytest.mark.parametrize(
    ("frame", "error"),
    [
        (b"ZZ", UnknownMessage),
        (b"", UnknownMessage),
        (b"11YN2026", FixedPartTooShort),
        (b"17" + b" " * 18 + b"AOx|", MissingField),
        (b"942", BadValue),
    ],
)
def test_messages_outside_the_table(frame: bytes, error: type[MessageError]) -> None:
    """What is no message says why, in fields."""
    with pytest.raises(error):
        Codec().decode(unseal(frame))


def test_given_twice() -> None:
    """Of a field that is given twice the first one counts."""
    message = Codec().decode(unseal(b"17" + b" " * 18 + b"ABfirst|ABsecond|"))
    assert getattr(message, "item", None) == "first"


def test_too_long() -> None:
    """A message without end is refused at the limit, and little is kept."""
    framer = Framer(limit=1000)
    assert framer.feed(b"x" * 900) == []
    with pytest.raises(MessageTooLong):
        framer.feed(b"x" * 101)


@pytest.mark.parametrize("end", [b"\r", b"\n", b"\r\n", b"\r\n\r\n"])
def test_terminators(end: bytes) -> None:
    """CR, LF and CRLF end a message; the stray LF of some machines is dropped."""
    assert Framer().feed((b"97AZFEF5" + end) * 2) == [b"97AZFEF5"] * 2


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("20261123    150000", datetime(2026, 11, 23, 6, 0, tzinfo=UTC)),
        ("20261123   Z150000", datetime(2026, 11, 23, 15, 0, tzinfo=UTC)),
        ("20261123JST 150000", datetime(2026, 11, 23, 6, 0, tzinfo=UTC)),
        ("20261399    150000", None),
        (" " * 18, None),
        ("2026112３    150000", None),
    ],
)
def test_dates(text: str, expected: datetime | None) -> None:
    """Local time is Japan's, Z is UTC, and a senseless date is none."""
    assert SipDate(text).instant == expected


def test_secrets_stay_out_of_reprs() -> None:
    """The repr of a message shows no password, no patron number and no name."""
    shown = repr(requests.Checkout(patron="10000017", item="A1", patron_password="4649", terminal_password="t0p"))
    assert "A1" in shown
    assert not any(secret in shown for secret in ("10000017", "4649", "t0p"))
