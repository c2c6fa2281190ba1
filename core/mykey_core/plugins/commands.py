"""What a plugin's own commands use: its context and its tables outside of a tap, in one transaction or several."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from mykey_core.clock import system_clock
from mykey_core.consent.people import TapPeople
from mykey_core.identity.people import People
from mykey_core.plugins.config import read_plugins_file
from mykey_core.plugins.context import PluginContext, PluginDatabase
from mykey_core.plugins.errors import PluginConfigError
from mykey_core.plugins.loader import LoadedPlugin
from mykey_core.plugins.runtime import PluginRuntime
from mykey_core.settings import load_settings
from mykey_core.storage.database import open_database

PluginTransaction = AbstractContextManager[tuple[PluginContext, PluginDatabase]]


@contextmanager
def plugin_sessions(config: Path, plugin: str) -> Iterator[Callable[[], PluginTransaction]]:
    """For a command that stays: a function whose every call is one write transaction, committed at its end.

    It may be called from several threads. `PluginConfigError` when the plugin is not active there, with the reason.
    """
    settings = load_settings(config)
    database = open_database(settings.database_url, settings.municipality)
    try:
        file = read_plugins_file(settings.plugins_file, settings.municipality)
        runtime = PluginRuntime.load(file, municipality=settings.municipality, engine=database.engine)
        loaded = _active(runtime, plugin)
        keys = settings.identity.open_keys(settings.keys_file, settings.municipality)
        people = People(settings.municipality, keys)
        manifest, grants = loaded.context.manifest, loaded.context.grants

        @contextmanager
        def begin() -> Iterator[tuple[PluginContext, PluginDatabase]]:
            with database.writing() as session, runtime.opened(loaded, session) as tables:
                nobody = TapPeople(manifest, grants, people, None, system_clock(), session)
                yield loaded.context.with_people(nobody, tables), tables

        yield begin
    finally:
        database.dispose()


def _active(runtime: PluginRuntime, plugin: str) -> LoadedPlugin:
    loaded = runtime.plugins.get(plugin)
    if loaded is None:
        report = next((report for report in runtime.reports if report.name == plugin), None)
        reason = f"{report.state.value}: {report.reason}" if report else "it is not installed"
        raise PluginConfigError(plugin, reason)
    return loaded


@contextmanager
def plugin_session(config: Path, plugin: str) -> Iterator[tuple[PluginContext, PluginDatabase]]:
    """The context and the database of `plugin` in the hub of `config`; committed at the end of the block.

    `PluginConfigError` when the plugin is not active there, with the reason.
    """
    with plugin_sessions(config, plugin) as begin, begin() as opened:
        yield opened
