"""A ride as it stands in an uploaded record: read, checked for form, and turned into what `judge` takes."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from mykey_taxi.errors import InputError
from mykey_taxi.rules.civil import microseconds, parse_instant
from mykey_taxi.rules.ride import Ride

_Id = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[!-~]+$")]
_Hex = Annotated[str, Field(pattern=r"^[0-9a-f]*$")]
_Yen = Annotated[int, Field(strict=True, ge=-10_000_000, le=10_000_000)]


class CardProof(BaseModel):
    """What a card answered to the COMMIT of its rider: order, balance and transaction MAC, all hexadecimal.

    `card` is the serial of the card application, `generation` that of its transaction-MAC key.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    rider: _Id
    card: Annotated[_Hex, Field(min_length=14, max_length=14)]
    order: Annotated[_Hex, Field(min_length=54, max_length=54)]
    balance: Annotated[_Hex, Field(min_length=20, max_length=20)]
    tmc: Annotated[int, Field(ge=1, le=0xFFFFFFFF)]
    tmv: Annotated[_Hex, Field(min_length=16, max_length=16)]
    generation: Annotated[int, Field(ge=1, le=255)]


class RideRecord(BaseModel):
    """The record of taxi.md §7. No name, address or number of a person stands in it: `riders` are service ids."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    terminal_id: _Id
    seq: Annotated[int, Field(strict=True, ge=1, le=0xFFFFFFFF)]
    ride_id: _Id
    board_ts: str
    alight_ts: str
    board_zone: Annotated[str, Field(max_length=64)] | None = None
    alight_zone: Annotated[str, Field(max_length=64)] | None = None
    meter_yen: _Yen
    operator_discount_yen: _Yen = 0
    riders: Annotated[tuple[_Id, ...], Field(max_length=16)]
    mode: Literal["online", "offline"] = "offline"
    rule_pack_hash: Annotated[str, Field(pattern=r"^([0-9a-f]{64})?$")] = ""
    subsidy_yen: _Yen
    cash_yen: _Yen
    dev_mono_ms: int = 0
    proofs: tuple[CardProof, ...] = ()
    prev_hash: _Hex = ""
    hash: _Hex = ""
    sig: str = ""

    def ride(self, skew: timedelta = timedelta(0)) -> Ride:
        """The ride with corrected times; a rider who tapped twice counts once (TX-C2)."""
        return Ride(
            microseconds(_instant("board_ts", self.board_ts) - skew),
            microseconds(_instant("alight_ts", self.alight_ts) - skew),
            self.board_zone,
            self.alight_zone,
            self.meter_yen,
            self.operator_discount_yen,
            tuple(dict.fromkeys(self.riders)),
            self.mode == "online",
        )


def _instant(place: str, text: str) -> Any:
    try:
        return parse_instant(text)
    except ValueError as error:
        raise InputError(place, "it is a time such as 2026-04-15T10:00:00+09:00") from error


def read_record(data: object) -> RideRecord:
    """A record from JSON values; `InputError` names the member that is wrong."""
    try:
        record = RideRecord.model_validate(data)
    except ValidationError as error:
        first = error.errors()[0]
        raise InputError(".".join(str(part) for part in first["loc"]) or "record", first["msg"]) from error
    if record.ride().alight < record.ride().board:
        raise InputError("alight_ts", "it is before the boarding")
    return record
