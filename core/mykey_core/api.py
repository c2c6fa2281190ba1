"""The public façade of the core for plugins: the names in `__all__` are the plugin API, and nothing else is."""

from mykey_core.card_writing.profiles import CardData
from mykey_core.card_writing.slot_proofs import SlotEvidence, SlotProof
from mykey_core.clock import TOKYO, tokyo_date
from mykey_core.consent.attributes import Attribute
from mykey_core.consent.errors import ConsentCode, ConsentDenied
from mykey_core.consent.people import DelegatedPerson
from mykey_core.errors import MykeyError, Refusal
from mykey_core.plugins.answers import (
    Eligibility,
    Health,
    HealthState,
    Obligations,
    RecordState,
    RecordVerdict,
    Shredder,
)
from mykey_core.plugins.arguments import (
    CardOperation,
    CardProfileRequest,
    CardWritten,
    ClockState,
    EligibilityRequest,
    Event,
    IdentityChange,
    IdentityReason,
    OfflineRecord,
    TapRequest,
)
from mykey_core.plugins.commands import plugin_session, plugin_sessions
from mykey_core.plugins.context import PluginContext
from mykey_core.plugins.database import PluginDatabase
from mykey_core.plugins.deprecations import successor
from mykey_core.plugins.errors import CapabilityDenied, HostDenied
from mykey_core.plugins.handles import PluginPeople
from mykey_core.plugins.hookspecs import hookimpl
from mykey_core.plugins.jobs import DailyAt, Every, Job, LongJob, OnDemand
from mykey_core.plugins.json_values import Json
from mykey_core.plugins.pages import Area, NavigationItem, Pages
from mykey_core.plugins.results import Facts, Message, Notice, Outcome, Table, TapResult
from mykey_core.plugins.version import API_VERSION
from mykey_core.storage.types import UtcInstant
from mykey_core.translations import Text

__all__ = [
    "API_VERSION",
    "TOKYO",
    "Area",
    "Attribute",
    "CapabilityDenied",
    "CardData",
    "CardOperation",
    "CardProfileRequest",
    "CardWritten",
    "ClockState",
    "ConsentCode",
    "ConsentDenied",
    "DailyAt",
    "DelegatedPerson",
    "Eligibility",
    "EligibilityRequest",
    "Event",
    "Every",
    "Facts",
    "Health",
    "HealthState",
    "HostDenied",
    "IdentityChange",
    "IdentityReason",
    "Job",
    "Json",
    "LongJob",
    "Message",
    "MykeyError",
    "NavigationItem",
    "Notice",
    "Obligations",
    "OfflineRecord",
    "OnDemand",
    "Outcome",
    "Pages",
    "PluginContext",
    "PluginDatabase",
    "PluginPeople",
    "RecordState",
    "RecordVerdict",
    "Refusal",
    "Shredder",
    "SlotEvidence",
    "SlotProof",
    "Table",
    "TapRequest",
    "TapResult",
    "Text",
    "UtcInstant",
    "hookimpl",
    "plugin_session",
    "plugin_sessions",
    "tokyo_date",
]


def __getattr__(name: str) -> object:
    """A deprecated name, with a warning that says when it goes."""
    return successor(name, globals())
