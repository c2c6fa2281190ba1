"""Closing a month from the hub: at once where it is small, else as a job in pieces; its documents, made when asked for.

Documents are made from what is stored and compared with the hashes of their first issue, so none is kept on a disk.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from sqlalchemy import bindparam, func, select

from mykey_core.api import Json, LongJob, PluginContext, PluginDatabase
from mykey_taxi.errors import CycleError
from mykey_taxi.programme import packs_of
from mykey_taxi.register import M, Register, fetch
from mykey_taxi.settlement.breakdown import Breakdown
from mykey_taxi.settlement.close import ClosedMonth, MonthClose, read_month
from mykey_taxi.settlement.cycle import Cycle, parse_cycle
from mykey_taxi.settlement.documents import Documents, kept
from mykey_taxi.settlement.reading import Begin
from mykey_taxi.settlement.transfer import Transfer, read_payer, transfer_of
from mykey_taxi.tables import cycle as months
from mykey_taxi.tables import ride, settlement

AT_ONCE: Final = 5_000
"""Rides up to which a page closes a month while its reader waits: about a second."""


def begun(database: PluginDatabase) -> Begin:
    """Transactions that are all the one under way: they are committed, or undone, together."""

    @contextmanager
    def begin() -> Iterator[PluginDatabase]:
        yield database

    return begin


def rides_in(database: PluginDatabase, month: str) -> int:
    """How many rides a month has."""
    query = select(func.count().label("rides")).where(ride.c.municipality == M, ride.c.cycle == bindparam("cycle"))
    return int(fetch(database, query, cycle=month)[0].rides)


def telling(context: PluginContext) -> Callable[[PluginDatabase, ClosedMonth], None]:
    """Who hears of a month within the commit that closes it: the audit log, and plugins that ask for the event."""

    def tell(database: PluginDatabase, closed: ClosedMonth) -> None:
        facts = {"rides": closed.rides, "due": closed.due_yen}
        context.audit.record("taxi.month-closed", database, details=facts)
        context.events.publish("taxi.month-closed", {"month": closed.cycle, **facts}, database)

    return tell


def close(context: PluginContext, begin: Begin, month: str, at: datetime) -> ClosedMonth:
    """Close a month, tell of it, and issue its documents. `CycleError` when it cannot be closed.

    Killed after any commit of `begin`, it is called again and goes on; what was told is not told again.
    """
    cycle = parse_cycle(month)
    now = max(at, cycle.cut_off) if context.settings.get("early_close") else at

    with TemporaryDirectory(prefix="mykey-taxi-") as name, Breakdown(Path(name), month) as rides:
        packs = packs_of(context.settings)
        closed = MonthClose(begin, packs, cycle, listener=rides, closed=telling(context)).run(now)
        _issue(context, begin, closed, Path(name), rides)
    return closed


def job(context: PluginContext, begin: Begin, arguments: Mapping[str, Json], at: datetime) -> None:
    """The job `close-month`, in pieces; a month that is closed already stays as it is."""
    close(context, begin, str(arguments["month"]), at)


JOBS: Final = (LongJob("close-month", job),)


def _issue(context: PluginContext, begin: Begin, closed: ClosedMonth, folder: Path, rides: Breakdown) -> None:
    writer, transfer = _writer(context, begin, closed, folder)
    writer.write(transfer, rides)


def _writer(context: PluginContext, begin: Begin, closed: ClosedMonth, folder: Path) -> tuple[Documents, bytes | None]:
    """What writes a month's documents, and the content of its transfer file."""
    with begin() as database:
        transfer = transfer_file(context.settings, database, closed)
    facts = packs_of(context.settings).on(parse_cycle(closed.cycle).first_day).programme
    title = facts.title.get("ja", facts.id)
    return Documents(begin, closed, folder, programme=title), None if transfer is None else transfer.content


def document(context: PluginContext, database: PluginDatabase, month: str, name: str) -> bytes | None:
    """One issued document of a closed month, made again; nothing is written, so that nobody waits for a large one.

    None when there is none of this name; `CycleError` when it is not what was issued.
    """
    issued = kept(database, month).get(name)
    if issued is None:
        return None
    with TemporaryDirectory(prefix="mykey-taxi-") as folder:
        writer, transfer = _writer(context, begun(database), read_month(database, month), Path(folder))
        made = {entry.name: entry.sha256 for entry in writer.make(transfer)}
        if made.get(name) != issued:
            message = f"{name} was issued with other content; correct it by an entry of a later month"
            raise CycleError(month, "taxi.document_changed", message)
        return (Path(folder) / name).read_bytes()


def issue(context: PluginContext, database: PluginDatabase, month: str) -> None:
    """Issue what is missing of a closed month: its close was killed, or the town's account was not known then."""
    with TemporaryDirectory(prefix="mykey-taxi-") as folder:
        writer, transfer = _writer(context, begun(database), read_month(database, month), Path(folder))
        writer.write(transfer)


def transfer_file(settings: Mapping[str, Any], database: PluginDatabase, closed: ClosedMonth) -> Transfer | None:
    """The transfer file, where the settings name the payer's account."""
    payer = str(settings.get("payer") or "")
    return transfer_of(closed, read_payer(Path(payer)), Register(database).operators()) if payer else None


def open_months(database: PluginDatabase) -> list[tuple[str, int, int]]:
    """(month, rides, subsidy so far) of each month with rides that is not closed, oldest first."""
    closed = select(months.c.cycle).where(months.c.municipality == M, months.c.state == "closed")
    query = (
        select(ride.c.cycle, func.count().label("rides"), func.sum(settlement.c.subsidy_yen).label("yen"))
        .join(settlement, (settlement.c.municipality == ride.c.municipality) & (settlement.c.ride_id == ride.c.ride_id))
        .where(ride.c.municipality == M, settlement.c.municipality == M)
        .where(ride.c.cycle.is_not(None), ride.c.cycle.not_in(closed))
        .group_by(ride.c.cycle)
        .order_by(ride.c.cycle)
    )
    return [(row.cycle, int(row.rides), int(row.yen)) for row in fetch(database, query)]


def closed_months(database: PluginDatabase) -> list[ClosedMonth]:
    """All closed months, the newest first."""
    query = select(months.c.cycle).where(months.c.municipality == M, months.c.state == "closed")
    names = [row.cycle for row in fetch(database, query.order_by(months.c.cycle.desc()))]
    return [read_month(database, name) for name in names]


def is_closing(database: PluginDatabase, month: Cycle) -> bool:
    """Whether a close was begun and has not come to its end."""
    query = select(months.c.state).where(months.c.municipality == M, months.c.cycle == bindparam("c"))
    return any(row.state == "closing" for row in fetch(database, query, c=str(month)))
