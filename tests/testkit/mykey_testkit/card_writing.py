"""What tests of card writing share: emulated cards of a town, readers that fail at a chosen APDU, a whole writing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date

from mykey_cardap.emulator.memory import Memory
from mykey_cardap.emulator.service_application.card_application import ServiceApplication
from mykey_cardap.emulator.service_application.contents import MEMORY_SIZE, Contents
from mykey_cardap.errors import CardRemovedError
from mykey_cardap.service_application.numbers import ROOT_SERVICE, Role
from mykey_cardap.transport import Transport
from mykey_core.card_writing.campaigns.stock import SimulatedCard
from mykey_core.card_writing.desk import CardDesk
from mykey_core.card_writing.keys.slots import KeySlot
from mykey_core.card_writing.keys.software import SoftwareCardKeys
from mykey_core.card_writing.plan import Operation
from mykey_core.card_writing.profiles import DEMO, CardData
from mykey_core.card_writing.writer import Ending, Entry, Found, Job, write_card

TOWN = 132217
OTHER_TOWN = 102016
SERIAL = bytes.fromhex("04a1b2c3d4e5f6")
MASTERS = {1: bytes(range(32)), 2: bytes(range(32, 64))}
DATA = CardData({"number": "A-0001", "valid_until": date(2030, 3, 31), "class": 3}, value=1_000, rides=4, period=1)


def town_keys(*generations: int) -> SoftwareCardKeys:
    """The town's master keys of these generations (the first one when none is named)."""
    return SoftwareCardKeys({number: MASTERS[number] for number in generations or (1,)})


def write_job(*, data: CardData = DATA, generation: int = 1, issuer: int = TOWN, dry_run: bool = False) -> Job:
    """Write the demo profile."""
    return Job(Operation.WRITE, DEMO.service, issuer, generation, DEMO.image(issuer, data), dry_run=dry_run)


def other_job(operation: Operation, *, with_value: bool = False, service: int = DEMO.service) -> Job:
    """Suspend, resume, delete, move out or check."""
    return Job(operation, service, TOWN, 1, with_value=with_value)


@dataclass
class EmulatedCard:
    """A card that left the factory with the key of generation 1; its memory can be looked into."""

    issuer: int = TOWN
    serial: bytes = SERIAL
    master: bytes = MASTERS[1]
    memory: Memory = field(default_factory=lambda: Memory(MEMORY_SIZE))

    def __post_init__(self) -> None:
        Contents.install(self.memory, serial=self.serial, issuer=self.issuer.to_bytes(3, "big"))
        slot = KeySlot(self.issuer, ROOT_SERVICE, Role.ADMIN, 1, self.serial)
        keys = SoftwareCardKeys({1: self.master}).key_set(slot).keys
        material = keys.enc + keys.mac + keys.dek + b"".join(keys.check_values())
        ServiceApplication(self.memory).personalize(b"\x01" + material)

    def insert(self) -> SimulatedCard:
        """Put it into a reader: power comes, recovery runs."""
        return SimulatedCard(ServiceApplication(self.memory))

    def commits(self, service: int = DEMO.service) -> tuple[int, int]:
        """Commits of the directory and of one service: whatever was done twice shows here."""
        contents = Contents(self.memory)
        contents.recover()
        slot = contents.slot(service)
        return contents._root.sequence, slot._service.sequence if slot else 0


@dataclass
class Reader:
    """A reader that counts APDUs and fails at one of them. `fault` gets command and way on, at APDU number `at`."""

    card: Transport
    at: int = -1
    fault: Callable[[bytes, Callable[[bytes], bytes]], bytes] = lambda command, way: way(command)
    commands: list[bytes] = field(default_factory=list)
    dead: bool = False

    def send_apdu(self, command: bytes) -> bytes:
        """See `Transport.send_apdu`."""
        if self.dead:
            raise CardRemovedError("the card is gone")
        self.commands.append(command)
        if len(self.commands) - 1 != self.at:
            return self.card.send_apdu(command)
        try:
            return self.fault(command, self.card.send_apdu)
        except CardRemovedError:
            self.dead = True
            raise

    def sent(self, instruction: int) -> int:
        """How many commands with this instruction byte went out."""
        return sum(command[1] == instruction for command in self.commands)


def pulled_before(_command: bytes, _way: Callable[[bytes], bytes]) -> bytes:
    """The card is gone before the command reaches it."""
    raise CardRemovedError("pulled")


def pulled_after(command: bytes, way: Callable[[bytes], bytes]) -> bytes:
    """The card does the command, and is gone before its answer."""
    way(command)
    raise CardRemovedError("pulled")


@dataclass(frozen=True)
class Written:
    """A whole writing: its journal in order, and its end."""

    found: Found | None
    entries: list[Entry]
    ending: Ending


def write(
    transport: Transport,
    job: Job,
    keys: SoftwareCardKeys | None = None,
    *,
    floor: int = 1,
    shared_with: frozenset[int] = frozenset(),
) -> Written:
    """Drive a writing to its end."""
    desk = CardDesk(transport, keys or town_keys(), owner=TOWN, floor=floor, shared_with=shared_with)
    found: Found | None = None
    entries: list[Entry] = []
    writing = write_card(desk, job)
    while True:
        try:
            item = next(writing)
        except StopIteration as end:
            return Written(found, entries, end.value)
        if isinstance(item, Found):
            found = item
        else:
            entries.append(item)


def cuts(length: int) -> Iterator[tuple[int, Callable[[bytes, Callable[[bytes], bytes]], bytes]]]:
    """Every APDU of a writing, pulled before it and after it."""
    for at in range(length):
        yield at, pulled_before
        yield at, pulled_after
