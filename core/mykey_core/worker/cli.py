"""`mykey worker` and `mykey jobs`: a process for what runs beside requests, and what the administrator sees of it."""

from __future__ import annotations

import json
import signal
import sys
import threading
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from uuid import UUID

import click
from sqlalchemy import select, update

from mykey_core.errors import MykeyError
from mykey_core.hub import Hub, open_hub
from mykey_core.logs import FORMATS, configure_logs
from mykey_core.outbox.events import emit
from mykey_core.outbox.waiting import what_waits
from mykey_core.plugins.jobs import JOB_EVENT, queue_of
from mykey_core.settings import load_settings
from mykey_core.storage.tables import outbox
from mykey_core.worker.run import Worker
from mykey_core.worker.schedules import Schedules

_config = click.option(
    "--config", type=click.Path(path_type=Path), default=Path("hub.toml"), show_default=True, help="The hub's settings."
)


@click.command()
@click.option(
    "--config",
    "configs",
    type=click.Path(path_type=Path),
    multiple=True,
    default=[Path("hub.toml")],
    show_default=True,
    help="The hub's settings; may be given for several hubs.",
)
@click.option("--logs", type=click.Choice(FORMATS), default="json", show_default=True)
def worker(configs: tuple[Path, ...], logs: str) -> None:
    """Deliver events and webhooks and run the plugins' jobs, until SIGTERM or SIGINT; a job under way is finished."""
    configure_logs(logs)
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    with ExitStack() as stack:
        for config in configs:
            stack.enter_context(Worker(_opened(config)).running())
        click.echo(json.dumps({"ready": "worker", "hubs": len(configs)}))
        sys.stdout.flush()
        ended.wait()


@click.group(invoke_without_command=True)
@_config
@click.pass_context
def jobs(ctx: click.Context, config: Path) -> None:
    """Show schedules, what waits, and what was given up, as JSON."""
    if ctx.invoked_subcommand is not None:
        return
    hub = _opened(config)
    town = hub.settings.municipality
    with hub.database.reading() as session:
        found = {
            "schedules": Schedules(hub.database, town).lines(session),
            "waiting": [line.as_json() for line in what_waits(session, town)],
            "given_up": _given_up(hub),
        }
    click.echo(json.dumps(found, ensure_ascii=False, indent=2))


@jobs.command()
@click.argument("event", type=click.UUID)
@_config
def retry(event: UUID, config: Path) -> None:
    """Try what was given up again: EVENT is its id in the list."""
    hub = _opened(config)
    own = (outbox.c.municipality == hub.settings.municipality, outbox.c.id == event, outbox.c.due_at.is_(None))
    with hub.database.writing() as session:
        values = {"due_at": hub.clock(), "attempts": 0}
        if session.execute(update(outbox).where(*own).values(**values)).rowcount == 0:
            raise click.ClickException("nothing with this id was given up")
    click.echo("it is tried again")


@jobs.command()
@click.argument("plugin")
@click.argument("job")
@_config
def run(plugin: str, job: str, config: Path) -> None:
    """Have the JOB of PLUGIN run once, as soon as a worker is there."""
    hub = _opened(config)
    if job not in hub.plugins.jobs().get(plugin, {}):
        raise click.ClickException(f"there is no active plugin '{plugin}' with a job '{job}'")
    with hub.database.writing() as session:
        facts = {"job": job, "arguments": {}}
        town = hub.settings.municipality
        event = emit(session, town, hub.clock(), JOB_EVENT, subscribers=[queue_of(plugin)], facts=facts)
    click.echo(str(event))


def _given_up(hub: Hub) -> list[dict[str, Any]]:
    columns = (outbox.c.id, outbox.c.subscriber, outbox.c.kind, outbox.c.facts, outbox.c.attempts, outbox.c.created_at)
    own = (outbox.c.municipality == hub.settings.municipality, outbox.c.due_at.is_(None))
    with hub.database.reading() as session:
        rows = session.execute(select(*columns).where(*own).order_by(outbox.c.id)).all()
    return [
        {
            "id": str(row.id),
            "subscriber": row.subscriber,
            "kind": row.kind,
            "job": row.facts.get("job"),
            "attempts": row.attempts,
            "since": row.created_at.isoformat(),
        }
        for row in rows
    ]


def _opened(config: Path) -> Hub:
    try:
        return open_hub(load_settings(config))
    except MykeyError as error:
        raise click.ClickException(str(error)) from error
