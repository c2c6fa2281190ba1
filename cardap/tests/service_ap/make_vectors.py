"""Writes `docs/reference/service-application-vectors.json`: keys, MACs and a whole transcript with fixed randomness.

Run it as a program after a change of the format; a test compares the file with what it makes.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mykey_cardap.apdu import CommandApdu, ResponseApdu
from mykey_cardap.emulator.globalplatform.cards import make_open_card
from mykey_cardap.emulator.globalplatform.contents import CardContents, Instance, VolatileMemory
from mykey_cardap.emulator.in_process import InProcessTransport
from mykey_cardap.emulator.memory import Memory
from mykey_cardap.emulator.service_application.card_application import LOAD_FILE, MODULE, ServiceApplication
from mykey_cardap.emulator.service_application.contents import MEMORY_SIZE
from mykey_cardap.emulator.service_application.storage import Record, cmac
from mykey_cardap.service_application.administration import ServiceAdministration, ServiceDirectory
from mykey_cardap.service_application.channel import ServiceChannel
from mykey_cardap.service_application.key_tree import (
    card_keys,
    debit_context,
    debit_master,
    service_context,
    service_key,
)
from mykey_cardap.service_application.numbers import AID, Flag, Kind, Role
from mykey_cardap.service_application.orders import OperationId, Order
from mykey_cardap.service_application.profile import AccessRules, NewService, Parameters
from mykey_cardap.service_application.session import ServiceSession
from mykey_cardap.service_application.transaction_mac import session_key, transaction_mac
from mykey_cardap.service_application.wrapped_keys import WrappedKeys

FILE = Path(__file__).parents[3] / "docs" / "reference" / "service-application-vectors.json"
MASTER = bytes(range(32))
ISSUER = 102016
SERIAL = bytes.fromhex("04A1B2C3D4E5F6")
TAXI = 0x0301
PERSON_TIME = datetime(2026, 11, 23, 3, 0, tzinfo=UTC)
SERVICE = NewService(
    TAXI,
    ISSUER,
    "taxi",
    profile_size=64,
    parameters=Parameters(upper=100_000, cap=2_000, allowance=70, last_period=2030, flags=Flag.RIDE_DEBITS_VALUE),
    value=10_000,
    rides=70,
    period=2026,
)
KEYS = ((0x0101, 1, 1), (0x0101, 2, 1), (0x0101, 1, 2), (0x0301, 1, 1), (0x0000, 0, 1), (0x0301, 0, 1), (0x0301, 4, 1))


class Counted:
    """In the place of a random source: bytes 01, then bytes 02, and so on."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, size: int) -> bytes:
        """The next bytes."""
        self.calls += 1
        return bytes((self.calls,)) * size


def vectors() -> dict[str, Any]:
    """All vectors."""
    return {
        "keys": [_key(*wanted) for wanted in KEYS],
        "transaction_mac": [_reference_mac(), _ride_mac()],
        "layouts": _layouts(),
        "storage": _storage(),
        "transcript": _transcript(),
    }


def key(role: int, service: int = TAXI, generation: int = 1) -> bytes:
    """A service key."""
    return service_key(MASTER, issuer=ISSUER, service=service, role=Role(role), generation=generation, serial=SERIAL)


def ride(sequence: int = 1) -> Order:
    """1,430 yen, of which the town pays 715."""
    return Order(Kind.RIDE, OperationId(b"TERM0001", sequence), 1430, 715, PERSON_TIME, 2026)


def _key(service: int, number: int, generation: int) -> dict[str, Any]:
    role = Role(number)
    found = key(number, service, generation)
    context = service_context(issuer=ISSUER, service=service, role=role, generation=generation, serial=SERIAL)
    entry: dict[str, Any] = {
        "service": f"{service:04x}",
        "number": number,
        "generation": generation,
        "context": context.hex(),
        "key": found.hex(),
    }
    if role is Role.DEBIT:
        place = {"issuer": ISSUER, "service": service, "generation": generation}
        entry |= {"debit_context": debit_context(**place).hex(), "debit_master": debit_master(MASTER, **place).hex()}
    if role is not Role.TRANSACTION_MAC:
        keys = card_keys(found)
        entry |= {"enc": keys.enc.hex(), "mac": keys.mac.hex(), "dek": keys.dek.hex()}
        entry["check_values"] = [value.hex() for value in keys.check_values()]
    return entry


def _reference_mac() -> dict[str, Any]:
    return _mac(bytes(range(16)), 42, bytes.fromhex("00112233445566778899AABBCCDDEEFF0102030405060708"))


def _ride_mac() -> dict[str, Any]:
    balance = bytes.fromhex("00002445 0045 0001 07EA")
    return _mac(key(4), 1, bytes(ride()) + balance)


def _mac(k4: bytes, counter: int, transaction: bytes) -> dict[str, Any]:
    return {
        "k4": k4.hex(),
        "serial": SERIAL.hex(),
        "counter": counter,
        "session_input": (bytes.fromhex("5A00010080") + counter.to_bytes(4, "little") + SERIAL).hex(),
        "session_key": session_key(k4, counter=counter, serial=SERIAL).hex(),
        "transaction": transaction.hex(),
        "mac": transaction_mac(k4, counter=counter, serial=SERIAL, transaction=transaction).hex(),
    }


