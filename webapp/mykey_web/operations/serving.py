"""The application as a server process opens it: the hub of one town or those of several, with what runs beside it.

Which server, how many processes and which port is said in `serve_cli`; a worker process gets its files by the
environment, because it is started anew and not forked (docs/adr/0110).
"""

from __future__ import annotations

import logging
import os
import sys
from contextlib import ExitStack
from multiprocessing.util import Finalize
from pathlib import Path
from typing import Any, NamedTuple

from sqlalchemy.exc import DBAPIError

from mykey_core.errors import MykeyError
from mykey_core.hub import Hub, open_hub
from mykey_core.logs import configure_logs
from mykey_core.settings import load_settings
from mykey_core.upkeep import looked_after
from mykey_core.worker.run import Worker
from mykey_web.app import create_app
from mykey_web.operations.environment import CONFIG, LOGS, TOWNS
from mykey_web.tenants import Application, open_towns

_log = logging.getLogger(__name__)


class Served(NamedTuple):
    """The WSGI application, its hubs, and what is announced when it is ready."""

    application: Application
    hubs: list[Hub]
    announced: dict[str, Any]


def open_served(config: Path, towns: Path | None) -> Served:
    """Open one town, or those of a file; `ConfigurationError` says what is wrong."""
    if towns is not None:
        front = open_towns(towns)
        return Served(front, list(front.hubs.values()), {"towns": front.addresses})
    opened = open_hub(load_settings(config))
    return Served(create_app(opened), [opened], {"origin": opened.settings.origin})


def look_after(served: Served, stack: ExitStack) -> None:
    """Enter everything that runs beside requests; it ends with the stack."""
    for hub in served.hubs:
        stack.enter_context(looked_after(hub))
        if hub.settings.jobs.in_server:
            stack.enter_context(Worker(hub).running())


def application() -> Application:
    """The factory, called once in each worker process (`start`). Where the hub does not open, one line says why."""
    configure_logs(os.environ.get(LOGS, "json"))
    towns = os.environ.get(TOWNS)
    stack = ExitStack()
    try:
        served = open_served(Path(os.environ[CONFIG]), Path(towns) if towns else None)
        look_after(served, stack)
    except (MykeyError, DBAPIError) as error:
        reason = error if isinstance(error, MykeyError) else type(error).__name__  # a driver's words may hold anything
        _log.critical("the hub does not open (%s): `mykey doctor` says what to do", reason)
        sys.exit(1)
    Finalize(None, stack.close, exitpriority=1)  # atexit is not called in a process of multiprocessing
    return served.application
