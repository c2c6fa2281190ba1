"""What a clerk can do to a record, and which of it needs a second person. Data only."""

from __future__ import annotations

from enum import StrEnum, unique
from typing import Final

from mykey_core.identity.states import EventKind


@unique
class Act(StrEnum):
    """An act that one clerk asks for and a supervisor decides."""

    CARD_FOUND = "card-found"
    HOLD = "hold"
    RELEASE = "release"
    MOVE_OUT = "move-out"
    MOVE_IN = "move-in"
    DEATH = "death"
    RENEWAL = "renewal"  # a new card for somebody whose old one is not there; completed with the new card
    REVERSAL = "reversal"  # an event that was recorded by mistake


EVENTS: Final = {
    Act.CARD_FOUND: EventKind.CARD_FOUND,
    Act.HOLD: EventKind.PERSON_HELD,
    Act.RELEASE: EventKind.PERSON_RELEASED,
    Act.MOVE_OUT: EventKind.MOVED_OUT,
    Act.MOVE_IN: EventKind.MOVED_IN,
    Act.DEATH: EventKind.DIED,
}
DATED: Final = frozenset({Act.MOVE_OUT, Act.MOVE_IN, Act.DEATH})
"""Acts about something that happened on a civil date."""
GROUNDS: Final = {
    Act.CARD_FOUND: ("card-seen",),
    Act.HOLD: ("citizen-asked", "family-asked", "authority", "register-notice"),
    Act.RELEASE: ("citizen-asked", "authority", "entry-wrong"),
    Act.MOVE_OUT: ("register-notice", "document-seen"),
    Act.MOVE_IN: ("register-notice", "document-seen"),
    Act.DEATH: ("register-notice", "document-seen"),
    Act.REVERSAL: ("entry-wrong", "register-notice"),
}
"""What a request may rest on: codes, so that no name gets into it. A renewal rests on the document that was seen."""
ENDS_SESSIONS: Final = frozenset({Act.HOLD, Act.DEATH})
DOCUMENTS: Final = ("driving-licence", "passport", "residence-card", "disability-certificate", "two-documents")
"""What a clerk has seen: one document with a photograph by an authority, or two without."""
SUPERVISOR: Final = "supervisor"
CLERKS: Final = ("clerk", SUPERVISOR)
"""Roles that may look at records."""
