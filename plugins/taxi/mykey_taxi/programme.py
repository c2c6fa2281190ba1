"""The rule packs that the town's settings name, read once."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from mykey_taxi.rules.packs import PackSeries, read_packs, shipped_packs


def packs_of(settings: Mapping[str, Any]) -> PackSeries:
    """The packs in force for this town; `PackError` when the folder or the programme has none that is valid."""
    return _read(str(settings.get("packs") or ""), str(settings.get("programme") or "maitaku"))


@lru_cache(maxsize=8)
def _read(folder: str, programme: str) -> PackSeries:
    return read_packs(Path(folder), programme) if folder else shipped_packs(programme)
