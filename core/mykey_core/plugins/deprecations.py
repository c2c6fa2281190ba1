"""Everything of the plugin API that will go, in one place: the old name, the new one, and the version of removal.

A deprecated name works, with a warning, until the major version that removes it (docs/reference/plugin-hooks.md).
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any, Final


class MykeyDeprecationWarning(DeprecationWarning):
    """A plugin uses what will be removed in `removed_in` of the plugin API."""

    def __init__(self, message: str, removed_in: str) -> None:
        super().__init__(message)
        self.removed_in = removed_in


@dataclass(frozen=True, slots=True)
class Deprecation:
    """A name of `mykey_core.api` that has a successor there."""

    old: str
    new: str
    since: str
    removed_in: str


DEPRECATIONS: Final = (Deprecation("TapPeople", "PluginPeople", since="0.2", removed_in="1.0"),)


def successor(name: str, module: dict[str, Any]) -> Any:
    """What stands in `module` in place of a deprecated name, with a warning; `AttributeError` for any other name."""
    found = next((entry for entry in DEPRECATIONS if entry.old == name), None)
    if found is None:
        raise AttributeError(name)
    message = f"mykey_core.api.{name} is called {found.new} now and goes with plugin API {found.removed_in}"
    warnings.warn(MykeyDeprecationWarning(message, found.removed_in), stacklevel=3)
    return module[found.new]
