"""The journal of writings in the hub's database: one commit before each step, and what is known of each card.

Cards are known by a keyed hash of their serial. Campaigns keep a journal of their own.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import insert, select, update

from mykey_cardap.service_application.numbers import Role
from mykey_core.audit.records import append
from mykey_core.card_writing.card_state import CardState
from mykey_core.card_writing.errors import WritingCode, WritingRefused
from mykey_core.card_writing.events import REGISTERED
from mykey_core.card_writing.hands import check_second
from mykey_core.card_writing.plan import Step, StepKind
from mykey_core.card_writing.references import CardReferences
from mykey_core.card_writing.tables import card_writing, card_writing_step, known_card
from mykey_core.card_writing.writer import Ending, Entry, Found, Job
from mykey_core.clock import Clock
from mykey_core.storage.database import Database
from mykey_core.storage.session import Session

assert REGISTERED  # noqa: S101 - importing registers the events
_UNRESOLVED = ("intent", "unknown")


@dataclass(frozen=True, slots=True)
class WritingRow:
    """Who writes what; the audit record of its end has the same facts.

    `staff` is the clerk (`staff:NAME`) where one is signed in, `subject` the person as the plugin knows them, if known.
    """

    id: UUID
    plugin: str
    operation: str
    provider: str
    terminal: UUID | None = None
    service_point: str | None = None
    staff: str | None = None
    subject: str | None = None

    @property
    def actor(self) -> str | None:
        """Who acts, as the citizen's list words it; None at the hub itself."""
        return self.staff or (None if self.terminal is None else "terminal")


@dataclass(frozen=True, slots=True)
class OpenRow:
    """A writing under way: terminal and clerk that do it, and the process in which the session with the card lives."""

    terminal: UUID | None
    process: UUID | None
    staff: str | None = None


