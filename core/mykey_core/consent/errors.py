"""Why a plugin is not told what it asks for. Each code has wording for the citizen (`refusal.<code>.*`)."""

from __future__ import annotations

from enum import StrEnum, unique

from mykey_core.errors import Refusal


@unique
class ConsentCode(StrEnum):
    """One stable code for each reason."""

    NOT_GRANTED = "attribute_not_granted"  # the town has not given the plugin this attribute
    PURPOSE_UNKNOWN = "purpose_unknown"  # the plugin's manifest declares no such purpose
    MISSING = "consent_missing"
    EXPIRED = "consent_expired"
    WITHDRAWN = "consent_withdrawn"
    TEXT_CHANGED = "consent_text_changed"  # the purpose reads differently from what was agreed to
    NOT_PRESENTED = "attributes_not_presented"  # the card has not shown them in this session
    NO_DELEGATION = "delegation_missing"


class ConsentDenied(Refusal):
    """Nothing was handed over. A plugin may catch it; otherwise the tap is refused with this code."""

    def __init__(self, code: ConsentCode, detail: str = "") -> None:
        super().__init__(code.value, detail)


class DelegationRefused(Refusal):
    """A delegation cannot be made or ended like this.

    Codes: `delegation_of_oneself`, `delegation_end`, `delegation_scope`, `delegation_unknown`,
    `delegation_other_party`, `person_unknown`.
    """
