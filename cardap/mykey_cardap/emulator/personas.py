"""The synthetic people of `data/personas.toml`: who they are and what is special about their card.

Certificates and cards are made from these by `jpki/` and `cards.py`.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum, unique
from functools import cache
from importlib.resources import files
from typing import Any

from mykey_cardap.emulator.contents.holder import CardHolder, CardSex
from mykey_cardap.emulator.epoch import card_expiry, epoch_year, today_in_japan
from mykey_cardap.kinds import CertificateKind

_SEX = {
    "female": CardSex.FEMALE,
    "male": CardSex.MALE,
    "not-applicable": CardSex.NOT_APPLICABLE,
    "not-known": CardSex.NOT_KNOWN,
}


class UnknownPersonaError(LookupError):
    """There is no persona of this name; `mykey card personas` lists them."""


@unique
class CardType(StrEnum):
    """What kind of card or token holds the keys."""

    MY_NUMBER = "my-number"
    JUKI = "juki"
    ANDROID = "android"
    IOS = "ios"
    NEXT_GENERATION = "next-generation"

    @property
    def is_phone(self) -> bool:
        """Whether the token lives in a phone: the JPKI application only, and nothing readable without PIN."""
        return self in {CardType.ANDROID, CardType.IOS}


@unique
class Issuer(StrEnum):
    """Who signed the persona's certificates; all but GENUINE must be refused by a verifier."""

    GENUINE = "genuine"
    FORGED = "forged"
    UNKNOWN = "unknown"
    SELF = "self"


@dataclass(frozen=True, slots=True)
class Text:
    """A text for people in Japanese and English."""

    ja: str
    en: str


@dataclass(frozen=True, slots=True)
class Municipality:
    """A municipality: six-digit code with check digit, and its names as certificates write them."""

    code: str
    name: Text
    prefecture: str
    city: str

    @property
    def five_digits(self) -> str:
        """The code without its check digit, as certificates and cards write it."""
        return self.code[:-1]


@dataclass(frozen=True, slots=True)
class Revocation:
    """Why the persona's certificates of these kinds are on the CRL (`reason`: RFC 5280 name)."""

    reason: str
    kinds: frozenset[CertificateKind]


@dataclass(frozen=True, slots=True, kw_only=True)
class Persona:
    """One synthetic card owner. PINs are for the virtual card only; `repr` shows none of the secrets.

    `remaining` overrides tries left by PIN name. `replaces`, `serial_of` and `certificates_of` name other
    personas (see `data/personas.toml`). `epoch` is the year that all relative dates count from.
    """

    name: str
    title: Text
    purpose: Text
    auth_pin: str = field(repr=False)
    sign_pin: str = field(repr=False)
    text_pin: str = field(repr=False)
    holder: CardHolder = field(repr=False)
    municipality: Municipality
    card: CardType
    issuer: Issuer
    generation: int
    issued: date
    epoch: int
    has_signature_certificate: bool
    uses_pins: bool
    remaining: Mapping[str, int]
    revocation: Revocation | None = None
    replaces: str | None = None
    serial_of: str | None = None
    certificates_of: str | None = None

    @property
    def number_a(self) -> str:
        """照合番号A: the twelve digits of the (invented) 個人番号."""
        return self.holder.number_a

    @property
    def number_b(self) -> str:
        """照合番号B: fourteen digits (§5 of the reference)."""
        return self.holder.number_b

    def has(self, kind: CertificateKind) -> bool:
        """Whether the card holds a certificate of this kind."""
        return kind is CertificateKind.AUTHENTICATION or self.has_signature_certificate


def names() -> list[str]:
    """Names of all personas, in the order of the data file."""
    return list(_data()["personas"])


def substitutes() -> Mapping[str, str]:
    """Characters that certificates cannot write and what they write instead (代替文字)."""
    found: Mapping[str, str] = _data()["substitutes"]
    return found


def municipality(code: str) -> Municipality:
    """The municipality with this six-digit code; `UnknownPersonaError` for a town without people here."""
    fields = _data()["municipalities"].get(code)
    if fields is None:
        raise UnknownPersonaError(f"no persona lives in a municipality with the code {code}")
    return Municipality(code, Text(**fields["name"]), fields["prefecture"], fields["city"])


def load(name: str, today: date | None = None) -> Persona:
    """The persona `name` as of the epoch of `today` (default: today in Japan)."""
    return _load(name, epoch_year(today or today_in_japan()))


@cache
def _data() -> dict[str, Any]:
    text = (files("mykey_cardap.emulator") / "data" / "personas.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)


@cache
def _load(name: str, epoch: int) -> Persona:
    data = _data()
    if name not in data["personas"]:
        raise UnknownPersonaError(f"there is no persona '{name}'; `mykey card personas` lists them")
    fields = {**data["defaults"], **data["personas"][name]}
    years, month, day = fields["issued"]
    issued = date(epoch + years, month, day)
    revocation = fields.get("revocation")
    return Persona(
        name=name,
        title=Text(**fields["title"]),
        purpose=Text(**fields["purpose"]),
        auth_pin=fields["auth_pin"],
        sign_pin=fields["sign_pin"],
        text_pin=fields["text_pin"],
        holder=_holder(fields, epoch, issued),
        municipality=municipality(fields["municipality"]),
        card=CardType(fields["card"]),
        issuer=Issuer(fields["issuer"]),
        generation=fields["generation"],
        issued=issued,
        epoch=epoch,
        has_signature_certificate=fields["signature_certificate"],
        uses_pins=fields.get("pin_use", True),
        remaining=fields.get("remaining", {}),
        revocation=_revocation(revocation) if revocation else None,
        replaces=fields.get("replaces"),
        serial_of=fields.get("serial_of"),
        certificates_of=fields.get("certificates_of"),
    )


def _holder(fields: Mapping[str, Any], epoch: int, issued: date) -> CardHolder:
    birth = fields.get("birth") or _birth_before(epoch, *fields["birth_before_epoch"])
    return CardHolder(
        name=fields["person"],
        former_name=fields.get("former_name"),
        address=fields["address"],
        birth_date=birth,
        sex=_SEX[fields["sex"]],
        number_a=fields["number_a"],
        card_expiry=card_expiry(birth, issued),
        security_code=fields["security_code"],
        municipality_code=fields["municipality"],
        manufacture_serial=fields["serial"],
    )


def _birth_before(epoch: int, years: int, month: int, day: int) -> date:
    return date(epoch - years, month, day)


def _revocation(fields: Mapping[str, Any]) -> Revocation:
    return Revocation(fields["reason"], frozenset(CertificateKind(kind) for kind in fields["kinds"]))
