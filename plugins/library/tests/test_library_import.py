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