def _layouts() -> dict[str, str]:
    return {
        "order": bytes(ride()).hex(),
        "parameters": bytes(SERVICE.parameters).hex(),
        "access": bytes(AccessRules()).hex(),
        "create": SERVICE.to_bytes(1, WrappedKeys.wrap(card_keys(key(0)), card_keys(key(0, 0)))).hex(),
    }


def _storage() -> dict[str, Any]:
    """A bank and a cell after one commit of 60 bytes over a fresh record."""
    storage_key, payload = bytes(range(16)), b"\x02" * 60
    memory = Memory(Record.space(len(payload)))
    record = Record(memory, 0, len(payload), storage_key)
    record.format(b"\x01" * 60)
    record.commit(payload)
    return {
        "storage_key": storage_key.hex(),
        "payload": payload.hex(),
        "sequence": record.sequence,
        "bank": memory.read(128, 72).hex(),
        "cell": memory.read(256 + 3 * 64, 8).hex(),
        "bank_cmac": cmac(storage_key, (1).to_bytes(4, "big") + payload).hex(),
    }


class Recorder:
    """A transport that keeps what goes over the wire."""

    def __init__(self, inner: InProcessTransport) -> None:
        self.inner = inner
        self.wire: list[tuple[bytes, bytes]] = []

    def send_apdu(self, command: bytes) -> bytes:
        """Pass on and keep."""
        answer = self.inner.send_apdu(command)
        self.wire.append((command, answer))
        return answer


def _transcript() -> list[dict[str, str]]:
    """Writing the taxi service and one ride: every command plain and as sent."""
    recorder = Recorder(_card())
    lines: list[dict[str, str]] = []
    exchange = ServiceChannel._exchange

    def kept(channel: ServiceChannel, command: CommandApdu) -> ResponseApdu:
        response = exchange(channel, command)
        sent, answered = recorder.wire[-1]
        lines.append(_line(bytes(command), bytes(response), sent, answered))
        return response

    ServiceChannel._exchange = kept  # type: ignore[method-assign]
    try:
        _write_and_ride(recorder, lines)
    finally:
        ServiceChannel._exchange = exchange  # type: ignore[method-assign]
    return lines


def _write_and_ride(recorder: Recorder, lines: list[dict[str, str]]) -> None:
    host = Counted()

    def opened(make: Callable[[], ServiceChannel], role: Role, service: int) -> Any:
        channel = make()
        lines.append({"name": "SELECT", "command": recorder.wire[-1][0].hex(), "answer": recorder.wire[-1][1].hex()})
        channel.authenticate(role, card_keys(key(role, service)))
        for name, (command, answer) in zip(
            ("INITIALIZE UPDATE", "EXTERNAL AUTHENTICATE"), recorder.wire[-2:], strict=True
        ):
            lines.append({"name": name, "command": command.hex(), "answer": answer.hex()})
        return channel

    k0 = card_keys(key(0))
    directory = opened(lambda: ServiceDirectory(recorder, random=host), Role.ADMIN, 0)
    directory.create(SERVICE, generation=1, admin=WrappedKeys.wrap(k0, card_keys(key(0, 0))))
    directory.services()
    directory.meta()
    service = opened(lambda: ServiceAdministration(recorder, TAXI, random=host), Role.ADMIN, TAXI)
    for role in (Role.READ, Role.DEBIT, Role.CREDIT):
        service.put_key(role, generation=1, keys=WrappedKeys.wrap(card_keys(key(role)), k0))
    service.put_key(Role.TRANSACTION_MAC, generation=1, keys=WrappedKeys.wrap_key(key(4), k0))
    service.write_profile(bytes.fromhex("810101820400000064"))
    service.activate()
    session = opened(lambda: ServiceSession(recorder, TAXI, random=host), Role.DEBIT, TAXI)
    session.commit(ride())
    session.commit(ride())
    session.log()


def _line(command: bytes, answer: bytes, sent: bytes, answered: bytes) -> dict[str, str]:
    line = {"name": f"{command[1]:02X}", "plain_command": command.hex(), "plain_answer": answer.hex()}
    return line | {"command": sent.hex(), "answer": answered.hex()}


def _card() -> InProcessTransport:
    application = ServiceApplication(Memory(MEMORY_SIZE), random=Counted())
    parameters = SERIAL + ISSUER.to_bytes(3, "big")
    instances = (
        Instance(AID, LOAD_FILE, MODULE, parameters=parameters),
        Instance(AID + TAXI.to_bytes(2, "big"), LOAD_FILE, MODULE),
    )
    application.factory(instances[0], fresh=True)
    root = card_keys(key(0, 0))
    application.personalize(b"\x01" + root.enc + root.mac + root.dek + b"".join(root.check_values()))
    memory = VolatileMemory(CardContents(instances=instances))
    return InProcessTransport(make_open_card(memory, factories={MODULE: application.factory}))


def text() -> str:
    """The file's content."""
    return json.dumps(vectors(), indent=1) + "\n"


if __name__ == "__main__":
    FILE.write_text(text())
