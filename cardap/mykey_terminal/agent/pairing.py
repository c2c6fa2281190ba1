"""Pairing a page with the agent: a one-time code that the person sees, exchanged for a token.

Codes and tokens live in memory only, tokens as hashes. A token is good for the origin that got it.
"""

from __future__ import annotations

import hashlib
import hmac
import math
import secrets
import threading
from collections import OrderedDict, deque
from typing import TYPE_CHECKING

from mykey_terminal.errors import PairingError

if TYPE_CHECKING:
    from collections.abc import Callable

CODE_ALPHABET = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"
"""32 signs without 0, 1, I and O, which people confuse: five bits each."""
CODE_LENGTH = 8
"""40 bits; with `MAX_FAILURES` tries a minute a guess succeeds once in some 200,000 years."""
MAX_FAILURES = 5
WINDOW = 60.0
MAX_TOKENS = 16
"""Pages that stay paired; the page that was paired first has to pair anew after that."""


class PairingDesk:
    """Hands out tokens for codes. Safe for several threads.

    `announce` is called with every new code: the person at the computer must see it, nobody else. `monotonic`
    counts seconds.
    """

    def __init__(self, *, monotonic: Callable[[], float], announce: Callable[[str], None]) -> None:
        self._monotonic = monotonic
        self._announce = announce
        self._lock = threading.Lock()
        self._failures: deque[float] = deque()
        self._tokens: OrderedDict[bytes, str] = OrderedDict()
        self._code = _new_code()
        announce(self._code)

    def pair(self, code: str, origin: str) -> str:
        """Exchange the current code for a token bound to `origin`; the code is used up and a new one announced.

        Raises `PairingError`: `agent_pairing_code`, or `agent_rate_limited` with `retry_after` seconds after
        five wrong codes within a minute, whatever the next code is.
        """
        with self._lock:
            self._check_rate()
            if not hmac.compare_digest(_digest(_normalised(code)), _digest(self._code)):
                self._failures.append(self._monotonic())
                raise PairingError("agent_pairing_code", 403)
            token = secrets.token_urlsafe(32)
            self._tokens[_digest(token)] = origin
            if len(self._tokens) > MAX_TOKENS:
                self._tokens.popitem(last=False)
            self._code = _new_code()
            fresh = self._code
        self._announce(fresh)
        return token

    def check(self, token: str | None, origin: str) -> str:
        """A word for this pairing; `PairingError` (`agent_not_paired`) unless `token` was given to `origin`."""
        presented = _digest(token or "")
        with self._lock:
            known = list(self._tokens.items())
        # Every entry is compared in constant time, so that the time tells nothing about a near miss.
        good = [hmac.compare_digest(presented, digest) and owner == origin for digest, owner in known]
        if not any(good):
            raise PairingError("agent_not_paired", 401)
        return presented.hex()

    def _check_rate(self) -> None:
        now = self._monotonic()
        while self._failures and now - self._failures[0] >= WINDOW:
            self._failures.popleft()
        if len(self._failures) >= MAX_FAILURES:
            wait = math.ceil(WINDOW - (now - self._failures[0]))
            raise PairingError("agent_rate_limited", 429, retry_after=max(wait, 1))


def _new_code() -> str:
    return "".join(secrets.choice(CODE_ALPHABET) for _ in range(CODE_LENGTH))


def _normalised(code: str) -> str:
    return "".join(code.upper().split()).replace("-", "")


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()
