"""A reader without hardware: a tray of emulated cards, one of which may be inserted.

The cards are those of `mykey_cardap.emulator`; they answer APDUs only. Their counters of PIN tries are kept in
files, so that a blocked card stays blocked.
"""

from __future__ import annotations

import threading
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from mykey_cardap.emulator import InProcessTransport, personas
from mykey_cardap.emulator.cards import make_card
from mykey_cardap.emulator.personas import CardType
from mykey_cardap.emulator.state import CardHold
from mykey_cardap.emulator.state import CardInUseError as FileInUseError
from mykey_cardap.errors import NoCardError
from mykey_terminal.errors import CardInUseError, UnknownCardError
from mykey_terminal.files import make_private_directory

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import date
    from pathlib import Path

    from mykey_cardap.emulator import VirtualCard
    from mykey_cardap.transport import Transport
    from mykey_terminal.readers import ReaderKind


@dataclass(frozen=True, slots=True)
class TrayCard:
    """One card of the tray: `title` and `purpose` by language (ja, en).

    `pin` is the emulated card's authentication PIN, so that a visitor of the demo can use the card.
    """

    name: str
    title: dict[str, str]
    purpose: dict[str, str]
    pin: str


class VirtualReader:
    """A tray of every persona of the emulator. May be used by several threads."""

    name = "virtual"
    kind: ReaderKind = "virtual"

    def __init__(self, folder: Path, *, today: date | None = None) -> None:
        make_private_directory(folder)
        self._folder = folder
        self._today = today
        self._lock = threading.Lock()
        self._cards: dict[str, VirtualCard] = {}
        self._inserted: str | None = None
        self._hold: CardHold | None = None
        self._movements = 0

    @property
    def inserted(self) -> str | None:
        """The name of the inserted card, or None."""
        return self._inserted

    def tray(self) -> list[TrayCard]:
        """Every card that can be inserted."""
        people = [personas.load(name, self._today) for name in personas.names()]
        return [
            TrayCard(person.name, asdict(person.title), asdict(person.purpose), person.auth_pin) for person in people
        ]

    def insert(self, name: str | None) -> None:
        """Take out what is inserted and insert `name` (None: leave the reader empty).

        Raises `UnknownCardError`, and `CardInUseError` when another reader has it: this one is empty then. A card
        that is being used loses its power at once, like a real one.
        """
        if name is not None and name not in personas.names():
            raise UnknownCardError("the tray has no such card")
        with self._lock:
            self._movements += 1
            self._take_out()
            if name is not None:
                self._hold = self._held(name)
                self._cards[name] = self._make(name)
            self._inserted = name

    def _take_out(self) -> None:
        """Another reader may have it next: its file is the card."""
        if self._inserted is not None:
            self._cards.pop(self._inserted).power_off()
            self._inserted = None
        if self._hold is not None:
            self._hold.close()
            self._hold = None

    def _held(self, name: str) -> CardHold:
        try:
            return CardHold(self._state(name))
        except FileInUseError:
            raise CardInUseError("this card is in another reader: take it out there first") from None

    def _state(self, name: str) -> Path:
        return self._folder / f"{name}.json"

    def _make(self, name: str) -> VirtualCard:
        """The card of a persona; a plastic My Number Card has our application in its free area."""
        plastic = personas.load(name, self._today).card is CardType.MY_NUMBER
        return make_card(name, today=self._today, state=self._state(name), service_application=plastic)

    def card_present(self) -> bool:
        """Whether a card is inserted."""
        return self._inserted is not None

    @property
    def movements(self) -> int:
        """How often the tray was used."""
        return self._movements

    @property
    def insertion(self) -> int | None:
        """The number of the movement that brought the card."""
        with self._lock:
            return None if self._inserted is None else self._movements

    @contextmanager
    def open(self) -> Iterator[Transport]:
        """Power the inserted card for one operation."""
        with self._lock:
            card = None if self._inserted is None else self._cards[self._inserted]
        if card is None:
            raise NoCardError("no card is inserted")
        with InProcessTransport(card) as transport:
            yield transport
