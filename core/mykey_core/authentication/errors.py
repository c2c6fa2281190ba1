"""Refusals of a token. Codes are stable; their wording for people is in the translations."""

from __future__ import annotations

from mykey_core.authentication.reasons import TokenReason, check_of
from mykey_core.errors import Refusal
from mykey_core.trust.types import Check, CheckResult


class TokenRefused(Refusal):
    """A token that must not be accepted.

    `check` is where it failed; `checks` lists what had passed before, then the failed one.
    """

    def __init__(self, code: str, check: Check, detail: str = "", *, checks: tuple[CheckResult, ...] = ()) -> None:
        super().__init__(code, detail)
        self.check = check
        self.checks = checks


def refuse(reason: TokenReason, detail: str = "") -> TokenRefused:
    """The refusal for `reason`, under the check to which that reason belongs."""
    return TokenRefused(reason, check_of(reason), detail)
