"""What nobody can ask for any more is deleted, and nothing else; large transactions reach any database."""

from __future__ import annotations

import logging
from datetime import timedelta

import pytest
from sqlalchemy import func, select

from mykey_core.audit.records import append
from mykey_core.outbox.events import emit
from mykey_core.storage.housekeeping import EVENTS_KEPT
from mykey_core.storage.session import Session
from mykey_core.storage.tables import (
    access_token,
    audit_record,
    client_assertion,
    enrolment_code,
    idempotency_key,
    outbox,
    tap,
)
from mykey_testkit.hub import MUNICIPALITY, HubHarness

_SHORT_LIVED = (access_token, client_assertion, enrolment_code, idempotency_key, outbox, tap)
_MANY = 20_000


def _counts(hub: HubHarness) -> dict[str, int]:
    counts = {}
    with hub.hub.database.reading() as session:
        for table in (*_SHORT_LIVED, audit_record):
            own = select(func.count()).select_from(table).where(table.c.municipality == MUNICIPALITY)
            counts[table.name] = session.execute(own).scalar_one()
    return counts


def _use_everything(hub: HubHarness) -> None:
    """One row at least in each table of short-lived rows."""
    terminal = hub.terminal()
    terminal.post("/taps", {"service": "library-desk", "action": "open", "input": {}}, **{"Idempotency-Key": "k"})
    hub.hub.database.commit(lambda session: emit(session, MUNICIPALITY, hub.clock.now, "x", subscribers=["nobody"]))


@pytest.mark.parametrize("age", [timedelta(0), timedelta(minutes=4)])
def test_what_can_still_be_asked_for_is_kept(library_hub: HubHarness, age: timedelta) -> None:
    """Within five minutes nothing is gone."""
    _use_everything(library_hub)
    before = _counts(library_hub)
    assert min(before.values()) > 0
    library_hub.clock.move(age)
    library_hub.hub.taps.forget_old()
    assert _counts(library_hub) == before


def test_what_has_expired_is_deleted(library_hub: HubHarness) -> None:
    """Tokens, assertions, codes and taps within two hours; stored answers after a day; the audit never."""
    _use_everything(library_hub)
    before = _counts(library_hub)
    library_hub.clock.move(timedelta(hours=2))
    library_hub.hub.taps.forget_old()
    gone = {"access_token": 0, "client_assertion": 0, "enrolment_code": 0, "tap": 0}
    assert _counts(library_hub) == before | gone
    library_hub.clock.move(timedelta(hours=22))
    library_hub.hub.taps.forget_old()
    assert _counts(library_hub) == before | gone | {"idempotency_key": 0}


def test_an_event_that_nobody_takes_is_lost_after_a_month_and_logged(
    library_hub: HubHarness, caplog: pytest.LogCaptureFixture
) -> None:
    """Not a moment before."""
    _use_everything(library_hub)
    library_hub.clock.move(EVENTS_KEPT - timedelta(microseconds=1))
    library_hub.hub.taps.forget_old()
    assert _counts(library_hub)["outbox"] == 1
    library_hub.clock.move(timedelta(microseconds=1))
    with caplog.at_level(logging.WARNING):
        library_hub.hub.taps.forget_old()
    assert _counts(library_hub)["outbox"] == 0
    assert "1 events were never taken" in caplog.text


def test_twenty_thousand_appends_are_one_transaction(library_hub: HubHarness) -> None:
    """More parameters than one statement of PostgreSQL takes (65,535); undone together, and written together."""
    database, now = library_hub.hub.database, library_hub.clock.now
    before = _counts(library_hub)["audit_record"]

    def act(session: Session) -> None:
        for _ in range(_MANY):
            append(session, MUNICIPALITY, now, "terminal.code_made", {"service_point": "desk"})

    def fail(session: Session) -> None:
        act(session)
        raise LookupError

    with pytest.raises(LookupError):
        database.commit(fail)
    assert _counts(library_hub)["audit_record"] == before
    database.commit(act)
    assert _counts(library_hub)["audit_record"] == before + _MANY
