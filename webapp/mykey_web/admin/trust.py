"""Trust: the sources of revocation data, how old their lists are, what happens when they run out, pinned CAs."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from markupsafe import Markup
from werkzeug.wrappers import Response

from mykey_core.administration import events  # noqa: F401 - registers what is appended here
from mykey_core.audit.records import append
from mykey_core.trust.revocation.budget import BudgetState, RiskClass, state_at
from mykey_core.trust.revocation.scope import issuer_key_of
from mykey_core.trust.revocation.status import read_status
from mykey_web.admin.frame import actor, blueprint, hub, now, town
from mykey_web.api import charts, redirect_after
from mykey_web.design.wording import localised, t
from mykey_web.pages.frame import render

_SHORT = 8
"""Hexadecimal digits by which the keys of a CA's generations are told apart."""


@dataclass(frozen=True, slots=True)
class Authority:
    """A pinned CA certificate; all but the file are None when it cannot be read. `key` is the short id of its key."""

    file: str
    name: str | None = None
    ends: datetime | None = None
    fingerprint: str | None = None
    key: str | None = None


@dataclass(frozen=True, slots=True)
class Outlook:
    """One risk class: its services, and until when their cards are accepted if no new list comes any more.

    `until` is the end of the lists with the budget; `state` is where that stands now. Both are None without any list.
    """

    risk: RiskClass
    services: list[str]
    budget: timedelta
    until: datetime | None
    state: BudgetState | None


@blueprint.get("/trust")
def trust() -> str:
    """Sources, lists, the outlook of each risk class, authorities."""
    status, at = read_status(hub().logins.revocation, now()), now()
    ends = min((one.next_update for one in status.snapshots), default=None)
    outlooks = [_outlook(risk, ends, at) for risk in RiskClass]
    found = [_authority(path) for path in hub().settings.trust.authentication_ca]
    can_fetch = bool(hub().logins.revocation.updaters)
    return render(
        "admin/trust.html", status=status, authorities=found, now=at, can_fetch=can_fetch, span=span, ends=ends,
        outlooks=outlooks, picture=_picture(outlooks, ends, at), point_text=point_text, instant=datetime.fromisoformat,
        short=_SHORT,
    )  # fmt: skip


def _outlook(risk: RiskClass, ends: datetime | None, at: datetime) -> Outlook:
    plugins = hub().plugins
    manifests = [plugin.context.manifest for _, plugin in sorted(plugins.plugins.items())]
    routes = [plugins.route(service.name) for manifest in manifests for service in manifest.services]
    services = [localised(route.service.title) for route in routes if route and route.policy.risk is risk]
    budget = hub().logins.revocation.budgets.of(town(), risk)
    if ends is None:
        return Outlook(risk, services, budget, None, None)
    return Outlook(risk, services, budget, ends + budget, state_at(ends, at, budget)[0])


def _picture(outlooks: list[Outlook], ends: datetime | None, at: datetime) -> Markup | None:
    """How many hours cards are still accepted: by the lists that are there, then by each budget."""
    if ends is None:
        return None
    labels = [t(f"admin.trust.risk.{one.risk.value}") for one in outlooks]
    by_list = charts.Series(t("admin.trust.hours_list"), [_hours(ends - at)] * len(outlooks))
    left = [_hours(min(one.budget, max(ends + one.budget - at, timedelta(0)))) for one in outlooks]
    by_budget = charts.Series(t("admin.trust.hours_budget"), left)
    return charts.bar_chart(t("admin.trust.chart"), labels, [by_list, by_budget], unit=t("admin.trust.hours_unit"))


def _hours(time: timedelta) -> float:
    return round(max(time.total_seconds(), 0) / 3600, 1)


@blueprint.post("/trust/update")
def update_crls() -> Response:
    """Fetch the CRLs that are configured by address, now."""
    who, at = actor(), now()
    revocation = hub().logins.revocation
    for updater in revocation.updaters.values():
        updater.update(at)
    problems = len(read_status(revocation, at).problems)
    with hub().database.writing() as session:
        append(session, town(), at, "admin.crls_updated", {"actor": who, "problems": problems})
    return redirect_after(".trust", notice="admin.trust.updated")


def span(time: timedelta) -> str:
    """A length of time in hours and minutes, in the reader's language."""
    minutes = int(time.total_seconds()) // 60
    days, minutes = divmod(minutes, 24 * 60)
    key = "admin.span_days" if days else "admin.span"
    return t(key, days=days, hours=minutes // 60, minutes=minutes % 60)


def point_text(point: str | None) -> str:
    """A distribution point (hexadecimal: a name or an address) for people."""
    if point is None:
        return t("admin.trust.everything")
    raw = bytes.fromhex(point)
    is_name = raw[:1] == b"0"
    return x509.Name.from_bytes(raw).rfc4514_string().replace(",", ", ") if is_name else raw.decode("ascii", "replace")


def _authority(path: Path) -> Authority:
    try:
        certificate = x509.load_pem_x509_certificate(path.read_bytes())
    except (OSError, ValueError):
        return Authority(path.name)
    digest = certificate.fingerprint(SHA256()).hex()
    key = issuer_key_of(certificate).hex()[:_SHORT]
    name = certificate.subject.rfc4514_string()
    return Authority(path.name, name, certificate.not_valid_after_utc, digest[:16], key)
