"""A writing or a tap that lives in this process: its thread, how far it is, and what of it may be shown.

The journal outlives it. Beginning, approving and relaying are in `counter.py`.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

from mykey_core.card_writing.desk import CardDesk
from mykey_core.card_writing.errors import CardKeysUnavailable, WritingCode, WritingRefused
from mykey_core.card_writing.journal import WritingJournal, WritingRow
from mykey_core.card_writing.relay import Commands, RelayedCard, RelayedWriting
from mykey_core.card_writing.writer import Ending, Found, Job, write_card

_UNBEGUN_SECONDS: Final = 1800.0  # a second person may take a while
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class WritingView:
    """Where a writing stands: `state` open (with the next commands), approval, or how it ended.

    `steps_done` of the `plan` are on the card. `result` is that of a tap.
    """

    id: UUID
    state: str
    sequence: int = 0
    commands: Commands = ()
    code: str | None = None
    plan: tuple[str, ...] = ()
    steps_done: int = 0
    card: Mapping[str, Any] | None = None
    result: Mapping[str, Any] | None = None


@dataclass(slots=True)
class Live:
    """A writing (or a tap) and its thread. `on_end` is told how it ended, with the card's serial."""

    id: UUID
    terminal: UUID
    work: Callable[[RelayedCard], Ending]
    needs_approval: bool = False
    found: Found | None = None
    steps_done: int = 0
    ending: Ending | None = None
    result: Mapping[str, Any] | None = None
    writing: RelayedWriting = field(init=False)
    lock: threading.Lock = field(default_factory=threading.Lock)
    begun: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        self.writing = RelayedWriting(self._run)

    @property
    def is_forgotten(self) -> bool:
        """Whether the terminal never came for the first command."""
        return not self.writing.started and time.monotonic() - self.begun > _UNBEGUN_SECONDS

    def exchange(self, sequence: int, responses: tuple[bytes, ...], *, card_gone: bool) -> WritingView:
        """Hand in answers of the card; what to send next, or how it ended."""
        if self.needs_approval:
            raise WritingRefused(WritingCode.APPROVAL_NEEDED)
        with self.lock:
            if not self.writing.started:
                self.writing.start()
        number, commands = self.writing.card.exchange(sequence, responses, card_gone=card_gone)
        if not commands:
            self.writing.join(5)
        return self.view(number, commands)

    def view(self, sequence: int | None = None, commands: Commands | None = None) -> WritingView:
        """Where it stands; by itself with the commands that wait for the card's answer."""
        last = self.writing.card.last
        ending = self.ending
        return WritingView(
            self.id,
            "approval" if self.needs_approval else ending.state if ending else "open",
            last[0] if sequence is None else sequence,
            last[1] if commands is None else commands,
            ending.code.value if ending and ending.code else None,
            tuple(map(str, self.found.plan.steps)) if self.found else (),
            self.steps_done,
            self.found.state.as_json() if self.found else None,
            self.result,
        )

    def _run(self, card: RelayedCard) -> None:
        """The whole thread: whatever happens, there is an ending."""
        try:
            self.ending = self.work(card)
        except WritingRefused as refusal:
            self.ending = ending_of(refusal)
        except CardKeysUnavailable:
            self.ending = Ending("unknown", WritingCode.CARD_KEYS_UNKNOWN)
        except Exception:  # noqa: BLE001 - a fault of ours must not leave the writing open
            _log.exception("a card writing failed")
            self.ending = Ending("unknown", WritingCode.CARD_FAULTY)


def ending_of(refusal: WritingRefused) -> Ending:
    """How a writing ends that was refused on the way; a card that failed a proof, or went back, is put aside."""
    code = WritingCode(refusal.code)
    aside = code in {WritingCode.CARD_TAMPERED, WritingCode.CARD_QUARANTINED}
    state = "unknown" if code is WritingCode.TAP_UNKNOWN else "quarantined" if aside else "refused"
    return Ending(state, code)  # type: ignore[arg-type]


def drive(live: Live, desk: CardDesk, job: Job, row: WritingRow, journal: WritingJournal) -> Ending:
    """Drive a writing, and make each entry durable before it goes on; then close it in the journal."""
    try:
        ending = _driven(live, desk, job, journal)
    except WritingRefused as refusal:
        ending = ending_of(refusal)
    except CardKeysUnavailable:
        ending = Ending("unknown", WritingCode.CARD_KEYS_UNKNOWN)
    except Exception:  # noqa: BLE001 - the journal has to say that the outcome is not known
        _log.exception("a card writing failed")
        ending = Ending("unknown", WritingCode.CARD_FAULTY)
    journal.end(row, ending, desk.serial, dry_run=job.dry_run)
    return ending


def _driven(live: Live, desk: CardDesk, job: Job, journal: WritingJournal) -> Ending:
    writing = write_card(desk, job)
    try:
        while True:
            item = next(writing)
            if isinstance(item, Found):
                live.found = item
                journal.found(live.id, item, job)
            else:
                journal.record(live.id, item)
                live.steps_done += item.state == "done"
    except StopIteration as end:
        ending: Ending = end.value
        return ending
    finally:
        writing.close()
