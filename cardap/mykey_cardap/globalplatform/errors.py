"""Errors of the secure channel and of content management, and the class that tells a writer what to do next.

CardError
└── GlobalPlatformError
    ├── SecureChannelError            the channel is closed, nothing more is sent through it
    │   ├── SecureChannelClosedError  used after it was closed; nothing was sent
    │   ├── HandshakeError            the answer to INITIALIZE UPDATE does not fit what was asked
    │   ├── CardCryptogramError       wrong keys, or not the card: the card counted nothing
    │   ├── HostRefusedError          EXTERNAL AUTHENTICATE refused (.sw): never try again by itself
    │   ├── ChainingRefusedError      a part of a long command refused (.sw)
    │   └── ResponseProtectionError   an answer without a valid MAC, padding or form
    ├── SecureChannelUseError         a command that cannot go through a secure channel; nothing was sent
    ├── ScpKeyError                   keys of wrong lengths
    ├── InvalidContentError           an argument that no card would take; nothing was sent
    ├── KeyCheckError                 the card's key check values are not those of the keys that were sent
    └── ContentError (ApduError)      the card refused (.sw, .failure)
        ├── RetryContentError         ask again
        ├── ReplanContentError        the card is not in the state that the plan supposed
        ├── FatalContentError         the card is full, worn or faulty, or does not know the command
        └── SecurityContentError      stop: keys, rights or the channel are wrong
"""

from __future__ import annotations

from enum import StrEnum, unique
from typing import ClassVar, Final

from mykey_cardap.errors import ApduError, CardError, TransportError


@unique
class FailureClass(StrEnum):
    """What may happen after a failure (writer rules: classify every status)."""

    RETRY = "retry"
    """Nothing is wrong with the card's content; reconnect or ask again."""
    REPLAN = "replan"
    """Read the card's state again and plan from it."""
    FATAL = "fatal"
    """This card cannot take it; put it aside."""
    SECURITY = "security"
    """Stop and count; no second try."""


class GlobalPlatformError(CardError):
    """Anything that went wrong while managing a card's content. `failure` says what may happen next."""

    failure: ClassVar[FailureClass] = FailureClass.FATAL


class SecureChannelError(GlobalPlatformError):
    """The secure channel is broken and closed; open a new one, if at all."""

    failure = FailureClass.SECURITY


class SecureChannelClosedError(SecureChannelError):
    """The channel was closed before this command; nothing was sent."""


class HandshakeError(SecureChannelError):
    """INITIALIZE UPDATE was refused (`sw`), or its answer is not what was asked for."""

    def __init__(self, message: str, *, sw: int | None = None) -> None:
        super().__init__(message)
        self.sw = sw


class CardCryptogramError(SecureChannelError):
    """The card does not have these keys, or is no card: EXTERNAL AUTHENTICATE was not sent."""


class HostRefusedError(SecureChannelError):
    """EXTERNAL AUTHENTICATE was refused with `sw`. Cards block after some failures: never repeat it blindly."""

    def __init__(self, message: str, *, sw: int) -> None:
        super().__init__(message)
        self.sw = sw


class ChainingRefusedError(SecureChannelError):
    """The card did not take the parts of a long command (`sw`), so both sides no longer count alike."""

    failure = FailureClass.FATAL

    def __init__(self, message: str, *, sw: int) -> None:
        super().__init__(message)
        self.sw = sw


class ResponseProtectionError(SecureChannelError):
    """An answer that somebody changed, cut, repeated or exchanged on the way, or that no card would give."""


class SecureChannelUseError(GlobalPlatformError, ValueError):
    """A command that cannot travel through a secure channel (SELECT, too long, …); nothing was sent."""


class ScpKeyError(GlobalPlatformError, ValueError):
    """Keys that are no AES key set. Never carries them."""


class InvalidContentError(GlobalPlatformError, ValueError):
    """An argument that no card would take (AID, privileges, key version, …); nothing was sent."""


class KeyCheckError(GlobalPlatformError):
    """The card answered PUT KEY with other check values: which keys it has now is unknown until it is read."""

    failure = FailureClass.SECURITY


class ContentError(ApduError, GlobalPlatformError):
    """The card refused a command of content management with `sw`; `operation` says what was tried."""


class RetryContentError(ContentError):
    """6Cxx and the like: ask again."""

    failure = FailureClass.RETRY


class ReplanContentError(ContentError):
    """6985, 6A80, 6A82, 6A88, 6A89 …: the card is not in the state that the plan supposed."""

    failure = FailureClass.REPLAN


class FatalContentError(ContentError):
    """6581, 6A84, 6F00 …: full, worn or faulty, or a command that this card does not know."""

    failure = FailureClass.FATAL


class SecurityContentError(ContentError):
    """6982, 6300, 6983 …: stop."""

    failure = FailureClass.SECURITY


_RETRY: Final = frozenset({0x61, 0x6C})
_REPLAN: Final = frozenset({0x6985, 0x6986, 0x6A80, 0x6A82, 0x6A83, 0x6A88, 0x6A89, 0x6A8A, 0x6200})
_SECURITY: Final = frozenset({0x6982, 0x6983, 0x6984, 0x6987, 0x6988, 0x6300, 0x9484, 0x9485})
_COUNTED: Final = 0x63C0


def content_error(operation: str, sw: int) -> ContentError:
    """The error of a status word that is not the success of `operation`."""
    return _error_type(sw)(operation, sw)


def _error_type(sw: int) -> type[ContentError]:
    if sw >> 8 in _RETRY:
        return RetryContentError
    if sw in _REPLAN:
        return ReplanContentError
    if sw in _SECURITY or sw & 0xFFF0 == _COUNTED:
        return SecurityContentError
    return FatalContentError


def failure_class(error: CardError) -> FailureClass:
    """The class of any error of this package: what a writer does next."""
    if isinstance(error, GlobalPlatformError):
        return error.failure
    if isinstance(error, TransportError):
        return FailureClass.RETRY
    if isinstance(error, ApduError):
        return _error_type(error.sw).failure
    return FailureClass.FATAL
