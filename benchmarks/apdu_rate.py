"""How fast the emulated card answers: `python benchmarks/apdu_rate.py [--count N]`.

Prints a table of rates: a bare socket echo without PC/SC, an echo "card" through PC/SC, the emulated card
through PC/SC, and the card in process. Starts a private pcscd (needs pcscd, vsmartcard-vpcd, and root or user
namespaces). Target: 5,000 short APDUs/s through PC/SC, and not below 0.7 of the echo card.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from mykey_cardap.emulator import InProcessTransport
from mykey_cardap.emulator.cards import make_card
from mykey_cardap.emulator.vpcd import VpcdClosedError, VpcdSlot
from mykey_cardap.pcsc import load_backend
from mykey_cardap.pcsc.winscard import Disposition, Share
from mykey_testkit.pcsc import PORTS, READERS, PrivatePcscd

SHORT: Final = bytes.fromhex("00200080")  # ask for the try counter
SELECT: Final = bytes.fromhex("00A4040C0AD392F000260100000001")
SELECT_PIN: Final = bytes.fromhex("00A4020C020018")
VERIFY: Final = bytes.fromhex("002000800431323334")
SELECT_KEY: Final = bytes.fromhex("00A4020C020017")
SIGN: Final = bytes.fromhex("802A0080333031300D060960864801650304020105000420" + "5A" * 32 + "00")
SIGNATURE_AND_STATUS: Final = 256 + 2
TARGET_RATE: Final = 5_000
TARGET_RATIO: Final = 0.7
ROUNDS: Final = 5

Send = Callable[[bytes], bytes]


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table: short APDUs per second, and the median of a whole signing operation in ms."""

    name: str
    rate: float
    sign_ms: float | None = None


def rate(send: Send, count: int) -> float:
    """Short APDUs per second, the median of five rounds."""
    return statistics.median(count / seconds(lambda: [send(SHORT) for _ in range(count)]) for _ in range(ROUNDS))


def seconds(action: Callable[[], object]) -> float:
    """Elapsed time of `action`."""
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def signing_ms(send: Send, count: int) -> float:
    """Median of SELECT, SELECT, VERIFY, SELECT, SIGN in milliseconds; checks that the card signed."""

    def sign() -> None:
        for command in (SELECT, SELECT_PIN, VERIFY, SELECT_KEY):
            assert send(command) == b"\x90\x00"
        assert len(send(SIGN)) == SIGNATURE_AND_STATUS

    return statistics.median(seconds(sign) for _ in range(count)) * 1000


class EchoCard:
    """Answers 63C3 to everything: what any card program must cost at least."""

    def process(self, command: bytes) -> bytes:  # noqa: ARG002 - the interface of a card
        """The same answer to every command."""
        return b"\x63\xc3"

    def power_on(self) -> bytes:
        """The ATR."""
        return bytes.fromhex("3BE000FF8131FE4514")

    def power_off(self) -> None:
        """Nothing to forget."""

    def reset(self) -> bytes:
        """The ATR."""
        return self.power_on()

    @property
    def behaviour(self) -> EchoCard:
        """Stand-in for the options, of which only the ATR is asked."""
        return self

    @property
    def atr(self) -> bytes:
        """The ATR."""
        return self.power_on()


def bare_socket(count: int) -> Row:
    """A TCP echo of the same frames between two threads, one packet a frame, no PC/SC."""
    server = socket.create_server(("127.0.0.1", 0))
    threading.Thread(target=_echo, args=(server,), daemon=True).start()
    with socket.create_connection(server.getsockname()) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

        def send(command: bytes) -> bytes:
            client.sendall(len(command).to_bytes(2, "big") + command)
            return client.recv(1024)

        return Row("bare socket echo, no PC/SC", rate(send, count))


def _echo(server: socket.socket) -> None:
    connection, _ = server.accept()
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    with connection, server:
        while connection.recv(1024):
            connection.sendall(b"\x00\x02\x63\xc3")


