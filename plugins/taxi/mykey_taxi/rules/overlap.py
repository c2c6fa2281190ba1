"""Physical impossibility: one rider in two rides at once (TX-L7)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeAlias, TypeVar

Key = TypeVar("Key")
Trips: TypeAlias = tuple[tuple[int, int, Key], ...]
"""Rides of one rider that may not be over: boarding, alighting, and the ride's key."""


def boarded(trips: Trips[Key], board: int, alight: int, key: Key) -> tuple[Trips[Key], tuple[Key, ...]]:
    """`trips` with one more, in the order of boarding, without what is over; and the keys of those that it overlaps.

    Touching ends are no overlap.
    """
    if not trips or (len(trips) == 1 and trips[0][1] <= board):
        return ((board, alight, key),), ()
    still = tuple([trip for trip in trips if trip[1] > board])
    return (*still, (board, alight, key)), tuple([earlier for start, _, earlier in still if start < alight])


def overlapping(rides: Iterable[tuple[Key, str, int, int]]) -> list[Key]:
    """The keys of all rides (key, rider, board, alight) that overlap another one of the same rider, in input order."""
    given = list(rides)
    trips: dict[str, Trips[int]] = {}
    flagged: set[int] = set()
    for number in sorted(range(len(given)), key=lambda number: given[number][2]):
        _, rider, board, alight = given[number]
        trips[rider], others = boarded(trips.get(rider, ()), board, alight, number)
        flagged |= {*others, number} if others else set()
    return [given[number][0] for number in sorted(flagged)]
