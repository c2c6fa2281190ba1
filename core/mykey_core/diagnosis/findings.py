"""What a check finds: its name, a state, a code and values for the wording (`check.NAME.CODE` in the translations)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum, unique

from mykey_core.translations import Catalogue, Text, load_catalogue

DOMAIN = "diagnosis"


@unique
class Level(StrEnum):
    """How bad a finding is: FAILED means that people are turned away or that the hub cannot start."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Finding:
    """The outcome of one check. `values` hold names of things, counts and times; nothing of a person, no secret."""

    check: str
    level: Level
    code: str
    values: Mapping[str, str | int] = field(default_factory=dict)

    @property
    def title(self) -> Text:
        """What was looked at."""
        return Text(f"check.{self.check}", DOMAIN)

    @property
    def text(self) -> Text:
        """What was found, and what to do about it."""
        return Text(f"check.{self.check}.{self.code}", DOMAIN, self.values)


def ok(check: str, **values: str | int) -> Finding:
    """Nothing is wrong."""
    return Finding(check, Level.OK, "ok", values)


def warning(check: str, code: str, **values: str | int) -> Finding:
    """Somebody should look at it."""
    return Finding(check, Level.WARNING, code, values)


def failed(check: str, code: str, **values: str | int) -> Finding:
    """It does not work."""
    return Finding(check, Level.FAILED, code, values)


def catalogue() -> Catalogue:
    """The wording."""
    return load_catalogue("mykey_core.diagnosis", DOMAIN)
