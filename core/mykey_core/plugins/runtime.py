"""Calling plugins: a tap goes to the one plugin that declared its service, and a fault stays with that plugin.

Every call that writes takes the caller's session, so that the plugin's writes are part of the caller's commit.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy import Engine

from mykey_core.card_writing.profiles import CardData
from mykey_core.card_writing.slot_proofs import SlotEvidence, SlotProof
from mykey_core.clock import Clock, system_clock
from mykey_core.consent.people import TapPeople
from mykey_core.identity import changes
from mykey_core.outbox.dispatcher import Event as Waiting
from mykey_core.plugins.answers import Eligibility, Health, HealthState, RecordVerdict, Shredder
from mykey_core.plugins.arguments import (
    CardProfileRequest,
    CardWritten,
    EligibilityRequest,
    Event,
    IdentityChange,
    IdentityReason,
    OfflineRecord,
    TapRequest,
)
from mykey_core.plugins.calls import NOT_ITS_FAULT, call
from mykey_core.plugins.config import PluginsFile, ServicePolicy
from mykey_core.plugins.database import PluginDatabase, opened
from mykey_core.plugins.errors import PluginError, PluginFault
from mykey_core.plugins.handles import Host
from mykey_core.plugins.jobs import AnyJob, LongJob
from mykey_core.plugins.json_values import Json
from mykey_core.plugins.loader import LoadedPlugin, PluginReport, load_plugins
from mykey_core.plugins.manifest import Capability, Service
from mykey_core.plugins.pages import NavigationItem, Pages
from mykey_core.plugins.results import TapResult
from mykey_core.plugins.status import PluginStatus, status_of
from mykey_core.storage.session import Session
from mykey_core.translations import Catalogue, Text, load_catalogue

T = TypeVar("T")
_IDENTITY_HOOKS = {
    changes.LINKED: "mykey_identity_linked",
    changes.REPLACED: "mykey_identity_replaced",
    changes.ENDED: "mykey_identity_ended",
}
Handler = Callable[[Waiting, Session], None]
BeginSession = Callable[[], AbstractContextManager[Session]]
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Route:
    """Where the taps of one service go, and the municipality's policy for it."""

    plugin: LoadedPlugin
    service: Service
    policy: ServicePolicy

    def is_offered_at(self, service_point: str) -> bool:
        """Whether the municipality lets this service point offer the plugin's services."""
        points = self.plugin.choice.service_points
        return points is None or service_point in points


