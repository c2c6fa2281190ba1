"""Mounting the pages of plugins, and the request as such a page sees it.

A plugin whose pages break a rule loses its pages and keeps its services; the reason stands in the log and in
`refused_pages`, for the administrator.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import cast
from uuid import UUID

from flask import Blueprint, Flask, g, request

from mykey_core.audit.records import append
from mykey_core.consent.people import TapPeople
from mykey_core.errors import Refusal
from mykey_core.hub import Hub
from mykey_core.identity.people import KnownPerson
from mykey_core.plugins.context import PluginContext
from mykey_core.plugins.database import PluginDatabase, core_session
from mykey_core.plugins.errors import PluginError
from mykey_core.plugins.loader import LoadedPlugin
from mykey_core.plugins.pages import Area, NavigationItem, Pages
from mykey_core.portal.sessions import SessionKind
from mykey_core.storage.session import Session
from mykey_core.terminals.registry import Terminal
from mykey_core.translations import load_catalogue
from mykey_web.pages.areas import PREFIXES, here, mount, roles_in, staff
from mykey_web.sessions.browser import current, language, portal

REFUSED = "mykey_refused_pages"
_BEARER = "Bearer "
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Staff:
    """The member of staff who is signed in: the audit's name for them, and their roles in this plugin's pages."""

    name: str
    title: str
    roles: frozenset[str]


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who looks at a page: a citizen by pairwise id (None before they use the service), or staff, or nobody known."""

    subject: str | None
    staff: Staff | None
    language: str
    municipality: str


class PluginRequest:
    """The request as a plugin's page sees it; made by `plugin_request`."""

    def __init__(self, plugin: LoadedPlugin, area: Area) -> None:
        self._plugin = plugin
        self._hub = portal().hub
        self._running: tuple[TapPeople, PluginDatabase] | None = None
        self.area = area
        self.at = self._hub.clock()
        """The instant of the request, in UTC."""
        self.terminal: Terminal | None = _terminal() if area is Area.POINT_API else None
        """The terminal that calls, in the area POINT_API only."""
        self.visitor = self._visitor()

    @property
    def context(self) -> PluginContext:
        """The plugin's handle; `context.people` is there within a transaction of a signed-in citizen."""
        if self._running is None:
            return self._plugin.context
        return self._plugin.context.with_people(*self._running)

    @contextmanager
    def transaction(self) -> Iterator[PluginDatabase]:
        """The plugin's tables in one commit with its audit records; undone by any exception."""
        with self._hub.database.writing() as session, self._opened(session) as database:
            yield database

    @contextmanager
    def reading(self) -> Iterator[PluginDatabase]:
        """The plugin's tables in one consistent state, for a page that only shows."""
        with self._hub.database.reading() as session, self._opened(session) as database:
            yield database

    def new_subject(self, database: PluginDatabase) -> str:
        """The citizen's pairwise id, made within the transaction when they begin to use the service."""
        if self.visitor.subject is not None:
            return self.visitor.subject
        person_id = _citizen_of_request()
        if person_id is None:
            raise Refusal("sign_in_needed")
        known = KnownPerson(person_id, "active", "active", None)
        with core_session(database) as session:
            subject = self._hub.people.subject_for(session, known, self._plugin.context.name, self.at)
        self.visitor = replace(self.visitor, subject=subject)
        return subject

    def audit_lookup(self, subject: str, purpose: str, database: PluginDatabase | None = None) -> None:
        """Record that staff looks at a citizen's record, before it is shown; the citizen sees it.

        `purpose` is a machine word. Without `database` (that of a running transaction) it is a commit of its own.
        """
        member = self.visitor.staff
        if member is None:
            raise Refusal("role_needed")
        name = self._plugin.context.name
        facts = {"actor": f"staff:{member.name}", "plugin": name, "subject": subject, "purpose": purpose}
        scope = self._hub.database.writing() if database is None else core_session(database)
        with scope as session:
            append(session, self.visitor.municipality, self.at, "staff.looked_up", facts)

    @contextmanager
    def _opened(self, session: Session) -> Iterator[PluginDatabase]:
        context = self._plugin.context
        subject = self.visitor.subject
        people = TapPeople(context.manifest, context.grants, self._hub.people, subject, self.at, session)
        with self._hub.plugins.opened(self._plugin, session) as database:
            self._running = (people, database)
            try:
                yield database
            finally:
                self._running = None

    def _visitor(self) -> Visitor:
        member = None if self.area is Area.POINT_API else staff()
        who = None if member is None else Staff(member.name, member.title, roles_in(member, here()))
        return Visitor(self._subject(), who, language(), self._hub.settings.municipality)

    def _subject(self) -> str | None:
        person_id = None if self.area is Area.POINT_API else _citizen_of_request()
        if person_id is None:
            return None
        with self._hub.database.reading() as session:
            return self._hub.people.subject_of(session, person_id, self._plugin.context.name)


