"""What a terminal needs to know when it has no network: signed by the hub, with a number that only rises.

A terminal refuses a configuration with a lower number than it has seen, so that nobody can bring back a card that was
denied in between by replaying an older one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

from joserfc import jws
from joserfc.jwk import OKPKey
from sqlalchemy import delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from mykey_core.audit.canonical import canonical_json
from mykey_core.audit.events import CODE, EventType, register
from mykey_core.audit.keys import create_audit_key, load_audit_key
from mykey_core.audit.records import append
from mykey_core.clock import Clock
from mykey_core.errors import ConfigurationError
from mykey_core.storage.database import Database
from mykey_core.storage.session import Session
from mykey_core.terminals.registry import Terminal
from mykey_core.terminals.tables import denied_card, point_configuration

TYPE = "mykey-terminal-configuration+jwt"
ALGORITHM = "Ed25519"
POLL = timedelta(seconds=5)
"""How often a terminal reports; also how long a revoked one may go on unaware. The hub itself refuses it at once."""
STALE_AFTER = timedelta(days=7)
"""A terminal without news for so long tells its people; whether it goes on is its service's rule."""
_SETTING = "terminal_key_file"

register(
    EventType("card.denied", {"reason": CODE, "actor": CODE}),
    EventType("card.denial_ended", {"actor": CODE}),
)


@dataclass(frozen=True, slots=True)
class Configuration:
    """A configuration as a terminal gets it: `document` is a JWS in compact form."""

    sequence: int
    document: str


class ConfigurationService:
    """Makes and signs the configurations of one municipality's terminals."""

    def __init__(
        self,
        database: Database,
        municipality: str,
        clock: Clock,
        *,
        key_file: Path,
        origin: str,
        offered: Callable[[Iterable[str], str], list[str]],
    ) -> None:
        self._database = database
        self._offered = offered
        self._municipality = municipality
        self._clock = clock
        self._key_file = key_file
        self._origin = origin

    @cached_property
    def _key(self) -> OKPKey:
        """The hub's key for terminals; made when it is used first, so that older hubs need no step of their own."""
        try:
            create_audit_key(self._key_file)
        except FileExistsError:
            pass
        except OSError as error:
            raise ConfigurationError(_SETTING, f"it cannot be made ({error.strerror})") from error
        return OKPKey.import_key(load_audit_key(self._key_file, "terminals").key)

    def public_jwk(self) -> dict[str, str]:
        """The public half, which a terminal keeps from its enrolment on."""
        return {name: str(value) for name, value in self._key.as_dict(private=False).items()}

    def sequence(self, terminal: Terminal) -> int:
        """The number of what this terminal should know now."""
        with self._database.reading() as session:
            digest = _digest(self._content(session, terminal))
            row = self._row(session, terminal)
        if row is not None and row[1] == digest:
            return row[0]
        try:
            return self._database.commit(lambda session: self._number(session, terminal))
        except IntegrityError:  # another process made the row in the same moment
            return self._database.commit(lambda session: self._number(session, terminal))

    def signed(self, terminal: Terminal) -> Configuration:
        """The configuration for this terminal, as of now."""
        sequence = self.sequence(terminal)
        now = self._clock()
        with self._database.reading() as session:
            content = self._content(session, terminal)
        claims = {
            "iss": self._origin,
            "aud": str(terminal.id),
            "sequence": sequence,
            "as_of": now.isoformat(),
            "stale_at": (now + STALE_AFTER).isoformat(),
            "poll_seconds": int(POLL.total_seconds()),
            **content,
        }
        header = {"alg": ALGORITHM, "typ": TYPE, "kid": self._key.thumbprint()}
        document = jws.serialize_compact(header, canonical_json(claims), self._key, algorithms=[ALGORITHM])
        return Configuration(sequence, document)

    def _content(self, session: Session, terminal: Terminal) -> Mapping[str, Any]:
        query = select(denied_card.c.alias).where(denied_card.c.municipality == self._municipality)
        return {
            "service_point": {"name": terminal.service_point, "title": dict(terminal.title)},
            "services": self._offered(terminal.services, terminal.service_point),
            "denied": sorted(session.execute(query).scalars()),
        }

    def _number(self, session: Session, terminal: Terminal) -> int:
        digest = _digest(self._content(session, terminal))
        row = self._row(session, terminal, lock=True)
        if row is not None and row[1] == digest:
            return row[0]
        sequence = 1 if row is None else row[0] + 1
        values = {"sequence": sequence, "digest": digest, "changed_at": self._clock()}
        if row is None:
            own = {"municipality": self._municipality, "service_point": terminal.service_point}
            session.execute(insert(point_configuration).values(**own, **values))
        else:
            session.execute(update(point_configuration).where(*self._point(terminal)).values(**values))
        return sequence

    def _row(self, session: Session, terminal: Terminal, *, lock: bool = False) -> tuple[int, bytes] | None:
        query = select(point_configuration.c.sequence, point_configuration.c.digest).where(*self._point(terminal))
        row = session.execute(query.with_for_update() if lock else query).first()
        return None if row is None else (int(row.sequence), bytes(row.digest))

    def _point(self, terminal: Terminal) -> tuple[Any, Any]:
        table = point_configuration.c
        return table.municipality == self._municipality, table.service_point == terminal.service_point


def deny_card(session: Session, municipality: str, alias: str, *, reason: str, at: datetime, actor: str) -> None:
    """Terminals refuse the card with this alias of a slot from their next configuration on, also offline."""
    own = (denied_card.c.municipality == municipality, denied_card.c.alias == alias)
    if session.execute(select(denied_card.c.since).where(*own)).first() is None:
        values = {"municipality": municipality, "alias": alias, "reason": reason, "since": at}
        session.execute(insert(denied_card).values(**values))
        append(session, municipality, at, "card.denied", {"reason": reason, "actor": actor})


def allow_card(session: Session, municipality: str, alias: str, *, at: datetime, actor: str) -> bool:
    """End a denial; False when there is none."""
    own = (denied_card.c.municipality == municipality, denied_card.c.alias == alias)
    if session.execute(delete(denied_card).where(*own)).rowcount == 0:
        return False
    append(session, municipality, at, "card.denial_ended", {"actor": actor})
    return True


def _digest(content: Mapping[str, Any]) -> bytes:
    return hashlib.sha256(canonical_json(content).encode()).digest()
