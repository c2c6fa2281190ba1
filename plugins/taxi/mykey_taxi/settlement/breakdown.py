"""The breakdown (内訳) of each operator's invoice: a CSV of all its settled rides, and its sums by day.

It is written while a month is judged, so that a million rides are read once; a month that is closed already is read.
"""

from __future__ import annotations

import csv
import shutil
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from tempfile import mkdtemp
from types import TracebackType
from typing import Any, Final, Self, TextIO

from sqlalchemy import select

from mykey_taxi.register import M
from mykey_taxi.rules.civil import MINUTE, MINUTES_A_DAY, day_and_minute
from mykey_taxi.settlement.reading import BOARD, WITH_VERDICT, Begin, in_order, pages, without_cycle_search
from mykey_taxi.settlement.settle import SettledRide
from mykey_taxi.tables import ride, settlement

_RIDES: Final = in_order(
    select(
        ride.c.operator_id,
        BOARD.label("board"),
        ride.c.ride_id,
        ride.c.terminal,
        ride.c.seq,
        ride.c.board_zone,
        ride.c.alight_zone,
        ride.c.meter_yen,
        ride.c.discount_yen,
        settlement.c.subsidy_yen,
        settlement.c.cash_yen,
        settlement.c.counted,
        settlement.c.pack_hash,
    )
    .join(settlement, WITH_VERDICT)
    .where(settlement.c.municipality == M, settlement.c.reason.is_(None))
)
_TIMES: Final = tuple(f"{minute // 60:02d}:{minute % 60:02d}" for minute in range(MINUTES_A_DAY))
_HEAD: Final = (
    "date", "time", "ride_id", "terminal", "sequence", "board_zone", "alight_zone", "meter_yen",
    "operator_discount_yen", "subsidy_yen", "cash_yen", "riders", "rule_pack_hash",
)  # fmt: skip
BYTE_ORDER_MARK: Final = "\ufeff"
"""For spreadsheets. Written once: Python's own codec `utf-8-sig` is asked again for each of a million lines."""
_SUBSIDY: Final = 9  # its place in a `SettledRide`


class Breakdown:
    """Writes the files of one month into a folder of its own within `folder`; `finish` moves them to their names.

    It is a context manager: what was not finished is deleted at its end.
    """

    def __init__(self, folder: Path, month: str) -> None:
        self._folder = folder
        self._month = month
        self._files = ExitStack()
        self._opened: dict[str, TextIO] = {}
        self._unfinished = folder
        self.days: dict[str, dict[int, list[int]]] = {}
        self.rides = 0

    def __enter__(self) -> Self:
        self._folder.mkdir(parents=True, exist_ok=True)
        self._unfinished = Path(mkdtemp(prefix=f".rides-{self._month}-", dir=self._folder))
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._files.close()
        shutil.rmtree(self._unfinished)

    def hear(self, rides: list[SettledRide]) -> None:
        """Write some more rides, in their order; `operator, board, …` as in `SettledRide`."""
        groups = _grouped(rides, _line)
        plain = all(_is_plain(group.lines) for group in groups.values())
        if not plain:  # something in it has to be quoted
            groups = _grouped(rides, _cells)
        for (operator, day), group in groups.items():
            file = self._file(operator)
            if plain:
                file.write("".join(group.lines))
            else:
                csv.writer(file).writerows(group.lines)
            counts = self.days.setdefault(operator, {}).setdefault(day, [0, 0])
            counts[0] += len(group.lines)
            counts[1] += group.yen
        self.rides += len(rides)

    def read(self, begin: Begin) -> None:
        """Begin anew, from what is stored of the month."""
        self._files.close()
        self._opened.clear()
        self.days.clear()
        self.rides = 0
        with without_cycle_search():
            for page in pages(begin, _RIDES, self._month):
                self.hear(page)

    def finish(self, operators: list[str]) -> list[str]:
        """Move the files to their names, one for each of `operators`; the names."""
        for operator in operators:
            self._file(operator)
        self._files.close()
        names = [self._name(operator) for operator in operators]
        for name in names:
            (self._unfinished / name).replace(self._folder / name)
        return names

    def _name(self, operator: str) -> str:
        return f"rides-{self._month}-{operator}.csv"

    def _file(self, operator: str) -> TextIO:
        file = self._opened.get(operator)
        if file is None:
            path = self._unfinished / self._name(operator)
            file = self._opened[operator] = self._files.enter_context(path.open("w", encoding="utf-8", newline=""))
            file.write(BYTE_ORDER_MARK)
            csv.writer(file).writerow(_HEAD)
        return file


@dataclass(slots=True)
class _Group:
    """Lines of one operator and day, and their subsidy."""

    lines: list[Any]
    yen: int = 0


def _grouped(rides: list[SettledRide], line: Callable[[str, str, SettledRide], Any]) -> dict[tuple[str, int], _Group]:
    """Rides by operator and day, each as `line` makes it of date, time and ride."""
    groups: dict[tuple[str, int], _Group] = {}
    minute, day, text, time = -1, 0, "", ""
    for ride_ in rides:
        if ride_[1] // MINUTE != minute:  # many rides begin in the same minute, and they come in its order
            minute = ride_[1] // MINUTE
            today, of_day = day_and_minute(ride_[1])
            if today != day:
                day, text = today, date.fromordinal(today).isoformat()
            time = _TIMES[of_day]
        group = groups.get((ride_[0], day))
        if group is None:
            group = groups[ride_[0], day] = _Group([])
        group.lines.append(line(text, time, ride_))
        group.yen += ride_[_SUBSIDY]
    return groups


def _cells(text: str, time: str, ride_: SettledRide) -> tuple[Any, ...]:
    _, _, ride_id, terminal, seq, start, end, meter, discount, subsidy, cash, counted, pack = ride_
    place = (text, time, ride_id, terminal, seq, start, end)
    return (*place, meter, discount, subsidy, cash, counted.bit_count(), pack)


def _line(text: str, time: str, ride_: SettledRide) -> str:
    """As `csv` writes `_cells` where nothing has to be quoted, in half the time; `_is_plain` tells."""
    _, _, ride_id, terminal, seq, start, end, meter, discount, subsidy, cash, counted, pack = ride_
    return (
        f"{text},{time},{ride_id},{terminal},{seq},{start or ''},{end or ''},"
        f"{meter},{discount},{subsidy},{cash},{counted.bit_count()},{pack}\r\n"
    )


def _is_plain(lines: list[str]) -> bool:
    """Whether no value of these lines has a comma, a quotation mark or a line's end in it."""
    text, count = "".join(lines), len(lines)
    ends = text.count("\n") == text.count("\r") == count
    return ends and text.count(",") == count * (len(_HEAD) - 1) and '"' not in text
