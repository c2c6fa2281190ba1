"""What a plugin answers to hooks other than a tap: verdicts, health, and the object that exports and shreds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum, unique
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from mykey_core.audit.events import CODE
from mykey_core.plugins.json_values import Json
from mykey_core.translations import Text

if TYPE_CHECKING:
    from mykey_core.plugins.context import PluginDatabase


@unique
class RecordState(StrEnum):
    """What became of an offline record."""

    ACCEPTED = "accepted"
    QUARANTINED = "quarantined"  # kept for a person to look at
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True)
class RecordVerdict:
    """The plugin's answer to an offline record: a state, a stable machine code, and a receipt for the terminal."""

    state: RecordState
    code: str
    receipt: Mapping[str, Json] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not CODE.accepts(self.code):
            raise ValueError("the code of a verdict is a machine code in ASCII, such as taxi.accepted")


@dataclass(frozen=True, slots=True)
class Eligibility:
    """Whether a person may use a service, why (`code`), and the sentence that says so."""

    allowed: bool
    code: str
    text: Text | None = None


@unique
class HealthState(StrEnum):
    """How a plugin is."""

    OK = "ok"
    DEGRADED = "degraded"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Health:
    """How a plugin is, for the administrator. `facts` are counts and ages, never personal data."""

    state: HealthState
    text: Text | None = None
    facts: Mapping[str, int | str] = field(default_factory=dict)


@runtime_checkable
class Shredder(Protocol):
    """Exports and deletes what a plugin holds: of one person by pairwise id, or everything (`subject` is None)."""

    def export(self, subject: str | None, database: PluginDatabase) -> Json:
        """All that is stored, as JSON, readable by the person whom it concerns."""
        ...

    def shred(self, subject: str | None, database: PluginDatabase) -> int:
        """Delete it; the number of rows that are gone."""
        ...


@runtime_checkable
class Obligations(Protocol):
    """What a shredder may say besides: that a person cannot leave the service yet, though they wish to."""

    def open_obligations(self, subject: str, database: PluginDatabase) -> Sequence[Text]:
        """What the person has to settle first (things to give back, money to pay), in words; empty: nothing."""
        ...
