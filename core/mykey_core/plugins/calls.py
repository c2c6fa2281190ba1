"""Calling one hook of one plugin, so that whatever happens in it stays there: one place for every call."""

from __future__ import annotations

from typing import Any, TypeVar

from mykey_core.consent.errors import ConsentDenied
from mykey_core.errors import StorageUnavailable
from mykey_core.plugins.errors import PluginFault, PluginSuspended
from mykey_core.plugins.loader import LoadedPlugin
from mykey_core.storage.errors import Superseded

T = TypeVar("T")
NOT_ITS_FAULT = (ConsentDenied, StorageUnavailable, Superseded)
"""What passes through a hook as it is: the citizen's or the database's answer, and not the plugin's fault."""


def call(plugin: LoadedPlugin, hook: str, expected: type[T], **arguments: Any) -> T | None:
    """The answer of a hook, None when the plugin does not have it or says 'not mine'; `PluginFault` otherwise."""
    try:
        with plugin.guard.watching(hook, innocent=NOT_ITS_FAULT):
            answer = getattr(plugin.manager.hook, hook)(**arguments)
    except (*NOT_ITS_FAULT, PluginSuspended):
        raise
    except Exception as error:
        plugin.guard.log_last()
        raise PluginFault(plugin.context.name, hook) from error
    if answer is None or (isinstance(answer, list) and not answer):
        return None
    if not isinstance(answer, expected):
        raise PluginFault(plugin.context.name, hook) from TypeError(f"{hook} answers {type(answer).__name__}")
    return answer
