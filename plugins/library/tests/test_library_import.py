"""`mykey library import`: all of a file or nothing, with the line that is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from mykey_library.cli import library
from mykey_testkit.hub import HubHarness


def _import(hub: HubHarness, *arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(library, ["import", "--config", str(hub.config), *arguments])
    return result.exit_code, result.output


def test_a_second_import_adds_only_what_is_new(library_hub: HubHarness, tmp_path: Path) -> None:
    """Names are kept as they are written, and what is there stays."""
    path = tmp_path / "more.csv"
    path.write_text("barcode,title,author\nA1000001,別の題,誰か\nA1000099,𠮷野の葛,谷崎潤一郎\n", encoding="utf-8")
    assert _import(library_hub, "--items", str(path)) == (0, "0 new patrons, 1 new items\n")


@pytest.mark.parametrize(
    ("option", "text", "message"),
    [
        ("--patrons", "number\n12345678\n1234\n", "line 3"),
        ("--patrons", "nummer\n12345678\n", "the column number is missing"),
        ("--items", "barcode,title,author\n,題,著者\n", "line 2"),
        ("--items", "barcode,title\nA1,題\n", "the column author is missing"),
    ],
)
def test_a_bad_file_changes_nothing(
    library_hub: HubHarness, tmp_path: Path, option: str, text: str, message: str
) -> None:
    """The error names the line or the column, and nothing of the file is taken."""
    path = tmp_path / "bad.csv"
    path.write_text(text, encoding="utf-8")
    code, output = _import(library_hub, option, str(path))
    assert code == 1
    assert message in output


def test_every_bad_line_is_reported(library_hub: HubHarness, tmp_path: Path) -> None:
    """All bad lines of all files are named with their reasons; with --skip-bad the good ones are taken."""
    patrons, items = tmp_path / "patrons.csv", tmp_path / "items.csv"
    patrons.write_text("number,language,expires_on\n20000017,ja,soon\n20000025,fr,\n20000033,en,2027-03-31\n")
    items.write_text(
        "barcode,title,author,isbn,for_loan\nB1,題,著者,,\nB1000002,題,著者,123,\nB1000003,題,著者,,maybe\n"
    )
    wanted = ["--patrons", str(patrons), "--items", str(items)]
    code, output = _import(library_hub, *wanted)
    assert code == 1
    reasons = (
        "expires_on is a date",
        "language is",
        "a barcode (6 to 14",
        "isbn has 10 or 13",
        "for_loan is yes or no",
    )
    assert [reason for reason in reasons if reason not in output] == []
    assert "5 bad lines, nothing was taken" in output
    code, output = _import(library_hub, *wanted, "--skip-bad")
    assert (code, output.splitlines()[-1]) == (0, "1 new patrons, 0 new items, 5 bad")


def test_another_encoding_is_named(library_hub: HubHarness, tmp_path: Path) -> None:
    """A file of an old system in CP932 is read when it is said so, and otherwise the way out is named."""
    path = tmp_path / "items.csv"
    path.write_bytes("barcode,title,author\nB1000001,ポケット竹取,－\n".encode("cp932"))
    code, output = _import(library_hub, "--items", str(path))
    assert (code, "--encoding" in output) == (1, True)
    assert _import(library_hub, "--items", str(path), "--encoding", "cp932")[1] == "0 new patrons, 1 new items\n"


def test_branches_days_and_policy_decide_the_due_date(library_hub: HubHarness) -> None:
    """With the sample branches a loan is due on the first open day, and a CD is lent for its own term."""
    from importlib.resources import files

    demo = Path(str(files("mykey_library") / "demo"))
    lists = [part for name in ("branches", "days", "policy") for part in (f"--{name}", str(demo / f"{name}.csv"))]
    assert _import(library_hub, *lists)[0] == 0
    terminal = library_hub.terminal()
    visit = terminal.tap("adult", "library-desk", "link", patron_number="10000017")["result"]["visit"]["id"]
    for barcode in ("A1000001", "A1000039"):
        lent = terminal.act("library-desk", "lend", visit, barcode=barcode)
    due = {row[1]: row[2] for row in lent["result"]["view"][1]["rows"]}
    # 16 and 9 November are Mondays
    assert due == {"A1000001": "17 November 2026 (Reiwa 8)", "A1000039": "10 November 2026 (Reiwa 8)"}
