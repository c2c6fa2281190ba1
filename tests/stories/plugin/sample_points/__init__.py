"""A plugin with an account, for the story tests: the second one beside the library."""

from __future__ import annotations

from sqlalchemy import Column, Integer, MetaData, String, Table, insert, select, update

from mykey_core.api import (
    Facts,
    Message,
    Outcome,
    PluginContext,
    PluginDatabase,
    TapRequest,
    TapResult,
    UtcInstant,
    hookimpl,
)

metadata = MetaData()
account = Table(
    "points_account",
    metadata,
    Column("municipality", String(6), primary_key=True),
    Column("subject", String(43), primary_key=True),
    Column("points", Integer, nullable=False),
    Column("opened_at", UtcInstant, nullable=False),
)


@hookimpl
def mykey_tap(context: PluginContext, request: TapRequest, database: PluginDatabase) -> TapResult | None:
    """Open an account, show it, or give a bonus for what the citizen lets us know."""
    own = (account.c.municipality == database.municipality) & (account.c.subject == request.subject)
    shown: tuple[str, ...] = ()
    if request.action == "join":
        values = {"municipality": database.municipality, "subject": request.subject}
        database.execute(insert(account).values(**values, points=100, opened_at=request.at))
    if request.action == "bonus":
        assert context.people is not None
        told = context.people.attributes("bonus")
        shown = tuple(str(value) for value in told.values())
        database.execute(update(account).where(own).values(points=account.c.points + 10))
    row = database.execute(select(account.c.points).where(own)).first()
    if row is None:
        return TapResult(Outcome.REFUSED, "points.none", Message(context.text("none")))
    facts = tuple((context.text("label"), value) for value in (row.points, *shown))
    return TapResult(Outcome.DONE, "points.balance", Message(context.text("balance")), view=(Facts(facts),))
