"""Prometheus metrics that are counted where things happen: requests, taps, faults of plugins.

Labels are the town's code, names of views, services and plugins, and codes; never an id, an address or a person. What
is read from the database when somebody asks is in `state`, `/metrics` itself in `probes`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from mykey_core.hub import Hub
from mykey_web.operations.state import HubState

_BUCKETS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
_TOWN: Final = "municipality"
_SHARED: Final = "PROMETHEUS_MULTIPROC_DIR"

# One set for a process, because the towns of one process share the files in which its counts are kept.
_registry = CollectorRegistry()
_requests = Counter(
    "mykey_http_requests", "Requests by view and status.", (_TOWN, "endpoint", "status"), registry=_registry
)
_seconds = Histogram(
    "mykey_http_request_duration_seconds", "What requests took.", (_TOWN, "endpoint"), buckets=_BUCKETS,
    registry=_registry,
)  # fmt: skip
_taps = Counter(
    "mykey_taps", "Taps by service and outcome: `done`, or the code of the refusal.", (_TOWN, "service", "outcome"),
    registry=_registry,
)  # fmt: skip
_faults = Counter(
    "mykey_plugin_faults", "Hooks of plugins that failed or were too slow.", (_TOWN, "plugin", "hook"),
    registry=_registry,
)  # fmt: skip


class Counts:
    """What one town's application counts."""

    def __init__(self, municipality: str) -> None:
        self._town = municipality

    def request(self, endpoint: str, status: str, seconds: float) -> None:
        """One request."""
        _requests.labels(self._town, endpoint, status).inc()
        _seconds.labels(self._town, endpoint).observe(seconds)

    def tap(self, service: str, outcome: str) -> None:
        """One tap that has come to its end."""
        _taps.labels(self._town, service, outcome).inc()

    def fault(self, plugin: str, hook: str) -> None:
        """One failure of a plugin."""
        _faults.labels(self._town, plugin, hook).inc()

    def listen(self, hub: Hub) -> None:
        """Count what happens within the hub."""
        hub.taps.told = self.tap
        for plugin in hub.plugins.plugins.values():
            plugin.guard.told = self.fault

    def gathered(self) -> CollectorRegistry:
        """This town's counts, of this process or of all processes of the server together."""
        everybody = CollectorRegistry()
        everybody.register(_OfTown(self._town))
        return everybody


class _OfTown(Collector):
    """The counts with one town's label: what a process serves for others is not its business."""

    def __init__(self, municipality: str) -> None:
        self._town = municipality

    def collect(self) -> Iterator[Metric]:
        """Prometheus asks."""
        for family in _families():
            family.samples = [one for one in family.samples if one.labels.get(_TOWN) == self._town]
            yield family


def _families() -> list[Metric]:
    if _SHARED not in os.environ:
        return list(_registry.collect())
    shared = CollectorRegistry()
    MultiProcessCollector(shared)  # type: ignore[no-untyped-call]  # the one part of it without types
    return list(shared.collect())


def exposition(counts: Counts, hub: Hub) -> bytes:
    """The text that Prometheus reads."""
    state = CollectorRegistry()
    state.register(HubState(hub))
    return generate_latest(counts.gathered()) + generate_latest(state)
