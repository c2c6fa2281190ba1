"""A rule pack: one programme of one municipality for one span of days, read from TOML and validated.

What the members mean stands in `docs/reference/taxi-rule-packs.md`; how a ride is judged by them in `judge.py`.
"""

from __future__ import annotations

import hashlib
import json
import re
import tomllib
from datetime import date, time
from fractions import Fraction
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from mykey_taxi.errors import PackError
from mykey_taxi.rules.age import AgeBasis
from mykey_taxi.rules.expressions import GroundsExpression, parse_expression

Localised = dict[Literal["ja", "en", "ja-Hira"], str]
Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
WEEKDAYS: tuple[Weekday, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
Yen = Annotated[int, Field(ge=0, le=10_000_000, strict=True)]
PositiveYen = Annotated[int, Field(gt=0, le=10_000_000, strict=True)]
Count = Annotated[int, Field(ge=0, le=100_000, strict=True)]
_FRACTION = re.compile(r"(?:0|[1-9][0-9]{0,3})/[1-9][0-9]{0,3}|1")
_MINUTE = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]")
_MONTH_DAY = re.compile(r"(0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8])")
_WORDING: Any = {  # what a hash of the rules leaves out
    "sources": True,
    "assumed": True,
    "programme": {"title", "budget_yen"},
    "area": {"zones": {"__all__": {"title"}}},
}


def _checked_rate(text: str) -> str:
    if not _FRACTION.fullmatch(text) or Fraction(text) > 1:
        raise ValueError('a rate is a fraction not above one, such as "1/2"')
    return text


def _checked_minute(text: str) -> str:
    if not _MINUTE.fullmatch(text):
        raise ValueError('a time of day is HH:MM, such as "07:00"')
    return text


Rate = Annotated[str, AfterValidator(_checked_rate)]
Minute = Annotated[str, AfterValidator(_checked_minute)]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Programme(_Model):
    """Which programme, whose, and from which day of boarding to which (both included)."""

    id: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,31}$")]
    municipality: Annotated[str, Field(pattern=r"^[0-9]{5,6}$", description="code of the municipality, 5 or 6 digits")]
    title: Localised = Field(default_factory=dict)
    valid_from: date
    valid_to: date | None = None
    fiscal_year_start: str = "04-01"
    budget_yen: int | None = Field(default=None, ge=0, description="budget of a fiscal year, for the figures only")

    @field_validator("fiscal_year_start")
    @classmethod
    def _is_month_and_day(cls, value: str) -> str:
        if not _MONTH_DAY.fullmatch(value):
            raise ValueError("it is MM-DD, at most day 28")
        return value

    @model_validator(mode="after")
    def _ends_after_its_start(self) -> Self:
        if self.valid_to is not None and self.valid_to < self.valid_from:
            raise ValueError("valid_to is before valid_from")
        return self

    @property
    def year_start(self) -> tuple[int, int]:
        """(month, day) of the first day of the programme's year."""
        month, day = self.fiscal_year_start.split("-")
        return int(month), int(day)


