"""The one handle that a plugin gets. Each capability that is not granted is a typed denial with its name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from mykey_core.consent.people import TapPeople
from mykey_core.plugins.database import PluginDatabase
from mykey_core.plugins.errors import CapabilityDenied
from mykey_core.plugins.handles import Audit, CardSlot, Events, Host, Jobs, PluginPeople, PortalMessages
from mykey_core.plugins.log import PluginLog
from mykey_core.plugins.manifest import Capability, Manifest
from mykey_core.translations import Text

if TYPE_CHECKING:
    from mykey_core.plugins.http import PluginHttp

__all__ = ["CapabilityDenied", "PluginContext", "PluginDatabase"]


@dataclass(frozen=True, slots=True)
class PluginContext:
    """What a plugin may use. `settings` are those of `plugins.toml`; `grants` is what the municipality gave.

    A capability is there when the manifest asks for it and the municipality grants it; otherwise the member raises
    `CapabilityDenied` with its name.
    """

    manifest: Manifest
    municipality: str
    settings: Mapping[str, Any]
    grants: frozenset[str]
    log: PluginLog
    _host: Host = field(default_factory=Host, repr=False)
    _people: PluginPeople | None = field(default=None, repr=False)
    _local_hosts: frozenset[str] = frozenset()

    @property
    def name(self) -> str:
        """The plugin's name."""
        return self.manifest.name

    def text(self, key: str, **values: str | int) -> Text:
        """A text of the plugin's own catalogue, shown later in the citizen's language."""
        return Text(key, domain=self.manifest.name, values=values)

    def may(self, capability: Capability | str) -> bool:
        """Whether the plugin has asked for a capability and it is granted."""
        return capability in self.manifest.requests.capabilities and capability in self.grants

    def require(self, capability: Capability | str) -> None:
        """`CapabilityDenied` unless `may(capability)`."""
        if not self.may(capability):
            raise CapabilityDenied(self.name, str(capability))

    @property
    def people(self) -> PluginPeople | None:
        """The person of the tap or of the signed-in page; None where nobody is there."""
        if not self.manifest.requests.attributes:
            self.require(Capability.PEOPLE)
        return self._people

    @property
    def card(self) -> CardSlot:
        """The plugin's slot on the card."""
        self.require(Capability.CARD_SLOT)
        if self.manifest.card_profile is None:
            raise CapabilityDenied(self.name, Capability.CARD_SLOT, "the manifest declares no card_profile")
        return CardSlot(self.name, self.manifest.card_profile, self._host)

    @property
    def events(self) -> Events:
        """Telling others of something."""
        self.require(Capability.EVENTS)
        return Events(self.name, self._host)

    @property
    def jobs(self) -> Jobs:
        """Having something done later."""
        self.require(Capability.JOBS)
        return Jobs(self.name, self.manifest.jobs, self._host)

    @property
    def audit(self) -> Audit:
        """Recording an act so that nobody can rewrite it."""
        self.require(Capability.AUDIT)
        return Audit(self.name, self._host)

    @property
    def messages(self) -> PortalMessages:
        """Writing to a person whom the plugin knows; it comes with the capability `people`."""
        self.require(Capability.PEOPLE)
        return PortalMessages(self.name, self.manifest.package, self._host)

    @property
    def http(self) -> PluginHttp:
        """A client for the hosts of the manifest, and for no other."""
        from mykey_core.plugins.http import open_http  # noqa: PLC0415 - brings httpx; a start does without

        self.require(Capability.HTTP)
        return open_http(self.name, self.manifest.requests.hosts, self._local_hosts)

    def with_people(self, people: TapPeople | None, database: PluginDatabase | None = None) -> PluginContext:
        """The context for one call, with the person who is there."""
        return replace(self, _people=None if people is None else PluginPeople(people, database))
