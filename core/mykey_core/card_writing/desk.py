"""One card under the hands of the writer: reading its state, and doing one step of a plan.

It opens sessions as steps need them and translates what cards and readers report into codes. It decides nothing.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Final

from mykey_cardap.apdu import SHORT_MAX_RESPONSE, CommandApdu
from mykey_cardap.errors import ApduError, CardError, TransportError, WrongCardError
from mykey_cardap.globalplatform.errors import (
    CardCryptogramError,
    FailureClass,
    HandshakeError,
    HostRefusedError,
    failure_class,
)
from mykey_cardap.service_application import ServiceAdministration, ServiceDirectory
from mykey_cardap.service_application.errors import InvalidServiceDataError, ServiceNotOnCardError
from mykey_cardap.service_application.numbers import ROOT_SERVICE, DataObject, LifeCycle, Role, ServiceIns
from mykey_cardap.service_application.profile import AccessRules
from mykey_cardap.transport import Transport
from mykey_core.card_writing.card_state import CardState, ServiceState
from mykey_core.card_writing.errors import CardKeysUnavailable, WritingCode, WritingRefused
from mykey_core.card_writing.keys.provider import CardKeyProvider, ManagedKeys
from mykey_core.card_writing.keys.slots import KeySlot
from mykey_core.card_writing.plan import Step, StepKind
from mykey_core.card_writing.profiles import ServiceImage

_NO_SPACE: Final = 0x6A84
_MEMORY_FAILURE: Final = 0x6581


class OutcomeUnknown(Exception):
    """The step was sent and no trustworthy answer came: only the card knows. `code` says what happened."""

    def __init__(self, code: WritingCode) -> None:
        super().__init__(code.value)
        self.code = code


class _Service(ServiceAdministration):
    def access(self) -> AccessRules:
        """The access rules."""
        command = CommandApdu(0x80, ServiceIns.GET_DATA, *divmod(DataObject.ACCESS, 0x100), le=SHORT_MAX_RESPONSE)
        return AccessRules.from_bytes(self._send("read the access rules", command))


class CardDesk:
    """One card. `owner` is our town's code as a number; `shared_with` are towns whose keys we hold, too.

    `admit` gets the card's serial before anything is proven to it, and may raise `WritingRefused`.

    Every method may raise `WritingRefused`; `do` also `OutcomeUnknown`.
    """

    def __init__(
        self,
        transport: Transport,
        keys: CardKeyProvider,
        *,
        owner: int,
        shared_with: frozenset[int] = frozenset(),
        floor: int = 1,
        admit: Callable[[bytes], None] = lambda _serial: None,
        random: Callable[[int], bytes] = secrets.token_bytes,
    ) -> None:
        self._transport = transport
        self._keys = keys
        self._issuers = frozenset({owner}) | shared_with
        self._floor = floor
        self._admit = admit
        self._random = random
        self._serial: bytes | None = None
        self._channel: ServiceDirectory | _Service | None = None
        self._managed: ManagedKeys | None = None

    @property
    def serial(self) -> bytes | None:
        """The serial that the card told, once it has been read."""
        return self._serial

    def close(self) -> None:
        """Forget session keys, and card keys in the token."""
        if self._channel is not None:
            self._channel.close()
        if self._managed is not None:
            self._managed.close()
        self._channel = self._managed = None

    # -- reading ----------------------------------------------------------------------------------------------

    def read(self, *services: int) -> CardState:
        """The card's directory and the given services in full. The session that this opens stays open for the steps.

        The card proves that it is one of ours before anything else happens; a card that does not is refused without
        having been shown anything.
        """
        with reading():
            self.close()
            state = self._directory()
            found = {number: self._in_full(state.services[number]) for number in services if number in state.services}
            if not found:
                self._open(ROOT_SERVICE)
        return replace(state, services={**state.services, **found})

    def read_back(self, service: int) -> CardState:
        """What `read` gives after the steps: the service's data through the session that wrote it, then the directory.

        Keys were proven by that session and by the check values of PUT KEY, so no new session is needed.
        """
        channel = self._channel
        if not isinstance(channel, _Service) or channel.header.service != service:
            return self.read(service)
        with reading():
            details = _details(channel)
            self.close()
            state = self._directory()
        if service not in state.services:
            return state
        return replace(state, services={**state.services, service: replace(state.services[service], **details)})

    def _directory(self) -> CardState:
        root = ServiceDirectory(self._transport, serial=self._serial)
        if self._serial is None:
            self._serial = root.header.serial
            self._admit(self._serial)
        meta = root.meta()
        services = {line.service: self._brief(line.service) for line in meta.services}
        return CardState(root.header, meta.slots, meta.counter, services)

    def _brief(self, service: int) -> ServiceState:
        channel = _Service(self._transport, service, serial=self._serial)
        header = channel.header
        if header.life_cycle is None:
            raise WritingRefused(WritingCode.CARD_FAULTY, "a service without state")
        return ServiceState(service, header.issuer, header.life_cycle, header.generations, header.counter)

    def _in_full(self, brief: ServiceState) -> ServiceState:
        if brief.life_cycle is LifeCycle.TERMINATED or brief.issuer not in self._issuers:
            return brief
        channel = self._open(brief.service)
        assert isinstance(channel, _Service)  # noqa: S101 - `_open` of a service
        return replace(brief, **_details(channel))

    # -- one step ---------------------------------------------------------------------------------------------

    def do(self, step: Step, image: ServiceImage | None) -> None:
        """Do one step of a plan; `WritingRefused` when the card refused and nothing changed."""
        with writing():
            self._do(step, image)

    def _do(self, step: Step, image: ServiceImage | None) -> None:
        match step.kind:
            case StepKind.CREATE | StepKind.DELETE | StepKind.ROOT_KEY | StepKind.FLOOR:
                self._do_at_root(step, image)
            case StepKind.PUT_KEY:
                self._put_key(step)
            case _:
                self._do_at_service(step, image)

    def _do_at_root(self, step: Step, image: ServiceImage | None) -> None:
        root = self._at(ROOT_SERVICE)
        assert isinstance(root, ServiceDirectory)  # noqa: S101 - `_at` the root
        if step.kind is StepKind.DELETE:
            root.delete(step.service)
        elif step.kind is StepKind.FLOOR:
            root.raise_floor(step.generation)
        elif step.kind is StepKind.ROOT_KEY:
            slot = self._slot(ROOT_SERVICE, root.header.issuer, Role.ADMIN, step.generation)
            root.put_key(generation=step.generation, keys=self._keys.wrapped(slot, self._under()))
            self.close()  # the old session's key is no longer the current one
        elif image is not None:
            slot = self._slot(step.service, image.issuer, Role.ADMIN, step.generation)
            admin = self._keys.wrapped(slot, self._under())
            root.create(image.new_service, generation=step.generation, admin=admin)

    def _put_key(self, step: Step) -> None:
        channel = self._service(step.service)
        slot = self._slot(step.service, channel.header.issuer, step.role or Role.ADMIN, step.generation)
        keys = self._keys.wrapped(slot, self._under())
        channel.put_key(slot.role, generation=step.generation, keys=keys)
        if slot.role is Role.ADMIN:
            self.close()

    def _do_at_service(self, step: Step, image: ServiceImage | None) -> None:
        channel = self._service(step.service)
        if step.kind is StepKind.ACTIVATE:
            channel.activate()
        elif step.kind is StepKind.DEACTIVATE:
            channel.deactivate()
        elif image is not None and step.kind is StepKind.PROFILE:
            channel.write_profile(image.profile)
        elif image is not None and step.kind is StepKind.PARAMETERS:
            channel.write_parameters(image.parameters)
        elif image is not None:
            channel.write_access(image.access)

    # -- sessions ---------------------------------------------------------------------------------------------

    def _service(self, service: int) -> _Service:
        channel = self._at(service)
        assert isinstance(channel, _Service)  # noqa: S101 - `_at` a service
        return channel

    def _at(self, service: int) -> ServiceDirectory | _Service:
        """The session with K0 of the root or of a service: the open one, or a new one."""
        if self._channel is not None and self._channel.header.service == service:
            return self._channel
        with _before_anything_is_sent():
            return self._open(service)

    def _open(self, service: int) -> ServiceDirectory | _Service:
        """Select, and open a session with K0. A card or service of another town is refused before a key is used."""
        self.close()
        channel: ServiceDirectory | _Service
        if service:
            channel = _Service(self._transport, service, serial=self._serial, random=self._random)
        else:
            channel = ServiceDirectory(self._transport, serial=self._serial)
        header = channel.header
        if header.issuer not in self._issuers:
            raise WritingRefused(WritingCode.CARD_NOT_OURS, "issued by another town")
        self._managed = self._key_set(self._slot(service, header.issuer, Role.ADMIN, header.generations[Role.ADMIN]))
        channel.authenticate(Role.ADMIN, self._managed)
        self._channel = channel
        return channel

    def _under(self) -> ManagedKeys:
        assert self._managed is not None  # noqa: S101 - a session is open
        return self._managed

    def _slot(self, service: int, issuer: int, role: Role, generation: int) -> KeySlot:
        return KeySlot(issuer, service, role, generation, self._serial or b"")

    def _key_set(self, slot: KeySlot) -> ManagedKeys:
        """`card_keys_unknown` before EXTERNAL AUTHENTICATE: a generation that we do not have, or no longer use."""
        if slot.generation < self._floor:
            raise WritingRefused(WritingCode.CARD_KEYS_UNKNOWN, f"generation {slot.generation} is below the floor")
        if slot.generation not in self._keys.generations():
            raise WritingRefused(WritingCode.CARD_KEYS_UNKNOWN, f"generation {slot.generation}")
        return self._keys.key_set(slot)


def _details(channel: _Service) -> dict[str, Any]:
    """What only the service's keys can read."""
    return {
        "profile": channel.profile(),
        "parameters": channel.parameters(),
        "access": channel.access(),
        "value": channel.state().balance.value,
    }


