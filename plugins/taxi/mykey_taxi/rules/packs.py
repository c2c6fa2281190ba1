"""The dated series of packs of a programme: which one is in force at a boarding (TX-P1), and where packs are read."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from importlib.resources import files
from pathlib import Path

from mykey_taxi.errors import PackError
from mykey_taxi.rules.compiled import Rules
from mykey_taxi.rules.pack import Pack, parse_pack


class PackSeries:
    """Packs of one municipality that do not overlap, in the order of their validity."""

    def __init__(self, packs: Iterable[Pack]) -> None:
        self.packs = tuple(sorted(packs, key=lambda pack: pack.programme.valid_from))
        if not self.packs:
            raise PackError("packs", "", "there is none; put at least one TOML file into the folder")
        self._check()
        self._rules = [Rules(pack) for pack in self.packs]
        self._days: dict[int, Rules] = {}

    def _check(self) -> None:
        for earlier, later in zip(self.packs, self.packs[1:], strict=False):
            end = earlier.programme.valid_to
            if end is None or end >= later.programme.valid_from:
                raise PackError(later.programme.id, "programme.valid_from", "two packs are in force on one day")
            if earlier.programme.municipality != later.programme.municipality:
                raise PackError(later.programme.id, "programme.municipality", "packs of two municipalities")

    def on(self, day: date) -> Pack:
        """The pack for rides boarded on `day`; `PackError` when none is in force."""
        return self.rules(day.toordinal()).pack

    def rules(self, day: int) -> Rules:
        """The compiled rules for rides boarded on the day with this ordinal; looked up once for each day."""
        known = self._days.get(day)
        if known is not None:
            return known
        for rules in self._rules:
            if rules.pack.covers(date.fromordinal(day)):
                self._days[day] = rules
                return rules
        raise PackError("packs", "", f"no pack is in force on {date.fromordinal(day)}")

    def by_hash(self, hash_: str) -> Pack | None:
        """The pack with this hash, such as a terminal names it."""
        return next((pack for pack in self.packs if pack.hash == hash_), None)


def read_packs(folder: Path, programme: str | None = None) -> PackSeries:
    """All packs (`*.toml`) of a folder, or those of one programme; `PackError` names the file that is wrong."""
    packs = [parse_pack(path.read_text(encoding="utf-8"), path.name) for path in sorted(folder.glob("*.toml"))]
    return PackSeries(pack for pack in packs if programme in {None, pack.programme.id})


def shipped_packs(programme: str = "maitaku") -> PackSeries:
    """The packs of a programme that come with the plugin: `maitaku`, `yoshitaku`, `kuwamaru`."""
    folder = files("mykey_taxi") / "packs"
    texts = [
        (entry.name, entry.read_text(encoding="utf-8")) for entry in folder.iterdir() if entry.name.endswith(".toml")
    ]
    packs = [parse_pack(text, name) for name, text in sorted(texts)]
    return PackSeries(pack for pack in packs if pack.programme.id == programme)
