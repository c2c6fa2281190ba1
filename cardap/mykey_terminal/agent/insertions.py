"""An id for the card that lies in the reader, so that a page knows whether it is still the one that signed in.

It is random, new for each insertion and for each page that asks, and forgotten when the card leaves: it says nothing
of the card, links nobody across two visits, and two pages cannot find out by it that they have seen the same card.
"""

from __future__ import annotations

import secrets
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

_BYTES = 16


class Insertions:
    """The ids of the present insertion, one for each pairing. Safe for several threads."""

    def __init__(self, random: Callable[[int], str] = secrets.token_urlsafe) -> None:
        self._random = random
        self._lock = threading.Lock()
        self._present: Hashable | None = None
        self._ids: dict[str, str] = {}

    def of(self, insertion: Hashable | None, page: str) -> str | None:
        """The id of `insertion` (as the reader tells it) for `page`, any word for its pairing; None without a card."""
        with self._lock:
            if insertion != self._present:
                self._present = insertion
                self._ids.clear()
            if insertion is None:
                return None
            return self._ids.setdefault(page, self._random(_BYTES))
