"""A card with the service application, a town's keys, and the steps of writing a taxi service onto it."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest

from mykey_cardap.emulator.globalplatform.cards import default_keys, make_open_card
from mykey_cardap.emulator.globalplatform.contents import CardContents, Instance, LoadFile, VolatileMemory
from mykey_cardap.emulator.in_process import InProcessTransport
from mykey_cardap.emulator.memory import Fault, Image, Memory
from mykey_cardap.emulator.service_application.card_application import LOAD_FILE, MODULE, ServiceApplication
from mykey_cardap.emulator.service_application.contents import MEMORY_SIZE
from mykey_cardap.globalplatform.keys import ScpKeys
from mykey_cardap.service_application.administration import ServiceAdministration, ServiceDirectory
from mykey_cardap.service_application.key_tree import card_keys, service_key
from mykey_cardap.service_application.numbers import AID, Flag, Kind, Role
from mykey_cardap.service_application.orders import OperationId, Order
from mykey_cardap.service_application.profile import NewService, Parameters
from mykey_cardap.service_application.session import ServiceSession
from mykey_cardap.service_application.wrapped_keys import WrappedKeys

SERIAL = bytes.fromhex("04A1B2C3D4E5F6")
ISSUER = 102016
MASTERS = {generation: bytes(range(generation - 1, generation + 31)) for generation in (1, 2, 3)}
TAXI = 0x0301
NOON = datetime(2026, 11, 23, 3, 0, tzinfo=UTC)
TERMINAL = b"TERM0001"
PROFILE = bytes.fromhex("810101820400000064")
TAXI_SERVICE = NewService(
    TAXI,
    ISSUER,
    "taxi",
    parameters=Parameters(upper=100_000, cap=2_000, allowance=70, last_period=2030, flags=Flag.RIDE_DEBITS_VALUE),
    value=10_000,
    rides=70,
    period=2026,
)


@dataclass(slots=True)
class Rig:
    """One emulated card and everything that a town has to work with it; `page` is the page size of its memory."""

    page: int = 64
    chance: random.Random = field(default_factory=lambda: random.Random(1))  # noqa: S311 - test data
    memory: Memory = field(init=False)
    application: ServiceApplication = field(init=False)
    transport: InProcessTransport = field(init=False)
    _known: dict[tuple[int, Role, int], bytes] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        self.memory = Memory(MEMORY_SIZE, page=self.page, chance=self.chance)
        self.application = ServiceApplication(self.memory)
        names = (AID, AID + TAXI.to_bytes(2, "big"))
        parameters = SERIAL + ISSUER.to_bytes(3, "big")
        instances = tuple(
            Instance(name, LOAD_FILE, MODULE, parameters=b"" if index else parameters)
            for index, name in enumerate(names)
        )
        self.application.factory(instances[0], fresh=True)
        root = self.keys(Role.ADMIN, service=0)
        block = root.enc + root.mac + root.dek + b"".join(root.check_values())
        self.application.personalize(b"\x01" + block)
        contents = CardContents(
            keys=(default_keys(),), load_files=(LoadFile(LOAD_FILE, (MODULE,)),), instances=instances
        )
        card = make_open_card(VolatileMemory(contents), factories={MODULE: self.application.factory})
        self.transport = InProcessTransport(card)

    # -- keys -----------------------------------------------------------------------------------------------

    def key(self, role: Role, *, service: int = TAXI, generation: int = 1) -> bytes:
        """The service key of a role."""
        place = (service, role, generation)
        if place not in self._known:
            self._known[place] = service_key(
                MASTERS[generation], issuer=ISSUER, service=service, role=role, generation=generation, serial=SERIAL
            )
        return self._known[place]

    def keys(self, role: Role, *, service: int = TAXI, generation: int = 1) -> ScpKeys:
        """The key set of a role."""
        return card_keys(self.key(role, service=service, generation=generation))

    def wrapped(self, role: Role, *, generation: int = 1, under: ScpKeys | None = None) -> WrappedKeys:
        """The next keys of a role, under K0 of the taxi service."""
        under = under or self.keys(Role.ADMIN)
        if role is Role.TRANSACTION_MAC:
            return WrappedKeys.wrap_key(self.key(role, generation=generation), under)
        return WrappedKeys.wrap(self.keys(role, generation=generation), under)

    # -- sessions -------------------------------------------------------------------------------------------

    def insert(self) -> None:
        """Power off and on."""
        self.memory.arm(None)
        self.transport.card.power_off()
        self.transport = InProcessTransport(self.transport.card)

    def directory(self) -> ServiceDirectory:
        """The application in a session with the card-level key."""
        directory = ServiceDirectory(self.transport)
        directory.authenticate(Role.ADMIN, self.keys(Role.ADMIN, service=0))
        return directory

    def administration(self, *, service: int = TAXI) -> ServiceAdministration:
        """The taxi service in a session with its K0."""
        administration = ServiceAdministration(self.transport, service)
        administration.authenticate(Role.ADMIN, self.keys(Role.ADMIN, service=service))
        return administration

    def session(self, role: Role = Role.DEBIT) -> ServiceSession:
        """The taxi service in a session with the key of `role`."""
        session = ServiceSession(self.transport, TAXI, serial=SERIAL)
        session.authenticate(role, self.keys(role))
        return session

    # -- writing the service --------------------------------------------------------------------------------

    def create(self) -> None:
        """Step 1, with the card-level key."""
        admin = WrappedKeys.wrap(self.keys(Role.ADMIN), self.keys(Role.ADMIN, service=0))
        self.directory().create(TAXI_SERVICE, generation=1, admin=admin)

    def steps(self) -> Iterator[tuple[str, Callable[[], None]]]:
        """All steps of a personalisation, each in a session of its own: name and action."""
        yield "create", self.create
        for role in (Role.READ, Role.DEBIT, Role.CREDIT, Role.TRANSACTION_MAC):
            yield (
                f"put key K{role:d}",
                lambda role=role: self.administration().put_key(role, generation=1, keys=self.wrapped(role)),
            )
        yield "write profile", lambda: self.administration().write_profile(PROFILE)
        yield "activate", lambda: self.administration().activate()

    def personalise(self) -> None:
        """The whole service, ready for rides."""
        for _, step in self.steps():
            step()

    def order(self, sequence: int = 1, **changes: Any) -> Order:
        """A ride of 1,430 yen with 715 yen of subsidy, or what `changes` make of it."""
        fields = {"kind": Kind.RIDE, "total": 1430, "amount": 715, "time": NOON, "period": 2026} | changes
        return Order(operation=OperationId(TERMINAL, sequence), **fields)

    # -- what the card holds --------------------------------------------------------------------------------

    def observe(self) -> tuple[Any, ...]:
        """Everything that the card would ever tell, after recovery: records, counters, and blank free slots."""
        contents = self.application.contents
        slots = [(slot.service, slot.purse, slot.counter) for slot in contents.slots()]
        return contents.root, slots

    def restore(self, image: Image, fault: Fault | None = None) -> None:
        """The card as it was when `image` was taken, just inserted; then `fault` is armed."""
        self.memory.restore(image)
        self.insert()
        self.memory.arm(fault)


@pytest.fixture(scope="session")
def make_rig() -> type[Rig]:
    """`Rig(page=…)`: a card with the application and nothing written yet."""
    return Rig


@pytest.fixture
def rig() -> Rig:
    """A card with an activated taxi service: 10,000 yen, 70 rides in period 2026."""
    rig = Rig()
    rig.personalise()
    return rig


@pytest.fixture
def blank_rig() -> Rig:
    """A card with the application and no service."""
    return Rig()
