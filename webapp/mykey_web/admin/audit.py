"""The audit log: searching it, verifying the whole of it, and taking a checkpoint away. Searches are recorded, too."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from typing import Any
from uuid import UUID

from flask import Response, request

from mykey_core.administration import events  # noqa: F401 - registers what is appended here
from mykey_core.administration.audit_search import AuditQuery, event_names, pseudonym_of, search
from mykey_core.audit.checkpoint import open_checkpoint
from mykey_core.audit.checkpoints import newest_checkpoint
from mykey_core.audit.errors import NoteError
from mykey_core.audit.keeper import signer_of
from mykey_core.audit.records import append
from mykey_core.audit.verify import Verification, verify_log
from mykey_core.clock import TOKYO
from mykey_core.errors import Refusal
from mykey_core.portal.staff import StaffRegister
from mykey_web.admin.frame import actor, blueprint, catalogue, hub, now, town, uuid_of
from mykey_web.admin.points import point_titles, services_offered
from mykey_web.api import download
from mykey_web.design.wording import localised, t
from mykey_web.pages.frame import render

_LONGEST_NOTE = 4096
_MOST_ACTORS = 200
_PROOF = ("algorithm", "issuer", "policy", "revocation", "checks")
"""Facts of how a card's certificate was proved, which stand in a fold."""
_FILTERS = {"event", "actor", "term", "same_as", "since", "until", "before"}


@blueprint.get("/audit")
def audit() -> str:
    """The form, and what was found."""
    query, found = _query(), None
    if request.args.keys() & _FILTERS:
        with hub().database.reading() as session:
            found = search(session, town(), query, now())
        if query.before is None:
            _record_search(query, len(found.records))
    return _page(query=query, found=found)


@blueprint.post("/audit/verify")
def verify_audit() -> str:
    """Verify the whole log, from a checkpoint that was kept elsewhere if one is given."""
    signer = signer_of(hub().settings)
    kept = request.form.get("checkpoint", "")[:_LONGEST_NOTE].replace("\r\n", "\n").strip("\n")
    try:
        trusted = open_checkpoint(f"{kept}\n", [signer.verifier]) if kept.strip() else None
    except NoteError as error:
        raise Refusal("checkpoint_invalid") from error
    outcome = verify_log(hub().database, town(), [signer.verifier], trusted)
    _record("admin.audit_verified", intact=outcome.ok, findings=len(outcome.findings), size=outcome.size)
    return _page(query=AuditQuery(), verification=outcome, kept=trusted is not None)


@blueprint.get("/audit/checkpoint")
def checkpoint() -> Response:
    """The newest signed checkpoint, to be kept where this hub's administrators cannot reach."""
    actor()
    with hub().database.reading() as session:
        newest = newest_checkpoint(session, town())
    if newest is None:
        raise Refusal("not_found")
    return download(newest.note.encode(), f"checkpoint-{newest.size}.txt", "text/plain")


def event_text(event: str) -> str:
    """An event in words; its code where nobody has worded it."""
    return t(f"admin.event.{event}") if catalogue().has(f"admin.event.{event}") else event


def fact_name(name: str) -> str:
    """The name of a fact in words; its code where nobody has worded it."""
    return t(f"admin.fact.{name}") if catalogue().has(f"admin.fact.{name}") else name


def fact_text(name: str, value: Any, called: Mapping[str, Mapping[str, str]]) -> str:
    """A fact as a line: codes in words where there are some, checks by their outcome; `called` has titles."""
    if isinstance(value, bool):
        return t("admin.yes" if value else "admin.no")
    if isinstance(value, dict) and "check" in value:
        return f"{value['check']} {'✓' if value['passed'] else '✗'}"
    if isinstance(value, dict):
        return t("admin.comma").join(f"{fact_name(key)} {fact_text(key, one, called)}" for key, one in value.items())
    if isinstance(value, list):
        return t("admin.comma").join(fact_text(name, one, called) for one in value) or "–"
    return "–" if value is None else _code_text(name, str(value), called)


def _code_text(name: str, code: str, called: Mapping[str, Mapping[str, str]]) -> str:
    """A code in words: of its fact, then of staff and services; as it is where nobody has worded it."""
    key = f"admin.value.{name}.{code}"
    return t(key) if catalogue().has(key) else called.get(name, called["actor"]).get(code, code)


def _called() -> dict[str, dict[str, str]]:
    """Fact → what people call the staff, services and places that its codes stand for."""
    services = {name: localised(titles) for name, titles in services_offered()}
    with hub().database.reading() as session:
        staff = {one.actor: one.title for one in StaffRegister(town()).all(session)}
        places = point_titles(session)
    return {"actor": staff, "service": services, "services": services, "service_point": places}


def _page(
    *, query: AuditQuery, found: object = None, verification: Verification | None = None, kept: bool = False
) -> str:
    with hub().database.reading() as session:
        newest = newest_checkpoint(session, town())
        actors = [one.actor for one in StaffRegister(town()).all(session)] if found is None else []
    return render(
        "admin/audit.html", query=query, found=found, verification=verification, kept=kept, newest=newest,
        names=_by_family(), given=request.args, actors=actors[:_MOST_ACTORS], now=now(), who=actor(),
        event_text=event_text, fact_name=fact_name, fact_text=fact_text, called=_called(), proof=_PROOF,
    )  # fmt: skip


def _by_family() -> dict[str, list[str]]:
    """Kind of event → its events, as the log names them."""
    families: dict[str, list[str]] = {}
    for name in event_names():
        families.setdefault(name.partition(".")[0], []).append(name)
    return families


def _query() -> AuditQuery:
    until = _day(request.args.get("until"))
    return AuditQuery(
        event=request.args.get("event", "").strip()[:64],
        actor=request.args.get("actor", "").strip()[:64],
        term=request.args.get("term", "").strip()[:128],
        same_as=_uuid("same_as"),
        since=_day(request.args.get("since")),
        until=None if until is None else until + timedelta(days=1),
        before=_uuid("before"),
    )


def _uuid(name: str) -> UUID | None:
    return uuid_of(request.args[name]) if request.args.get(name) else None


def _day(text: str | None) -> datetime | None:
    """The beginning of a day in Japan."""
    try:
        return datetime.combine(date.fromisoformat(text), time(), TOKYO) if text else None
    except ValueError:
        return None


def _record_search(query: AuditQuery, found: int) -> None:
    """A search by a pseudonym is recorded with it, so that the person finds it in the portal."""
    facts: dict[str, object] = {"filters": query.filters, "found": found}
    if query.same_as is not None:
        with hub().database.reading() as session:
            facts["subject"] = pseudonym_of(session, town(), query.same_as)
    _record("admin.audit_searched", **facts)


def _record(event: str, **facts: object) -> None:
    who, at = actor(), now()
    with hub().database.writing() as session:
        append(session, town(), at, event, {"actor": who, **facts})
