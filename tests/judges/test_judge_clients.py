"""Clients written against the bare PC/SC interface judge the emulated card: pyscard, and the C library."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from mykey_cardap.pcsc.ctypes_backend import CtypesWinscard
from mykey_cardap.pcsc.winscard import Disposition, Share
from mykey_testkit.pcsc import READERS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Send = Callable[[str], str]

pytestmark = pytest.mark.pcsc

# What OpenSC 0.23 sends when it looks for other cards (card reference §18.1).
FOREIGN = [
    "00A4040007627601FF000000",
    "00A4040006A00000000101",
    "00A404000BE82B0601040181C31F020100",
    "00A4040C0FD23300000045737445494420763335",
    "00A4040009A0000003080000100000",
    "00A4040C07A000000116DB0000",
    "00A4040C07A000000079100000",
    *(f"00A4040C07A00000007901{number:02X}00" for number in range(16)),
    "00A404000CF276A288BCFBA69D34F31001",
    "00A4040009A0000003974254465900",
    "00A4040006D2760001240100",
]
OTHERS = {"00CADF3005": "6A88", "00CB3FFF035C017E08": "6D00"}
JPKI = "00A4040C0AD392F000260100000001"


@pytest.fixture
def through_pyscard(insert_card: Callable[..., int]) -> Iterator[Send]:
    """Send hexadecimal commands with pyscard's own classes."""
    system = pytest.importorskip("smartcard.System", reason="pyscard is not installed: pip install 'mykey[pcsc]'")
    insert_card("adult")
    (reader,) = [reader for reader in system.readers() if str(reader) == READERS[0]]
    connection = reader.createConnection()
    connection.connect()

    def send(command: str) -> str:
        data, sw1, sw2 = connection.transmit(list(bytes.fromhex(command)))
        return bytes([*data, sw1, sw2]).hex().upper()

    yield send
    connection.disconnect()
    connection.release()


@pytest.fixture
def through_the_c_library(insert_card: Callable[..., int]) -> Iterator[Send]:
    """Send hexadecimal commands with libpcsclite."""
    insert_card("adult")
    winscard = CtypesWinscard()
    context = winscard.establish_context()
    handle, protocol = winscard.connect(context, READERS[0], Share.SHARED)
    yield lambda command: winscard.transmit(handle, protocol, bytes.fromhex(command)).hex().upper()
    winscard.disconnect(handle, Disposition.UNPOWER)
    winscard.release_context(context)


@pytest.fixture(params=["through_pyscard", "through_the_c_library"])
def send(request: pytest.FixtureRequest) -> Send:
    """Both clients, one after the other."""
    client: Send = request.getfixturevalue(request.param)
    return client


def test_foreign_applications_are_not_found_and_leave_the_card_sane(send: Send) -> None:
    """6A82 to every foreign name, 6A88 and 6D00 to the two others, before and after JPKI was selected."""
    for _ in range(2):
        assert {send(command) for command in FOREIGN} == {"6A82"}
        assert {command: send(command) for command in OTHERS} == OTHERS
        assert send(JPKI) == "9000"
    assert send("00A4020C020018") == "9000"
    assert send("00200080") == "63C3"


def test_a_name_that_is_almost_right_is_not_found(send: Send) -> None:
    """One byte changed, one byte more, one byte less."""
    assert send("00A4040C0AD392F000260100000002") == "6A82"
    assert send("00A4040C0BD392F00026010000000100") == "6A82"
    assert send("00A4040C09D392F0002601000000") == "6A82"


def test_the_canonical_flow_byte_for_byte(send: Send) -> None:
    """SELECT, ask, VERIFY, SIGN, read: 256 bytes of signature, the first bytes of a certificate."""
    assert send(JPKI) == "9000"
    assert send("00A4020C020018") == "9000"
    assert send("00200080") == "63C3"
    assert send("002000800431323334") == "9000"
    assert send("00A4020C020017") == "9000"
    info = "3031300D060960864801650304020105000420" + "11" * 32
    signature = send(f"802A008033{info}00")
    assert (len(signature), signature[-4:]) == (2 * 258, "9000")
    assert send("00A4020C02000A") == "9000"
    assert send("00B0000004").startswith("3082")


def test_short_apdus_a_second(send: Send) -> None:
    """More than a thousand short commands a second even on a loaded computer (quiet: over 5,000)."""
    import time

    send(JPKI)
    start = time.monotonic()
    for _ in range(500):
        send("00A4020C020018")
    assert 500 / (time.monotonic() - start) > 1000
