"""Physical impossibility: one rider in two rides at once (TX-L7)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Generic, TypeVar

Key = TypeVar("Key")


class OverlapWatch(Generic[Key]):
    """Finds rides of one rider that overlap, given in the order of boarding.

    Rides that are over are dropped by `forget`, so that a million of them do not fill the processor's cache.
    """

    def __init__(self) -> None:
        self.open: dict[str, tuple[tuple[int, int, Key], ...]] = {}

    def add(self, rider: str, board: int, alight: int, key: Key) -> list[Key]:
        """The keys of earlier rides of `rider` that overlap this one; touching ends are no overlap."""
        known = self.open.get(rider)
        if known is None:
            self.open[rider] = ((board, alight, key),)
            return []
        still = [trip for trip in known if trip[1] > board]
        self.open[rider] = (*still, (board, alight, key))
        return [earlier for start, _, earlier in still if start < alight]

    def forget(self, board: int) -> None:
        """Drop what is over at `board`, before which no ride will begin any more."""
        self.open = {rider: trips for rider, trips in self.open.items() if len(trips) > 1 or trips[0][1] > board}


def overlapping(rides: Iterable[tuple[Key, str, int, int]]) -> list[Key]:
    """The keys of all rides (key, rider, board, alight) that overlap another one of the same rider, in input order."""
    given = list(rides)
    watch: OverlapWatch[int] = OverlapWatch()
    flagged: set[int] = set()
    for number in sorted(range(len(given)), key=lambda number: given[number][2]):
        _, rider, board, alight = given[number]
        others = watch.add(rider, board, alight, number)
        flagged |= {*others, number} if others else set()
    return [given[number][0] for number in sorted(flagged)]
