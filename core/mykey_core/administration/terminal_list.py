"""The terminals of a town as a list to look through: by state, service point and words of their names."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import and_, func, or_, select

from mykey_core.administration.paging import SIZE, Page, clamped
from mykey_core.storage.session import Session
from mykey_core.storage.tables import service_point, terminal
from mykey_core.terminals.reports import SILENT_AFTER, TOKEN_SAYS, TerminalState, state_of
from mykey_core.terminals.tables import point_configuration, terminal_report

STATES: Final = ("active", "silent", "revoked")
_JOINED = terminal.outerjoin(
    terminal_report,
    and_(terminal_report.c.municipality == terminal.c.municipality, terminal_report.c.terminal_id == terminal.c.id),
)


@dataclass(frozen=True, slots=True)
class TerminalQuery:
    """What is looked for. `state` is one of `STATES` or empty; `text` is a part of a terminal's name or id."""

    state: str = ""
    point: str = ""
    text: str = ""
    page: int = 1


def terminals(session: Session, municipality: str, query: TerminalQuery, now: datetime) -> Page[TerminalState]:
    """One page, by service point and name."""
    wanted = _wanted(municipality, query, now)
    total = int(session.execute(select(func.count()).select_from(_JOINED).where(*wanted)).scalar_one())
    number = clamped(query.page, total)
    order = (terminal.c.service_point, terminal.c.name, terminal.c.id)
    rows = session.execute(_rows().where(*wanted).order_by(*order).offset((number - 1) * SIZE).limit(SIZE)).all()
    return Page([_state(row) for row in rows], number, total)


def find(session: Session, municipality: str, terminal_id: UUID) -> TerminalState | None:
    """One terminal, in any state."""
    row = session.execute(_rows().where(terminal.c.municipality == municipality, terminal.c.id == terminal_id)).first()
    return None if row is None else _state(row)


def by_point(session: Session, municipality: str) -> dict[str, int]:
    """Name of a service point → its terminals that are not shut out."""
    own = (terminal.c.municipality == municipality, terminal.c.state == "active")
    rows: Any = session.execute(
        select(terminal.c.service_point, func.count()).where(*own).group_by(terminal.c.service_point)
    )
    return {str(name): int(count) for name, count in rows}


def waiting_at(session: Session, municipality: str, point: str) -> list[TerminalState]:
    """The terminals of a point that are not shut out and told last that records wait in their queue."""
    own = (terminal.c.municipality == municipality, terminal.c.state == "active", terminal.c.service_point == point)
    found = [_state(row) for row in session.execute(_rows().where(*own).order_by(terminal.c.name, terminal.c.id))]
    return [one for one in found if ((one.facts or {}).get("queue") or {}).get("pending")]


def configuration_of(session: Session, municipality: str, point: str) -> int | None:
    """The number of the newest configuration that the point's terminals have been given."""
    own = (point_configuration.c.municipality == municipality, point_configuration.c.service_point == point)
    found = session.execute(select(point_configuration.c.sequence).where(*own)).scalar()
    return None if found is None else int(found)


def points(session: Session, municipality: str, text: str, page: int, *, closed: bool = False) -> Page[Any]:
    """The open service points, or the closed ones, by name (name, title, services, closed_at).

    `text` is a part of the name or of a title.
    """
    ended = service_point.c.closed_at
    columns = [service_point.c[name] for name in ("name", "title", "services", "closed_at")]
    wanted = (service_point.c.municipality == municipality, ended.is_not(None) if closed else ended.is_(None))
    rows = session.execute(select(*columns).where(*wanted).order_by(service_point.c.name)).all()
    found = [row for row in rows if not text or any(text in one for one in (row.name, *row.title.values()))]
    number = clamped(page, len(found))
    return Page(found[(number - 1) * SIZE : number * SIZE], number, len(found))


def _wanted(municipality: str, query: TerminalQuery, now: datetime) -> list[Any]:
    wanted: list[Any] = [terminal.c.municipality == municipality]
    if query.point:
        wanted.append(terminal.c.service_point == query.point)
    if query.text:
        wanted.append(_named(query.text))
    if query.state == "revoked":
        wanted.append(terminal.c.state == "revoked")
    elif query.state in STATES:
        told = func.coalesce(terminal_report.c.reported_at, terminal.c.enrolled_at) >= now - SILENT_AFTER
        asked = func.coalesce(terminal.c.token_at, terminal.c.enrolled_at) >= now - TOKEN_SAYS
        heard = or_(told, and_(terminal.c.token_at.is_not(None), asked))
        wanted += [terminal.c.state == "active", heard if query.state == "active" else ~heard]
    return wanted


def _named(text: str) -> Any:
    """A part of the name, or the whole id."""
    named = terminal.c.name.contains(text, autoescape=True)
    try:
        return or_(named, terminal.c.id == UUID(text))
    except ValueError:
        return named


def _rows() -> Any:
    told = [terminal_report.c[name] for name in ("reported_at", "configuration", "skew_ms", "facts")]
    return select(terminal, *told, terminal_report.c.version.label("reported_version")).select_from(_JOINED)


def _state(row: Any) -> TerminalState:
    return state_of(row, None if row.reported_at is None else row)
