"""The end of a plugin in a municipality: everything it holds is written to a file, shredded, and looked for again.

The plugin's own shredder is used where its code can be loaded; rows that it leaves are found, and nothing is dropped.
A plugin whose code is gone is purged by its tables alone.
"""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import Table, delete, func, select

from mykey_core.audit.events import CODE, INTEGER, EventType, register
from mykey_core.audit.records import append
from mykey_core.clock import Clock, system_clock
from mykey_core.plugins.config import PluginChoice, PluginsFile, read_plugins_file
from mykey_core.plugins.errors import PluginError
from mykey_core.plugins.jobs import queue_of
from mykey_core.plugins.loader import installed_plugins
from mykey_core.plugins.manifest import Manifest, read_manifest
from mykey_core.plugins.names import check_name
from mykey_core.plugins.runtime import PluginRuntime
from mykey_core.settings import HubSettings
from mykey_core.storage.database import Database, open_database
from mykey_core.storage.engine import open_engine
from mykey_core.storage.plugin_tables import reflected, remove_room, tables_of
from mykey_core.storage.session import Session
from mykey_core.storage.tables import outbox, pairwise, visit

register(EventType("plugin.purged", {"plugin": CODE, "rows": INTEGER}))


@dataclass(frozen=True, slots=True)
class Purged:
    """What was done: rows that were shredded, and the tables that were dropped (none while another town uses them)."""

    rows: int
    dropped: tuple[str, ...]


@dataclass(slots=True)
class Purge:
    """The purge of one plugin from the hub of `settings`."""

    settings: HubSettings
    plugin: str
    clock: Clock = system_clock

    def run(self, export: Path) -> Purged:
        """Do all of it; `PluginError` when the plugin is enabled, when rows are left, or when `export` exists."""
        check_name(self.plugin, installed_plugins())
        choice = read_plugins_file(self.settings.plugins_file, self.settings.municipality).plugins.get(self.plugin)
        if choice is not None and choice.enabled:
            raise PluginError(self.plugin, "it is enabled: set `enabled = false` in plugins.toml and restart the hub")
        database = open_database(self.settings.database_url, self.settings.municipality)
        try:
            runtime = self._runtime(choice or PluginChoice(), database)
            tables = self._tables(database)
            self._export(export, tables, runtime, database)
            rows = database.commit(lambda session: self._shred(session, tables, runtime))
        finally:
            database.dispose()
        return Purged(rows, tuple(self._drop()))

    def _runtime(self, choice: PluginChoice, database: Database) -> PluginRuntime:
        """The plugin alone, with all that it asks for, if its code is there."""
        grants = self._manifest.requests.grants if self._manifest else choice.grants
        alone = choice.model_copy(update={"enabled": True, "grants": grants})
        file = PluginsFile(plugins={self.plugin: alone})
        return PluginRuntime.load(file, municipality=self.settings.municipality, engine=database.engine)

    @property
    def _manifest(self) -> Manifest | None:
        point = installed_plugins().get(self.plugin)
        try:
            return None if point is None else read_manifest(point.value, self.plugin)
        except PluginError:
            return None

    @property
    def _prefix(self) -> str:
        return self.plugin.replace("-", "_") + "_"

    def _tables(self, database: Database) -> list[Table]:
        """The plugin's tables that have a municipality, as the database has them."""
        with database.engine.connect() as connection:
            tables = reflected(connection, self.plugin, self._prefix)
        return [table for table in tables if "municipality" in table.c]

    def _own(self, table: Table) -> Any:
        return table.c.municipality == self.settings.municipality

    def _export(self, target: Path, tables: list[Table], runtime: PluginRuntime, database: Database) -> None:
        shredder = runtime.shredder(self.plugin)
        with database.writing() as session:
            document: dict[str, Any] = {"plugin": self.plugin, "municipality": self.settings.municipality}
            document["tables"] = {table.name: _rows(session, select(table).where(self._own(table))) for table in tables}
            if shredder is not None:
                with runtime.opened(runtime.plugins[self.plugin], session) as handle:
                    document["export"] = shredder.export(None, handle)
        _write_new(target, json.dumps(document, ensure_ascii=False, indent=2, default=_plain))

    def _shred(self, session: Session, tables: list[Table], runtime: PluginRuntime) -> int:
        before = sum(self._counts(session, tables).values())
        shredder = runtime.shredder(self.plugin)
        if shredder is None:
            for table in reversed(tables):
                session.execute(delete(table).where(self._own(table)))
        else:
            with runtime.opened(runtime.plugins[self.plugin], session) as handle:
                shredder.shred(None, handle)
        left = {name: rows for name, rows in self._counts(session, tables).items() if rows}
        if left:
            raise PluginError(self.plugin, f"its shredder leaves rows in {', '.join(sorted(left))}: nothing was purged")
        self._forget(session)
        facts = {"plugin": self.plugin, "rows": before}
        append(session, self.settings.municipality, self.clock(), "plugin.purged", facts)
        return before

    def _counts(self, session: Session, tables: list[Table]) -> Mapping[str, int]:
        wanted = {table.name: select(func.count()).select_from(table).where(self._own(table)) for table in tables}
        return {name: int(session.execute(count).scalar_one()) for name, count in wanted.items()}

    def _forget(self, session: Session) -> None:
        """The core's own rows about the plugin: its pairwise ids, visits, and what waits for it."""
        for table, column in ((pairwise, pairwise.c.plugin), (visit, visit.c.plugin)):
            session.execute(delete(table).where(self._own(table), column == self.plugin))
        waiting = outbox.c.subscriber.in_([self.plugin, queue_of(self.plugin)])
        session.execute(delete(outbox).where(self._own(outbox), waiting))

    def _drop(self) -> list[str]:
        """Drop the tables unless another municipality of this database has rows in one of them."""
        engine = open_engine(self.settings.database_owner_url or self.settings.database_url)
        try:
            with engine.connect() as connection:
                names = tables_of(connection, self.plugin, self._prefix)
                tables = reflected(connection, self.plugin, self._prefix)
                counts = [select(func.count()).select_from(table) for table in tables]
                used = any(connection.execute(count).scalar_one() for count in counts)
            return [] if used or not names else remove_room(engine, self.plugin, self._prefix)
        finally:
            engine.dispose()


def _rows(session: Session, statement: Any) -> list[dict[str, Any]]:
    return [dict(row) for row in session.execute(statement).mappings()]


def _plain(value: object) -> str:
    if isinstance(value, bytes):
        return base64.b64encode(value).decode("ascii")
    if isinstance(value, (date, datetime)):
        return value.isoformat()
    return str(value) if isinstance(value, UUID) else repr(value)


def _write_new(target: Path, text: str) -> None:
    """Write a file that nobody else may read, and have it on the disk before anything is shredded."""
    try:
        file = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError as error:
        raise PluginError("purge", f"{target} exists: name a new file") from error
    with os.fdopen(file, "w", encoding="utf-8") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())
