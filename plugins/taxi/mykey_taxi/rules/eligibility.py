"""Who may register: residence, grounds and exclusions of the pack in force on the day of the application (TX-E1)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from mykey_taxi.rules.age import age_on
from mykey_taxi.rules.expressions import Ground
from mykey_taxi.rules.pack import Pack


@dataclass(frozen=True, slots=True)
class Applicant:
    """What is known of an applicant on the day; `birth` is None when it was not shown."""

    birth: date | None
    resident: bool
    grounds: frozenset[Ground] = frozenset()


@dataclass(frozen=True, slots=True)
class Eligibility:
    """The answer: `ground` is the expression that was met; `reason` is None, `not_resident`, `excluded`, `no_ground`.

    `met_by` names the exclusion when there is one.
    """

    eligible: bool
    reason: str | None
    met_by: str | None
    pack_hash: str


def assess(pack: Pack, applicant: Applicant, day: date) -> Eligibility:
    """Judge an applicant by `pack` on `day`."""
    rules = pack.eligibility
    age = None if applicant.birth is None else age_on(applicant.birth, day, rules.age_basis)
    if rules.resident and not applicant.resident:
        return Eligibility(eligible=False, reason="not_resident", met_by=None, pack_hash=pack.hash)
    for exclusion in rules.exclusions:
        if exclusion.holds(age, applicant.grounds):
            return Eligibility(eligible=False, reason="excluded", met_by=exclusion.text, pack_hash=pack.hash)
    for ground in rules.grounds:
        if ground.holds(age, applicant.grounds):
            return Eligibility(eligible=True, reason=None, met_by=ground.text, pack_hash=pack.hash)
    return Eligibility(eligible=False, reason="no_ground", met_by=None, pack_hash=pack.hash)
