"""Why the counter does not do what a clerk asks. All are refusals with a stable code."""

from __future__ import annotations

from mykey_core.errors import Refusal


class CounterRefused(Refusal):
    """The counter refuses.

    Codes: `counter_purpose_unknown`, `counter_case_over`, `counter_person_unknown`, `counter_card_known`,
    `counter_own_record`, `counter_document_unknown`, `counter_ground_unknown`,
    `counter_message_empty`, `counter_date_form`,
    `counter_search_not_granted`, `counter_card_needed`,
    `approval_unknown`, `approval_over`, `approval_by_another`, `approval_other_card`, `approval_exists`.
    """


class PasskeyRefused(Refusal):
    """A passkey is not registered, or nobody is signed in by it.

    Codes: `passkey_expired`, `passkey_refused`, `passkey_unknown`, `passkey_counter`, `passkey_exists`,
    `passkey_no_domain`.
    """
