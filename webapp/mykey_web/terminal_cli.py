"""`mykey hub terminals`, `revoke-terminal` and `uploads`: what an administrator does about terminals."""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO
from uuid import UUID

import click

from mykey_core.errors import MykeyError
from mykey_core.hub import Hub, open_hub
from mykey_core.settings import load_settings
from mykey_web.carried_uploads import take_file

if TYPE_CHECKING:
    from collections.abc import Iterator

_ACTOR = "staff:command-line"
_config = click.option(
    "--config", type=click.Path(path_type=Path), default=Path("hub.toml"), show_default=True, help="The hub's settings."
)


@click.command()
@_config
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def terminals(config: Path, *, as_json: bool) -> None:
    """List the terminals: where they are, when they were last heard of, and what waits in their queues."""
    with _opened(config) as hub:
        states = hub.terminal_reports.terminals()
        now = hub.clock()
    if as_json:
        click.echo(json.dumps([asdict(state) for state in states], default=_plain, ensure_ascii=False, indent=2))
        return
    for state in states:
        heard = state.last_contact.isoformat(timespec="seconds") if state.last_contact else "never"
        word = "silent" if state.is_silent(now) else state.state
        queue = (state.facts or {}).get("queue") or {}
        click.echo(f"{state.id}  {word:8} {state.service_point}  {state.name}  {state.version}")
        click.echo(f"    last heard of: {heard}; waiting in its queue: {queue.get('pending', '-')}")


@click.command(name="revoke-terminal")
@_config
@click.argument("terminal_id", type=click.UUID)
def revoke_terminal(config: Path, terminal_id: UUID) -> None:
    """Shut a lost terminal out, at once."""
    with _opened(config) as hub:
        if hub.terminals.get(terminal_id) is None:
            raise click.ClickException("there is no active terminal with this id: see `mykey hub terminals`")
        hub.terminals.revoke(terminal_id)
    click.echo("revoked: the hub refuses it within two seconds, and it locks itself at its next report")


@click.group()
def uploads() -> None:
    """Records of terminals that wait for a decision."""


@uploads.command(name="list")
@_config
def list_cases(config: Path) -> None:
    """List gaps, records in quarantine, records whose service does not answer, and contradictions."""
    with _opened(config) as hub:
        cases = hub.reconciliation.open_cases()
    click.echo(json.dumps([asdict(case) for case in cases], default=_plain, ensure_ascii=False, indent=2))


@uploads.command(name="import")
@_config
@click.argument("file", type=click.File(encoding="utf-8"))
def import_file(config: Path, file: TextIO) -> None:
    """Take the queue in FILE, which `mykey terminal export-queue` wrote. Once more is harmless."""
    with _opened(config) as hub:
        carried = take_file(hub, file.read())
    click.echo(json.dumps(asdict(carried), default=_plain, ensure_ascii=False, indent=2))
    if any(record["state"] != "accepted" for record in carried.records) or carried.missing:
        click.echo("some need a person: see `mykey hub uploads list`", err=True)


@uploads.command(name="waive-gap")
@_config
@click.argument("terminal_id", type=click.UUID)
@click.argument("first", type=int)
@click.argument("last", type=int)
def waive_gap(config: Path, terminal_id: UUID, first: int, last: int) -> None:
    """Stop waiting for the records FIRST to LAST: they are lost for good."""
    with _opened(config) as hub:
        freed = hub.reconciliation.waive_gap(terminal_id, first, last, actor=_ACTOR)
    click.echo(f"waived; {freed} records behind the gap were handed to their services")


@uploads.command(name="release")
@_config
@click.argument("terminal_id", type=click.UUID)
@click.argument("seq", type=int)
@click.option("--clock-was-fast-by", "seconds", type=int, default=0, help="Seconds; negative when it was slow.")
def release(config: Path, terminal_id: UUID, seq: int, seconds: int) -> None:
    """Hand a record in quarantine to its service after all."""
    with _opened(config) as hub:
        skew = timedelta(seconds=seconds)
        state = hub.reconciliation.release_quarantine(terminal_id, seq, actor=_ACTOR, skew=skew)
    click.echo(state.value)


@uploads.command(name="reject")
@_config
@click.argument("terminal_id", type=click.UUID)
@click.argument("seq", type=int)
def reject(config: Path, terminal_id: UUID, seq: int) -> None:
    """Leave a record in quarantine without effect."""
    with _opened(config) as hub:
        click.echo(hub.reconciliation.reject_quarantine(terminal_id, seq, actor=_ACTOR).value)


@contextmanager
def _opened(config: Path) -> Iterator[Hub]:
    try:
        hub = open_hub(load_settings(config))
        try:
            yield hub
        finally:
            hub.close()
    except MykeyError as error:
        raise click.ClickException(str(error)) from error


def _plain(value: Any) -> Any:
    return value.total_seconds() if isinstance(value, timedelta) else str(value)
