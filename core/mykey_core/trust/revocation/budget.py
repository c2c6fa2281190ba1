"""How long an outage of the revocation sources may be bridged: per municipality and risk class of a service.

Nothing is bridged unless a town says so. The state of a scope is FRESH before its data ends, GRACE while the
budget lasts, and CLOSED after that: then every tap that needs it is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from mykey_core.errors import ConfigurationError
from mykey_core.trust.revocation.sources import NO_GRACE, GraceSource
from mykey_core.trust.types import RevocationAnswer, ValidatedCertificate

MAX_BUDGET: Final = timedelta(days=7)


class RiskClass(StrEnum):
    """What can go wrong when a revoked card is let through: declared by each service."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


class BudgetState(StrEnum):
    """Where a scope stands against its budget."""

    FRESH = "fresh"
    GRACE = "grace"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class OutageBudgets:
    """The declared budgets. `towns` maps a municipality code (six digits) to the budget of each risk class.

    What is not named has none. Services of risk class HIGH never have one (authentication-hub §12).
    """

    towns: Mapping[str, Mapping[RiskClass, timedelta]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for town, classes in self.towns.items():
            for risk, budget in classes.items():
                _require_budget(f"revocation.budget.{town}.{risk}", risk, budget)

    def of(self, municipality: str, risk: RiskClass) -> timedelta:
        """The budget; zero unless it was declared."""
        return self.towns.get(municipality, {}).get(risk, NO_GRACE)


def _require_budget(setting: str, risk: RiskClass, budget: timedelta) -> None:
    if budget < NO_GRACE or budget > MAX_BUDGET:
        raise ConfigurationError(setting, f"give a time between 0 and {MAX_BUDGET.days} days")
    if risk is RiskClass.HIGH and budget > NO_GRACE:
        raise ConfigurationError(setting, "services of high risk have no outage budget: remove the line")


@dataclass(frozen=True, slots=True)
class BudgetedSource:
    """A `RevocationSource` as one service of one town sees it: answers in GRACE only within that budget."""

    source: GraceSource
    grace: timedelta = NO_GRACE

    def check(self, certificate: ValidatedCertificate, now: datetime) -> RevocationAnswer:
        """Answer; `mode` GRACE flags one from data that is over. Raises RevocationUnavailable when CLOSED."""
        return self.source.check_within(certificate, now, self.grace)


def state_at(next_update: datetime, now: datetime, budget: timedelta) -> tuple[BudgetState, timedelta]:
    """Where data that ends at `next_update` stands, and how much of the budget is left."""
    if now < next_update:
        return BudgetState.FRESH, budget
    left = next_update + budget - now
    if left > NO_GRACE:
        return BudgetState.GRACE, left
    return BudgetState.CLOSED, NO_GRACE
