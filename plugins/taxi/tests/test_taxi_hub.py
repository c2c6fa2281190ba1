"""The plugin within a hub: it loads, takes rides of a cab's queue, and its commands close a month from the outside."""

from __future__ import annotations

import json
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from click.testing import CliRunner

from mykey_core.api import ClockState, OfflineRecord, RecordState
from mykey_taxi.cli import taxi
from mykey_taxi.closing import begun
from mykey_taxi.register import Cab, Operator, Register
from mykey_taxi.rules.packs import shipped_packs
from mykey_taxi.settlement.close import MonthClose
from mykey_taxi.settlement.cycle import Cycle
from mykey_taxi.settlement.documents import kept
from mykey_taxi.shredder import TaxiShredder
from mykey_taxi.zengin.parse import parse
from mykey_testkit.plugin_hub import MakeHub, PluginHub, plugins_toml

PAYER = 'code = "1234567890"\nname = "マエバシシ"\nbank = "0128"\nbranch = "100"\naccount = "123456"\n'
BOARD = datetime(2026, 10, 5, 1, tzinfo=UTC)


@pytest.fixture
def taxi_hub(make_hub: MakeHub) -> PluginHub:
    """A hub with the taxi plugin, a rider and a cab."""
    hub = make_hub("taxi")
    with _tables(hub) as database:
        register = Register(database)
        register.put_operator(
            Operator("op1", "前橋タクシー", "カ)マエバシタクシー", "0128", "101", 1, "1234567", "1001")
        )
        register.put_cab(Cab("cab-alias", "op1", "前橋 500 あ 1"))
        register.enrol("s" * 43, BOARD)
        rider = register.rider_of("s" * 43)
        assert rider is not None
        register.add_registration(rider, BOARD.date(), None, ground="age>=75", pack_hash="", at=BOARD)
    return hub


def _tables(hub: PluginHub) -> Any:
    from contextlib import contextmanager

    @contextmanager
    def opened() -> Any:
        runtime = hub.hub.plugins
        with hub.hub.database.writing() as session, runtime.opened(runtime.plugins["taxi"], session) as database:
            yield database

    return opened()


def _record(hub: PluginHub, **members: Any) -> OfflineRecord:
    with _tables(hub) as database:
        rider = Register(database).rider_of("s" * 43)
    payload = {
        "board_ts": BOARD.isoformat(),
        "alight_ts": (BOARD + timedelta(minutes=15)).isoformat(),
        "board_zone": "前橋駅",
        "meter_yen": 1430,
        "riders": [rider],
        "subsidy_yen": 715,
        "cash_yen": 715,
        "mode": "online",  # a ride without a network needs what the cards answered
    }
    facts: dict[str, Any] = {"terminal": "cab-alias", "clock": ClockState.OK, "skew": timedelta(0)}
    facts |= {"sequence": 1, "record_id": UUID(int=1), **members}
    return OfflineRecord(
        municipality=hub.municipality,
        service="taxi-ride",
        service_point="cab",
        recorded_at=BOARD,
        received_at=BOARD + timedelta(hours=8),
        payload=payload | facts.pop("payload", {}),
        **facts,
    )


def _deliver(hub: PluginHub, **members: Any) -> Any:
    record = _record(hub, **members)
    runtime = hub.hub.plugins
    route = runtime.route("taxi-ride")
    assert route is not None
    with hub.hub.database.writing() as session:
        return runtime.offline_record(route, record, session)


def test_it_loads_without_a_complaint(taxi_hub: PluginHub) -> None:
    """Active, with nothing missing."""
    assert (taxi_hub.report.state.value, taxi_hub.report.reason) == ("active", "")


def test_a_ride_of_the_queue_gets_its_receipt(taxi_hub: PluginHub) -> None:
    """Accepted with the server's amounts; the flags say nothing, because the terminal computed the same."""
    verdict = _deliver(taxi_hub)
    assert (verdict.state, verdict.code) == (RecordState.ACCEPTED, "taxi.settled")
    assert verdict.receipt["cycle"] == "2026-10"
    assert (verdict.receipt["subsidy_yen"], verdict.receipt["flags"]) == (715, [])


