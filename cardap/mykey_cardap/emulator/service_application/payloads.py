"""What the three kinds of record hold, as bytes: the root, a service, and the state that a transaction changes.

Layouts only; the rules of transactions are in `transaction.py`, surviving power cuts in `storage.py`.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field, replace
from typing import Final

from mykey_cardap.service_application.numbers import (
    KEY_SIZE,
    LOG_RECORD_SIZE,
    LOG_RECORDS,
    MAX_LABEL,
    MAX_PROFILE,
    AccessRule,
    Flag,
    LifeCycle,
    Progress,
    Role,
)

SLOTS: Final = 8
"""Services that the emulated card has room for."""

_SET: Final = 3 * KEY_SIZE
_SESSION_ROLES: Final = (Role.ADMIN, Role.READ, Role.DEBIT, Role.CREDIT)
_ROOT: Final = struct.Struct(f">7s3sBBI{2 * (1 + _SET)}s{2 * SLOTS}s")
_PARAMETERS: Final = struct.Struct(">BiiIHHI")
_SERVICE: Final = struct.Struct(f">HB3s5s21sIB{MAX_LABEL}sBB{MAX_PROFILE}s{8 * (1 + _SET)}s{2 * (1 + KEY_SIZE)}s")
_PURSE: Final = struct.Struct(f">iHHH8sB{LOG_RECORDS * LOG_RECORD_SIZE}s")


@dataclass(frozen=True, slots=True)
class StoredKey:
    """Key material of a generation; generation 0 means that there is none. `repr` shows no key."""

    generation: int = 0
    material: bytes = field(default=b"", repr=False)

    def to_bytes(self, size: int) -> bytes:
        """Generation and `size` bytes."""
        return bytes((self.generation,)) + self.material.ljust(size, b"\x00")

    @classmethod
    def from_bytes(cls, raw: bytes) -> StoredKey:
        """Inverse of `to_bytes`."""
        return cls(raw[0], raw[1:]) if raw[0] else cls()


@dataclass(frozen=True, slots=True)
class KeyPair:
    """The current key of a role and the one before it."""

    current: StoredKey = field(default_factory=StoredKey)
    previous: StoredKey = field(default_factory=StoredKey)

    def rolled(self, new: StoredKey) -> KeyPair:
        """The same role after a rotation."""
        return KeyPair(new, self.current)

    def to_bytes(self, size: int) -> bytes:
        """Both keys, the current one first."""
        return self.current.to_bytes(size) + self.previous.to_bytes(size)

    @classmethod
    def from_bytes(cls, raw: bytes) -> KeyPair:
        """Inverse of `to_bytes`."""
        half = len(raw) // 2
        return cls(StoredKey.from_bytes(raw[:half]), StoredKey.from_bytes(raw[half:]))


@dataclass(frozen=True, slots=True)
class Root:
    """The whole application: serial, issuer, floors, card-level key, and which service lies in which slot (0: none)."""

    serial: bytes
    issuer: bytes
    generation_floor: int
    schema: int
    retired: int
    """Transactions of services that were deleted: where the counter of a new service begins."""
    keys: KeyPair
    slots: tuple[int, ...] = (0,) * SLOTS

    SIZE = _ROOT.size

    def to_bytes(self) -> bytes:
        """The payload of the root record."""
        slots = b"".join(service.to_bytes(2, "big") for service in self.slots)
        keys = self.keys.to_bytes(_SET)
        return _ROOT.pack(self.serial, self.issuer, self.generation_floor, self.schema, self.retired, keys, slots)

    @classmethod
    def from_bytes(cls, raw: bytes) -> Root:
        """Inverse of `to_bytes`."""
        serial, issuer, floor, schema, retired, keys, slots = _ROOT.unpack(raw)
        services = tuple(int.from_bytes(slots[at : at + 2], "big") for at in range(0, 2 * SLOTS, 2))
        return cls(serial, issuer, floor, schema, retired, KeyPair.from_bytes(keys), services)


@dataclass(frozen=True, slots=True)
class Parameters:
    """Limits of a service, in yen and uses. `cap` bounds one ride or debit."""

    flags: Flag
    lower: int
    upper: int
    cap: int
    allowance: int
    last_period: int
    transaction_limit: int

    def to_bytes(self) -> bytes:
        """21 bytes, as in CREATE and PUT DATA."""
        return _PARAMETERS.pack(
            self.flags, self.lower, self.upper, self.cap, self.allowance, self.last_period, self.transaction_limit
        )

    @classmethod
    def from_bytes(cls, raw: bytes) -> Parameters:
        """Inverse of `to_bytes`; `ValueError` for unknown flags, a lower limit above the upper one."""
        flags, *numbers = _PARAMETERS.unpack(raw)
        if flags & ~Flag.RIDE_DEBITS_VALUE or numbers[0] > numbers[1]:
            raise ValueError
        return cls(Flag(flags), *numbers)


@dataclass(frozen=True, slots=True)
class Service:
    """A service: who issued it, what may be done with it, its profile and its keys."""

    service: int
    life_cycle: LifeCycle
    issuer: bytes
    access: bytes
    parameters: Parameters
    first_counter: int
    label: bytes
    profile_size: int
    profile: bytes
    keys: tuple[KeyPair, ...]
    """K0 to K4."""

    SIZE = _SERVICE.size

    def allowed(self, rule: AccessRule) -> int:
        """The nibble of a rule: a key number, E or F."""
        byte = self.access[rule // 2]
        return byte & 0x0F if rule % 2 else byte >> 4

    def progress(self) -> Progress:
        """What has been personalised."""
        done = Progress.PROFILE if self.profile else Progress(0)
        for role, pair in enumerate(self.keys):
            if pair.current.generation:
                done |= Progress(1 << role)
        return done

    def with_keys(self, role: Role, pair: KeyPair) -> Service:
        """The same service with another pair of keys."""
        return replace(self, keys=(*self.keys[:role], pair, *self.keys[role + 1 :]))

    def to_bytes(self) -> bytes:
        """The payload of a service record."""
        return _SERVICE.pack(
            self.service,
            self.life_cycle,
            self.issuer,
            self.access,
            self.parameters.to_bytes(),
            self.first_counter,
            len(self.label),
            self.label,
            self.profile_size,
            len(self.profile),
            self.profile,
            b"".join(self.keys[role].to_bytes(_SET) for role in _SESSION_ROLES),
            self.keys[Role.TRANSACTION_MAC].to_bytes(KEY_SIZE),
        )

    @classmethod
    def from_bytes(cls, raw: bytes) -> Service:
        """Inverse of `to_bytes`."""
        found = _SERVICE.unpack(raw)
        service, state, issuer, access, parameters, first, label_size, label, profile_size, length, profile = found[:11]
        pair = 2 * (1 + _SET)
        sets = tuple(KeyPair.from_bytes(found[11][at : at + pair]) for at in range(0, 4 * pair, pair))
        return cls(
            service,
            LifeCycle(state),
            issuer,
            access,
            Parameters.from_bytes(parameters),
            first,
            label[:label_size],
            profile_size,
            profile[:length],
            (*sets, KeyPair.from_bytes(found[12])),
        )


@dataclass(frozen=True, slots=True)
class Purse:
    """Everything that one COMMIT changes, but for the counter, which is the sequence number of its record.

    `log` holds up to ten records of 32 bytes, the newest first.
    """

    value: int
    left: int
    used: int
    period: int
    transaction_mac: bytes = bytes(8)
    log: tuple[bytes, ...] = ()

    SIZE = _PURSE.size

    def to_bytes(self) -> bytes:
        """The payload of a transaction record."""
        log = b"".join(self.log)
        mac = self.transaction_mac
        return _PURSE.pack(self.value, self.left, self.used, self.period, mac, len(self.log), log)

    @classmethod
    def from_bytes(cls, raw: bytes) -> Purse:
        """Inverse of `to_bytes`."""
        value, left, used, period, mac, count, log = _PURSE.unpack(raw)
        records = tuple(log[at : at + LOG_RECORD_SIZE] for at in range(0, count * LOG_RECORD_SIZE, LOG_RECORD_SIZE))
        return cls(value, left, used, period, mac, records)
