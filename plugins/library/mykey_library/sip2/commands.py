"""`mykey library sip2-serve`, `sip2-client` and `sip2-password`. They are added to the group in `mykey_library.cli`."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
import tomllib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from mykey_core.api import MykeyError, plugin_sessions
from mykey_library.sip2.client import Peer, Sip2Connection
from mykey_library.sip2.embedded import embedded_library
from mykey_library.sip2.errors import ConfigurationError, ConnectionFailed, Sip2Error
from mykey_library.sip2.lines import answer_lines
from mykey_library.sip2.passwords import hash_password
from mykey_library.sip2.profiles import explain, profile_with
from mykey_library.sip2.remote import Sip2Circulation
from mykey_library.sip2.server import Sip2Server
from mykey_library.sip2.service import Service
from mykey_library.sip2.settings import ServerSettings, load_server_settings
from mykey_library.sip2.wording import reason_words

PASSWORD_VARIABLE = "MYKEY_LIBRARY_SIP2_PASSWORD"  # noqa: S105 - the name of a variable
TERMINAL_VARIABLE = "MYKEY_LIBRARY_SIP2_TERMINAL_PASSWORD"

_file = click.Path(dir_okay=False, path_type=Path)


def _now() -> datetime:
    return datetime.now(UTC)


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option("--port", default=6001, show_default=True, help="The port; 0 lets the system choose.")
@click.option("--config", type=_file, default=Path("hub.toml"), show_default=True, help="The hub's settings.")
@click.option("--machines", type=_file, default=Path("sip2.toml"), show_default=True, help="The machines' accounts.")
def sip2_serve(host: str, port: int, config: Path, machines: Path) -> None:
    """Let self-check machines lend from the embedded store, over SIP2, until Ctrl-C."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr)
    try:
        settings = load_server_settings(machines)
        with plugin_sessions(config, "library") as begin:
            service = Service(embedded_library(begin, _now), settings, clock=_now, wording=reason_words)
            asyncio.run(_serve(host, port, settings, service))
    except (MykeyError, Sip2Error, OSError) as error:
        raise click.ClickException(str(error)) from None


async def _serve(host: str, port: int, settings: ServerSettings, service: Service) -> None:
    server = Sip2Server(settings, service)
    chosen = await server.start(host, port)
    stop = asyncio.Event()
    for sign in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(sign, stop.set)
    click.echo(f"SIP2 {'with TLS' if settings.tls else 'without TLS'} on {host} port {chosen}")
    await stop.wait()
    await server.close()


class _System(BaseModel):
    """The file of `sip2-client`: one library system. Passwords come from the environment."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    institution: str
    profile: str = "standard"
    user: str = ""
    location: str = ""
    tls: bool = False
    tls_authority: Path | None = None
    changes: dict[str, Any] = Field(default_factory=dict)


def peer_of_file(host: str, port: int, path: Path) -> Peer:
    """The library system that the file of `sip2-client` describes; `ConfigurationError` names the member."""
    return _peer(host, port, path)


def _peer(host: str, port: int, path: Path) -> Peer:
    try:
        system = _System.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be read ({error.strerror})") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path}: {error}") from None
    except ValidationError as error:
        raise ConfigurationError(explain(path, error)) from None
    return Peer(
        host=host,
        port=port,
        institution=system.institution,
        profile=profile_with(system.profile, system.changes),
        user=system.user,
        password=os.environ.get(PASSWORD_VARIABLE, ""),
        location=system.location,
        terminal_password=os.environ.get(TERMINAL_VARIABLE, ""),
        tls=system.tls,
        tls_authority=system.tls_authority,
    )


@click.command()
@click.option("--host", required=True, help="The library system's address.")
@click.option("--port", default=6001, show_default=True)
@click.option("--config", type=_file, required=True, help="A file with institution, profile, user and location.")
@click.option("--language", type=click.Choice(["ja", "en", "ja-Hira"]), default="ja", show_default=True)
def sip2_client(host: str, port: int, config: Path, language: str) -> None:
    """Speak to a library system as a self-check machine: JSON lines in, JSON lines out.

    Each line of standard input is one request, such as {"do": "checkout", "patron": "…", "item": "…"}.
    """
    try:
        connection = Sip2Connection(_peer(host, port, config))
        connection.open()
    except (ConfigurationError, ConnectionFailed) as error:
        raise click.ClickException(str(error)) from None
    try:
        for line in answer_lines(sys.stdin, Sip2Circulation(connection, now=_now, language=language), language):
            click.echo(line)
    finally:
        connection.close()


@click.command()
def sip2_password() -> None:
    """Make the line `password_hash` for the account of a machine; the password is asked for."""
    password = click.prompt("Password of the machine", hide_input=True, confirmation_prompt=True)
    click.echo(f'password_hash = "{hash_password(password)}"')


COMMANDS = {"sip2-serve": sip2_serve, "sip2-client": sip2_client, "sip2-password": sip2_password}
