"""From a status word to the error that it means: one table, so that no session decides for itself.

The error classes live in `errors.py`; who may retry what is the business of sessions and transports.
"""

from __future__ import annotations

from mykey_cardap.apdu import SW
from mykey_cardap.errors import (
    ApduError,
    BadLengthError,
    CardMemoryError,
    CommandNotSupportedError,
    ConditionsOfUseError,
    FileNotFoundOnCardError,
    SecureMessagingError,
    SecurityStatusError,
    SelfDiagnosisError,
    WrongFileError,
    WrongParametersError,
)

_BLOCKED = frozenset({0x63C0, int(SW.BLOCKED_ISO), int(SW.BLOCKED)})
_ATTEMPTS = 0x63C0

_ERRORS: dict[int, type[ApduError]] = {
    SW.OUTPUT_DATA_BAD: CardMemoryError,
    SW.DF_LOCKED: ConditionsOfUseError,
    SW.FILE_FULL: CardMemoryError,
    SW.MEMORY_FAILURE: CardMemoryError,
    SW.NO_SPACE: CardMemoryError,
    SW.SECURITY_ENVIRONMENT: SecureMessagingError,
    SW.SECURE_MESSAGING_NOT_SUPPORTED: SecureMessagingError,
    SW.SM_OBJECT_MISSING: SecureMessagingError,
    SW.SM_OBJECT_WRONG: SecureMessagingError,
    SW.NO_SESSION_KEY: SecureMessagingError,
    SW.WRONG_LENGTH: BadLengthError,
    SW.LC_AGAINST_TLV: BadLengthError,
    SW.LC_AGAINST_P1_P2: BadLengthError,
    SW.OFFSET_OUTSIDE_FILE: BadLengthError,
    SW.FILE_STRUCTURE: WrongFileError,
    SW.NO_CURRENT_EF: WrongFileError,
    SW.SECURITY_STATUS: SecurityStatusError,
    SW.CONDITIONS_OF_USE: ConditionsOfUseError,
    SW.FILE_NOT_FOUND: FileNotFoundOnCardError,
    SW.RECORD_NOT_FOUND: FileNotFoundOnCardError,
    SW.KEY_OR_OBJECT_NOT_FOUND: FileNotFoundOnCardError,
    SW.WRONG_DATA: WrongParametersError,
    SW.WRONG_P1_P2: WrongParametersError,
    SW.FUNCTION_NOT_SUPPORTED: CommandNotSupportedError,
    SW.CHANNEL_NOT_SUPPORTED: CommandNotSupportedError,
    SW.INS_NOT_SUPPORTED: CommandNotSupportedError,
    SW.CLASS_NOT_SUPPORTED: CommandNotSupportedError,
    SW.SELF_DIAGNOSIS: SelfDiagnosisError,
}


def error_for(operation: str, sw: int) -> ApduError:
    """The error of a status word other than 9000; a plain `ApduError` for one that no table knows.

    Status words about PINs (63Cx, 6983, 6984) need the name of the PIN: sessions turn them into `PinError`
    and `PinBlockedError` themselves.
    """
    return _ERRORS.get(sw, ApduError)(operation, sw)


def attempts_in(sw: int) -> int | None:
    """The x of 63Cx, else None."""
    return sw & 0x0F if sw & 0xFFF0 == _ATTEMPTS else None


def is_blocked(sw: int) -> bool:
    """Whether a PIN's answer means 'blocked': 6984 was measured, others expect 6983, a query gives 63C0."""
    return sw in _BLOCKED
