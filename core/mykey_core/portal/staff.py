"""Members of staff: their names in the audit, their roles, and the card that signs them in."""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import delete, insert, select, update

from mykey_core.audit.records import append
from mykey_core.counter.tables import staff_passkey
from mykey_core.errors import Refusal
from mykey_core.portal import audit_events  # noqa: F401 - registers what is appended here
from mykey_core.portal.tables import staff_member
from mykey_core.storage.session import Session

INVITATION_LIFETIME: Final = timedelta(days=3)
ROLES: Final = ("clerk", "supervisor", "administrator", "auditor")
"""The hub's own roles; a plugin may ask for any other word of the same form."""
_NAME: Final = re.compile(r"[a-z][a-z0-9-]{1,31}")
_ALPHABET: Final = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"
_NAMES: Final = ("name", "title", "roles", "state", "person_id", "created_at")
_columns = [staff_member.c[name] for name in _NAMES]


@dataclass(frozen=True, slots=True)
class StaffMember:
    """One member of staff. `name` is the audit's word for them (`staff:NAME`); None for `person_id` before a card."""

    name: str
    title: str
    roles: frozenset[str]
    state: str
    person_id: UUID | None
    created_at: datetime

    @property
    def actor(self) -> str:
        """Who acts, as the audit writes it."""
        return f"staff:{self.name}"


class StaffRefused(Refusal):
    """What cannot be done with a member of staff.

    Codes: `staff_name_form`, `staff_role_form`, `staff_unknown`, `staff_card_unknown`, `staff_invitation_invalid`,
    `staff_card_of_another`.
    """


@dataclass(frozen=True, slots=True)
class StaffRegister:
    """The staff of one municipality; every method works within the caller's transaction."""

    municipality: str

    def put(
        self, session: Session, name: str, title: str, roles: Collection[str], *, at: datetime, actor: str
    ) -> StaffMember:
        """Make a member of staff, or change title and roles."""
        _check(name, roles)
        known = self.get(session, name)
        values = {"title": title[:100], "roles": sorted(set(roles)), "state": "active"}
        if known is None:
            made = {"name": name, "person_id": None, "created_at": at, **values}
            session.execute(insert(staff_member).values(municipality=self.municipality, **made))
        else:
            session.execute(update(staff_member).where(*self._own(name)).values(**values))
        self._record(session, name, values["roles"], "active", at, actor)
        return self._require(session, name)

    def end(self, session: Session, name: str, *, at: datetime, actor: str) -> StaffMember:
        """End a member's access, by card and by passkey; their name stays, because the audit speaks of it.

        Sessions end with `Sessions`.
        """
        self._require(session, name)
        gone = {"state": "ended", "person_id": None, "invitation_hash": None}
        session.execute(update(staff_member).where(*self._own(name)).values(**gone))
        keys = (staff_passkey.c.municipality == self.municipality) & (staff_passkey.c.staff_name == name)
        session.execute(delete(staff_passkey).where(keys))
        self._record(session, name, [], "ended", at, actor)
        return self._require(session, name)

    def invite(self, session: Session, name: str, *, at: datetime) -> str:
        """A one-time code with which the member's card is linked at its first sign-in; an earlier code ends."""
        self._require(session, name)
        code = "".join(secrets.choice(_ALPHABET) for _ in range(12))
        values = {"invitation_hash": _hash(code), "invitation_ends_at": at + INVITATION_LIFETIME}
        session.execute(update(staff_member).where(*self._own(name)).values(**values))
        return code

    def accept(self, session: Session, code: str, person_id: UUID, at: datetime) -> StaffMember:
        """Link the person's card to the member of the code, which is used up; `StaffRefused` otherwise."""
        name = self.invited(session, code, at).name
        other = self.of_person(session, person_id)
        if other is not None and other.name != name:
            raise StaffRefused("staff_card_of_another")
        linked = {"person_id": person_id, "invitation_hash": None, "invitation_ends_at": None}
        session.execute(update(staff_member).where(*self._own(name)).values(**linked))
        return self._require(session, name)

    def invited(self, session: Session, code: str, at: datetime) -> StaffMember:
        """The member of a running invitation, which is not used up; `staff_invitation_invalid` otherwise."""
        invited = staff_member.c.invitation_hash == _hash(code)
        running = (staff_member.c.state == "active") & (staff_member.c.invitation_ends_at > at)
        own = staff_member.c.municipality == self.municipality
        row = session.execute(select(staff_member.c.name).where(own, invited, running)).first()
        if row is None:
            raise StaffRefused("staff_invitation_invalid")
        return self._require(session, row.name)

    def accept_without_card(self, session: Session, code: str, at: datetime) -> StaffMember:
        """Use an invitation up for something else than a card; whoever calls links what signs in from now on."""
        member = self.invited(session, code, at)
        used = (*self._own(member.name), staff_member.c.invitation_hash == _hash(code))
        gone = {"invitation_hash": None, "invitation_ends_at": None}
        if session.execute(update(staff_member).where(*used).values(**gone)).rowcount != 1:
            raise StaffRefused("staff_invitation_invalid")
        return member

    def of_person(self, session: Session, person_id: UUID) -> StaffMember | None:
        """The active member of staff whose card this person's is."""
        own = (staff_member.c.municipality == self.municipality) & (staff_member.c.state == "active")
        row = session.execute(select(*_columns).where(own, staff_member.c.person_id == person_id)).first()
        return None if row is None else _member(row)

    def get(self, session: Session, name: str) -> StaffMember | None:
        """The member called `name`, also one whose access has ended."""
        row = session.execute(select(*_columns).where(*self._own(name))).first()
        return None if row is None else _member(row)

    def all(self, session: Session) -> list[StaffMember]:
        """Every member, by name."""
        own = staff_member.c.municipality == self.municipality
        return [_member(row) for row in session.execute(select(*_columns).where(own).order_by(staff_member.c.name))]

    def _own(self, name: str) -> tuple[Any, ...]:
        return (staff_member.c.municipality == self.municipality, staff_member.c.name == name)

    def _require(self, session: Session, name: str) -> StaffMember:
        found = self.get(session, name)
        if found is None:
            raise StaffRefused("staff_unknown")
        return found

    def _record(
        self, session: Session, name: str, roles: Collection[str], state: str, at: datetime, actor: str
    ) -> None:
        facts = {"actor": actor, "member": name, "roles": list(roles), "state": state}
        append(session, self.municipality, at, "staff.member_changed", facts)


def _check(name: str, roles: Collection[str]) -> None:
    if _NAME.fullmatch(name) is None:
        raise StaffRefused("staff_name_form")
    if not roles or not all(_NAME.fullmatch(role) for role in roles):
        raise StaffRefused("staff_role_form")


def _hash(code: str) -> bytes:
    return hashlib.sha256("".join(code.upper().replace("-", " ").split()).encode("utf-8", "replace")).digest()


def _member(row: Any) -> StaffMember:
    values = dict(zip(_NAMES, row, strict=True))
    return StaffMember(**{**values, "roles": frozenset(values["roles"])})
