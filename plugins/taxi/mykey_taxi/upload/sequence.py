"""The sequence of one terminal's records: new, a replay, a contradiction, or after a gap (TX-U1 to TX-U5)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from mykey_taxi.upload.chain import GENESIS, canonical, next_hash


class Step(StrEnum):
    """What a record is in its terminal's sequence."""

    NEXT = "accepted"
    REPLAY = "replay"  # the same content again: the same receipt
    EQUIVOCATION = "equivocation"  # other content under a number that was used: HTTP 409, kept as evidence
    AFTER_GAP = "pending_gap"
    BROKEN_CHAIN = "chain_broken"


@dataclass(slots=True)
class TerminalSequence:
    """What the server keeps of a terminal: records by number (canonical), the last hash without a gap, waived numbers.

    It is a model of its own so that its rules can be tested without a database; `ready` are the numbers that may be
    settled.
    """

    records: dict[int, bytes] = field(default_factory=dict)
    evidence: list[tuple[int, bytes]] = field(default_factory=list)
    waived: set[int] = field(default_factory=set)
    reach: int = 0
    last_hash: bytes = GENESIS

    def offer(self, record: Mapping[str, Any]) -> Step:
        """Take a record in; a contradiction is kept as evidence and changes nothing else."""
        number, content = int(record["seq"]), canonical(record)
        known = self.records.get(number)
        if known is not None:
            return self._again(number, content, known)
        if number == self.reach + 1 and not self._chains(record):
            self.evidence.append((number, content))
            return Step.BROKEN_CHAIN
        self.records[number] = content
        self._advance(record if number == self.reach + 1 else None)
        return Step.NEXT if number <= self.reach else Step.AFTER_GAP

    def waive(self, number: int) -> None:
        """Settle without the missing record `number`, by a clerk's decision."""
        self.waived.add(number)
        self._advance(None)

    @property
    def missing(self) -> list[int]:
        """The numbers that are waited for."""
        top = max(self.records, default=0)
        return [number for number in range(self.reach + 1, top) if number not in self.records]

    @property
    def ready(self) -> list[int]:
        """The numbers whose records may be settled."""
        return sorted(number for number in self.records if number <= self.reach)

    def _again(self, number: int, content: bytes, known: bytes) -> Step:
        if content == known:
            return Step.REPLAY
        self.evidence.append((number, content))
        return Step.EQUIVOCATION

    def _chains(self, record: Mapping[str, Any]) -> bool:
        """True unless the record names hashes that are not ours; after a waived number nothing can be compared."""
        if not record.get("hash") or self.reach in self.waived:
            return True
        return bool(record["hash"] == next_hash(self.last_hash, record).hex())

    def _advance(self, record: Mapping[str, Any] | None) -> None:
        while self.reach + 1 in self.records or self.reach + 1 in self.waived:
            self.reach += 1
        if record is not None and record.get("hash"):
            self.last_hash = bytes.fromhex(record["hash"])
