"""From uploads to a closed month: amounts, late uploads, corrections, documents, and what stays for ever."""

from __future__ import annotations

import subprocess
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import bindparam, update
from sqlalchemy.exc import DBAPIError

from mykey_core.api import TOKYO
from mykey_taxi.errors import CycleError, UploadError
from mykey_taxi.register import Register, Uses, statement_totals
from mykey_taxi.settlement.corrections import reverse
from mykey_taxi.settlement.documents import Documents, statement_of
from mykey_taxi.settlement.lines import rides_of
from mykey_taxi.settlement.transfer import PayerAccount, transfer_of
from mykey_taxi.tables import invoice, settlement
from mykey_taxi.zengin.parse import parse

Town = Any  # the fixture's class stands in conftest.py
PAYER = PayerAccount(code="1234567890", name="ﾏｴﾊﾞｼｼ", bank="0128", branch="100", account_type=2, account="123456")


def test_a_month_from_upload_to_transfer(taxi_town: Town, tmp_path: Path) -> None:
    """Statements, invoices and the transfer file are the same money, and every ride stands in the CSV."""
    one, two = taxi_town.add_rider("one"), taxi_town.add_rider("two")
    assert taxi_town.ride([one], "2026-10-05T10:00").subsidy_yen == 715
    assert taxi_town.ride([one, two], "2026-10-06T10:00", operator="op1").subsidy_yen == 1000
    assert taxi_town.ride([one], "2026-10-07T06:59").reason == "outside_hours"
    month = taxi_town.close("2026-10")
    assert (month.rides, month.subsidy_yen, month.due_yen) == (3, 1715, 1715)
    with taxi_town.begin() as database:
        assert statement_totals(database, one) == {"2026-10": (2, 1215)}
        assert statement_totals(database, two) == {"2026-10": (1, 500)}
        operators = Register(database).operators()
    transfer = transfer_of(month, PAYER, operators)
    assert transfer is not None
    documents = Documents(taxi_town.begin, month, tmp_path / "out", programme="マイタク").write(transfer.content)
    assert parse(transfer.content).total == 1715
    assert [entry.name for entry in documents] == [
        "invoice-2026-10-op0.pdf",
        "invoice-2026-10-op1.pdf",
        "rides-2026-10-op0.csv",
        "rides-2026-10-op1.csv",
        "statements-2026-10.csv",
        "transfer-2026-10.txt",
    ]
    assert (tmp_path / "out" / "rides-2026-10-op0.csv").read_text("utf-8-sig").count("\n") == 2
    again = Documents(taxi_town.begin, month, tmp_path / "again", programme="マイタク").write(transfer.content)
    assert again == documents


def test_documents_are_japanese_and_readable(taxi_town: Town, tmp_path: Path) -> None:
    """Poppler reads the amounts and the Japanese words of invoice and statement."""
    one, two = taxi_town.add_rider("one"), taxi_town.add_rider("two")
    taxi_town.ride([one, two], "2026-10-05T10:00", meter=1980, board_zone="前橋駅")
    month = taxi_town.close("2026-10")
    Documents(taxi_town.begin, month, tmp_path, programme="マイタク").write()
    with taxi_town.begin() as database:
        (tmp_path / "s.pdf").write_bytes(statement_of(database, one, "2026-10", programme="マイタク"))
    text = _text(tmp_path / "invoice-2026-10-op0.pdf")
    assert all(word in text for word in ("請求書", "第0タクシー", "1,000", "2026-10-05"))
    text = _text(tmp_path / "s.pdf")
    assert all(word in text for word in ("利用明細書", "前橋駅", "10:00", "500", "相乗り 2 人"))


def _text(path: Path) -> str:
    return subprocess.run(["pdftotext", "-layout", path, "-"], check=True, capture_output=True, text=True).stdout


