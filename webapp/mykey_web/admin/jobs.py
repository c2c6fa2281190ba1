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
from mykey_web.admin.lists import page_number
from mykey_web.api import redirect_after
from mykey_web.design.wording import localised
from mykey_web.pages.frame import render


@blueprint.get("/jobs")
def jobs() -> str:
    """Everything that runs beside requests."""
    with hub().database.reading() as session:
        schedules = Schedules(hub().database, town()).lines(session)
        waiting = what_waits(session, town())
        dead = core.given_up_page(session, town(), page_number())
    known = [(plugin, name) for plugin, named in sorted(hub().plugins.jobs().items()) for name in sorted(named)]
    return render(
        "admin/jobs.html", schedules=schedules, waiting=waiting, dead=dead, known=known, instant=datetime.fromisoformat,
        called=called, now=now(),
    )  # fmt: skip


@blueprint.post("/jobs/retry")
def retry_job() -> Response:
    """Try what was given up again."""
    who, event = actor(), uuid_of(request.form.get("event"))
    with hub().database.writing() as session:
        core.retry(session, town(), event, request.form.get("subscriber", ""), at=now(), actor=who)
    return redirect_after(".jobs", notice="admin.jobs.retried")


@blueprint.get("/jobs/retry-all")
def ask_retry_all() -> str:
    """Ask once more."""
    with hub().database.reading() as session:
        dead = core.given_up_page(session, town(), 1)
    return render("admin/jobs-retry-all.html", count=dead.total)


@blueprint.post("/jobs/retry-all")
def retry_all_jobs() -> Response:
    """Try everything again that was given up."""
    who = actor()
    with hub().database.writing() as session:
        core.retry_all(session, town(), at=now(), actor=who)
    return redirect_after(".jobs", notice="admin.jobs.retried")


@blueprint.get("/jobs/run")
def ask_run_job() -> str:
    """Ask once more."""
    plugin, job = _job(request.args.get("job", ""))
    return render("admin/job-run.html", plugin=plugin, job=job, called=called)


@blueprint.post("/jobs/run")
def run_job() -> Response:
    """Have a job run once."""
    who = actor()
    plugin, job = _job(request.form.get("job", ""))
    with hub().database.writing() as session:
        core.ask(session, town(), plugin, job, at=now(), actor=who)
    return redirect_after(".jobs", notice="admin.jobs.asked")


def called(subscriber: str) -> str:
    """The plugin that an event or a job is for, as people call it."""
    name = subscriber.partition(":")[0]
    plugin = hub().plugins.plugins.get(name)
    return name if plugin is None else localised(plugin.context.manifest.title)


def _job(text: str) -> tuple[str, str]:
    plugin, _, job = text.partition("/")
    if job not in hub().plugins.jobs().get(plugin, {}):
        raise Refusal("not_found")
    return plugin, job
