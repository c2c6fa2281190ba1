"""What a hub does by itself while it serves: it follows revocation data, seals the audit, delivers events and forgets.

Each in a thread of its own; several processes of one hub may do so at once. Jobs of plugins are not here
(docs/adr/0013).
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from datetime import timedelta

from mykey_core.audit.keeper import keeper_of
from mykey_core.clock import Clock
from mykey_core.errors import MykeyError
from mykey_core.hub import Hub
from mykey_core.outbox.dispatcher import Dispatcher, Handler
from mykey_core.taps.service import FORGET_EVERY

DELIVER_EVERY = timedelta(seconds=1)
_log = logging.getLogger(__name__)


@contextmanager
def looked_after(hub: Hub, subscribers: Mapping[str, Handler] | None = None) -> Iterator[None]:
    """Do all of it for `hub` while the block runs; `ConfigurationError` when the audit log has no key.

    `subscribers` take the events of the outbox. What waits for anybody else stays there.
    """
    keeper = keeper_of(hub.settings, hub.database, hub.clock)
    with ExitStack() as stack:
        stack.enter_context(hub.logins.revocation.following())
        stack.enter_context(keeper.running())
        stack.enter_context(repeating("old data could not be forgotten", hub.taps.forget_old, FORGET_EVERY))
        if subscribers:
            outbox = Dispatcher(hub.database, hub.settings.municipality, subscribers, hub.people.subject_of)
            stack.enter_context(delivering(outbox, hub.clock))
        yield


def delivering(outbox: Dispatcher, clock: Clock, every: timedelta = DELIVER_EVERY) -> AbstractContextManager[None]:
    """Deliver what is due while the block runs."""
    return repeating("events could not be delivered", lambda: outbox.deliver_due(clock()), every)


@contextmanager
def repeating(complaint: str, act: Callable[[], object], every: timedelta) -> Iterator[None]:
    """Call `act` at once and then `every` so often, in a thread, until the block ends.

    What it raises is logged behind `complaint`, by our errors' own words or by its type; the next round tries again.
    """
    ended = threading.Event()

    def run() -> None:
        while True:
            try:
                act()
            except MykeyError as error:
                _log.error("%s: %s", complaint, error)
            except Exception as error:  # noqa: BLE001 - one bad round must not end all that follow
                _log.error("%s: %s", complaint, type(error).__name__)
            if ended.wait(every.total_seconds()):
                return

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
