"""A line that loses, splits, flips, doubles, delays and cuts: no wrong loan, no double loan, and no false claim."""

from __future__ import annotations

import contextlib
import random
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from mykey_library.circulation import (
    CheckoutRequest,
    CirculationUnavailable,
    HoldMode,
    HoldRequest,
    ItemState,
    Reason,
    Verdict,
)
from mykey_library.sip2.errors import ConnectionFailed

PATRONS = ("10000017", "10000025", "10000033", "10000041")
FAST = {"obeys_timeout": False, "reply_seconds": 0.25, "retries": 4, "settle_seconds": 0.05}


class Borrowers:
    """Lends and returns at random over a bad line, and keeps the book of what was claimed and what must be true."""

    def __init__(self, system: Any, library: Any, dice: random.Random) -> None:
        self.system, self.library, self.dice = system, library, dice
        self.claims: Counter[str] = Counter()
        self.changes: Counter[str] = Counter()
        self.wrong: list[str] = []

    def step(self) -> None:
        """One wish of one patron, then the claim is compared with the store."""
        patron, item = self.dice.choice(PATRONS), self.dice.choice(self.library.barcodes)
        before = self.library.loans()
        lending = item not in before
        try:
            if lending:
                verdict = self.system.checkout(CheckoutRequest(patron, item, renewal_allowed=False)).verdict
            else:
                verdict = self.system.checkin(item).verdict
        except (CirculationUnavailable, ConnectionFailed):
            self.wrong.append("raised")
            return
        self.claims[f"{'checkout' if lending else 'checkin'} {verdict.value}"] += 1
        self._compare(before, item, patron if lending else None, verdict)

    def _compare(self, before: dict[str, str], item: str, patron: str | None, verdict: Verdict) -> None:
        after = self.library.loans()
        if {key: value for key, value in after.items() if key != item} != {
            key: value for key, value in before.items() if key != item
        }:
            self.wrong.append("a loan of another item changed")
        changed = after.get(item) != before.get(item)
        if changed:
            self.changes["lent" if patron else "returned"] += 1
        if changed and after.get(item) != patron:
            self.wrong.append("a loan to somebody else")
        if verdict is not Verdict.UNKNOWN and changed != (verdict is Verdict.DONE):
            self.wrong.append(f"claimed {verdict.value} of a {'checkout' if patron else 'checkin'}")


def _run(messages: int, library: Any, system: Any, line: Any, seed: int) -> Borrowers:
    borrowers = Borrowers(system, library, random.Random(seed))  # noqa: S311 - wishes, no secrets
    while line.messages < messages:
        borrowers.step()
    return borrowers


