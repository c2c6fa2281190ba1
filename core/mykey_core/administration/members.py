"""The staff as an administrator sees them, and changes that never leave a town without an administrator.

Names, roles and invitations themselves are the business of `portal.staff`.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import func, select

from mykey_core.counter.tables import staff_passkey
from mykey_core.errors import Refusal
from mykey_core.portal.staff import StaffMember, StaffRegister
from mykey_core.portal.tables import staff_member, web_session
from mykey_core.storage.session import Session

ADMINISTRATOR: Final = "administrator"


@dataclass(frozen=True, slots=True)
class MemberLine:
    """One member with what can sign them in. `sessions` are running ones; `invited_until` ends an open invitation."""

    member: StaffMember
    passkeys: int
    sessions: int
    invited_until: datetime | None

    @property
    def can_sign_in(self) -> bool:
        """Whether a card or a passkey opens the hub for them."""
        return self.member.state == "active" and (self.member.person_id is not None or self.passkeys > 0)


@dataclass(frozen=True, slots=True)
class MemberQuery:
    """What is looked for: a part of name or title, a role, a state (`active`, `ended`)."""

    text: str = ""
    role: str = ""
    state: str = ""

    def takes(self, line: MemberLine) -> bool:
        """Whether a member is looked for."""
        one, text = line.member, self.text.casefold()
        named = not text or text in one.name.casefold() or text in one.title.casefold()
        return named and (not self.role or self.role in one.roles) and (not self.state or self.state == one.state)


def lines(session: Session, municipality: str, query: MemberQuery, now: datetime) -> list[MemberLine]:
    """The members that are looked for, by name."""
    passkeys = _counts(session, staff_passkey, municipality)
    sessions = _counts(session, web_session, municipality, web_session.c.expires_at > now)
    invited = _invited(session, municipality, now)
    found = [
        MemberLine(one, passkeys.get(one.name, 0), sessions.get(one.name, 0), invited.get(one.name))
        for one in StaffRegister(municipality).all(session)
    ]
    return [one for one in found if query.takes(one)]


def change(
    session: Session, municipality: str, name: str, title: str, roles: Collection[str], *, at: datetime, actor: str
) -> StaffMember:
    """Make a member, or change title and roles; `last_administrator` when nobody could administer any more."""
    if ADMINISTRATOR not in roles:
        _keep_an_administrator(session, municipality, name)
    return StaffRegister(municipality).put(session, name, title, roles, at=at, actor=actor)


def end(session: Session, municipality: str, name: str, *, at: datetime, actor: str) -> StaffMember:
    """End a member's access; `last_administrator` when nobody could administer any more."""
    _keep_an_administrator(session, municipality, name)
    return StaffRegister(municipality).end(session, name, at=at, actor=actor)


def _keep_an_administrator(session: Session, municipality: str, name: str) -> None:
    """Somebody else who can sign in has the role, or `name` has not got it.

    All rows are locked, so that two administrators who take the role from each other do so in turn.
    """
    table = staff_member.c
    own = select(table.name, table.roles, table.person_id).where(table.municipality == municipality)
    rows = session.execute(own.where(table.state == "active").order_by(table.name).with_for_update()).all()
    holders = {row.name: row.person_id for row in rows if ADMINISTRATOR in row.roles}
    passkeys = _counts(session, staff_passkey, municipality)
    if name in holders and not any(_opens(one, person, passkeys) for one, person in holders.items() if one != name):
        raise Refusal("last_administrator")


def _opens(name: str, person: UUID | None, passkeys: dict[str, int]) -> bool:
    return person is not None or name in passkeys


def _counts(session: Session, table: Any, municipality: str, *which: Any) -> dict[str, int]:
    """Member's name → rows of theirs."""
    own = (table.c.municipality == municipality, table.c.staff_name.is_not(None), *which)
    rows: Any = session.execute(select(table.c.staff_name, func.count()).where(*own).group_by(table.c.staff_name))
    return {str(name): int(count) for name, count in rows}


def _invited(session: Session, municipality: str, now: datetime) -> dict[str, datetime]:
    table = staff_member.c
    running = (table.municipality == municipality, table.invitation_hash.is_not(None), table.invitation_ends_at > now)
    rows = session.execute(select(table.name, table.invitation_ends_at).where(*running))
    return {row.name: row.invitation_ends_at for row in rows}
