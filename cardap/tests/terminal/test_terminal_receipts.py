"""Receipts on paper of 80 mm: what a person has to copy or a scanner to read is never torn."""

from __future__ import annotations

import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from mykey_terminal.agent.bodies import ReceiptBody
from mykey_terminal.agent.receipts import receipt_pdf
from mykey_testkit.pcsc import require_programs

DUE = {
    "ja": "令和8年12月8日（2026年）",
    "en": "8 December 2026 (Reiwa 8)",
    "ja-Hira": "2026ねん12がつ8にち（れいわ8ねん）",
}


def text_of(tmp_path: Path, rows: list[list[str]]) -> str:
    """What `pdftotext` reads."""
    require_programs("pdftotext")
    block: dict[str, Any] = {"title": "", "columns": ["書名", "バーコード", "返却期限", "状態"], "rows": rows}
    shown = {"town": "みほん市", "point": "中央図書館", "title": "貸出", "text": "", "blocks": [block]}
    path = tmp_path / "receipt.pdf"
    path.write_bytes(receipt_pdf(ReceiptBody.model_validate(shown), datetime(2026, 11, 24, tzinfo=UTC)))
    return subprocess.run(["pdftotext", "-layout", str(path), "-"], capture_output=True, check=True).stdout.decode()


@pytest.mark.parametrize("language", DUE)
def test_a_barcode_stays_on_one_line(tmp_path: Path, language: str) -> None:
    """Beside a date in both calendars, in each language."""
    text = text_of(tmp_path, [["走れメロス", "A1000003", DUE[language], "貸出中です"]])
    assert "A1000003" in text


def test_columns_that_cannot_fit_are_broken_and_not_lost(tmp_path: Path) -> None:
    """Four long numbers beside each other are wider than the paper: every sign is still there."""
    numbers = ["1234567890123456", "2345678901234567", "3456789012345678"]
    text = text_of(tmp_path, [["題", *numbers]]).partition("状態")[2]
    assert sorted(sign for sign in text if sign.isdigit()) == sorted("".join(numbers))
