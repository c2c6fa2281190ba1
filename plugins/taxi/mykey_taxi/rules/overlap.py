"""Physical impossibility: one rider in two rides at once (TX-L7)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Generic, TypeVar

Key = TypeVar("Key")


class OverlapWatch(Generic[Key]):
    """Finds rides of one rider that overlap, given in the order of boarding; what is over is forgotten."""

    def __init__(self) -> None:
        self._open: dict[str, list[tuple[int, int, Key]]] = {}

    def add(self, rider: str, board: int, alight: int, key: Key) -> list[Key]:
        """The keys of earlier rides of `rider` that overlap this one; touching ends are no overlap."""
        known = self._open.get(rider)
        if known is None or (len(known) == 1 and known[0][1] <= board):
            self._open[rider] = [(board, alight, key)]
            return []
        still = [ride for ride in known if ride[1] > board]
        self._open[rider] = [*still, (board, alight, key)]
        return [earlier for start, _, earlier in still if start < alight]


def overlapping(rides: Iterable[tuple[Key, str, int, int]]) -> list[Key]:
    """The keys of all rides (key, rider, board, alight) that overlap another one of the same rider, in input order."""
    given = list(rides)
    watch: OverlapWatch[int] = OverlapWatch()
    flagged: set[int] = set()
    for number in sorted(range(len(given)), key=lambda number: given[number][2]):
        _, rider, board, alight = given[number]
        others = set(watch.add(rider, board, alight, number))
        flagged |= others | ({number} if others else set())
    return [given[number][0] for number in sorted(flagged)]
