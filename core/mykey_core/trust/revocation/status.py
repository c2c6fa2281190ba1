"""What an administrator sees of revocation: sources, ages, sizes, and how much of each outage budget is left."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from mykey_core.trust.errors import RevocationDataError
from mykey_core.trust.revocation.budget import BudgetState, OutageBudgets, RiskClass, state_at
from mykey_core.trust.revocation.build import Revocation
from mykey_core.trust.revocation.crl_http import FetchState
from mykey_core.trust.revocation.store import Current

_NONE: Final = timedelta(0)


@dataclass(frozen=True, slots=True)
class SnapshotStatus:
    """One scope: its CRL, and where it stands. `age` is counted from thisUpdate.

    `issuer_key` is the SHA-256 of the CA's SubjectPublicKeyInfo in hexadecimal: the CA's generations have one name.
    `state` is that of the services with the longest declared budget: CLOSED means that nobody is served any more.
    """

    issuer_key: str
    distribution_points: tuple[str | None, ...]
    sha256: str
    number: int | None
    this_update: datetime
    next_update: datetime
    age: timedelta
    entries: int
    delta_entries: int | None
    crl_bytes: int
    index_bytes: int
    state: BudgetState


@dataclass(frozen=True, slots=True)
class BudgetStatus:
    """One declared budget against the scope that ended first."""

    municipality: str
    risk: RiskClass
    budget: timedelta
    left: timedelta
    state: BudgetState


@dataclass(frozen=True, slots=True)
class RevocationStatus:
    """The whole report. `sources` has (name, type) in the order of asking, `fetched` the last success of each address.

    `problems` has (source, place, code) for what was refused or could not be had.
    """

    now: datetime
    sources: tuple[tuple[str, str], ...]
    fetched: tuple[FetchState, ...]
    snapshots: tuple[SnapshotStatus, ...]
    problems: tuple[tuple[str, str, str], ...]
    budgets: tuple[BudgetStatus, ...]


def read_status(revocation: Revocation, now: datetime) -> RevocationStatus:
    """Look at everything without asking anybody over the network."""
    stored = list(revocation.store.all_current())
    longest = max(
        (budget for classes in revocation.budgets.towns.values() for budget in classes.values()), default=_NONE
    )
    snapshots = tuple(_snapshot(one, now, longest) for _, one in stored if isinstance(one, Current))
    damaged = [("snapshots", name, one.code) for name, one in stored if isinstance(one, RevocationDataError)]
    return RevocationStatus(
        now=now,
        sources=revocation.sources,
        fetched=tuple(state for updater in revocation.updaters.values() for state in updater.states()),
        snapshots=snapshots,
        problems=(*damaged, *_problems(revocation), *_nothing_stored(revocation, stored)),
        budgets=tuple(_budgets(revocation.budgets, snapshots, now)),
    )


def _snapshot(current: Current, now: datetime, longest: timedelta) -> SnapshotStatus:
    newest, complete = current.newest, current.complete
    return SnapshotStatus(
        issuer_key=complete.info.issuer_key,
        distribution_points=complete.info.distribution_points,
        sha256=newest.sha256,
        number=newest.number,
        this_update=newest.this_update,
        next_update=current.next_update,
        age=now - newest.this_update,
        entries=complete.count,
        delta_entries=None if current.delta is None else current.delta.count,
        crl_bytes=complete.info.crl_bytes,
        index_bytes=complete.index_bytes,
        state=state_at(current.next_update, now, longest)[0],
    )


def _problems(revocation: Revocation) -> list[tuple[str, str, str]]:
    found = [(name, file, code) for name, source in revocation.files.items() for file, code in source.problems.items()]
    for name, updater in revocation.updaters.items():
        for state in updater.states():
            problem = state.problem or (None if state.succeeded_at else "never_fetched")
            if problem is not None:
                found.append((name, state.url, problem))
    return found


def _nothing_stored(revocation: Revocation, stored: Sequence[object]) -> list[tuple[str, str, str]]:
    """Sources that live on CRLs and have none: every tap that needs them is refused."""
    return [] if stored else [(name, "-", "no_crl") for name in (*revocation.files, *revocation.updaters)]


def _budgets(budgets: OutageBudgets, snapshots: tuple[SnapshotStatus, ...], now: datetime) -> list[BudgetStatus]:
    """Each declared budget, measured at the stored CRL that ends first."""
    first = min((snapshot.next_update for snapshot in snapshots), default=None)
    found = []
    for town, classes in sorted(budgets.towns.items()):
        for risk, budget in sorted(classes.items()):
            state, left = (BudgetState.CLOSED, timedelta(0)) if first is None else state_at(first, now, budget)
            found.append(BudgetStatus(town, risk, budget, left, state))
    return found


def to_json(status: RevocationStatus) -> dict[str, Any]:
    """The report as JSON values: instants in ISO 8601, times in whole seconds, CRL numbers as text."""
    return {
        "now": status.now.isoformat(),
        "sources": [{"name": name, "type": kind} for name, kind in status.sources],
        "fetched": [
            {"url": state.url, "succeeded_at": state.succeeded_at, "tried_at": state.tried_at}
            for state in status.fetched
        ],
        "snapshots": [
            {
                "issuer_key": snapshot.issuer_key,
                "distribution_points": list(snapshot.distribution_points),
                "sha256": snapshot.sha256,
                "number": None if snapshot.number is None else str(snapshot.number),
                "this_update": snapshot.this_update.isoformat(),
                "next_update": snapshot.next_update.isoformat(),
                "age_seconds": int(snapshot.age.total_seconds()),
                "entries": snapshot.entries,
                "delta_entries": snapshot.delta_entries,
                "crl_bytes": snapshot.crl_bytes,
                "index_bytes": snapshot.index_bytes,
                "state": snapshot.state,
            }
            for snapshot in status.snapshots
        ],
        "problems": [{"source": source, "place": place, "code": code} for source, place, code in status.problems],
        "budgets": [
            {
                "municipality": one.municipality,
                "risk": one.risk,
                "budget_seconds": int(one.budget.total_seconds()),
                "left_seconds": int(one.left.total_seconds()),
                "state": one.state,
            }
            for one in status.budgets
        ],
    }
