"""Trust: the sources of revocation data, how old their lists are, what is left of the outage budgets, pinned CAs."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from werkzeug.wrappers import Response

from mykey_core.administration import events  # noqa: F401 - registers what is appended here
from mykey_core.audit.records import append
from mykey_core.trust.revocation.status import read_status
from mykey_web.admin.frame import actor, blueprint, hub, now, town
from mykey_web.api import redirect_after
from mykey_web.design.wording import t
from mykey_web.pages.frame import render


@dataclass(frozen=True, slots=True)
class Authority:
    """A pinned CA certificate; the last three are None when the file cannot be read."""

    file: str
    name: str | None = None
    ends: datetime | None = None
    fingerprint: str | None = None


@blueprint.get("/trust")
def trust() -> str:
    """Sources, lists, budgets, authorities."""
    status = read_status(hub().logins.revocation, now())
    found = [_authority(path) for path in hub().settings.trust.authentication_ca]
    can_fetch = bool(hub().logins.revocation.updaters)
    return render(
        "admin/trust.html", status=status, authorities=found, now=now(), can_fetch=can_fetch, span=span,
        point_text=point_text,
    )  # fmt: skip


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
    return t("admin.span", hours=minutes // 60, minutes=minutes % 60)


def point_text(point: str | None) -> str:
    """A distribution point (hexadecimal: a name or an address) for people."""
    if point is None:
        return t("admin.trust.everything")
    raw = bytes.fromhex(point)
    is_name = raw[:1] == b"0"
    return x509.Name.from_bytes(raw).rfc4514_string() if is_name else raw.decode("ascii", "replace")


def _authority(path: Path) -> Authority:
    try:
        certificate = x509.load_pem_x509_certificate(path.read_bytes())
    except (OSError, ValueError):
        return Authority(path.name)
    digest = certificate.fingerprint(SHA256()).hex()
    return Authority(path.name, certificate.subject.rfc4514_string(), certificate.not_valid_after_utc, digest[:16])
