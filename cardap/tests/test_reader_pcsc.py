"""Cards through a real PC/SC service: both back ends, sharing, faults, events, and the command line."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from mykey_cardap.cli import card as card_commands
from mykey_cardap.emulator.cards import make_card
from mykey_cardap.emulator.in_process import InProcessTransport
from mykey_cardap.errors import (
    CardError,
    CardRemovedError,
    NoCardError,
    NoReaderError,
    ReaderBusyError,
    ReaderChoiceError,
    WrongCardError,
)
from mykey_cardap.jpki import JpkiSession
from mykey_cardap.kinds import CertificateKind
from mykey_cardap.overview import read_overview
from mykey_cardap.pcsc import (
    CardConnection,
    EventKind,
    ReaderEvent,
    ReaderMonitor,
    Share,
    list_readers,
    load_backend,
    open_card,
)
from mykey_cardap.pcsc.winscard import Disposition, Winscard
from mykey_testkit.pcsc import READERS

if TYPE_CHECKING:
    from collections.abc import Callable

    from mykey_cardap.transport import Transport
    from mykey_testkit.pcsc import PrivatePcscd

pytestmark = pytest.mark.pcsc

READER = READERS[0]
THREADS, RUNS = 4, 25

# Another program: connects, selects the key without SELECT AP and without any PIN, and tries to sign.
STEAL = """
import sys
from mykey_cardap.pcsc.ctypes_backend import CtypesWinscard
from mykey_cardap.pcsc.winscard import Share
winscard = CtypesWinscard()
handle, protocol = winscard.connect(winscard.establish_context(), sys.argv[1], Share.SHARED)
print(winscard.transmit(handle, protocol, bytes.fromhex("00A4020C020017"))[-2:].hex())
print(winscard.transmit(handle, protocol, bytes.fromhex("802A008003AABBCC00"))[-2:].hex())
"""
HOLD = """
import sys
from mykey_cardap.pcsc.ctypes_backend import CtypesWinscard
from mykey_cardap.pcsc.winscard import Share
winscard = CtypesWinscard()
winscard.connect(winscard.establish_context(), sys.argv[1], Share.EXCLUSIVE)
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture(params=["pyscard", "ctypes"])
def winscard(request: pytest.FixtureRequest, private_pcscd: PrivatePcscd) -> Winscard:
    """Each back end; pyscard only where it is installed (never skipped in CI, where it is)."""
    assert private_pcscd.socket.exists()
    try:
        return load_backend(request.param)
    except ImportError:
        pytest.skip("pyscard is not installed: pip install 'mykey[pcsc]'")


def sign(transport: Transport) -> bytes:
    session = JpkiSession(transport)
    session.verify_pin("authentication", b"1234")
    return session.sign_message(CertificateKind.AUTHENTICATION, b"message", "RS256")


def read_certificate(transport: Transport) -> bytes:
    return JpkiSession(transport).read_certificate(CertificateKind.AUTHENTICATION)


def test_a_card_in_a_reader_tells_what_it_tells_in_process(winscard: Winscard, insert_card: Callable[..., int]) -> None:
    """The overview through PC/SC is the overview of the same card without PC/SC."""
    insert_card("adult")
    with open_card(winscard=winscard) as card:
        assert card.reader == READER
        assert card.atr.hex() == "3be000ff8131fe4514"
        found = card.perform(read_overview)
    assert found == read_overview(InProcessTransport(make_card("adult")))


def test_sign_through_a_reader(winscard: Winscard, insert_card: Callable[..., int]) -> None:
    """The signature verifies with the certificate that the next operation reads."""
    insert_card("adult")
    with open_card(winscard=winscard) as card:
        signature = card.perform(sign)
        key = x509.load_der_x509_certificate(card.perform(read_certificate)).public_key()
    assert isinstance(key, rsa.RSAPublicKey)
    key.verify(signature, b"message", padding.PKCS1v15(), hashes.SHA256())


def test_another_process_cannot_use_what_a_pin_opened(winscard: Winscard, insert_card: Callable[..., int]) -> None:
    """After the operation the card was powered off: no file is selectable, nothing signs."""
    insert_card("adult")
    with open_card(winscard=winscard) as card:
        card.perform(sign)
        stolen = subprocess.run([sys.executable, "-c", STEAL, READER], capture_output=True, text=True, check=True)
    assert stolen.stdout.split() == ["6a82", "6986"]


