"""The meter's lines: the simulator and the reader agree, and noise on the wire is never taken for a fare."""

from __future__ import annotations

import io
import json

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from mykey_taxi.cab.meter import MeterReading, fare_from, readings, simulated
from mykey_taxi.cli import taxi
from mykey_taxi.errors import InputError

PAID = b'{"meter": 1, "state": "paid", "fare_yen": 1430, "discount_yen": 130, "trip": "000123"}\n'
NOISE = st.lists(st.binary(max_size=80).filter(lambda line: b"paid" not in line), max_size=20)


@given(st.integers(1, 1_000_000), st.integers(0, 1_000_000))
def test_the_simulator_is_understood(fare: int, discount: int) -> None:
    """What the simulator says at the end of a trip is what the cab reads."""
    reading = fare_from(io.BytesIO(b"".join(simulated(fare, discount_yen=discount))))
    assert (reading.fare_yen, reading.discount_yen, reading.state) == (fare, discount, "paid")


def test_the_documented_line_is_read() -> None:
    """The example of the driver's guide."""
    assert fare_from(io.BytesIO(PAID)) == MeterReading(
        meter=1, state="paid", fare_yen=1430, discount_yen=130, trip="000123"
    )


def test_the_command_writes_lines_that_are_read() -> None:
    """`mykey taxi meter`: vacant, a rising fare, paid; one JSON object a line."""
    run = CliRunner().invoke(taxi, ["meter", "1430", "--discount", "130"])
    lines = [json.loads(line) for line in run.stdout_bytes.splitlines()]
    assert [line["state"] for line in lines] == ["vacant", *["hired"] * 4, "paid"]
    assert [line["fare_yen"] for line in lines] == sorted(line["fare_yen"] for line in lines)
    assert fare_from(io.BytesIO(run.stdout_bytes)).discount_yen == 130


@given(NOISE, NOISE)
def test_noise_around_a_fare_is_left_out(before: list[bytes], after: list[bytes]) -> None:
    """Any bytes before and after: the fare is the paid one, and nothing but readings comes out."""
    stream = b"\n".join([*before, b""]) + PAID + b"\n".join(after)
    assert fare_from(io.BytesIO(stream)).fare_yen == 1430


@given(NOISE)
def test_noise_alone_is_a_typed_error(lines: list[bytes]) -> None:
    """A meter that ends without a fare asks for the fare to be typed."""
    with pytest.raises(InputError) as caught:
        fare_from(io.BytesIO(b"\n".join(lines)))
    assert (caught.value.code, caught.value.place) == ("taxi.input_invalid", "meter")


@pytest.mark.parametrize(
    "line",
    [
        PAID.replace(b"1430", b"-1"),
        PAID.replace(b"1430", b"14.5"),
        PAID.replace(b"1430", b'"1430"'),
        PAID.replace(b"1430", b"1000001"),
        PAID.replace(b'"meter": 1', b'"meter": 2'),
        PAID.replace(b"000123", b"1" * 33),
        PAID.rstrip() + b" " * 2_000 + b"x\n",
        PAID[:40],
        b"[" * 1_000 + b"\n",
    ],
)
def test_lines_of_another_form_are_no_reading(line: bytes) -> None:
    """Negative, fractional, quoted or too large fares, another version, cut and endless lines."""
    if line.endswith(b"x\n"):
        assert len(list(readings([line]))) == 1  # beyond the longest line nothing is read
    else:
        assert list(readings([line])) == []
