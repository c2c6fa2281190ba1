"""The little language of eligibility: grounds and ages joined by `&`, such as `age>=65&no_licence`."""

from __future__ import annotations

import re
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

_NO_BOUND: Final = 1_000
_AGE: Final = re.compile(r"age(>=|<)([0-9]{1,3})")


class Ground(StrEnum):
    """What can be established about an applicant, by an attribute or by a document seen (taxi.md §1)."""

    NO_LICENCE = "no_licence"
    LICENCE = "licence"
    LICENCE_RETURNED = "licence_returned"
    DISABILITY = "disability"
    CARE_LEVEL = "care_level"
    INTRACTABLE = "intractable"
    PREGNANT_POSTPARTUM = "pregnant_postpartum"
    VEHICLE_SUBSIDY = "vehicle_subsidy"
    VEHICLE_TAX_REDUCTION = "vehicle_tax_reduction"
    CAN_USE_VEHICLE = "can_use_vehicle"


@dataclass(frozen=True, slots=True)
class GroundsExpression:
    """Grounds that must all be there, and bounds of the age in full years: `at_least` ≤ age < `below`."""

    text: str
    grounds: frozenset[Ground]
    at_least: int = 0
    below: int = _NO_BOUND

    def holds(self, age: int | None, known: AbstractSet[Ground]) -> bool:
        """True when the applicant meets all of it; an unknown age meets no bound."""
        bounded = self.at_least > 0 or self.below < _NO_BOUND
        if bounded and (age is None or not self.at_least <= age < self.below):
            return False
        return self.grounds <= known


def parse_expression(text: str) -> GroundsExpression:
    """An expression; `ValueError` says which word is not known."""
    grounds: set[Ground] = set()
    bounds = {">=": 0, "<": _NO_BOUND}
    for word in text.split("&"):
        found = _AGE.fullmatch(word)
        if found is not None:
            bounds[found[1]] = int(found[2])
        elif word in Ground.__members__.values():
            grounds.add(Ground(word))
        else:
            raise ValueError(f"'{word}' is no ground; known are age>=N, age<N, {', '.join(Ground)}")
    return GroundsExpression(text, frozenset(grounds), bounds[">="], bounds["<"])
