"""`mykey staff`: members of staff, their roles, and the code with which a card is linked at the first sign-in.

This is how the first administrator comes in; later ones can be made on pages.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import click

from mykey_core.errors import MykeyError
from mykey_core.hub import Hub, open_hub
from mykey_core.portal.sessions import Sessions
from mykey_core.portal.staff import ROLES, StaffMember, StaffRegister
from mykey_core.settings import load_settings
from mykey_core.storage.session import Session

T = TypeVar("T")
_ACTOR = "staff:console"
_config = click.option(
    "--config", type=click.Path(path_type=Path), default=Path("hub.toml"), show_default=True, help="The hub's settings."
)


@click.group()
def staff() -> None:
    """Members of staff: who they are to the hub, and what they may do."""


@staff.command()
@_config
@click.argument("name")
@click.option("--title", required=True, help="What colleagues call them.")
@click.option("--role", "roles", multiple=True, required=True, help=f"A role: {', '.join(ROLES)}, or a plugin's own.")
def put(config: Path, name: str, title: str, roles: tuple[str, ...]) -> None:
    """Make the member NAME, or change title and roles."""
    member = _written(
        config, lambda hub, register, session: register.put(session, name, title, roles, at=hub.clock(), actor=_ACTOR)
    )
    click.echo(json.dumps(_json(member), ensure_ascii=False))


@staff.command()
@_config
@click.argument("name")
def invite(config: Path, name: str) -> None:
    """Print a one-time code: with it NAME links a card at the first sign-in, within three days."""
    code, origin = _written(
        config,
        lambda hub, register, session: (register.invite(session, name, at=hub.clock()), hub.settings.origin),
    )
    click.echo(code)
    click.echo(f"This code is for {name}, once: open {origin}/sign-in/staff within 3 days and type it.", err=True)


@staff.command()
@_config
@click.argument("name")
def end(config: Path, name: str) -> None:
    """End the access of NAME at once, and every session of theirs."""

    def work(hub: Hub, register: StaffRegister, session: Session) -> StaffMember:
        sessions = Sessions(hub.database, hub.settings.municipality, hub.clock, hub.settings.sessions)
        sessions.end_all_of_staff(session, name)
        return register.end(session, name, at=hub.clock(), actor=_ACTOR)

    click.echo(json.dumps(_json(_written(config, work)), ensure_ascii=False))


@staff.command(name="list")
@_config
def list_(config: Path) -> None:
    """List the members of staff as JSON."""
    members = _written(config, lambda _, register, session: register.all(session))
    click.echo(json.dumps([_json(member) for member in members], ensure_ascii=False))


def _written(config: Path, work: Callable[[Hub, StaffRegister, Session], T]) -> T:
    try:
        hub = open_hub(load_settings(config))
        try:
            with hub.database.writing() as session:
                return work(hub, StaffRegister(hub.settings.municipality), session)
        finally:
            hub.close()
    except MykeyError as error:
        raise click.ClickException(str(error)) from error


def _json(member: StaffMember) -> dict[str, object]:
    return {
        "name": member.name,
        "title": member.title,
        "roles": sorted(member.roles),
        "state": member.state,
        "has_card": member.person_id is not None,
    }
