"""Random months: whatever is uploaded, late, over a limit or taken back, the money is the same everywhere."""

from __future__ import annotations

import signal
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import bindparam, func, select

from mykey_taxi.register import Register
from mykey_taxi.rules.civil import parse_instant
from mykey_taxi.settlement.corrections import reverse
from mykey_taxi.settlement.cycle import Cycle, cycle_of
from mykey_taxi.settlement.settle import MonthSettlement
from mykey_taxi.settlement.transfer import PayerAccount, transfer_of
from mykey_taxi.tables import cycle, invoice, settlement, statement
from mykey_taxi.zengin.parse import parse

PAYER = PayerAccount(code="1234567890", name="ﾏｴﾊﾞｼｼ", bank="0128", branch="100", account_type=2, account="123456")
MONTHS = ("2026-10", "2026-11", "2026-12")


@dataclass(frozen=True)
class Trip:
    """One ride of the plan; `late` are days until the upload, `back` takes it back after its month, `amended` anew."""

    day: int
    hour: int
    fare: int
    riders: tuple[int, ...]
    operator: int
    late: int
    back: bool
    amended: int | None


trips = st.builds(
    Trip,
    day=st.integers(0, 60),
    hour=st.integers(6, 18),
    fare=st.integers(1, 400).map(lambda tens: tens * 10),
    riders=st.lists(st.integers(0, 3), min_size=1, max_size=4, unique=True).map(tuple),
    operator=st.integers(0, 1),
    late=st.sampled_from([0, 0, 1, 10, 40]),
    back=st.booleans(),
    amended=st.sampled_from([None, 0, 10]),
)


@given(plan=st.lists(trips, max_size=12))
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_statements_invoices_and_transfers_are_the_same_money(fresh_town: Any, plan: list[Trip]) -> None:
    """Σ statements = Σ invoices = Σ transfer files + what is carried on, in every month and over all of them."""
    _conserved(fresh_town, plan)


@pytest.mark.nightly
@given(plan=st.lists(trips, max_size=30))
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_same_money_over_many_months(fresh_town: Any, plan: list[Trip]) -> None:
    """The same for hundreds of longer plans."""
    _conserved(fresh_town, plan)


def _conserved(fresh_town: Any, plan: list[Trip]) -> None:
    with fresh_town() as town:
        riders = [town.add_rider(f"person-{number}", date(2026, 10, 1)) for number in range(3)] + ["r-unknown"]
        paid = 0
        done: set[int] = set()
        for month in MONTHS:
            paid += _month(town, month, plan, riders, done)
        with town.begin() as database:
            last = select(func.sum(invoice.c.carried_out_yen)).where(
                invoice.c.municipality == bindparam("m"), invoice.c.cycle == MONTHS[-1]
            )
            open_rest = database.execute(last, {"m": "102016"}).scalar() or 0
            assert _sum(database, statement.c.subsidy_yen) == paid + open_rest


def _month(town: Any, month: str, plan: list[Trip], riders: list[str], done: set[int]) -> int:
    """Upload what arrives in time for this month, close it, take rides back; what was transferred."""
    for number, trip in enumerate(plan):
        board = f"{date(2026, 10, 1) + timedelta(days=trip.day)}T{trip.hour:02d}:30"
        uploaded = parse_instant(board) + timedelta(days=trip.late, hours=1)
        if number not in done and str(cycle_of(parse_instant(board), uploaded)[0]) == month:
            done.add(number)
            names = [riders[index] for index in trip.riders]
            receipt = town.ride(
                names,
                board,
                meter=trip.fare,
                operator=f"op{trip.operator}",
                uploaded=uploaded.isoformat(),
                ride_id=f"n{number}",
            )
            assert receipt.cycle == month
    closed = town.close(month)
    with town.begin() as database:
        operators = Register(database).operators()
        own = closed.subsidy_yen + sum(entry.corrections_yen for entry in closed.invoices)
        assert _sum(database, statement.c.subsidy_yen, month) == own
    transfer = transfer_of(closed, PAYER, operators)
    assert (0 if transfer is None else parse(transfer.content).total) == closed.due_yen
    _take_back(town, month, plan)
    return closed.due_yen


def _take_back(town: Any, month: str, plan: list[Trip]) -> None:
    at = parse_instant(f"{month}-28T10:00") + timedelta(days=20)
    for number, trip in enumerate(plan):
        with town.begin() as database:
            query = select(settlement.c.subsidy_yen, settlement.c.reason).where(
                settlement.c.municipality == bindparam("m"), settlement.c.ride_id == f"n{number}"
            )
            found = database.execute(query, {"m": "102016"}).first()
            if trip.back and found is not None and found.reason is None:
                try:
                    reverse(database, f"n{number}", reason="試験", by="clerk", at=at, amended_yen=trip.amended)
                except ValueError:
                    raise
                except Exception as error:  # noqa: BLE001 - reversed in an earlier round
                    assert "reversed already" in str(error) or "not closed" in str(error)  # noqa: PT017


