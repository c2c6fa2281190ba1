"""`mykey plugin dev`: a town whose only plugin is the one in a folder, started anew whenever a file changes.

The hub is a process of its own, so that a restart is a real start: manifest, migrations and hooks are read again.
"""

from __future__ import annotations

import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import click
import tomlkit

from mykey_core.clock import system_clock
from mykey_core.errors import MykeyError
from mykey_core.hub import upgrade_database
from mykey_core.plugin_kit.repository import Repository
from mykey_core.plugins.loader import installed_plugins
from mykey_core.plugins.manifest import Manifest
from mykey_core.settings import load_settings
from mykey_web.demo import processes
from mykey_web.demo.clerks import add_clerks
from mykey_web.demo.cli import announce, announce_again, new_code
from mykey_web.demo.town import Point, Town, make_town

_POINT = "dev"
_TITLES = {"ja": "開発用の窓口", "en": "Developer's desk", "ja-Hira": "かいはつの まどぐち"}
_WATCHED = frozenset({".py", ".toml", ".po", ".html", ".css", ".js"})
_LOOK_EVERY = 0.5  # seconds
_STRICT = {"MYKEY_STRICT_PLUGINS": "1"}  # an author wants to see the fault, not a hub that runs on without the plugin


@click.command()
@click.argument("directory", type=click.Path(path_type=Path, exists=True, file_okay=False), default=".")
@click.option("--port", type=int, default=0, help="Port of the hub; 0 takes a free one.")
def dev(directory: Path, port: int) -> None:
    """Run a town with the plugin in DIRECTORY and virtual cards; a change of a file starts the hub anew."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        repository = Repository.open(directory.resolve())
        _require_installed(repository)
        with tempfile.TemporaryDirectory(prefix="mykey-plugin-dev-") as folder:
            _Workshop(repository, Path(folder), port or processes.free_port()).run()
    except (MykeyError, processes.ProcessFailed) as error:
        raise click.ClickException(str(error)) from error


def _require_installed(repository: Repository) -> None:
    if repository.name not in installed_plugins():
        raise click.ClickException(f"the plugin is not installed here: run `pip install -e {repository.root}` first")


def plugins_text(manifest: Manifest) -> str:
    """A `plugins.toml` that enables the plugin and grants all that it asks for."""
    document = tomlkit.document()
    document["plugins"] = {manifest.name: {"enabled": True, "grants": sorted(manifest.requests.grants)}}
    return tomlkit.dumps(document)


@dataclass
class _Workshop:
    """The running town of one plugin."""

    repository: Repository
    folder: Path
    port: int
    _hub: processes.Child | None = field(default=None, init=False)

    @property
    def origin(self) -> str:
        """Where the hub answers."""
        return f"http://127.0.0.1:{self.port}"

    def run(self) -> None:
        """Serve until Ctrl-C."""
        manifest = self.repository.manifest
        services = [service.name for service in manifest.services]
        town = make_town(
            self.folder,
            self.origin,
            system_clock(),
            points=(Point(_POINT, _TITLES, services),),
            plugins=plugins_text(manifest),
            fill=lambda _: None,
        )
        add_clerks(town)  # the pages of staff and administration want somebody who may come in
        with ExitStack() as stack:
            stack.callback(self._stop)
            self._start(town)
            agent = stack.enter_context(self._agent(town))
            announce(self.origin, agent.announcement)
            click.echo(f"  ログ · log, with the faults of your code: {self.folder / 'hub.log'}")
            try:
                for changed in changes(self.repository.folder):
                    click.echo(f"  {self.repository.relative(changed)} changed")
                    self._stop()
                    self._start(town)
            except KeyboardInterrupt:
                click.echo("")

    @contextmanager
    def _agent(self, town: Town) -> Iterator[processes.Child]:
        log = self.folder / "terminal.log"
        processes.enrol_terminal(self.origin, new_code(town, _POINT), self.folder / "terminal", log)
        with processes.start_agent(self.folder / "terminal", log, partial(announce_again, self.origin)) as agent:
            yield agent

    def _start(self, town: Town) -> None:
        """Start the hub; a plugin that cannot be loaded is told, and the next change tries again."""
        log = self.folder / "hub.log"
        before = log.stat().st_size if log.exists() else 0
        try:
            upgrade_database(load_settings(town.config))
            self._hub = processes.start_hub(town.config, self.port, log, _STRICT)
        except (MykeyError, processes.ProcessFailed) as error:
            click.echo(f"  ✗ {error}")
            click.echo(log.read_bytes()[before:].decode(errors="replace") if log.exists() else "")

    def _stop(self) -> None:
        if self._hub is not None:
            self._hub.stop()
            self._hub = None


def changes(folder: Path, sleep: Callable[[float], None] = time.sleep) -> Iterator[Path]:
    """A file of the package that was written, made or deleted, each time that one was; looks twice a second."""
    known = _stamps(folder)
    while True:
        sleep(_LOOK_EVERY)
        now = _stamps(folder)
        changed = sorted(path for path in known.keys() | now.keys() if known.get(path) != now.get(path))
        known = now
        if changed:
            yield changed[0]


def _stamps(folder: Path) -> dict[Path, int]:
    """When each watched file was written, in nanoseconds."""
    stamps = {}
    for path in folder.rglob("*"):
        if path.suffix in _WATCHED and "__pycache__" not in path.parts:
            try:
                stamps[path] = path.stat().st_mtime_ns
            except FileNotFoundError:  # an editor replaces files by renaming
                continue
    return stamps
