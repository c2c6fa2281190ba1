"""The books of the test JPKI: which certificates were issued, and which were revoked when and why.

It starts with the personas of the emulated cards and takes further entries at run time. It signs nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime
from threading import Lock

from cryptography.x509 import ReasonFlags

from mykey_cardap.emulator import personas
from mykey_cardap.emulator.jpki import EmulatedJpki, RevokedSerial
from mykey_cardap.emulator.personas import Issuer
from mykey_cardap.kinds import CertificateKind

GENERATIONS = (1, 2, 3, 4)


@dataclass(frozen=True, slots=True)
class Partition:
    """What one CRL covers: the certificates of one CA that one municipality's residents hold."""

    kind: CertificateKind
    generation: int
    municipality: str


@dataclass(slots=True)
class Book:
    """Issued and revoked serials of the epoch of `today`; safe to use from several threads."""

    today: date
    jpki: EmulatedJpki = field(init=False)
    _issued: dict[tuple[CertificateKind, int], set[int]] = field(init=False, default_factory=dict)
    _added: dict[Partition, list[RevokedSerial]] = field(init=False, default_factory=dict)
    _lock: Lock = field(init=False, default_factory=Lock)

    def __post_init__(self) -> None:
        self.jpki = EmulatedJpki(self.today)
        for persona in map(self.jpki.persona, personas.names()):
            if persona.issuer is Issuer.GENUINE:
                for kind in CertificateKind:
                    self.issue(kind, persona.generation, self.jpki.serial_number(persona, kind))

    def issue(self, kind: CertificateKind, generation: int, serial: int) -> None:
        """Note that a certificate was issued; OCSP answers `unknown` for every other serial."""
        with self._lock:
            self._issued.setdefault((kind, generation), set()).add(serial)

    def revoke(self, partition: Partition, serial: int, at: datetime, reason: ReasonFlags) -> None:
        """Revoke from the moment `at` on. A later entry of the same serial replaces an earlier one."""
        self.issue(partition.kind, partition.generation, serial)
        with self._lock:
            self._added.setdefault(partition, []).append(RevokedSerial(serial, at, reason))

    def revoked(self, partition: Partition, at: datetime) -> list[RevokedSerial]:
        """What is revoked in a partition at the moment `at`, one entry per serial."""
        entries = self.jpki.revoked_serials(partition.kind, partition.generation, partition.municipality)
        with self._lock:
            entries += self._added.get(partition, [])
        latest = {entry.serial: entry for entry in sorted(entries, key=lambda entry: entry.date) if entry.date <= at}
        return sorted(latest.values(), key=lambda entry: entry.serial)

    def status(self, kind: CertificateKind, generation: int, serial: int, at: datetime) -> RevokedSerial | bool:
        """The revocation of a serial, True when it is good, False when this CA never issued it."""
        for partition in self._partitions(kind, generation):
            for entry in self.revoked(partition, at):
                if entry.serial == serial:
                    return entry
        with self._lock:
            return serial in self._issued.get((kind, generation), set())

    def _partitions(self, kind: CertificateKind, generation: int) -> Iterator[Partition]:
        towns = {self.jpki.persona(name).municipality.code for name in personas.names()}
        with self._lock:
            towns |= {partition.municipality for partition in self._added}
        return (Partition(kind, generation, town) for town in sorted(towns))
