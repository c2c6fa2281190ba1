"""What a ride and the verdict on it are. Named tuples, because a month may hold a million of them."""

from __future__ import annotations

from enum import IntFlag
from typing import Literal, NamedTuple

from mykey_taxi.rules.amounts import shares

Mode = Literal["online", "offline"]
Reason = Literal[
    "fare_invalid",
    "outside_area",
    "outside_hours",
    "no_registered_rider",
    "not_registered",
    "daily_limit",
    "yearly_limit",
]


class Flag(IntFlag):
    """What a clerk should see about a settled or rejected ride."""

    NONE = 0
    OVER_LIMIT = 1  # TX-L5
    OVERLAP = 2  # TX-L7
    CLOCK_ADJUSTED = 4  # TX-T3
    AMOUNT_DIFFERS = 8  # TX-P2: the terminal computed another subsidy or cash
    PACK_DIFFERS = 16  # TX-P2: the terminal used another pack
    TMC_GAP = 32  # an unreported transaction of the card
    CLONE_SUSPECTED = 64  # a transaction counter below one that was seen
    MAC_INVALID = 128  # the card's transaction MAC is wrong

    @property
    def names(self) -> tuple[str, ...]:
        """The names in lower case, such as `over_limit`, in the order of their values."""
        return tuple(flag.name.lower() for flag in Flag if flag in self and flag.name and flag.value)


class Ride(NamedTuple):
    """A ride as the terminal reported it, after clock correction.

    `board` and `alight` are microseconds since 1970 (UTC); `riders` are service ids of this plugin in tap order.
    """

    board: int
    alight: int
    board_zone: str | None
    alight_zone: str | None
    meter_yen: int
    discount_yen: int
    riders: tuple[str, ...]
    online: bool


class Verdict(NamedTuple):
    """What the server decides. `counted` and `over` are bit masks over the tap positions of the ride's riders.

    `units` are the vouchers of each counted rider, in tap order; None where a use is a ride. `pack_hash` is that of the
    pack that decided.
    """

    reason: Reason | None
    subsidy_yen: int
    cash_yen: int
    counted: int = 0
    over: int = 0
    units: tuple[int, ...] | None = None
    pack_hash: str = ""

    @property
    def settled(self) -> bool:
        """True when the ride is paid."""
        return self.reason is None

    def shares(self, riders: tuple[str, ...]) -> dict[str, int]:
        """The part of the subsidy of each counted rider, in tap order (TX-S6)."""
        return shares_of(riders, self.counted, self.subsidy_yen, self.units)


def picked(riders: tuple[str, ...], mask: int) -> list[str]:
    """The riders whose tap position is in `mask`."""
    return [rider for position, rider in enumerate(riders) if mask >> position & 1]


def shares_of(
    riders: tuple[str, ...], counted: int, subsidy: int, units: tuple[int, ...] | None = None
) -> dict[str, int]:
    """Rider → yen, from what is stored of a verdict."""
    names = picked(riders, counted)
    return dict(zip(names, shares(subsidy, len(names), units), strict=True)) if names else {}
