"""Our client against our server over the real embedded store: every pair of messages, and one visit from tap to end."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from mykey_library.circulation import (
    CheckoutRequest,
    CirculationUnavailable,
    Flag,
    HoldMode,
    HoldRequest,
    ItemState,
    Listing,
    Reason,
    Verdict,
)
from mykey_library.sip2 import requests, responses
from mykey_library.sip2.errors import LoginRefused

PATRON, OTHER, ITEM = "10000017", "10000025", "A1000001"


@pytest.fixture
def system(serve: Callable[..., Any], connect: Callable[..., Any]) -> Any:
    """Our client, connected to our server."""
    return connect(serve().port)[1]


def test_login_and_status(serve: Callable[..., Any], connect: Callable[..., Any]) -> None:
    """93 and 99: the system's name, its time-out and all sixteen messages are told."""
    connection, _ = connect(serve().port)
    connection.open()
    status = connection.status
    assert (status.institution, status.library, status.supported) == ("姫路市立図書館", "本館", "Y" * 16)
    assert (status.timeout, status.retries) == (timedelta(seconds=5), 3)


def test_wrong_password(serve: Callable[..., Any]) -> None:
    """A wrong password is a typed error and nothing can be asked."""
    from mykey_library.sip2.client import Peer, Sip2Connection

    connection = Sip2Connection(Peer("127.0.0.1", serve().port, "x", user="kiosk01", password="wrong"))
    with pytest.raises(LoginRefused):
        connection.open()


def test_lend_and_return(system: Any, library: Any) -> None:
    """11, 63, 17 and 09: a loan shows at once in the account and at the item, and is gone after the return."""
    lent = system.checkout(CheckoutRequest(PATRON, ITEM))
    assert (lent.verdict, lent.title, lent.desensitize, lent.renewed) == (Verdict.DONE, "銀河鉄道の夜", True, False)
    assert lent.due_at.date() >= (library.now + timedelta(days=13)).date()
    account = system.patron_information(PATRON, listing=Listing.CHARGED)
    assert (account.counts.charged, [entry.item for entry in account.entries]) == (1, [ITEM])
    assert system.item_information(ITEM).state is ItemState.CHARGED
    back = system.checkin(ITEM)
    assert (back.verdict, back.was_on_loan, back.resensitize) == (Verdict.DONE, True, True)
    assert library.loans() == {}
    again = system.checkin(ITEM)
    assert (again.verdict, again.was_on_loan) == (Verdict.DONE, False)


def test_refusals_carry_a_reason(system: Any) -> None:
    """An item that somebody else has, and numbers that nobody has, are refused with words for the screen."""
    system.checkout(CheckoutRequest(OTHER, ITEM))
    taken = system.checkout(CheckoutRequest(PATRON, ITEM))
    assert (taken.verdict, taken.reason, taken.due_at) == (Verdict.NOT_DONE, Reason.SYSTEM_REFUSED, None)
    assert "貸出中" in taken.message
    nobody = system.patron_status("99999999")
    assert (nobody.known, nobody.reasons) == (False, (Reason.PATRON_UNKNOWN,))
    assert Flag.CHARGE_DENIED in nobody.flags
    assert not system.item_information("Z9999999").known


def test_renew_and_renew_all(system: Any, library: Any) -> None:
    """29 and 65: a renewal moves the due date; renew-all names what was renewed."""
    first = system.checkout(CheckoutRequest(PATRON, ITEM))
    system.checkout(CheckoutRequest(PATRON, "A1000002"))
    library.now += timedelta(days=3)
    renewed = system.renew(CheckoutRequest(PATRON, ITEM))
    assert renewed.done
    assert renewed.due_at > first.due_at
    library.now += timedelta(days=3)
    everything = system.renew_all(PATRON)
    assert everything.verdict is Verdict.DONE
    assert set(everything.renewed) | set(everything.unrenewed) == {ITEM, "A1000002"}


def test_hold_and_its_trap(system: Any) -> None:
    """15: a hold on an item that is out traps it at its return, with an alert for the staff."""
    system.checkout(CheckoutRequest(OTHER, ITEM))
    held = system.hold(HoldRequest(HoldMode.ADD, PATRON, ITEM))
    assert (held.verdict, held.queue) == (Verdict.DONE, 1)
    account = system.patron_information(PATRON, listing=Listing.UNAVAILABLE_HOLDS)
    assert (account.counts.unavailable_holds, len(account.entries)) == (1, 1)
    back = system.checkin(ITEM)
    assert (back.done, back.alert, back.for_hold) == (True, True, True)
    assert system.hold(HoldRequest(HoldMode.DELETE, PATRON, ITEM)).done


def test_block_and_enable(system: Any) -> None:
    """01 and 25: a block denies lending until it is taken back."""
    blocked = system.block_patron(PATRON, card_retained=False, message="test")
    assert Flag.CHARGE_DENIED in blocked.flags
    assert Flag.CHARGE_DENIED in system.patron_status(PATRON).flags
    assert not system.checkout(CheckoutRequest(PATRON, ITEM)).done
    assert Flag.CHARGE_DENIED not in system.enable_patron(PATRON).flags
    assert system.checkout(CheckoutRequest(PATRON, ITEM)).done


