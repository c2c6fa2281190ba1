"""`context.log`: whatever a plugin hands over, nothing about a person gets into the log."""

from __future__ import annotations

import logging
from datetime import date, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mykey_core.api import Outcome
from mykey_core.plugins.log import REDACTED, PluginLog, redacted

CANARIES = [
    "1234",
    "9137",
    "ABC123",
    "見本　花子",
    "Hanako",
    "hanako yamada",
    "東京都清瀬市見本町１－２－３",
    "0123456789ab",
    "1a2b3c4d5e6f70819203",
    "123456789018",
    "JPKIMH0000000001",
    "a" * 43,
    date(1980, 2, 17),
    "1980-02-17",
    b"1234",
    ["1234"],
    {"pin": "1234"},
    ValueError("1234"),
    123456789018,
    1234,
    1234.5,
]


@pytest.mark.parametrize("canary", CANARIES, ids=lambda value: str(value)[:20])
def test_no_canary_gets_into_the_log(canary: object, caplog: pytest.LogCaptureFixture) -> None:
    """As a field, and as the event itself, on every level."""
    log = PluginLog("sample")
    with caplog.at_level(logging.DEBUG):
        for write in (log.debug, log.info, log.warning, log.error):
            write("sample.happened", value=canary)
            write(str(canary))
    assert str(canary) not in caplog.text
    assert repr(canary) not in caplog.text


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (7, "7"),
        (1500, "[number of 4 digits]"),
        (True, "True"),
        (None, "None"),
        (0.25, "0.25"),
        ("library.not_linked", "library.not_linked"),
        (Outcome.DONE, "done"),
        (timedelta(seconds=3), "0:00:03"),
        (UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (ValueError("secret"), "ValueError"),
        ("word", REDACTED),
    ],
)
def test_what_a_log_is_for_is_shown(value: object, shown: str) -> None:
    """Machine words, small numbers, flags, ids and kinds of errors pass."""
    assert redacted(value) == shown


@given(st.text(st.characters(categories=["L", "N", "Zs"]), min_size=1))
def test_no_text_with_four_digits_or_capitals_or_kanji_passes(text: str) -> None:
    """What passes is a machine word: lower-case ASCII with a separator, and never four digits in a row."""
    assert redacted(text) == REDACTED or text.isascii()
    assert not any(char.isdigit() for char in redacted(text)) or "." in text or "-" in text or "_" in text
