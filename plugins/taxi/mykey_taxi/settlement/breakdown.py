"""The breakdown (内訳) of each operator's invoice: a CSV of all its settled rides, and its sums by day.

It is written while a month is judged, so that a million rides are read once; a month that is closed already is read.
"""

from __future__ import annotations

import csv
import shutil
from contextlib import ExitStack
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
_SUBSIDY: Final = _HEAD.index("subsidy_yen")


class Breakdown:
    """Writes the files of one month into a folder of its own within `folder`; `finish` moves them to their names.

    It is a context manager: what was not finished is deleted at its end.
    """

    def __init__(self, folder: Path, month: str) -> None:
        self._folder = folder
        self._month = month
        self._files = ExitStack()
        self._writers: dict[str, Any] = {}
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
        lines: dict[str, list[tuple[Any, ...]]] = {}
        minute, day, text, time = -1, 0, "", ""
        for operator, board, ride_id, terminal, seq, start, end, meter, discount, subsidy, cash, counted, pack in rides:
            if board // MINUTE != minute:  # many rides begin in the same minute, and they come in its order
                minute = board // MINUTE
                today, of_day = day_and_minute(board)
                if today != day:
                    self._write(lines, day)
                    lines, day, text = {}, today, date.fromordinal(today).isoformat()
                time = _TIMES[of_day]
            own = lines.get(operator)
            if own is None:
                own = lines[operator] = []
            riders = counted.bit_count()
            own.append((text, time, ride_id, terminal, seq, start, end, meter, discount, subsidy, cash, riders, pack))
        self._write(lines, day)
        self.rides += len(rides)

    def _write(self, lines: dict[str, list[tuple[Any, ...]]], day: int) -> None:
        """Lines of one day by operator."""
        for operator, rows in lines.items():
            self._writer(operator).writerows(rows)
            counts = self.days.setdefault(operator, {}).setdefault(day, [0, 0])
            counts[0] += len(rows)
            counts[1] += sum([row[_SUBSIDY] for row in rows])

    def read(self, begin: Begin) -> None:
        """Begin anew, from what is stored of the month."""
        self._files.close()
        self._writers.clear()
        self.days.clear()
        self.rides = 0
        with without_cycle_search():
            for page in pages(begin, _RIDES, self._month):
                self.hear(page)

    def finish(self, operators: list[str]) -> list[str]:
        """Move the files to their names, one for each of `operators`; the names."""
        for operator in operators:
            self._writer(operator)
        self._files.close()
        names = [self._name(operator) for operator in operators]
        for name in names:
            (self._unfinished / name).replace(self._folder / name)
        return names

    def _name(self, operator: str) -> str:
        return f"rides-{self._month}-{operator}.csv"

    def _writer(self, operator: str) -> Any:
        writer = self._writers.get(operator)
        if writer is None:
            path = self._unfinished / self._name(operator)
            file: TextIO = self._files.enter_context(path.open("w", encoding="utf-8", newline=""))
            file.write(BYTE_ORDER_MARK)
            writer = self._writers[operator] = csv.writer(file)
            writer.writerow(_HEAD)
        return writer