def _citizen_of_request() -> UUID | None:
    session = current().session
    return session.person_id if session is not None and session.kind is SessionKind.CITIZEN else None


def plugin_request() -> PluginRequest:
    """The request that is being answered, for the plugin whose page answers it."""
    place = here()
    if place is None or place.plugin is None:
        raise LookupError("this is no page of a plugin")
    if "mykey_plugin_request" not in g:
        g.mykey_plugin_request = PluginRequest(place.plugin, place.area)
    return cast(PluginRequest, g.mykey_plugin_request)


class PagesRefused(PluginError):
    """The pages of a plugin break a rule; the message says which."""


def mount_plugins(app: Flask, hub: Hub) -> None:
    """Mount the pages of every active plugin that has the capability `pages`."""
    refused: dict[str, str] = app.extensions.setdefault(REFUSED, {})
    items = hub.plugins.navigation()
    for name, pages in hub.plugins.blueprints().items():
        try:
            _mount(app, hub.plugins.plugins[name], pages, [item for owner, item in items if owner == name])
        except Exception as error:  # noqa: BLE001 - whatever a plugin brings, the hub's pages stand
            refused[name] = str(error) if isinstance(error, PluginError) else type(error).__name__
            _log.warning("the pages of plugin %s are not shown: %s", name, refused[name])


def _mount(app: Flask, plugin: LoadedPlugin, pages: Sequence[Pages], items: Sequence[NavigationItem]) -> None:
    for one in pages:
        _check_templates(plugin, one)
    manifest = plugin.context.manifest
    catalogue = load_catalogue(manifest.package, manifest.name)
    for one in pages:
        mount(
            app,
            one.blueprint,
            one.area,
            catalogue=catalogue,
            navigation=[item for item in items if item.area is one.area],
            plugin=plugin,
            url_prefix=f"{PREFIXES[one.area]}/{manifest.name}",
            name=f"plugin-{manifest.name}-{one.area.value}",
        )


def _check_templates(plugin: LoadedPlugin, pages: Pages) -> None:
    """Templates are searched by name across the whole application, so a plugin's stand in a folder of its own."""
    if not isinstance(pages.blueprint, Blueprint):
        raise PagesRefused(plugin.context.name, "mykey_blueprints answers Pages with a flask.Blueprint")
    own = f"mykey_{plugin.context.name.replace('-', '_')}/"
    loader = pages.blueprint.jinja_loader
    foreign = [name for name in (loader.list_templates() if loader else ()) if not name.startswith(own)]
    if foreign:
        raise PagesRefused(plugin.context.name, f"its template {foreign[0]} does not stand in templates/{own}")


def _terminal() -> Terminal:
    """The terminal whose bearer token the request carries; `terminal_unauthorized` otherwise."""
    header = request.headers.get("Authorization", "")
    if not header.startswith(_BEARER):
        raise Refusal("terminal_unauthorized")
    return portal().hub.terminals.authenticate(header.removeprefix(_BEARER))


def guard_point_api() -> None:
    """Before a plugin's view for terminals: only an enrolled one comes in."""
    place = here()
    if place is not None and place.area is Area.POINT_API:
        plugin_request()
