"""What card writing refuses and what it reports.

    MykeyError
    ├── Refusal
    │   └── WritingRefused       refused for the person at the counter, with a code (`WritingCode`)
    ├── CardKeysUnavailable      the key provider cannot give the keys of this generation
    ├── CeremonyError            shares that do not fit together, or a wrong check value
    └── CampaignError            a campaign that cannot start or go on; says what to do

No error carries a card's number, a share or a key.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum, unique

from mykey_core.errors import MykeyError, Refusal


@unique
class WritingCode(StrEnum):
    """Why a card is not written, or not written to the end. The wording is `refusal.<code>.*`."""

    CARD_NOT_OURS = "card_not_ours"
    CARD_KEYS_UNKNOWN = "card_keys_unknown"
    CARD_KEYS_MISSING = "card_keys_missing"
    CARD_FULL = "card_full"
    CARD_PULLED = "card_pulled"
    CARD_QUARANTINED = "card_quarantined"
    CARD_FAULTY = "card_faulty"
    CARD_NOT_AS_PLANNED = "card_not_as_planned"
    CARD_TAMPERED = "card_tampered"
    CARD_NOT_LISTED = "card_not_listed"
    CARD_WRITTEN_BEFORE = "card_written_before"
    PROFILE_UNKNOWN = "profile_unknown"
    PROFILE_DOES_NOT_FIT = "profile_does_not_fit"
    PROFILE_AID_CLASH = "profile_aid_clash"
    SERVICE_NOT_ON_CARD = "service_not_on_card"
    SERVICE_HAS_VALUE = "service_has_value"
    APPROVAL_NEEDED = "approval_needed"
    APPROVAL_BY_ANOTHER = "approval_by_another"
    COUNTER_ONLY = "card_counter_only"
    WRITING_UNKNOWN = "writing_unknown"
    WRITING_ENDED = "writing_ended"
    WRITING_OUT_OF_STEP = "writing_out_of_step"
    SERVICE_NOT_USABLE = "service_not_usable"
    GATE_ONLY = "card_gate_only"
    TAP_REFUSED_BY_CARD = "tap_refused_by_card"
    TAP_UNKNOWN = "card_tap_unknown"
    NOT_SHARED = "card_not_shared"
    RELEASE_NOT_NEEDED = "release_not_needed"
    FLOOR_TOO_HIGH = "floor_too_high"
    VISIT_ENDED = "visit_ended"


class WritingRefused(Refusal):
    """A refusal of card writing; `code` is a `WritingCode`."""

    def __init__(self, code: WritingCode, detail: str = "") -> None:
        super().__init__(code.value, detail)


class CardKeysUnavailable(MykeyError):
    """There are no keys of this generation, or the token that holds them cannot be used."""

    def __init__(self, generation: int, reason: str) -> None:
        super().__init__(f"the card keys of generation {generation} cannot be used: {reason}")
        self.generation = generation
        self.reason = reason


class CeremonyError(MykeyError):
    """The key ceremony cannot go on; nothing was stored."""


class CampaignError(MykeyError):
    """A campaign cannot start or go on; no card was touched since the last entry of its journal.

    `lines` are the numbers of wrong lines of the card list, from 1.
    """

    def __init__(self, message: str, lines: Sequence[int] = ()) -> None:
        super().__init__(message)
        self.lines = tuple(lines)
