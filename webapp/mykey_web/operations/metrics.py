"""Prometheus metrics: requests counted where they happen, and the state of the hub read when somebody asks.

Labels are names of views, codes and parts of the hub; never an id, an address or a person. `/metrics` itself is in
`probes`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import timedelta

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from mykey_core.diagnosis.findings import Level
from mykey_core.diagnosis.running import check_hub
from mykey_core.hub import Hub
from mykey_core.outbox.waiting import what_waits
from mykey_core.trust.revocation.status import read_status

_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
_LEVELS = {Level.OK: 0, Level.WARNING: 1, Level.FAILED: 2}
_ZERO = timedelta(0)


class RequestCounts:
    """Counters of one application."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        names = ("endpoint", "status")
        self._requests = Counter("mykey_requests", "Requests by view and status.", names, registry=self.registry)
        self._seconds = Histogram(
            "mykey_request_seconds", "What requests took.", ("endpoint",), buckets=_BUCKETS, registry=self.registry
        )

    def count(self, endpoint: str, status: str, seconds: float) -> None:
        """One request."""
        self._requests.labels(endpoint, status).inc()
        self._seconds.labels(endpoint).observe(seconds)

    def gathered(self) -> CollectorRegistry:
        """The counts of this process, or of all processes of the server together."""
        if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
            return self.registry
        everybody = CollectorRegistry()
        MultiProcessCollector(everybody)  # type: ignore[no-untyped-call]  # the one part of it without types
        return everybody


class HubState(Collector):
    """What the database and the files say of the hub now."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    def collect(self) -> Iterator[Metric]:
        """Prometheus asks."""
        yield self._checks()
        yield self._terminals()
        yield from self._outbox()
        yield self._revocation()

    def _checks(self) -> Metric:
        family = GaugeMetricFamily(
            "mykey_check_level", "Worst finding of a check: 0 well, 1 look, 2 broken.", labels=["check"]
        )
        worst: dict[str, int] = {}
        for one in check_hub(self._hub):
            worst[one.check] = max(worst.get(one.check, 0), _LEVELS[one.level])
        for check, level in worst.items():
            family.add_metric([check], level)
        return family

    def _terminals(self) -> Metric:
        family = GaugeMetricFamily("mykey_terminals", "Terminals by state.", labels=["state"])
        now = self._hub.clock()
        states = ["silent" if one.is_silent(now) else one.state for one in self._hub.terminal_reports.terminals()]
        for state in ("active", "silent", "revoked"):
            family.add_metric([state], states.count(state))
        return family

    def _outbox(self) -> Iterator[Metric]:
        waiting = GaugeMetricFamily("mykey_outbox_waiting", "Events and jobs that wait.", labels=["subscriber"])
        dead = GaugeMetricFamily("mykey_outbox_given_up", "Events and jobs given up.", labels=["subscriber"])
        with self._hub.database.reading() as session:
            lines = what_waits(session, self._hub.settings.municipality)
        for subscriber in sorted({line.subscriber for line in lines}):
            own = [line for line in lines if line.subscriber == subscriber]
            waiting.add_metric([subscriber], sum(line.waiting for line in own))
            dead.add_metric([subscriber], sum(line.given_up for line in own))
        yield waiting
        yield dead

    def _revocation(self) -> Metric:
        status = read_status(self._hub.logins.revocation, self._hub.clock())
        left = min((one.next_update - status.now for one in status.snapshots), default=_ZERO)
        return GaugeMetricFamily(
            "mykey_revocation_seconds_left", "Until the first revocation list ends.", value=left.total_seconds()
        )


def exposition(counts: RequestCounts, hub: Hub) -> bytes:
    """The text that Prometheus reads."""
    state = CollectorRegistry()
    state.register(HubState(hub))
    return generate_latest(counts.gathered()) + generate_latest(state)
