"""Calling plugins: a tap goes to the one plugin that declared its service, and a fault stays with that plugin."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from sqlalchemy import Engine

from mykey_core.consent.errors import ConsentDenied
from mykey_core.consent.people import TapPeople
from mykey_core.errors import StorageUnavailable
from mykey_core.plugins.config import PluginsFile, ServicePolicy
from mykey_core.plugins.context import PluginDatabase
from mykey_core.plugins.errors import PluginFault
from mykey_core.plugins.hookspecs import TapRequest
from mykey_core.plugins.loader import LoadedPlugin, PluginReport, load_plugins
from mykey_core.plugins.manifest import Service
from mykey_core.plugins.results import TapResult
from mykey_core.storage.errors import Superseded
from mykey_core.storage.session import Session
from mykey_core.translations import Catalogue, load_catalogue


@dataclass(frozen=True, slots=True)
class Route:
    """Where the taps of one service go, and the municipality's policy for it."""

    plugin: LoadedPlugin
    service: Service
    policy: ServicePolicy


class PluginRuntime:
    """The active plugins of one municipality, routed by service (a dictionary look-up)."""

    def __init__(self, plugins: Mapping[str, LoadedPlugin], reports: list[PluginReport]) -> None:
        self.plugins = dict(plugins)
        self.reports = reports
        self._routes = {
            service.name: Route(plugin, service, plugin.choice.services.get(service.name, ServicePolicy()))
            for plugin in plugins.values()
            for service in plugin.context.manifest.services
        }

    @classmethod
    def load(cls, file: PluginsFile, *, municipality: str, engine: Engine) -> PluginRuntime:
        """Load the plugins that `file` enables; broken ones are in `reports` with their reason."""
        return cls(*load_plugins(file, municipality=municipality, engine=engine))

    def route(self, service: str) -> Route | None:
        """The plugin for `service`, or None when no active plugin declares it."""
        return self._routes.get(service)

    def catalogue(self, domain: str) -> Catalogue | None:
        """The wording of the plugin called `domain`; None when it is not active."""
        plugin = self.plugins.get(domain)
        return load_catalogue(plugin.context.manifest.package, domain) if plugin else None

    def tap(self, route: Route, request: TapRequest, session: Session, people: TapPeople | None = None) -> TapResult:
        """Let the plugin act within the caller's transaction; `PluginFault` when it raises or answers nothing.

        A `ConsentDenied` that the plugin lets pass is no fault: it is raised as it is.
        """
        context = replace(route.plugin.context, people=people)
        database = PluginDatabase(context.name, context.manifest.table_prefix, request.municipality, session)
        try:
            result = route.plugin.manager.hook.mykey_tap(context=context, request=request, database=database)
        except ConsentDenied:
            raise
        except (StorageUnavailable, Superseded):
            raise  # the database's answer to the tap, not the plugin's fault
        except Exception as error:
            raise PluginFault(context.name, "mykey_tap") from error
        if not isinstance(result, TapResult):
            raise PluginFault(context.name, "mykey_tap")
        return result
