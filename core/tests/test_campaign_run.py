"""Campaigns: killed at random points, resumed, stopped by rules, reported and verified."""

from __future__ import annotations

import csv
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from mykey_cardap.service_application.numbers import LifeCycle
from mykey_core.card_writing.campaign_cli import campaign
from mykey_core.card_writing.campaigns.card_list import card_data
from mykey_core.card_writing.campaigns.journal import Journal, Move
from mykey_core.card_writing.campaigns.options import Options, prepared
from mykey_core.card_writing.campaigns.run import StopRules
from mykey_core.card_writing.campaigns.setup import STOCK_FILE
from mykey_core.card_writing.campaigns.stock import CardStock
from mykey_core.card_writing.profiles import DEMO

_COMMITS = (2, 6)  # of the directory (card-level key, CREATE), of the service (four keys, profile, ACTIVATE)


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(campaign, [str(argument) for argument in arguments], catch_exceptions=False)


def assert_all_written_once(folder: Path, count: int) -> None:
    """Every card of the stock has its service, with its own profile, and no commit more than one writing makes."""
    journal = Journal(folder)
    rows = journal.rows()
    journal.close()
    assert [row.state for row in rows] == ["done"] * count
    with CardStock(folder / STOCK_FILE, count) as stock:
        for row in rows:
            contents = stock.contents(row.position)
            slot = contents.slot(DEMO.service)
            assert slot is not None, row.position
            image = DEMO.image(132217, card_data(DEMO, row.columns))
            assert (slot.service.profile, slot.service.life_cycle) == (image.profile, LifeCycle.ACTIVATED)
            assert (contents._root.sequence, slot._service.sequence) == _COMMITS, row.position
            del contents, slot


def test_a_campaign_writes_every_card_and_signs_its_report(tmp_path: Path) -> None:
    """Every card is done, the CSV has a line for each, the PDF is in Japanese, and the signature holds."""
    folder = tmp_path / "out"
    done = run("run", "--simulate", "60", "--workers", "2", "--out", folder)
    assert done.exit_code == 0, done.output
    assert_all_written_once(folder, 60)
    with (folder / "results.csv").open(encoding="utf-8", newline="") as file:
        lines = list(csv.DictReader(file))
    assert {(line["state"], line["steps"], line["attempts"]) for line in lines} == {("done", "7", "1")}
    text = subprocess.run(["pdftotext", folder / "report.pdf", "-"], check=True, capture_output=True, text=True).stdout
    assert "カード一括書き込み" in text
    key = done.output.split("verifier key: ")[1].strip()
    assert run("verify", "--out", folder, "--key", key).exit_code == 0
    with (folder / "results.csv").open("a", encoding="utf-8") as file:
        file.write("\n")
    assert "does not hold" in run("verify", "--out", folder, "--key", key).output


