"""The application as a server process opens it: the hub of one town or those of several, with what runs beside it.

Which server, how many processes and which port is said in `serve_cli`; a worker process gets its files by the
environment, because it is started anew and not forked (docs/adr/0110).
"""

from __future__ import annotations

import atexit
import os
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

from mykey_core.hub import Hub, open_hub
from mykey_core.settings import load_settings
from mykey_core.upkeep import looked_after
from mykey_core.worker.run import Worker
from mykey_web.app import create_app
from mykey_web.operations.environment import CONFIG, LOGS, TOWNS
from mykey_web.operations.logs import configure_logs
from mykey_web.tenants import Application, open_towns


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
    """Granian's factory: called once in each worker process."""
    configure_logs(os.environ.get(LOGS, "json"))
    towns = os.environ.get(TOWNS)
    served = open_served(Path(os.environ[CONFIG]), Path(towns) if towns else None)
    stack = ExitStack()
    look_after(served, stack)
    atexit.register(stack.close)
    return served.application
