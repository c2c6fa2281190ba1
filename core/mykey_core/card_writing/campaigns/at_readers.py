"""`mykey campaign run` with cards in readers: what the operator is told, and how a run begins and ends."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial
from typing import Final

import click

from mykey_cardap.transport import Transport
from mykey_core.card_writing.campaigns.audit import record_begin, record_end
from mykey_core.card_writing.campaigns.hold import is_held
from mykey_core.card_writing.campaigns.journal import CardRow, Journal
from mykey_core.card_writing.campaigns.options import Options
from mykey_core.card_writing.campaigns.readers import CardSource, pcsc_readers
from mykey_core.card_writing.campaigns.report import TURNED_AWAY
from mykey_core.card_writing.campaigns.run import RUN_LOCK
from mykey_core.card_writing.campaigns.setup import Setup
from mykey_core.card_writing.campaigns.station import Station, Visit
from mykey_core.card_writing.campaigns.worker import WORKERS_LOCK, locked
from mykey_core.card_writing.desk import CardDesk
from mykey_core.card_writing.domain_desk import DomainDesk, IssuerKeys
from mykey_core.card_writing.errors import WritingCode, WritingRefused
from mykey_core.card_writing.issuing import IssueJob, Issuing, issue_and_write
from mykey_core.card_writing.keys.provider import CardKeyProvider
from mykey_core.card_writing.writer import write_card
from mykey_core.translations import load_catalogue

INTERRUPTED: Final = "interrupted"


def run_at_readers(options: Options, setup: Setup, journal: Journal) -> str | None:
    """Serve the readers until all cards are at an end; returns why it stopped before (None: it did not)."""
    begin = Writings(options, setup)
    sources = pcsc_readers(options.readers)
    operator = Operator(options.language)
    station = Station(
        journal,
        setup.issuer,
        options.rules,
        begin,
        operator.tell,
        fresh_cards=options.issuer_keys is not None,
        dry_run=options.dry_run,
        held=partial(is_held, options.out),
    )
    with ExitStack() as locks:
        locks.enter_context(locked(options.out / RUN_LOCK, shared=False))
        locks.enter_context(locked(options.out / WORKERS_LOCK, shared=False))
        if options.dry_run:
            return _served(station, sources, operator)
        record_begin(setup)
        reason: str | None = "failed"
        try:
            reason = _served(station, sources, operator)
        finally:
            _remember(journal, station.turned_away)
            record_end(setup, journal.count(), reason)
        return reason


def _served(station: Station, sources: Sequence[CardSource], operator: Operator) -> str | None:
    try:
        return station.run(sources)
    except KeyboardInterrupt:
        operator.say("stopped", {})
        return INTERRUPTED


def _remember(journal: Journal, turned_away: dict[str, int]) -> None:
    """Cards that were refused before anything was tried stand in the report by number only."""
    known = dict(journal.facts().get(TURNED_AWAY, {}))
    for code, count in turned_away.items():
        known[code] = known.get(code, 0) + count
    if known:
        journal.set_facts(**{TURNED_AWAY: known})


class Writings:
    """Begins the writing of one card, fresh or ours; `CampaignError` and `ConfigurationError` before any card."""

    def __init__(self, options: Options, setup: Setup) -> None:
        self._setup = setup
        self._dry_run = options.dry_run
        self._secure = options.secure
        self._keys: CardKeyProvider = setup.open_keys()
        self._issuer_keys = IssuerKeys.load(options.issuer_keys) if options.issuer_keys else None
        self._code = options.code()

    def __call__(self, transport: Transport, row: CardRow, fresh: bool) -> Issuing:  # noqa: FBT001 - a `Begin`
        """See `station.Begin`."""
        setup = self._setup
        serial = bytes.fromhex(row.number)
        desk = CardDesk(transport, self._keys, owner=setup.issuer, floor=setup.floor, admit=_only(serial))
        job = setup.job(row, dry_run=self._dry_run)
        if not fresh:
            return write_card(desk, job)
        if self._issuer_keys is None:
            raise WritingRefused(WritingCode.CARD_NOT_OURS, "it has no card-level key")
        issue = IssueJob(serial, setup.issuer, setup.generation, self._code, secure=self._secure, dry_run=self._dry_run)
        return issue_and_write(
            DomainDesk(transport, self._issuer_keys, self._keys, owner=setup.issuer), issue, desk, job
        )


def _only(serial: bytes) -> Callable[[bytes], None]:
    def admit(found: bytes) -> None:
        if found != serial:
            raise WritingRefused(WritingCode.CARD_PULLED, "another card lies in the reader")

    return admit


class Operator:
    """Tells the person at the readers what happened, one line a card; called from several threads."""

    def __init__(self, language: str) -> None:
        self._words = load_catalogue("mykey_core.card_writing", "writing")
        self._language = language
        self._lock = threading.Lock()

    def tell(self, visit: Visit) -> None:
        """One card, or a reader that became ready or failed."""
        number = self._words.get("station.no_number", self._language) if visit.line is None else f"#{visit.line}"
        values: dict[str, str | int] = {"reader": visit.reader, "number": number, "steps": visit.steps}
        values |= {"code": visit.code or "", "plan": ", ".join(visit.plan) or "-", "problem": visit.problem}
        values["what"] = self._what(visit.code)
        keys = {"done": "take", "planned": "dry", "unknown": "unknown", "ready": "ready", "problem": "reader"}
        self.say(keys.get(visit.state, "refused"), values)

    def say(self, key: str, values: dict[str, str | int]) -> None:
        """One line."""
        text = self._words.get(f"station.{key}", self._language, values)
        with self._lock:
            click.echo(text)

    def _what(self, code: str | None) -> str:
        key = f"station.{code}"
        return self._words.get(key if self._words.has(key) else "station.other", self._language)