@pytest.mark.parametrize(
    "messages", [300, pytest.param(10_000, marks=[pytest.mark.nightly, pytest.mark.timeout(3600)])]
)
def test_bad_line(
    messages: int,
    library: Any,
    serve: Callable[..., Any],
    connect: Callable[..., Any],
    proxy: Callable[..., Any],
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Through a proxy that spoils one message in seven, every claim of the client is what the store says."""
    line = proxy(serve(exclusive=True).port, rate=0.14, seed=messages, delay_seconds=0.35)
    _, system = connect(line.port, **FAST)
    borrowers = _run(messages, library, system, line, seed=7)
    figures = {"messages": line.messages, **line.counts, **borrowers.claims, "wrong": len(borrowers.wrong)}
    with capsys.disabled() if messages > 1000 else contextlib.nullcontext():
        print(f"\n{figures}")  # noqa: T201 - the figures of the run
    assert borrowers.wrong == []
    assert borrowers.claims["checkout done"] > messages // 40
    assert all(line.counts.values())
    assert {name: library.acts()[name] for name in ("lent", "renewed", "returned")} == {
        "lent": borrowers.changes["lent"],
        "renewed": 0,
        "returned": borrowers.changes["returned"],
    }


def test_the_server_dies_after_the_commit(
    library: Any, serve: Callable[..., Any], connect: Callable[..., Any], proxy: Callable[..., Any]
) -> None:
    """The answer is lost after the loan was made: the client finds the loan and says DONE with its due date."""
    line = proxy(serve().port, rate=0, seed=1)
    connection, system = connect(line.port, **FAST)
    connection.open()
    line._pass = _closing_after(b"12")
    lent = system.checkout(CheckoutRequest(PATRONS[0], "A1000001"))
    assert (lent.verdict, lent.title, lent.item) == (Verdict.DONE, "銀河鉄道の夜", "A1000001")
    assert lent.due_at is not None
    assert library.loans() == {"A1000001": PATRONS[0]}


def test_the_line_breaks_before_the_loan(
    library: Any, serve: Callable[..., Any], connect: Callable[..., Any], proxy: Callable[..., Any]
) -> None:
    """The request is lost on its way: the client finds no loan and says NOT_DONE."""
    line = proxy(serve().port, rate=0, seed=1)
    connection, system = connect(line.port, **FAST)
    connection.open()
    line._pass = _closing_after(b"11")
    lent = system.checkout(CheckoutRequest(PATRONS[0], "A1000001"))
    assert (lent.verdict, lent.reason) == (Verdict.NOT_DONE, Reason.NO_ANSWER)
    assert library.loans() == {}


def test_the_system_stays_away(
    library: Any, serve: Callable[..., Any], connect: Callable[..., Any], proxy: Callable[..., Any]
) -> None:
    """The answer is lost and the system does not come back: UNKNOWN, and nothing is claimed."""
    line = proxy(serve().port, rate=0, seed=1)
    connection, system = connect(line.port, **FAST)
    connection.open()
    spoil = _closing_after(b"12")

    def last(frame: bytes, sink: Any) -> None:
        if frame.startswith(b"12"):
            line.stop()
        spoil(frame, sink)

    line._pass = last
    lent = system.checkout(CheckoutRequest(PATRONS[0], "A1000001"))
    assert (lent.verdict, lent.reason) == (Verdict.UNKNOWN, Reason.NO_ANSWER)
    assert library.loans() == {"A1000001": PATRONS[0]}


@pytest.mark.parametrize(("lost", "verdict"), [(b"10", Verdict.DONE), (b"09", Verdict.NOT_DONE)])
def test_a_return_that_is_not_answered(
    lost: bytes,
    verdict: Verdict,
    serve: Callable[..., Any],
    connect: Callable[..., Any],
    proxy: Callable[..., Any],
) -> None:
    """A return whose request or answer is lost is found by the item."""
    line = proxy(serve().port, rate=0, seed=1)
    _, system = connect(line.port, **FAST)
    system.checkout(CheckoutRequest(PATRONS[0], "A1000001"))
    line._pass = _closing_after(lost)
    assert system.checkin("A1000001").verdict is verdict
    expected = ItemState.AVAILABLE if verdict is Verdict.DONE else ItemState.CHARGED
    assert system.item_information("A1000001").state is expected


@pytest.mark.parametrize(("lost", "verdict"), [(b"30", Verdict.DONE), (b"29", Verdict.NOT_DONE)])
def test_a_renewal_that_is_not_answered(
    lost: bytes,
    verdict: Verdict,
    library: Any,
    serve: Callable[..., Any],
    connect: Callable[..., Any],
    proxy: Callable[..., Any],
) -> None:
    """A renewal whose request or answer is lost is found by the due date."""
    from datetime import timedelta

    line = proxy(serve().port, rate=0, seed=1)
    _, system = connect(line.port, **FAST)
    system.checkout(CheckoutRequest(PATRONS[0], "A1000001"))
    library.now += timedelta(days=4)
    line._pass = _closing_after(lost)
    assert system.renew(CheckoutRequest(PATRONS[0], "A1000001")).verdict is verdict


@pytest.mark.parametrize(("lost", "verdict"), [(b"16", Verdict.DONE), (b"15", Verdict.NOT_DONE)])
def test_a_hold_that_is_not_answered(
    lost: bytes,
    verdict: Verdict,
    serve: Callable[..., Any],
    connect: Callable[..., Any],
    proxy: Callable[..., Any],
) -> None:
    """A hold whose request or answer is lost is found among the patron's holds."""
    line = proxy(serve().port, rate=0, seed=1)
    _, system = connect(line.port, **FAST)
    system.checkout(CheckoutRequest(PATRONS[1], "A1000001"))
    line._pass = _closing_after(lost)
    assert system.hold(HoldRequest(HoldMode.ADD, PATRONS[0], "A1000001")).verdict is verdict


def test_a_slow_system_executes_once(library: Any, serve: Callable[..., Any], connect: Callable[..., Any]) -> None:
    """Answers slower than the client's time-out: the request is sent again, and lent once."""
    connection, system = connect(serve().port, obeys_timeout=False, reply_seconds=0.2, retries=9)
    connection.open()
    library.slow = 0.5
    lent = system.checkout(CheckoutRequest(PATRONS[0], "A1000001"))
    library.slow = 0.0
    assert (lent.verdict, lent.renewed) == (Verdict.DONE, False)
    assert system.end_session(PATRONS[0])  # after it nothing that was sent again is under way
    assert (library.acts()["lent"], library.acts()["renewed"]) == (1, 0)


def _closing_after(message: bytes) -> Callable[[bytes, Any], None]:
    """Lets everything pass until the first message of this id, which is lost with the connection."""
    done = False

    def spoil(frame: bytes, sink: Any) -> None:
        nonlocal done
        if frame.startswith(message) and not done:
            done = True
            time.sleep(0.05)
            raise OSError
        sink.sendall(frame)

    return spoil
