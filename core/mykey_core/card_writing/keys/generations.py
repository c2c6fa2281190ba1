"""Which generations of master keys a town has made, and the floor below which none is used. The floor only rises."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import insert, select, update

from mykey_core.audit.records import append
from mykey_core.card_writing.errors import CardKeysUnavailable
from mykey_core.card_writing.events import REGISTERED
from mykey_core.card_writing.keys.provider import CardKeyProvider, ProviderKind
from mykey_core.card_writing.tables import card_key_floor, card_key_generation
from mykey_core.storage.session import Session

assert REGISTERED  # noqa: S101 - importing registers the events
FIRST = 1


@dataclass(frozen=True, slots=True)
class Generation:
    """A master key: its number, where it was stored, its check value (6 hexadecimal digits)."""

    number: int
    provider: ProviderKind
    check_value: str
    created_at: datetime


class Generations:
    """The register of one municipality, within the caller's transactions."""

    def __init__(self, municipality: str) -> None:
        self._municipality = municipality

    def all(self, session: Session) -> tuple[Generation, ...]:
        """Every generation, oldest first."""
        table = card_key_generation.c
        rows = session.execute(
            select(table.generation, table.provider, table.check_value, table.created_at)
            .where(table.municipality == self._municipality)
            .order_by(table.generation)
        )
        return tuple(
            Generation(row.generation, ProviderKind(row.provider), row.check_value, row.created_at) for row in rows
        )

    def add(self, session: Session, number: int, keys: CardKeyProvider, at: datetime) -> None:
        """Register a generation that `keys` holds; the floor of the first one is itself."""
        known = self.all(session)
        if known and number <= known[-1].number:
            raise CardKeysUnavailable(number, f"the next generation is {known[-1].number + 1}")
        check_value = keys.master_check_value(number).hex()
        row = {"generation": number, "provider": str(keys.kind), "check_value": check_value, "created_at": at}
        session.execute(insert(card_key_generation).values(municipality=self._municipality, **row))
        if not known:
            session.execute(insert(card_key_floor).values(municipality=self._municipality, floor=number))

    def floor(self, session: Session) -> int:
        """The lowest generation that is still used."""
        own = card_key_floor.c.municipality == self._municipality
        row = session.execute(select(card_key_floor.c.floor).where(own)).first()
        return FIRST if row is None else int(row[0])

    def raise_floor(self, session: Session, floor: int, at: datetime) -> None:
        """Use older generations no more, for ever. `CardKeysUnavailable` when it would fall or pass the newest."""
        newest = max((known.number for known in self.all(session)), default=0)
        if floor > newest:
            raise CardKeysUnavailable(floor, "the floor cannot be above the newest generation")
        own = (card_key_floor.c.municipality == self._municipality) & (card_key_floor.c.floor < floor)
        if session.execute(update(card_key_floor).where(own).values(floor=floor)).rowcount == 0:
            raise CardKeysUnavailable(floor, "the floor only rises")
        append(session, self._municipality, at, "card_keys.floor_raised", {"floor": floor})

    def current(self, session: Session, keys: CardKeyProvider) -> int:
        """The generation that new cards are written with: the newest. Its check value must be that of the register.

        `CardKeysUnavailable` when there is none, or when the provider's key is another one.
        """
        known = self.all(session)
        if not known:
            raise CardKeysUnavailable(FIRST, "there is no master key: hold a ceremony with `mykey keys ceremony`")
        newest = known[-1]
        if keys.master_check_value(newest.number).hex() != newest.check_value or keys.kind.tree != newest.provider.tree:
            raise CardKeysUnavailable(newest.number, "the provider has another key than the ceremony made")
        return newest.number
