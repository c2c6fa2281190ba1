"""Putting the core together from its settings: the one object that the web layer and the commands work with."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Engine, insert, select

from mykey_core.audit.records import append
from mykey_core.card_writing.slot_proofs import SlotProofs
from mykey_core.clock import Clock, system_clock
from mykey_core.consent.presentation import AttributeReader
from mykey_core.identity.people import People
from mykey_core.identity.renewal import Renewals
from mykey_core.logins import Logins, open_logins
from mykey_core.plugins.config import read_plugins_file
from mykey_core.plugins.runtime import PluginRuntime
from mykey_core.settings import HubSettings
from mykey_core.storage.database import Database, open_database
from mykey_core.storage.postgres import check_role, role_of
from mykey_core.storage.tables import municipality
from mykey_core.storage.upgrade import upgrade_tables
from mykey_core.taps.residence import Residence
from mykey_core.taps.service import TapService
from mykey_core.terminals.configuration import ConfigurationService
from mykey_core.terminals.registry import TerminalRegistry
from mykey_core.terminals.reports import TerminalReports
from mykey_core.uploads.plugin_delivery import PluginDelivery
from mykey_core.uploads.receive import UploadService
from mykey_core.uploads.reconcile import Reconciliation


@dataclass(frozen=True, slots=True)
class Hub:
    """The core of one municipality's hub, ready for use."""

    settings: HubSettings
    clock: Clock
    database: Database
    plugins: PluginRuntime
    terminals: TerminalRegistry
    taps: TapService
    people: People
    logins: Logins

    @property
    def engine(self) -> Engine:
        """SQLAlchemy's engine, for administration."""
        return self.database.engine

    @property
    def uploads(self) -> UploadService:
        """What terminals did without the hub."""
        deliver = PluginDelivery(self.plugins, self.people)
        return UploadService(self.database, self.settings.municipality, self.clock, deliver)

    @property
    def terminal_reports(self) -> TerminalReports:
        """How the terminals are."""
        return TerminalReports(self.database, self.settings.municipality, self.clock)

    @property
    def configurations(self) -> ConfigurationService:
        """What the terminals need to know, signed."""
        key_file, origin = self.settings.terminal_key_file, self.settings.origin
        return ConfigurationService(
            self.database, self.settings.municipality, self.clock, key_file=key_file, origin=origin,
            offered=self.plugins.offered,
        )  # fmt: skip

    @property
    def reconciliation(self) -> Reconciliation:
        """What a clerk does about uploads that the rules alone cannot decide."""
        deliver = PluginDelivery(self.plugins, self.people)
        town = self.settings.municipality
        return Reconciliation(
            self.database, town, self.clock, terminals=self.terminals, uploads=self.uploads, deliver=deliver
        )

    def close(self) -> None:
        """Close all connections to the database."""
        self.database.dispose()


def upgrade_database(settings: HubSettings) -> list[str]:
    """Bring the core's and every installed plugin's tables up to date; returns the plugins that could not be.

    The municipality's own row is made when it is missing. On PostgreSQL this is the work of the role that owns the
    tables (`database_owner_url`), and the hub's role is given its rights.
    """
    owner_url = settings.database_owner_url or settings.database_url
    hub_role = role_of(settings.database_url) if owner_url != settings.database_url else None
    failed = upgrade_tables(owner_url, hub_role=hub_role)
    now = system_clock()
    own = municipality.c.code == settings.municipality
    database = open_database(owner_url, settings.municipality)
    with database.writing() as session:
        if session.execute(select(municipality.c.code).where(own)).first() is None:
            session.execute(insert(municipality).values(code=settings.municipality, created_at=now))
            append(session, settings.municipality, now, "municipality.created", {})
    database.dispose()
    return failed


def open_hub(settings: HubSettings, clock: Clock = system_clock) -> Hub:
    """Open everything that `settings` name; `ConfigurationError` when something is missing or unsafe."""
    database = open_database(settings.database_url, settings.municipality)
    with database.reading() as session:
        check_role(session)
    plugins_file = read_plugins_file(settings.plugins_file, settings.municipality)
    town, logins = settings.municipality, open_logins(settings)
    keys = settings.identity.open_keys(settings.keys_file, town)
    proofs = SlotProofs(town, lambda: keys, lambda: settings.card_writing.open_keys(town))
    plugins = PluginRuntime.load(
        plugins_file, municipality=town, engine=database.engine, clock=clock, proofs=proofs.check
    )
    people = People(settings.municipality, keys)
    taps = TapService(
        database=database,
        municipality=settings.municipality,
        clock=clock,
        verifiers=logins.authentication,
        people=people,
        plugins=plugins,
        residence=Residence(list(settings.resident_distribution_points)),
        origin=settings.origin,
        renewals=Renewals(people, settings.identity.open_notices()),
        attributes=None if logins.signature is None else AttributeReader(logins.signature),
    )
    terminals = TerminalRegistry(database, settings.municipality, clock)
    return Hub(settings, clock, database, plugins, terminals, taps, people, logins)
