"""Checks of an opened hub: database, migrations, audit, revocation data, plugins, terminals, outbox.

None asks another computer, and each is quick enough for a page. What is looked at before a hub can be opened is in
`before`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Final

from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from mykey_core.administration.jobs import given_up
from mykey_core.audit.checkpoints import newest_checkpoint
from mykey_core.audit.tree import TreeReader
from mykey_core.diagnosis.findings import Finding, failed, ok, warning
from mykey_core.errors import MykeyError
from mykey_core.hub import Hub
from mykey_core.outbox.waiting import what_waits
from mykey_core.plugins.answers import HealthState
from mykey_core.plugins.loader import PluginState
from mykey_core.storage import migrate
from mykey_core.storage.tables import municipality
from mykey_core.trust.revocation.budget import BudgetState
from mykey_core.trust.revocation.status import read_status

_WAITS_LONG: Final = timedelta(minutes=10)
_CHECKPOINT_OLD: Final = timedelta(hours=3)
_ENDS_SOON: Final = timedelta(hours=6)


def check_hub(hub: Hub) -> list[Finding]:
    """Everything, one finding or more for each check, in a fixed order."""
    return [finding for check in _CHECKS for finding in _safely(check, hub)]


def is_ready(hub: Hub) -> list[Finding]:
    """What a load balancer needs to know: whether this process can answer a tap now. Only failures are told."""
    checks = (database, migrations, revocation)
    return [one for check in checks for one in _safely(check, hub) if one.level == "failed"]


def database(hub: Hub) -> Iterator[Finding]:
    """Whether it answers."""
    with hub.database.reading() as session:
        session.execute(select(municipality.c.code).where(municipality.c.code == hub.settings.municipality)).first()
    yield ok("database", kind=hub.engine.dialect.name)


def migrations(hub: Hub) -> Iterator[Finding]:
    """Whether the tables are those of this version."""
    current, newest = migrate.status(hub.engine)
    if current == newest:
        yield ok("migrations", version=str(newest))
    else:
        yield failed("migrations", "behind", version=str(current), newest=str(newest))


def audit(hub: Hub) -> Iterator[Finding]:
    """Whether records are sealed and checkpoints signed."""
    with hub.database.reading() as session:
        newest = newest_checkpoint(session, hub.settings.municipality)
        size = TreeReader(session, hub.settings.municipality).size()
    if newest is None:
        yield warning("audit", "no_checkpoint") if size else ok("audit", size=size)
        return
    age = hub.clock() - newest.signed_at
    if size > newest.size and age > _CHECKPOINT_OLD:
        yield warning("audit", "old_checkpoint", hours=int(age.total_seconds() // 3600), more=size - newest.size)
    else:
        yield ok("audit", size=size)


def revocation(hub: Hub) -> Iterator[Finding]:
    """Whether cards can be checked, and for how long still."""
    now = hub.clock()
    status = read_status(hub.logins.revocation, now)
    for source, place, code in status.problems:
        file = place.rpartition("/")[2] or place
        if code == "crl_issuer_unknown":
            yield warning("revocation", "foreign", source=source, place=file)
        else:
            yield warning("revocation", "problem", source=source, place=file, problem=code)
    closed = [one for one in status.snapshots if one.state is BudgetState.CLOSED]
    grace = [one for one in status.snapshots if one.state is BudgetState.GRACE]
    soon = [one for one in status.snapshots if one.state is BudgetState.FRESH and one.next_update - now < _ENDS_SOON]
    on_lists = bool(hub.logins.revocation.files or hub.logins.revocation.updaters)
    if closed and len(closed) == len(status.snapshots):
        yield failed("revocation", "closed", lists=len(closed))
    elif closed:
        yield warning("revocation", "some_closed", lists=len(closed))
    elif grace:
        yield warning("revocation", "grace", lists=len(grace))
    elif on_lists and not status.snapshots:
        yield failed("revocation", "none")
    elif soon:
        hours = min(int((one.next_update - now).total_seconds() // 3600) for one in soon)
        yield warning("revocation", "ends_soon", hours=hours)
    else:
        yield ok("revocation", lists=len(status.snapshots))


def plugins(hub: Hub) -> Iterator[Finding]:
    """States that are not what somebody has asked for, and what their own health says."""
    wrong = {PluginState.INACTIVE: "inactive", PluginState.QUARANTINED: "quarantined"}
    wrong[PluginState.NOT_INSTALLED] = "not_installed"
    found = False
    for one in hub.plugins.status():
        if one.state in wrong or one.suspended:
            found = True
            yield warning("plugins", wrong.get(one.state, "suspended"), plugin=one.name, reason=one.reason)
    with hub.database.reading() as session:
        states = hub.plugins.health(session)
    for name, health in states.items():
        if health.state is not HealthState.OK:
            found = True
            yield warning("plugins", health.state.value, plugin=name)
    if not found:
        yield ok("plugins", count=len(hub.plugins.plugins))


def terminals(hub: Hub) -> Iterator[Finding]:
    """Terminals that have not been heard of."""
    now = hub.clock()
    known = hub.terminal_reports.terminals()
    silent = [one for one in known if one.is_silent(now)]
    for one in silent:
        yield warning("terminals", "silent", terminal=one.name, service_point=one.service_point)
    if not silent:
        yield ok("terminals", count=sum(one.state == "active" for one in known))


def outbox(hub: Hub) -> Iterator[Finding]:
    """Events and jobs that were given up, or that nobody takes."""
    town, now = hub.settings.municipality, hub.clock()
    with hub.database.reading() as session:
        dead = given_up(session, town)
        late = [one for one in what_waits(session, town) if one.waiting and now - one.oldest > _WAITS_LONG]
    if dead:
        yield warning("outbox", "given_up", count=len(dead))
    if late:
        yield warning("outbox", "late", count=sum(one.waiting for one in late), subscriber=late[0].subscriber)
    if not dead and not late:
        yield ok("outbox")


_CHECKS: Final = (database, migrations, audit, revocation, plugins, terminals, outbox)


def _safely(check: Callable[[Hub], Iterator[Finding]], hub: Hub) -> list[Finding]:
    """A check that cannot be made is a finding itself, by the type of what went wrong."""
    try:
        return list(check(hub))
    except (MykeyError, SQLAlchemyError, OSError) as error:
        return [failed(check.__name__, "broken", error=type(error).__name__)]
