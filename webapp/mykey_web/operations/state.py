"""Prometheus metrics that are read from the database and the files when somebody asks: the state of a hub now.

Each part stands for itself: while the database is away, the others are told all the same, and
`mykey_collector_success` says which are missing. Labels are as in `metrics`.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from importlib.metadata import version

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError

from mykey_core.audit.checkpoints import newest_checkpoint
from mykey_core.audit.sealer import recent, unsealed
from mykey_core.audit.tree import TreeReader
from mykey_core.diagnosis.findings import Level
from mykey_core.diagnosis.running import check_hub
from mykey_core.errors import MykeyError
from mykey_core.hub import Hub
from mykey_core.outbox.waiting import what_waits
from mykey_core.trust.revocation.status import read_status
from mykey_core.worker.tables import plugin_schedule

_LEVELS = {Level.OK: 0, Level.WARNING: 1, Level.FAILED: 2}
_TERMINAL_STATES = ("active", "silent", "revoked")
_log = logging.getLogger(__name__)


class HubState(Collector):
    """What the database and the files say of the hub now."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._town = hub.settings.municipality

    def collect(self) -> Iterator[Metric]:
        """Prometheus asks."""
        yield self._by("mykey_build_info", "The version that runs.", "version", {version("mykey"): 1})
        parts = (
            self._checks, self._terminals, self._plugins, self._outbox, self._jobs, self._uploads, self._audit,
            self._revocation,
        )  # fmt: skip
        answered: dict[str, float] = {}
        for part in parts:
            yield from self._safely(part, answered)
        yield self._by("mykey_collector_success", "Whether this part of the state could be read.", "part", answered)

    def _safely(self, part: Callable[[], Iterator[Metric]], answered: dict[str, float]) -> list[Metric]:
        name = part.__name__.strip("_")
        try:
            found = list(part())
        except (MykeyError, SQLAlchemyError, OSError) as error:
            _log.warning("metrics: %s could not be read: %s", name, type(error).__name__)
            answered[name] = 0
            return []
        answered[name] = 1
        return found

    def _checks(self) -> Iterator[Metric]:
        worst: dict[str, float] = {}
        for one in check_hub(self._hub):
            worst[one.check] = max(worst.get(one.check, 0), _LEVELS[one.level])
        words = "Worst finding of a check of `mykey doctor`: 0 well, 1 look, 2 broken."
        yield self._by("mykey_check_level", words, "check", worst)

    def _terminals(self) -> Iterator[Metric]:
        now = self._hub.clock()
        known = self._hub.terminal_reports.terminals()
        states = Counter("silent" if one.is_silent(now) else one.state for one in known)
        counted = {state: states[state] for state in _TERMINAL_STATES}
        yield self._by("mykey_terminals", "Terminals by state.", "state", counted)
        waiting = sum(_pending(one.facts) for one in known if one.state == "active")
        yield self._one("mykey_terminal_queue_records", "Records that wait in terminals, as they told last.", waiting)

    def _plugins(self) -> Iterator[Metric]:
        states = self._family("mykey_plugin_state", "1 for the state that a plugin is in.", "plugin", "state")
        resting: dict[str, float] = {}
        for one in self._hub.plugins.status():
            states.add_metric([self._town, one.name, one.state.value], 1)
            resting[one.name] = len(one.suspended)
        yield states
        words = "Hooks that rest after repeated failures, in the process that answers."
        yield self._by("mykey_plugin_suspended_hooks", words, "plugin", resting)

    def _outbox(self) -> Iterator[Metric]:
        with self._hub.database.reading() as session:
            lines = what_waits(session, self._town)
        waiting, dead, oldest = Counter[str](), Counter[str](), dict[str, float]()
        for line in lines:
            waiting[line.subscriber] += line.waiting
            dead[line.subscriber] += line.given_up
            age = self._since(line.oldest) if line.waiting else 0
            oldest[line.subscriber] = max(oldest.get(line.subscriber, 0), age)
        yield self._by("mykey_outbox_waiting", "Events and jobs that wait.", "subscriber", waiting)
        yield self._by("mykey_outbox_given_up", "Events and jobs that are not tried again.", "subscriber", dead)
        yield self._by("mykey_outbox_oldest_seconds", "Age of the oldest that waits.", "subscriber", oldest)

    def _jobs(self) -> Iterator[Metric]:
        table = plugin_schedule.c
        with self._hub.database.reading() as session:
            rows = session.execute(select(plugin_schedule).where(table.municipality == self._town)).all()
        finished = self._family("mykey_job_finished_timestamp_seconds", "When a job last ended.", "plugin", "job")
        late = self._family("mykey_job_overdue_seconds", "For how long a job has been due.", "plugin", "job")
        for row in rows:
            labels = [self._town, row.plugin, row.job]
            late.add_metric(labels, max(0.0, self._since(row.next_at)))
            if row.finished_at is not None:
                finished.add_metric(labels, row.finished_at.timestamp())
        yield finished
        yield late

    def _uploads(self) -> Iterator[Metric]:
        kinds = Counter(one.kind for one in self._hub.reconciliation.open_cases())
        counted = {kind: kinds[kind] for kind in ("gap", "quarantined", "waiting", "conflict")}
        yield self._by("mykey_upload_open_cases", "Uploads of terminals that wait for a person.", "kind", counted)

    def _audit(self) -> Iterator[Metric]:
        with self._hub.database.reading() as session:
            size = TreeReader(session, self._town).size()
            newest = newest_checkpoint(session, self._town)
            open_ones = unsealed(self._town, recent(session, self._town, self._hub.clock())).subquery()
            pending = session.execute(select(func.count()).select_from(open_ones)).scalar_one()
        yield self._one("mykey_audit_records", "Records that have their place in the log.", size)
        yield self._one("mykey_audit_unsealed_records", "Records of the last minutes that have none yet.", pending)
        if newest is not None:
            age = self._since(newest.signed_at)
            yield self._one("mykey_audit_checkpoint_age_seconds", "Age of the newest signed checkpoint.", age)

    def _revocation(self) -> Iterator[Metric]:
        status = read_status(self._hub.logins.revocation, self._hub.clock())
        states = Counter(one.state.value for one in status.snapshots)
        yield self._by("mykey_revocation_lists", "Revocation lists by state.", "state", states)
        if status.snapshots:
            left = min(one.next_update for one in status.snapshots) - status.now
            age = max(one.age for one in status.snapshots)
            yield self._one("mykey_revocation_seconds_left", "Until the first list ends.", left / timedelta(seconds=1))
            yield self._one("mykey_revocation_age_seconds", "Age of the oldest list.", age / timedelta(seconds=1))

    def _since(self, moment: datetime) -> float:
        return (self._hub.clock() - moment).total_seconds()

    def _family(self, name: str, words: str, *labels: str) -> GaugeMetricFamily:
        return GaugeMetricFamily(name, words, labels=["municipality", *labels])

    def _one(self, name: str, words: str, value: float) -> Metric:
        family = self._family(name, words)
        family.add_metric([self._town], value)
        return family

    def _by(self, name: str, words: str, label: str, values: Mapping[str, float]) -> Metric:
        family = self._family(name, words, label)
        for key in sorted(values):
            family.add_metric([self._town, key], values[key])
        return family


def _pending(facts: Mapping[str, object] | None) -> int:
    """What a report says of its queue; a terminal of another version may say nothing."""
    queue = (facts or {}).get("queue")
    count = queue.get("pending") if isinstance(queue, Mapping) else None
    return count if isinstance(count, int) else 0
