"""From what a card has to what it shall have: the steps between, in an order that is safe at every cut.

Nothing here sends anything. Each step is visible on the card afterwards (`Step.is_visible`), so that a step whose
outcome is unknown is resolved by reading.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum, unique
from typing import Final

from mykey_cardap.service_application.numbers import LifeCycle, Role
from mykey_core.card_writing.card_state import CardState, ServiceState
from mykey_core.card_writing.errors import WritingCode, WritingRefused
from mykey_core.card_writing.profiles import ServiceImage


@unique
class Operation(StrEnum):
    """What the counter does with a service on a card."""

    WRITE = "write"
    SUSPEND = "suspend"
    RESUME = "resume"
    DELETE = "delete"
    MOVE_OUT = "move-out"
    CHECK = "check"
    RAISE_FLOOR = "raise-floor"
    ROTATE = "rotate"


@unique
class StepKind(StrEnum):
    """One change of the card; each is one command and one commit there."""

    CREATE = "create"
    PUT_KEY = "put-key"
    PARAMETERS = "parameters"
    ACCESS = "access"
    PROFILE = "profile"
    ACTIVATE = "activate"
    DEACTIVATE = "deactivate"
    DELETE = "delete"
    ROOT_KEY = "root-key"
    FLOOR = "floor"
    ISSUER_KEYS = "issuer-keys"
    LOAD = "load"
    INSTALL = "install"
    SELECTABLE = "selectable"
    PERSONALIZE = "personalize"
    CARD_STATE = "card-state"


OF_THE_DOMAIN: Final = frozenset(
    {
        StepKind.ISSUER_KEYS,
        StepKind.LOAD,
        StepKind.INSTALL,
        StepKind.SELECTABLE,
        StepKind.PERSONALIZE,
        StepKind.CARD_STATE,
    }
)
"""Steps of the issuer security domain (`issuing.py`), which make a card one of ours."""


@dataclass(frozen=True, slots=True)
class Step:
    """One change. `role` and `generation` are those of a key; the journal keeps `str(step)`, which holds no data.

    `service` is 0 for the whole card; for CARD_STATE it is the state (0F: secured).
    """

    kind: StepKind
    service: int
    role: Role | None = None
    generation: int = 0

    def __str__(self) -> str:
        key = f":K{int(self.role)}:g{self.generation}" if self.role is not None else ""
        return f"{self.kind}:{self.service:04X}{key}"

    def is_visible(self, state: CardState, image: ServiceImage | None = None) -> bool:
        """Whether the card shows that this step was done (the rest of `image` may still be missing)."""
        if self.kind in OF_THE_DOMAIN:  # whoever can read the directory sees that there is an application
            return self.kind is not StepKind.PERSONALIZE or bool(state.header.generations[0])
        if self.kind is StepKind.ROOT_KEY:
            return state.header.generations[0] >= self.generation
        if self.kind is StepKind.FLOOR:
            return state.header.floor >= self.generation
        found = state.services.get(self.service)
        if found is None or self.kind is StepKind.DELETE:
            return found is None and self.kind is StepKind.DELETE
        if self.kind is StepKind.PUT_KEY and self.role is not None:
            return found.generations[self.role] >= self.generation
        return _shows(self.kind, found, image)


def _shows(kind: StepKind, found: ServiceState, image: ServiceImage | None) -> bool:
    match kind:
        case StepKind.CREATE:
            return True
        case StepKind.ACTIVATE:
            return found.life_cycle is LifeCycle.ACTIVATED
        case StepKind.DEACTIVATE:
            return found.life_cycle is LifeCycle.DEACTIVATED
        case StepKind.PROFILE:
            return image is not None and found.profile == image.profile
        case StepKind.PARAMETERS:
            return image is not None and found.parameters == image.parameters
        case _:
            return image is not None and found.access == image.access


@dataclass(frozen=True, slots=True)
class Plan:
    """The steps that are missing; none when the card is as it shall be."""

    operation: Operation
    steps: tuple[Step, ...]

    def as_json(self) -> dict[str, object]:
        """For a dry run."""
        return {"operation": str(self.operation), "steps": [str(step) for step in self.steps]}


def plan_write(image: ServiceImage, state: CardState, generation: int) -> Plan:
    """Bring one service to `image` with keys of `generation`.

    Refuses a full card, a slot of another town, a suspended or terminated service, before anything is written.
    """
    found = state.services.get(image.service)
    if found is None:
        if len(state.services) >= state.slots:
            raise WritingRefused(WritingCode.CARD_FULL)
        return Plan(Operation.WRITE, (*_root_rotation(state, generation), *_new(image, generation)))
    if found.issuer != image.issuer:
        raise WritingRefused(WritingCode.PROFILE_AID_CLASH, "the slot belongs to another town")
    if found.life_cycle in {LifeCycle.DEACTIVATED, LifeCycle.TERMINATED}:
        raise WritingRefused(WritingCode.CARD_NOT_AS_PLANNED, f"the service is {found.life_cycle.name.lower()}")
    return Plan(Operation.WRITE, (*_root_rotation(state, generation), *_differences(image, found, generation)))


def plan_other(operation: Operation, service: int, issuer: int, state: CardState, *, with_value: bool) -> Plan:
    """Suspend, resume, delete one service of `issuer`, or (move-out) delete all of them.

    A service that still holds money is deleted only `with_value`: the refund has been settled.
    """
    if operation is Operation.MOVE_OUT:
        mine = [number for number, found in sorted(state.services.items()) if found.issuer == issuer]
        steps = [step for number in mine for step in _removal(number, state.services[number], with_value=with_value)]
        return Plan(operation, tuple(steps))
    found = state.services.get(service)
    if found is None:
        if operation is Operation.DELETE:
            return Plan(operation, ())
        raise WritingRefused(WritingCode.SERVICE_NOT_ON_CARD)
    if found.issuer != issuer:
        raise WritingRefused(WritingCode.PROFILE_AID_CLASH, "the slot belongs to another town")
    if operation is Operation.DELETE:
        return Plan(operation, tuple(_removal(service, found, with_value=with_value)))
    kind = StepKind.DEACTIVATE if operation is Operation.SUSPEND else StepKind.ACTIVATE
    target = LifeCycle.DEACTIVATED if operation is Operation.SUSPEND else LifeCycle.ACTIVATED
    return Plan(operation, () if found.life_cycle is target else (_life_cycle(kind, service, found),))


def plan_rotation(issuer: int, state: CardState, generation: int) -> Plan:
    """Keys of `generation` for the card and all services of `issuer`, also suspended ones; nothing else changes."""
    steps = list(_root_rotation(state, generation)) if state.header.issuer == issuer else []
    for _, found in sorted(state.services.items()):
        if found.issuer == issuer and found.life_cycle is not LifeCycle.TERMINATED:
            steps += _rotation(found, generation)
    return Plan(Operation.ROTATE, tuple(steps))


def plan_floor(generation: int, state: CardState) -> Plan:
    """Let the card refuse keys below `generation`, for ever.

    `floor_too_high` while the card has an older key, which would open nothing any more: rotate it first.
    """
    held = [*state.header.generations, *(number for found in state.services.values() for number in found.generations)]
    oldest = min((number for number in held if number), default=0)
    if generation > oldest:
        raise WritingRefused(WritingCode.FLOOR_TOO_HIGH, f"keys of generation {oldest} are in use on the card")
    if state.header.floor >= generation:
        return Plan(Operation.RAISE_FLOOR, ())
    return Plan(Operation.RAISE_FLOOR, (Step(StepKind.FLOOR, 0, Role.ADMIN, generation),))


def _life_cycle(kind: StepKind, service: int, found: ServiceState) -> Step:
    if found.life_cycle not in {LifeCycle.ACTIVATED, LifeCycle.DEACTIVATED}:
        raise WritingRefused(WritingCode.CARD_NOT_AS_PLANNED, f"the service is {found.life_cycle.name.lower()}")
    return Step(kind, service)


def _removal(service: int, found: ServiceState, *, with_value: bool) -> Iterator[Step]:
    if found.value and not with_value:
        raise WritingRefused(WritingCode.SERVICE_HAS_VALUE)
    if found.life_cycle is LifeCycle.ACTIVATED:
        yield Step(StepKind.DEACTIVATE, service)
    yield Step(StepKind.DELETE, service)


def _root_rotation(state: CardState, generation: int) -> Iterator[Step]:
    if state.header.generations[0] < generation:
        yield Step(StepKind.ROOT_KEY, 0, Role.ADMIN, generation)


def _new(image: ServiceImage, generation: int) -> Iterator[Step]:
    service = image.service
    yield Step(StepKind.CREATE, service, Role.ADMIN, generation)
    for role in (Role.READ, Role.DEBIT, Role.CREDIT, Role.TRANSACTION_MAC):
        yield Step(StepKind.PUT_KEY, service, role, generation)
    yield Step(StepKind.PROFILE, service)
    yield Step(StepKind.ACTIVATE, service)


def _rotation(found: ServiceState, generation: int) -> Iterator[Step]:
    """K0 comes last among the keys: the others travel under the K0 that the session was opened with."""
    roles = (Role.READ, Role.DEBIT, Role.CREDIT, Role.TRANSACTION_MAC, Role.ADMIN)
    for role in roles:
        if found.generations[role] < generation:
            yield Step(StepKind.PUT_KEY, found.service, role, generation)


def _differences(image: ServiceImage, found: ServiceState, generation: int) -> Iterator[Step]:
    service = image.service
    yield from _rotation(found, generation)
    if found.parameters != image.parameters:
        yield Step(StepKind.PARAMETERS, service)
    if found.access != image.access:
        yield Step(StepKind.ACCESS, service)
    if found.profile != image.profile:
        yield Step(StepKind.PROFILE, service)
    if found.life_cycle is LifeCycle.INITIALISATION:
        yield Step(StepKind.ACTIVATE, service)
