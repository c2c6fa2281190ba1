"""Problem details (RFC 9457): what the hub answers and what the agent and the command line say in its place.

People's wording lives in the page and in the hub; here are codes, status numbers and fields only.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from mykey_cardap.errors import (
    BadCardDataError,
    CardError,
    CardRemovedError,
    CardResetError,
    FileNotFoundOnCardError,
    LastAttemptError,
    NoCardError,
    NoReaderError,
    PinBlockedError,
    PinError,
    PinFormatError,
    ReaderBusyError,
    ReaderChoiceError,
    WrongCardError,
)
from mykey_terminal.errors import (
    AgentError,
    CardInUseError,
    CertificateNotOnCardError,
    HubProblemError,
    HubUnreachableError,
    NeedNotSupportedError,
    TapNotDoneError,
    TapOutcomeUnknownError,
    TerminalError,
    UnknownCardError,
)
from mykey_terminal.readers.pcsc import SilentCardError

MEDIA_TYPE = "application/problem+json"
TYPE_PREFIX = "urn:mykey:problem:"
_STANDARD = frozenset({"type", "title", "status", "code"})

_CARD_CODES: tuple[tuple[type[CardError], str, int], ...] = (
    (PinError, "pin_wrong", 403),
    (PinBlockedError, "pin_blocked", 403),
    (LastAttemptError, "last_attempt", 409),
    (PinFormatError, "pin_format", 422),
    (NoReaderError, "no_reader", 503),
    (ReaderChoiceError, "reader_choice", 409),
    (SilentCardError, "card_wrong_side", 409),
    (NoCardError, "no_card", 409),
    (ReaderBusyError, "reader_busy", 409),
    (CardRemovedError, "card_removed", 409),
    (CardResetError, "card_removed", 409),
    (WrongCardError, "card_changed", 409),
    (FileNotFoundOnCardError, "card_not_supported", 422),
    (BadCardDataError, "card_unreadable", 422),
    (CardError, "card_error", 502),
)
_TERMINAL_STATUS: tuple[tuple[type[TerminalError], int], ...] = (
    (HubUnreachableError, 503),
    (TapOutcomeUnknownError, 503),
    (TapNotDoneError, 409),
    (CertificateNotOnCardError, 422),
    (NeedNotSupportedError, 422),
    (UnknownCardError, 404),
    (CardInUseError, 409),
    (TerminalError, 502),
)


@dataclass(frozen=True, slots=True)
class Problem:
    """One problem: `code` for machines, `extensions` with every other member (title and what_to_do of the hub)."""

    status: int
    code: str
    title: str = ""
    extensions: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def from_json(cls, status: int, document: dict[str, Any]) -> Problem:
        """Read a problem document; the status of the HTTP answer counts, whatever the document says."""
        code = document.get("code") or str(document.get("type", "")).removeprefix(TYPE_PREFIX)
        rest = {name: value for name, value in document.items() if name not in _STANDARD}
        return cls(status, str(code or "hub_error"), str(document.get("title", "")), rest)

    def to_json(self) -> dict[str, Any]:
        """The document with the members that RFC 9457 names first."""
        return {
            "type": TYPE_PREFIX + self.code,
            "title": self.title or self.code,
            "status": self.status,
            "code": self.code,
            **self.extensions,
        }


def problem_of(error: TerminalError | CardError) -> Problem:
    """Say an error of the terminal or of the card as a problem document."""
    if isinstance(error, HubProblemError):
        return error.problem
    if isinstance(error, AgentError):
        return Problem(error.status, error.agent_code, extensions=dict(error.fields))
    if isinstance(error, CardError):
        return _problem_of_card(error)
    status = next(status for kind, status in _TERMINAL_STATUS if isinstance(error, kind))
    return Problem(status, error.code, extensions=_fields(error))


def _problem_of_card(error: CardError) -> Problem:
    code, status = next((code, status) for kind, code, status in _CARD_CODES if isinstance(error, kind))
    if isinstance(error, PinError) and error.attempts_remaining == 0:
        code = "pin_blocked"  # this very try used up the last one
    return Problem(status, code, extensions=_fields(error))


def _fields(error: Exception) -> dict[str, Any]:
    """The machine fields that may be shown; an allow-list, so that a new attribute never leaks by itself."""
    fields: dict[str, Any] = {}
    for name in ("pin", "attempts_remaining", "kind", "need", "tap_id", "expected", "culprits", "readers"):
        value = getattr(error, name, None)
        if value is not None and value != ():
            fields[name] = list(value) if isinstance(value, tuple) else value
    if isinstance(error, LastAttemptError):
        fields["attempts_remaining"] = 1
    return fields
