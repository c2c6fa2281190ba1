"""`mykey hub`: making, serving and looking after the hub of one municipality, and serving those of several."""

from __future__ import annotations

import json
import sys
from contextlib import ExitStack
from pathlib import Path

import click
from waitress.server import create_server

from mykey_core.administration.setting_reference import settings_markdown
from mykey_core.authentication.origin import check_origin
from mykey_core.errors import MykeyError
from mykey_core.hub import open_hub, upgrade_database
from mykey_core.logs import configure_logs
from mykey_core.settings import load_settings
from mykey_core.taps.residence import Residence
from mykey_web.operations.serving import look_after, open_served
from mykey_web.problem_list import as_markdown, problem_codes
from mykey_web.setup import write_new_hub
from mykey_web.terminal_cli import revoke_terminal, terminals, uploads

_config = click.option(
    "--config", type=click.Path(path_type=Path), default=Path("hub.toml"), show_default=True, help="The hub's settings."
)


@click.group()
def hub() -> None:
    """The hub of one municipality."""


@hub.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--municipality", required=True, help="Six-digit code with its check digit.")
@click.option("--title", required=True, help="Name of the municipality, in Japanese.")
@click.option("--title-en", required=True, help="Name of the municipality, in English.")
@click.option("--origin", required=True, help="What browsers see, such as https://hub.example.jp.")
@click.option(
    "--ca",
    multiple=True,
    required=True,
    type=click.Path(exists=True, path_type=Path),
    help="A CA certificate (PEM), or a folder of them.",
)
@click.option(
    "--environment",
    type=click.Choice(["production", "test", "demo"]),
    default="production",
    show_default=True,
    envvar="MYKEY_ENVIRONMENT",
    help="test: for synthetic cards, to rehearse; demo: the same, and pages show every check.",
)
@click.option(
    "--resident-distribution-point",
    "points",
    multiple=True,
    help="The town's own CRL partition, as `mykey trust update` prints it: the library is then for residents only.",
)
def init(
    *,
    folder: Path,
    municipality: str,
    title: str,
    title_en: str,
    origin: str,
    ca: tuple[Path, ...],
    environment: str,
    points: tuple[str, ...],
) -> None:
    """Make FOLDER with settings, keys, pinned CA certificates and an empty database."""
    files = [file for path in ca for file in (sorted(path.glob("*.pem")) if path.is_dir() else [path])]
    titles = {"ja": title, "en": title_en}
    try:
        check_origin(origin, loopback_allowed=environment != "production")
        Residence(list(points))
        write_new_hub(
            folder,
            municipality=municipality,
            titles=titles,
            origin=origin,
            ca=files,
            environment=environment,
            distribution_points=points,
        )
        upgrade_database(load_settings(folder / "hub.toml"))
    except (MykeyError, FileExistsError) as error:
        raise click.ClickException(str(error)) from error
    click.echo(
        f"made {folder}: put signed CRL files into {folder / 'crl'}, run `mykey trust update --config "
        f"{folder / 'hub.toml'}`, then `mykey serve --config {folder / 'hub.toml'}`"
    )
    if not points:
        click.echo(
            "The library is for cards of every town. For residents only: write the line `CN=…` of your town that "
            "`mykey trust update` prints into resident_distribution_points (hub.toml), then residents_only = true into "
            "plugins.toml.",
            err=True,
        )


@hub.command(name="service-point")
@_config
@click.argument("name")
@click.option("--title", required=True, help="What people call it, in Japanese.")
@click.option("--title-en", required=True, help="The same in English.")
@click.option("--service", "services", multiple=True, required=True, help="A service that it offers.")
def service_point(config: Path, name: str, title: str, title_en: str, services: tuple[str, ...]) -> None:
    """Make a service point, or change what it offers."""
    try:
        opened = open_hub(load_settings(config))
        opened.terminals.define_service_point(name, {"ja": title, "en": title_en}, list(services))
    except MykeyError as error:
        raise click.ClickException(str(error)) from error
    known = opened.plugins.service_names()
    click.echo(f"{name} offers {', '.join(services)}; for its terminal: `mykey hub enrolment-code {name}`", err=True)
    for unknown in sorted(set(services) - set(known)):
        click.echo(f"no plugin that runs has the service '{unknown}'; there are: {', '.join(known)}", err=True)


@hub.command(name="close-service-point")
@_config
@click.argument("name")
def close_service_point(config: Path, name: str) -> None:
    """Close a service point: its terminals are shut out at once; `service-point` opens it again."""
    try:
        shut_out = open_hub(load_settings(config)).terminals.close_service_point(name)
    except MykeyError as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"closed {name}; terminals that are shut out: {shut_out}")


@hub.command(name="enrolment-code")
@_config
@click.argument("point")
def enrolment_code(config: Path, point: str) -> None:
    """Print a one-time code with which a terminal enrols for the service point POINT."""
    try:
        opened = open_hub(load_settings(config))
        click.echo(opened.terminals.new_code(point))
    except MykeyError as error:
        raise click.ClickException(str(error)) from error
    click.echo(
        f"This code is for {point}, once, within an hour. On the terminal: `mykey terminal enrol --hub "
        f"{opened.settings.origin} --state FOLDER`",
        err=True,
    )


@hub.command()
@_config
@click.option("--towns", type=click.Path(path_type=Path), help="Serve the towns of this file, in place of --config.")
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", type=int, default=8000, show_default=True)
@click.option("--threads", type=int, default=8, show_default=True)
def serve(config: Path, towns: Path | None, host: str, port: int, threads: int) -> None:
    """Serve the hub, or those of several towns, in one process; `mykey serve` is for production."""
    configure_logs("text")
    try:
        served = open_served(config, towns)
        with ExitStack() as stack:
            look_after(served, stack)
            server = create_server(served.application, host=host, port=port, threads=threads)
            click.echo(json.dumps({"ready": f"http://{host}:{port}", **served.announced}))
            sys.stdout.flush()
            server.run()
    except MykeyError as error:
        raise click.ClickException(str(error)) from error


for _command in (terminals, revoke_terminal, uploads):
    hub.add_command(_command)


@hub.command(name="settings")
def settings_reference() -> None:
    """Print the reference of `hub.toml` as Markdown: every member with its meaning, form and default."""
    click.echo(settings_markdown(), nl=False)


@hub.command()
@click.option("--markdown", is_flag=True, help="Print the tables of the reference page instead of JSON.")
def openapi(*, markdown: bool) -> None:
    """Print the OpenAPI document of the hub's API, as a running hub serves it."""
    from mykey_web.api_v1.document import as_markdown as tables  # noqa: PLC0415 - other commands start without it
    from mykey_web.api_v1.document import make_document  # noqa: PLC0415 - the same

    document = make_document()
    click.echo(tables(document) if markdown else json.dumps(document, ensure_ascii=False, indent=2), nl=not markdown)


@hub.command()
@click.option("--markdown", is_flag=True, help="Print the reference page instead of JSON.")
def problems(*, markdown: bool) -> None:
    """List all problem codes of the API and the agent, with their titles."""
    codes = problem_codes()
    click.echo(
        as_markdown(codes) if markdown else json.dumps([code.as_json() for code in codes], ensure_ascii=False),
        nl=not markdown,
    )
