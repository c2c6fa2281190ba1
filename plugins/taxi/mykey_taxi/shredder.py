"""What the plugin holds of a person: exported for them, and deleted so that their rides belong to nobody."""

from __future__ import annotations

from typing import Any

from sqlalchemy import delete, select

from mykey_core.api import Json, PluginDatabase
from mykey_taxi.register import M, fetch, statement_totals
from mykey_taxi.tables import card, card_pass, offer, registration, rider


class TaxiShredder:
    """Rides stay for the accounts under a rider id that nothing links to a person any more."""

    def export(self, subject: str | None, database: PluginDatabase) -> Json:
        """Registrations, cards and the closed months of a person, or of all."""
        return [self._person(database, row) for row in self._riders(subject, database)]

    def shred(self, subject: str | None, database: PluginDatabase) -> int:
        """Delete registration, cards and the link to the person."""
        own = [row.rider_id for row in self._riders(subject, database)]
        gone = 0
        for table in (offer, card, card_pass, registration, rider):
            for rider_id in own:
                query = delete(table).where(table.c.municipality == M, table.c.rider_id == rider_id)
                gone += database.execute(query, {"m": database.municipality}).rowcount
        return gone

    @staticmethod
    def _riders(subject: str | None, database: PluginDatabase) -> list[Any]:
        query = select(rider.c.rider_id, rider.c.subject, rider.c.registered_at).where(rider.c.municipality == M)
        return fetch(database, query if subject is None else query.where(rider.c.subject == subject))

    @staticmethod
    def _person(database: PluginDatabase, row: Any) -> dict[str, Json]:
        spans = select(registration.c.first_day, registration.c.last_day, registration.c.ground).where(
            registration.c.municipality == M, registration.c.rider_id == row.rider_id
        )
        cards = select(card.c.state, card.c.since).where(card.c.municipality == M, card.c.rider_id == row.rider_id)
        months = statement_totals(database, row.rider_id)
        return {
            "registration": row.rider_id,
            "subject": row.subject,
            "registered_at": row.registered_at.isoformat(),
            "spans": [
                {"from": r.first_day.isoformat(), "to": r.last_day and r.last_day.isoformat(), "ground": r.ground}
                for r in fetch(database, spans)
            ],
            "cards": [{"state": r.state, "since": r.since.isoformat()} for r in fetch(database, cards)],
            "months": [{"month": name, "rides": n, "subsidy_yen": yen} for name, (n, yen) in months.items()],
        }
