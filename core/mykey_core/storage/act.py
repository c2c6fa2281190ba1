"""What the act of a request writes first: a claim that stands in the commit of the act itself, and so nowhere else.

Whoever answers a request says what is to be written first (`begin`); the next write transaction of its thread does it.
What writes beside the act (counters, nonces that are used up) does so within `aside`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeVar

from mykey_core.storage.session import Session

T = TypeVar("T")


class FirstWrite:
    """The claim of one act. `made` is True once a transaction with it was committed."""

    __slots__ = ("made", "work")

    def __init__(self, work: Callable[[Session], None]) -> None:
        self.work = work
        self.made = False

    def before(self, work: Callable[[Session], T]) -> Callable[[Session], T]:
        """The unit of work with the claim at its beginning."""

        def whole(session: Session) -> T:
            self.work(session)
            return work(session)

        return whole


_first: ContextVar[FirstWrite | None] = ContextVar("mykey_first_write", default=None)


def begin(work: Callable[[Session], None]) -> FirstWrite:
    """The next write transaction of this thread begins with `work`; what that raises undoes the transaction."""
    made = FirstWrite(work)
    _first.set(made)
    return made


def end() -> None:
    """The request is over: nothing is to be written first."""
    _first.set(None)


def pending() -> FirstWrite | None:
    """What the transaction that begins now has to write first, or None."""
    first = _first.get()
    return None if first is None or first.made else first


@contextmanager
def aside() -> Iterator[None]:
    """Transactions within the block are no part of the act."""
    token = _first.set(None)
    try:
        yield
    finally:
        _first.reset(token)
