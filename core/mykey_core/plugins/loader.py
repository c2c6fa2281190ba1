"""Loading plugins one by one: a plugin that cannot be loaded is set aside with its reason, and the hub runs on.

Not with `load_setuptools_entrypoints()`, which stops at the first bad plugin; and each plugin has its own pluggy
manager, so that a misspelt hook or a raising implementation touches nobody else.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from importlib.metadata import EntryPoint, entry_points

import pluggy
from sqlalchemy import Engine

from mykey_core.plugins import hookspecs
from mykey_core.plugins.config import PluginChoice, PluginsFile
from mykey_core.plugins.context import PluginContext
from mykey_core.plugins.errors import ManifestError, PluginError
from mykey_core.plugins.guard import Guard
from mykey_core.plugins.handles import Host
from mykey_core.plugins.log import PluginLog
from mykey_core.plugins.manifest import Manifest, read_manifest, read_remote_manifest
from mykey_core.plugins.names import check_name, check_names
from mykey_core.plugins.safe_mode import Starts
from mykey_core.plugins.typed_settings import Settings, typed
from mykey_core.remote.hooks import RemoteHooks
from mykey_core.storage.migrate import version_table_of
from mykey_core.storage.pending import is_current
from mykey_core.storage.plugin_tables import has_room

ENTRY_POINT_GROUP = "mykey.plugins"
TYPED_SETTINGS_SINCE = (0, 2)
_log = logging.getLogger(__name__)


class PluginState(StrEnum):
    """Where a plugin stands."""

    ACTIVE = "active"
    DISABLED = "disabled"
    INACTIVE = "inactive"  # it asks for more than is granted
    QUARANTINED = "quarantined"  # it is broken
    NOT_INSTALLED = "not-installed"


@dataclass(frozen=True, slots=True)
class PluginReport:
    """The state of one plugin and the reason for it, for `mykey plugins` and the administrator."""

    name: str
    state: PluginState
    reason: str = ""


@dataclass(frozen=True, slots=True)
class LoadedPlugin:
    """An active plugin: its context, the manager that calls its hooks, and the guard that watches them."""

    context: PluginContext
    choice: PluginChoice
    manager: pluggy.PluginManager
    guard: Guard = field(default_factory=lambda: Guard(""))


@dataclass(frozen=True, slots=True)
class Surroundings:
    """The hub that plugins are loaded into."""

    municipality: str
    engine: Engine
    host: Host
    starts: Starts
    strict: bool = False
    names: list[str] = field(default_factory=list)
    slots: dict[int, str] = field(default_factory=dict)
    """Slots on the card, and the active plugin that each belongs to."""


def installed_plugins() -> dict[str, EntryPoint]:
    """All entry points of the group `mykey.plugins`, by name."""
    return {point.name: point for point in entry_points(group=ENTRY_POINT_GROUP)}


def load_plugins(
    file: PluginsFile,
    *,
    municipality: str,
    engine: Engine,
    points: Iterable[EntryPoint] | None = None,
    host: Host | None = None,
) -> tuple[dict[str, LoadedPlugin], list[PluginReport]]:
    """Load what `file` enables, in the order of the names; returns the active plugins and a report of each."""
    installed = installed_plugins() if points is None else {point.name: point for point in points}
    host = host or Host()
    hub = Surroundings(municipality, engine, host, Starts(engine, municipality, host.clock), is_strict())
    loaded: dict[str, LoadedPlugin] = {}
    reports: list[PluginReport] = []
    for name in sorted(installed.keys() | file.plugins.keys()):
        report, plugin = _load_one(name, installed.get(name), file.plugins.get(name), hub)
        reports.append(report)
        if plugin is not None:
            loaded[name] = plugin
    return loaded, reports


def _load_one(
    name: str, point: EntryPoint | None, choice: PluginChoice | None, hub: Surroundings
) -> tuple[PluginReport, LoadedPlugin | None]:
    if choice is not None and choice.manifest is not None and point is not None:
        return PluginReport(
            name, PluginState.QUARANTINED, "a plugin of this name is installed: a remote one has another"
        ), None
    if point is None and (choice is None or choice.manifest is None):
        return PluginReport(name, PluginState.NOT_INSTALLED, "plugins.toml names it, but it is not installed"), None
    if choice is None or not choice.enabled:
        return PluginReport(name, PluginState.DISABLED, "plugins.toml does not enable it"), None
    try:
        manifest = manifest_of(name, point, choice)
        missing = sorted(manifest.requests.grants - choice.grants)
        if missing:
            return PluginReport(name, PluginState.INACTIVE, f"not granted: {', '.join(missing)}"), None
        start = _start_remote(manifest, name, choice, hub) if point is None else _start(manifest, point, choice, hub)
        return PluginReport(name, PluginState.ACTIVE), start
    except Exception as error:
        reason = str(error) if isinstance(error, PluginError) else f"{type(error).__name__}: {error}"
        _log.warning("plugin %s is quarantined: %s", name, reason)
        if hub.strict:
            raise
        return PluginReport(name, PluginState.QUARANTINED, reason), None


def manifest_of(name: str, point: EntryPoint | None, choice: PluginChoice | None) -> Manifest:
    """The manifest of an installed plugin, or of one that runs outside the hub."""
    if point is not None:
        return read_manifest(point.value, name)
    if choice is None or choice.manifest is None:
        raise ManifestError(name, "it is not installed, and plugins.toml names no manifest of it")
    return read_remote_manifest(choice.manifest, name)


def is_strict() -> bool:
    """Whether a developer wants to see a plugin's faults as they are: `MYKEY_STRICT_PLUGINS=1`."""
    return os.environ.get("MYKEY_STRICT_PLUGINS") == "1"


