"""Which card is whose library card: links of two kinds behind one interface.

The library knows a pairwise pseudonym that the core keeps through renewals and re-keying; it never sees a serial number
or a MyKey ID. A link of either kind resolves at the same tap.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from mykey_library.rows import Rows
from mykey_library.tables import link


class LinkKind(StrEnum):
    """By what the person was known when the link was made."""

    AUTH_CERTIFICATE = "auth-certificate"  # the card's user-authentication certificate
    MYKEY_ID = "mykey-id"  # taken over from the MyKey platform


@dataclass(frozen=True, slots=True)
class Links:
    """The links of one library. The patron may stand in the embedded store or in a library system outside."""

    rows: Rows

    def number_of(self, subject: str) -> str | None:
        """The number of the patron who is linked to this pairwise id, by a link of either kind."""
        row = self.rows.one(link, subject=subject)
        return str(row.patron_number) if row else None

    def kinds_of(self, subject: str) -> frozenset[LinkKind]:
        """The kinds of links that this pairwise id has."""
        return frozenset(LinkKind(row.kind) for row in self.rows.all(self.rows.select(link, subject=subject)))

    def kinds_of_number(self, number: str) -> frozenset[LinkKind]:
        """The kinds of links that a patron has; empty when nobody is linked."""
        return frozenset(LinkKind(row.kind) for row in self.rows.all(self.rows.select(link, patron_number=number)))

    def has_card(self, number: str) -> bool:
        """Whether some card is linked to this patron. A link by MyKey ID alone leaves room for the patron's card."""
        return LinkKind.AUTH_CERTIFICATE in self.kinds_of_number(number)

    def add(self, subject: str, number: str, kind: LinkKind, at: datetime) -> None:
        """Link a pairwise id to a patron; a link that is there already stays as it is."""
        if kind not in self.kinds_of(subject):
            self.rows.add(link, subject=subject, kind=kind.value, patron_number=number, linked_at=at)

    def adopt_card(self, subject: str, at: datetime) -> bool:
        """Silent migration: a person known by MyKey ID has tapped a card. The old link stays; True when one is new."""
        number = self.number_of(subject)
        if number is None or LinkKind.AUTH_CERTIFICATE in self.kinds_of(subject):
            return False
        self.add(subject, number, LinkKind.AUTH_CERTIFICATE, at)
        return True

    def end(self, number: str) -> int:
        """End every link of a patron, so that another card can be linked; how many there were."""
        return self.rows.remove(link, patron_number=number)

    def subjects_of(self, number: str) -> frozenset[str]:
        """The pairwise ids that are linked to a patron."""
        return frozenset(row.subject for row in self.rows.all(self.rows.select(link, patron_number=number)))
