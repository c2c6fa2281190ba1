"""What describes a service on a card: header, parameters, access rules, directory and meta data as bytes.

Transactions and their layouts are in `orders.py`.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import Final, Self

from mykey_cardap.errors import BadCardDataError
from mykey_cardap.service_application.errors import InvalidServiceDataError
from mykey_cardap.service_application.numbers import (
    AID,
    ANY_PERIOD,
    FREE,
    MAX_LABEL,
    MAX_PROFILE,
    NEVER,
    NO_FLAGS,
    ROOT_SERVICE,
    SERIAL_SIZE,
    UNLIMITED,
    AccessRule,
    Flag,
    LifeCycle,
    Progress,
    Role,
)
from mykey_cardap.service_application.wrapped_keys import WrappedKeys
from mykey_cardap.tlv import Tlv, TlvError, expect, find, parse, parse_all

_PARAMETERS: Final = struct.Struct(">BiiIHHI")
_MAX_I32: Final = 0x7FFFFFFF
_RULE_NAMES: Final = tuple(rule.name.lower() for rule in AccessRule)
_READS: Final = frozenset({AccessRule.PROFILE_READ, AccessRule.VALUE_READ, AccessRule.RIDES_READ, AccessRule.LOG_READ})


@dataclass(frozen=True, slots=True)
class Parameters:
    """Limits of a service, in yen and rides; the defaults limit nothing.

    `cap` bounds one ride or debit; `allowance` rides are granted by each new period up to `last_period`;
    `transaction_limit` is the last TMC.
    """

    lower: int = 0
    upper: int = _MAX_I32
    cap: int = UNLIMITED
    allowance: int = 0
    last_period: int = ANY_PERIOD
    transaction_limit: int = UNLIMITED
    flags: Flag = NO_FLAGS

    def __post_init__(self) -> None:
        if self.lower > self.upper:
            raise InvalidServiceDataError("the lower limit is above the upper one")

    def __bytes__(self) -> bytes:
        values = (self.flags, self.lower, self.upper, self.cap, self.allowance, self.last_period)
        try:
            return _PARAMETERS.pack(*values, self.transaction_limit)
        except struct.error as error:
            raise InvalidServiceDataError("a limit of the service is outside its range") from error

    @classmethod
    def from_bytes(cls, raw: bytes) -> Self:
        """Read 21 bytes; `BadCardDataError`."""
        if len(raw) != _PARAMETERS.size:
            raise BadCardDataError("parameters have 21 bytes")
        flags, lower, upper, cap, allowance, last_period, limit = _PARAMETERS.unpack(raw)
        if lower > upper:
            raise BadCardDataError("the lower limit is above the upper one")
        return cls(lower, upper, cap, allowance, last_period, limit, Flag(flags))


@dataclass(frozen=True, slots=True)
class AccessRules:
    """Who may do what: a key number (0 to 3), `FREE` (reading only) or `NEVER`. The defaults are least privilege."""

    profile_read: int = Role.READ
    profile_write: int = Role.ADMIN
    value_read: int = Role.READ
    value_debit: int = Role.DEBIT
    value_credit: int = Role.CREDIT
    rides_read: int = Role.READ
    rides_debit: int = Role.DEBIT
    rides_credit: int = Role.CREDIT
    log_read: int = Role.READ
    change_access: int = Role.ADMIN

    def __post_init__(self) -> None:
        for rule in AccessRule:
            key = self[rule]
            if key not in {0, 1, 2, 3, NEVER} and not (key == FREE and rule in _READS):
                raise InvalidServiceDataError("access is given to a key 0 to 3, to nobody, or for reading to everybody")

    def __getitem__(self, rule: AccessRule) -> int:
        """The key of a rule."""
        value: int = getattr(self, _RULE_NAMES[rule])
        return value

    def __bytes__(self) -> bytes:
        nibbles = "".join(f"{self[rule]:X}" for rule in AccessRule)
        return bytes.fromhex(nibbles)

    @classmethod
    def from_bytes(cls, raw: bytes) -> Self:
        """Read 5 bytes."""
        return cls(*(int(nibble, 16) for nibble in raw.hex()))


@dataclass(frozen=True, slots=True)
class NewService:
    """A service to be created: everything but its keys. `issuer` is the six-digit local-government code.

    `value` (yen), `rides` and `period` are what it begins with; `profile_size` bytes are kept for the profile.
    """

    service: int
    issuer: int
    label: str
    profile_size: int = MAX_PROFILE
    parameters: Parameters = field(default_factory=Parameters)
    access: AccessRules = field(default_factory=AccessRules)
    value: int = 0
    rides: int = 0
    period: int = 0

    def to_bytes(self, admin_generation: int, admin: WrappedKeys) -> bytes:
        """The data field of CREATE with the service's first K0, wrapped under the application's Key-DEK."""
        label = self.label.encode()
        if not 0 < len(label) <= MAX_LABEL or not 0 <= self.profile_size <= MAX_PROFILE:
            raise InvalidServiceDataError("a label has 1 to 16 bytes of UTF-8, a profile at most 224 bytes")
        try:
            start = struct.pack(">iHH", self.value, self.rides, self.period)
            head = self.service.to_bytes(2, "big") + self.issuer.to_bytes(3, "big")
        except (struct.error, OverflowError) as error:
            raise InvalidServiceDataError("service, issuer, value, rides or period is outside its range") from error
        sizes = bytes((self.profile_size, len(label)))
        keys = b"".join(admin.ciphers) + b"".join(admin.check_values)
        rest = sizes + label + bytes((admin_generation,)) + keys
        return head + bytes(self.access) + bytes(self.parameters) + start + rest


@dataclass(frozen=True, slots=True)
class ServiceHeader:
    """The answer to SELECT: what is needed to derive keys. `service` 0 is the whole application.

    `serial` is the card's (7 bytes), `issuer` the six-digit local-government code as a number, `counter` the TMC,
    `generations` those of the current K0 to K4 (0: none), `floor` the lowest that the card still accepts.
    """

    service: int
    serial: bytes = field(repr=False)
    issuer: int
    counter: int
    floor: int
    generations: tuple[int, ...]
    life_cycle: LifeCycle | None = None

    @classmethod
    def from_bytes(cls, raw: bytes) -> Self:
        """Read the FCI; `BadCardDataError`."""
        try:
            return cls._from_objects(parse(raw).children())
        except (TlvError, ValueError) as error:
            raise BadCardDataError("the answer to SELECT is not that of the service application") from error

    @classmethod
    def _from_objects(cls, objects: tuple[Tlv, ...]) -> Self:
        name, inner = find(objects, 0x84).value, find(objects, 0xA5).children()
        generations = find(inner, 0x82).value
        if not name.startswith(AID) or len(generations) < 2:  # noqa: PLR2004 - the floor and K0
            raise TlvError("another application")
        states = [LifeCycle(expect(found, 0x8A, length=1)[0]) for found in objects if found.tag == 0x8A]  # noqa: PLR2004
        return cls(
            service=_number(name[len(AID) :]),
            serial=expect(find(inner, 0x80), 0x80, length=SERIAL_SIZE),
            counter=_number(expect(find(inner, 0x83), 0x83, length=4)),
            floor=generations[0],
            generations=tuple(generations[1:]),
            issuer=_number(expect(find(inner, 0x81), 0x81, length=3)),
            life_cycle=states[0] if states else None,
        )


@dataclass(frozen=True, slots=True)
class DirectoryEntry:
    """One entry of EF.DIR."""

    service: int
    label: str
    schema: int

    @classmethod
    def all_from(cls, raw: bytes) -> tuple[Self, ...]:
        """Read EF.DIR without the entry of the application itself; `BadCardDataError`."""
        try:
            entries = [cls._from_tlv(entry) for entry in parse_all(raw)]
        except (TlvError, UnicodeDecodeError) as error:
            raise BadCardDataError("EF.DIR is damaged") from error
        return tuple(entry for entry in entries if entry.service != ROOT_SERVICE)

    @classmethod
    def _from_tlv(cls, entry: Tlv) -> Self:
        expect(entry, 0x61)
        objects = entry.children()
        detail = find(objects, 0x73).children()
        service = _number(expect(find(detail, 0x81), 0x81, length=2))
        schema = expect(find(detail, 0x80), 0x80, length=1)[0]
        return cls(service, find(objects, 0x50).value.decode(), schema)


@dataclass(frozen=True, slots=True)
class ServiceProgress:
    """How far a service is personalised."""

    service: int
    life_cycle: LifeCycle
    progress: Progress


@dataclass(frozen=True, slots=True)
class Meta:
    """EF.META. `counter` counts all transactions of the card, deleted services included."""

    serial: bytes = field(repr=False)
    schema: int
    floor: int
    counter: int
    slots: int
    services: tuple[ServiceProgress, ...]

    @classmethod
    def from_bytes(cls, raw: bytes) -> Self:
        """Read EF.META; `BadCardDataError`."""
        try:
            outer = parse(raw)
            expect(outer, 0x70)
            objects = outer.children()
            services = tuple(_progress(entry) for entry in find(objects, 0xA5).children())
            return cls(
                serial=expect(find(objects, 0x80), 0x80, length=SERIAL_SIZE),
                schema=expect(find(objects, 0x81), 0x81, length=1)[0],
                floor=expect(find(objects, 0x82), 0x82, length=1)[0],
                counter=_number(expect(find(objects, 0x83), 0x83, length=4)),
                slots=expect(find(objects, 0x84), 0x84, length=2)[0],
                services=services,
            )
        except (TlvError, ValueError) as error:
            raise BadCardDataError("EF.META is damaged") from error


def check_profile(profile: bytes) -> None:
    """`InvalidServiceDataError` unless these are BER-TLV objects of 1 to 224 bytes in all."""
    try:
        objects = parse_all(profile)
    except TlvError as error:
        raise InvalidServiceDataError("a profile is a sequence of BER-TLV objects") from error
    if not objects or len(profile) > MAX_PROFILE:
        raise InvalidServiceDataError("a profile has 1 to 224 bytes")


def _progress(entry: Tlv) -> ServiceProgress:
    value = expect(entry, 0x86, length=4)
    return ServiceProgress(_number(value[:2]), LifeCycle(value[2]), Progress(value[3]))


def _number(raw: bytes) -> int:
    return int.from_bytes(raw, "big")