class Eligibility(_Model):
    """Who may register: `any_of` and `none_of` are expressions over grounds and ages (TX-E1)."""

    any_of: tuple[str, ...] = Field(min_length=1)
    none_of: tuple[str, ...] = ()
    resident: bool = True
    age_basis: AgeBasis = "birthday"

    @field_validator("any_of", "none_of")
    @classmethod
    def _can_be_read(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for text in value:
            parse_expression(text)
        return value

    @property
    def grounds(self) -> tuple[GroundsExpression, ...]:
        """`any_of`, parsed."""
        return tuple(parse_expression(text) for text in self.any_of)

    @property
    def exclusions(self) -> tuple[GroundsExpression, ...]:
        """`none_of`, parsed."""
        return tuple(parse_expression(text) for text in self.none_of)


class Limits(_Model):
    """Uses of one person: by civil day and by fiscal year; absent means no limit (TX-L1 to TX-L6).

    `unit` says what a use of the year is: a ride, or a voucher (a ride may then take several). A day counts rides.
    """

    per_day: Count | None = None
    per_year: Count | None = None
    prorate: Literal["none", "monthly"] = "none"
    unit: Literal["ride", "voucher"] = "ride"


class Hours(_Model):
    """When a ride must begin (TX-H1); without `hours` at any time."""

    hours: tuple[Minute, Minute] | None = None
    weekdays: tuple[Weekday, ...] = WEEKDAYS
    time_basis: Literal["board", "board_and_alight"] = "board"
    end_inclusive: bool = True

    @model_validator(mode="after")
    def _closes_after_it_opens(self) -> Self:
        if self.hours is not None and time.fromisoformat(self.hours[1]) < time.fromisoformat(self.hours[0]):
            raise ValueError("hours: the end is before the start")
        return self


class Zone(_Model):
    """An area inside the city; `polygon` is a ring of [longitude, latitude] for maps and the GOFS export only."""

    id: Annotated[str, Field(min_length=1, max_length=64)]
    title: Localised = Field(default_factory=dict)
    polygon: tuple[tuple[float, float], ...] = ()

    @field_validator("polygon")
    @classmethod
    def _is_a_ring(cls, value: tuple[tuple[float, float], ...]) -> tuple[tuple[float, float], ...]:
        smallest = 4
        if value and (len(value) < smallest or value[0] != value[-1]):
            raise ValueError("a polygon is a closed ring of at least four points (RFC 7946)")
        return value


class Area(_Model):
    """Which end of a ride must be in one of `zones`; any other zone is outside the city (TX-A1)."""

    require: Literal["board_or_alight", "board", "alight", "both", "none"] = "board_or_alight"
    zones: tuple[Zone, ...] = ()

    @model_validator(mode="after")
    def _has_zones(self) -> Self:
        if self.require != "none" and not self.zones:
            raise ValueError("zones: at least one is needed unless require is 'none'")
        if len({zone.id for zone in self.zones}) != len(self.zones):
            raise ValueError("zones: an id stands twice")
        return self


class Band(_Model):
    """A part of the fares, up to but not including `below` yen: a rate with a cap, or a fixed amount."""

    below: PositiveYen | None = None
    rate: Rate | None = None
    cap: Yen | None = None
    amount: Yen | None = None

    @model_validator(mode="after")
    def _is_rate_or_amount(self) -> Self:
        if (self.rate is None) == (self.amount is None):
            raise ValueError("a band has either a rate or an amount")
        return self


class Solo(_Model):
    """One counted rider: `rate` with `cap`, or `bands` by fare, or vouchers of a fixed value."""

    rate: Rate | None = None
    cap: Yen | None = None
    bands: tuple[Band, ...] = ()
    voucher: PositiveYen | None = None
    max_vouchers: Annotated[int, Field(ge=1, le=100)] | None = None

    @model_validator(mode="after")
    def _is_one_kind(self) -> Self:
        if sum((self.rate is not None, bool(self.bands), self.voucher is not None)) != 1:
            raise ValueError("give one of rate, bands and voucher")
        if (self.voucher is None) != (self.max_vouchers is None):
            raise ValueError("voucher and max_vouchers go together")
        _check_bands(self.bands)
        return self


def _check_bands(bands: tuple[Band, ...]) -> None:
    bounds = [band.below for band in bands]
    if bands and (bounds[-1] is not None or None in bounds[:-1]):
        raise ValueError("bands: every band but the last has 'below', and the last has none")
    numbers = [bound for bound in bounds if bound is not None]
    if numbers != sorted(set(numbers)):
        raise ValueError("bands: 'below' must rise")


class Shared(_Model):
    """Two or more counted riders: an amount for each, or vouchers for each, or the same as alone."""

    per_rider: Yen | None = None
    voucher: PositiveYen | None = None
    max_vouchers: Annotated[int, Field(ge=1, le=100)] | None = None
    as_solo: bool = False

    @model_validator(mode="after")
    def _is_one_kind(self) -> Self:
        if sum((self.per_rider is not None, self.voucher is not None, self.as_solo)) != 1:
            raise ValueError("give one of per_rider, voucher and as_solo")
        if (self.voucher is None) != (self.max_vouchers is None):
            raise ValueError("voucher and max_vouchers go together")
        return self


class Rounding(_Model):
    """To which multiple of yen the share of the fare is rounded, and how (TX-S2)."""

    unit: Annotated[int, Field(ge=1, le=1000)] = 1
    mode: Literal["down", "up", "half_up"] = "down"


class Subsidy(_Model):
    """What a ride is worth. It is never more than the fare: `never_exceed_fare` can only be true (TX-S4)."""

    solo: Solo
    shared: Shared
    base: Literal["meter_after_operator_discount", "meter"] = "meter_after_operator_discount"
    never_exceed_fare: Literal[True] = True
    rounding: Rounding = Rounding()


class Overuse(_Model):
    """What becomes of a rider over a limit in a ride taken without network (TX-L5)."""

    offline_policy: Literal["pay_operator_flag_rider", "reject"] = "pay_operator_flag_rider"


class Source(_Model):
    """Where values come from: `members` are supported by `title`."""

    title: str
    members: tuple[str, ...] = ()
    note: str = ""


class Pack(_Model):
    """The whole pack. `assumed` names the members that no source states: the project's defaults."""

    programme: Programme
    eligibility: Eligibility
    limits: Limits
    service: Hours = Hours()
    area: Area
    subsidy: Subsidy
    overuse: Overuse = Overuse()
    sources: tuple[Source, ...] = ()
    assumed: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _counts_what_it_gives(self) -> Self:
        by_voucher = self.subsidy.solo.voucher is not None
        if by_voucher != (self.subsidy.shared.voucher is not None) or by_voucher != (self.limits.unit == "voucher"):
            raise ValueError("vouchers: solo, shared and limits.unit must all be by voucher, or none of them")
        for name in (*self.assumed, *(member for source in self.sources for member in source.members)):
            if not _has_member(self, name):
                raise ValueError(f"'{name}' is no member of a pack")
        return self

    @property
    def hash(self) -> str:
        """SHA-256 (hexadecimal) of the rules as canonical JSON; titles, budget and sources do not count."""
        rules = self.model_dump(mode="json", exclude=_WORDING)
        text = json.dumps(rules, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return hashlib.sha256(text.encode()).hexdigest()

    def covers(self, day: date) -> bool:
        """True when a ride boarded on `day` is judged by this pack."""
        end = self.programme.valid_to
        return self.programme.valid_from <= day and (end is None or day <= end)


def _has_member(pack: BaseModel, dotted: str) -> bool:
    kind: Any = pack
    for part in dotted.split("."):
        if not isinstance(kind, BaseModel) or part not in type(kind).model_fields:
            return False
        kind = getattr(kind, part)
    return True


def parse_pack(text: str, name: str = "pack") -> Pack:
    """A pack from TOML; `PackError` names the member that is wrong."""
    try:
        return Pack.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise PackError(name, "", f"it is no valid TOML: {error}") from error
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise PackError(name, place, first["msg"]) from error
