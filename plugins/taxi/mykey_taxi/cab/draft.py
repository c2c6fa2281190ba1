"""The ride under way as it stands on the disk of the cab, so that a program that was killed goes on with it."""

from __future__ import annotations

import os
from datetime import date, datetime
from pathlib import Path
from typing import Any

from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from mykey_taxi.errors import InputError


class Tapped(BaseModel):
    """A rider who has tapped: what the card said. `today` are the card's rides on the day of boarding."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    card: str
    rider: str
    pass_id: str
    until: date
    left: int
    today: int
    period: int


class Draft(BaseModel):
    """A ride. `proofs` are the cards' answers by rider; a rider with a proof has paid with a use."""

    model_config = ConfigDict(extra="forbid")
    ride: str
    board_at: AwareDatetime
    board_zone: str
    alight_at: AwareDatetime | None = None
    alight_zone: str = ""
    meter_yen: int = 0
    discount_yen: int = 0
    riders: list[Tapped] = []
    proofs: dict[str, dict[str, Any] | None] = {}
    record_id: str = ""

    def rider_of(self, card: str) -> Tapped | None:
        """The rider with this card."""
        return next((rider for rider in self.riders if rider.card == card), None)


class DraftFile:
    """One ride in a file, written whole and to the disk; none when there is no file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def load(self) -> Draft | None:
        """The ride under way; `InputError` for a damaged file."""
        if not self._path.exists():
            return None
        try:
            return Draft.model_validate_json(self._path.read_bytes())
        except ValidationError as error:
            raise InputError(self._path.name, "it is damaged: keep it and tell the town") from error

    def save(self, draft: Draft) -> None:
        """Keep the ride; on the disk when this returns."""
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        unfinished = self._path.with_suffix(".part")
        handle = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(draft.model_dump_json().encode())
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(self._path)

    def drop(self) -> None:
        """The ride is over."""
        self._path.unlink(missing_ok=True)


def seconds(at: datetime) -> datetime:
    """Without fractions: records and cards hold whole seconds."""
    return at.replace(microsecond=0)
