"""Forgetting what nobody can ask for any more. Taps and visits are `taps.store`'s; the audit is never forgotten."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from sqlalchemy import delete

from mykey_core.counter.tables import counter_case, passkey_challenge
from mykey_core.portal.tables import rate_count, sign_in, web_session
from mykey_core.storage.session import Session
from mykey_core.storage.tables import access_token, client_assertion, enrolment_code, idempotency_key, outbox

EVENTS_KEPT = timedelta(days=30)
"""How long an event waits for a subscriber that does not take it; it is then lost to it, and that is logged."""
LOOK_UPS_KEPT = timedelta(days=90)
"""How long an auditor sees counts of clerks' look-ups; the look-ups themselves stand in the audit log."""
_EXPIRING = (
    idempotency_key, client_assertion, access_token, enrolment_code, rate_count, sign_in, web_session,
    passkey_challenge,
)  # fmt: skip
_log = logging.getLogger(__name__)


def forget_expired(session: Session, municipality: str, now: datetime) -> int:
    """Delete stored answers, used assertions, tokens and codes that have expired, and old events.

    Returns the number of rows.
    """
    gone = 0
    for table in _EXPIRING:
        expired = delete(table).where(table.c.municipality == municipality, table.c.expires_at <= now)
        gone += session.execute(expired).rowcount
    seen = delete(counter_case).where(
        counter_case.c.municipality == municipality, counter_case.c.opened_at <= now - LOOK_UPS_KEPT
    )
    gone += session.execute(seen).rowcount
    old = delete(outbox).where(outbox.c.municipality == municipality, outbox.c.created_at <= now - EVENTS_KEPT)
    undelivered = session.execute(old).rowcount
    if undelivered:
        _log.warning("%d events were never taken by their subscribers and are forgotten", undelivered)
    return gone + undelivered
