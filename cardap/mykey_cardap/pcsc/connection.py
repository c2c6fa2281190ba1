"""One connection to the card in one reader, with the rules for sharing a card (`pcsc-and-desktop` reference §6).

Every operation runs in one transaction, from SELECT to its last command, and what a PIN opened is closed at the
end. Choosing a reader lives in `readers.py`, watching readers in `monitor.py`.
"""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Self, TypeVar

from mykey_cardap.apdu import Ins
from mykey_cardap.errors import CardRemovedError, CardResetError, ReaderBusyError, TransportError, WrongCardError
from mykey_cardap.identity import card_identity
from mykey_cardap.pcsc.culprits import likely_culprits
from mykey_cardap.pcsc.winscard import Disposition, Share, Winscard

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import TracebackType

    from mykey_cardap.transport import Transport

T = TypeVar("T")

_PIN_COMMANDS = frozenset({Ins.VERIFY, Ins.CHANGE_REFERENCE_DATA, Ins.JICSAP_CHANGE_KEY})
_HEADER_AND_LC = 5
_STATUS_WORD = 2
_BUSY_TRIES = 4
_BUSY_PAUSE = 0.25
_RESET_TRIES = 3
_TURN_SECONDS = 20.0


class CardConnection:
    """A card in a reader. It is a `Transport`, but send commands inside `transaction` or `perform` only.

    Shared by default. A fault of the transport throws the handle away; the next operation connects anew and
    goes on only with the same card. Safe to use from several threads, one operation at a time.
    """

    def __init__(
        self,
        winscard: Winscard,
        reader: str,
        *,
        share: Share = Share.SHARED,
        sleep: Callable[[float], None] = time.sleep,
        culprits: Callable[[], tuple[str, ...]] = likely_culprits,
    ) -> None:
        self.reader = reader
        self._winscard = winscard
        self._share = share
        self._sleep = sleep
        self._culprits = culprits
        self._context = winscard.establish_context()
        self._handle: int | None = None
        self._protocol = 0
        self._identity: bytes | None = None
        self._used = False
        self._pin_open = False
        self._pin_presented = False
        self._lock = threading.RLock()
        try:
            self._connect()
        except TransportError:
            winscard.release_context(self._context)
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let the card go: powered off when a PIN is still open, left as it is otherwise."""
        with self._lock:
            self._drop()
            with suppress(TransportError):
                self._winscard.release_context(self._context)

    @property
    def atr(self) -> bytes:
        """The ATR. Never decide by it: some readers and all phones make one up."""
        return self._winscard.get_atr(self._connected())

    # -- transport ----------------------------------------------------------------------------------------

    def send_apdu(self, command: bytes) -> bytes:
        """Send one command; see `Transport`."""
        return self._send(command)

    def send_secret_apdu(self, command: bytearray) -> bytes:
        """Send one command that holds a PIN from the caller's own buffer; see `SecretTransport`."""
        return self._send(command)

    def _send(self, command: bytes | bytearray) -> bytes:
        if len(command) > _HEADER_AND_LC and command[1] in _PIN_COMMANDS:
            self._pin_open = self._pin_presented = True
        response = self._winscard.transmit(self._connected(), self._protocol, command)
        if len(response) < _STATUS_WORD:
            # Drivers report a card that left in the middle of a command as an empty answer.
            raise CardRemovedError("the card lost contact")
        return response

    # -- operations ---------------------------------------------------------------------------------------

    def perform(self, operation: Callable[[Transport], T]) -> T:
        """Run an operation, which begins with a SELECT, in one transaction and return its result.

        When another program resets the card before any PIN was presented, the operation begins again; once a
        PIN was presented, never: `CardResetError`. Raises `WrongCardError` when the card in the reader is not
        the one that earlier operations of this connection used.
        """
        for _ in range(_RESET_TRIES):
            try:
                return self._perform_once(operation)
            except CardResetError:
                if self._pin_presented:
                    raise
        return self._perform_once(operation)

    def _perform_once(self, operation: Callable[[Transport], T]) -> T:
        with self.transaction():
            self._check_identity()
            return operation(self)

    @contextmanager
    def transaction(self) -> Iterator[Transport]:
        """Hold the card against other programs; at the end it is powered off if a PIN was presented.

        Powering off is on purpose: what a PIN opened is open for every process on the computer (§6.4).
        """
        with self._lock:
            self._begin()
            try:
                yield self
            except (CardResetError, WrongCardError):
                self._end()
                raise
            except TransportError:
                self._drop()
                raise
            except BaseException:
                self._end()
                raise
            self._end()

    def _begin(self) -> None:
        """Start a transaction; a reset by the program before us is taken note of by connecting anew."""
        self._pin_presented = False
        deadline = time.monotonic() + _TURN_SECONDS
        while True:
            if self._handle is None:
                self._connect()
            try:
                self._winscard.begin_transaction(self._connected())
            except (CardResetError, CardRemovedError):
                # Nothing is under way yet: connect to the card that is there now; its identity is checked.
                # Not SCardReconnect, which leaves a card without power that another program switched off.
                self._drop()
            except TransportError:
                self._drop()
                raise
            else:
                return
            if time.monotonic() > deadline:
                raise self._busy("other programs reset the card again and again")

    def _end(self) -> None:
        try:
            self._winscard.end_transaction(self._connected(), self._disposition())
        except TransportError:
            self._drop()
        self._pin_open = False

    def _check_identity(self) -> None:
        found = card_identity(self)
        if not self._used:
            self._identity, self._used = found, True
        elif found is None or found != self._identity:
            raise WrongCardError("the card in the reader is not the one that the operation began with")

    # -- the handle ---------------------------------------------------------------------------------------

    def _connect(self) -> None:
        """Connect, a few times if need be: the card may be busy, or just being powered by somebody else."""
        for attempt in range(_BUSY_TRIES):
            if attempt:
                self._sleep(_BUSY_PAUSE)
            try:
                self._handle, self._protocol = self._winscard.connect(self._context, self.reader, self._share)
            except (ReaderBusyError, CardResetError):
                continue
            return
        raise self._busy("another program holds the card")

    def _connected(self) -> int:
        if self._handle is None:
            raise CardResetError("the connection to the card was lost")
        return self._handle

    def _drop(self) -> None:
        if self._handle is not None:
            with suppress(TransportError):
                self._winscard.disconnect(self._handle, self._disposition())
            self._handle = None
        self._pin_open = False

    def _disposition(self) -> Disposition:
        return Disposition.UNPOWER if self._pin_open else Disposition.LEAVE

    def _busy(self, message: str) -> ReaderBusyError:
        return ReaderBusyError(message, culprits=self._culprits())
