"""The way from a record to the hook of its service's plugin, and the plugin's word back."""

from __future__ import annotations

import base64

from mykey_core.consent.errors import ConsentDenied
from mykey_core.identity.people import People
from mykey_core.keys.provider import FIRST_EPOCH, Purpose
from mykey_core.plugins.arguments import ClockState, OfflineRecord
from mykey_core.plugins.errors import CapabilityDenied, PluginFault
from mykey_core.plugins.runtime import PluginRuntime
from mykey_core.storage.session import Session
from mykey_core.uploads.delivery import Delivery
from mykey_core.uploads.ledger import Settled
from mykey_core.uploads.states import RecordState

_TERMINAL = b"terminal\x00"  # keeps the aliases of terminals apart from those of persons


class PluginDelivery:
    """A `Deliver` over the active plugins of one municipality."""

    def __init__(self, plugins: PluginRuntime, people: People) -> None:
        self._plugins = plugins
        self._people = people

    def __call__(self, delivery: Delivery, session: Session) -> Settled:
        """Give the record to its service; one that is not active now, or may not take records, is asked again later.

        `PluginFault` when the plugin fails: what it wrote is undone with the rest of the transaction.
        """
        if delivery.service not in delivery.terminal.services:
            return Settled(RecordState.REJECTED, "service_not_offered")
        route = self._plugins.route(delivery.service)
        if route is None or not route.is_offered_at(delivery.terminal.service_point):
            return Settled(RecordState.WAITING, "service_unavailable")
        plugin = route.plugin.context.name
        try:
            verdict = self._plugins.offline_record(route, self._record(plugin, delivery), session)
        except CapabilityDenied:
            return Settled(RecordState.WAITING, "capability_missing")
        except ConsentDenied as error:
            raise PluginFault(plugin, "mykey_offline_record") from error
        return Settled(RecordState(verdict.state.value), verdict.code, dict(verdict.receipt))

    def _record(self, plugin: str, delivery: Delivery) -> OfflineRecord:
        return OfflineRecord(
            municipality=delivery.terminal.municipality,
            service=delivery.service,
            service_point=delivery.terminal.service_point,
            terminal=self._alias(plugin, delivery),
            sequence=delivery.sequence,
            record_id=delivery.record_id,
            recorded_at=delivery.recorded_at,
            received_at=delivery.received_at,
            clock=ClockState(delivery.clock.value),
            payload=delivery.payload,
            skew=delivery.skew,
        )

    def _alias(self, plugin: str, delivery: Delivery) -> str:
        """The terminal's name for this plugin: no other plugin knows the same terminal by it."""
        data = _TERMINAL + plugin.encode() + b"\x00" + delivery.terminal.id.bytes
        mac = self._people.keys.mac(Purpose.PAIRWISE, FIRST_EPOCH, data)
        return base64.urlsafe_b64encode(mac).rstrip(b"=").decode("ascii")
