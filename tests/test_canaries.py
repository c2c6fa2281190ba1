"""The search for PINs that the tests use: it finds what is said and is not misled by chance."""

from __future__ import annotations

import pytest

from mykey_testkit.canaries import gives_away


@pytest.mark.parametrize(
    "text", ['{"pin":"1234"}', "PIN 1234", "pin=1234&", "b'1234'", "ValueError: 1234\n", "暗証番号1234。"]
)
def test_a_pin_is_found(text: str) -> None:
    """However it is quoted."""
    assert gives_away(text, "1234")


@pytest.mark.parametrize("text", ["http://127.0.0.1:41234/", "0.12345", "x9a1234ff", "_1234-", "12:34"])
def test_the_same_digits_within_something_else_are_no_pin(text: str) -> None:
    """A port, a duration, a digest, a random id."""
    assert not gives_away(text, "1234")
