"""Requests of one clerk that another one decides: rows, who may decide, and until when. What is done is in `desk`.

The database refuses a row that its requester has approved, whatever the code above it does.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import insert, select, update
from uuid_utils.compat import uuid7

from mykey_core.counter.acts import SUPERVISOR, Act
from mykey_core.counter.errors import CounterRefused
from mykey_core.counter.tables import staff_approval
from mykey_core.errors import Refusal
from mykey_core.plugins.json_values import Json
from mykey_core.portal.staff import StaffMember, StaffRegister
from mykey_core.storage.session import Session

_NAMES: Final = (
    "id", "act", "person_id", "reason", "arguments", "card_reference", "requested_by", "state", "decided_by",
    "decided_at", "created_at", "expires_at",
)  # fmt: skip
_columns = [staff_approval.c[name] for name in _NAMES]
_PAGE: Final = 50


@dataclass(frozen=True, slots=True)
class Approval:
    """One request. `state` is open, approved (the new card has yet to be tapped), declined or done."""

    id: UUID
    act: Act
    person_id: UUID
    reason: str
    arguments: Mapping[str, Json]
    card_reference: bytes | None = field(repr=False)
    requested_by: str
    state: str
    decided_by: str | None
    decided_at: datetime | None
    created_at: datetime
    expires_at: datetime

    def over(self, now: datetime) -> bool:
        """True for one that nobody has finished in time."""
        return self.state in {"open", "approved"} and now >= self.expires_at


@dataclass(frozen=True, slots=True)
class Approvals:
    """The requests of one municipality; every method works within the caller's transaction."""

    municipality: str
    length: timedelta

    def ask(
        self,
        session: Session,
        member: StaffMember,
        act: Act,
        person_id: UUID,
        *,
        reason: str,
        at: datetime,
        arguments: Mapping[str, Json] | None = None,
        card_reference: bytes | None = None,
    ) -> Approval:
        """Ask for an act; `approval_exists` while the same one is waiting for the same person."""
        waiting = [one for one in self.of_person(session, person_id) if one.act is act and not one.over(at)]
        if any(one.state in {"open", "approved"} for one in waiting):
            raise CounterRefused("approval_exists")
        values: dict[str, Any] = {"id": uuid7(), "act": act.value, "person_id": person_id, "reason": reason}
        values |= {"arguments": dict(arguments or {}), "card_reference": card_reference, "state": "open"}
        values |= {"requested_by": member.name, "created_at": at, "expires_at": at + self.length}
        values |= {"decided_by": None, "decided_at": None}
        session.execute(insert(staff_approval).values(municipality=self.municipality, **values))
        return _approval([values[name] for name in _NAMES])

    def get(self, session: Session, approval_id: UUID) -> Approval:
        """The request with this id, in any state; `approval_unknown` otherwise."""
        own = (staff_approval.c.municipality == self.municipality) & (staff_approval.c.id == approval_id)
        row = session.execute(select(*_columns).where(own)).first()
        if row is None:
            raise CounterRefused("approval_unknown")
        return _approval(row)

    def decide(self, session: Session, wanted: Approval, member: StaffMember, *, agree: bool, at: datetime) -> None:
        """Note a supervisor's decision; `approval_by_another`, `role_needed` or `approval_over` otherwise.

        The requester may take a request back, which is to decline it.
        """
        if agree or member.name != wanted.requested_by:
            self.check_decider(session, wanted, member)
        state = "declined"
        if agree:
            state = "done" if wanted.card_reference is None else "approved"
        self._move(session, wanted, "open", state, at, decided_by=member.name, decided_at=at)

    def check_decider(self, session: Session, wanted: Approval, member: StaffMember) -> None:
        """A supervisor, and neither the requester nor the same human under another name, nor the person concerned."""
        if SUPERVISOR not in member.roles:
            raise Refusal("role_needed", SUPERVISOR)
        requester = StaffRegister(self.municipality).get(session, wanted.requested_by)
        same = requester is not None and requester.person_id is not None and requester.person_id == member.person_id
        if member.name == wanted.requested_by or same or member.person_id == wanted.person_id:
            raise CounterRefused("approval_by_another")

    def complete(self, session: Session, wanted: Approval, at: datetime) -> None:
        """Note that an approved request was carried out; `approval_over` for the second of two who try."""
        self._move(session, wanted, "approved", "done", at)

    def waiting(self, session: Session, now: datetime) -> list[Approval]:
        """What is open or approved and not yet over, the oldest first."""
        own = staff_approval.c.municipality == self.municipality
        running = staff_approval.c.state.in_(("open", "approved")) & (staff_approval.c.expires_at > now)
        rows = session.execute(select(*_columns).where(own, running).order_by(staff_approval.c.id))
        return [_approval(row) for row in rows]

    def newest(self, session: Session) -> list[Approval]:
        """The last fifty requests, the newest first."""
        own = staff_approval.c.municipality == self.municipality
        rows = session.execute(select(*_columns).where(own).order_by(staff_approval.c.id.desc()).limit(_PAGE))
        return [_approval(row) for row in rows]

    def of_person(self, session: Session, person_id: UUID) -> list[Approval]:
        """All requests about a person, the newest first."""
        own = (staff_approval.c.municipality == self.municipality) & (staff_approval.c.person_id == person_id)
        rows = session.execute(select(*_columns).where(own).order_by(staff_approval.c.id.desc()))
        return [_approval(row) for row in rows]

    def _move(self, session: Session, wanted: Approval, before: str, after: str, at: datetime, **values: Any) -> None:
        own = (staff_approval.c.municipality == self.municipality) & (staff_approval.c.id == wanted.id)
        still = own & (staff_approval.c.state == before) & (staff_approval.c.expires_at > at)
        if session.execute(update(staff_approval).where(still).values(state=after, **values)).rowcount != 1:
            raise CounterRefused("approval_over")


def _approval(row: Any) -> Approval:
    values = dict(zip(_NAMES, row, strict=True))
    stored = values["card_reference"]
    return Approval(
        **{**values, "act": Act(values["act"]), "card_reference": None if stored is None else bytes(stored)}
    )
