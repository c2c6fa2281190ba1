"""The first page: how the hub is, worst first, and its figures of the last days."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

from markupsafe import Markup
from sqlalchemy import select

from mykey_core.clock import TOKYO
from mykey_core.diagnosis.before import check_files, clock
from mykey_core.diagnosis.findings import Finding, Level, catalogue
from mykey_core.diagnosis.running import check_hub
from mykey_core.storage.session import Session
from mykey_core.storage.tables import audit_record
from mykey_web.admin.frame import blueprint, hub, now, town, with_code
from mykey_web.api import charts
from mykey_web.design.wording import t
from mykey_web.pages.frame import render
from mykey_web.sessions.browser import language

_WORST = {Level.FAILED: 0, Level.WARNING: 1, Level.OK: 2}
_DAYS = 7
_SAME = 3
"""Findings of one kind that are shown."""
_PAGES = {
    "plugins": ".plugins", "plugins_file": ".plugins", "terminals": ".terminals", "outbox": ".jobs",
    "revocation": ".trust", "authorities": ".trust", "audit": ".audit",
}  # fmt: skip
"""Check → the page where something can be done about it."""


@blueprint.get("/")
def home() -> str:
    """Health of every part, and taps a day."""
    known = [one for one in clock() if one.code != "unknown"]  # a container cannot say; that is no news each day
    every = [*check_files(hub().settings, now()), *known, *check_hub(hub())]
    found = sorted(every, key=lambda one: _WORST[one.level])
    with hub().database.reading() as session:
        days, done, refused = _taps(session)
    series = [charts.Series(t("admin.home.done"), done), charts.Series(t("admin.home.refused"), refused)]
    picture = charts.bar_chart(t("admin.home.taps"), days, series, item=t("admin.home.day"))
    return render(
        "admin/home.html", findings=_shortened(found), counts=Counter(one.level.value for one in found),
        title_of=title_of, text_of=text_of, picture=picture, pages=_PAGES,
    )  # fmt: skip


def _shortened(found: list[Finding]) -> list[tuple[Finding, int]]:
    """The first few of each kind, the last of them with the number of those left out.

    A hundred silent terminals are one problem.
    """
    every = Counter((one.check, one.code) for one in found)
    seen: Counter[tuple[str, str]] = Counter()
    shown = []
    for one in found:
        kind = (one.check, one.code)
        seen[kind] += 1
        if seen[kind] <= _SAME:
            shown.append((one, every[kind] - _SAME if seen[kind] == _SAME else 0))
    return shown


def title_of(finding: Finding) -> str:
    """What was looked at, in the reader's language."""
    return catalogue().get(finding.title.key, language())


def text_of(finding: Finding) -> Markup:
    """What was found, in the reader's language."""
    return with_code(catalogue().get(finding.text.key, language(), finding.text.values))


def _taps(session: Session) -> tuple[list[str], list[int], list[int]]:
    """(days, taps done, taps refused) of the last week by the days of Japan, out of the newest 50,000."""
    first = (now().astimezone(TOKYO) - timedelta(days=_DAYS - 1)).replace(hour=0, minute=0, second=0, microsecond=0)
    table = audit_record.c
    own = (table.municipality == town(), table.at >= first, table.event.in_(("tap.done", "tap.refused")))
    rows = session.execute(select(table.event, table.at).where(*own).order_by(table.id.desc()).limit(50_000))
    counts = Counter((row.event, row.at.astimezone(TOKYO).date()) for row in rows)
    days = [first.date() + timedelta(days=number) for number in range(_DAYS)]
    names = [f"{day.month}/{day.day}" for day in days]
    return names, [counts["tap.done", day] for day in days], [counts["tap.refused", day] for day in days]
