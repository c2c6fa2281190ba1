"""The register of patrons: who they are to the library, how they stand, and what they owe."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import select
from uuid_utils.compat import uuid7

from mykey_library.circulation import Reason
from mykey_library.rows import Rows
from mykey_library.rules import PatronFacts, PatronStanding
from mykey_library.tables import charge, hold, loan, patron, payment

_SCRYPT: Final = {"n": 2**14, "r": 8, "p": 1}  # RFC 7914 §2: 16 MiB, interactive
_SALT = 16


@dataclass(frozen=True, slots=True)
class Patron:
    """A patron: the library's own number, and how the patron stands. `name` may be empty."""

    number: str
    standing: PatronStanding
    category: str = "general"
    name: str = field(default="", repr=False)
    language: str = ""
    expires_on: date | None = None
    suspended_until: date | None = None
    keeps_history: bool = False
    pin_hash: str = field(default="", repr=False)

    @property
    def active(self) -> bool:
        """Whether nothing in the register stops this patron."""
        return self.standing is PatronStanding.ACTIVE

    def pin_ok(self, pin: str | None) -> bool | None:
        """Whether the library's own PIN is right; None when there is none, or none was given."""
        if not pin or not self.pin_hash:
            return None
        salt, wanted = (bytes.fromhex(part) for part in self.pin_hash.split(":"))
        return hmac.compare_digest(hashlib.scrypt(pin.encode(), salt=salt, **_SCRYPT), wanted)


@dataclass(frozen=True, slots=True)
class NewPatron:
    """What has to be known to add a patron. `pin` is the library's own, for terminals that ask for one."""

    number: str
    category: str = "general"
    name: str = field(default="", repr=False)
    language: str = ""
    expires_on: date | None = None
    pin: str = field(default="", repr=False)


def hash_pin(pin: str) -> str:
    """Salt and scrypt of a PIN in hexadecimal, or an empty text for none."""
    if not pin:
        return ""
    salt = secrets.token_bytes(_SALT)
    return f"{salt.hex()}:{hashlib.scrypt(pin.encode(), salt=salt, **_SCRYPT).hex()}"


def as_patron(row: Any) -> Patron:
    """A row of `library_patron`."""
    return Patron(
        row.number,
        PatronStanding(row.state),
        row.category,
        row.name,
        row.language,
        row.expires_on,
        row.suspended_until,
        row.keeps_history,
        row.pin_hash,
    )


@dataclass(frozen=True, slots=True)
class Register:
    """The patrons of one library."""

    rows: Rows

    def patron(self, number: str) -> Patron | None:
        """The patron of this number."""
        row = self.rows.one(patron, number=number)
        return as_patron(row) if row else None

    def lock(self, number: str) -> Patron | None:
        """The patron, kept to this transaction. Lock titles before patrons, always."""
        row = self.rows.lock(patron, number=number)
        return as_patron(row) if row else None

    def add(self, new: NewPatron) -> bool:
        """Add a patron; False when the number is there already."""
        if self.patron(new.number) is not None:
            return False
        values = {"category": new.category, "name": new.name, "language": new.language, "expires_on": new.expires_on}
        state, pin = PatronStanding.ACTIVE.value, hash_pin(new.pin)
        self.rows.add(
            patron, number=new.number, state=state, suspended_until=None, keeps_history=False, pin_hash=pin, **values
        )
        return True

    def set_standing(self, number: str, standing: PatronStanding) -> None:
        """Stop or admit a patron."""
        self.rows.change(patron, {"state": standing.value}, number=number)

    def suspend(self, number: str, until: date) -> None:
        """No loans up to and including a day; an earlier suspension that lasts longer stays."""
        known = self.patron(number)
        if known is not None and (known.suspended_until is None or known.suspended_until < until):
            self.rows.change(patron, {"suspended_until": until}, number=number)

    def keep_history(self, number: str, *, wanted: bool) -> None:
        """Whether the titles of returned loans are kept for the patron."""
        self.rows.change(patron, {"keeps_history": wanted}, number=number)

    def facts(self, known: Patron, today: date) -> PatronFacts:
        """The patron at the moment of a decision."""
        own = self.rows.where(loan, patron_number=known.number)
        due = [row.due_on for row in self.rows.all(select(loan.c.due_on).where(*own))]
        holds = self.rows.count(hold, patron_number=known.number)
        overdue = sum(day < today for day in due)
        debt = self.debt(known.number)
        return PatronFacts(known.standing, known.expires_on, known.suspended_until, len(due), overdue, holds, debt)

    # -- compensation ------------------------------------------------------------------------------------

    def charge(self, number: str, title_id: str, yen: int, today: date) -> UUID:
        """Ask for compensation of a lost or damaged item, in whole yen."""
        key: UUID = uuid7()
        self.rows.add(charge, id=key, patron_number=number, title_id=title_id, yen=yen, made_on=today, paid_on=None)
        return key

    def charges(self, number: str) -> list[Any]:
        """What the patron has not paid yet, the oldest first."""
        open_ones = self.rows.select(charge, patron_number=number).where(charge.c.paid_on.is_(None))
        return self.rows.all(open_ones.order_by(charge.c.id))

    def debt(self, number: str) -> int:
        """The sum of it in yen."""
        return sum(row.yen for row in self.charges(number))

    def pay(self, number: str, yen: int, transaction: str, at: datetime, today: date) -> Reason | None:
        """Record a payment that covers whole charges, the oldest first; the same `transaction` counts once."""
        if transaction and self.rows.one(payment, patron_number=number, transaction=transaction) is not None:
            return None
        paid = self._covered(self.charges(number), yen)
        if paid is None:
            return Reason.FEE_UNKNOWN
        for row in paid:
            self.rows.change(charge, {"paid_on": today}, id=row.id)
        name = transaction or str(uuid7())
        self.rows.add(payment, patron_number=number, transaction=name, yen=yen, paid_at=at)
        return None

    @staticmethod
    def _covered(charges: list[Any], yen: int) -> list[Any] | None:
        """The charges that add up to exactly `yen`, from the oldest on; None when there are none."""
        total = 0
        for place, row in enumerate(charges, start=1):
            total += row.yen
            if total == yen:
                return charges[:place]
        return None
