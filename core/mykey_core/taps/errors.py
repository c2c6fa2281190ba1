"""Refusals of a tap that are not the token's fault: state, rights, registration, the plugin.

Codes: `tap_unknown`, `tap_expired`, `tap_used`, `tap_of_another_terminal`, `service_not_allowed`,
`service_unavailable`, `action_unknown`, `input_invalid`, `not_registered`, `other_municipality`, `visit_ended`,
`plugin_fault`, `renewal_unavailable`, `renewal_unclear`, those of `identity.states` (person and credential) and those
of `consent.errors`.
"""

from __future__ import annotations

from mykey_core.errors import Refusal
from mykey_core.trust.types import CheckResult


class TapRefused(Refusal):
    """The tap is refused. `offers` names actions that make sense next; `checks` is the evidence so far."""

    def __init__(
        self,
        code: str,
        detail: str = "",
        *,
        offers: tuple[str, ...] = (),
        checks: tuple[CheckResult, ...] = (),
    ) -> None:
        super().__init__(code, detail)
        self.offers = offers
        self.checks = checks
