"""Dates and times as people read them: the year of the era and the Gregorian year, in three languages.

Eras are data (`eras.toml`); before the first of them only the Gregorian year is given. Instants are shown in Japan's
time.
"""

from __future__ import annotations

import tomllib
from datetime import date, datetime
from functools import cache
from importlib.resources import files
from typing import Any

from mykey_core.clock import TOKYO
from mykey_web.design.wording import frame_catalogue

_MONTHS = range(1, 13)


@cache
def _eras() -> list[dict[str, Any]]:
    text = (files("mykey_web.design") / "eras.toml").read_text(encoding="utf-8")
    found: list[dict[str, Any]] = tomllib.loads(text)["era"]
    return found


def era_year(day: date, language: str) -> str | None:
    """The era and its year, such as 令和8年; 元年 for the first; None before the eras that we know."""
    for era in _eras():
        if day >= era["first_day"]:
            year = day.year - era["first_day"].year + 1
            key = "date.era_first" if year == 1 else "date.era_year"
            return frame_catalogue().get(key, language, {"era": era[language], "year": year})
    return None


def date_text(day: date | datetime, language: str) -> str:
    """A civil date in both forms; an instant becomes the date in Japan."""
    local = day.astimezone(TOKYO).date() if isinstance(day, datetime) else day
    era = era_year(local, language)
    values: dict[str, str | int] = {
        "era": era or "",
        "year": local.year,
        "month": local.month,
        "month_name": frame_catalogue().get(f"date.month.{local.month}", language),
        "day": local.day,
    }
    return frame_catalogue().get("date.day" if era else "date.day_without_era", language, values)


def year_text(year: int, language: str) -> str:
    """A year in both forms, by the era of its last day."""
    era = era_year(date(year, 12, 31), language)
    return frame_catalogue().get("date.year", language, {"era": era, "year": year}) if era else str(year)


def instant_text(at: datetime, language: str) -> str:
    """An instant as date and time of day in Japan, to the minute."""
    local = at.astimezone(TOKYO)
    return frame_catalogue().get(
        "date.instant", language, {"date": date_text(local.date(), language), "time": f"{local:%H:%M}"}
    )