def _sum(database: Any, column: Any, month: str | None = None) -> int:
    query = select(func.sum(column)).where(column.table.c.municipality == bindparam("m"))
    if month is not None:
        query = query.where(column.table.c.cycle == month)
    return int(database.execute(query, {"m": "102016"}).scalar() or 0)


def test_a_close_that_stops_half_way_is_begun_again(taxi_town: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a fault between judging and the last commit the month is `closing`; closing it again ends as if nothing."""
    one = taxi_town.add_rider("one")
    for hour in (9, 11):
        taxi_town.ride([one], f"2026-10-05T{hour:02d}:00")
    with monkeypatch.context() as patch:
        patch.setattr(MonthSettlement, "_store", _broken)
        with pytest.raises(OSError, match="power cut"):
            taxi_town.close("2026-10")
    with taxi_town.begin() as database:
        state = select(cycle.c.state).where(cycle.c.municipality == bindparam("m"))
        assert database.execute(state, {"m": "102016"}).scalar() == "closing"
    assert taxi_town.ride([one], "2026-10-06T09:00").cycle == "2026-11"
    assert taxi_town.close("2026-10").subsidy_yen == 1430


def _broken(*_: object) -> None:
    raise OSError("power cut")


_PROGRAM = """
import os, signal, sys
from contextlib import contextmanager
from mykey_core.plugins.database import PluginDatabase, opened
from mykey_core.storage.database import open_database
from mykey_taxi.rules.packs import shipped_packs
from mykey_taxi.settlement import reading, settle
from mykey_taxi.settlement.close import MonthClose
from mykey_taxi.settlement.cycle import Cycle

reading.PAGE = 7
settle.TOGETHER = 1
hub = open_database(sys.argv[1], "102016")
steps, inside = int(sys.argv[2]), sys.argv[3] == "inside"
count = 0

def die():
    os.kill(os.getpid(), signal.SIGKILL)

@contextmanager
def begin():
    global count
    count += 1
    if count == steps and not inside:
        die()
    with hub.writing() as session:
        if hub.engine.dialect.name == "sqlite":
            with opened("taxi", "taxi_", "102016", session, granted=True) as database:
                yield database
        else:  # as in TaxiTown
            yield PluginDatabase("taxi", "taxi_", "102016", session)
        if count == steps:  # everything of this piece is done but the commit
            die()

MonthClose(begin, shipped_packs(), Cycle(2026, 10)).run(Cycle(2026, 10).cut_off)
"""


def test_a_close_killed_at_every_transaction_ends_the_same(fresh_town: Any, run_apart: Any) -> None:
    """SIGKILL before the n-th transaction, for every n: the next close ends with the same month to the yen."""
    steps, status = 0, -signal.SIGKILL
    while status:
        steps += 1
        with fresh_town() as town:
            one, two = town.add_rider("one"), town.add_rider("two")
            for number in range(12):
                town.ride([one, two][: 1 + number % 2], f"2026-10-{number + 1:02d}T10:00", meter=1000 + 10 * number)
            status = run_apart(_PROGRAM, town.url, str(steps), "before")
            assert status in {0, -signal.SIGKILL}
            month = town.close("2026-10")
            assert (month.rides, month.subsidy_yen, month.due_yen) == (12, 9150, 9150)
            with town.begin() as database:
                assert _sum(database, statement.c.subsidy_yen) == 9150
    assert steps > 8


@pytest.mark.nightly
@pytest.mark.postgres
def test_a_close_killed_on_postgresql_ends_the_same(postgres_town: Any, run_apart: Any) -> None:
    """SIGKILL before the n-th commit, for every n: the server rolls that back, and the next close ends the same."""
    steps, status = 0, -signal.SIGKILL
    while status:
        steps += 1
        town = postgres_town()
        one, two = town.add_rider("one"), town.add_rider("two")
        for number in range(8):
            town.ride([one, two][: 1 + number % 2], f"2026-10-{number + 1:02d}T10:00", meter=1000 + 10 * number)
        town.hub.engine.dispose()
        status = run_apart(_PROGRAM, town.url, str(steps), "inside")
        assert status in {0, -signal.SIGKILL}
        month = town.close("2026-10")
        assert (month.rides, month.due_yen) == (8, 6060)
        with town.begin() as database:
            assert _sum(database, statement.c.subsidy_yen) == 6060
        town.hub.dispose()
    assert steps > 8


def test_cycles() -> None:
    """TX-M1 over the year's end, and one who uploads a quarter late."""
    assert cycle_of(parse_instant("2026-12-31T17:00"), parse_instant("2027-01-05T23:59:59"))[0] == Cycle(2026, 12)
    assert cycle_of(parse_instant("2026-12-31T17:00"), parse_instant("2027-01-06T00:00")) == (Cycle(2027, 1), True)
    assert cycle_of(parse_instant("2026-10-01T00:10"), parse_instant("2027-01-20T00:00"))[0] == Cycle(2027, 1)
