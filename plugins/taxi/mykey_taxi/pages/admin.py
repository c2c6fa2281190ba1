"""The administration's pages: closing months with their documents, and the town's figures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from flask import Blueprint, request
from markupsafe import Markup
from werkzeug.wrappers import Response

from mykey_core.api import tokyo_date
from mykey_taxi import closing
from mykey_taxi.errors import TaxiError
from mykey_taxi.figures import dashboard
from mykey_taxi.figures.dashboard import Figures, Sum
from mykey_taxi.figures.open_data import open_data
from mykey_taxi.pages.shown import month_text, operator_names, yen
from mykey_taxi.programme import packs_of
from mykey_taxi.rules.civil import fiscal_year
from mykey_taxi.settlement.cycle import parse_cycle
from mykey_taxi.settlement.documents import kept
from mykey_web.api import charts, download, plugin_request, redirect_after, render, t

admin = Blueprint("taxi-admin", __name__, template_folder="../templates")
_TYPES: Final = {"pdf": "application/pdf", "csv": "text/csv", "txt": "text/plain"}


@admin.get("/")
def show() -> str:
    """Months to close, and closed months with what is due."""
    asked = plugin_request()
    language = asked.visitor.language
    with asked.reading() as database:
        waiting = [
            (month, month_text(month, language), rides, yen, closing.is_closing(database, parse_cycle(month)))
            for month, rides, yen in closing.open_months(database)
        ]
        closed = [(entry, month_text(entry.cycle, language)) for entry in closing.closed_months(database)]
    early = bool(asked.context.settings.get("early_close"))
    ready = {month: early or asked.at >= parse_cycle(month).cut_off for month, *_ in waiting}
    return render("mykey_taxi/months.html", waiting=waiting, ready=ready, closed=closed)


@admin.post("/close")
def close() -> str | Response:
    """Close a month: at once, or as a job where it is large."""
    asked = plugin_request()
    month = request.form.get("month", "")
    try:
        with asked.transaction() as database:
            if closing.rides_in(database, month) > closing.AT_ONCE:
                asked.context.jobs.enqueue("close-month", {"month": str(parse_cycle(month))}, database)
                return redirect_after(".show", notice="months.begun")
            closing.close(asked.context, closing.begun(database), month, asked.at)
    except TaxiError as error:
        return render("mykey_taxi/refused.html", code=error.code, text=str(error))
    return redirect_after(".month", month=month, notice="months.closed")


@admin.get("/<month>/")
def month(month: str) -> str | Response:
    """One closed month: what each operator gets, and its documents."""
    asked = plugin_request()
    with asked.reading() as database:
        found = next((entry for entry in closing.closed_months(database) if entry.cycle == month), None)
        if found is None:
            return redirect_after(".show")
        names = operator_names(database)
        files = sorted(kept(database, month))
    rows = [
        (names.get(entry.operator_id, entry.operator_id), yen(entry.rides), yen(entry.rides_yen),
         yen(entry.corrections_yen + entry.carried_in_yen), yen(entry.due_yen))
        for entry in found.invoices
    ]  # fmt: skip
    payer = bool(asked.context.settings.get("payer")) and found.due_yen > 0
    missing = not files or (payer and not any(name.startswith("transfer-") for name in files))
    titled = [(name, _title(name, month, names)) for name in files]
    shown = month_text(month, asked.visitor.language)
    return render("mykey_taxi/month.html", month=found, name=shown, rows=rows, files=titled, missing=missing)


def _title(name: str, month: str, operators: Mapping[str, str]) -> str:
    """A document in words: what it is, whose, and its format."""
    stem, _, ending = name.partition(".")
    kind, _, operator = stem.partition(f"-{month}")
    whose = operators.get(operator.removeprefix("-"), operator.removeprefix("-"))
    return " ".join(filter(None, (t(f"document.{kind}"), whose, f"({ending.upper()})")))


@admin.post("/<month>/issue")
def issue(month: str) -> str | Response:
    """Issue what is missing of a closed month, such as the transfer file once the town's account is known."""
    asked = plugin_request()
    try:
        with asked.transaction() as database:
            closing.issue(asked.context, database, month)
    except TaxiError as error:
        return render("mykey_taxi/refused.html", code=error.code, text=str(error))
    return redirect_after(".month", month=month, notice="months.issued")


