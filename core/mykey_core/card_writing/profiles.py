"""What a plugin's manifest says about its slot on the card, and how the data it hands over become a service's content.

A plugin never sees an APDU or a tag: it declares fields, limits and access, and hands over values.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Annotated, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from mykey_cardap.service_application.errors import InvalidServiceDataError
from mykey_cardap.service_application.numbers import (
    ANY_PERIOD,
    MAX_LABEL,
    MAX_PROFILE,
    MAX_SERVICE,
    NEVER,
    UNLIMITED,
    Flag,
    Role,
)
from mykey_cardap.service_application.numbers import FREE as EVERYBODY
from mykey_cardap.service_application.profile import AccessRules, NewService, Parameters
from mykey_core.card_writing.errors import WritingCode, WritingRefused

_I32: Final = 0x7FFFFFFF
_TAGS: Final = range(0xC1, 0xDF)  # private class, primitive, one byte: (tags C0 and DF.. have other uses on the card)
_HEAD: Final = 2
_Who = Literal["admin", "read", "debit", "credit", "everybody", "nobody"]
_WHO: Final[Mapping[str, int]] = {
    "admin": Role.ADMIN,
    "read": Role.READ,
    "debit": Role.DEBIT,
    "credit": Role.CREDIT,
    "everybody": EVERYBODY,
    "nobody": NEVER,
}
Value = str | int | date


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class CardField(_Model):
    """One value in the slot's profile file. `size` is the most bytes that it takes (text: UTF-8)."""

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,31}$")]
    type: Literal["text", "integer", "date"] = "text"
    size: int = Field(default=32, ge=1, le=120)
    title: dict[Literal["ja", "en", "ja-Hira"], str] = Field(default_factory=dict)
    """What a counter calls it; the name where it has none."""

    def encode(self, value: Value) -> bytes:
        """The value's bytes; `profile_does_not_fit` for a value of another type or too long."""
        raw = self._bytes(value)
        if raw is None or len(raw) > self.size:
            raise WritingRefused(WritingCode.PROFILE_DOES_NOT_FIT, f"the value of {self.name}")
        return raw

    def from_json(self, value: str | int) -> Value:
        """A value of JSON: dates come as 2030-03-31. `profile_does_not_fit` for a text that is no date."""
        if self.type != "date":
            return value
        try:
            return date.fromisoformat(str(value))
        except ValueError:
            raise WritingRefused(WritingCode.PROFILE_DOES_NOT_FIT, f"the value of {self.name}") from None

    def _bytes(self, value: Value) -> bytes | None:
        if self.type == "text" and isinstance(value, str):
            return value.encode()
        if self.type == "date" and isinstance(value, date):
            return value.isoformat().encode()
        if self.type == "integer" and isinstance(value, int) and 0 <= value < 1 << 8 * self.size:
            return value.to_bytes(max(1, -(-value.bit_length() // 8)), "big")
        return None


class CardLimits(_Model):
    """Limits that the card itself enforces, in yen and rides; `cap` bounds one transaction, `allowance` a period."""

    lower: int = Field(default=0, ge=-_I32, le=_I32)
    upper: int = Field(default=_I32, ge=-_I32, le=_I32)
    cap: int = Field(default=UNLIMITED, ge=0, le=UNLIMITED)
    allowance: int = Field(default=0, ge=0, le=ANY_PERIOD)
    last_period: int = Field(default=ANY_PERIOD, ge=0, le=ANY_PERIOD)
    transactions: int = Field(default=UNLIMITED, ge=1, le=UNLIMITED)
    ride_debits_value: bool = False

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.lower > self.upper:
            raise ValueError("the lower limit is above the upper one")
        return self


class CardAccess(_Model):
    """Which key may do what; the defaults are least privilege."""

    profile_read: _Who = "read"
    profile_write: _Who = "admin"
    value_read: _Who = "read"
    value_debit: _Who = "debit"
    value_credit: _Who = "credit"
    rides_read: _Who = "read"
    rides_debit: _Who = "debit"
    rides_credit: _Who = "credit"
    log_read: _Who = "read"
    change_access: _Who = "admin"

    @property
    def rules(self) -> AccessRules:
        """As the card has them."""
        return AccessRules(**{name: _WHO[who] for name, who in self.model_dump().items()})

    @model_validator(mode="after")
    def _possible(self) -> Self:
        try:
            AccessRules(**{name: _WHO[who] for name, who in self.model_dump().items()})
        except InvalidServiceDataError as error:
            raise ValueError(str(error)) from None
        return self


class CardProfile(_Model):
    """`[card_profile]` of a manifest: the slot's number on the card, its label, fields, limits and access.

    `service` is the number of the slot (reference §6.2: library 01xx, staff 02xx, taxi 03xx, …). Fields get their
    tags by their place, so a later version of a profile may only add fields at the end.
    """

    service: int = Field(ge=0x0100, le=MAX_SERVICE)
    label: str
    fields: tuple[CardField, ...] = Field(min_length=1, max_length=len(_TAGS))
    limits: CardLimits = CardLimits()
    access: CardAccess = CardAccess()

    @field_validator("label")
    @classmethod
    def _label_fits(cls, value: str) -> str:
        if not 0 < len(value.encode()) <= MAX_LABEL:
            raise ValueError(f"a label has 1 to {MAX_LABEL} bytes of UTF-8")
        return value

    @model_validator(mode="after")
    def _fits(self) -> Self:
        names = [line.name for line in self.fields]
        if len(set(names)) != len(names):
            raise ValueError("two fields have one name")
        if self.size > MAX_PROFILE:
            raise ValueError(f"the fields take {self.size} bytes, and a slot has {MAX_PROFILE}")
        return self

    @property
    def size(self) -> int:
        """The most bytes that the fields take on the card."""
        return sum(_HEAD + line.size for line in self.fields)

    def values_from_json(self, values: Mapping[str, str | int]) -> dict[str, Value]:
        """Values as JSON has them, as the fields' types; unknown names stay, and `image` refuses them."""
        fields = {line.name: line for line in self.fields}
        return {name: fields[name].from_json(text) if name in fields else text for name, text in values.items()}

    def image(self, issuer: int, data: CardData) -> ServiceImage:
        """What the card shall have; `profile_does_not_fit` before any card is touched."""
        if data.values.keys() - {line.name for line in self.fields}:
            raise WritingRefused(WritingCode.PROFILE_DOES_NOT_FIT, "a value that the profile does not have")
        limits = self.limits
        if not limits.lower <= data.value <= limits.upper or not 0 <= data.period <= limits.last_period:
            raise WritingRefused(WritingCode.PROFILE_DOES_NOT_FIT, "the value or period to begin with")
        if not 0 <= data.rides <= ANY_PERIOD:
            raise WritingRefused(WritingCode.PROFILE_DOES_NOT_FIT, "the rides to begin with")
        return ServiceImage(
            service=self.service,
            issuer=issuer,
            label=self.label,
            profile_size=self.size,
            profile=self._encoded(data.values),
            parameters=_parameters(limits),
            access=self.access.rules,
            value=data.value,
            rides=data.rides,
            period=data.period,
        )

    def _encoded(self, values: Mapping[str, Value]) -> bytes:
        parts = []
        for tag, line in zip(_TAGS, self.fields, strict=False):
            if line.name in values:
                raw = line.encode(values[line.name])
                parts.append(bytes((tag, len(raw))) + raw)
        if not parts:
            raise WritingRefused(WritingCode.PROFILE_DOES_NOT_FIT, "no value at all")
        return b"".join(parts)


@dataclass(frozen=True, slots=True)
class CardData:
    """What a plugin hands over for one card: values by field name, and what a new slot begins with (yen, rides)."""

    values: Mapping[str, Value] = field(repr=False)
    value: int = 0
    rides: int = 0
    period: int = 0


@dataclass(frozen=True, slots=True)
class ServiceImage:
    """A service as it shall be on the card, but for its keys. `value`, `rides`, `period` are for a new one only."""

    service: int
    issuer: int
    label: str
    profile_size: int
    profile: bytes = field(repr=False)
    parameters: Parameters = field(default_factory=Parameters)
    access: AccessRules = field(default_factory=AccessRules)
    value: int = 0
    rides: int = 0
    period: int = 0

    @property
    def new_service(self) -> NewService:
        """What CREATE needs."""
        return NewService(
            service=self.service,
            issuer=self.issuer,
            label=self.label,
            profile_size=self.profile_size,
            parameters=self.parameters,
            access=self.access,
            value=self.value,
            rides=self.rides,
            period=self.period,
        )


def _parameters(limits: CardLimits) -> Parameters:
    return Parameters(
        lower=limits.lower,
        upper=limits.upper,
        cap=limits.cap,
        allowance=limits.allowance,
        last_period=limits.last_period,
        transaction_limit=limits.transactions,
        flags=Flag.RIDE_DEBITS_VALUE if limits.ride_debits_value else Flag(0),
    )


def check_profiles(profiles: Mapping[str, CardProfile]) -> None:
    """Refuse two plugins that claim one slot: `profile_aid_clash`, before any card is touched."""
    owners: dict[int, str] = {}
    for plugin, profile in sorted(profiles.items()):
        first = owners.setdefault(profile.service, plugin)
        if first != plugin:
            raise WritingRefused(WritingCode.PROFILE_AID_CLASH, f"{first} and {plugin} claim {profile.service:04X}")


DEMO: Final = CardProfile.model_validate(
    {
        "service": 0x0301,
        "label": "demo",
        "fields": [
            {"name": "number", "type": "text", "size": 16},
            {"name": "valid_until", "type": "date", "size": 10},
            {"name": "class", "type": "integer", "size": 2},
        ],
        "limits": {"upper": 50_000, "cap": 5_000, "allowance": 4, "ride_debits_value": True},
    }
)
"""The built-in profile of campaigns without a plugin."""
