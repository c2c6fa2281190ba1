"""The virtual reader's protocol against a small driver of our own, and two cards through a real pcscd (EMU-24)."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from mykey_cardap.emulator import trace
from mykey_cardap.emulator.vpcd import CardPulledError, VpcdClosedError, VpcdSlot, serve_forever
from mykey_testkit.pcsc import PrivatePcscd, require_pcsc

Talk = Callable[..., Any]
JPKI = bytes.fromhex("00A4040C0AD392F000260100000001")


class Driver:
    """The reader's side: accepts one card and sends frames in two packets, as Debian's vpcd does."""

    def __init__(self) -> None:
        self.server = socket.create_server(("127.0.0.1", 0))
        self.server.settimeout(10)
        self.port: int = self.server.getsockname()[1]

    def accept(self) -> None:
        """Wait for the card."""
        self.card, _ = self.server.accept()
        self.card.settimeout(10)

    def send(self, payload: bytes) -> None:
        """One frame: length and payload apart."""
        self.card.sendall(len(payload).to_bytes(2, "big"))
        self.card.sendall(payload)

    def receive(self) -> bytes:
        """The payload of one frame."""
        length = int.from_bytes(self._exactly(2), "big")
        return self._exactly(length)

    def _exactly(self, count: int) -> bytes:
        received = b""
        while len(received) < count:
            received += self.card.recv(count - len(received))
        return received

    def ask(self, payload: bytes) -> bytes:
        """Send and receive."""
        self.send(payload)
        return self.receive()


@contextmanager
def inserted(slot: VpcdSlot, driver: Driver) -> Iterator[list[BaseException]]:
    """The card served by a thread; yields the list that its end is put into."""
    ended: list[BaseException] = []

    def run() -> None:
        try:
            slot.serve()
        except (VpcdClosedError, CardPulledError) as error:
            ended.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    driver.accept()
    try:
        yield ended
    finally:
        driver.card.close()
        thread.join(10)
        driver.server.close()


def test_control_codes_and_commands(talk: Talk) -> None:
    """§2: 04 asks for the ATR, 00 and 01 switch the power, 02 resets; everything longer is a command."""
    card, driver = talk().card, Driver()
    seen: list[tuple[bytes, bytes]] = []
    slot = VpcdSlot(card, port=driver.port, observe=lambda *pair: seen.append(pair))
    with inserted(slot, driver) as ended:
        assert driver.ask(b"\x04").hex() == "3be000ff8131fe4514"
        driver.send(b"\x01")
        assert driver.ask(JPKI) == b"\x90\x00"
        assert driver.ask(bytes.fromhex("002000980431323334")) == b"\x90\x00"
        driver.send(b"\x02")
        assert driver.ask(bytes.fromhex("802A009701AA00"))[-2:] == b"\x90\x00"
        driver.send(b"\x00")
        driver.send(b"\x01")
        assert driver.ask(bytes.fromhex("802A009701AA00")) == b"\x69\x86"
        assert slot.commands == len(seen) == 4
    assert isinstance(ended[0], VpcdClosedError)
    assert not card.powered


def test_the_card_is_pulled_at_its_nth_command(talk: Talk) -> None:
    """EMU-23: the connection ends without an answer."""
    card, driver = talk().card, Driver()
    with inserted(VpcdSlot(card, port=driver.port, pull_at=2), driver) as ended:
        driver.send(b"\x01")
        assert driver.ask(JPKI) == b"\x90\x00"
        driver.send(JPKI)
        assert driver.card.recv(1) == b""
    assert isinstance(ended[0], CardPulledError)


def test_a_card_waits_for_the_driver_and_comes_back(talk: Talk) -> None:
    """Over an outage it tries again with growing pauses and says so once."""
    events: list[str] = []
    pauses: list[float] = []
    slot = VpcdSlot(talk().card, port=1)  # nothing listens there
    driver = Driver()

    def sleep(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 3:
            slot.port = driver.port
            slot.pull_at = 1

    thread = threading.Thread(target=serve_forever, args=(slot,), kwargs={"notify": events.append, "sleep": sleep})
    thread.start()
    driver.accept()
    driver.send(JPKI)
    thread.join(10)
    driver.card.close()
    driver.server.close()
    assert events == ["waiting", "connected", "removed"]
    assert pauses == [0.1, 0.2, 0.4]


@pytest.mark.parametrize(
    ("command", "shown"),
    [
        ("002000800431323334", "0020008004********"),
        ("00200080043132333400", "0020008004********"),
        ("0024018006414243313233", "0024018006************"),
        ("803200800431323334", "8032008004********"),
        ("0020008009313233", "00200080 ********"),
        ("00200080000004" + "31323334", "0020008004********"),
        ("00200080", "00200080"),
        ("00A4020C020018", "00A4020C020018"),
    ],
)
def test_traces_show_no_pin(command: str, shown: str) -> None:
    """INS 20, 24 and 32 in every encoding, malformed ones included."""
    assert trace.masked_command(bytes.fromhex(command)) == shown
    assert "31323334" not in trace.line(bytes.fromhex(command), b"\x90\x00")


def test_traces_cut_answers() -> None:
    """At most 16 bytes of a file, because files hold names and numbers."""
    line = trace.line(JPKI, b"\xaa" * 256 + b"\x90\x00")
    assert line.endswith(f"{'AA' * 16}…(256 bytes) 9000")
    assert trace.line(b"", b"\x67\x00").endswith("6700")


@pytest.fixture
def service(tmp_path: Path) -> Iterator[PrivatePcscd]:
    """A pcscd of our own, with the two slots of the virtual reader."""
    require_pcsc("opensc-tool", "pkcs15-tool")
    with PrivatePcscd(tmp_path) as running:
        yield running


@pytest.mark.pcsc
def test_two_cards_in_two_slots(service: PrivatePcscd) -> None:
    """EMU-24, EMU-22: OpenSC reads two different certificates, and a wrong try counts on one card only."""
    service.insert("adult", slot=0)
    service.insert("other-town", slot=1)
    read = [service.run(["pkcs15-tool", "-r", str(slot), "--read-certificate", "1"]) for slot in (0, 1)]
    assert [done.returncode for done in read] == [0, 0]
    assert read[0].stdout != read[1].stdout
    exported = subprocess.run(
        [sys.executable, "-m", "mykey_cardap.cli", "export", "other-town", "--what", "auth-cert"],
        check=True,
        capture_output=True,
        text=True,
    )
    assert exported.stdout.strip() in read[1].stdout
    wrong = ["pkcs15-tool", "-r", "1", "--verify-pin", "--auth-id", "1", "--pin", "9999"]
    assert service.run(wrong).returncode != 0
    pins = [service.run(["pkcs15-tool", "-r", str(slot), "--list-pins"]).stdout for slot in (0, 1)]
    assert "Tries left     : 3" in pins[0]
    assert "Tries left     : 2" in pins[1]


@pytest.mark.pcsc
def test_a_card_survives_the_restart_of_the_reader_service(service: PrivatePcscd) -> None:
    """The card process stays and is in the reader again when pcscd comes back."""
    service.insert("adult")
    service.stop_service()
    service.start_service()
    service.wait_for_card(0, present=True)
    done = service.run(["opensc-tool", "-n"])
    assert done.stdout.strip().endswith("jpki")
