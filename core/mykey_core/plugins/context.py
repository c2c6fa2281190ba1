"""The one handle that a plugin gets: its settings, its log, its wording, and its own tables."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

from sqlalchemy import Executable, TextClause
from sqlalchemy.engine import CursorResult
from sqlalchemy.sql import visitors
from sqlalchemy.sql.elements import ClauseElement
from sqlalchemy.sql.expression import ColumnClause, TableClause

from mykey_core.consent.people import TapPeople
from mykey_core.plugins.errors import PluginError
from mykey_core.plugins.manifest import Manifest
from mykey_core.storage.session import Session
from mykey_core.translations import Text


class CapabilityDenied(PluginError):
    """The plugin used a capability that the municipality has not granted, or a table that is not its own."""

    def __init__(self, plugin: str, capability: str, message: str) -> None:
        super().__init__(plugin, message)
        self.capability = capability


@dataclass(frozen=True, slots=True)
class PluginContext:
    """What a plugin may use. `settings` are those of `plugins.toml`; `grants` is what the municipality gave.

    `people` is there during a tap or an action, and None outside of one.
    """

    manifest: Manifest
    municipality: str
    settings: Mapping[str, Any]
    grants: frozenset[str]
    log: logging.Logger
    people: TapPeople | None = None

    @property
    def name(self) -> str:
        """The plugin's name."""
        return self.manifest.name

    def text(self, key: str, **values: str | int) -> Text:
        """A text of the plugin's own catalogue, shown later in the citizen's language."""
        return Text(key, domain=self.manifest.name, values=values)


def _is_text(element: object) -> bool:
    """True for `literal_column(…)`, but not for the star of `count(*)`."""
    return isinstance(element, ColumnClause) and element.is_literal and element.name != "*"


_checked: WeakKeyDictionary[Executable, str] = WeakKeyDictionary()  # statement -> the prefix it was found to keep to


@dataclass(frozen=True, slots=True)
class PluginDatabase:
    """The plugin's own tables within the commit that is under way.

    A statement that touches a table without the plugin's prefix raises `CapabilityDenied`.
    """

    plugin: str
    table_prefix: str
    municipality: str
    _session: Session

    def execute(self, statement: Executable, parameters: Mapping[str, Any] | None = None) -> CursorResult[Any]:
        """Execute a SQLAlchemy Core statement over the plugin's own tables."""
        if _checked.get(statement) != self.table_prefix:
            self._check(statement)
            _checked[statement] = self.table_prefix
        return self._session.execute(statement, parameters)

    def _check(self, statement: Executable) -> None:
        if not isinstance(statement, ClauseElement):
            raise self._denied("only SQLAlchemy expressions over the plugin's tables can be executed")
        for element in visitors.iterate(statement):
            if isinstance(element, TableClause) and not element.name.startswith(self.table_prefix):
                raise self._denied(f"the table {element.name} is not the plugin's own")
            if isinstance(element, TextClause) or _is_text(element):
                raise self._denied("textual SQL is not accepted")

    def _denied(self, message: str) -> CapabilityDenied:
        return CapabilityDenied(self.plugin, "database", message)
