"""Reading what cards say about their content: forms that real cards use, and forms that are no answer at all."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mykey_cardap.errors import BadCardDataError
from mykey_cardap.globalplatform.errors import (
    ContentError,
    FailureClass,
    FatalContentError,
    ReplanContentError,
    RetryContentError,
    SecurityContentError,
    content_error,
    failure_class,
)
from mykey_cardap.globalplatform.registry import (
    RegistryEntry,
    parse_domain_information,
    parse_key_information,
    parse_registry,
)

AID = "F04D594B4559F00101"


def entry(*objects: str) -> bytes:
    body = "".join(objects)
    return bytes.fromhex(f"E3{len(body) // 2:02X}{body}")


def test_entries_as_real_cards_write_them() -> None:
    """§3.7: 9F70 with two bytes, tags in another order, unknown tags such as EA and CF: the first byte counts."""
    data = entry("EA028000", "9F70020700", f"4F09{AID}", "CF0140", "C503000000", "CC08A000000151000000")
    (found,) = parse_registry(data + entry("4F05F000000001", "9F700187"))[:1]
    assert found == RegistryEntry(bytes.fromhex(AID), 0x07, bytes(3), domain=bytes.fromhex("A000000151000000"))
    assert parse_registry(data + entry("4F05F000000001", "9F700187"))[1].locked


@pytest.mark.parametrize(
    "data",
    [
        entry("9F700107"),  # no AID
        entry("4F00", "9F700107"),
        entry("4F11" + "00" * 17, "9F700107"),
        entry(f"4F09{AID}"),  # no state
        entry(f"4F09{AID}", "9F7000"),
        entry(f"4F09{AID}", "9F7001"),  # cut short
        bytes.fromhex("E380"),
        bytes.fromhex("E3"),
    ],
)
def test_what_is_no_registry(data: bytes) -> None:
    """A `BadCardDataError`, never an index out of range."""
    with pytest.raises(BadCardDataError):
        parse_registry(data)


def test_key_information_of_keys_with_components() -> None:
    """§3.2: identifier, version, type and length; a key of several components is told by its first."""
    keys = parse_key_information(bytes.fromhex("C00401308810 C00601708010A103".replace(" ", "")))
    assert [(key.identifier, key.version, key.kind, key.length) for key in keys] == [
        (1, 0x30, 0x88, 16),
        (1, 0x70, 0x80, 16),
    ]


@pytest.mark.parametrize("value", ["C000", "C0020130", "C0050130881088", "C004013088"])
def test_what_is_no_key_information(value: str) -> None:
    """Entries of a wrong length."""
    with pytest.raises(BadCardDataError):
        parse_key_information(bytes.fromhex(value))


@pytest.mark.parametrize(
    ("fci", "aid", "longest"),
    [
        ("", "A000000151000000", 255),
        ("6F108408A000000003000000A5049F6501FF", "A000000003000000", 255),
        ("6F628408A000000151000000A5569F6501F7" + "73500607" + "00" * 78, "A000000151000000", 0xF7),
        ("6F0A8408A000000151000000", "A000000151000000", 255),
        ("6F118408A000000151000000A5059F65020100", "A000000151000000", 256),
    ],
)
def test_answers_to_select(fci: str, aid: str, longest: int) -> None:
    """Nothing at all, an old name, recognition data behind, no proprietary part, a longest field of two bytes."""
    information = parse_domain_information(bytes.fromhex(fci), bytes.fromhex("A000000151000000"))
    assert (information.aid.hex().upper(), information.longest_data) == (aid, longest)


@given(st.binary(max_size=80))
def test_parsers_raise_their_own_error_only(data: bytes) -> None:
    """Whatever comes: a result or `BadCardDataError`."""
    for parse in (parse_registry, parse_key_information, lambda raw: parse_domain_information(raw, b"aid")):
        try:
            parse(data)
        except BadCardDataError:
            continue


@pytest.mark.parametrize(
    ("sw", "error", "failure"),
    [
        (0x6C10, RetryContentError, FailureClass.RETRY),
        (0x6110, RetryContentError, FailureClass.RETRY),
        (0x6985, ReplanContentError, FailureClass.REPLAN),
        (0x6A89, ReplanContentError, FailureClass.REPLAN),
        (0x6A88, ReplanContentError, FailureClass.REPLAN),
        (0x6581, FatalContentError, FailureClass.FATAL),
        (0x6F00, FatalContentError, FailureClass.FATAL),
        (0x6A84, FatalContentError, FailureClass.FATAL),
        (0x6982, SecurityContentError, FailureClass.SECURITY),
        (0x6300, SecurityContentError, FailureClass.SECURITY),
        (0x63C2, SecurityContentError, FailureClass.SECURITY),
        (0x9485, SecurityContentError, FailureClass.SECURITY),
        (0x1234, FatalContentError, FailureClass.FATAL),
    ],
)
def test_every_status_has_a_class(sw: int, error: type[ContentError], failure: FailureClass) -> None:
    """§15.2: retryable, state, fatal, security; the error carries status, operation and class."""
    made = content_error("do it", sw)
    assert type(made) is error
    assert (made.sw, made.operation, made.failure, failure_class(made)) == (sw, "do it", failure, failure)
