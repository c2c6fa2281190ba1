"""The audit log: searching it, verifying the whole of it, and taking a checkpoint away. Searches are recorded, too."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from uuid import UUID

from flask import Response, request

from mykey_core.administration import events  # noqa: F401 - registers what is appended here
from mykey_core.administration.audit_search import AuditQuery, event_names, search
from mykey_core.audit.checkpoint import open_checkpoint
from mykey_core.audit.checkpoints import newest_checkpoint
from mykey_core.audit.errors import NoteError
from mykey_core.audit.keeper import signer_of
from mykey_core.audit.records import append
from mykey_core.audit.verify import Verification, verify_log
from mykey_core.clock import TOKYO
from mykey_core.errors import Refusal
from mykey_web.admin.frame import actor, blueprint, hub, now, town
from mykey_web.api import download
from mykey_web.pages.frame import render

_LONGEST_NOTE = 4096


@blueprint.get("/audit")
def audit() -> str:
    """The form, and what was found."""
    query = _query()
    found = None
    if request.args:
        with hub().database.reading() as session:
            found = search(session, town(), query)
        if query.before is None:
            _record("admin.audit_searched", filters=query.filters, found=len(found.records))
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


def _page(
    *, query: AuditQuery, found: object = None, verification: Verification | None = None, kept: bool = False
) -> str:
    with hub().database.reading() as session:
        newest = newest_checkpoint(session, town())
    return render(
        "admin/audit.html", query=query, found=found, verification=verification, kept=kept, newest=newest,
        names=event_names(), given=request.args,
    )  # fmt: skip


def _query() -> AuditQuery:
    until = _day(request.args.get("until"))
    try:
        before = UUID(request.args["before"]) if request.args.get("before") else None
    except ValueError as error:
        raise Refusal("not_found") from error
    return AuditQuery(
        event=request.args.get("event", "").strip()[:64],
        term=request.args.get("term", "").strip()[:128],
        since=_day(request.args.get("since")),
        until=None if until is None else until + timedelta(days=1),
        before=before,
    )


def _day(text: str | None) -> datetime | None:
    """The beginning of a day in Japan."""
    try:
        return datetime.combine(date.fromisoformat(text), time(), TOKYO) if text else None
    except ValueError:
        return None


def _record(event: str, **facts: object) -> None:
    who, at = actor(), now()
    with hub().database.writing() as session:
        append(session, town(), at, event, {"actor": who, **facts})
