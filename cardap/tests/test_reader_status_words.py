"""Every status word of the JICSAP table becomes the typed error that it means."""

from __future__ import annotations

import inspect

import pytest

from mykey_cardap import errors
from mykey_cardap.apdu import SW
from mykey_cardap.errors import ApduError
from mykey_cardap.status_words import attempts_in, error_for, is_blocked

ABOUT_PINS = {SW.OK, SW.END_OF_FILE, SW.MISMATCH_UNLIMITED, SW.BLOCKED, SW.BLOCKED_ISO}


@pytest.mark.parametrize("sw", sorted(set(SW) - ABOUT_PINS))
def test_every_status_word_has_a_class_of_its_own_meaning(sw: int) -> None:
    """No known status word falls back to the plain `ApduError`; fields carry it."""
    error = error_for("try", sw)
    assert type(error) is not ApduError
    assert (error.sw, error.operation) == (sw, "try")
    assert f"{sw:04X}" in str(error)


def test_an_unknown_status_word_is_still_a_typed_error() -> None:
    """`ApduError` itself."""
    assert type(error_for("try", 0x6123)) is ApduError


@pytest.mark.parametrize(("sw", "attempts"), [(0x63C3, 3), (0x63C0, 0), (0x63CF, 15), (0x6300, None), (0x9000, None)])
def test_tries_in_a_status_word(sw: int, attempts: int | None) -> None:
    """The x of 63Cx only."""
    assert attempts_in(sw) == attempts


def test_blocked_has_three_spellings() -> None:
    """63C0, 6983 and 6984, and nothing else."""
    assert [sw for sw in range(0x6000, 0x7000) if is_blocked(sw)] == [0x63C0, 0x6983, 0x6984]


def test_the_tree_in_the_docstring_is_the_tree_of_classes() -> None:
    """Every error class is drawn in the module's docstring."""
    drawn = errors.__doc__ or ""
    for name, item in inspect.getmembers(errors, inspect.isclass):
        if issubclass(item, Exception) and item.__module__ == errors.__name__:
            assert name in drawn
