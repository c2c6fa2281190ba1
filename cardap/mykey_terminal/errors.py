"""The error tree of `mykey_terminal`. Errors of cards are those of `mykey_cardap.errors`.

    TerminalError                  .code is stable and machine-readable
    ├── StateError                 the state directory cannot be used
    │   ├── NotEnrolledError       there is no terminal here yet
    │   ├── AlreadyEnrolledError   there is one already
    │   └── UnsafePermissionsError somebody else on this computer may read the device key
    ├── HubAddressError            the hub's address is no origin that a terminal may talk to
    ├── HubError
    │   ├── HubUnreachableError    no answer (.sent: whether the request may have reached the hub)
    │   ├── HubProblemError        the hub refused (.problem, RFC 9457)
    │   └── HubAnswerError         an answer that the API does not know
    ├── ConfigurationRefusedError  a configuration that the hub did not sign, or an older one (.reason)
    ├── OriginMismatchError        the hub wants a signature for another origin than its own
    ├── NeedNotSupportedError      the service needs something of the card that this terminal cannot do
    ├── CertificateNotOnCardError  the card has no certificate of this kind
    ├── UnknownCardError           no such card in the virtual reader's tray
    ├── CardInUseError             that card is in another virtual reader
    ├── TapNotDoneError            after a lost answer: the tap had no effect
    ├── TapOutcomeUnknownError     after a lost answer: the hub did not come back in time
    └── AgentError                 a request that the loopback agent refuses (.status)
        └── PairingError           wrong, used or missing pairing

No error carries a PIN, a name, a number, a code or a token.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from pathlib import Path

    from mykey_cardap.kinds import CertificateKind
    from mykey_terminal.problems import Problem


class TerminalError(Exception):
    """Anything that went wrong in a terminal; `code` says what, in one stable word."""

    code: ClassVar[str] = "terminal_error"


class StateError(TerminalError):
    """The state directory cannot be used; `path` is the file or folder in question."""

    code = "state_unusable"

    def __init__(self, message: str, *, path: Path) -> None:
        super().__init__(f"{message}: {path}")
        self.path = path


class NotEnrolledError(StateError):
    """No terminal lives in this directory."""

    code = "not_enrolled"


class AlreadyEnrolledError(StateError):
    """A terminal lives in this directory already; a second enrolment would orphan it."""

    code = "already_enrolled"


class UnsafePermissionsError(StateError):
    """Another user of this computer may read or replace the device key."""

    code = "state_unsafe_permissions"


class HubAddressError(TerminalError):
    """The hub's address must be `https://host[:port]`, or `http://` on this very computer."""

    code = "hub_address"


class HubError(TerminalError):
    """The hub could not be asked, or did not do what was asked."""

    code = "hub_error"


class HubUnreachableError(HubError):
    """The hub did not answer. `sent` is False only when the request surely never arrived."""

    code = "hub_unreachable"

    def __init__(self, message: str, *, sent: bool) -> None:
        super().__init__(message)
        self.sent = sent


class HubProblemError(HubError):
    """The hub refused; `problem` is its answer, to be shown to the person as it is."""

    code = "hub_problem"

    def __init__(self, problem: Problem) -> None:
        super().__init__(f"the hub answered {problem.status}: {problem.code}")
        self.problem = problem


class HubAnswerError(HubError):
    """The hub's answer does not have the form that the API promises."""

    code = "hub_answer"


class ConfigurationRefusedError(TerminalError):
    """A configuration that must not be used; `reason` is `signature`, `audience`, `rollback` or `form`."""

    code = "configuration_refused"

    def __init__(self, reason: str) -> None:
        super().__init__(f"the hub's configuration is refused: {reason}")
        self.reason = reason


class OriginMismatchError(TerminalError):
    """The tap names another origin than the hub this terminal enrolled with: the card signs nothing."""

    code = "origin_mismatch"

    def __init__(self, *, expected: str) -> None:
        super().__init__(f"the tap is for another origin than {expected}: nothing was signed")
        self.expected = expected


class NeedNotSupportedError(TerminalError):
    """The tap needs something of the card that this terminal cannot do; `need` names it."""

    code = "need_not_supported"

    def __init__(self, need: str) -> None:
        super().__init__(f"this terminal cannot do what the service needs: {need}")
        self.need = need


class CertificateNotOnCardError(TerminalError):
    """The card has no certificate of `kind` (a child's card has no signing certificate)."""

    code = "certificate_not_on_card"

    def __init__(self, kind: CertificateKind) -> None:
        super().__init__(f"this card has no {kind} certificate")
        self.kind = kind


class UnknownCardError(TerminalError):
    """The tray of the virtual reader has no card of this name."""

    code = "card_unknown"


class CardInUseError(TerminalError):
    """The card of the tray is in another reader: take it out there first."""

    code = "card_in_use"


class TapNotDoneError(TerminalError):
    """The answer to a proof was lost, and the hub says that the tap had no effect."""

    code = "tap_not_done"

    def __init__(self, tap_id: str) -> None:
        super().__init__("the tap had no effect: begin again")
        self.tap_id = tap_id


class TapOutcomeUnknownError(TerminalError):
    """The answer to a proof was lost, and the hub did not come back to say what happened."""

    code = "tap_outcome_unknown"

    def __init__(self, tap_id: str) -> None:
        super().__init__("it is not known whether the tap was done: ask with `mykey terminal status`")
        self.tap_id = tap_id


class AgentError(TerminalError):
    """A request that the agent refuses with `status` and `code`; `fields` are safe to show."""

    def __init__(self, code: str, status: int, **fields: str | int) -> None:
        super().__init__(f"{status} {code}")
        self.agent_code = code
        self.status = status
        self.fields = fields


class PairingError(AgentError):
    """The page is not paired with this agent, or its code is wrong or used."""
