"""PC/SC through ctypes on `libpcsclite.so.1`: for desk computers without a compiler (Linux only).

On Linux DWORD is `unsigned long`, handles are `long`, and results are masked to 32 bits.
"""

from __future__ import annotations

import ctypes
from ctypes import POINTER, byref, c_char, c_char_p, c_long, c_ubyte, c_ulong, c_void_p
from typing import TYPE_CHECKING, Any, ClassVar

from mykey_cardap.errors import NoReaderError
from mykey_cardap.pcsc.codes import Code, check
from mykey_cardap.pcsc.winscard import Disposition, ReaderState, Share

if TYPE_CHECKING:
    from collections.abc import Sequence

_LIBRARY = "libpcsclite.so.1"
_SCOPE_SYSTEM = 2
_PROTOCOLS = 3
_MAX_RESPONSE = 65_538
_MAX_ATR = 33
_MAX_NAME = 128


class _IoRequest(ctypes.Structure):
    _fields_: ClassVar = [("protocol", c_ulong), ("length", c_ulong)]


class _ReaderState(ctypes.Structure):
    _fields_: ClassVar = [
        ("reader", c_char_p),
        ("user_data", c_void_p),
        ("current_state", c_ulong),
        ("event_state", c_ulong),
        ("atr_length", c_ulong),
        ("atr", c_ubyte * _MAX_ATR),
    ]


_SIGNATURES: dict[str, list[Any]] = {
    "SCardEstablishContext": [c_ulong, c_void_p, c_void_p, POINTER(c_long)],
    "SCardReleaseContext": [c_long],
    "SCardCancel": [c_long],
    "SCardListReaders": [c_long, c_char_p, c_char_p, POINTER(c_ulong)],
    "SCardConnect": [c_long, c_char_p, c_ulong, c_ulong, POINTER(c_long), POINTER(c_ulong)],
    "SCardDisconnect": [c_long, c_ulong],
    "SCardBeginTransaction": [c_long],
    "SCardEndTransaction": [c_long, c_ulong],
    "SCardTransmit": [c_long, POINTER(_IoRequest), c_void_p, c_ulong, c_void_p, c_void_p, POINTER(c_ulong)],
    "SCardStatus": [c_long, c_char_p, *[POINTER(c_ulong)] * 3, c_void_p, POINTER(c_ulong)],
    "SCardGetStatusChange": [c_long, c_ulong, POINTER(_ReaderState), c_ulong],
}


class CtypesWinscard:
    """The functions of `Winscard` through the C library; `NoReaderError` when it is not installed."""

    name = "ctypes"

    def __init__(self, library: str = _LIBRARY) -> None:
        try:
            loaded = ctypes.CDLL(library)
        except OSError as error:
            raise NoReaderError(f"the PC/SC library {library} is not installed") from error
        self._functions = {name: getattr(loaded, name) for name in _SIGNATURES}
        for name, function in self._functions.items():
            function.argtypes = _SIGNATURES[name]
            function.restype = c_long

    def _call(self, name: str, *arguments: Any) -> None:
        check(self._functions[name](*arguments))

    def establish_context(self) -> int:
        """See `Winscard`."""
        context = c_long()
        self._call("SCardEstablishContext", _SCOPE_SYSTEM, None, None, byref(context))
        return context.value

    def release_context(self, context: int) -> None:
        """See `Winscard`."""
        self._call("SCardReleaseContext", context)

    def cancel(self, context: int) -> None:
        """See `Winscard`."""
        self._call("SCardCancel", context)

    def list_readers(self, context: int) -> list[str]:
        """See `Winscard`."""
        length = c_ulong()
        function = self._functions["SCardListReaders"]
        if _masked(function(context, None, None, byref(length))) == Code.NO_READERS_AVAILABLE:
            return []
        names = (c_char * length.value)()
        code = function(context, None, names, byref(length))
        if _masked(code) == Code.NO_READERS_AVAILABLE:
            return []
        check(code)
        return [name.decode() for name in names.raw.split(b"\x00") if name]

    def connect(self, context: int, reader: str, share: Share) -> tuple[int, int]:
        """See `Winscard`."""
        handle, protocol = c_long(), c_ulong()
        name = reader.encode()
        self._call("SCardConnect", context, name, share, _PROTOCOLS, byref(handle), byref(protocol))
        return handle.value, protocol.value

    def disconnect(self, handle: int, disposition: Disposition) -> None:
        """See `Winscard`."""
        self._call("SCardDisconnect", handle, disposition)

    def begin_transaction(self, handle: int) -> None:
        """See `Winscard`."""
        self._call("SCardBeginTransaction", handle)

    def end_transaction(self, handle: int, disposition: Disposition) -> None:
        """See `Winscard`."""
        self._call("SCardEndTransaction", handle, disposition)

    def transmit(self, handle: int, protocol: int, command: bytes | bytearray) -> bytes:
        """See `Winscard`. A bytearray is sent from its own memory."""
        request = _IoRequest(protocol, ctypes.sizeof(_IoRequest))
        response = (c_ubyte * _MAX_RESPONSE)()
        length = c_ulong(_MAX_RESPONSE)
        if isinstance(command, bytearray):
            sent: Any = (c_ubyte * len(command)).from_buffer(command)
        else:
            sent = command
        self._call("SCardTransmit", handle, byref(request), sent, len(command), None, response, byref(length))
        return bytes(response[: length.value])

    def get_atr(self, handle: int) -> bytes:
        """See `Winscard`."""
        atr = (c_ubyte * _MAX_ATR)()
        atr_length, name_length = c_ulong(_MAX_ATR), c_ulong(_MAX_NAME)
        name, state, protocol = (c_char * _MAX_NAME)(), c_ulong(), c_ulong()
        where = (byref(name_length), byref(state), byref(protocol), atr, byref(atr_length))
        self._call("SCardStatus", handle, name, *where)
        return bytes(atr[: atr_length.value])

    def get_status_change(self, context: int, timeout_ms: int, known: Sequence[ReaderState]) -> list[ReaderState]:
        """See `Winscard`."""
        states = (_ReaderState * len(known))()
        for state, item in zip(states, known, strict=True):
            state.reader, state.current_state = item.reader.encode(), item.state
        code = self._functions["SCardGetStatusChange"](context, timeout_ms, states, len(known))
        if _masked(code) == Code.TIMEOUT:
            return list(known)
        check(code)
        return [
            ReaderState(item.reader, state.event_state, bytes(state.atr[: state.atr_length]))
            for state, item in zip(states, known, strict=True)
        ]


def _masked(code: int) -> int:
    return code & 0xFFFFFFFF
