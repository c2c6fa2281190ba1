"""What the hub hands to a hook: frozen arguments. What a plugin answers stands in `answers`, `results` and `pages`.

A person is always a pairwise id of this plugin (43 characters); instants are in UTC.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum, unique
from uuid import UUID

from mykey_core.plugins.json_values import Json


@dataclass(frozen=True, slots=True)
class TapRequest:
    """One tap (or one further action within a visit) as a plugin sees it.

    `subject` is the pairwise id of the person for this plugin (43 characters), or None for an action of the
    staff that concerns no person. `input` holds the fields that the manifest declares for the action, checked.
    `at` is the instant of the tap in UTC. `new_subject` is True when the core has just enrolled the person.
    """

    municipality: str
    service: str
    action: str
    service_point: str
    subject: str | None
    input: Mapping[str, str]
    at: datetime
    new_subject: bool = False


@dataclass(frozen=True, slots=True)
class Event:
    """Something that the core or a plugin has told of; delivered at least once, so `id` makes it idempotent.

    `name` begins with its `source` (`taxi.month-closed`, `core.identity-linked`). `subject` is the receiving plugin's
    own pairwise id of the person whom the event concerns, if it knows that person.
    """

    id: UUID
    name: str
    source: str
    at: datetime
    data: Mapping[str, Json]
    subject: str | None = None


@dataclass(frozen=True, slots=True)
class CardProfileRequest:
    """A card of this person is about to be written: what belongs into the plugin's slot?

    `input` are the fields that the counter asked for.
    """

    municipality: str
    subject: str
    at: datetime
    input: Mapping[str, str] = field(default_factory=dict)


@unique
class CardOperation(StrEnum):
    """What was done with the plugin's slot of a card."""

    WRITTEN = "written"
    SUSPENDED = "suspended"
    RESUMED = "resumed"
    DELETED = "deleted"


@dataclass(frozen=True, slots=True)
class CardWritten:
    """The plugin's slot of a card has changed, and the card has confirmed it.

    `slot` is the number of the service on the card (`card_profile.service`). `card` is the card's alias for this
    plugin: another plugin has another alias of the same card. `subject` is None where nobody is known to hold it.
    """

    municipality: str
    subject: str | None
    slot: int
    operation: CardOperation
    card: str
    at: datetime


@unique
class IdentityReason(StrEnum):
    """Why an identity was linked, replaced or ended."""

    ENROLLED = "enrolled"  # linked: the plugin gets to know the person
    RENEWED = "renewed"  # replaced: a new certificate, the same person, the same pairwise id
    REKEYED = "rekeyed"  # replaced: a new pairwise id in place of `previous_subject`
    MOVED_OUT = "moved_out"
    ABROAD = "abroad"
    DECEASED = "deceased"
    WITHDRAWN = "withdrawn"  # ended: the person wants the link to be ended


@dataclass(frozen=True, slots=True)
class IdentityChange:
    """A change of the link between a person and this plugin. `previous_subject` is there when the id itself changed."""

    municipality: str
    subject: str
    reason: IdentityReason
    at: datetime
    previous_subject: str | None = None


@dataclass(frozen=True, slots=True)
class EligibilityRequest:
    """May this person use `service` now? `input` are values that the asking page has, checked by nobody else."""

    municipality: str
    service: str
    subject: str
    at: datetime
    input: Mapping[str, str] = field(default_factory=dict)


@unique
class ClockState(StrEnum):
    """What the core thinks of the time that a terminal wrote into a record."""

    OK = "ok"
    ADJUSTED = "adjusted"  # corrected by the terminal's monotonic clock; `recorded_at` is the corrected instant
    QUARANTINED = "quarantined"  # it cannot be right


@dataclass(frozen=True, slots=True)
class OfflineRecord:
    """One record of a terminal's signed queue, after the core has checked signature, chain, sequence and clock.

    `terminal` is the terminal's alias for this plugin. The same record again never reaches the plugin: the core
    answers with the stored receipt. `skew` is the terminal's clock minus the hub's: where `clock` is adjusted,
    `recorded_at` is corrected by it already, and the plugin takes it off the instants in `payload` (rule TX-T3).
    """

    municipality: str
    service: str
    service_point: str
    terminal: str
    sequence: int
    record_id: UUID
    recorded_at: datetime
    received_at: datetime
    clock: ClockState
    payload: Mapping[str, Json]
    skew: timedelta = timedelta(0)
