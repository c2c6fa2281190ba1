"""Notes of taps whose outcome is not known yet, so that a terminal that lost its power can ask afterwards.

A note is written before a proof is sent and removed when the hub has said what happened. It holds no secret and
nothing about a person.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from mykey_terminal.files import make_private_directory, read_private, write_private

if TYPE_CHECKING:
    from pathlib import Path


class PendingTap(BaseModel):
    """A tap whose proof may have been sent."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    tap_id: str
    service: str
    action: str
    expires_at: AwareDatetime


class PendingTaps:
    """The notes in one folder, one file each. Durable: a note survives loss of power."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def add(self, tap: PendingTap) -> None:
        """Note a tap before its proof is sent."""
        make_private_directory(self._folder)
        write_private(self._file(tap.tap_id), tap.model_dump_json().encode())

    def remove(self, tap_id: str) -> None:
        """Forget a tap whose outcome is known."""
        self._file(tap_id).unlink(missing_ok=True)

    def all(self) -> list[PendingTap]:
        """Every noted tap, oldest expiry first. A note that cannot be read is skipped: it names no tap."""
        taps = []
        for file in self._folder.glob("*.json") if self._folder.is_dir() else ():
            try:
                taps.append(PendingTap.model_validate_json(read_private(file)))
            except ValidationError:
                continue
        return sorted(taps, key=lambda tap: tap.expires_at)

    def _file(self, tap_id: str) -> Path:
        # The id comes from the hub; its hash is a file name whatever it contains.
        return self._folder / f"{hashlib.sha256(tap_id.encode()).hexdigest()[:32]}.json"