@admin.get("/<month>/<name>")
def document(month: str, name: str) -> str | Response:
    """One document, made again and compared with its first issue."""
    asked = plugin_request()
    try:
        with asked.reading() as database:
            content = closing.document(asked.context, database, month, name)
    except TaxiError as error:
        return render("mykey_taxi/refused.html", code=error.code, text=str(error))
    if content is None:
        return redirect_after(".month", month=month)
    return download(content, name, _TYPES.get(name.rpartition(".")[2], "application/octet-stream"))


# -- figures ------------------------------------------------------------------------------------------------


@admin.get("/figures")
def figures() -> str:
    """Rides and spending of a fiscal year, as charts with their tables."""
    asked = plugin_request()
    today = tokyo_date(asked.at)
    facts = packs_of(asked.context.settings).on(today).programme
    this_year = fiscal_year(today, facts.year_start)
    year = request.args.get("year", this_year, type=int)
    with asked.reading() as database:
        found = dashboard.figures(database, year, today, start=facts.year_start, budget=facts.budget_yen)
        names = operator_names(database)
        language = asked.visitor.language
        closed = [(entry.cycle, month_text(entry.cycle, language)) for entry in closing.closed_months(database)]
    return render(
        "mykey_taxi/figures.html",
        figures=found,
        years=[(str(one), str(one)) for one in range(this_year, this_year - 5, -1)],
        budget=_budget(found),
        pictures=_pictures(found, names),
        rejected=[(t(f"reason.{reason}"), count) for reason, count in found.rejected.items()],
        closed=closed,
    )


def _budget(found: Figures) -> list[tuple[str, str]]:
    forecast = found.forecast
    rows = [
        ("figures.rides", found.total.rides),
        ("figures.spent_yen", found.total.subsidy_yen),
        ("figures.budget", forecast.budget_yen),
        ("figures.forecast", forecast.yen),
        ("figures.budget_left", forecast.budget_left_yen),
    ]
    return [(t(key), f"{value:,}") for key, value in rows if value is not None]


def _pictures(found: Figures, operators: Mapping[str, str]) -> list[Markup]:
    kinds = {t("figures.solo"): found.solo, t("figures.shared"): found.shared}
    named = {operators.get(name, name): group for name, group in found.by_operator.items()}
    zones = {name or t("figures.no_zone"): group for name, group in found.by_zone.items()}
    hours = {t("figures.hour", hour=hour): group for hour, group in found.by_hour.items()}
    groups: list[tuple[str, dict[str, Sum]]] = [
        ("figures.by_kind", kinds),
        ("figures.by_operator", named),
        ("figures.by_zone", zones),
        ("figures.by_hour", hours),
    ]
    months = found.by_month
    pictures = []
    if months:
        spent = [charts.Series(t("figures.spent"), [group.subsidy_yen for group in months.values()])]
        titles = [month_text(month, plugin_request().visitor.language) for month in months]
        pictures.append(charts.bar_chart(t("figures.by_month"), titles, spent, unit=t("figures.yen")))
    return pictures + [_chart(key, rows) for key, rows in groups if any(group.rides for group in rows.values())]


def _chart(key: str, rows: Mapping[str, Sum]) -> Markup:
    values = [charts.Series(t("figures.rides"), [group.rides for group in rows.values()])]
    return charts.bar_chart(t(key), list(rows), values)


@admin.get("/open-data/<month>.csv")
def published(month: str) -> str | Response:
    """Rides of a closed month without persons (k-anonymity), to be published."""
    try:
        with plugin_request().reading() as database:
            content = open_data(database, str(parse_cycle(month)))
    except TaxiError as error:
        return render("mykey_taxi/refused.html", code=error.code, text=str(error))
    return download(content.encode(), f"taxi-open-data-{month}.csv", "text/csv")
