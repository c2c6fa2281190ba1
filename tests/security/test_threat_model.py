"""The threat model is complete and true: every attack has a test, every test exists and carries the attack's id."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCUMENT = ROOT / "docs" / "explanation" / "threat-model.md"
FOLDERS = ("tests", "core/tests", "webapp/tests", "cardap/tests", "plugins")
NOT_BUILT = "Not built yet"
# Every id of the matrix (authentication-hub §6); a row of the document must name each.
WANTED = {
    *(f"ORG-{number:02}" for number in range(1, 7)),
    *(f"NON-{number:02}" for number in range(1, 7)),
    *(f"CRT-{number:02}" for number in range(1, 8)),
    *(f"ALG-{number:02}" for number in range(1, 13)),
    *(f"QR-{number:02}" for number in range(1, 6)),
    *("CSRF-01", "SES-01", "SES-02", "OCS", "CRL", "CRL-ROLL", "REV-01", "ORD-01", "AUD", "OP"),
}
# Ids that tests carry word for word; others name a rule or a part.
_CARRIED = re.compile(r"(ORG|NON|CRT|ALG|REV|ORD)-\d\d|CRL-ROLL|CRL|OCS")


@cache
def existing_tests() -> dict[str, str]:
    """Name of each test in the repository → the text of its file."""
    found = {}
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("test_*.py")):
            text = path.read_text(encoding="utf-8")
            tree = ast.parse(text)
            found |= {node.name: text for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
    return found


def rows(document: str) -> list[tuple[str, list[str]]]:
    """(heading, cells) of each row of the tables that have ids; without their head and rule."""
    heading, found = "", []
    for line in document.splitlines():
        if line.startswith("## "):
            heading = line[3:]
        cells = [cell.strip() for cell in line.strip("|").split("|")] if line.startswith("|") else []
        if len(cells) in {3, 4} and cells[0] not in {"Attack", "Who", "---"}:
            found.append((heading, cells))
    return [row for row in found if row[0] != "Whom we expect"]


def problems(document: str) -> list[str]:
    """What is wrong with the document; empty when every row has its tests."""
    found, seen = [], set()
    for heading, cells in rows(document):
        ids = set(re.findall(r"[A-Z]+[0-9]*(?:-[0-9A-Z]+)?", cells[1]))
        seen |= ids
        if heading != NOT_BUILT:
            found += _row_problems(cells, ids)
    return [*found, *(f"{missing}: no row" for missing in sorted(WANTED - seen))]


def _row_problems(cells: list[str], ids: set[str]) -> list[str]:
    names = re.findall(r"`(test_\w+)`", cells[-1])
    if not names:
        return [f"{cells[0]}: no test"]
    found = [f"{cells[0]}: {name} does not exist" for name in names if name not in existing_tests()]
    carried = " ".join(existing_tests().get(name, "") for name in names).upper()
    found += [
        f"{cells[0]}: no test carries {id_}" for id_ in sorted(ids) if _CARRIED.fullmatch(id_) and id_ not in carried
    ]
    return found


def test_every_row_has_its_tests() -> None:
    """The document as it is has no problem, and it is not empty."""
    document = DOCUMENT.read_text(encoding="utf-8")
    assert problems(document) == []
    assert len(rows(document)) > 40


def test_a_test_that_was_removed_is_noticed() -> None:
    """A row whose test does not exist (any more) is a problem."""
    document = DOCUMENT.read_text(encoding="utf-8").replace("`test_non_01_second_use`", "`test_gone`")
    assert problems(document) == ["Replay: test_gone does not exist"]


def test_a_row_without_tests_is_noticed() -> None:
    """A row whose last cell names no test is a problem."""
    document = DOCUMENT.read_text(encoding="utf-8").replace("`test_authority_of_the_other_kind`", "later")
    assert "A CA that does not issue this kind: no test" in problems(document)


def test_an_id_without_a_row_is_noticed() -> None:
    """An attack of the matrix that no row names is a problem."""
    lines = DOCUMENT.read_text(encoding="utf-8").splitlines()
    document = "\n".join(line for line in lines if "NON-05" not in line)
    assert problems(document) == ["NON-05: no row"]


def test_an_id_that_no_test_carries_is_noticed() -> None:
    """The tests of a row must name its id."""
    document = DOCUMENT.read_text(encoding="utf-8").replace("| NON-02 |", "| NON-02, ALG-07 |")
    assert "A nonce that is guessed or short: no test carries ALG-07" in problems(document)


def test_every_test_that_the_page_of_the_secure_channel_names_exists() -> None:
    """Where each published vector is proved: tests, not hopes."""
    page = (ROOT / "docs" / "reference" / "scp03.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`(test_\w+)`", page))
    assert "test_key_check_values" in named
    assert named - existing_tests().keys() == set()