def test_a_late_upload_belongs_to_the_earliest_open_month(taxi_town: Town) -> None:
    """Day 5 is in time, day 6 is an adjustment of the next month, also while October is not closed yet."""
    one = taxi_town.add_rider("one")
    assert taxi_town.ride([one], "2026-10-30T10:00", uploaded="2026-11-05T23:59:59").cycle == "2026-10"
    late = taxi_town.ride([one], "2026-10-30T12:00", uploaded="2026-11-06T00:00")
    assert (late.cycle, late.adjustment) == ("2026-11", True)
    assert taxi_town.close("2026-10").subsidy_yen == 715
    assert taxi_town.close("2026-11").subsidy_yen == 715


def test_an_upload_during_the_close_goes_to_the_next_month(taxi_town: Town) -> None:
    """Once a close has begun nothing enters the month, whatever the clock of the upload says."""
    one = taxi_town.add_rider("one")
    taxi_town.close("2026-10")
    receipt = taxi_town.ride([one], "2026-10-30T10:00", uploaded="2026-11-05T10:00")
    assert (receipt.cycle, receipt.adjustment) == ("2026-11", True)


def test_limits_hold_over_late_uploads_and_months(taxi_town: Town) -> None:
    """A late third ride of a day is flagged though two of them were settled in an earlier month (TX-L5)."""
    one = taxi_town.add_rider("one")
    for hour in (9, 11):
        taxi_town.ride([one], f"2026-10-30T{hour:02d}:00")
    taxi_town.close("2026-10")
    late = taxi_town.ride([one], "2026-10-30T15:00", uploaded="2026-11-20T10:00")
    assert "over_limit" in late.flags
    assert taxi_town.close("2026-11").subsidy_yen == 715  # the operator acted in good faith
    with taxi_town.begin() as database:
        assert Uses(database).within(2026, [one]) == {one: 3}


def test_a_replay_gets_the_same_receipt_and_another_content_is_refused(taxi_town: Town) -> None:
    """TX-U1: one row; TX-U2: the first stays."""
    one = taxi_town.add_rider("one")
    first = taxi_town.ride([one], "2026-10-05T10:00")
    taxi_town._sequence.clear()
    again = taxi_town.ride([one], "2026-10-05T10:00")
    assert (again.as_json(), again.new) == (first.as_json(), False)
    taxi_town._sequence.clear()
    with pytest.raises(UploadError) as caught:
        taxi_town.ride([one], "2026-10-05T10:00", meter=9000)
    assert caught.value.code == "taxi.ride_contradicts"
    assert taxi_town.close("2026-10").subsidy_yen == 715


def test_a_reversal_is_an_entry_of_a_later_month(taxi_town: Town) -> None:
    """October stays; November pays less, and carries a negative rest on to December."""
    one = taxi_town.add_rider("one")
    ride = taxi_town.ride([one], "2026-10-05T10:00")
    october = taxi_town.close("2026-10")
    at = datetime(2026, 11, 10, tzinfo=TOKYO)
    with taxi_town.begin() as database:
        entries = reverse(database, ride.ride_id, reason="誤登録", by="clerk-1", at=at)
    assert [(entry.cycle, entry.subsidy_yen) for entry in entries] == [("2026-11", -715)]
    taxi_town.ride([one], "2026-11-11T10:00", meter=400)
    november = taxi_town.close("2026-11")
    assert [(e.rides_yen, e.corrections_yen, e.due_yen, e.carried_out_yen) for e in november.invoices] == [
        (200, -715, 0, -515)
    ]
    taxi_town.ride([one], "2026-12-11T10:00", meter=2000)
    december = taxi_town.close("2026-12")
    assert [(e.carried_in_yen, e.due_yen) for e in december.invoices] == [(-515, 485)]
    assert taxi_town.close("2026-10") == october
    with taxi_town.begin() as database:
        assert [line.share_yen for line in rides_of(database, one, "2026-11")] == [200, -715]
        assert Uses(database).within(2026, [one]) == {one: 2}


