"""The states of persons and credentials, the events that change them, and which change is possible. Data only."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from enum import StrEnum, unique


@unique
class PersonState(StrEnum):
    """Where a person stands with this municipality (authentication-hub §5.5)."""

    ACTIVE = "active"
    HELD = "held"  # stopped by the town, for example while an identity is in doubt
    MOVED_OUT = "moved_out"
    ABROAD = "abroad"
    DECEASED = "deceased"


@unique
class CredentialStatus(StrEnum):
    """Where a credential stands. What the issuer's revocation list says comes on top, at every tap."""

    ACTIVE = "active"
    HELD = "held"  # reported lost; the issuer calls it 一時停止
    EXPIRED = "expired"
    REVOKED = "revoked"
    REPLACED = "replaced"


@unique
class CredentialKind(StrEnum):
    """What proves or finds a person. The first two are those of the card's certificates; by the last nobody taps."""

    AUTHENTICATION = "authentication"
    SIGNATURE = "signature"
    MYKEY_ID = "mykey-id"
    FOUR_ATTRIBUTES = "four-attributes"


@unique
class Evidence(StrEnum):
    """Why the hub believes that a credential belongs to a person. The first four link a renewal (§13)."""

    JPKI_OLDNEW_SERIAL = "JPKI_OLDNEW_SERIAL"
    SAME_CARD_SESSION = "SAME_CARD_SESSION"
    SIGNED_4INFO_MATCH = "SIGNED_4INFO_MATCH"
    STAFF_COUNTER = "STAFF_COUNTER"
    SIGNED_ENROLMENT = "SIGNED_ENROLMENT"  # enrolment by oneself, with both certificates of the card


@unique
class EventKind(StrEnum):
    """What happened in a life, as far as the hub has to know."""

    ENROLLED = "enrolled"
    CREDENTIAL_ADDED = "credential_added"
    RENEWED = "renewed"
    ADDRESS_CHANGED = "address_changed"
    NAME_CHANGED = "name_changed"
    CARD_LOST = "card_lost"
    CARD_FOUND = "card_found"
    CREDENTIAL_REVOKED = "credential_revoked"
    CREDENTIAL_EXPIRED = "credential_expired"
    PERSON_HELD = "person_held"
    PERSON_RELEASED = "person_released"
    MOVED_OUT = "moved_out"
    MOVED_IN = "moved_in"
    WENT_ABROAD = "went_abroad"
    DIED = "died"
    REVERSED = "reversed"


_P, _C, _K = PersonState, CredentialStatus, CredentialKind
_ALIVE = frozenset(PersonState) - {PersonState.DECEASED}
_USABLE = frozenset({CredentialStatus.ACTIVE, CredentialStatus.HELD})


@dataclass(frozen=True, slots=True)
class Transition:
    """What an event does: from which states of the person, to which, and what becomes of which credentials.

    `kinds` and `statuses` choose the person's credentials; `one` asks for the one that the event names.
    """

    persons: AbstractSet[PersonState] = _ALIVE
    person_to: PersonState | None = None
    kinds: AbstractSet[CredentialKind] = frozenset()
    statuses: AbstractSet[CredentialStatus] = frozenset()
    credential_to: CredentialStatus | None = None
    one: bool = field(default=False, kw_only=True)


_CARD = frozenset({_K.AUTHENTICATION, _K.SIGNATURE})
_ONLY_SIGNATURE = frozenset({_K.SIGNATURE})
# ENROLLED, CREDENTIAL_ADDED and RENEWED add credentials (`enrolment`, `renewal`); REVERSED undoes (`life`).
TRANSITIONS: dict[EventKind, Transition] = {
    # Moving or a new name revokes the signature certificate; the authentication certificate stays (§5.5).
    EventKind.ADDRESS_CHANGED: Transition(_ALIVE, None, _ONLY_SIGNATURE, _USABLE, _C.REVOKED),
    EventKind.NAME_CHANGED: Transition(_ALIVE, None, _ONLY_SIGNATURE, _USABLE, _C.REVOKED),
    EventKind.CARD_LOST: Transition(_ALIVE, None, _CARD, frozenset({_C.ACTIVE}), _C.HELD),
    EventKind.CARD_FOUND: Transition(_ALIVE, None, _CARD, frozenset({_C.HELD}), _C.ACTIVE),
    EventKind.CREDENTIAL_REVOKED: Transition(_ALIVE, None, frozenset(_K), _USABLE, _C.REVOKED, one=True),
    EventKind.CREDENTIAL_EXPIRED: Transition(_ALIVE, None, _CARD, frozenset({_C.ACTIVE}), _C.EXPIRED, one=True),
    EventKind.PERSON_HELD: Transition(frozenset({_P.ACTIVE}), _P.HELD),
    EventKind.PERSON_RELEASED: Transition(frozenset({_P.HELD}), _P.ACTIVE),
    EventKind.MOVED_OUT: Transition(
        frozenset({_P.ACTIVE, _P.HELD, _P.ABROAD}), _P.MOVED_OUT, _ONLY_SIGNATURE, _USABLE, _C.REVOKED
    ),
    EventKind.MOVED_IN: Transition(frozenset({_P.MOVED_OUT, _P.ABROAD}), _P.ACTIVE),
    EventKind.WENT_ABROAD: Transition(
        frozenset({_P.ACTIVE, _P.HELD, _P.MOVED_OUT}), _P.ABROAD, _ONLY_SIGNATURE, _USABLE, _C.REVOKED
    ),
    EventKind.DIED: Transition(_ALIVE, _P.DECEASED, frozenset(_K), _USABLE, _C.REVOKED),
}  # fmt: skip

# Why a tap is refused, by state; the wording is `refusal.<code>.*`.
PERSON_REFUSALS = {PersonState.HELD: "person_held", PersonState.DECEASED: "person_deceased"}
NON_RESIDENT_REFUSALS = {PersonState.MOVED_OUT: "person_moved_out", PersonState.ABROAD: "person_abroad"}
CREDENTIAL_REFUSALS = {
    CredentialStatus.HELD: "credential_held",
    CredentialStatus.EXPIRED: "credential_expired",
    CredentialStatus.REVOKED: "credential_revoked",
    CredentialStatus.REPLACED: "credential_replaced",
}
REFUSAL_CODES = frozenset({
    *PERSON_REFUSALS.values(), *NON_RESIDENT_REFUSALS.values(), *CREDENTIAL_REFUSALS.values()
})  # fmt: skip


def refusal_code(person: str, credential: str, *, residents_only: bool) -> str | None:
    """Why somebody in these states is refused at a tap, or None. A town's non-residents keep what is not theirs alone.

    The person's state comes first: who has died is not told that a certificate was replaced.
    """
    state = PersonState(person)
    if state in PERSON_REFUSALS:
        return PERSON_REFUSALS[state]
    if residents_only and state in NON_RESIDENT_REFUSALS:
        return NON_RESIDENT_REFUSALS[state]
    return CREDENTIAL_REFUSALS.get(CredentialStatus(credential))
