"""What the agent does with its reader alone: look at the card, and let it sign in to the hub's own pages.

One card operation at a time. This is all that a citizen's computer at home offers; a terminal's desk (`desk`) adds
what goes through the hub.
"""

from __future__ import annotations

import threading
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from mykey_cardap.errors import CardError, ReaderBusyError
from mykey_cardap.jpki import JpkiSession
from mykey_terminal.agent.insertions import Insertions
from mykey_terminal.errors import AgentError
from mykey_terminal.problems import problem_of
from mykey_terminal.readers.virtual import VirtualReader
from mykey_terminal.sign_in import sign_in
from mykey_terminal.version import VERSION

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mykey_cardap.session import PinStatus
    from mykey_terminal.agent.bodies import SignInBody
    from mykey_terminal.readers import CardReader

_PATIENCE = 1.0
"""Seconds that a look at the card waits for a running operation; a tap does not wait at all."""


class ReaderDesk:
    """One reader in the service of one hub's pages. Safe for several threads."""

    def __init__(self, reader: CardReader, hub_origin: str) -> None:
        """`hub_origin` is the only origin for which the card signs, and whose pages may sign in."""
        self._reader = reader
        self._hub_origin = hub_origin
        self._card_lock = threading.Lock()
        self._insertions = Insertions()

    def status(self, page: str = "") -> dict[str, Any]:
        """What the reader holds; a reader that fails is part of the answer. `page` stands for the pairing that asks."""
        return {"version": VERSION, "reader": self._reader_status(page)}

    def _reader_status(self, page: str) -> dict[str, Any]:
        reader = self._reader
        answer: dict[str, Any] = {"name": "", "kind": reader.kind, "card_present": False, "movements": 0, "card": None}
        try:
            answer |= {"card_present": reader.card_present(), "name": reader.name, "movements": reader.movements}
        except CardError as error:
            answer["problem"] = problem_of(error).to_json()
        answer["insertion"] = self._insertion(page)
        if isinstance(reader, VirtualReader) and reader.inserted:
            answer["card"] = asdict(next(card for card in reader.tray() if card.name == reader.inserted))
        return answer

    def _insertion(self, page: str) -> str | None:
        """The id of the card that is there; None without a card, or when the reader cannot tell."""
        try:
            return self._insertions.of(self._reader.insertion, page)
        except CardError:
            return self._insertions.of(None, page)

    def card(self) -> dict[str, Any]:
        """The tries left of the authentication PIN and the token's label; costs no try and needs no PIN."""
        if not self._reader.card_present():
            return {"present": False, "pins": {}, "token_label": None}
        with self.hold(_PATIENCE), self._reader.open() as transport:
            session = JpkiSession(transport)
            status = session.pin_status("authentication")
            label = session.token_info().label
            session.logout()
        return {"present": True, "pins": {"authentication": pin_json(status)}, "token_label": label}

    def tray(self) -> dict[str, Any]:
        """The cards of the virtual reader. Raises `agent_not_found` when the reader is a real one."""
        reader = self._virtual()
        return {"cards": [asdict(card) for card in reader.tray()], "inserted": reader.inserted}

    def insert(self, name: str | None) -> dict[str, Any]:
        """Insert a card of the tray, or take the card out: also in the middle of a tap, as people do."""
        reader = self._virtual()
        reader.insert(name)
        return {"inserted": reader.inserted}

    def sign_in(self, body: SignInBody, page_origin: str, page: str = "") -> dict[str, Any]:
        """Let the card sign a nonce for the hub's own pages; a page of another origin is refused (`agent_origin`).

        The answer has the id of the card's insertion; null when it is not the same before and after.
        """
        if page_origin != self._hub_origin:
            raise AgentError("agent_origin", 403)
        with self.hold(0):
            before = self._insertion(page)
            report = sign_in(
                self._reader,
                origin=self._hub_origin,
                nonce=body.nonce,
                pin=body.pin_bytes(),
                allow_last_attempt=body.allow_last_attempt,
            )
            after = self._insertion(page) if report.problem is None else None
        card = None if report.pin is None else pin_json(report.pin)
        if report.problem is not None:
            return {"state": "problem", "problem": report.problem.to_json(), "card": card}
        insertion = before if before == after else None
        return {"state": "done", "token": report.token, "card": card, "insertion": insertion}

    @contextmanager
    def hold(self, patience: float) -> Iterator[None]:
        """Take the card for one operation; `ReaderBusyError` when another one runs longer than `patience` seconds."""
        if not self._card_lock.acquire(timeout=patience):
            raise ReaderBusyError("the terminal is using the card")
        try:
            yield
        finally:
            self._card_lock.release()

    def _virtual(self) -> VirtualReader:
        if not isinstance(self._reader, VirtualReader):
            raise AgentError("agent_not_found", 404)
        return self._reader


def pin_json(status: PinStatus) -> dict[str, Any]:
    """A PIN's state as the agent answers it."""
    return {"attempts_remaining": status.attempts_remaining, "blocked": status.blocked}
