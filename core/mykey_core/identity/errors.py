"""Why the register of persons does not do what it is asked. All are refusals with a stable code.

IdentityRefused
└── RenewalUnavailable   nobody can be asked now whether a certificate replaces a known one
"""

from __future__ import annotations

from mykey_core.errors import Refusal


class IdentityRefused(Refusal):
    """The register refuses.

    Codes:
    `person_unknown`, `credential_unknown`, `credential_of_another_person`, `credential_kind`, `credential_in_use`,
    `mykey_id_form`, `transition_not_possible`, `event_unknown`, `event_already_reversed`, `event_not_reversible`,
    `later_event`, `staff_needed`, `approval_needed`, `attributes_differ`, `session_differs`, `renewal_cycle`,
    `renewal_chain_too_long`,
    `renewal_not_current`, `evidence_unknown`,
    `subject_columns_missing`, `attributes_form`, `attributes_taken`.
    """


class RenewalUnavailable(IdentityRefused):
    """The issuer's notices cannot be had now: the card is refused for the moment, and nobody is enrolled twice."""

    def __init__(self, detail: str = "") -> None:
        super().__init__("renewal_unavailable", detail)
