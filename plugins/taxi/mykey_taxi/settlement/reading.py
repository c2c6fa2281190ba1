"""Reading the rides of a month in the order of TX-L5, page by page, each page in a short transaction of its own."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Final

from sqlalchemy import BigInteger, Integer, Select, String, and_, bindparam, or_, type_coerce

from mykey_core.api import PluginDatabase
from mykey_taxi.register import M
from mykey_taxi.tables import ride, settlement

Begin = Callable[[], AbstractContextManager[PluginDatabase]]
"""Begins a transaction that is committed at the end of its block."""

PAGE: Final = 2_000
BOARD: Final = type_coerce(ride.c.board_at, BigInteger)
"""The boarding as microseconds since 1970: a million `datetime`s are not made."""
WITH_VERDICT: Final = and_(settlement.c.municipality == ride.c.municipality, settlement.c.ride_id == ride.c.ride_id)
_AFTER: Final = bindparam("board", type_=BigInteger)
_TERMINAL: Final = bindparam("terminal", type_=String)
_SEQ: Final = bindparam("seq", type_=Integer)


@contextmanager
def without_cycle_search() -> Iterator[None]:
    """Let the block make millions of tuples without Python's search for reference cycles, of which they have none.

    The search costs a third of a close and finds nothing; what is not used any more is freed at once all the same.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def in_order(query: Select[Any]) -> Select[Any]:
    """`query` over rides, for one page of one month; it names the columns `board`, `terminal` and `seq`."""
    later = or_(BOARD > _AFTER, ride.c.terminal > _TERMINAL, and_(ride.c.terminal == _TERMINAL, ride.c.seq > _SEQ))
    month = query.where(ride.c.municipality == M, ride.c.cycle == bindparam("cycle"), BOARD >= _AFTER, later)
    return month.order_by(ride.c.board_at, ride.c.terminal, ride.c.seq).limit(PAGE)


def pages(begin: Begin, query: Select[Any], cycle: str) -> Iterator[list[Any]]:
    """The rows of a query made by `in_order`, `PAGE` at a time."""
    place: dict[str, Any] = {"board": -(1 << 62), "terminal": "", "seq": 0}
    while True:
        with begin() as database:
            own = {"m": database.municipality, "cycle": cycle}
            rows: list[Any] = list(database.execute(query, {**own, **place}).fetchall())
        if rows:
            yield rows
        if len(rows) < PAGE:
            return
        place = {"board": rows[-1].board, "terminal": rows[-1].terminal, "seq": rows[-1].seq}
