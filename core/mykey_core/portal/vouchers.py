"""A voucher says to the hub, through a terminal, which clerk is signed in in the browser beside it.

The page gets it for its own session and the agent hands it in with an order; it is good for one terminal and for a
minute, and ends with the session. It opens nothing: it adds a name to what the terminal may do anyway.
"""

from __future__ import annotations

import hashlib
import hmac
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from mykey_core.counter.acts import CLERKS
from mykey_core.errors import Refusal
from mykey_core.portal.sessions import SessionKind, Sessions, WebSession
from mykey_core.portal.staff import StaffMember, StaffRegister
from mykey_core.storage.database import Database

LIFETIME: Final = timedelta(seconds=60)
MAX_LENGTH: Final = 128
_LABEL: Final = "mykey clerk voucher v1"


class ClerkVouchers:
    """The vouchers of one municipality. Nothing is stored: what the session's row has is the key."""

    def __init__(self, database: Database, municipality: str, sessions: Sessions) -> None:
        self._database = database
        self._municipality = municipality
        self._sessions = sessions

    def issue(self, session: WebSession, terminal: UUID, now: datetime) -> str:
        """A voucher of a clerk's session for one terminal; `role_needed` for whoever is no clerk."""
        self._clerk(session)
        until = int((now + LIFETIME).timestamp())
        return f"{session.id}.{until}.{_mac(session, terminal, until)}"

    def redeem(self, voucher: str, terminal: UUID, now: datetime) -> StaffMember:
        """The clerk of a voucher, with the rights of this moment.

        `sign_in_needed` when it is not good (any more) at this terminal, `role_needed` when they are no clerk now.
        """
        named, until, mac = _parts(voucher)
        session = self._sessions.running(named)
        if session is None or now.timestamp() > until:
            raise Refusal("sign_in_needed", "the voucher or its session is over")
        if not hmac.compare_digest(mac.encode(), _mac(session, terminal, until).encode()):
            raise Refusal("sign_in_needed", "no voucher of this session for this terminal")
        return self._clerk(session)

    def _clerk(self, session: WebSession) -> StaffMember:
        if session.kind is not SessionKind.STAFF or session.staff_name is None:
            raise Refusal("sign_in_needed")
        with self._database.reading() as database:
            found = StaffRegister(self._municipality).get(database, session.staff_name)
        if found is None or found.state != "active" or not found.roles.intersection(CLERKS):
            raise Refusal("role_needed", ", ".join(CLERKS))
        return found


def _parts(voucher: str) -> tuple[UUID, int, str]:
    try:
        named, until, mac = voucher.split(".")
        return UUID(named), int(until), mac
    except ValueError as error:
        raise Refusal("sign_in_needed", "this is no voucher") from error


def _mac(session: WebSession, terminal: UUID, until: int) -> str:
    """HMAC-SHA256, in hexadecimal, keyed by the hash of the session's cookie, which no page and no terminal knows."""
    said = f"{_LABEL}|{session.id}|{terminal}|{until}".encode()
    return hmac.new(session.token_hash, said, hashlib.sha256).hexdigest()
