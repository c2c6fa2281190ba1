"""The counter of a town: what staff can do with the services on a citizen's card, from a terminal.

Begins writings and taps, relays their APDUs, asks for a second person where that is configured, and tells how they
ended. What happens to the card is decided in `writer.py` and `card_taps.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from uuid import UUID

from uuid_utils.compat import uuid7

from mykey_cardap.transport import Transport
from mykey_core.card_writing.card_taps import TapDesk, TapJournal, TapOrder
from mykey_core.card_writing.desk import CardDesk
from mykey_core.card_writing.errors import CardKeysUnavailable, WritingCode, WritingRefused
from mykey_core.card_writing.hands import Hand, check_second
from mykey_core.card_writing.journal import WritingJournal, WritingRow
from mykey_core.card_writing.keys.generations import Generations
from mykey_core.card_writing.keys.provider import CardKeyProvider
from mykey_core.card_writing.live import Live, WritingView, drive, ending_of
from mykey_core.card_writing.plan import Operation
from mykey_core.card_writing.profiles import CardData, CardProfile, check_profiles
from mykey_core.card_writing.relay import RelayedCard
from mykey_core.card_writing.settings import CardWritingSettings
from mykey_core.card_writing.turns import TurnBox
from mykey_core.card_writing.writer import Ending, Job
from mykey_core.clock import Clock
from mykey_core.storage.database import Database
from mykey_core.terminals.registry import Terminal

RIGHT: Final = "card-counter"
"""The name that a service point has to offer for its terminals to write cards."""
GATE: Final = "card-gate"
"""The same for taps with a service on the card."""
LEASE: Final = timedelta(seconds=15)
"""How long a writing counts as alive after its process was heard of last."""
_KEPT: Final = 1_000
_ALL: Final = "all"  # a check or a move-out concerns every service
_WHOLE_CARD: Final = frozenset({Operation.CHECK, Operation.MOVE_OUT, Operation.RAISE_FLOOR, Operation.ROTATE})
Ended = Callable[[WritingRow, Ending, bytes | None, str | None], None]


@dataclass(frozen=True, slots=True)
class WritingOrder:
    """What a terminal asks for. `plugin` names the card profile; `data` are for WRITE.

    `shared_with` are towns (of those in the settings) whose cards may be written. `subject` is the person's id for
    the plugin, where one is known. `staff` is the clerk (`staff:NAME`), where one is signed in.
    """

    operation: Operation
    plugin: str
    data: CardData | None = None
    with_value: bool = False
    dry_run: bool = False
    shared_with: frozenset[str] = frozenset()
    subject: str | None = None
    staff: str | None = None


@dataclass(frozen=True, slots=True)
class CounterParts:
    """What a counter is put together from. `ended` hears of each writing that changed a card."""

    database: Database
    municipality: str
    clock: Clock
    journal: WritingJournal
    taps: TapJournal
    settings: CardWritingSettings
    profiles: Mapping[str, CardProfile]
    keys: Callable[[], CardKeyProvider]
    turns: TurnBox
    ended: Ended = lambda _row, _ending, _serial, _subject: None


class CardCounter:
    """The writings of one hub process. A writing lives in the process that began it; others pass requests on to it."""

    def __init__(self, parts: CounterParts) -> None:
        check_profiles(parts.profiles)
        self._parts = parts
        self._live: dict[UUID, Live] = {}
        parts.turns.answer = self._answer

    @property
    def profiles(self) -> Mapping[str, CardProfile]:
        """The card profiles of the active plugins."""
        return self._parts.profiles

    # -- beginning ----------------------------------------------------------------------------------------------

    def begin(self, terminal: Terminal, order: WritingOrder) -> WritingView:
        """Begin a writing; everything that can be refused without the card is refused here.

        Raises `WritingRefused`.
        """
        _require(terminal, RIGHT)
        parts = self._parts
        work, row = self._prepared(order, terminal.id, terminal.service_point)
        live = Live(row.id, terminal.id, lambda card: work(live, card), order.operation in parts.settings.four_eyes)
        parts.journal.begin(row, parts.turns.process, parts.clock() + LEASE)
        return self._keep(live)

    def run_here(self, order: WritingOrder, card: Transport) -> WritingView:
        """The whole writing of a card in a reader of this computer, without a terminal.

        Raises `WritingRefused`; `approval_needed` for what a second person has to approve: that is for the counter.
        """
        if order.operation in self._parts.settings.four_eyes and not order.dry_run:
            raise WritingRefused(WritingCode.APPROVAL_NEEDED)
        work, row = self._prepared(order, None, None)
        live = Live(row.id, row.id, lambda _: Ending("unknown"))
        self._parts.journal.begin(row)
        live.ending = work(live, card)
        return live.view()

    def _prepared(
        self, order: WritingOrder, terminal: UUID | None, point: str | None
    ) -> tuple[Callable[[Live, Transport], Ending], WritingRow]:
        """What will be done with the card, and the row of the journal."""
        parts = self._parts
        if order.shared_with - parts.settings.shared_with:
            raise WritingRefused(WritingCode.NOT_SHARED)
        keys, generation, floor = self._current_keys()
        job = self._job(order, generation, floor)
        row = WritingRow(
            uuid7(), order.plugin or _ALL, order.operation, keys.kind, terminal, point, order.staff, order.subject
        )
        shared = frozenset(map(int, order.shared_with))

        def work(live: Live, card: Transport) -> Ending:
            issuer = int(parts.municipality)
            admit = parts.journal.admit
            desk = CardDesk(card, keys, owner=issuer, shared_with=shared, floor=floor, admit=admit)
            ending = drive(live, desk, job, row, parts.journal)
            if not job.dry_run:
                parts.ended(row, ending, desk.serial, order.subject)
            return ending

        return work, row

    def begin_tap(self, terminal: Terminal, order: TapOrder) -> WritingView:
        """Begin a tap with a service on the card; relayed like a writing, with its `result` at the end."""
        _require(terminal, GATE)
        profile = self._profile(order.plugin)
        parts = self._parts
        keys, _, floor = self._current_keys()
        row = WritingRow(uuid7(), order.plugin, "tap", keys.kind, terminal.id, terminal.service_point)

        def work(card: RelayedCard) -> Ending:
            desk = desk_of(card)
            try:
                live.result = desk.run(order).as_json()
                ending = Ending("done")
            except WritingRefused as refusal:
                ending = ending_of(refusal)
            parts.journal.end(row, ending, desk.serial, dry_run=False)
            return ending

        def desk_of(card: RelayedCard) -> TapDesk:
            issuers = frozenset({int(parts.municipality), *map(int, parts.settings.shared_with)})
            admit = parts.journal.admit
            return TapDesk(card, keys, issuers, floor, parts.taps, admit, parts.clock, profile, terminal.id)

        live = Live(row.id, terminal.id, work)
        parts.journal.begin(row, parts.turns.process, parts.clock() + LEASE)
        return self._keep(live)

    # -- going on -----------------------------------------------------------------------------------------------

    def approve(self, terminal: Terminal, writing: UUID, staff: str | None = None) -> WritingView:
        """Let a second person approve, at another terminal than the one that writes; `staff` is who it is, if known."""
        _require(terminal, RIGHT)
        stored = self._parts.journal.open_row(writing)
        if stored is None:
            raise self._not_open(writing)
        second = str(Hand(terminal.id, staff))
        if stored.terminal is not None:
            check_second(str(Hand(stored.terminal, stored.staff)), second)
        self._parts.journal.approve(writing, second)
        live = self._live.get(writing)
        if live is not None:
            live.needs_approval = False
            return live.view()
        return WritingView(writing, "open")

    def exchange(
        self, terminal: Terminal, writing: UUID, sequence: int, responses: tuple[bytes, ...], *, card_gone: bool = False
    ) -> WritingView:
        """Answers of the card to the last commands; returns the next ones, or how the writing ended.

        A request that reaches another process than the writing's is passed on to it.
        """
        live = self._live.get(writing)
        if live is None:
            return self._pass_on(terminal, writing, sequence, responses, card_gone=card_gone)
        if terminal.id != live.terminal:
            raise WritingRefused(WritingCode.WRITING_UNKNOWN)
        if live.needs_approval and self._parts.journal.is_approved(writing):
            live.needs_approval = False
        return live.exchange(sequence, responses, card_gone=card_gone)

    def find(self, terminal: Terminal, writing: UUID) -> WritingView:
        """Where a writing stands, for a terminal that lost its way, with the commands that wait for an answer.

        A writing whose process has ended is `unknown`: begin again, and the card tells how far it was.
        """
        live = self._live.get(writing)
        if live is not None and live.terminal == terminal.id:
            return live.view()
        stored = self._parts.journal.state(writing)
        if stored is None:
            raise WritingRefused(WritingCode.WRITING_UNKNOWN)
        state, code = stored
        lost = state == "open" and self._parts.journal.open_row(writing) is None
        return WritingView(writing, "unknown" if lost else state, code=code)

    def release(self, terminal: Terminal, writing: UUID, evidence: str, staff: str | None = None) -> str:
        """Release the card of a writing from quarantine: "asked" until a second person agrees, where configured."""
        _require(terminal, RIGHT)
        return self.release_by(str(Hand(terminal.id, staff)), writing, evidence)

    def release_by(self, who: str, writing: UUID, evidence: str) -> str:
        """The same for somebody at the hub itself."""
        two = "release" in self._parts.settings.four_eyes
        return self._parts.journal.ask_release(writing, evidence, who, two=two)

    # -- inside -------------------------------------------------------------------------------------------------

    def _keep(self, live: Live) -> WritingView:
        ended = [key for key, other in self._live.items() if other.ending is not None]
        for key in ended[: max(0, len(self._live) - _KEPT)]:
            del self._live[key]
        self._live[live.id] = live
        self._parts.turns.watch(self._open_ones, LEASE)
        return live.view()

    def _open_ones(self) -> tuple[UUID, ...]:
        """Those that may still go on. One that nobody began within half an hour is left to its lease."""
        return tuple(key for key, live in list(self._live.items()) if live.ending is None and not live.is_forgotten)

    def _pass_on(
        self, terminal: Terminal, writing: UUID, sequence: int, responses: tuple[bytes, ...], *, card_gone: bool
    ) -> WritingView:
        stored = self._parts.journal.open_row(writing)
        if stored is None or stored.process is None or stored.process == self._parts.turns.process:
            raise self._not_open(writing)
        if terminal.id != stored.terminal:
            raise WritingRefused(WritingCode.WRITING_UNKNOWN)
        return self._parts.turns.ask(stored.process, writing, sequence, responses, card_gone=card_gone)

    def _answer(self, writing: UUID, sequence: int, responses: tuple[bytes, ...], card_gone: bool) -> WritingView:  # noqa: FBT001 - what another process asks
        live = self._live.get(writing)
        if live is None:
            raise self._not_open(writing)
        if live.needs_approval and self._parts.journal.is_approved(writing):
            live.needs_approval = False
        return live.exchange(sequence, responses, card_gone=card_gone)

    def _not_open(self, writing: UUID) -> WritingRefused:
        known = self._parts.journal.state(writing) is not None
        return WritingRefused(WritingCode.WRITING_ENDED if known else WritingCode.WRITING_UNKNOWN)

    def _current_keys(self) -> tuple[CardKeyProvider, int, int]:
        """The provider, the generation that is written now, and the floor."""
        generations = Generations(self._parts.municipality)
        try:
            keys = self._parts.keys()
            with self._parts.database.reading() as session:
                return keys, generations.current(session, keys), generations.floor(session)
        except CardKeysUnavailable as error:
            raise WritingRefused(WritingCode.CARD_KEYS_MISSING, error.reason) from error

    def _job(self, order: WritingOrder, generation: int, floor: int) -> Job:
        issuer = int(self._parts.municipality)
        if order.operation is Operation.RAISE_FLOOR:
            return Job(order.operation, 0, issuer, floor, dry_run=order.dry_run)
        if order.operation in _WHOLE_CARD:
            return Job(order.operation, 0, issuer, generation, with_value=order.with_value, dry_run=order.dry_run)
        profile = self._profile(order.plugin)
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

    def _profile(self, plugin: str) -> CardProfile:
        profile = self._parts.profiles.get(plugin)
        if profile is None:
            raise WritingRefused(WritingCode.PROFILE_UNKNOWN)
        return profile


def _require(terminal: Terminal, right: str) -> None:
    if right not in terminal.services:
        raise WritingRefused(WritingCode.COUNTER_ONLY if right == RIGHT else WritingCode.GATE_ONLY)
