"""The library's rules as settings of `plugins.toml`: how long and how many."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from mykey_core.api import MykeyError, tokyo_date


class LibrarySettingError(MykeyError):
    """A setting of the library is not what it should be; the message names it."""


@dataclass(frozen=True, slots=True)
class LoanPolicy:
    """`loan_days` civil days from the day of lending; at most `max_loans` items out."""

    loan_days: int = 14
    max_loans: int = 10

    @classmethod
    def from_settings(cls, settings: Mapping[str, Any]) -> LoanPolicy:
        """Read `loan_days` and `max_loans`; anything else is an error."""
        for name, value in settings.items():
            if name not in {"loan_days", "max_loans"}:
                raise LibrarySettingError(f"unknown setting '{name}': there are loan_days and max_loans")
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise LibrarySettingError(f"{name} is a whole number from 1 on")
        return cls(**settings)

    def due_on(self, lent_at: datetime) -> date:
        """The civil date in Japan on which an item lent at `lent_at` is due."""
        return tokyo_date(lent_at) + timedelta(days=self.loan_days)