def test_an_amended_ride_pays_the_difference(taxi_town: Town) -> None:
    """Reversed and settled anew in one step; a second reversal of the same ride is refused."""
    one = taxi_town.add_rider("one")
    ride = taxi_town.ride([one], "2026-10-05T10:00")
    taxi_town.close("2026-10")
    at = datetime(2026, 11, 10, tzinfo=TOKYO)
    with taxi_town.begin() as database:
        reverse(database, ride.ride_id, reason="料金訂正", by="clerk-1", at=at, amended_yen=500)
    assert [entry.carried_out_yen for entry in taxi_town.close("2026-11").invoices] == [-215]
    with taxi_town.begin() as database, pytest.raises(ValueError, match="reversed already") as caught:
        _reversed_again(database, ride.ride_id, at)
    assert caught.value


def _reversed_again(database: Any, ride_id: str, at: datetime) -> None:
    try:
        reverse(database, ride_id, reason="x", by="clerk-1", at=at)
    except Exception as error:
        raise ValueError(str(error)) from error


def test_months_are_closed_in_order_and_not_early(taxi_town: Town) -> None:
    """Before the cut-off, with an earlier month open, and after a later one: each is refused with its code."""
    one = taxi_town.add_rider("one")
    taxi_town.ride([one], "2026-10-05T10:00")
    taxi_town.ride([one], "2026-11-05T10:00")
    refused = {}
    for month, now in (
        ("2026-10", "2026-11-05T23:59"),
        ("2026-11", "2026-12-06T00:00"),
        ("2026-09", "2026-12-06T00:00"),
    ):
        if month == "2026-09":
            taxi_town.close("2026-10")
        with pytest.raises(CycleError) as caught:
            taxi_town.close(month, now)
        refused[month] = caught.value.code
    assert refused == {
        "2026-10": "taxi.month_not_over",
        "2026-11": "taxi.earlier_month_open",
        "2026-09": "taxi.month_passed",
    }


def test_a_closed_month_cannot_be_changed(taxi_town: Town) -> None:
    """The database itself refuses to change an invoice or a verdict of a closed month (TX-M3)."""
    one = taxi_town.add_rider("one")
    taxi_town.ride([one], "2026-10-05T10:00")
    taxi_town.close("2026-10")
    for table in (invoice, settlement):
        column = "due_yen" if table is invoice else "subsidy_yen"
        query = update(table).where(table.c.municipality == bindparam("m")).values({column: 1})
        with pytest.raises(DBAPIError, match=r"never changed|month of this ride is closed"), taxi_town.begin() as db:
            db.execute(query, {"m": db.municipality})


def test_a_document_is_issued_once(taxi_town: Town, tmp_path: Path) -> None:
    """Another transfer file under the same name is refused."""
    one = taxi_town.add_rider("one")
    taxi_town.ride([one], "2026-10-05T10:00")
    month = taxi_town.close("2026-10")
    writer = Documents(taxi_town.begin, month, tmp_path, programme="マイタク")
    writer.write(b"one")
    with pytest.raises(CycleError) as caught:
        writer.write(b"two")
    assert caught.value.code == "taxi.document_changed"


def test_two_rides_at_once_are_flagged_at_the_close(taxi_town: Town) -> None:
    """TX-L7 over different cabs; both rides are paid and both are flagged."""
    one = taxi_town.add_rider("one")
    taxi_town.ride([one], "2026-10-05T10:00", minutes=20)
    taxi_town.ride([one], "2026-10-05T10:10", operator="op1")
    taxi_town.close("2026-10")
    with taxi_town.begin() as database:
        rows = database.execute(settlement.select().where(settlement.c.municipality == bindparam("m")), {"m": "102016"})
        assert [row.flags & 2 for row in rows] == [2, 2]


def test_the_pack_of_the_boarding_day_decides(taxi_town: Town) -> None:
    """A ride of 2022-03-31 uploaded in April is judged by the old pack, and its hash is stored (TX-P1)."""
    one = taxi_town.add_rider("one", date(2021, 4, 1))
    taxi_town.ride([one], "2022-03-31T10:00", uploaded="2022-04-20T10:00")
    taxi_town.ride([one], "2022-04-01T10:00")
    with taxi_town.begin() as database:
        rows = database.execute(settlement.select().where(settlement.c.municipality == bindparam("m")), {"m": "102016"})
        assert [row.pack_hash for row in rows] == [pack.hash for pack in taxi_town.packs.packs]