@pytest.mark.parametrize(
    ("members", "state", "code"),
    [
        ({"terminal": "another"}, RecordState.QUARANTINED, "taxi.cab_unknown"),
        ({"payload": {"meter_yen": "1430"}}, RecordState.QUARANTINED, "taxi.input_invalid"),
        ({"clock": ClockState.QUARANTINED}, RecordState.QUARANTINED, "taxi.held"),
        ({"payload": {"riders": ["r-nobody"]}}, RecordState.ACCEPTED, "taxi.not_registered"),
        ({"clock": ClockState.ADJUSTED, "skew": timedelta(hours=9)}, RecordState.ACCEPTED, "taxi.outside_hours"),
    ],
)
def test_what_becomes_of_other_records(
    taxi_hub: PluginHub, members: dict[str, Any], state: RecordState, code: str
) -> None:
    """What cannot be settled waits for a person; what is no subsidy is kept as such; a wrong clock is taken off."""
    verdict = _deliver(taxi_hub, **members)
    assert (verdict.state, verdict.code) == (state, code)


def test_the_commands_close_a_month(taxi_hub: PluginHub, tmp_path: Path) -> None:
    """`close` twice (told to the audit log once), `verify`, `figures`, `open-data`: with the hub's settings only."""
    _deliver(taxi_hub)
    payer = tmp_path / "payer.toml"
    payer.write_text(PAYER, encoding="utf-8")
    out, config = str(tmp_path / "out"), ["--config", str(taxi_hub.config)]
    close = ["close", "--month", "2026-10", "--out", out, "--payer", str(payer), *config]
    early = CliRunner().invoke(taxi, [*close, "--now", "2026-11-05T00:00:00+0900"])
    assert (early.exit_code, "taxi.month_not_over" in early.output) == (1, True)
    runs = [CliRunner().invoke(taxi, [*close, "--now", "2026-11-06T00:00:00+0900"]) for _ in range(2)]
    summaries = [json.loads(run.stdout) for run in runs]
    assert summaries[0] == summaries[1]
    told = [record.facts for record in taxi_hub.audit("plugin.recorded")]
    assert [(one["action"], one["details"]) for one in told] == [("taxi.month-closed", {"rides": 1, "due": 715})]
    assert summaries[0]["transfer"] == {"day": "2026-11-30", "payments": 1, "total_yen": 715}
    assert parse((tmp_path / "out" / "transfer-2026-10.txt").read_bytes()).payments[0].payee == "ｶ)ﾏｴﾊﾞｼﾀｸｼ-"
    assert CliRunner().invoke(taxi, ["verify", "--month", "2026-10", "--out", out, *config]).exit_code == 0
    (tmp_path / "out" / "statements-2026-10.csv").write_text("x", encoding="utf-8")
    assert CliRunner().invoke(taxi, ["verify", "--month", "2026-10", "--out", out, *config]).exit_code == 1
    figures = json.loads(CliRunner().invoke(taxi, ["figures", "--year", "2026", *config]).stdout)
    assert (figures["total"]["subsidy_yen"], figures["by_zone"]["前橋駅"]["rides"]) == (715, 1)
    assert figures["by_hour"] == {"10": {"rides": 1, "subsidy_yen": 715, "fare_yen": 1430}}
    table = CliRunner().invoke(taxi, ["open-data", "--month", "2026-10", *config]).stdout
    assert table.splitlines() == ["month,board_zone,hour,rides,shared_rides,subsidy_yen,fare_yen"]


def test_statement_and_transfer_can_be_asked_for(taxi_hub: PluginHub, tmp_path: Path) -> None:
    """`statement` writes a PDF in three languages, `parse-transfer` shows the file, and a broken one is refused."""
    _deliver(taxi_hub)
    with _tables(taxi_hub) as database:
        rider = Register(database).rider_of("s" * 43)
    payer, out, config = tmp_path / "payer.toml", tmp_path / "out", ["--config", str(taxi_hub.config)]
    payer.write_text(PAYER, encoding="utf-8")
    month = ["--month", "2026-10"]
    closing = ["close", *month, "--out", str(out), "--payer", str(payer), "--now", "2026-11-06T00:00:00+0900"]
    assert CliRunner().invoke(taxi, [*closing, *config]).exit_code == 0
    for language, word in (("ja", "利用明細書"), ("en", "715"), ("ja-Hira", "715")):
        pdf = tmp_path / f"{language}.pdf"
        asked = ["statement", *month, "--rider", str(rider), "--out", str(pdf), "--language", language, *config]
        assert CliRunner().invoke(taxi, asked).exit_code == 0
        assert word in _text_of(pdf)
    file = out / "transfer-2026-10.txt"
    shown = json.loads(CliRunner().invoke(taxi, ["parse-transfer", str(file)]).stdout)
    assert (shown["count"], shown["total"], shown["header"]["mmdd"]) == (1, 715, "1130")
    assert shown["payments"] == [
        {"bank": "0128", "branch": "101", "account": "1234567", "payee": "ｶ)ﾏｴﾊﾞｼﾀｸｼ-", "amount": 715}
    ]
    broken = tmp_path / "broken.txt"
    broken.write_bytes(file.read_bytes().replace(b"0000000715", b"0000000716", 1))
    refused = CliRunner().invoke(taxi, ["parse-transfer", str(broken)])
    assert (refused.exit_code, "Traceback" in refused.output) == (1, False)


