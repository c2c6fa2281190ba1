"""Group commit for SQLite: units of work that arrive together share one transaction and one sync of the disk.

There is no writer thread: whoever finds nobody writing leads, does its own unit and all that wait, commits, tells
each its own answer and hands the lead to the next. A unit alone costs no hand-over between threads, and a process
that forks or ends has nothing to stop. Each unit has its savepoint: one that fails takes no other with it.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from mykey_core.errors import StorageUnavailable
from mykey_core.storage.session import Session

T = TypeVar("T")
Work = Callable[[Session], Any]
MAX_GROUP = 64
HOLD_SECONDS = 0.02  # after this the group commits, so that a slow unit keeps few others waiting


class _Unit:
    """One unit of work and its answer. `work` is None for a caller that leads but does its work by itself."""

    __slots__ = ("bell", "done", "error", "result", "work")

    def __init__(self, work: Work | None) -> None:
        self.work = work
        self.bell = threading.Lock()
        self.bell.acquire()
        self.done = False
        self.result: Any = None
        self.error: BaseException | None = None

    def fail(self, error: BaseException) -> None:
        self.error, self.result = error, None

    def answer(self) -> Any:
        if self.error is not None:
            raise self.error
        return self.result


class GroupCommit:
    """The only way to write within a process. `connect` opens the writing session, once, on first use."""

    def __init__(self, connect: Callable[[], Session], *, patience: float) -> None:
        self._connect = connect
        self._patience = patience
        self._session: Session | None = None
        self._mutex = threading.Lock()
        self._led = False
        self._queue: deque[_Unit] = deque()

    def run(self, work: Callable[[Session], T]) -> T:
        """Do `work` in a transaction and answer when it is durable; what it raises is raised here, undone.

        `StorageUnavailable` when the database cannot write, or when the unit's turn does not come in time.
        """
        unit = _Unit(work)
        if self._leads(unit):
            try:
                self._do_group(unit)
            finally:
                self._hand_over()
        result: T = unit.answer()
        return result

    @contextmanager
    def exclusive(self) -> Iterator[Session]:
        """A transaction of the caller's own, in turn with the groups."""
        self._leads(_Unit(None))
        try:
            session = self._begin()
            try:
                yield session
                self._commit(session)
            except BaseException:
                self._roll_back(session)
                raise
        finally:
            self._hand_over()

    def close(self) -> None:
        """Close the writing session; a later unit opens it again."""
        with self._mutex:
            session, self._session = self._session, None
        if session is not None:
            session.close()

    # -- whose turn it is -----------------------------------------------------------------------------------

    def _leads(self, unit: _Unit) -> bool:
        """Wait for the unit's turn: True when the caller leads now, False when another thread has done the unit."""
        with self._mutex:
            if not self._led:
                self._led = True
                return True
            self._queue.append(unit)
        if not unit.bell.acquire(timeout=self._patience):
            self._withdraw(unit)
        return not unit.done

    def _withdraw(self, unit: _Unit) -> None:
        with self._mutex:
            if unit in self._queue:
                self._queue.remove(unit)
                raise StorageUnavailable("the database is busy")
        unit.bell.acquire()  # the unit has been begun: its answer is on the way

    def _hand_over(self) -> None:
        with self._mutex:
            if not self._queue:
                self._led = False
                return
            successor = self._queue.popleft()
        successor.bell.release()

    def _followers(self) -> list[_Unit]:
        """Units that wait and can be done by the leader, in their order."""
        found: list[_Unit] = []
        if not self._queue:
            return found
        with self._mutex:
            while self._queue and self._queue[0].work is not None and len(found) < MAX_GROUP:
                found.append(self._queue.popleft())
        return found

    # -- what the leader does -------------------------------------------------------------------------------

    def _do_group(self, own: _Unit) -> None:
        group = [own]
        try:
            session = self._begin()
            group += self._followers()
            group = self._do_units(session, group)
            if any(unit.error is None for unit in group):
                self._commit(session)
            else:
                self._roll_back(session)
        except BaseException as error:
            self._give_up(group, error)
            if not isinstance(error, Exception):
                raise
        finally:
            self._tell(group, own)

    def _do_units(self, session: Session, group: list[_Unit]) -> list[_Unit]:
        """Do the units until the hold is over; those that were not begun go back to the head of the queue."""
        until = time.monotonic() + HOLD_SECONDS
        alone = len(group) == 1
        for number, unit in enumerate(group):
            self._do(session, unit, alone=alone)
            if time.monotonic() > until and number + 1 < len(group):
                with self._mutex:
                    self._queue.extendleft(reversed(group[number + 1 :]))
                return group[: number + 1]
        return group

    def _do(self, session: Session, unit: _Unit, *, alone: bool) -> None:
        assert unit.work is not None  # noqa: S101 - `_followers` takes none without
        driver = session.driver
        if not alone:
            driver.execute("SAVEPOINT unit")
        try:
            unit.result = unit.work(session)
        except Exception as error:
            if not driver.in_transaction:  # the database itself has rolled everything back: full or broken
                raise
            unit.fail(error)
            if not alone:
                driver.execute("ROLLBACK TO unit")
        if not alone:
            driver.execute("RELEASE unit")

    def _give_up(self, group: list[_Unit], error: BaseException) -> None:
        """Nothing of the group was written: each unit that has no failure of its own is told so."""
        if self._session is not None:
            self._roll_back(self._session)
        for unit in group:
            if unit.error is None:
                unit.fail(error if isinstance(error, Exception) else StorageUnavailable("the process is ending"))

    def _tell(self, group: list[_Unit], own: _Unit) -> None:
        for unit in group:
            unit.done = True
            if unit is not own:
                unit.bell.release()

    def _begin(self) -> Session:
        if self._session is None:
            self._session = self._connect()
        self._session.begin()
        return self._session

    def _commit(self, session: Session) -> None:
        session.commit()

    def _roll_back(self, session: Session) -> None:
        """Undo; a connection that cannot even do that is closed, which undoes it too."""
        try:
            session.roll_back()
        except StorageUnavailable:
            self.close()
