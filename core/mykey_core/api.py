"""The public façade of the core for plugins: the names in `__all__` are the plugin API, and nothing else is."""

from mykey_core.clock import TOKYO, tokyo_date
from mykey_core.consent.attributes import Attribute
from mykey_core.consent.errors import ConsentCode, ConsentDenied
from mykey_core.consent.people import DelegatedPerson, TapPeople
from mykey_core.errors import MykeyError, Refusal
from mykey_core.plugins.commands import plugin_session
from mykey_core.plugins.context import CapabilityDenied, PluginContext, PluginDatabase
from mykey_core.plugins.hookspecs import TapRequest, hookimpl
from mykey_core.plugins.results import Facts, Message, Notice, Outcome, Table, TapResult
from mykey_core.storage.types import UtcInstant
from mykey_core.translations import Text

__all__ = [
    "TOKYO",
    "Attribute",
    "CapabilityDenied",
    "ConsentCode",
    "ConsentDenied",
    "DelegatedPerson",
    "Facts",
    "Message",
    "MykeyError",
    "Notice",
    "Outcome",
    "PluginContext",
    "PluginDatabase",
    "Refusal",
    "Table",
    "TapPeople",
    "TapRequest",
    "TapResult",
    "Text",
    "UtcInstant",
    "hookimpl",
    "plugin_session",
    "tokyo_date",
]
