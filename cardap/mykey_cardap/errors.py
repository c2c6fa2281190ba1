"""The error tree of `mykey_cardap`.

    CardError
    ├── TransportError             no answer from the card
    │   ├── NoReaderError          no reader, or no PC/SC service
    │   ├── NoCardError            the reader is empty
    │   ├── ReaderChoiceError      several readers hold a card: choose one (.readers)
    │   ├── ReaderBusyError        another program holds the card
    │   ├── CardRemovedError       pulled in the middle of an operation
    │   └── CardResetError         another program reset the card: begin again
    ├── ApduError                  the card answered with an unexpected status word (.sw)
    │   ├── SecurityStatusError    6982: a PIN is needed first
    │   ├── FileNotFoundOnCardError  6A82, 6A83, 6A88: no such application, file, record or object
    │   ├── WrongFileError         6981, 6986: the command does not fit the selected file
    │   ├── ConditionsOfUseError   6985, 6283: not now, or not with this key
    │   ├── BadLengthError         6700, 6A85, 6A87, 6B00: a length or an offset that does not fit
    │   ├── WrongParametersError   6A80, 6A86
    │   ├── CommandNotSupportedError  6A81, 6881, 6D00, 6E00
    │   ├── SecureMessagingError   66F1, 6882, 6987, 6988, 69FC
    │   ├── CardMemoryError        6281, 6381, 6581, 6A84: the card's memory is full or faulty
    │   ├── SelfDiagnosisError     6F00
    │   ├── PinError               wrong PIN (.attempts_remaining)
    │   └── PinBlockedError        the PIN is blocked (.sw 6983, 6984 or 63C0)
    ├── LastAttemptError           refused by us: only one try is left
    ├── PinFormatError             refused by us before the card saw it
    ├── BadCardDataError           what the card returned is not what its format says
    ├── IssuerSignatureError       data on the card is not signed by the issuer's key
    ├── WrongCardError             another card than the one the operation began with
    └── GlobalPlatformError        secure channels and content management: tree in `globalplatform/errors.py`

No error carries a PIN, a name, a number, or the data field of an APDU.
"""

from __future__ import annotations

from typing import Literal

PinName = Literal["authentication", "signature", "text", "number-a", "number-b", "birth-date", "common", "juki"]


class CardError(Exception):
    """Anything that went wrong with a card."""


class TransportError(CardError):
    """The card or the reader gave no answer. `code` is the PC/SC return code, when there is one."""

    def __init__(self, message: str, *, code: int | None = None) -> None:
        super().__init__(message)
        self.code = code


class NoReaderError(TransportError):
    """No reader is connected, or the PC/SC service does not run."""


class NoCardError(TransportError):
    """There is no card in the reader."""


class ReaderChoiceError(TransportError):
    """Several readers hold a card, or none has the name that was asked for; `readers` are the candidates."""

    def __init__(self, message: str, *, readers: tuple[str, ...]) -> None:
        super().__init__(message)
        self.readers = readers


class ReaderBusyError(TransportError):
    """Another program holds the card exclusively; `culprits` names programs that are likely to."""

    def __init__(self, message: str, *, code: int | None = None, culprits: tuple[str, ...] = ()) -> None:
        super().__init__(message, code=code)
        self.culprits = culprits


class CardRemovedError(TransportError):
    """The card left the reader during an operation."""


class CardResetError(TransportError):
    """Another program reset the card: nothing is selected and nothing is verified any more."""


class ApduError(CardError):
    """The card refused a command. `sw` is its status word, `operation` says what was tried."""

    def __init__(self, operation: str, sw: int) -> None:
        super().__init__(f"{operation}: the card answered {sw:04X}")
        self.operation = operation
        self.sw = sw


class SecurityStatusError(ApduError):
    """6982: the operation needs a PIN that has not been presented."""


class FileNotFoundOnCardError(ApduError):
    """6A82, 6A83, 6A88: no such application, file, record or data object on this card."""


class WrongFileError(ApduError):
    """6981, 6986: no file is selected, or one that the command cannot be used on."""


class ConditionsOfUseError(ApduError):
    """6985, 6283: the card does not allow this now, or never with this key."""


class BadLengthError(ApduError):
    """6700, 6A85, 6A87, 6B00: a length or an offset that does not fit the file or the key."""


class WrongParametersError(ApduError):
    """6A80, 6A86: data or parameters that the card does not know."""


class CommandNotSupportedError(ApduError):
    """6A81, 6881, 6D00, 6E00: the card does not offer this command."""


class SecureMessagingError(ApduError):
    """66F1, 6882, 6987, 6988, 69FC: encrypted commands are not possible here."""


class CardMemoryError(ApduError):
    """6281, 6381, 6581, 6A84: the card's memory is full or faulty."""


class SelfDiagnosisError(ApduError):
    """6F00: the card reports an internal fault (one card did for the first command after power-up)."""


class PinError(ApduError):
    """A wrong PIN. `attempts_remaining` tries are left (0: it is blocked now)."""

    def __init__(self, operation: str, sw: int, *, pin: PinName, attempts_remaining: int) -> None:
        super().__init__(operation, sw)
        self.pin = pin
        self.attempts_remaining = attempts_remaining


class PinBlockedError(ApduError):
    """The PIN is blocked; only a municipal office can reset it."""

    def __init__(self, operation: str, sw: int, *, pin: PinName) -> None:
        super().__init__(operation, sw)
        self.pin = pin


class LastAttemptError(CardError):
    """One try is left, and the caller did not say that it may be used."""

    def __init__(self, *, pin: PinName) -> None:
        super().__init__("only one try is left; it is not used unless you say so")
        self.pin = pin


class PinFormatError(CardError):
    """The PIN cannot be right (wrong length or characters); the card was not asked."""

    def __init__(self, message: str, *, pin: PinName) -> None:
        super().__init__(message)
        self.pin = pin


class BadCardDataError(CardError):
    """The card returned data that its format does not allow."""


class IssuerSignatureError(CardError):
    """What the card says is not signed by the key that should have signed it: do not believe it."""


class WrongCardError(CardError):
    """The card in the reader is not the one that the operation began with."""
