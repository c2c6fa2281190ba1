"""Signing in to the hub's own pages: the card signs a nonce that the hub gave to the browser, and nothing is sent.

The signed origin is that of the hub of this terminal's enrolment, never the page's word; whose nonce it is, the hub
checks against the browser's session.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mykey_cardap.errors import CardError, NoCardError
from mykey_cardap.jpki import JpkiSession
from mykey_cardap.kinds import CertificateKind
from mykey_cardap.session import PinStatus, wipe
from mykey_terminal.errors import TerminalError
from mykey_terminal.problems import Problem, problem_of
from mykey_terminal.token import make_token

if TYPE_CHECKING:
    from mykey_terminal.readers import CardReader


@dataclass(frozen=True, slots=True)
class SignInReport:
    """What came of it: exactly one of `token` and `problem`; `pin` is what the card said last of the PIN."""

    token: dict[str, str] | None = None
    problem: Problem | None = None
    pin: PinStatus | None = None


def sign_in(
    reader: CardReader, *, origin: str, nonce: str, pin: bytearray, allow_last_attempt: bool = False
) -> SignInReport:
    """Let the card in `reader` sign for `origin` and `nonce`. `pin` is overwritten in any case; raises nothing."""
    status: PinStatus | None = None
    try:
        if not reader.card_present():
            raise NoCardError("there is no card in the reader")
        with reader.open() as transport:
            session = JpkiSession(transport)
            try:
                session.verify_pin("authentication", pin, allow_last_attempt=allow_last_attempt)
                wipe(pin)
                token = make_token(session, CertificateKind.AUTHENTICATION, origin=origin, nonce=nonce)
            finally:
                with suppress(CardError):  # a card that has gone keeps no verified PIN either
                    session.logout()
                    status = session.pin_status("authentication")
    except (TerminalError, CardError) as error:
        return SignInReport(problem=problem_of(error), pin=status)
    finally:
        wipe(pin)
    return SignInReport(token=token, pin=status)
