"""What a ride is worth, from the subsidy part of a pack: exact integers of yen, never floats (TX-S2 to TX-S6)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction

from mykey_taxi.rules.pack import Band, Rounding, Subsidy

Amount = Callable[[int], int]


def rounded_share(rate: str, rounding: Rounding) -> Amount:
    """`rate` of an amount, rounded to the pack's unit: floor, ceiling, or half up."""
    fraction = Fraction(rate)
    numerator, denominator, unit = fraction.numerator, fraction.denominator * rounding.unit, rounding.unit
    if rounding.mode == "up":
        return lambda base: -(-base * numerator // denominator) * unit
    if rounding.mode == "half_up":
        return lambda base: (2 * base * numerator + denominator) // (2 * denominator) * unit
    return lambda base: base * numerator // denominator * unit


def _capped(amount: Amount, cap: int | None) -> Amount:
    return amount if cap is None else lambda base: min(amount(base), cap)


def _fixed(yen: int) -> Amount:
    return lambda _base: yen


def _band(band: Band, rounding: Rounding) -> Amount:
    if band.rate is None:
        return _fixed(band.amount or 0)
    return _capped(rounded_share(band.rate, rounding), band.cap)


def _banded(bands: Sequence[Band], rounding: Rounding) -> Amount:
    steps = [(band.below, _band(band, rounding)) for band in bands]

    def amount(base: int) -> int:
        return next(part(base) for below, part in steps if below is None or base < below)

    return amount


def solo_amount(subsidy: Subsidy) -> Amount:
    """The amount for one counted rider, before it is held to the fare; of a pack without vouchers."""
    if subsidy.solo.bands:
        return _banded(subsidy.solo.bands, subsidy.rounding)
    return _capped(rounded_share(subsidy.solo.rate or "1", subsidy.rounding), subsidy.solo.cap)


def vouchers_used(fare: int, value: int, most: int, left: Sequence[int]) -> tuple[int, ...]:
    """How many vouchers of `value` yen each rider gives, in tap order: whole ones only, and never above the fare."""
    room = fare // value
    used = []
    for remaining in left:
        count = min(most, remaining, room)
        used.append(count)
        room -= count
    return tuple(used)


def shares(subsidy: int, riders: int, units: Sequence[int] | None = None) -> tuple[int, ...]:
    """The part of each counted rider, in tap order (TX-S6); by vouchers where `units` are given."""
    if units:
        value = subsidy // sum(units) if sum(units) else 0
        return tuple(count * value for count in units)
    part, rest = divmod(subsidy, riders)
    return tuple(part + (index < rest) for index in range(riders))
