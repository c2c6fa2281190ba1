"""The card holder: eras, 照合番号B, check digit, and refusals that repeat nothing personal."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING

import pytest

from mykey_cardap.emulator.contents.holder import HolderError, check_digit, era_date

if TYPE_CHECKING:
    from mykey_cardap.emulator.contents.holder import CardHolder


def test_number_b_of_the_public_test_card(test_card_holder: CardHolder) -> None:
    """Born in 昭和55, expiry 2035, code 2285."""
    assert test_card_holder.number_b == "55021720352285"
    assert test_card_holder.birth_key == "550217"


@pytest.mark.parametrize(
    ("day", "expected"),
    [
        (date(2019, 5, 1), "010501"),
        (date(2019, 4, 30), "310430"),
        (date(1989, 1, 8), "010108"),
        (date(1989, 1, 7), "640107"),
        (date(1926, 12, 25), "011225"),
        (date(1926, 12, 24), "151224"),
        (date(1912, 7, 30), "010730"),
        (date(1912, 7, 29), "450729"),
        (date(1868, 1, 25), "010125"),
    ],
)
def test_eras_change_by_the_day(day: date, expected: str) -> None:
    """The first day of each era and the day before it."""
    assert era_date(day) == expected


def test_days_before_meiji_have_no_era() -> None:
    """The card's era rule begins on 1868-01-25."""
    with pytest.raises(HolderError):
        era_date(date(1868, 1, 24))


@pytest.mark.parametrize("number", ["537686677188", "123456789018"])
def test_check_digit_of_known_numbers(number: str) -> None:
    """The two published valid numbers (reference §7)."""
    assert check_digit(number[:-1]) == number[-1]


def test_remainders_0_and_1_both_give_check_digit_0() -> None:
    """There is no digit for 10 or 11."""
    digits = {check_digit(f"{n:011d}") for n in range(200)}
    assert digits == set("0123456789")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", ""),
        ("address", ""),
        ("number_a", "537686677189"),
        ("number_a", "53768667718"),
        ("number_a", "５３７６８６６７７１８８"),
        ("security_code", "228"),
        ("municipality_code", "13221"),
        ("manufacture_serial", "40000001271984X"),
        ("birth_date", date(1867, 1, 1)),
    ],
)
def test_impossible_holders_are_refused(test_card_holder: CardHolder, field: str, value: object) -> None:
    """The error names the field and never repeats the value."""
    with pytest.raises(HolderError) as caught:
        replace(test_card_holder, **{field: value})  # type: ignore[arg-type]
    assert caught.value.field == field
    assert not value or str(value) not in str(caught.value)


def test_former_name_stands_in_brackets_after_the_family_name(test_card_holder: CardHolder) -> None:
    """旧氏 as on the printed face; the plain name is untouched."""
    holder = replace(test_card_holder, former_name="両儀")
    assert holder.name_on_card == "黒桐［両儀］　幹也"
    assert test_card_holder.name_on_card == "黒桐　幹也"


def test_card_stores_five_digits_of_the_municipality(test_card_holder: CardHolder) -> None:
    """The check digit of 全国地方公共団体コード is not on the card."""
    assert test_card_holder.municipality_code_on_card == "13221"


def test_repr_shows_nothing_personal(test_card_holder: CardHolder) -> None:
    """A holder may end up in a log or a traceback."""
    assert repr(test_card_holder) == "<CardHolder>"
