"""Nights, offline records, and what other parts of the hub ask: notices, forgetting, verdicts, eligibility, health."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select

from mykey_core.api import (
    ClockState,
    EligibilityRequest,
    IdentityChange,
    IdentityReason,
    OfflineRecord,
    PluginContext,
    PluginDatabase,
)
from mykey_core.portal.tables import citizen_message
from mykey_library import offline, standing
from mykey_library.circulation import CheckoutRequest, HoldMode, HoldRequest, Place, Reason
from mykey_library.embedded import EmbeddedCirculation
from mykey_library.jobs import daily, run_night
from mykey_library.system import embedded
from mykey_library.tables import event, notice
from mykey_testkit.plugin_hub import MakeHub, PluginHub

SERVICE = "library-desk"


@pytest.fixture
def town(make_hub: MakeHub) -> PluginHub:
    """A hub with the sample library."""
    hub = make_hub("library", settings={"forget_days": 3, "suspension": 1})
    hub.import_library()
    return hub


@contextmanager
def opened(hub: PluginHub) -> Iterator[tuple[PluginContext, PluginDatabase, EmbeddedCirculation]]:
    """The plugin's context and tables, and the store at the hub's time."""
    loaded = hub.hub.plugins.plugins["library"]
    with hub.hub.database.writing() as session, hub.hub.plugins.opened(loaded, session) as database:
        yield loaded.context, database, embedded(loaded.context, database, hub.clock.now, Place("test", "main"))


def _lend(hub: PluginHub, number: str = "10000017", barcode: str = "A1000001") -> None:
    with opened(hub) as (_, _, library):
        assert library.checkout(CheckoutRequest(number, barcode)).done


def test_a_late_item_is_told_of_every_week(town: PluginHub) -> None:
    """On the first night after the due date and a week later, not in between; a job that runs twice tells once."""
    _lend(town)
    told = []
    for days in (14, 1, 0, 6, 1):
        town.clock.move(timedelta(days=days))
        with opened(town) as (_, _, library):
            told.append(run_night(library).notices)
    assert told == [0, 1, 0, 0, 1]


def test_the_late_patron_reads_it_in_the_portal(town: PluginHub) -> None:
    """One message a night for whoever has linked a card, in three languages, and no word of what was borrowed."""
    terminal = town.terminal()
    visit = terminal.tap("adult", SERVICE, "link", patron_number="10000017")["result"]["visit"]["id"]
    for barcode in ("A1000001", "A1000002"):
        assert terminal.act(SERVICE, "lend", visit, barcode=barcode)["result"]["code"] == "library.lent"
    _lend(town, "10000025", "A1000003")  # nobody has linked a card to this number
    town.clock.move(timedelta(days=15))
    for _ in range(2):
        with opened(town) as (context, database, _):
            daily(context, database, {}, town.clock.now)
    with town.hub.database.reading() as session:
        own = citizen_message.c.municipality == town.hub.settings.municipality
        rows = session.execute(select(citizen_message).where(own)).all()
    assert [row.sender for row in rows] == ["library"]
    assert rows[0].content["en"]["title"] == "You have overdue items"
    assert set(rows[0].content) == {"ja", "en", "ja-Hira"}
    assert not any(word in str(rows[0].content) for word in ("銀河鉄道", "坊っちゃん", "A1000001", "10000017"))


def test_an_old_record_does_not_undo_what_happened_since(town: PluginHub) -> None:
    """A return and a loan from before a newer loan arrive late: the newer loan stays, the librarian sees the loan."""
    before = town.clock.now
    town.clock.move(timedelta(hours=2))
    _lend(town, "10000025")
    town.clock.move(timedelta(hours=2))
    with opened(town) as (_, _, library):
        returned = library.checkin("A1000001", returned_at=before, offline=True)
        lent = library.checkout(CheckoutRequest("10000017", "A1000001", offline=True, at=before))
        still = library.loans.of_item("A1000001")
    assert (returned.done, returned.was_on_loan) == (True, False)
    assert lent.reason is Reason.ITEM_ON_LOAN
    assert still is not None
    assert still.number == "10000025"


def test_the_log_forgets_after_the_days_of_the_policy(town: PluginHub) -> None:
    """With three days, the log joins item and patron until then and never afterwards."""
    _lend(town)
    with opened(town) as (_, _, library):
        assert library.checkin("A1000001").done
        assert len(library.log.open_lines_of("10000017")) == 1
    town.clock.move(timedelta(days=3))
    with opened(town) as (context, database, library):
        daily(context, database, {}, town.clock.now)
        assert library.log.open_lines_of("10000017") == []
        rows = library.rows.all(library.rows.select(event))
        assert [(row.action, row.barcode, row.patron_number) for row in rows] == [
            ("lent", None, None),
            ("returned", None, None),
        ]


def test_an_unfetched_hold_goes_to_the_next(town: PluginHub) -> None:
    """After the last day on the shelf the copy waits for the next in line, who is told."""
    with opened(town) as (_, _, library):
        for number in ("10000017", "10000025"):
            assert library.hold(HoldRequest(HoldMode.ADD, number, item="A1000006", pickup="main")).done
        assert library.checkin("A1000006").for_hold
    town.clock.move(timedelta(days=8))
    with opened(town) as (_, _, library):
        assert run_night(library).holds_ended == 1
        aside = library.holds.set_aside("A1000006")
        assert aside is not None
        assert aside.number == "10000025"
        kinds = [row.patron_number for row in library.rows.all(library.rows.select(notice).order_by(notice.c.id))]
        assert kinds == ["10000017", "10000025"]


def test_a_late_return_suspends_instead_of_a_fine(town: PluginHub) -> None:
    """Two days late: two days without loans, and no yen."""
    _lend(town)
    town.clock.move(timedelta(days=16))
    with opened(town) as (_, _, library):
        library.checkin("A1000001")
        assert library.checkout(CheckoutRequest("10000017", "A1000002")).reason is Reason.PATRON_SUSPENDED
    town.clock.move(timedelta(days=3))
    _lend(town, barcode="A1000002")


def _record(hub: PluginHub, payload: dict[str, Any], clock: ClockState = ClockState.OK) -> OfflineRecord:
    then = hub.clock.now - timedelta(hours=5)
    key = UUID(int=1)
    return OfflineRecord(
        hub.municipality, SERVICE, "desk", "terminal", 1, key, then, hub.clock.now, clock, payload
    )  # fmt: skip


LEND = {"act": "lend", "barcode": "A1000001", "patron_number": "10000017"}


@pytest.mark.parametrize(
    ("payload", "clock", "state", "code"),
    [
        (LEND, ClockState.OK, "accepted", "library.lent"),
        ({"act": "return", "barcode": "A1000001"}, ClockState.OK, "accepted", "library.returned"),
        (LEND, ClockState.QUARANTINED, "quarantined", "library.clock_wrong"),
        ({**LEND, "barcode": "ZZZZZZ"}, ClockState.OK, "quarantined", "library.item_unknown"),
        ({**LEND, "patron_number": "99999999"}, ClockState.OK, "quarantined", "library.patron_unknown"),
        ({"act": "steal", "barcode": "A1000001"}, ClockState.OK, "rejected", "library.record_malformed"),
        ({"act": "lend", "barcode": 5}, ClockState.OK, "rejected", "library.record_malformed"),
    ],
)
def test_offline_records(town: PluginHub, payload: dict[str, Any], clock: ClockState, state: str, code: str) -> None:
    """What happened is recorded, what cannot be right waits for a person, and what makes no sense is rejected."""
    with opened(town) as (context, database, _):
        verdict = offline.judge(context, _record(town, payload, clock), database)
    assert (verdict.state.value, verdict.code) == (state, code)


def test_an_offline_loan_stands_once_whatever_the_limits(town: PluginHub) -> None:
    """The same record twice is one loan with one due date, counted from the day it happened."""
    with opened(town) as (context, database, library):
        verdicts = [offline.judge(context, _record(town, LEND), database) for _ in range(2)]
        assert [verdict.receipt for verdict in verdicts] == [{"due_on": "2026-11-16"}] * 2
        assert len(library.loans.of_patron("10000017")) == 1


def test_eligibility_says_why(town: PluginHub) -> None:
    """Not linked, may borrow, and the first reason against it."""
    terminal = town.terminal()
    terminal.tap("adult", SERVICE, "link", patron_number="10000017")
    subject = str(next(r.facts["subject"] for r in reversed(town.audit()) if r.facts.get("subject")))
    _lend(town)

    def asked(who: str) -> str:
        request = EligibilityRequest(town.municipality, SERVICE, who, town.clock.now)
        with opened(town) as (context, database, _):
            return standing.eligibility(context, request, database).code

    assert [asked("x" * 43), asked(subject)] == ["library.not_linked", "library.may_borrow"]
    town.clock.move(timedelta(days=15))
    assert asked(subject) == "library.too_many_overdue"


def test_health_misses_a_collection(make_hub: MakeHub) -> None:
    """A library without items says so; with items it is well."""
    hub = make_hub("library")
    states = []
    for _ in range(2):
        with opened(hub) as (context, database, _):
            states.append(standing.health(context, database).state.value)
        hub.import_library()
    assert states == ["degraded", "ok"]


@pytest.mark.parametrize(
    ("reason", "code"),
    [(IdentityReason.MOVED_OUT, "library.welcome"), (IdentityReason.WITHDRAWN, "library.not_linked")],
)
def test_whoever_withdraws_has_no_card(town: PluginHub, reason: IdentityReason, code: str) -> None:
    """A withdrawal ends the link; whoever has moved still has loans to bring back."""
    terminal = town.terminal()
    terminal.tap("adult", SERVICE, "link", patron_number="10000017")
    subject = str(next(r.facts["subject"] for r in reversed(town.audit()) if r.facts.get("subject")))
    change = IdentityChange(town.municipality, subject, reason, town.clock.now)
    with opened(town) as (_, database, _):
        standing.identity_ended(change, database)
    assert terminal.tap("adult", SERVICE)["result"]["code"] == code
