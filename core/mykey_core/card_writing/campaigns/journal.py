"""The journal of a campaign: one SQLite file in its folder, one row a card, and commits that carry many cards.

An intent is on disk before its step is sent (WAL, synchronous=FULL). Several worker processes write it in turns.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Final

from sqlalchemy import (
    Column,
    Connection,
    Engine,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    bindparam,
    func,
    insert,
    select,
    update,
)

from mykey_core.card_writing.campaigns.card_list import ListedCard
from mykey_core.storage.engine import open_engine

FILE: Final = "journal.sqlite3"
_DRAFT: Final = "new-journal.sqlite3"
UNFINISHED: Final = ("waiting", "intent", "unknown")
STATES: Final = (*UNFINISHED, "done", "refused", "quarantined")
_CHUNK: Final = 5_000

_metadata = MetaData()
_card = Table(
    "card",
    _metadata,
    Column("position", Integer, primary_key=True),
    Column("number", String(14), nullable=False, unique=True),
    Column("columns", Text, nullable=False),
    Column("state", String(12), nullable=False),
    Column("step", String(64), nullable=True),  # the last step that was begun
    Column("steps", Integer, nullable=False),  # steps done, over all attempts
    Column("attempts", Integer, nullable=False),
    Column("code", String(40), nullable=True),
)
Index("ix_card_state", _card.c.state)
_fact = Table("fact", _metadata, Column("name", String(32), primary_key=True), Column("value", Text, nullable=False))
_move = (
    update(_card)
    .where(_card.c.position == bindparam("at"))
    .values(state=bindparam("state_"), step=bindparam("step_"), steps=bindparam("steps_"), code=bindparam("code_"))
)
_begin = update(_card).where(_card.c.position == bindparam("at")).values(attempts=_card.c.attempts + 1)


@dataclass(frozen=True, slots=True)
class CardRow:
    """One card of the campaign. `state` is one of `STATES`."""

    position: int
    number: str
    columns: Mapping[str, str]
    state: str
    step: str | None
    steps: int
    attempts: int
    code: str | None


@dataclass(frozen=True, slots=True)
class Move:
    """What became of one card: to be written with those of others in one commit."""

    position: int
    state: str
    step: str | None
    steps: int
    code: str | None = None


class Journal:
    """The journal in `folder`."""

    def __init__(self, folder: Path, *, name: str = FILE) -> None:
        self.engine: Engine = open_engine(f"sqlite:///{folder / name}")
        self._threads = threading.local()
        self._open: list[Connection] = []

    @classmethod
    def create(cls, folder: Path, cards: Iterable[ListedCard], facts: Mapping[str, Any]) -> Journal:
        """Make the journal with its cards, all waiting. It gets its name when it is whole, so half a one is none."""
        for left_over in folder.glob(f"{_DRAFT}*"):
            left_over.unlink()
        draft = cls(folder, name=_DRAFT)
        draft._fill(cards, facts)
        draft.close()  # the last connection folds the write-ahead log into the file
        (folder / _DRAFT).rename(folder / FILE)
        return cls(folder)

    def _fill(self, cards: Iterable[ListedCard], facts: Mapping[str, Any]) -> None:
        with self._writing() as connection:
            _metadata.create_all(connection)
            connection.execute(insert(_fact), [{"name": name, "value": json.dumps(facts[name])} for name in facts])
            rows = (_new_row(position, card) for position, card in enumerate(cards))
            while chunk := list(islice(rows, _CHUNK)):
                connection.execute(insert(_card), chunk)

    def close(self) -> None:
        """Close all connections, when no other thread uses the journal any more."""
        while self._open:
            self._open.pop().close()
        self._threads = threading.local()
        self.engine.dispose()

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        """This thread's connection. It stays open, because the last one that closes folds the write-ahead log."""
        connection: Connection | None = getattr(self._threads, "connection", None)
        if connection is None:
            connection = self._threads.connection = self.engine.connect()
            self._open.append(connection)
        try:
            yield connection
        finally:
            connection.rollback()

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        """The same in a transaction, which is durable at the end of the block."""
        with self._reading() as connection, connection.begin():
            yield connection

    def facts(self) -> dict[str, Any]:
        """What the campaign is: profile, town, keys, rules, and when it began."""
        with self._reading() as connection:
            return {row.name: json.loads(row.value) for row in connection.execute(select(_fact))}

    def set_facts(self, **facts: Any) -> None:
        """Add or replace facts."""
        with self._writing() as connection:
            for name, value in facts.items():
                text = json.dumps(value)
                if connection.execute(update(_fact).where(_fact.c.name == name).values(value=text)).rowcount == 0:
                    connection.execute(insert(_fact).values(name=name, value=text))

    def count(self) -> dict[str, int]:
        """Cards by state."""
        with self._reading() as connection:
            rows = connection.execute(select(_card.c.state, func.count()).group_by(_card.c.state))
            return {str(row[0]): int(row[1]) for row in rows}

    def unfinished(self) -> list[int]:
        """Positions of the cards that are not at an end, in order."""
        with self._reading() as connection:
            found = select(_card.c.position).where(_card.c.state.in_(UNFINISHED)).order_by(_card.c.position)
            return [int(row[0]) for row in connection.execute(found)]

    def rows(self, positions: Sequence[int] | None = None, *, states: Sequence[str] = STATES) -> list[CardRow]:
        """Cards by position, or all of some states, in order."""
        found = select(_card).where(_card.c.state.in_(states)).order_by(_card.c.position)
        if positions is not None:
            found = found.where(_card.c.position.in_(positions))
        with self._reading() as connection:
            return [_row(row) for row in connection.execute(found)]

    def find(self, number: str) -> CardRow | None:
        """The card with this serial; None when the list does not have it."""
        with self._reading() as connection:
            row = connection.execute(select(_card).where(_card.c.number == number)).first()
        return None if row is None else _row(row)

    def begin(self, positions: Sequence[int]) -> None:
        """Count an attempt for each of these cards."""
        with self._writing() as connection:
            connection.execute(_begin, [{"at": position} for position in positions])

    def commit(self, moves: Sequence[Move]) -> None:
        """Write what became of many cards at once; durable when it returns."""
        values = [
            {"at": move.position, "state_": move.state, "step_": move.step, "steps_": move.steps, "code_": move.code}
            for move in moves
        ]
        if values:
            with self._writing() as connection:
                connection.execute(_move, values)


def _new_row(position: int, card: ListedCard) -> dict[str, Any]:
    columns = json.dumps(dict(card.columns), ensure_ascii=False)
    start = {"state": "waiting", "step": None, "steps": 0, "attempts": 0, "code": None}
    return {"position": position, "number": card.number, "columns": columns, **start}


def _row(row: Any) -> CardRow:
    columns = json.loads(row.columns)
    return CardRow(row.position, row.number, columns, row.state, row.step, row.steps, row.attempts, row.code)
