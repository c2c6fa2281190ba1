"""A card behind a relay: the writing runs in a thread of the hub, its APDUs travel as questions and answers.

Each exchange has a number, so that a lost reply can be asked for again and nothing is ever sent twice to the card.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import Empty, Queue
from typing import Final

from mykey_cardap.errors import CardRemovedError
from mykey_core.card_writing.errors import WritingCode, WritingRefused

ANSWER_SECONDS: Final = 60.0
"""How long the hub waits for a card's answer; then the card counts as pulled."""
_TURN_SECONDS: Final = 30.0
Commands = tuple[bytes, ...]


class RelayedCard:
    """Both ends of a relay: a `Transport` for the writing's thread, and `exchange` for the terminal's requests."""

    def __init__(self, *, answer_seconds: float = ANSWER_SECONDS) -> None:
        self._answer_seconds = answer_seconds
        self._commands: Queue[Commands] = Queue()
        self._answers: Queue[bytes | None] = Queue()
        self._turn = threading.Lock()
        self._sequence = 0
        self._last: Commands = ()
        self._over = False

    @property
    def over(self) -> bool:
        """Whether the writing has ended: nothing more will be asked."""
        return self._over

    @property
    def last(self) -> tuple[int, Commands]:
        """The number of the last exchange, and the commands that wait for their answer."""
        return self._sequence, self._last

    # -- the writing's side -------------------------------------------------------------------------------------

    def send_apdu(self, command: bytes) -> bytes:
        """Ask the terminal's card. `CardRemovedError` when it reports that it is gone, or does not answer in time."""
        self._commands.put((command,))
        try:
            answer = self._answers.get(timeout=self._answer_seconds)
        except Empty:
            raise CardRemovedError("the terminal did not answer in time") from None
        if answer is None:
            raise CardRemovedError("the terminal reports that the card is gone")
        return answer

    def end(self) -> None:
        """The writing is over: whoever waits for commands gets none."""
        self._over = True
        self._commands.put(())

    # -- the terminal's side ------------------------------------------------------------------------------------

    def exchange(self, sequence: int, responses: tuple[bytes, ...], *, card_gone: bool = False) -> tuple[int, Commands]:
        """Answers to the commands number `sequence` (0: none yet); returns the number and the next commands.

        The same number again returns the same commands. `writing_out_of_step` for any other number, or for answers
        that are not one a command.
        """
        with self._turn:
            if sequence == self._sequence - 1:
                return self._sequence, self._last
            if sequence != self._sequence or (not card_gone and len(responses) != len(self._last)):
                raise WritingRefused(WritingCode.WRITING_OUT_OF_STEP)
            if card_gone:
                self._answers.put(None)
            for response in responses if not card_gone else ():
                self._answers.put(response)
            self._last = self._next()
            self._sequence += 1
            return self._sequence, self._last

    def _next(self) -> Commands:
        if self._over and self._commands.empty():
            return ()
        try:
            return self._commands.get(timeout=_TURN_SECONDS)
        except Empty:
            raise WritingRefused(WritingCode.WRITING_ENDED, "the writing does not go on") from None


class RelayedWriting:
    """A thread that does a writing over a relay. `work` gets the card and never raises."""

    def __init__(self, work: Callable[[RelayedCard], None], *, answer_seconds: float = ANSWER_SECONDS) -> None:
        self.card = RelayedCard(answer_seconds=answer_seconds)
        self._thread = threading.Thread(target=self._run, args=(work,), name="card-writing", daemon=True)

    @property
    def started(self) -> bool:
        """Whether it has begun (and perhaps ended)."""
        return self._thread.ident is not None

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def join(self, seconds: float) -> None:
        """Wait for its end."""
        self._thread.join(seconds)

    def _run(self, work: Callable[[RelayedCard], None]) -> None:
        try:
            work(self.card)
        finally:
            self.card.end()