@contextmanager
def reading() -> Iterator[None]:
    """Reading changes nothing: whatever happens is a refusal."""
    try:
        yield
    except CardError as error:
        raise WritingRefused(reading_code(error), type(error).__name__) from error
    except InvalidServiceDataError as error:
        raise WritingRefused(WritingCode.CARD_NOT_OURS, type(error).__name__) from error


@contextmanager
def _before_anything_is_sent() -> Iterator[None]:
    """Opening a session for a step: nothing of the step was sent, so a failure leaves no doubt about it."""
    with reading():
        yield


@contextmanager
def writing() -> Iterator[None]:
    """A refusal by status word changed nothing; everything else leaves the step unknown."""
    try:
        yield
    except ApduError as error:
        if error.sw == _MEMORY_FAILURE:
            raise OutcomeUnknown(WritingCode.CARD_FAULTY) from error
        raise WritingRefused(_refused_code(error), f"{error.sw:04X}") from error
    except TransportError as error:
        raise OutcomeUnknown(WritingCode.CARD_PULLED) from error
    except CardKeysUnavailable:
        raise
    except CardError as error:
        raise OutcomeUnknown(WritingCode.CARD_TAMPERED) from error


def reading_code(error: CardError) -> WritingCode:
    """The code of an error while nothing is being written."""
    match error:
        case HostRefusedError():
            return WritingCode.CARD_QUARANTINED
        case CardCryptogramError() | ServiceNotOnCardError():
            return WritingCode.CARD_NOT_OURS
        case HandshakeError():
            return WritingCode.CARD_KEYS_UNKNOWN if error.sw is not None else WritingCode.CARD_NOT_OURS
        case WrongCardError() | TransportError():
            return WritingCode.CARD_PULLED
        case _:
            by_class = {
                FailureClass.SECURITY: WritingCode.CARD_TAMPERED,
                FailureClass.REPLAN: WritingCode.CARD_NOT_OURS,
            }
            return by_class.get(failure_class(error), WritingCode.CARD_FAULTY)


def _refused_code(error: ApduError) -> WritingCode:
    if error.sw == _NO_SPACE:
        return WritingCode.CARD_FULL
    if failure_class(error) is FailureClass.SECURITY:
        return WritingCode.CARD_TAMPERED
    return WritingCode.CARD_NOT_AS_PLANNED
