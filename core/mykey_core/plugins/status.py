"""Where each plugin stands, for the administrator: its state with the reason, what is suspended, and the last fault."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from mykey_core.plugins.loader import LoadedPlugin, PluginReport, PluginState


@dataclass(frozen=True, slots=True)
class PluginStatus:
    """One plugin. `suspended` are hooks that are not called until an instant (UTC); `last_fault` is told in words."""

    name: str
    state: PluginState
    reason: str
    version: str = ""
    faults: int = 0
    last_fault: str = ""
    suspended: tuple[tuple[str, datetime], ...] = ()

    def as_json(self) -> dict[str, Any]:
        """The line as JSON values."""
        return {
            "name": self.name,
            "state": self.state.value,
            "reason": self.reason,
            "version": self.version,
            "faults": self.faults,
            "last_fault": self.last_fault,
            "suspended": {hook: until.isoformat() for hook, until in self.suspended},
        }


def status_of(report: PluginReport, plugin: LoadedPlugin | None) -> PluginStatus:
    """The report of the start together with what has happened since."""
    if plugin is None:
        return PluginStatus(report.name, report.state, report.reason)
    guard, fault = plugin.guard, plugin.guard.last_fault
    suspended = tuple(sorted(guard.suspended().items()))
    reason = report.reason
    if suspended:
        reason = f"suspended: {', '.join(hook for hook, _ in suspended)}"
    told = "" if fault is None else f"{fault.hook}: {fault.kind} {fault.place}".rstrip()
    version = plugin.context.manifest.version
    return PluginStatus(report.name, report.state, reason, version, guard.faults, told, suspended)