class PluginRuntime:
    """The active plugins of one municipality, routed by service (a dictionary look-up)."""

    def __init__(
        self, plugins: Mapping[str, LoadedPlugin], reports: list[PluginReport], host: Host | None = None
    ) -> None:
        self.plugins = dict(plugins)
        self.reports = reports
        self._routes = {
            service.name: Route(plugin, service, plugin.choice.services.get(service.name, ServicePolicy()))
            for plugin in plugins.values()
            if plugin.context.may(Capability.TAP) or plugin.context.may(Capability.OFFLINE)
            for service in plugin.context.manifest.services
        }
        self._subscribers = _subscribers(self.plugins)
        if host is not None:
            host.subscribers = self.subscribers

    @classmethod
    def load(
        cls,
        file: PluginsFile,
        *,
        municipality: str,
        engine: Engine,
        clock: Clock = system_clock,
        proofs: Callable[[str, int, SlotProof], SlotEvidence] | None = None,
    ) -> PluginRuntime:
        """Load the plugins that `file` enables; broken ones are in `reports` with their reason."""
        host = Host(clock, proofs=proofs)
        return cls(*load_plugins(file, municipality=municipality, engine=engine, host=host), host)

    # -- who ------------------------------------------------------------------------------------------------

    def route(self, service: str) -> Route | None:
        """The plugin for `service`, or None when no active plugin declares it."""
        return self._routes.get(service)

    def service_names(self) -> list[str]:
        """The services of the active plugins, sorted."""
        return sorted(self._routes)

    def offered(self, services: Iterable[str], service_point: str) -> list[str]:
        """Those of `services` that the municipality does not keep from this service point, sorted.

        What no active plugin declares stays: it may be a right of the terminal, or a plugin that rests.
        """
        routes = {name: self.route(name) for name in services}
        return sorted(name for name, route in routes.items() if route is None or route.is_offered_at(service_point))

    def subscribers(self, event: str) -> tuple[str, ...]:
        """The plugins that hear of `event`, in the order of their names."""
        return self._subscribers.get(event, ())

    def catalogue(self, domain: str) -> Catalogue | None:
        """The wording of the plugin called `domain`; None when it is not active."""
        plugin = self.plugins.get(domain)
        package = plugin.context.manifest.package if plugin else ""
        return load_catalogue(package, domain) if package else None

    def opened(self, plugin: LoadedPlugin, session: Session) -> AbstractContextManager[PluginDatabase]:
        """The plugin's handle on its tables within `session`, with all walls up while the block runs."""
        context = plugin.context
        return opened(
            context.name,
            context.manifest.table_prefix,
            context.municipality,
            session,
            granted=context.may(Capability.DATABASE),
        )

    # -- taps and offline records ------------------------------------------------------------------------------

    def tap(self, route: Route, request: TapRequest, session: Session, people: TapPeople | None = None) -> TapResult:
        """Let the plugin act within the caller's transaction; `PluginFault` when it raises or answers nothing.

        A `ConsentDenied` that the plugin lets pass is no fault: it is raised as it is.
        """
        plugin = route.plugin
        if not plugin.context.may(Capability.TAP):
            raise PluginFault(plugin.context.name, "mykey_tap")
        with self.opened(plugin, session) as database:
            context = plugin.context.with_people(people, database)
            result = call(plugin, "mykey_tap", TapResult, context=context, request=request, database=database)
        if result is None:
            raise PluginFault(plugin.context.name, "mykey_tap")
        return result

    def offline_record(self, route: Route, record: OfflineRecord, session: Session) -> RecordVerdict:
        """The plugin's verdict on a record; `PluginFault` when it raises or answers nothing."""
        route.plugin.context.require(Capability.OFFLINE)
        verdict = self._within(route.plugin, session, "mykey_offline_record", RecordVerdict, record=record)
        if verdict is None:
            raise PluginFault(route.plugin.context.name, "mykey_offline_record")
        return verdict

    def eligibility(self, request: EligibilityRequest, session: Session) -> Eligibility | None:
        """Whether the person may use the service; None when no active plugin knows it or says."""
        route = self.route(request.service)
        if route is None:
            return None
        return self._within(route.plugin, session, "mykey_eligibility", Eligibility, request=request)

    # -- cards and identities ----------------------------------------------------------------------------------

    def card_profile(self, plugin: str, request: CardProfileRequest, session: Session) -> CardData | None:
        """The data for the plugin's slot; None when it is not active, may not have a slot, or has nothing to write."""
        found = self.plugins.get(plugin)
        if found is None or not found.context.may(Capability.CARD_SLOT):
            return None
        return self._within(found, session, "mykey_card_profile", CardData, request=request)

    def card_written(self, plugin: str, written: CardWritten, session: Session) -> None:
        """Tell the plugin what was done with its slot; nothing when it is not active."""
        if found := self.plugins.get(plugin):
            self._within(found, session, "mykey_card_written", object, written=written)

    def identity_linked(self, plugin: str, change: IdentityChange, session: Session) -> None:
        """Tell the plugin that it knows a person from now on."""
        self._identity(plugin, "mykey_identity_linked", change, session)

    def identity_replaced(self, plugin: str, change: IdentityChange, session: Session) -> None:
        """Tell the plugin that a person's certificate or pairwise id was replaced."""
        self._identity(plugin, "mykey_identity_replaced", change, session)

    def identity_ended(self, plugin: str, change: IdentityChange, session: Session) -> None:
        """Tell the plugin that a person is not served any more."""
        self._identity(plugin, "mykey_identity_ended", change, session)

    def _identity(self, plugin: str, hook: str, change: IdentityChange, session: Session) -> None:
        if found := self.plugins.get(plugin):
            self._within(found, session, hook, object, change=change)

    # -- events and jobs ---------------------------------------------------------------------------------------

    def deliver(self, subscriber: str, event: Event, session: Session) -> None:
        """Hand an event to one plugin; `PluginFault` when it does not take it, so that it is tried again."""
        if found := self.plugins.get(subscriber):
            self._within(found, session, "mykey_event", object, event=event)

    def handlers(self) -> dict[str, Handler]:
        """For the outbox's dispatcher: who takes what waits for each plugin, changes of identities included."""
        return {name: self._handler(name) for name in self.plugins}

    def _handler(self, subscriber: str) -> Handler:
        def hand_over(waiting: Waiting, session: Session) -> None:
            if waiting.kind in _IDENTITY_HOOKS:
                self._identity(subscriber, _IDENTITY_HOOKS[waiting.kind], _change(waiting, session), session)
                return
            if not self.plugins[subscriber].context.may(Capability.EVENTS):
                return  # it asked for events once, and does not any more
            source = waiting.kind.partition(".")[0]
            event = Event(waiting.id, waiting.kind, source, waiting.at, waiting.facts, waiting.subject)
            self.deliver(subscriber, event, session)

        return hand_over

    def jobs(self) -> dict[str, dict[str, AnyJob]]:
        """The jobs of each plugin by name. One that the manifest does not name is left out, and logged."""
        found = {}
        for plugin, jobs in self._each("mykey_jobs", Sequence, Capability.JOBS):
            named = {job.name: job for job in jobs if job.name in plugin.context.manifest.jobs}
            if len(named) != len(jobs):
                _log.error("plugin %s: mykey_jobs has a job that its manifest does not name", plugin.context.name)
            found[plugin.context.name] = named
        return found

    def job(self, plugin: str, name: str) -> AnyJob:
        """One job; `PluginError` for an unknown one."""
        wanted = self.jobs().get(plugin, {}).get(name)
        if wanted is None:
            raise PluginError(plugin, f"it has no job '{name}', or is not active")
        return wanted

    def run_job(self, plugin: str, job: str, arguments: Mapping[str, Json], session: Session, at: datetime) -> None:
        """Run a job within the caller's transaction, also a long one; `PluginFault` when it raises."""
        wanted = self.job(plugin, job)
        if isinstance(wanted, LongJob):
            self.run_long_job(plugin, wanted, arguments, lambda: nullcontext(session), at)
            return
        found = self.plugins[plugin]
        with self.opened(found, session) as database:
            _run(plugin, job, lambda: wanted.run(found.context, database, arguments, at))

    def run_long_job(
        self, plugin: str, job: LongJob, arguments: Mapping[str, Json], begin: BeginSession, at: datetime
    ) -> None:
        """Run a long job; each of its pieces is a transaction of `begin`. `PluginFault` when it raises."""
        found = self.plugins[plugin]

        @contextmanager
        def piece() -> Iterator[PluginDatabase]:
            with begin() as session, self.opened(found, session) as database:
                yield database

        _run(plugin, job.name, lambda: job.run(found.context, piece, arguments, at))

    # -- pages and administration ------------------------------------------------------------------------------

    def blueprints(self) -> dict[str, tuple[Pages, ...]]:
        """The pages of each plugin."""
        return {p.context.name: tuple(pages) for p, pages in self._each("mykey_blueprints", Sequence, Capability.PAGES)}

    def navigation(self) -> list[tuple[str, NavigationItem]]:
        """(plugin, item), the lowest order first, then by name."""
        each = self._each("mykey_navigation", Sequence, Capability.PAGES)
        items = [(plugin.context.name, item) for plugin, items in each for item in items]
        return sorted(items, key=lambda line: (line[1].order, line[0], line[1].text_key))

    def health(self, session: Session) -> dict[str, Health]:
        """How each active plugin is; one whose hook fails is `failed`, one without the hook is `ok`."""
        return {name: self._health(plugin, session) for name, plugin in sorted(self.plugins.items())}

    def status(self) -> list[PluginStatus]:
        """Every plugin that is installed or enabled, for `mykey plugins` and the administration page."""
        return [status_of(report, self.plugins.get(report.name)) for report in self.reports]

    def _health(self, plugin: LoadedPlugin, session: Session) -> Health:
        try:
            return self._within(plugin, session, "mykey_health", Health) or Health(HealthState.OK)
        except PluginFault:
            return Health(HealthState.FAILED)

    def consent_text(self, plugin: str, purpose: str) -> Text | None:
        """The plugin's own wording of a purpose; None leaves it at the manifest's."""
        found = self.plugins.get(plugin)
        if found is None:
            return None
        return call(found, "mykey_consent_text", Text, context=found.context, purpose=purpose)

    def shredder(self, plugin: str) -> Shredder | None:
        """The object that exports and deletes what the plugin holds; None when it is not active or has none."""
        found = self.plugins.get(plugin)
        return None if found is None else call(found, "mykey_shredder", Shredder, context=found.context)  # type: ignore[type-abstract]

    # -- inside ------------------------------------------------------------------------------------------------

    def _within(
        self, plugin: LoadedPlugin, session: Session, hook: str, expected: type[T], **arguments: Any
    ) -> T | None:
        with self.opened(plugin, session) as database:
            return call(plugin, hook, expected, context=plugin.context, database=database, **arguments)

    def _each(self, hook: str, expected: type[Any], capability: Capability) -> Iterator[tuple[LoadedPlugin, Any]]:
        """(plugin, answer) of all that may and have the hook, in the order of their names; a fault is logged."""
        for _, plugin in sorted(self.plugins.items()):
            if not plugin.context.may(capability):
                continue
            try:
                answer = call(plugin, hook, expected, context=plugin.context)
            except PluginFault as fault:
                _log.error("%s: %s", fault, type(fault.__cause__).__name__)
                continue
            if answer is not None:
                yield plugin, answer


def _run(plugin: str, job: str, run: Callable[[], None]) -> None:
    try:
        run()
    except NOT_ITS_FAULT:
        raise
    except Exception as error:
        raise PluginFault(plugin, f"job {job}") from error


def _change(waiting: Waiting, session: Session) -> IdentityChange:
    reason, town = IdentityReason(waiting.facts["reason"]), str(session.municipality)
    return IdentityChange(town, str(waiting.subject), reason, waiting.at, waiting.facts.get("previous_subject"))


def _subscribers(plugins: Mapping[str, LoadedPlugin]) -> dict[str, tuple[str, ...]]:
    found: dict[str, list[str]] = {}
    for name, plugin in sorted(plugins.items()):
        for event in plugin.context.manifest.requests.events if plugin.context.may(Capability.EVENTS) else ():
            found.setdefault(event, []).append(name)
    return {event: tuple(names) for event, names in found.items()}
