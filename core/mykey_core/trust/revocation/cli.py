"""`mykey trust status` and `mykey trust update`: what is known about revoked certificates, and renewing it.

Only reading of options and printing lives here. Exit codes: 0 all is fresh, 1 something is not, 2 wrong usage.
"""

from __future__ import annotations

import json
import sys
from datetime import timedelta
from pathlib import Path

import click
from cryptography import x509

from mykey_core.clock import system_clock
from mykey_core.errors import ConfigurationError
from mykey_core.trust.revocation.budget import BudgetState
from mykey_core.trust.revocation.build import Revocation, build_revocation
from mykey_core.trust.revocation.settings import load_settings
from mykey_core.trust.revocation.status import RevocationStatus, SnapshotStatus, read_status, to_json

_CONFIG = click.option(
    "--config",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("trust.toml"),
    show_default=True,
    envvar="MYKEY_TRUST_CONFIG",
    help="The file with the table [revocation].",
)
_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def _load(config: Path) -> Revocation:
    try:
        return build_revocation(load_settings(config))
    except ConfigurationError as error:
        raise click.UsageError(str(error)) from error


@click.command()
@_CONFIG
@_JSON
def status(*, config: Path, as_json: bool) -> None:
    """Show sources, ages, sizes and what is left of the outage budgets. Asks nobody over the network."""
    _report(read_status(_load(config), system_clock()), as_json=as_json)


@click.command()
@_CONFIG
@_JSON
def update(*, config: Path, as_json: bool) -> None:
    """Fetch the CRLs that are configured by address, verify them and put them into use.

    Run it as often as the CRLs change (cron, systemd timer). Workers notice the new snapshots by themselves.
    """
    revocation = _load(config)
    now = system_clock()
    for updater in revocation.updaters.values():
        updater.update(now)
    _report(read_status(revocation, now), as_json=as_json)


def _report(report: RevocationStatus, *, as_json: bool) -> None:
    click.echo(json.dumps(to_json(report)) if as_json else _text(report))
    stale = any(snapshot.state is not BudgetState.FRESH for snapshot in report.snapshots)
    sys.exit(1 if stale or report.problems else 0)


def _text(report: RevocationStatus) -> str:
    lines = [f"source   {place}. {name} ({kind})" for place, (name, kind) in enumerate(report.sources, 1)]
    lines += [f"fetched  {state.url}: {state.succeeded_at or 'never'}" for state in report.fetched]
    lines += [line for snapshot in report.snapshots for line in _snapshot_lines(snapshot)]
    lines += [f"problem  {source}: {place}: {code}" for source, place, code in report.problems]
    lines += [
        f"budget   {one.municipality} {one.risk}: {one.state}, {_hours(one.left)} of {_hours(one.budget)} left"
        for one in report.budgets
    ]
    return "\n".join(lines)


def _snapshot_lines(snapshot: SnapshotStatus) -> list[str]:
    delta = "" if snapshot.delta_entries is None else f" + {snapshot.delta_entries:,} in a delta"
    points = " | ".join(map(_point, snapshot.distribution_points))
    ends = f"{snapshot.next_update:%Y-%m-%d %H:%M} UTC"
    sizes = f"CRL {snapshot.crl_bytes:,} bytes, index {snapshot.index_bytes:,} bytes"
    return [
        f"{snapshot.state:<8} {points}",
        f"         number {snapshot.number}, {_hours(snapshot.age)} old, ends {ends}",
        f"         {snapshot.entries:,} entries{delta}, {sizes}",
    ]


def _point(point: str | None) -> str:
    """A distribution point for people: the name, or the URL, or that the CRL covers everything."""
    if point is None:
        return "everything of one CA"
    raw = bytes.fromhex(point)
    return x509.Name.from_bytes(raw).rfc4514_string() if raw[:1] == b"0" else raw.decode("ascii", "replace")


def _hours(time: timedelta) -> str:
    minutes = int(time.total_seconds()) // 60
    return f"{minutes // 60} h {minutes % 60:02} min"
