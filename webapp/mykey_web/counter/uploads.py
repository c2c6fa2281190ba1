"""Queues that were carried here from terminals without a network, and what waits for a person. Views of `counter`.

What a record holds is its service's business and is not shown; states, times and codes are.
"""

from __future__ import annotations

from datetime import timedelta
from itertools import groupby
from uuid import UUID

from flask import Response, make_response, request
from werkzeug.wrappers import Response as WerkzeugResponse

from mykey_core.audit.records import append
from mykey_core.counter import carried
from mykey_core.counter.acts import CLERKS, SUPERVISOR
from mykey_core.errors import Refusal
from mykey_core.translations import load_catalogue
from mykey_core.uploads.reconcile import OpenCase
from mykey_core.uploads.states import RecordState, UploadRefused
from mykey_web import problems
from mykey_web.api import redirect_after
from mykey_web.carried_uploads import Carried, QueueFileError, TerminalNotAcceptedError, take_file
from mykey_web.counter.clerks import titles
from mykey_web.counter.views import blueprint
from mykey_web.design.wording import localised, refusal_words
from mykey_web.pages.areas import require_role, requires_role
from mykey_web.pages.files import takes_file
from mykey_web.pages.frame import render
from mykey_web.sessions.browser import language, portal

LONGEST_FILE = 8 * 1024 * 1024
"""About eight thousand records; a larger queue is taken in by `mykey hub uploads import`."""
_LONGEST_SKEW = timedelta(days=366)


@blueprint.get("/uploads")
@requires_role(*CLERKS)
def uploads() -> str:
    """What waits for a person, taking a file in, and the terminals whose records can be looked at."""
    return _page()


@blueprint.post("/uploads")
@takes_file(LONGEST_FILE)
def take_upload() -> WerkzeugResponse:
    """Take the file in; the page of its records says what became of each."""
    who, sent = require_role(*CLERKS), request.files.get("file")
    try:
        done = take_file(portal().hub, "" if sent is None else sent.stream.read().decode("utf-8"))
    except UploadRefused as error:
        return _stopped(error)
    except TerminalNotAcceptedError as error:
        raise Refusal("queue_file_terminal") from error
    except (QueueFileError, UnicodeDecodeError) as error:
        raise Refusal("queue_file_form") from error
    _record_taken(who.actor, done)
    numbers = [int(one["seq"]) for one in done.records]
    span = {"first": min(numbers), "last": max(numbers)} if numbers else {}
    return redirect_after(".upload_records", notice="counter.uploads.taken", terminal_id=done.terminal_id, **span)


@blueprint.get("/uploads/<uuid:terminal_id>")
def upload_records(terminal_id: UUID) -> str:
    """The records of one terminal, in order."""
    who, town = require_role(*CLERKS), portal().hub.settings.municipality
    first, last = request.args.get("first", type=int), request.args.get("last", type=int)
    with portal().hub.database.reading() as session:
        machine = next((one for one in carried.machines(session, town) if one.id == terminal_id), None)
        found = carried.records(session, town, terminal_id, first=first, last=last)
    if machine is None:
        raise Refusal("not_found")
    more = found[-1].seq + 1 if first is not None and len(found) == carried.PAGE and found[-1].seq != last else None
    earlier = max(1, found[0].seq - carried.PAGE) if found and found[0].seq > 1 else None
    return render(
        "counter/upload-records.html",
        machine=machine,
        found=found,
        counts=_counts([one.state for one in found]),
        cases=[one for one in portal().hub.reconciliation.open_cases() if one.terminal_id == terminal_id],
        decides=SUPERVISOR in who.roles,
        more=more,
        earlier=earlier,
        last=last,
        title_of=titles(),
        service_title=service_title,
        service_reason=service_reason,
        minute=timedelta(minutes=1),
    )


@blueprint.post("/uploads/<uuid:terminal_id>/decide")
def decide_upload(terminal_id: UUID) -> WerkzeugResponse:
    """Hand a record in quarantine to its service after all, or leave it without effect for ever."""
    who, seq = require_role(SUPERVISOR), _number("seq")
    desk = portal().hub.reconciliation
    if request.form.get("decision") == "release":
        state = desk.release_quarantine(terminal_id, seq, actor=who.actor, skew=_skew())
    else:
        state = desk.reject_quarantine(terminal_id, seq, actor=who.actor)
    return redirect_after(".upload_records", notice=f"counter.uploads.said.{state.value}", terminal_id=terminal_id)


@blueprint.post("/uploads/<uuid:terminal_id>/waive")
def waive_gap(terminal_id: UUID) -> WerkzeugResponse:
    """Stop waiting for records that will not come, so that those after them count."""
    who = require_role(SUPERVISOR)
    portal().hub.reconciliation.waive_gap(terminal_id, _number("first"), _number("last"), actor=who.actor)
    return redirect_after(".upload_records", notice="counter.uploads.waived", terminal_id=terminal_id)


def service_title(service: str) -> str:
    """What people call a service; its name where no active plugin has it."""
    route = portal().hub.plugins.route(service)
    return service if route is None else localised(route.service.title)


def service_reason(service: str, code: str) -> str:
    """What the service itself says about a code of its own (`reason.…` in its wording); empty where it says nothing."""
    route = portal().hub.plugins.route(service)
    if route is None:
        return ""
    manifest = route.plugin.context.manifest
    own, key = load_catalogue(manifest.package, manifest.name), f"reason.{code.rpartition('.')[2]}"
    return own.get(key, language()) if own.has(key) else ""


# -- inside ---------------------------------------------------------------------------------------------------


def _page(refused: UploadRefused | None = None) -> str:
    require_role(*CLERKS)
    cases = portal().hub.reconciliation.open_cases()
    with portal().hub.database.reading() as session:
        machines = carried.machines(session, portal().hub.settings.municipality)
    return render(
        "counter/uploads.html",
        waiting=_waiting(cases),
        machines=machines,
        refused=refused,
        problem=None if refused is None else refusal_words(refused.code),
        longest=LONGEST_FILE // (1024 * 1024),
    )


def _waiting(cases: list[OpenCase]) -> dict[UUID, dict[str, int]]:
    """How much of each kind waits, by terminal."""
    return {
        terminal_id: _counts([one.kind for one in found])
        for terminal_id, found in groupby(cases, key=lambda one: one.terminal_id)
    }


def _counts(states: list[RecordState] | list[str]) -> dict[str, int]:
    kinds = [str(one) for one in states]
    return {kind: kinds.count(kind) for kind in dict.fromkeys(kinds)}


def _stopped(error: UploadRefused) -> Response:
    """The upload ended at a record that contradicts the others; those before it stand."""
    return make_response(_page(error), problems.status_of(error.code))


def _record_taken(actor: str, done: Carried) -> None:
    hub = portal().hub
    facts = {"actor": actor, "terminal": str(done.terminal_id), "records": len(done.records)}
    with hub.database.writing() as session:
        append(session, hub.settings.municipality, hub.clock(), "counter.queue_taken", facts)


def _number(name: str) -> int:
    found = request.form.get(name, type=int)
    if found is None:
        raise Refusal("not_found")
    return found


def _skew() -> timedelta:
    """By how much the terminal's clock was wrong, in minutes, as the supervisor found out."""
    minutes = request.form.get("minutes", 0, type=int)
    wanted = timedelta(minutes=max(-(10**7), min(minutes, 10**7)))
    return max(-_LONGEST_SKEW, min(wanted, _LONGEST_SKEW))