def _start(folder: Path, count: int) -> subprocess.Popen[bytes]:
    program = [sys.executable, "-m", "mykey_core", "campaign", "run", "--simulate", str(count), "--workers", "2"]
    return subprocess.Popen(
        [*program, "--out", str(folder)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def _kill_and_resume(folder: Path, count: int, kills: int, seed: int) -> int:
    """Kill the whole run with SIGKILL at random moments of its work, then let it end; returns how often it was hit."""
    chance = random.Random(seed)  # noqa: S311 - moments to kill at, to be repeated
    hits = 0
    for _ in range(kills):
        process = _start(folder, count)
        before = _written(folder)
        while process.poll() is None and _written(folder) == before:
            time.sleep(0.005)
        time.sleep(chance.uniform(0, 0.4))
        hits += process.poll() is None
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    assert _start(folder, count).wait(timeout=300) == 0
    return hits


def _written(folder: Path) -> float:
    """When the journal was last written: work has begun when this changes."""
    try:
        return (folder / "journal.sqlite3-wal").stat().st_mtime
    except FileNotFoundError:
        return 0.0


def test_a_campaign_that_is_killed_loses_and_repeats_nothing(tmp_path: Path) -> None:
    """After SIGKILL in the midst of work every card is written once, its own commits prove it."""
    folder = tmp_path / "out"
    assert _kill_and_resume(folder, 400, kills=2, seed=1) > 0
    assert_all_written_once(folder, 400)


@pytest.mark.nightly
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("seed", range(5))
def test_many_kills(tmp_path: Path, seed: int) -> None:
    """The same with twelve kills of two thousand cards."""
    folder = tmp_path / "out"
    assert _kill_and_resume(folder, 2_000, kills=12, seed=seed) > 0
    assert_all_written_once(folder, 2_000)


def test_a_killed_worker_is_replaced(tmp_path: Path) -> None:
    """When one worker dies the campaign goes on with another, and no card is lost."""
    folder = tmp_path / "out"
    process = _start(folder, 600)
    while process.poll() is None and not _written(folder):
        time.sleep(0.01)
    time.sleep(0.3)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text(encoding="ascii").split()
    workers = [int(child) for child in children if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes()]
    os.kill(workers[0], signal.SIGKILL)
    assert process.wait(timeout=120) == 0
    assert_all_written_once(folder, 600)


def test_a_killed_coordinator_leaves_workers_that_end_by_themselves(tmp_path: Path) -> None:
    """Only the campaign's own process is killed: its workers finish their round, and the next run goes on."""
    folder = tmp_path / "out"
    process = _start(folder, 600)
    while process.poll() is None and not _written(folder):
        time.sleep(0.01)
    time.sleep(0.2)
    assert process.poll() is None
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    deadline = time.monotonic() + 60
    while (again := _start(folder, 600).wait(timeout=120)) and time.monotonic() < deadline:
        time.sleep(0.2)  # refused: the old workers are still at work in this folder
    assert again == 0
    assert_all_written_once(folder, 600)


@pytest.mark.parametrize(
    "name",
    [
        "results.csv",
        pytest.param("report.pdf", marks=pytest.mark.nightly),
        "report.note",
        pytest.param("results.csv.new", marks=pytest.mark.nightly),
    ],
)
def test_a_torn_report_is_made_again(tmp_path: Path, name: str) -> None:
    """A run that died while it wrote its report: the next one has no card to write, and the report is whole."""
    folder = tmp_path / "out"
    done = run("run", "--simulate", "12", "--out", folder)
    key = done.output.split("verifier key: ")[1].strip()
    torn = folder / name
    torn.write_bytes(torn.read_bytes()[:40] if torn.exists() else b"card,sta")
    if name != "results.csv.new":
        assert run("verify", "--out", folder, "--key", key).exit_code == 1
    again = run("run", "--simulate", "12", "--out", folder)
    assert (again.exit_code, key in again.output) == (0, True)
    assert run("verify", "--out", folder, "--key", key).exit_code == 0
    assert_all_written_once(folder, 12)


@pytest.mark.parametrize(
    ("ended", "reason"),
    [
        ({"done": 5_000, "refused": 20}, None),
        ({"done": 5_000, "quarantined": 3}, "quarantined"),
        ({"done": 190, "refused": 20}, "failure-rate"),
        ({"done": 1, "refused": 100}, None),
    ],
)
def test_stop_rules(ended: dict[str, int], reason: str | None) -> None:
    """A few refused proofs stop at once; other failures by their share, once there are enough cards."""
    assert StopRules().verdict(ended) == reason


def _spoil(folder: Path, count: int, positions: range) -> None:
    """Give these cards of the stock to another town, before the campaign sees them."""
    journal = Journal(folder)
    numbers = {row.position: bytes.fromhex(row.number) for row in journal.rows()}
    journal.close()
    with CardStock(folder / STOCK_FILE, count) as stock:
        for position in positions:
            personalization = b"\x01" + bytes(48) + bytes.fromhex("62c8e7") * 3
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(
                    "mykey_cardap.emulator.service_application.card_application.check_value",
                    lambda _key: bytes.fromhex("62c8e7"),
                )
                del_card = stock.insert(position, numbers[position], 102016, personalization)
            del del_card


def test_a_bad_canary_stops_the_campaign(tmp_path: Path) -> None:
    """When a card of the first share fails, no card after that share is touched, and the exit status says so."""
    folder = tmp_path / "out"
    journal = _only_prepared(folder, 100)
    _spoil(folder, 100, range(3, 4))
    done = run("run", "--simulate", "100", "--out", folder)
    assert done.exit_code == 3
    assert "canary" in done.output
    states = journal.count()
    journal.close()
    assert (states["refused"], states["done"], states["waiting"]) == (1, 9, 90)


def _only_prepared(folder: Path, count: int) -> Journal:
    """A campaign whose journal exists and whose run was stopped by a rule that always speaks before any card."""
    return prepared(Options(out=folder, simulate=count))


def test_a_run_beside_another_is_refused(tmp_path: Path) -> None:
    """Two runs never write one folder at once."""
    from mykey_core.card_writing.campaigns.worker import locked

    folder = tmp_path / "out"
    _only_prepared(folder, 5).close()
    with locked(folder / "workers.lock", shared=True):
        refused = run("run", "--simulate", "5", "--out", folder)
    assert (refused.exit_code, "another run" in refused.output) == (1, True)
    assert run("run", "--simulate", "5", "--out", folder).exit_code == 0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "first line"),
        ("number\nA\n", "first line"),
        ("card,colour\n04000000000001,red\n", "first line"),
        ("card,number\n", "empty"),
        ("card,number\n04000000000001,A\n04000000000001,B\n", "(?s)1 wrong lines.*line 3: the same card as line 2"),
        ("card,number\n04,A\n0400000000000G,B\n04000000000002,C\n", "(?s)2 wrong lines.*line 2: .*line 3: "),
        ("card,number\n04000000000001,aaaaaaaaaaaaaaaaaaaaaaaa\n", "1 wrong lines"),
        ("card,number,class\n04000000000001,A,x\n", "1 wrong lines"),
        ("card,number,valid_until\n04000000000001,A,31.3.2030\n", "1 wrong lines"),
        ("card,number,value\n04000000000001,A,999999\n", "1 wrong lines"),
        ("card,number\n04000000000001,A,B\n", "1 wrong lines"),
    ],
)
def test_a_wrong_list_is_refused_before_the_first_card(tmp_path: Path, text: str, message: str) -> None:
    """Duplicates, malformed serials and values that do not fit are named by line; nothing is made in the folder."""
    path = tmp_path / "cards.csv"
    path.write_text(text, encoding="utf-8")
    folder = tmp_path / "out"
    refused = run("run", "--cards", path, "--simulated", "--out", folder)
    assert refused.exit_code == 1
    import re

    assert re.search(message, refused.output), refused.output
    assert not folder.exists()


def test_a_list_is_written(tmp_path: Path) -> None:
    """A list with a byte order mark, lower-case serials and Japanese text is written as it stands."""
    path = tmp_path / "cards.csv"
    path.write_text(
        "\ufeffcard,number,valid_until,class,value\n04abcdef012345,渡辺,2030-03-31,2,500\n", encoding="utf-8"
    )
    folder = tmp_path / "out"
    assert run("run", "--cards", path, "--simulated", "--out", folder).exit_code == 0
    assert_all_written_once(folder, 1)


def test_the_journal_keeps_what_was_committed(tmp_path: Path) -> None:
    """A move is there for another process at once."""
    journal = _only_prepared(tmp_path / "out", 3)
    journal.commit([Move(1, "intent", "create:0301:K0:g1", 0)])
    other = Journal(tmp_path / "out")
    assert [row.state for row in other.rows()] == ["waiting", "intent", "waiting"]
    assert other.unfinished() == [0, 1, 2]
    for each in (journal, other):
        each.close()
