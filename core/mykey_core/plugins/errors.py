"""The plugin runtime's branch of the error tree.

PluginError
├── CapabilityDenied   the plugin used what the municipality has not granted (.plugin, .capability)
│   └── HostDenied     a request to a host that is not granted (.host)
├── ManifestError      the manifest is missing or breaks its schema (.plugin)
├── PluginConfigError  plugins.toml asks for something that does not exist (.plugin)
└── PluginFault        a hook of a plugin raised (.plugin, .hook)
    └── PluginSuspended  it has failed too often and is not called for a while (.until)
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from datetime import datetime

from pydantic import ValidationError

from mykey_core.errors import MykeyError


class PluginError(MykeyError):
    """Anything that is wrong with one plugin; the hub runs on without it."""

    def __init__(self, plugin: str, message: str) -> None:
        super().__init__(f"plugin '{plugin}': {message}")
        self.plugin = plugin


class CapabilityDenied(PluginError):
    """The plugin used a capability that the municipality has not granted, or a table that is not its own."""

    def __init__(self, plugin: str, capability: str, message: str = "") -> None:
        super().__init__(plugin, message or f"the capability '{capability}' is not granted")
        self.capability = capability


class HostDenied(CapabilityDenied):
    """A request to a host that is not granted, or that is not where it should be; `host` names it."""

    def __init__(self, plugin: str, host: str, message: str) -> None:
        super().__init__(plugin, "http", f"{host}: {message}")
        self.host = host


class ManifestError(PluginError):
    """`mykey-plugin.toml` is missing or breaks its schema."""


class PluginConfigError(PluginError):
    """`plugins.toml` names a plugin, a grant or a setting that does not exist."""


class PluginFault(PluginError):
    """A hook of the plugin raised. The original exception is the cause; its text is not shown to people."""

    def __init__(self, plugin: str, hook: str) -> None:
        super().__init__(plugin, f"its hook {hook} failed")
        self.hook = hook


class PluginSuspended(PluginFault):
    """The circuit breaker of this hook is open: it is called again after `until` (UTC)."""

    def __init__(self, plugin: str, hook: str, until: datetime) -> None:
        super().__init__(plugin, hook)
        self.until = until


def suggestion(wrong: str, known: Iterable[str]) -> str:
    """` (did you mean 'x'?)` for what is nearly a known name, else nothing."""
    close = difflib.get_close_matches(wrong, list(known), n=1)
    return f" (did you mean '{close[0]}'?)" if close else ""


def explained(error: ValidationError, known: Iterable[str]) -> str:
    """The first finding of a model: its place, what is wrong, and a suggestion for a misspelt member."""
    first = error.errors()[0]
    place = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        return f"{place}: there is no such member{suggestion(str(first['loc'][-1]), known)}"
    return f"{place}: {first['msg']}"
