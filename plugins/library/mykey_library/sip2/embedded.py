"""The embedded store of a hub as the library behind the SIP2 server: one transaction for each message."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from datetime import datetime

from mykey_core.api import MykeyError, PluginContext, PluginDatabase
from mykey_library.circulation import Circulation, CirculationUnavailable, OpenCirculation, Place
from mykey_library.system import embedded

Transaction = Callable[[], AbstractContextManager[tuple[PluginContext, PluginDatabase]]]


def embedded_library(begin: Transaction, now: Callable[[], datetime]) -> OpenCirculation:
    """Opens the embedded store for one request; a database that is locked or gone is `CirculationUnavailable`."""

    @contextmanager
    def opened(place: Place) -> Iterator[Circulation]:
        with ExitStack() as stack:
            try:
                context, database = stack.enter_context(begin())
            except MykeyError as error:
                raise CirculationUnavailable(str(error)) from error
            yield embedded(context, database, now(), place)

    return opened
