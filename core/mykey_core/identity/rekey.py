"""The re-keying job: moving everything that is stored to the newest key epoch, a batch a transaction.

It can be stopped and started at any time, because each row says which epoch it is of; while it runs, both epochs are
found. Which columns of a plugin hold pairwise ids stands in its manifest (`subject_columns`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Table, column, insert, select, table, update

from mykey_core.audit.events import CODE, INTEGER, EventType, register
from mykey_core.audit.records import append
from mykey_core.card_writing.tables import card_tap, card_writing, known_card
from mykey_core.identity.changes import CORE_SECTORS, tell_rekeyed
from mykey_core.identity.errors import IdentityRefused
from mykey_core.identity.people import People
from mykey_core.identity.references import next_reference, pairwise_id, sector_of
from mykey_core.identity.tables import attribute_mark, former_subject
from mykey_core.keys.provider import Purpose
from mykey_core.storage.database import Database
from mykey_core.storage.session import Session
from mykey_core.storage.tables import credential, pairwise, visit

BATCH: Final = 200
__all__ = ["BATCH", "CORE_SECTORS", "Rekeying"]
register(EventType("identity.rekeyed", {"purpose": CODE, "epoch": INTEGER, "rows": INTEGER}))


@dataclass(frozen=True, slots=True)
class Rekeying:
    """The job for one municipality. `subject_columns` maps each plugin to its `table.column` names."""

    people: People
    subject_columns: Mapping[str, tuple[str, ...]]

    def run(self, database: Database, purpose: Purpose, at: datetime, *, batch: int = BATCH) -> int:
        """Move all rows of `purpose` that are behind; the number of rows moved. Safe to run beside taps."""
        moved = 0
        while done := database.commit(lambda session: self.step(session, purpose, at, batch)):
            moved += done
        return moved

    def step(self, session: Session, purpose: Purpose, at: datetime, batch: int = BATCH) -> int:
        """Move one batch within the caller's transaction."""
        newest = self.people.keys.epochs(purpose)[-1]
        if purpose is Purpose.PAIRWISE:
            moved = self._move_subjects(session, newest, at, batch)
        else:
            moved = self._move_references(session, credential, ("reference", "key_reference"), newest, batch)
            moved += self._move_references(session, attribute_mark, ("mark",), newest, batch)
            moved += self._move_cards(session, newest, batch)
        if moved:
            facts = {"purpose": purpose.value, "epoch": newest, "rows": moved}
            append(session, self.people.municipality, at, "identity.rekeyed", facts)
        return moved

    def waiting(self, session: Session, purpose: Purpose) -> int:
        """How many rows are still of an older epoch."""
        newest = self.people.keys.epochs(purpose)[-1]
        pairwise_only = purpose is Purpose.PAIRWISE
        tables: Iterable[Table] = (pairwise,) if pairwise_only else (credential, attribute_mark, known_card)
        behind = (
            select(own.c.key_epoch).where(own.c.municipality == self.people.municipality, own.c.key_epoch < newest)
            for own in tables
        )
        return sum(len(session.execute(statement).all()) for statement in behind)

    def _move_references(self, session: Session, own: Table, columns: tuple[str, ...], newest: int, batch: int) -> int:
        behind = (own.c.municipality == self.people.municipality) & (own.c.key_epoch < newest)
        found = [own.c[name] for name in columns]
        rows: list[Any] = list(
            session.execute(select(own.c.person_id, own.c.key_epoch, *found).where(behind).limit(batch))
        )
        for person, epoch, *references in rows:
            moved = {name: self._later(value, epoch, newest) for name, value in zip(columns, references, strict=True)}
            same = (own.c.municipality == self.people.municipality) & (own.c.person_id == person)
            this = same & (own.c[columns[0]] == references[0])
            session.execute(update(own).where(this).values(**moved, key_epoch=newest))
        return len(rows)

    def _move_cards(self, session: Session, newest: int, batch: int) -> int:
        """Cards of our application, with the journals that name them."""
        own = known_card.c
        behind = (own.municipality == self.people.municipality, own.key_epoch < newest)
        rows = session.execute(select(own.card, own.key_epoch).where(*behind).limit(batch)).all()
        for row in rows:
            card = self._later(row.card, row.key_epoch, newest)
            for naming in (known_card, card_writing, card_tap):
                this = (naming.c.municipality == self.people.municipality) & (naming.c.card == row.card)
                session.execute(update(naming).where(this).values(card=card))
            this = (own.municipality == self.people.municipality) & (own.card == card)
            session.execute(update(known_card).where(this).values(key_epoch=newest))
        return len(rows)

    def _later(self, reference: bytes | None, epoch: int, newest: int) -> bytes | None:
        if reference is None:
            return None
        for later in self.people.keys.epochs(Purpose.CREDENTIAL):
            if epoch < later <= newest:
                reference = next_reference(self.people.keys, later, bytes(reference))
        return reference

    def _move_subjects(self, session: Session, newest: int, at: datetime, batch: int) -> int:
        town = self.people.municipality
        behind = (pairwise.c.municipality == town) & (pairwise.c.key_epoch < newest)
        wanted = select(pairwise.c.plugin, pairwise.c.person_id, pairwise.c.subject).where(behind)
        rows = session.execute(wanted.with_for_update().limit(batch)).all()
        for row in rows:
            subject = pairwise_id(self.people.keys, newest, sector_of(row.plugin, town), row.person_id)
            self._move_subject(session, row, subject, newest, at)
        return len(rows)

    def _move_subject(self, session: Session, row: Any, subject: str, newest: int, at: datetime) -> None:
        """One account: the core's row, what was open at a counter, and every column of the plugin, or none of it."""
        if row.plugin not in self.subject_columns:
            raise IdentityRefused("subject_columns_missing", f"the plugin {row.plugin} is not installed")
        town = self.people.municipality
        own = (pairwise.c.municipality == town) & (pairwise.c.plugin == row.plugin)
        this = own & (pairwise.c.person_id == row.person_id)
        session.execute(update(pairwise).where(this).values(subject=subject, key_epoch=newest))
        at_counter = (visit.c.municipality == town) & (visit.c.plugin == row.plugin) & (visit.c.subject == row.subject)
        session.execute(update(visit).where(at_counter).values(subject=subject))
        for name in self.subject_columns[row.plugin]:
            _replace(session, town, name, row.subject, subject)
        values = {"municipality": town, "plugin": row.plugin, "person_id": row.person_id}
        session.execute(insert(former_subject).values(**values, subject=row.subject, replaced_at=at))
        tell_rekeyed(session, town, row.plugin, row.person_id, row.subject, at)


def _replace(session: Session, town: str, name: str, old: str, new: str) -> None:
    own, _, subject = name.partition(".")
    columns = table(own, column("municipality"), column(subject))
    this = (columns.c.municipality == town) & (columns.c[subject] == old)
    session.execute(update(columns).where(this).values({subject: new}))