class WritingJournal:
    """The journal of one municipality. `references` make keyed hashes of cards' serials."""

    def __init__(self, database: Database, municipality: str, clock: Clock, references: CardReferences) -> None:
        self._database = database
        self._municipality = municipality
        self._clock = clock
        self._references = references

    def begin(self, row: WritingRow, process: UUID | None = None, lease_until: datetime | None = None) -> None:
        """Open a writing; `process` is the one in which the session with the card will live."""
        with self._database.writing() as session:
            session.execute(
                insert(card_writing).values(
                    municipality=self._municipality,
                    id=row.id,
                    terminal_id=row.terminal,
                    staff=row.staff,
                    operation=row.operation,
                    plugin=row.plugin,
                    provider=row.provider,
                    state="open",
                    begun_at=self._clock(),
                    process=process,
                    lease_until=lease_until,
                )
            )

    def approve(self, writing: UUID, approver: str) -> None:
        """Note who approved it."""
        with self._database.writing() as session:
            session.execute(update(card_writing).where(*self._own(writing)).values(approved_by=approver))

    def found(self, writing: UUID, found: Found, job: Job) -> None:
        """The card was read: resolve earlier doubts by it, and refuse one whose transaction counter went back."""
        serial = found.state.header.serial
        with self._database.writing() as session:
            self._resolve(session, serial, found.state, job)
            known = self._known(session, serial)
            card = self._references.newest(serial) if known is None else bytes(known.card)
            session.execute(update(card_writing).where(*self._own(writing)).values(card=card))
            refusal = self._see(session, card, known, found.state)
        if refusal is not None:
            raise refusal

    def record(self, writing: UUID, entry: Entry) -> None:
        """One entry; an intent is durable when this returns."""
        now, code = self._clock(), entry.code.value if entry.code else None
        with self._database.writing() as session:
            if entry.state == "intent":
                values = {"number": entry.number, "step": str(entry.step), "state": "intent", "begun_at": now}
                session.execute(
                    insert(card_writing_step).values(municipality=self._municipality, writing_id=writing, **values)
                )
                return
            table = card_writing_step.c
            session.execute(
                update(card_writing_step)
                .where(
                    table.municipality == self._municipality,
                    table.writing_id == writing,
                    table.number == entry.number,
                )
                .values(state=entry.state, code=code, ended_at=now)
            )

    def admit(self, serial: bytes) -> None:
        """Refuse a card in quarantine, before anything is proven to it."""
        with self._database.reading() as session:
            known = self._known(session, serial)
        if known is not None and known.state == "quarantined":
            raise WritingRefused(WritingCode.CARD_QUARANTINED, known.reason or "")

    def end(self, row: WritingRow, ending: Ending, serial: bytes | None, *, dry_run: bool) -> None:
        """Close a writing, and record it in the audit log; a card that goes into quarantine is remembered."""
        now = self._clock()
        own = self._own(row.id)
        with self._database.writing() as session:
            code = ending.code.value if ending.code else None
            values = {"state": ending.state, "code": code, "ended_at": now, "process": None, "lease_until": None}
            session.execute(update(card_writing).where(*own).values(**values))
            if serial is not None:
                if ending.state == "quarantined":
                    self._quarantine(session, serial, code)
                known = self._known(session, serial)
                card = None if known is None else bytes(known.card)
                session.execute(update(card_writing).where(*own).values(card=card))
            stored = session.execute(select(card_writing.c.card, card_writing.c.approved_by).where(*own)).one()
            facts = {
                "writing": str(row.id),
                "operation": row.operation,
                "plugin": row.plugin,
                "provider": row.provider,
                "state": ending.state,
                "steps": self._steps(session, row.id),
                "actor": row.actor,
                "subject": row.subject,
                "code": code,
                "terminal": str(row.terminal) if row.terminal else None,
                "service_point": row.service_point,
                "approved_by": stored.approved_by,
                "dry_run": dry_run,
            }
            append(session, self._municipality, now, "card_writing.ended", facts)

    def is_approved(self, writing: UUID) -> bool:
        """Whether a second person has approved it, in whichever process."""
        with self._database.reading() as session:
            approver = session.execute(select(card_writing.c.approved_by).where(*self._own(writing))).scalar()
        return approver is not None

    def open_row(self, writing: UUID) -> OpenRow | None:
        """Where an open writing lives; None when it has ended, or its process has not been heard of for too long."""
        own = card_writing.c
        where = (*self._own(writing), own.state == "open", own.lease_until > self._clock())
        with self._database.reading() as session:
            found = session.execute(select(own.terminal_id, own.process, own.staff).where(*where)).first()
        return None if found is None else OpenRow(found.terminal_id, found.process, found.staff)

    def state(self, writing: UUID) -> tuple[str, str | None] | None:
        """(state, code) of a writing; None when there is none of this id."""
        with self._database.reading() as session:
            found = session.execute(
                select(card_writing.c.state, card_writing.c.code).where(*self._own(writing))
            ).first()
        return None if found is None else (found.state, found.code)

    # -- cards ------------------------------------------------------------------------------------------------

    def _see(self, session: Session, card: bytes, known: Any, state: CardState) -> WritingRefused | None:
        if known is not None and state.counter < known.last_counter:
            return WritingRefused(WritingCode.CARD_TAMPERED, "its transaction counter went back")
        seen = {"generation": state.header.generations[0], "last_counter": state.counter, "seen_at": self._clock()}
        if known is None:
            session.execute(insert(known_card).values(**self._new(card), state="good", **seen))
        else:
            session.execute(update(known_card).where(*self._of(card)).values(**seen))
        return None

    def _known(self, session: Session, serial: bytes) -> Any:
        """Its row, under whichever key epoch it is stored: re-keying may be under way."""
        town = known_card.c.municipality == self._municipality
        found = select(known_card).where(town, known_card.c.card.in_(self._references.all(serial)))
        return session.execute(found).first()

    def _new(self, card: bytes) -> dict[str, Any]:
        return {"municipality": self._municipality, "card": card, "key_epoch": self._references.epoch}

    def _quarantine(self, session: Session, serial: bytes, reason: str | None) -> None:
        known = self._known(session, serial)
        values = {"state": "quarantined", "reason": reason}
        if known is None:
            seen = {"generation": 0, "last_counter": 0, "seen_at": self._clock()}
            card = self._references.newest(serial)
            session.execute(insert(known_card).values(**self._new(card), **values, **seen))
        elif known.state != "quarantined":  # the first reason is the one to look into
            session.execute(update(known_card).where(*self._of(bytes(known.card))).values(**values))

    def _resolve(self, session: Session, serial: bytes, state: CardState, job: Job) -> None:
        """Steps of earlier writings of this card whose outcome was unknown: done when the card shows them."""
        steps, writings = card_writing_step.c, card_writing.c
        rows = session.execute(
            select(steps.writing_id, steps.number, steps.step)
            .join(card_writing, (writings.municipality == steps.municipality) & (writings.id == steps.writing_id))
            .where(
                steps.municipality == self._municipality,
                writings.municipality == self._municipality,
                writings.card.in_(self._references.all(serial)),
                steps.state.in_(_UNRESOLVED),
            )
        ).all()
        for row in rows:
            done = parse_step(row.step).is_visible(state, job.image)
            outcome = {"state": "done" if done else "refused", "ended_at": self._clock()}
            where = (steps.municipality == self._municipality, steps.writing_id == row.writing_id)
            session.execute(update(card_writing_step).where(*where, steps.number == row.number).values(**outcome))
            facts = {"writing": str(row.writing_id), "state": outcome["state"]}
            append(session, self._municipality, self._clock(), "card_writing.resolved", facts)

    # -- release from quarantine ------------------------------------------------------------------------------

    def ask_release(self, writing: UUID, evidence: str, by: str, *, two: bool) -> str:
        """Ask to release the card of a writing, or (where `two` people are needed) agree as the second one.

        "asked" or "released". `release_not_needed`, and `approval_by_another` for the person who asked.
        """
        now = self._clock()
        with self._database.writing() as session:
            known = self._quarantined(session, writing)
            asked = known.release_by if known.release_evidence == evidence else None
            if asked is not None:
                check_second(asked, by)
            facts = {"writing": str(writing), "evidence": evidence}
            if two and asked is None:
                values = {"release_evidence": evidence, "release_by": by}
                session.execute(update(known_card).where(*self._of(bytes(known.card))).values(**values))
                append(session, self._municipality, now, "card_writing.release_asked", {**facts, "by": by})
                return "asked"
            self._release(session, bytes(known.card))
            facts |= {"by": asked or by, "approved_by": by}
            append(session, self._municipality, now, "card_writing.released", facts)
        return "released"

    def _quarantined(self, session: Session, writing: UUID) -> Any:
        card = session.execute(select(card_writing.c.card).where(*self._own(writing))).scalar()
        known = session.execute(select(known_card).where(*self._of(bytes(card)))).first() if card else None
        if known is None or known.state != "quarantined":
            raise WritingRefused(WritingCode.RELEASE_NOT_NEEDED)
        return known

    def _release(self, session: Session, card: bytes) -> None:
        """The counter begins anew with what the card says next: otherwise a restored card would be put aside again."""
        values = {"state": "good", "reason": None, "last_counter": 0, "release_evidence": None, "release_by": None}
        session.execute(update(known_card).where(*self._of(card)).values(**values))

    def _steps(self, session: Session, writing: UUID) -> list[str]:
        steps = card_writing_step.c
        rows = session.execute(
            select(steps.step, steps.state)
            .where(steps.municipality == self._municipality, steps.writing_id == writing)
            .order_by(steps.number)
        )
        return [f"{row.step}/{row.state}" for row in rows]

    def _own(self, writing: UUID) -> tuple[Any, Any]:
        return card_writing.c.municipality == self._municipality, card_writing.c.id == writing

    def _of(self, card: bytes) -> tuple[Any, Any]:
        return known_card.c.municipality == self._municipality, known_card.c.card == card


def parse_step(text: str) -> Step:
    """Inverse of `str(step)`."""
    kind, service, *key = text.split(":")
    role = Role(int(key[0][1:])) if key else None
    return Step(StepKind(kind), int(service, 16), role, int(key[1][1:]) if key else 0)