def pcsc_client(slot: int, count: int, *, signing: bool) -> None:
    """The measuring side, run as a process of its own: prints one JSON object."""
    winscard = load_backend("ctypes")
    context = winscard.establish_context()
    handle, protocol = winscard.connect(context, READERS[slot], Share.SHARED)

    def send(command: bytes) -> bytes:
        return winscard.transmit(handle, protocol, command)

    if signing:
        send(SELECT)
        send(SELECT_PIN)
    result = {"rate": rate(send, count), "sign_ms": signing_ms(send, 200) if signing else None}
    winscard.disconnect(handle, Disposition.LEAVE)
    winscard.release_context(context)
    print(json.dumps(result))


def through_pcsc(service: PrivatePcscd, name: str, slot: int, count: int, *, signing: bool) -> Row:
    """Run `pcsc_client` against the card in `slot`."""
    command = [sys.executable, __file__, "--client", str(slot), "--count", str(count)]
    done = subprocess.run(  # noqa: S603 - ourselves
        service.inside([*command, *(["--signing"] if signing else [])]),
        env=service.environment,
        stdout=subprocess.PIPE,
        check=True,
    )
    return Row(name, **json.loads(done.stdout))


def with_private_service(count: int) -> list[Row]:
    """The rows that need a reader: the echo card and then the emulated card in slot 0."""
    with tempfile.TemporaryDirectory() as folder, PrivatePcscd(Path(folder)) as service:
        echo = subprocess.Popen(service.inside([sys.executable, __file__, "--echo"]))  # noqa: S603 - ourselves
        try:
            service.wait_for_card(0, present=True)
            rows = [through_pcsc(service, "echo card through PC/SC", 0, count, signing=False)]
        finally:
            echo.terminate()
            echo.wait()
        service.wait_for_card(0, present=False)
        service.insert("adult")
        rows.append(through_pcsc(service, "emulated card through PC/SC", 0, count, signing=True))
    return rows


def serve_echo() -> None:
    """The echo card's process."""
    while True:
        try:
            VpcdSlot(EchoCard(), port=PORTS[0]).serve()  # type: ignore[arg-type]
        except VpcdClosedError:
            time.sleep(0.1)


def in_process(count: int) -> Row:
    """The emulated card without any transport."""
    with InProcessTransport(make_card("adult")) as transport:
        send = transport.send_apdu
        send(SELECT)
        send(SELECT_PIN)
        return Row("emulated card in process", rate(send, count * 10), signing_ms(send, 200))


def report(rows: list[Row]) -> int:
    """Print the table and the verdict; 1 when a target is missed."""
    echo, card = rows[1], rows[2]
    print(f"{'set-up':<32}{'short APDUs/s':>15}{'SELECT…SIGN':>14}")
    for row in rows:
        sign = f"{row.sign_ms:11.2f} ms" if row.sign_ms else f"{'-':>14}"
        print(f"{row.name:<32}{row.rate:>15,.0f}{sign}")
    ratio = card.rate / echo.rate
    good = card.rate >= TARGET_RATE and ratio >= TARGET_RATIO
    print(f"card : echo card = {ratio:.2f} (target {TARGET_RATIO}), : bare socket = {card.rate / rows[0].rate:.2f}")
    print(f"target of {TARGET_RATE:,} short APDUs/s through PC/SC: {'met' if good else 'MISSED'}")
    return 0 if good else 1


def main() -> int:
    """Run one of the three roles of this program."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=5_000, help="APDUs a round")
    parser.add_argument("--client", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--signing", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--echo", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.echo:
        serve_echo()
    if options.client is not None:
        pcsc_client(options.client, options.count, signing=options.signing)
        return 0
    print(f"{os.cpu_count()} processors, {options.count} APDUs a round, median of {ROUNDS}")
    return report([bare_socket(options.count), *with_private_service(options.count), in_process(options.count)])


if __name__ == "__main__":
    sys.exit(main())
