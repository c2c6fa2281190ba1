"""The ground under every session: select an application, read a file to its end, ask about and present a PIN.

One subclass per application of the card lives in a module of its own; readers and transports live elsewhere.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from mykey_cardap.apdu import SHORT_MAX_RESPONSE, SW, CommandApdu, Ins, MalformedApduError, ResponseApdu
from mykey_cardap.errors import (
    ApduError,
    BadCardDataError,
    FileNotFoundOnCardError,
    LastAttemptError,
    PinBlockedError,
    PinError,
    PinFormatError,
    PinName,
    SelfDiagnosisError,
)
from mykey_cardap.status_words import attempts_in, error_for, is_blocked
from mykey_cardap.tlv import Encoding, TlvError, object_length
from mykey_cardap.transport import SecretTransport, Transport

if TYPE_CHECKING:
    import re

_CURRENT_EF = 0x80
_BY_NAME, _UNDER_CURRENT_DF, _NO_ANSWER = 0x04, 0x02, 0x0C
_GET_RESPONSE = 0xC0
_MORE_DATA, _EXACT_LE = 0x61, 0x6C
_MAX_FILE = 0x7FFF
_MAX_PIECES = 512


@dataclass(frozen=True, slots=True)
class PinRule:
    """Where a PIN lies and what it may look like (`my-number-card` reference, §7)."""

    name: PinName
    fid: int
    pattern: re.Pattern[bytes]
    wording: str
    uppercase: bool = False


@dataclass(frozen=True, slots=True)
class PinStatus:
    """What the card says about a PIN without consuming a try.

    `attempts_remaining` is None when the card does not tell: either it answered that the PIN is verified at
    this moment (`verified_unknown_count`), or the number of tries is unlimited.
    """

    attempts_remaining: int | None
    blocked: bool = False
    verified_unknown_count: bool = False


@dataclass(frozen=True, slots=True)
class PinVerification:
    """The PIN was right. `uppercased` warns that small letters were turned into capitals first."""

    uppercased: bool = False


class ApplicationSession:
    """A session with one application of the card; the constructor selects it.

    Raises `FileNotFoundOnCardError` when the card has no such application. Selecting an application clears
    every verified PIN, so one session lives exactly as long as one operation. `aid` is the one that the card
    knew, where an application goes by several names (`aids`).
    """

    aids: ClassVar[tuple[bytes, ...]]
    pins: ClassVar[dict[PinName, PinRule]] = {}

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self.aid = self._find()

    def _find(self) -> bytes:
        for aid in self.aids[:-1]:
            self.aid = aid
            with suppress(FileNotFoundOnCardError):
                self.select()
                return aid
        self.aid = self.aids[-1]
        self.select()
        return self.aid

    def select(self) -> None:
        """SELECT the application by its full AID (a card may match a prefix, so the whole name is sent).

        A card was seen that answers 6F00 to the first command after power-up; SELECT is then sent once more.
        """
        command = CommandApdu(0x00, Ins.SELECT, _BY_NAME, _NO_ANSWER, self.aid)
        try:
            self._send("select application", command)
        except SelfDiagnosisError:
            self._send("select application", command)

    def logout(self) -> None:
        """Forget every verified PIN by selecting the application again."""
        self.select()

    # -- commands -----------------------------------------------------------------------------------------

    def _send(self, operation: str, command: CommandApdu) -> bytes:
        """Send a command and return the data of its answer; the error of its status word otherwise."""
        response = self._exchange(bytes(command))
        if command.le is not None:
            response = self._complete(command, response)
        if response.sw not in {SW.OK, SW.END_OF_FILE}:
            raise error_for(operation, response.sw)
        return response.data

    def _exchange(self, command: bytes) -> ResponseApdu:
        return _response(self._transport.send_apdu(command))

    def _complete(self, command: CommandApdu, response: ResponseApdu) -> ResponseApdu:
        """Follow 6Cxx (repeat with this Le) and 61xx (fetch the rest), which some readers pass through."""
        if response.sw >> 8 == _EXACT_LE:
            exact = response.sw & 0xFF or SHORT_MAX_RESPONSE
            header = (command.cla, command.ins, command.p1, command.p2)
            response = self._exchange(bytes(CommandApdu(*header, command.data, exact)))
        data = response.data
        for _ in range(_MAX_PIECES):
            if response.sw >> 8 != _MORE_DATA:
                return ResponseApdu(data, response.sw)
            rest = response.sw & 0xFF or SHORT_MAX_RESPONSE
            response = self._exchange(bytes(CommandApdu(command.cla & 0x7F, _GET_RESPONSE, 0, 0, le=rest)))
            data += response.data
        raise BadCardDataError("the card promises more data without end")

    def _select_file(self, fid: int) -> None:
        data = fid.to_bytes(2, "big")
        self._send(f"select file {fid:04X}", CommandApdu(0x00, Ins.SELECT, _UNDER_CURRENT_DF, _NO_ANSWER, data))

    # -- reading ------------------------------------------------------------------------------------------

    def _read_file(self, fid: int, encoding: Encoding) -> bytes:
        """Read one data object: its length from the first bytes, the rest in pieces, filler cut off."""
        self._select_file(fid)
        head = self._read_binary(fid, 0, encoding.header_length)
        try:
            total = object_length(head, encoding)
        except TlvError as error:
            raise BadCardDataError(f"file {fid:04X} does not begin with a data object") from error
        if total > _MAX_FILE:
            raise BadCardDataError(f"file {fid:04X} claims to be longer than a file can be")
        return self._read_on(fid, head, total)

    def _read_fixed(self, fid: int, length: int) -> bytes:
        """Read a file of known length."""
        self._select_file(fid)
        return self._read_on(fid, b"", length)

    def _read_on(self, fid: int, data: bytes, total: int) -> bytes:
        for _ in range(_MAX_PIECES):
            if len(data) >= total:
                return data[:total]
            data += self._read_binary(fid, len(data), min(total - len(data), SHORT_MAX_RESPONSE))
        raise BadCardDataError(f"file {fid:04X} comes in too many pieces")

    def _read_binary(self, fid: int, offset: int, length: int) -> bytes:
        command = CommandApdu(0x00, Ins.READ_BINARY, offset >> 8, offset & 0xFF, le=length)
        data = self._send(f"read file {fid:04X}", command)
        if not data or len(data) > length:
            raise BadCardDataError(f"file {fid:04X} answered {len(data)} bytes where {length} were asked")
        return data

    def _sign_with_own_key(self, payload: bytes) -> bytes:
        """SIGN with the key that belongs to the application itself (text and face): P2 = 00, no credential."""
        header = (0x80, Ins.PERFORM_SECURITY_OPERATION, 0x00, 0x00)
        return self._send("sign with the card's key", CommandApdu(*header, payload, SHORT_MAX_RESPONSE))

    # -- PINs ---------------------------------------------------------------------------------------------

    def pin_status(self, pin: PinName) -> PinStatus:
        """Ask how many tries are left; costs none (an empty VERIFY, four bytes)."""
        self._select_file(self._rule(pin).fid)
        response = self._exchange(bytes(CommandApdu(0x00, Ins.VERIFY, 0x00, _CURRENT_EF)))
        if response.sw == SW.OK:
            return PinStatus(None, verified_unknown_count=True)
        if response.sw == SW.MISMATCH_UNLIMITED:
            return PinStatus(None)
        if is_blocked(response.sw):
            return PinStatus(0, blocked=True)
        attempts = attempts_in(response.sw)
        if attempts is None:
            raise error_for(f"ask for the tries of the {pin} PIN", response.sw)
        return PinStatus(attempts)

    def verify_pin(
        self, pin: PinName, value: bytes | bytearray, *, allow_last_attempt: bool = False
    ) -> PinVerification:
        """Present a PIN once, after asking how many tries are left; never repeated by itself.

        The caller keeps (and should overwrite) `value`; every copy made here is overwritten.
        Raises `PinFormatError` and `LastAttemptError` before the card sees anything, `PinBlockedError`, and
        `PinError` with `attempts_remaining` when it was wrong.
        """
        rule = self._rule(pin)
        secret = bytearray(value)
        try:
            uppercased = _prepare(rule, secret)
            self._check_attempts(rule, allow_last_attempt=allow_last_attempt)
            self._present(rule, secret)
        finally:
            wipe(secret)
        return PinVerification(uppercased=uppercased)

    def _rule(self, pin: PinName) -> PinRule:
        try:
            return self.pins[pin]
        except KeyError:
            raise PinFormatError("this application of the card has no such PIN", pin=pin) from None

    def _check_attempts(self, rule: PinRule, *, allow_last_attempt: bool) -> None:
        status = self.pin_status(rule.name)
        if status.verified_unknown_count:
            # A card that answers 9000 hides its counter while the PIN is verified: log out and ask again.
            self.logout()
            status = self.pin_status(rule.name)
        if status.blocked:
            raise PinBlockedError(f"verify the {rule.name} PIN", SW.BLOCKED, pin=rule.name)
        if status.attempts_remaining == 1 and not allow_last_attempt:
            raise LastAttemptError(pin=rule.name)

    def _present(self, rule: PinRule, secret: bytearray) -> None:
        """VERIFY, once. The question for the tries has left the file of the PIN selected."""
        operation = f"verify the {rule.name} PIN"
        sw = self._send_secret(bytes((0x00, Ins.VERIFY, 0x00, _CURRENT_EF)), secret).sw
        if sw == SW.OK:
            return
        if (attempts := attempts_in(sw)) is not None:
            raise PinError(operation, sw, pin=rule.name, attempts_remaining=attempts)
        if is_blocked(sw):
            raise PinBlockedError(operation, sw, pin=rule.name)
        raise error_for(operation, sw)

    def _change_pin(
        self,
        pin: PinName,
        current: bytes | bytearray,
        new: bytes | bytearray,
        *,
        header: bytes,
        allow_last_attempt: bool,
    ) -> PinVerification:
        rule = self._rule(pin)
        secret = bytearray(new)
        try:
            uppercased = _prepare(rule, secret)
            self.verify_pin(pin, current, allow_last_attempt=allow_last_attempt)
            response = self._send_secret(header, secret)
        finally:
            wipe(secret)
        if response.sw != SW.OK:
            raise error_for(f"change the {pin} PIN", response.sw)
        return PinVerification(uppercased=uppercased)

    def _send_secret(self, header: bytes, secret: bytearray) -> ResponseApdu:
        """Send header, Lc and a PIN, and overwrite the command; a plain transport gets an immutable copy."""
        command = bytearray(header)
        command.append(len(secret))
        command += secret
        try:
            if isinstance(self._transport, SecretTransport):
                return _response(self._transport.send_secret_apdu(command))
            return _response(self._transport.send_apdu(bytes(command)))
        finally:
            wipe(command)


def wipe(secret: bytearray) -> None:
    """Overwrite a buffer that held a PIN."""
    secret[:] = bytes(len(secret))


def _prepare(rule: PinRule, secret: bytearray) -> bool:
    """Apply the uppercase rule in place and check the form; returns whether letters were changed."""
    changed = False
    if rule.uppercase:
        for index, byte in enumerate(secret):
            if ord("a") <= byte <= ord("z"):
                secret[index] = byte - 0x20
                changed = True
    if not rule.pattern.fullmatch(secret):
        raise PinFormatError(rule.wording, pin=rule.name)
    return changed


def _response(raw: bytes) -> ResponseApdu:
    try:
        return ResponseApdu.from_bytes(raw)
    except MalformedApduError as error:
        raise BadCardDataError("the card's answer has no status word") from error


__all__ = ["ApduError", "ApplicationSession", "PinRule", "PinStatus", "PinVerification", "wipe"]
