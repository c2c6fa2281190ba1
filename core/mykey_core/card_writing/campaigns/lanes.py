"""Many cards at once, step by step: each lane is one card, and one commit of the journal carries all lanes.

So an intent is durable before its step, at the price of one disk sync for a whole round of cards. With real cards a
lane is a reader.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from mykey_core.card_writing.campaigns.journal import CardRow, Journal, Move
from mykey_core.card_writing.issuing import Issuing
from mykey_core.card_writing.writer import Ending, Entry

LANES: Final = 128
Begin = Callable[[CardRow], Issuing]


class Lane:
    """One card under way: `advance` goes from one move to the next, and `ended` tells that there are no more."""

    def __init__(self, row: CardRow, writing: Issuing) -> None:
        self._writing = writing
        self._position, self._step, self._steps = row.position, row.step, row.steps
        self.ended = False

    def advance(self) -> Move:
        """Go on to the next intent or to the end; the move is to be committed before `advance` is called again."""
        try:
            while True:
                entry = next(self._writing)
                if not isinstance(entry, Entry):
                    continue
                self._step = str(entry.step)
                if entry.state == "intent":
                    return Move(self._position, "intent", self._step, self._steps)
                self._steps += entry.state == "done"
        except StopIteration as end:
            self.ended = True
            ending: Ending = end.value
            code = ending.code.value if ending.code else None
            return Move(self._position, ending.state, self._step, self._steps, code)


def run_lanes(rows: list[CardRow], journal: Journal, begin: Begin) -> dict[str, int]:
    """Write all cards of `rows`; returns how many ended in which state."""
    journal.begin([row.position for row in rows])
    lanes = [Lane(row, begin(row)) for row in rows]
    ended: dict[str, int] = {}
    while lanes:
        moves = [lane.advance() for lane in lanes]
        journal.commit(moves)
        for lane, move in zip(lanes, moves, strict=True):
            if lane.ended:
                ended[move.state] = ended.get(move.state, 0) + 1
        lanes = [lane for lane in lanes if not lane.ended]
    return ended
