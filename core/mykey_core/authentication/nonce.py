"""The challenge: how a nonce is made, how long it lives, and that it is good for one attempt.

The store here lives in memory (batch verification, tests, one process); the hub keeps its nonces with the taps in the
database under the same rules.
"""

from __future__ import annotations

import base64
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, auto
from threading import Lock

from mykey_core.authentication.errors import refuse
from mykey_core.authentication.reasons import TokenReason

NONCE_LIFETIME = timedelta(minutes=5)
MINIMUM_LENGTH = 44  # characters: 256 bits in base64; Web eID clients refuse shorter ones
_BYTES = 32


def new_nonce() -> str:
    """A fresh nonce: 256 random bits as 44 characters of base64."""
    return base64.b64encode(secrets.token_bytes(_BYTES)).decode("ascii")


def check_length(nonce: str | None) -> str:
    """The nonce, if one was issued and it is long enough to be no guess. It is ASCII text, as base64 is."""
    if not nonce:
        raise refuse(TokenReason.NONCE_MISSING)
    if not nonce.isascii():
        raise refuse(TokenReason.NONCE_MALFORMED)
    if len(nonce) < MINIMUM_LENGTH:
        raise refuse(TokenReason.NONCE_TOO_SHORT)
    return nonce


def check_age(issued_at: datetime, now: datetime) -> None:
    """The nonce lives five minutes, both ends included; one issued after `now` means a clock that was set back."""
    if now < issued_at:
        raise refuse(TokenReason.NONCE_FROM_THE_FUTURE)
    if now - issued_at > NONCE_LIFETIME:
        raise refuse(TokenReason.NONCE_EXPIRED)


class _State(Enum):
    OPEN = auto()
    USED = auto()
    SUPERSEDED = auto()


@dataclass(slots=True)
class _Issued:
    at: datetime
    session: str
    state: _State = _State.OPEN


def check_session(issued: _Issued, session: str) -> None:
    """The nonce was issued for this session; one of another session is unknown here."""
    if issued.session != session:
        raise refuse(TokenReason.NONCE_UNKNOWN)


def check_open(issued: _Issued) -> None:
    """The nonce was neither used nor followed by a newer one."""
    if issued.state is _State.USED:
        raise refuse(TokenReason.NONCE_USED)
    if issued.state is _State.SUPERSEDED:
        raise refuse(TokenReason.NONCE_SUPERSEDED)


class NonceStore:
    """Nonces in memory, safe to use from many threads. A nonce belongs to the session that it was issued for.

    In one session only the newest nonce counts (two tabs: the last one wins). A nonce is remembered after its use,
    until `forget_before`, so that a replay can be told from a guess.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._issued: dict[str, _Issued] = {}
        self._newest: dict[str, str] = {}

    def issue(self, nonce: str, at: datetime, *, session: str = "") -> None:
        """Keep `nonce` as issued `at` for `session`; without a session each nonce stands for itself.

        A nonce that was issued before stays as it is: it must not come back to life.
        """
        with self._lock:
            if nonce in self._issued:
                return
            self._issued[nonce] = _Issued(at, session)
            if session:
                previous = self._issued.get(self._newest.get(session, ""))
                if previous is not None and previous.state is _State.OPEN:
                    previous.state = _State.SUPERSEDED
                self._newest[session] = nonce

    def consume(self, nonce: str, at: datetime, *, session: str = "") -> None:
        """Use `nonce` up at `at`, whatever becomes of the attempt; `TokenRefused` unless it may be used.

        A nonce of another session is unknown here, and stays usable there.
        """
        issued = self._take(nonce, session)
        check_age(issued.at, at)

    def _take(self, nonce: str, session: str) -> _Issued:
        with self._lock:
            issued = self._issued.get(nonce)
            if issued is None:
                raise refuse(TokenReason.NONCE_UNKNOWN)
            check_session(issued, session)
            check_open(issued)
            issued.state = _State.USED
            return issued

    def forget_before(self, instant: datetime) -> None:
        """Drop every nonce issued before `instant`, which must be older than their lifetime."""
        with self._lock:
            kept = {nonce: issued for nonce, issued in self._issued.items() if issued.at >= instant}
            self._issued = kept
            self._newest = {session: nonce for session, nonce in self._newest.items() if nonce in kept}
