"""Jobs and events: schedules, what waits, what was given up, and trying it again."""

from __future__ import annotations

from datetime import datetime

from flask import request
from werkzeug.wrappers import Response

from mykey_core.administration import jobs as core
from mykey_core.errors import Refusal
from mykey_core.outbox.waiting import what_waits
from mykey_core.worker.schedules import Schedules
from mykey_web.admin.frame import actor, blueprint, hub, now, town, uuid_of
from mykey_web.api import redirect_after
from mykey_web.pages.frame import render


@blueprint.get("/jobs")
def jobs() -> str:
    """Everything that runs beside requests."""
    with hub().database.reading() as session:
        schedules = Schedules(hub().database, town()).lines(session)
        waiting = what_waits(session, town())
        dead = core.given_up(session, town())
    known = [(plugin, name) for plugin, named in sorted(hub().plugins.jobs().items()) for name in sorted(named)]
    return render(
        "admin/jobs.html", schedules=schedules, waiting=waiting, dead=dead, known=known, instant=datetime.fromisoformat
    )


@blueprint.post("/jobs/retry")
def retry_job() -> Response:
    """Try what was given up again."""
    who, event = actor(), uuid_of(request.form.get("event"))
    with hub().database.writing() as session:
        core.retry(session, town(), event, request.form.get("subscriber", ""), at=now(), actor=who)
    return redirect_after(".jobs", notice="admin.jobs.retried")


@blueprint.post("/jobs/run")
def run_job() -> Response:
    """Have a job run once."""
    who = actor()
    plugin, _, job = request.form.get("job", "").partition("/")
    if job not in hub().plugins.jobs().get(plugin, {}):
        raise Refusal("not_found")
    with hub().database.writing() as session:
        core.ask(session, town(), plugin, job, at=now(), actor=who)
    return redirect_after(".jobs", notice="admin.jobs.asked")
