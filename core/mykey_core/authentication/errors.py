"""Refusals of a token. Codes are stable; their wording for people is in the translations."""

from __future__ import annotations

from mykey_core.errors import Refusal
from mykey_core.trust.types import Check, CheckResult


class TokenRefused(Refusal):  # noqa: N818 - the verdict's name in the references
    """A token that must not be accepted.

    `check` is where it failed; `checks` lists what had passed before, then the failed one.
    """

    def __init__(self, code: str, check: Check, detail: str = "", *, checks: tuple[CheckResult, ...] = ()) -> None:
        super().__init__(code, detail)
        self.check = check
        self.checks = checks
