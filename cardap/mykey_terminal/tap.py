"""One tap: the hub asks, the card signs, the hub acts, and the person hears what really happened.

The PIN goes to the card only, and its buffer is overwritten before the network is used again.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from mykey_cardap.errors import CardError, NoCardError, PinName
from mykey_cardap.jpki import JpkiSession
from mykey_cardap.kinds import CertificateKind
from mykey_cardap.session import PinStatus, wipe
from mykey_terminal.clock import Clock, Sleep, system_clock
from mykey_terminal.errors import (
    CertificateNotOnCardError,
    HubAnswerError,
    HubProblemError,
    HubUnreachableError,
    NeedNotSupportedError,
    OriginMismatchError,
    TapOutcomeUnknownError,
    TerminalError,
)
from mykey_terminal.pending import PendingTap, PendingTaps
from mykey_terminal.problems import Problem, problem_of
from mykey_terminal.settle import Settlement, is_unclear
from mykey_terminal.token import make_token
from mykey_terminal.tracing import Exchange, TracingTransport

if TYPE_CHECKING:
    from datetime import timedelta

    from mykey_cardap.transport import Transport
    from mykey_terminal.hub import Hub, Tap, TapState
    from mykey_terminal.readers import CardReader

_NEEDS: dict[str, tuple[CertificateKind, PinName]] = {
    "authentication-pin": (CertificateKind.AUTHENTICATION, "authentication"),
    "signature-pin": (CertificateKind.SIGNATURE, "signature"),
}


@dataclass(frozen=True, slots=True)
class TapRequest:
    """What is to be done: an action of a service. `values` is its input, `language` an Accept-Language."""

    service: str
    action: str = "open"
    values: dict[str, Any] = field(default_factory=dict)
    language: str | None = None
    allow_last_attempt: bool = False


@dataclass(frozen=True, slots=True)
class TapReport:
    """What happened. Exactly one of `result` (the hub acted) and `problem` is given.

    `pin` is what the card said last about the PIN, None when it was not asked. `recovered` says that the hub's
    first answer was lost and the outcome was found out afterwards. `error` is what `problem` was made of.
    """

    result: dict[str, Any] | None = None
    problem: Problem | None = None
    tap_id: str | None = None
    pin: PinStatus | None = None
    trace: tuple[Exchange, ...] = ()
    recovered: bool = False
    error: TerminalError | CardError | None = None


@dataclass(slots=True)
class TapRunner:
    """Runs taps of one terminal on one reader. Not for several threads at once.

    `longest_wait` bounds how long a lost answer is looked for; None means until the tap has expired.
    """

    hub: Hub
    reader: CardReader
    pending: PendingTaps
    sleep: Sleep
    clock: Clock = system_clock
    longest_wait: timedelta | None = None

    def run(self, request: TapRequest, pin: bytearray) -> TapReport:
        """Do one tap and report. `pin` is overwritten in any case. Raises nothing of the card or the hub."""
        work = _Work(self, request)
        try:
            return work.report(result=work.run(pin).result or {})
        except (TerminalError, CardError) as error:
            return work.report(error=error)
        finally:
            wipe(pin)


@dataclass(slots=True)
class _Work:
    """The state of one tap while it runs."""

    runner: TapRunner
    request: TapRequest
    tap: Tap | None = None
    pin: PinStatus | None = None
    trace: list[Exchange] = field(default_factory=list)
    recovered: bool = False

    def run(self, pin: bytearray) -> TapState:
        if not self.runner.reader.card_present():
            raise NoCardError("there is no card in the reader")
        request = self.request
        tap = self.tap = self.runner.hub.begin_tap(
            request.service, request.action, request.values, language=request.language
        )
        kind, pin_name = self._check(tap)
        with self.runner.reader.open() as transport:
            token = self._sign(TracingTransport(transport, self.trace), tap, kind, pin_name, pin)
        return self._send(tap, token)

    def _check(self, tap: Tap) -> tuple[CertificateKind, PinName]:
        """Refuse a tap for a foreign origin, or with a need that is not understood, before the card is asked."""
        expected = self.runner.hub.enrolment.hub_origin
        if tap.origin != expected:
            raise OriginMismatchError(expected=expected)
        unknown = [need for need in tap.needs if need not in _NEEDS]
        if unknown or len(tap.needs) != 1:
            raise NeedNotSupportedError(",".join(unknown or tap.needs) or "nothing")
        return _NEEDS[tap.needs[0]]

    def _sign(
        self, transport: Transport, tap: Tap, kind: CertificateKind, pin_name: PinName, pin: bytearray
    ) -> dict[str, str]:
        session = JpkiSession(transport)
        try:
            if kind is CertificateKind.SIGNATURE and kind not in session.availability():
                raise CertificateNotOnCardError(kind)
            session.verify_pin(pin_name, pin, allow_last_attempt=self.request.allow_last_attempt)
            wipe(pin)
            return make_token(session, kind, origin=tap.origin, nonce=tap.nonce)
        finally:
            with suppress(CardError):  # a card that has gone keeps no verified PIN either
                session.logout()
                self.pin = session.pin_status(pin_name)

    def _send(self, tap: Tap, token: dict[str, str]) -> TapState:
        self.runner.pending.add(
            PendingTap(
                tap_id=tap.tap_id,
                service=self.request.service,
                action=self.request.action,
                expires_at=tap.expires_at,
            )
        )
        try:
            state = self._send_or_settle(tap, token)
        except TapOutcomeUnknownError:
            raise  # the note stays: `mykey terminal status` asks again
        except TerminalError:
            self.runner.pending.remove(tap.tap_id)
            raise
        self.runner.pending.remove(tap.tap_id)
        return state

    def _send_or_settle(self, tap: Tap, token: dict[str, str]) -> TapState:
        first: HubProblemError | None = None
        try:
            return self.runner.hub.send_proof(tap.tap_id, token, language=self.request.language)
        except HubProblemError as error:
            if not is_unclear(error):
                raise
            first = error
        except (HubUnreachableError, HubAnswerError):
            pass
        try:
            return self._settle(tap, token)
        except HubProblemError as error:
            if first is not None and first.problem.code == error.problem.code:
                raise first from error  # the hub stands by its first answer, which said more
            raise

    def _settle(self, tap: Tap, token: dict[str, str]) -> TapState:
        self.recovered = True
        return Settlement(
            hub=self.runner.hub,
            tap_id=tap.tap_id,
            expires_at=tap.expires_at,
            clock=self.runner.clock,
            sleep=self.runner.sleep,
            proof=token,
            longest=self.runner.longest_wait,
            language=self.request.language,
        ).settle()

    def report(
        self, *, result: dict[str, Any] | None = None, error: TerminalError | CardError | None = None
    ) -> TapReport:
        return TapReport(
            result=result,
            problem=None if error is None else problem_of(error),
            error=error,
            tap_id=None if self.tap is None else self.tap.tap_id,
            pin=self.pin,
            trace=tuple(self.trace),
            recovered=self.recovered,
        )
