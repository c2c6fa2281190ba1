"""The counter of a town: what staff can do with the services on a citizen's card, from a terminal.

Begins writings, relays their APDUs, asks for a second person where that is configured, and tells how they ended.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

from uuid_utils.compat import uuid7

from mykey_core.card_writing.desk import CardDesk
from mykey_core.card_writing.errors import CardKeysUnavailable, WritingCode, WritingRefused
from mykey_core.card_writing.journal import WritingJournal, WritingRow
from mykey_core.card_writing.keys.generations import Generations
from mykey_core.card_writing.keys.provider import CardKeyProvider
from mykey_core.card_writing.plan import Operation
from mykey_core.card_writing.profiles import CardData, CardProfile, check_profiles
from mykey_core.card_writing.relay import Commands, RelayedCard, RelayedWriting
from mykey_core.card_writing.settings import CardWritingSettings
from mykey_core.card_writing.writer import Ending, Found, Job, write_card
from mykey_core.storage.database import Database
from mykey_core.terminals.registry import Terminal

RIGHT: Final = "card-counter"
"""The name that a service point has to offer for its terminals to write cards."""
_KEPT: Final = 1_000
_ALL: Final = "all"  # a check or a move-out concerns every service
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class WritingOrder:
    """What a terminal asks for. `plugin` names the card profile; `data` are for WRITE."""

    operation: Operation
    plugin: str
    data: CardData | None = None
    with_value: bool = False
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class WritingView:
    """Where a writing stands: `state` open (with the next commands), approval, or how it ended."""

    id: UUID
    state: str
    sequence: int = 0
    commands: Commands = ()
    code: str | None = None
    plan: tuple[str, ...] = ()
    card: Mapping[str, Any] | None = None


@dataclass(slots=True)
class _Live:
    row: WritingRow
    terminal: UUID
    job: Job
    writing: RelayedWriting | None = None
    needs_approval: bool = False
    found: Found | None = None
    ending: Ending | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)


class CardCounter:
    """The writings of one hub process. A writing lives in the process that began it; the journal outlives both."""

    def __init__(
        self,
        *,
        database: Database,
        municipality: str,
        journal: WritingJournal,
        settings: CardWritingSettings,
        profiles: Mapping[str, CardProfile],
        keys: Callable[[], CardKeyProvider],
    ) -> None:
        check_profiles(profiles)
        self._database = database
        self._municipality = municipality
        self._journal = journal
        self._settings = settings
        self._profiles = profiles
        self._keys = keys
        self._live: dict[UUID, _Live] = {}

    def begin(self, terminal: Terminal, order: WritingOrder) -> WritingView:
        """Begin a writing; everything that can be refused without the card is refused here.

        Raises `WritingRefused`.
        """
        if RIGHT not in terminal.services:
            raise WritingRefused(WritingCode.COUNTER_ONLY)
        keys, generation, floor = self._current_keys()
        job = self._job(order, generation)
        row = WritingRow(uuid7(), order.plugin or _ALL, order.operation, keys.kind, terminal.id, terminal.service_point)
        live = _Live(row, terminal.id, job, needs_approval=order.operation in self._settings.four_eyes)
        live.writing = RelayedWriting(lambda card: self._work(live, card, keys, floor))
        self._journal.begin(row)
        self._forget_old()
        self._live[row.id] = live
        return self._view(live)

    def approve(self, terminal: Terminal, writing: UUID) -> WritingView:
        """Let a second person approve, at another terminal than the one that writes."""
        live = self._find(writing)
        if RIGHT not in terminal.services:
            raise WritingRefused(WritingCode.COUNTER_ONLY)
        if terminal.id == live.terminal:
            raise WritingRefused(WritingCode.APPROVAL_BY_ANOTHER)
        with live.lock:
            if live.needs_approval:
                self._journal.approve(writing, f"terminal:{terminal.id}")
                live.needs_approval = False
        return self._view(live)

    def exchange(
        self, terminal: Terminal, writing: UUID, sequence: int, responses: tuple[bytes, ...], *, card_gone: bool = False
    ) -> WritingView:
        """Answers of the card to the last commands; returns the next ones, or how the writing ended."""
        live = self._find(writing)
        if terminal.id != live.terminal:
            raise WritingRefused(WritingCode.WRITING_UNKNOWN)
        if live.needs_approval:
            raise WritingRefused(WritingCode.APPROVAL_NEEDED)
        assert live.writing is not None  # noqa: S101 - set by `begin`
        with live.lock:
            if not live.writing.started:
                live.writing.start()
        number, commands = live.writing.card.exchange(sequence, responses, card_gone=card_gone)
        if not commands:
            live.writing.join(5)
        return self._view(live, number, commands)

    def find(self, terminal: Terminal, writing: UUID) -> WritingView:
        """Where a writing stands, for a terminal that lost its way; a writing of an ended process is `unknown`."""
        live = self._live.get(writing)
        if live is not None and live.terminal == terminal.id:
            return self._view(live)
        stored = self._journal.state(writing)
        if stored is None:
            raise WritingRefused(WritingCode.WRITING_UNKNOWN)
        state, code = stored
        return WritingView(writing, "unknown" if state == "open" else state, code=code)

    # -- inside -----------------------------------------------------------------------------------------------

    def _current_keys(self) -> tuple[CardKeyProvider, int, int]:
        """The provider, the generation that is written now, and the floor."""
        generations = Generations(self._municipality)
        try:
            keys = self._keys()
            with self._database.reading() as session:
                return keys, generations.current(session, keys), generations.floor(session)
        except CardKeysUnavailable as error:
            raise WritingRefused(WritingCode.CARD_KEYS_MISSING, error.reason) from error

    def _job(self, order: WritingOrder, generation: int) -> Job:
        issuer = int(self._municipality)
        if order.operation in {Operation.CHECK, Operation.MOVE_OUT}:
            return Job(order.operation, 0, issuer, generation, with_value=order.with_value, dry_run=order.dry_run)
        profile = self._profiles.get(order.plugin)
        if profile is None:
            raise WritingRefused(WritingCode.PROFILE_UNKNOWN)
        image = None
        if order.operation is Operation.WRITE:
            if order.data is None:
                raise WritingRefused(WritingCode.PROFILE_DOES_NOT_FIT, "no data")
            image = profile.image(issuer, order.data)
        return Job(
            order.operation,
            profile.service,
            issuer,
            generation,
            image,
            with_value=order.with_value,
            dry_run=order.dry_run,
        )

    def _work(self, live: _Live, card: RelayedCard, keys: CardKeyProvider, floor: int) -> None:
        """The thread of a writing: drive it, and make each entry durable before it goes on."""
        desk = CardDesk(card, keys, owner=int(self._municipality), floor=floor, admit=self._journal.admit)
        try:
            ending = self._drive(live, desk)
        except WritingRefused as refusal:
            went_back = refusal.code == WritingCode.CARD_TAMPERED
            ending = Ending("quarantined" if went_back else "refused", WritingCode(refusal.code))
        except CardKeysUnavailable:
            ending = Ending("unknown", WritingCode.CARD_KEYS_UNKNOWN)
        except Exception:  # noqa: BLE001 - a fault of ours must not leave the writing open
            _log.exception("a card writing failed")
            ending = Ending("unknown", WritingCode.CARD_FAULTY)
        live.ending = ending
        self._journal.end(live.row, ending, desk.serial, dry_run=live.job.dry_run)

    def _drive(self, live: _Live, desk: CardDesk) -> Ending:
        writing = write_card(desk, live.job)
        try:
            while True:
                item = next(writing)
                if isinstance(item, Found):
                    live.found = item
                    self._journal.found(live.row.id, item, live.job)
                else:
                    self._journal.record(live.row.id, item)
        except StopIteration as end:
            ending: Ending = end.value
            return ending
        finally:
            writing.close()

    def _view(self, live: _Live, sequence: int = 0, commands: Commands = ()) -> WritingView:
        state = "approval" if live.needs_approval else live.ending.state if live.ending else "open"
        code = live.ending.code.value if live.ending and live.ending.code else None
        plan = tuple(map(str, live.found.plan.steps)) if live.found else ()
        card = live.found.state.as_json() if live.found else None
        return WritingView(live.row.id, state, sequence, commands, code, plan, card)

    def _find(self, writing: UUID) -> _Live:
        live = self._live.get(writing)
        if live is None:
            raise WritingRefused(
                WritingCode.WRITING_ENDED if self._journal.state(writing) else WritingCode.WRITING_UNKNOWN
            )
        return live

    def _forget_old(self) -> None:
        ended = [key for key, live in self._live.items() if live.ending is not None]
        for key in ended[: max(0, len(self._live) - _KEPT)]:
            del self._live[key]
