"""The plugin runtime's branch of the error tree.

PluginError
├── ManifestError      the manifest is missing or breaks its schema (.plugin)
├── PluginConfigError  plugins.toml asks for something that does not exist (.plugin)
└── PluginFault        a hook of a plugin raised (.plugin, .hook)
"""

from __future__ import annotations

from mykey_core.errors import MykeyError


class PluginError(MykeyError):
    """Anything that is wrong with one plugin; the hub runs on without it."""

    def __init__(self, plugin: str, message: str) -> None:
        super().__init__(f"plugin '{plugin}': {message}")
        self.plugin = plugin


class ManifestError(PluginError):
    """`mykey-plugin.toml` is missing or breaks its schema."""


class PluginConfigError(PluginError):
    """`plugins.toml` names a plugin, a grant or a setting that does not exist."""


class PluginFault(PluginError):
    """A hook of the plugin raised. The original exception is the cause; its text is not shown to people."""

    def __init__(self, plugin: str, hook: str) -> None:
        super().__init__(plugin, f"its hook {hook} failed")
        self.hook = hook
