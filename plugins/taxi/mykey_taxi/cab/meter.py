"""The fare from a meter: lines of JSON over a serial line or a socket, and a simulator that speaks the same.

One message a line, UTF-8: `{"meter": 1, "state": "paid", "fare_yen": 1430, "discount_yen": 0, "trip": "000123"}`.
`state` is `vacant`, `hired` or `paid`; the fare counts in `paid` only. `trip` is the meter's own number of the trip.
Meters with another protocol need a small converter that writes these lines.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import IO, Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from mykey_taxi.errors import InputError

_LONGEST = 1_024


class MeterReading(BaseModel):
    """One line of a meter."""

    model_config = ConfigDict(frozen=True, extra="ignore")
    meter: Literal[1]
    state: Literal["vacant", "hired", "paid"]
    fare_yen: Annotated[int, Field(strict=True, ge=0, le=1_000_000)]
    discount_yen: Annotated[int, Field(strict=True, ge=0, le=1_000_000)] = 0
    trip: Annotated[str, Field(max_length=32)] = ""


def readings(lines: Iterable[bytes]) -> Iterator[MeterReading]:
    """The readings of a meter's lines; a line that is none (noise on the wire) is left out."""
    for line in lines:
        try:
            yield MeterReading.model_validate_json(line[:_LONGEST])
        except ValidationError:
            continue


def fare_from(stream: IO[bytes]) -> MeterReading:
    """Wait for the fare of a trip that is paid; `InputError` when the meter ends before."""
    found = next((reading for reading in readings(stream) if reading.state == "paid" and reading.fare_yen), None)
    if found is None:
        raise InputError("meter", "it ended without a fare: type the fare")
    return found


def simulated(fare_yen: int, *, discount_yen: int = 0, trip: str = "000001", steps: int = 4) -> Iterator[bytes]:
    """The lines of a trip: vacant, hired with a rising fare, paid."""
    yield _line("vacant", 0, 0, "")
    for step in range(1, steps + 1):
        yield _line("hired", fare_yen * step // steps, 0, trip)
    yield _line("paid", fare_yen, discount_yen, trip)


def _line(state: Literal["vacant", "hired", "paid"], fare: int, discount: int, trip: str) -> bytes:
    reading = MeterReading(meter=1, state=state, fare_yen=fare, discount_yen=discount, trip=trip)
    return reading.model_dump_json().encode() + b"\n"
