"""Who may act for whom, in which services of a plugin, and until when: a parent, a guardian, somebody of the family.

Append-only. Both sides see a delegation, and each of them can end it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum, unique
from typing import Any
from uuid import UUID

from sqlalchemy import insert, or_, select
from uuid_utils.compat import uuid7

from mykey_core.audit.records import append
from mykey_core.consent import audit_events  # noqa: F401 - registers what is appended here
from mykey_core.consent.errors import DelegationRefused
from mykey_core.consent.tables import delegation_entry
from mykey_core.storage.session import Session
from mykey_core.storage.tables import person

GRANTED = "granted"
ENDED = "ended"


@unique
class DelegationKind(StrEnum):
    """On what ground the delegate acts. The office checks it: kinship is nothing that a card says."""

    PARENT = "parent"
    GUARDIAN = "guardian"
    FAMILY = "family"


@dataclass(frozen=True, slots=True)
class Delegation:
    """`delegate_id` acts for `principal_id` in the services `scope` of `plugin` until `ends_at` (UTC)."""

    id: UUID
    delegation_id: UUID
    act: str
    principal_id: UUID
    delegate_id: UUID
    kind: DelegationKind
    plugin: str
    scope: Sequence[str]
    at: datetime
    ends_at: datetime
    actor: str

    def as_json(self) -> dict[str, Any]:
        """The delegation for both sides."""
        return {
            "delegation": str(self.delegation_id),
            "act": self.act,
            "principal": str(self.principal_id),
            "delegate": str(self.delegate_id),
            "kind": self.kind.value,
            "plugin": self.plugin,
            "scope": list(self.scope),
            "at": self.at.isoformat(),
            "ends_at": self.ends_at.isoformat(),
            "actor": self.actor,
        }


_columns = [getattr(delegation_entry.c, name) for name in Delegation.__slots__]


@dataclass(frozen=True, slots=True)
class Delegations:
    """The delegations of one municipality."""

    municipality: str

    def grant(
        self,
        session: Session,
        principal: UUID,
        delegate: UUID,
        *,
        kind: DelegationKind,
        plugin: str,
        scope: Iterable[str],
        at: datetime,
        ends_at: datetime,
        actor: str,
    ) -> Delegation:
        """Let `delegate` act for `principal`. It always has an end, and always names its services."""
        services = sorted(set(scope))
        if principal == delegate:
            raise DelegationRefused("delegation_of_oneself")
        if ends_at <= at:
            raise DelegationRefused("delegation_end", "the end lies before the beginning")
        if not services:
            raise DelegationRefused("delegation_scope", "name the services")
        self._check_persons(session, principal, delegate)
        key = uuid7()
        entry = Delegation(key, key, GRANTED, principal, delegate, kind, plugin, services, at, ends_at, actor)
        return self._append(session, entry)

    def end(self, session: Session, delegation: UUID, *, by: UUID | None, at: datetime, actor: str) -> Delegation:
        """End a delegation: by one of the two sides, or by staff (`by` is None). Ending twice is ending once."""
        newest = self._newest(session, delegation)
        if newest is None:
            raise DelegationRefused("delegation_unknown")
        if by is None and not actor.startswith("staff:"):
            raise DelegationRefused("delegation_other_party")
        if by is not None and by not in {newest.principal_id, newest.delegate_id}:
            raise DelegationRefused("delegation_other_party")
        if newest.act == ENDED:
            return newest
        return self._append(session, replace(newest, id=uuid7(), act=ENDED, at=at, actor=actor))

    def running(self, session: Session, delegate: UUID, plugin: str, at: datetime) -> list[Delegation]:
        """For whom `delegate` may act in a plugin at `at`; nobody acts for the dead."""
        entries = [found for found in self.of_person(session, delegate) if found.delegate_id == delegate]
        newest = {entry.delegation_id: entry for entry in entries if entry.plugin == plugin}
        return [
            entry
            for entry in newest.values()
            if entry.act == GRANTED and entry.at <= at < entry.ends_at and self._is_alive(session, entry.principal_id)
        ]

    def of_person(self, session: Session, person_id: UUID) -> list[Delegation]:
        """All entries in which the person is one of the two sides, oldest first: what each side can see."""
        own = delegation_entry.c.municipality == self.municipality
        side = or_(delegation_entry.c.principal_id == person_id, delegation_entry.c.delegate_id == person_id)
        rows = session.execute(select(*_columns).where(own, side).order_by(delegation_entry.c.id))
        return [_delegation(row) for row in rows]

    def _newest(self, session: Session, delegation: UUID) -> Delegation | None:
        own = (delegation_entry.c.municipality == self.municipality) & (delegation_entry.c.delegation_id == delegation)
        row = session.execute(select(*_columns).where(own).order_by(delegation_entry.c.id.desc()).limit(1)).first()
        return None if row is None else _delegation(row)

    def _state(self, session: Session, person_id: UUID) -> str | None:
        own = (person.c.municipality == self.municipality) & (person.c.id == person_id)
        row = session.execute(select(person.c.state).where(own)).first()
        return None if row is None else str(row.state)

    def _is_alive(self, session: Session, person_id: UUID) -> bool:
        return self._state(session, person_id) not in {None, "deceased"}

    def _check_persons(self, session: Session, *persons: UUID) -> None:
        if not all(self._is_alive(session, person_id) for person_id in persons):
            raise DelegationRefused("person_unknown")

    def _append(self, session: Session, entry: Delegation) -> Delegation:
        values = {name: getattr(entry, name) for name in Delegation.__slots__}
        values |= {"kind": entry.kind.value, "scope": list(entry.scope)}
        session.execute(insert(delegation_entry).values(municipality=self.municipality, **values))
        facts = {"delegation": str(entry.delegation_id), "plugin": entry.plugin, "actor": entry.actor}
        append(session, self.municipality, entry.at, f"delegation.{entry.act}", facts)
        return entry


def _delegation(row: Any) -> Delegation:
    values = dict(zip(Delegation.__slots__, row, strict=True))
    return Delegation(**{**values, "kind": DelegationKind(values["kind"])})