def _start(manifest: Manifest, point: EntryPoint, choice: PluginChoice, hub: Surroundings) -> LoadedPlugin:
    """Import the plugin and set it up; from here on its own code runs, and may end the process."""
    if manifest.name != point.name:
        raise ManifestError(point.name, f"its manifest calls it '{manifest.name}'")
    check_names(manifest, hub.names)
    if not hub.starts.begin(manifest.name):
        raise PluginError(
            manifest.name, f"safe mode: it has ended the hub at start: `mykey plugin retry {manifest.name}`"
        )
    loaded = None
    try:
        loaded = _activate(manifest, point, choice, hub)
    finally:
        hub.starts.end(manifest.name, loaded=loaded is not None)
    hub.names.append(manifest.name)
    return loaded


def _start_remote(manifest: Manifest, name: str, choice: PluginChoice, hub: Surroundings) -> LoadedPlugin:
    """A plugin outside of the hub: none of its code runs here, its hooks leave webhooks."""
    if manifest.name != name:
        raise ManifestError(name, f"its manifest calls it '{manifest.name}'")
    check_name(name, hub.names)
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    manager.register(RemoteHooks(name, hub.host.clock), name=name)
    hub.names.append(name)
    guard = Guard(name, hub.host.clock, strict=hub.strict)
    return LoadedPlugin(_context(manifest, choice, hub), choice, manager, guard)


def _context(manifest: Manifest, choice: PluginChoice, hub: Surroundings) -> PluginContext:
    return PluginContext(
        manifest=manifest,
        municipality=hub.municipality,
        settings=_settings(manifest, choice),
        grants=choice.grants,
        log=PluginLog(manifest.name),
        _host=hub.host,
        _local_hosts=choice.local_hosts,
    )


def _activate(manifest: Manifest, point: EntryPoint, choice: PluginChoice, hub: Surroundings) -> LoadedPlugin:
    _require_free_slot(manifest, hub)
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    manager.register(point.load(), name=manifest.name)
    manager.check_pending()  # pluggy ignores a misspelt hook until it is asked
    if "database" in manifest.requests.capabilities:
        _require_current_tables(manifest, hub.engine)
    context = _context(manifest, choice, hub)
    manager.hook.mykey_setup(context=context)
    if manifest.card_profile is not None:
        hub.slots[manifest.card_profile.service] = manifest.name
    return LoadedPlugin(context, choice, manager, Guard(manifest.name, hub.host.clock, strict=hub.strict))


def _require_free_slot(manifest: Manifest, hub: Surroundings) -> None:
    """Two plugins never share a slot of a card: the one whose name comes later is set aside, and says why."""
    slot = None if manifest.card_profile is None else manifest.card_profile.service
    if slot is not None and slot in hub.slots:
        raise PluginError(manifest.name, f"the plugin '{hub.slots[slot]}' has its slot {slot:04X} on the card")


def _settings(manifest: Manifest, choice: PluginChoice) -> Settings:
    """The declared settings; a plugin of API 0.1 declares none and gets what is written."""
    if manifest.api_version < TYPED_SETTINGS_SINCE and not manifest.settings:
        return Settings(choice.settings)
    return typed(manifest.name, manifest.settings, choice.settings)


def _require_current_tables(manifest: Manifest, engine: Engine) -> None:
    if not is_current(engine, manifest.package, version_table_of(manifest.name)):
        raise PluginError(manifest.name, "its tables are not those of this version: run `mykey db upgrade`")
    if not has_room(engine, manifest.name):
        raise PluginError(manifest.name, "its database role is missing: run `mykey db upgrade`")
