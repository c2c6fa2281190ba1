"""The library's policy: what `plugins.toml` says for everybody, and what the policy matrix says of one cell."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from mykey_core.api import MykeyError
from mykey_library.rules import Limits, Terms

ANY: Final = "*"
_TERMS: Final = {"loan_days": 1, "max_loans": 1, "max_renewals": 0, "max_holds": 0}
_LIMITS: Final = {"overdue_items": 1, "fee_yen": 0, "suspension": 0, "longest_suspension": 0, "hold_days": 1}
SYSTEM_SETTINGS: Final = frozenset({"system", "sip2_host", "sip2_port", "sip2_file"})
"""Which library system answers: read by `system`, no matter of the policy."""
_OWN: Final = {"forget_days": 0}
_FLAG: Final = "desk_without_card"
_BASIS: Final = "desk_without_card_basis"


class LibrarySettingError(MykeyError):
    """A setting of the library is not what it should be; the message names it."""


@dataclass(frozen=True, slots=True)
class Policy:
    """The rules of one library. `matrix` maps (category of patrons, kind of items) to terms; `*` stands for all.

    `forget_days` is how many days after a return the log still joins item and patron. `desk_without_card` lets the
    staff lend to a patron number without a tap; `basis` is the text that says on what ground.
    """

    terms: Terms = field(default_factory=Terms)
    limits: Limits = field(default_factory=Limits)
    forget_days: int = 0
    desk_without_card: bool = False
    basis: str = ""
    matrix: Mapping[tuple[str, str], Terms] = field(default_factory=dict)

    @classmethod
    def from_settings(cls, settings: Mapping[str, Any]) -> Policy:
        """Read the plugin's settings; `LibrarySettingError` names the first that is wrong."""
        settings = {name: value for name, value in settings.items() if name not in SYSTEM_SETTINGS}
        for name, value in settings.items():
            _check(name, value)
        numbers = {name: value for name, value in settings.items() if name not in {_FLAG, _BASIS}}
        policy = cls(
            Terms(**{name: numbers[name] for name in _TERMS if name in numbers}),
            Limits(**{name: numbers[name] for name in _LIMITS if name in numbers}),
            numbers.get("forget_days", 0),
            bool(settings.get(_FLAG, False)),
            str(settings.get(_BASIS, "")),
        )
        if policy.desk_without_card and not policy.basis:
            raise LibrarySettingError(f"{_FLAG} needs {_BASIS}: write on what ground a patron is served without a card")
        return policy

    def with_matrix(self, matrix: Mapping[tuple[str, str], Terms]) -> Policy:
        """The same policy with the cells of the store."""
        return replace(self, matrix=matrix)

    def is_for_kind(self, category: str, kind: str) -> bool:
        """Whether the terms of this cell are written for the kind of item, and so count that kind only."""
        return (category, kind) in self.matrix or ((category, ANY) not in self.matrix and (ANY, kind) in self.matrix)

    def terms_for(self, category: str, kind: str) -> Terms:
        """The terms of a cell: the closest that is written down, the patron's category before the item's kind."""
        for cell in ((category, kind), (category, ANY), (ANY, kind), (ANY, ANY)):
            if cell in self.matrix:
                return self.matrix[cell]
        return self.terms


def _check(name: str, value: object) -> None:
    if name == _FLAG and isinstance(value, bool):
        return
    if name == _BASIS and isinstance(value, str):
        return
    least = (_TERMS | _LIMITS | _OWN).get(name)
    if least is None:
        known = ", ".join(sorted({*_TERMS, *_LIMITS, *_OWN, _FLAG, _BASIS}))
        raise LibrarySettingError(f"unknown setting '{name}', or of a wrong kind: there are {known}")
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise LibrarySettingError(f"{name} is a whole number from {least} on")
