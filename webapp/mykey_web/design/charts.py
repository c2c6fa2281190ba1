"""Charts as SVG with their table: no script, no inline style, readable without seeing and in print.

Colours come from the style sheet by class, so that they follow light and dark; every series has a pattern of its own
(dashes, marks) as well, because colour alone says nothing to many people.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, count
from math import ceil, floor, log10
from typing import Final
from unicodedata import east_asian_width

from flask import g
from markupsafe import Markup, escape

from mykey_web.design.wording import t

Number = int | float
_WIDTH: Final = 480
_ROW: Final = 30
_LABEL: Final = 132
_LABEL_EMS: Final = 8.2  # that fit before the bars
_RIGHT: Final = 64
_PLOT_HEIGHT: Final = 200
_SERIES: Final = 6


@dataclass(frozen=True, slots=True)
class Series:
    """One line, or one bar of each group: what it is called and a number for each label."""

    title: str
    values: Sequence[Number]


def bar_chart(title: str, labels: Sequence[str], series: Sequence[Series], *, unit: str = "", item: str = "") -> Markup:
    """Horizontal bars, one group a label; numbers stand at their bars. `ValueError` when lengths differ.

    `item` says what a label is (a day, a service): it heads the first column of the table.
    """
    _check(labels, series)
    top = _ceiling(series)
    step = 18 * len(series) + 12
    body = Markup("")
    for place, label in enumerate(labels):
        y = place * step
        body += _label(y + step / 2 - 1, label)
        for number, one in enumerate(series):
            body += _bar(number, y + 6 + 18 * number, one.values[place], top, unit)
    height = step * len(labels) + 4
    return _figure(title, labels, series, _svg(title, height, body), unit, item)


def line_chart(title: str, labels: Sequence[str], series: Sequence[Series], *, unit: str = "") -> Markup:
    """One line a series over labels in order (days, months). `ValueError` when lengths differ."""
    _check(labels, series)
    top = _ceiling(series)
    left, right, bottom = 56, 16, 28
    width = _WIDTH - left - right
    body = Markup("")
    for part in range(5):
        y = _PLOT_HEIGHT - _PLOT_HEIGHT * part / 4 + 8
        body += Markup('<line class="chart__grid" x1="{}" x2="{}" y1="{}" y2="{}"/>').format(left, _WIDTH - right, y, y)
        body += _text(left - 6, y + 5, _number(top * part / 4), "chart__label", anchor="end")
    step = width / max(len(labels) - 1, 1)
    every = max(1, ceil(len(labels) / 8))
    for place, label in enumerate(labels):
        if place % every == 0:
            body += _text(left + step * place, _PLOT_HEIGHT + bottom, label, "chart__label", anchor="middle")
    for number, one in enumerate(series):
        points = [(left + step * place, 8 + _PLOT_HEIGHT * (1 - value / top)) for place, value in enumerate(one.values)]
        body += _line(number, points)
    return _figure(title, labels, series, _svg(title, _PLOT_HEIGHT + bottom + 12, body), unit)


def _check(labels: Sequence[str], series: Sequence[Series]) -> None:
    if not labels or not series or len(series) > _SERIES:
        raise ValueError(f"a chart has labels, and one to {_SERIES} series")
    if any(len(one.values) != len(labels) or min(one.values) < 0 for one in series):
        raise ValueError("each series has one number for each label, and none below zero")


def _ceiling(series: Sequence[Series]) -> float:
    """The end of the axis: the greatest number, rounded up to 1, 2 or 5 times a power of ten."""
    greatest = max(max(one.values) for one in series) or 1
    power = 10.0 ** floor(log10(greatest))
    return next(power * factor for factor in (1, 2, 5, 10) if power * factor >= greatest)


def _label(y: float, label: str) -> Markup:
    """The name of a bar; one that is too long for its place is cut with an ellipsis, and its title has all of it."""
    if sum(map(_ems, label)) <= _LABEL_EMS:
        return _text(_LABEL - 8, y, label, "chart__label", anchor="end")
    ends = accumulate(map(_ems, label))
    short = "".join(letter for letter, end in zip(label, ends, strict=True) if end <= _LABEL_EMS - 1)
    shown = Markup("<title>{}</title>{}").format(label, f"{short.rstrip()}…")
    return _text(_LABEL - 8, y, shown, "chart__label", anchor="end")


def _ems(character: str) -> float:
    """About how wide a character is."""
    return 1.0 if east_asian_width(character) in "WFA" else 0.6


def _bar(number: int, y: float, value: Number, top: float, unit: str) -> Markup:
    width = (_WIDTH - _LABEL - _RIGHT) * value / top
    bar = Markup('<rect class="chart__bar chart__series-{}" x="{}" y="{:.1f}" width="{:.1f}" height="15" rx="2"/>')
    figure = _text(_LABEL + width + 6, y + 13, f"{_number(value)}{unit}", "chart__figure")
    return bar.format(number + 1, _LABEL, y, max(width, 1)) + figure


def _line(number: int, points: Sequence[tuple[float, float]]) -> Markup:
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    line = Markup('<polyline class="chart__line chart__series-{}" points="{}"/>').format(number + 1, path)
    dot = Markup('<circle class="chart__dot chart__series-{}" cx="{:.1f}" cy="{:.1f}" r="4"/>')
    return line + Markup("").join(dot.format(number + 1, x, y) for x, y in points)


def _text(x: float, y: float, text: str, kind: str, anchor: str = "start") -> Markup:
    return Markup('<text class="{}" x="{:.1f}" y="{:.1f}" text-anchor="{}">{}</text>').format(kind, x, y, anchor, text)


def _svg(title: str, height: float, body: Markup) -> Markup:
    return Markup(
        '<svg class="chart__picture" viewBox="0 0 {} {:.0f}" role="img" aria-label="{}" focusable="false">{}</svg>'
    ).format(_WIDTH, height, title, body)


def _figure(
    title: str, labels: Sequence[str], series: Sequence[Series], svg: Markup, unit: str, item: str = ""
) -> Markup:
    number = next(g.setdefault("mykey_charts", count(1)))
    head = Markup("").join(Markup('<th scope="col" class="table__number">{}</th>').format(one.title) for one in series)
    rows = Markup("").join(
        _row(label, [one.values[place] for one in series], unit) for place, label in enumerate(labels)
    )
    keys = Markup("").join(
        Markup('<li><span class="chart__key chart__series-{}"></span>{}</li>').format(place + 1, one.title)
        for place, one in enumerate(series)
    )
    return Markup(
        '<figure class="chart"><figcaption class="chart__title" id="chart-{n}">{title}</figcaption>'
        '<ul class="chart__keys">{keys}</ul><div class="chart__both">{svg}'
        '<div class="table-wrap" tabindex="0" role="group" aria-labelledby="chart-{n}"><table class="table">'
        '<caption class="visually-hidden">{caption}</caption>'
        '<thead><tr><th scope="col">{corner}</th>{head}</tr></thead><tbody>{rows}</tbody></table></div></div></figure>'
    ).format(
        n=number, title=title, keys=keys, svg=svg, head=head, rows=rows,
        caption=t("frame.chart.table", title=escape(title)), corner=item or t("frame.chart.item"),
    )  # fmt: skip


def _row(label: str, values: Sequence[Number], unit: str) -> Markup:
    cells = Markup("").join(
        Markup('<td class="table__number">{}{}</td>').format(_number(value), unit) for value in values
    )
    return Markup('<tr><th scope="row">{}</th>{}</tr>').format(label, cells)


def _number(value: Number) -> str:
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:,.1f}"