def test_the_button_makes_the_documents_that_are_missing(taxi_hub: PluginHub, tmp_path: Path) -> None:
    """A month closed before the town's account was known: the button makes the transfer file, and touches no other."""
    page, button = "/admin/taxi/2026-10/", "足りない書類を作る"
    _deliver(taxi_hub)
    close = ["close", "--month", "2026-10", "--out", str(tmp_path / "out"), "--now", "2026-11-06T00:00:00+0900"]
    assert CliRunner().invoke(taxi, [*close, "--config", str(taxi_hub.config)]).exit_code == 0
    assert button not in taxi_hub.staff("administrator").get(page).text  # without an account nothing is missing
    before = _issued(taxi_hub)
    payer = tmp_path / "payer.toml"
    payer.write_text(PAYER, encoding="utf-8")
    plugins = plugins_toml(["taxi"], settings={"payer": str(payer)})
    taxi_hub.config.with_name("plugins.toml").write_text(plugins, encoding="utf-8")
    taxi_hub.restart()
    administrator = taxi_hub.staff("administrator")
    shown = administrator.get(page).text
    assert button in shown
    assert f'action="{page}issue"' in shown
    assert administrator.get(f"{page}transfer-2026-10.txt").status_code == 303
    assert administrator.post(f"{page}issue").status_code == 303
    assert button not in administrator.get(page).text
    assert parse(administrator.get(f"{page}transfer-2026-10.txt").data).total == 715
    after = _issued(taxi_hub)
    assert {name: after[name] for name in before} == before
    assert set(after) - set(before) == {"transfer-2026-10.txt"}


def _issued(hub: PluginHub) -> dict[str, str]:
    with _tables(hub) as database:
        return kept(database, "2026-10")


def _text_of(path: Path) -> str:
    return subprocess.run(["pdftotext", "-layout", path, "-"], check=True, capture_output=True, text=True).stdout


def test_open_data_shows_groups_of_many_riders_only(taxi_hub: PluginHub) -> None:
    """Ten riders of one zone and hour are a line; one rider elsewhere is in none; a threshold below five is refused."""
    with _tables(taxi_hub) as database:
        register = Register(database)
        riders = [register.enrol(f"{number:043d}", BOARD) for number in range(10)]
        for name in riders:
            register.add_registration(name, BOARD.date(), None, ground="age>=75", pack_hash="", at=BOARD)
    for number, name in enumerate(riders, start=1):
        _deliver(taxi_hub, sequence=number, record_id=UUID(int=number), payload={"riders": [name]})
    _deliver(taxi_hub, sequence=11, record_id=UUID(int=11), payload={"board_zone": "大胡"})
    config = ["--config", str(taxi_hub.config)]
    asked = ["open-data", "--month", "2026-10", *config]
    assert CliRunner().invoke(taxi, asked).stdout.count("\n") == 1  # not closed: nothing is published
    with _tables(taxi_hub) as database:
        MonthClose(begun(database), shipped_packs(), Cycle(2026, 10)).run(Cycle(2026, 10).cut_off)
    assert CliRunner().invoke(taxi, asked).stdout.splitlines()[1:] == ["2026-10,前橋駅,10,10,0,7150,14300"]
    assert CliRunner().invoke(taxi, [*asked, "--k", "4"]).exit_code == 1


def test_shredding_leaves_rides_that_belong_to_nobody(taxi_hub: PluginHub) -> None:
    """The export holds the registration; afterwards nothing leads from the person to the ride, which stays."""
    _deliver(taxi_hub)
    with _tables(taxi_hub) as database:
        exported: Any = TaxiShredder().export("s" * 43, database)
        assert exported[0]["spans"] == [{"from": "2026-10-05", "to": None, "ground": "age>=75"}]
        assert TaxiShredder().shred("s" * 43, database) == 2
        assert Register(database).rider_of("s" * 43) is None
        assert TaxiShredder().export(None, database) == []
