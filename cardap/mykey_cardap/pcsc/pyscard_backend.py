"""PC/SC through pyscard (extra `mykey[pcsc]`): the only module that imports `smartcard`.

Uses pyscard's flat functions, because its connection classes unpower the card when they are closed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from smartcard import scard

from mykey_cardap.pcsc.codes import Code, check
from mykey_cardap.pcsc.winscard import Disposition, ReaderState, Share

if TYPE_CHECKING:
    from collections.abc import Sequence

_PROTOCOLS = scard.SCARD_PROTOCOL_T0 | scard.SCARD_PROTOCOL_T1
_PCI = {scard.SCARD_PROTOCOL_T0: scard.SCARD_PCI_T0, scard.SCARD_PROTOCOL_T1: scard.SCARD_PCI_T1}


class PyscardWinscard:
    """The functions of `Winscard` through pyscard."""

    name = "pyscard"

    def establish_context(self) -> int:
        """See `Winscard`."""
        code, context = scard.SCardEstablishContext(scard.SCARD_SCOPE_SYSTEM)
        check(code)
        return int(context)

    def release_context(self, context: int) -> None:
        """See `Winscard`."""
        check(scard.SCardReleaseContext(context))

    def cancel(self, context: int) -> None:
        """See `Winscard`."""
        check(scard.SCardCancel(context))

    def list_readers(self, context: int) -> list[str]:
        """See `Winscard`."""
        code, readers = scard.SCardListReaders(context, [])
        if code & 0xFFFFFFFF == Code.NO_READERS_AVAILABLE:
            return []
        check(code)
        return list(readers)

    def connect(self, context: int, reader: str, share: Share) -> tuple[int, int]:
        """See `Winscard`."""
        code, handle, protocol = scard.SCardConnect(context, reader, share, _PROTOCOLS)
        check(code)
        return handle, protocol

    def disconnect(self, handle: int, disposition: Disposition) -> None:
        """See `Winscard`."""
        check(scard.SCardDisconnect(handle, disposition))

    def begin_transaction(self, handle: int) -> None:
        """See `Winscard`."""
        check(scard.SCardBeginTransaction(handle))

    def end_transaction(self, handle: int, disposition: Disposition) -> None:
        """See `Winscard`."""
        check(scard.SCardEndTransaction(handle, disposition))

    def transmit(self, handle: int, protocol: int, command: bytes | bytearray) -> bytes:
        """See `Winscard`."""
        numbers = list(command)
        code, response = scard.SCardTransmit(handle, _PCI[protocol], numbers)
        numbers.clear()
        check(code)
        return bytes(response)

    def get_atr(self, handle: int) -> bytes:
        """See `Winscard`."""
        code, _reader, _state, _protocol, atr = scard.SCardStatus(handle)
        check(code)
        return bytes(atr)

    def get_status_change(self, context: int, timeout_ms: int, known: Sequence[ReaderState]) -> list[ReaderState]:
        """See `Winscard`."""
        asked = [(item.reader, item.state) for item in known]
        code, states = scard.SCardGetStatusChange(context, timeout_ms, asked)
        if code & 0xFFFFFFFF == Code.TIMEOUT:
            return list(known)
        check(code)
        return [ReaderState(reader, state, bytes(atr)) for reader, state, atr in states]
