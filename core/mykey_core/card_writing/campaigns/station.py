"""A campaign at real readers: each card that is put in is identified, matched with the list, written, and told of.

A card that is not for us (another issuer's, not in the list, finished before, quarantined) is refused before the
first write. The journal and its rules are those of simulated campaigns; a reader is a lane.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

from mykey_cardap.errors import TransportError
from mykey_cardap.transport import Transport
from mykey_core.card_writing.campaigns.hold import HELD
from mykey_core.card_writing.campaigns.journal import UNFINISHED, CardRow, Journal
from mykey_core.card_writing.campaigns.lanes import Lane
from mykey_core.card_writing.campaigns.readers import CardSource, pause
from mykey_core.card_writing.campaigns.run import StopRules
from mykey_core.card_writing.desk import reading
from mykey_core.card_writing.domain_desk import application_header, chip_number
from mykey_core.card_writing.errors import CardKeysUnavailable, WritingCode, WritingRefused
from mykey_core.card_writing.issuing import FoundDomain, Issuing
from mykey_core.card_writing.writer import Found

_CHIP: Final = "chip"
Begin = Callable[[Transport, CardRow, bool], Issuing]
"""Begins to write a card; True: it does not have our application yet."""


@dataclass(frozen=True, slots=True)
class Visit:
    """What became of one card that was put in. `line` is its place in the list, from 1 (None: not in the list).

    `state` is `done`, `unknown`, `refused`, `quarantined`, `planned` (dry run), or `ready` and `problem` of the reader
    itself; `turned_away`: refused before anything was tried, so that the journal has nothing of it.
    """

    reader: str
    state: str
    line: int | None = None
    code: str | None = None
    steps: int = 0
    plan: tuple[str, ...] = ()
    problem: str = ""
    turned_away: bool = False


@dataclass(slots=True)
class Station:
    """One run at readers. `begin` starts the writing of one card, `tell` is called from the readers' threads.

    `held` is asked before each card: True ends the run.
    """

    journal: Journal
    issuer: int
    rules: StopRules
    begin: Begin
    tell: Callable[[Visit], None]
    fresh_cards: bool = False
    dry_run: bool = False
    held: Callable[[], bool] = bool
    stop: threading.Event = field(default_factory=threading.Event)
    turned_away: dict[str, int] = field(default_factory=dict)
    _reason: str | None = None
    _failure: Exception | None = None
    _ended: dict[str, int] = field(default_factory=dict)
    _under_way: set[int] = field(default_factory=set)
    _chips: Mapping[str, str] = field(default_factory=dict)
    _cards: int = 0
    _left: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def run(self, sources: Sequence[CardSource]) -> str | None:
        """Serve all readers until every card is at an end, a stop rule speaks, or `stop` is set; returns the rule.

        A card that is being written when `stop` is set is finished first.
        """
        counts = self.journal.count()
        self._ended = {state: count for state, count in counts.items() if state not in UNFINISHED}
        self._cards = sum(counts.values())
        self._left = self._cards - sum(self._ended.values())
        if self.fresh_cards:
            self._chips = {row.columns[_CHIP]: row.number for row in self.journal.rows() if _CHIP in row.columns}
        if not self._left:
            return None
        threads = [threading.Thread(target=self._serve, args=(source,), name=source.name) for source in sources]
        for thread in threads:
            thread.start()
        try:
            for thread in threads:
                thread.join()
        except KeyboardInterrupt:
            self.stop.set()
            for thread in threads:
                thread.join()
            raise
        if self._failure is not None:
            raise self._failure
        return self._reason

    # -- one reader -------------------------------------------------------------------------------------------

    def _serve(self, source: CardSource) -> None:
        """Card after card. A fault of ours (the journal's disk is full) ends the run at all readers."""
        try:
            self._cards_of(source)
        except Exception as error:  # noqa: BLE001 - raised again by `run`
            self._failure = error
            self.stop.set()

    def _cards_of(self, source: CardSource) -> None:
        """A reader that fails is asked again until the end."""
        self.tell(Visit(source.name, "ready"))
        while not self.stop.is_set():
            try:
                if source.wait(self.stop, present=True):
                    if self.held():
                        self._stop(HELD)
                        return
                    self.tell(self._visit(source))
                    source.wait(self.stop, present=False)
            except TransportError as error:
                self.tell(Visit(source.name, "problem", problem=str(error)))
                pause(self.stop)

    def _visit(self, source: CardSource) -> Visit:
        try:
            with source.card() as transport:
                return self._card(source.name, transport)
        except TransportError:
            return self._away(source.name, WritingCode.CARD_PULLED, None)

    def _card(self, reader: str, transport: Transport) -> Visit:
        row: CardRow | None = None
        try:
            with reading():
                number, fresh = self._identify(transport)
            row = self._claimed(number)
        except WritingRefused as refusal:
            return self._away(reader, WritingCode(refusal.code), None)
        except _Finished as finished:
            return self._away(reader, finished.code, finished.line)
        try:
            return self._written(reader, row, self.begin(transport, row, fresh))
        except WritingRefused as refusal:
            return self._away(reader, WritingCode(refusal.code), row.position + 1)
        finally:
            with self._lock:
                self._under_way.discard(row.position)

    def _written(self, reader: str, row: CardRow, writing: Issuing) -> Visit:
        line = row.position + 1
        if self.dry_run:
            return _planned(reader, line, writing)
        self.journal.begin([row.position])
        lane, steps = Lane(row, writing), row.steps
        try:
            while not lane.ended:
                move = lane.advance()
                self.journal.commit([move])
        except CardKeysUnavailable as error:
            self._stop("keys")
            return Visit(reader, "problem", line, problem=str(error))
        self._count(move.state)
        return Visit(reader, move.state, line, move.code, move.steps - steps)

    # -- which card is it -------------------------------------------------------------------------------------

    def _identify(self, transport: Transport) -> tuple[str, bool]:
        """The serial that the card's line has, and whether the card still needs our application."""
        header = application_header(transport)
        if header is not None and header.issuer != self.issuer:
            raise WritingRefused(WritingCode.CARD_NOT_OURS, "issued by another town")
        if header is not None:
            return header.serial.hex().upper(), not header.generations[0]
        chip = chip_number(transport) if self.fresh_cards else None
        if chip is None:
            raise WritingRefused(WritingCode.CARD_NOT_OURS, "it has no application of ours")
        number = self._chips.get(chip.hex().upper())
        if number is None:
            raise WritingRefused(WritingCode.CARD_NOT_LISTED)
        return number, True

    def _claimed(self, number: str) -> CardRow:
        """The card's line, for this reader alone. Refuses a card that the list does not have, or that is at an end."""
        with self._lock:
            row = self.journal.find(number)
            if row is None:
                raise WritingRefused(WritingCode.CARD_NOT_LISTED)
            if row.state not in UNFINISHED or row.position in self._under_way:
                raise _Finished(_code_of(row), row.position + 1)
            self._under_way.add(row.position)
            return row

    def _away(self, reader: str, code: WritingCode, line: int | None) -> Visit:
        with self._lock:
            self.turned_away[code.value] = self.turned_away.get(code.value, 0) + 1
        return Visit(reader, "refused", line, code.value, turned_away=True)

    # -- when to stop -----------------------------------------------------------------------------------------

    def _count(self, state: str) -> None:
        if state in UNFINISHED:
            return
        with self._lock:
            self._left -= 1
            self._ended[state] = self._ended.get(state, 0) + 1
            all_ended = sum(self._ended.values())
            canary = all_ended <= self.rules.canary(self._cards) and all_ended != self._ended.get("done", 0)
            reason = "canary" if canary else self.rules.verdict(self._ended)
        if reason or not self._left:
            self._stop(reason)

    def _stop(self, reason: str | None) -> None:
        self._reason = self._reason or reason
        self.stop.set()


class _Finished(Exception):
    """The card's line is at an end, or another reader has it."""

    def __init__(self, code: WritingCode, line: int) -> None:
        super().__init__(code.value)
        self.code, self.line = code, line


def _code_of(row: CardRow) -> WritingCode:
    if row.state == "quarantined":
        return WritingCode.CARD_QUARANTINED
    if row.state == "refused" and row.code:
        with suppress(ValueError):
            return WritingCode(row.code)
    return WritingCode.CARD_WRITTEN_BEFORE


def _planned(reader: str, line: int, writing: Issuing) -> Visit:
    plan: list[str] = []
    while True:
        try:
            item = next(writing)
        except StopIteration as end:
            ending = end.value
            state = "planned" if ending.state == "done" else ending.state
            return Visit(reader, state, line, ending.code.value if ending.code else None, plan=tuple(plan))
        if isinstance(item, Found | FoundDomain):
            plan += map(str, item.plan.steps)