def test_pin(system: Any) -> None:
    """AD: a wrong PIN of the library is told and lends nothing."""
    assert system.patron_status("10000059", pin="0000").password_ok is False
    assert system.patron_status("10000059", pin="4649").password_ok is True
    assert not system.checkout(CheckoutRequest("10000059", ITEM, pin="0000")).done


def test_item_note_payment_and_end(system: Any) -> None:
    """19, 37 and 35 are answered; a payment of nothing that is owed is refused with a reason."""
    assert system.item_status_update(ITEM, "表紙に傷").properties == "表紙に傷"
    assert system.item_information(ITEM).properties == "表紙に傷"
    paid = system.fee_paid(PATRON, 100, transaction="t-1")
    assert paid.verdict in {Verdict.DONE, Verdict.NOT_DONE}
    assert system.end_session(PATRON) is True


def test_all_pairs_are_answered(serve: Callable[..., Any], connect: Callable[..., Any]) -> None:
    """Each of the fifteen requests gets the message that answers it."""
    connection, _ = connect(serve().port)
    common = {"patron": PATRON}
    asked = [
        requests.ScStatus(),
        requests.PatronStatus(**common),
        requests.PatronInformation(**common),
        requests.Checkout(item=ITEM, **common),
        requests.Renew(item=ITEM, **common),
        requests.RenewAll(**common),
        requests.Hold(mode="+", item="A1000002", **common),
        requests.ItemInformation(item=ITEM),
        requests.ItemStatusUpdate(item=ITEM, item_properties="x"),
        requests.Checkin(item=ITEM),
        requests.FeePaid(amount="100", **common),
        requests.BlockPatron(**common),
        requests.PatronEnable(**common),
        requests.EndPatronSession(**common),
    ]
    kinds = {request.message_id: connection.exchange(request).message_id for request in asked}
    assert kinds == {key: value for key, value in requests.RESPONSE_TO.items() if key != "93"}


@pytest.mark.parametrize("charset", ["utf-8", "cp932", "euc-jp"])
def test_titles_survive_each_charset(serve: Callable[..., Any], connect: Callable[..., Any], charset: str) -> None:
    """Titles with the bar as second byte, and ideographs of names, arrive as they are stored."""
    _, system = connect(serve(charset=charset).port, charset=charset)
    assert system.item_information("A1000002").title == "ポケット竹取"
    expected = "髙﨑－物語" if charset != "euc-jp" else None
    if expected:
        assert system.item_information("A1000003").title == expected


def test_a_visit_takes_under_three_seconds(serve: Callable[..., Any], connect: Callable[..., Any]) -> None:
    """Connection, login, patron, two loans, the list for the receipt, end: under three seconds of the clock."""
    port = serve().port
    began = time.perf_counter()
    _, system = connect(port)
    assert system.patron_status(PATRON).known
    assert all(system.checkout(CheckoutRequest(PATRON, item)).done for item in ("A1000001", "A1000002"))
    receipt = system.patron_information(PATRON, listing=Listing.CHARGED)
    assert len(receipt.entries) == 2
    assert system.end_session(PATRON)
    seconds = time.perf_counter() - began
    assert seconds < 3


def test_an_unreachable_system(connect: Callable[..., Any]) -> None:
    """Nobody listens: a change is NOT_DONE for certain, a question raises."""
    _, system = connect(9)
    lent = system.checkout(CheckoutRequest(PATRON, ITEM))
    assert (lent.verdict, lent.reason) == (Verdict.NOT_DONE, Reason.SYSTEM_UNREACHABLE)
    with pytest.raises(CirculationUnavailable):
        system.patron_status(PATRON)


def test_unsupported_by_the_profile(serve: Callable[..., Any], connect: Callable[..., Any]) -> None:
    """What a kind of system does not know is not even sent."""
    _, system = connect(serve().port, "folio")
    held = system.hold(HoldRequest(HoldMode.ADD, PATRON, ITEM))
    assert (held.verdict, held.reason) == (Verdict.NOT_DONE, Reason.UNSUPPORTED)
    with pytest.raises(CirculationUnavailable):
        system.block_patron(PATRON, card_retained=False)


def test_the_name_stays_at_home(serve: Callable[..., Any], connect: Callable[..., Any]) -> None:
    """Unless the account shows it, no name crosses the line."""
    hidden, shown = serve(), serve(hide_fields=["BD"])
    connection, _ = connect(hidden.port)
    answer = connection.exchange(requests.PatronStatus(patron=PATRON))
    assert isinstance(answer, responses.PatronStatusResponse)
    assert answer.name == ""
    connection, _ = connect(shown.port)
    assert getattr(connection.exchange(requests.PatronStatus(patron=PATRON)), "name", None) == "姫路 太郎"