def test_without_powering_off_the_other_process_could(
    winscard: Winscard, insert_card: Callable[..., int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The guarantee broken on purpose: with LEAVE at the end, the stranger signs without a PIN."""
    insert_card("adult")
    monkeypatch.setattr(CardConnection, "_disposition", lambda _: Disposition.LEAVE)
    with open_card(winscard=winscard) as card:
        card.perform(sign)
        stolen = subprocess.run([sys.executable, "-c", STEAL, READER], capture_output=True, text=True, check=True)
    assert stolen.stdout.split() == ["9000", "9000"]


def test_four_threads_share_a_card(winscard: Winscard, insert_card: Callable[..., int]) -> None:
    """Each with a connection of its own; not one of 100 SELECT, VERIFY, SIGN runs fails."""
    insert_card("adult")
    failures: list[CardError] = []
    signatures: list[bytes] = []

    def work() -> None:
        with open_card(READER, winscard=winscard) as card:
            for _ in range(RUNS):
                try:
                    signatures.append(card.perform(sign))
                except CardError as error:
                    failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert failures == []
    assert len(signatures) == THREADS * RUNS
    assert len(set(signatures)) == 1


def test_a_reader_held_by_another_program(winscard: Winscard, insert_card: Callable[..., int]) -> None:
    """`ReaderBusyError` after a few tries, and the program that holds the card is among the named ones."""
    insert_card("adult")
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, READER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with holder:
        assert holder.stdout
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(ReaderBusyError) as caught:
            open_card(READER, winscard=winscard)
        holder.communicate("")
    assert any(name.startswith("python") for name in caught.value.culprits)
    with open_card(READER, winscard=winscard, share=Share.EXCLUSIVE) as card:
        card.perform(sign)


@pytest.mark.parametrize("disposition", [Disposition.RESET, Disposition.UNPOWER])
def test_a_reset_between_operations_is_taken_in_stride(
    winscard: Winscard, insert_card: Callable[..., int], disposition: Disposition
) -> None:
    """Another program resets the card or switches it off; the next operation begins from SELECT and works."""
    insert_card("adult")
    with open_card(winscard=winscard) as card:
        before = card.perform(read_certificate)
        context = winscard.establish_context()
        handle, _ = winscard.connect(context, READER, Share.SHARED)
        winscard.disconnect(handle, disposition)
        winscard.release_context(context)
        assert card.perform(read_certificate) == before


def test_a_card_pulled_and_exchanged(winscard: Winscard, insert_card: Callable[..., int]) -> None:
    """Pulled in the middle: one error. Another card: `WrongCardError`. The first again: it goes on."""
    insert_card("adult", "--pull-at", "7")
    with open_card(winscard=winscard) as card:
        with pytest.raises((CardRemovedError, NoCardError)):
            card.perform(read_overview)
        insert_card("child")
        with pytest.raises(WrongCardError):
            card.perform(read_certificate)
        insert_card("adult")
        assert card.perform(read_certificate)


def test_an_empty_reader_and_a_choice(
    winscard: Winscard, private_pcscd: PrivatePcscd, insert_card: Callable[..., int]
) -> None:
    """No card; two cards; one named."""
    with pytest.raises(NoCardError):
        open_card(winscard=winscard)
    insert_card("adult")
    insert_card("child", slot=1)
    with pytest.raises(ReaderChoiceError) as caught:
        open_card(winscard=winscard)
    assert caught.value.readers == READERS
    with open_card("00 01", winscard=winscard) as child, open_card("00 00", winscard=winscard) as adult:
        assert child.perform(read_certificate) != adult.perform(read_certificate)
    private_pcscd.remove(1)
    assert [reader.card_present for reader in list_readers(winscard)] == [True, False]


def test_events_of_real_readers(
    winscard: Winscard, private_pcscd: PrivatePcscd, insert_card: Callable[..., int]
) -> None:
    """Insertion with the ATR, removal, and an end soon after `stop`."""
    events: list[ReaderEvent] = []
    monitor = ReaderMonitor(winscard)
    thread = monitor.watch(events.append)
    insert_card("adult")
    private_pcscd.remove()
    _wait_for(lambda: EventKind.CARD_REMOVED in {event.kind for event in events})
    monitor.stop()
    thread.join(5)
    assert not thread.is_alive()
    cards = [event for event in events if event.reader == READER and event.kind is not EventKind.READER_ADDED]
    assert [event.kind for event in cards] == [EventKind.CARD_INSERTED, EventKind.CARD_REMOVED]
    assert cards[0].atr.hex() == "3be000ff8131fe4514"


def test_a_restart_of_the_service(
    winscard: Winscard, private_pcscd: PrivatePcscd, insert_card: Callable[..., int]
) -> None:
    """While it is away: `NoReaderError`. Back again: the same card is found anew."""
    insert_card("adult")
    private_pcscd.stop_service()
    with pytest.raises(NoReaderError):
        open_card(winscard=winscard)
    private_pcscd.start_service()
    private_pcscd.wait_for_card(0, present=True)
    with open_card(winscard=winscard) as card:
        assert card.perform(sign)


@pytest.mark.usefixtures("private_pcscd")
def test_the_command_line_with_a_reader(insert_card: Callable[..., int]) -> None:
    """`card show` names the reader; without a card it says what to do and exits with 3."""
    empty = CliRunner().invoke(card_commands, ["show", "--lang", "ja"])
    assert (empty.exit_code, "カードを置いて" in empty.stderr) == (3, True)
    insert_card("adult")
    shown = CliRunner().invoke(card_commands, ["show", "--json"])
    assert json.loads(shown.stdout)["reader"] == READER


def _wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert condition()
