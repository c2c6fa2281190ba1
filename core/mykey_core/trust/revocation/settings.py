"""The `[revocation]` table of the trust settings: which sources, in which order, and what outages may last.

Typed and checked on loading; unsafe combinations stop the start. Objects are made from it in `build`.
"""

from __future__ import annotations

import os
import tomllib
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from mykey_core.errors import ConfigurationError
from mykey_core.settings_environment import overlay
from mykey_core.trust.revocation.budget import RiskClass

Seconds = Annotated[timedelta, Field(gt=timedelta(0))]
FAULTS = {"missing": "missing", "extra_forbidden": "unknown"}
"""pydantic's name of a fault -> `ConfigurationError.fault`."""
TownCode = Annotated[str, Field(pattern=r"^\d{6}$")]


class Environment(StrEnum):
    """What the hub is for. Only a test may do without revocation checks, or trust the emulator's CA."""

    PRODUCTION = "production"
    TEST = "test"


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class CrlFileSettings(_Model):
    """CRL files in a directory."""

    type: Literal["crl-file"]
    name: str = "crl-file"
    directory: Path
    max_bytes: int = Field(default=1 << 30, gt=0)


class CrlHttpSettings(_Model):
    """CRLs that `mykey trust update` fetches."""

    type: Literal["crl-http"]
    name: str = "crl-http"
    urls: tuple[str, ...] = Field(min_length=1)
    deadline: Seconds = timedelta(minutes=5)
    timeout: Seconds = timedelta(seconds=5)
    max_bytes: int = Field(default=1 << 30, gt=0)
    proxy: str | None = None


class _Breaking(_Model):
    timeout: Seconds = timedelta(seconds=5)
    attempts: int = Field(default=2, ge=1, le=5)
    breaker_failures: int = Field(default=5, ge=1)
    breaker_pause: Seconds = timedelta(seconds=30)
    proxy: str | None = None


class OcspSourceSettings(_Breaking):
    """An OCSP responder; without `url` the address in the certificate is asked."""

    type: Literal["ocsp"]
    name: str = "ocsp"
    url: str | None = None
    skew: Annotated[timedelta, Field(ge=timedelta(0))] = timedelta(minutes=15)
    max_age: Seconds = timedelta(minutes=2)
    designated_responders: tuple[Path, ...] = ()
    sha1_identifier: bool = False


class OperatorSourceSettings(_Breaking):
    """A platform operator. The access token is in a file, so that it is in no settings, log or process list."""

    type: Literal["operator"]
    name: str = "operator"
    url: str
    token_file: Path
    max_age_crl: Seconds = timedelta(hours=24, minutes=15)
    max_age_ocsp: Seconds = timedelta(minutes=17)


class NoneSettings(_Model):
    """No check at all: for tests that are about something else."""

    type: Literal["none"]
    name: str = "none"


SourceSettings = Annotated[
    CrlFileSettings | CrlHttpSettings | OcspSourceSettings | OperatorSourceSettings | NoneSettings,
    Field(discriminator="type"),
]


class RevocationSettings(_Model):
    """The whole table. `sources` are asked in this order; times are seconds or ISO 8601 (`PT24H`)."""

    environment: Environment = Environment.PRODUCTION
    anchors: tuple[Path, ...] = Field(min_length=1)
    state: Path
    sources: tuple[SourceSettings, ...] = Field(min_length=1)
    unknown_falls_back: bool = False
    budget: dict[TownCode, dict[RiskClass, timedelta]] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _refuse_unsafe(self) -> RevocationSettings:
        names = [source.name for source in self.sources]
        if len(set(names)) != len(names):
            raise ValueError("two sources have one name: give each a 'name' of its own")
        if "none" in {source.type for source in self.sources}:
            if self.environment is not Environment.TEST:
                raise ValueError("source 'none' switches revocation checks off: only environment = 'test' may name it")
            if len(self.sources) > 1:
                raise ValueError("source 'none' excludes every other: remove it or the others")
        return self


class _Table(_Model):
    """A file as far as this module knows it."""

    revocation: RevocationSettings


def load_settings(path: Path) -> RevocationSettings:
    """Read the `[revocation]` table of a TOML file. Relative paths are relative to that file; the environment wins.

    Raises:
        ConfigurationError: the file cannot be read, or a value is wrong; the message says which and what to do.
    """
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigurationError(str(path), f"cannot be read ({error.strerror}): name an existing file") from error
    except ValueError as error:
        raise ConfigurationError(str(path), f"is no TOML: {error}") from error
    table = raw.get("revocation")
    if not isinstance(table, dict):
        raise ConfigurationError("revocation", f"there is no table [revocation] in {path}: add one")
    overlay(raw, _Table, os.environ)
    return parse_settings(table, base=path.parent)


def parse_settings(table: dict[str, object], *, base: Path) -> RevocationSettings:
    """As `load_settings`, for a table that was read already; `base` is where relative paths begin."""
    try:
        settings = RevocationSettings.model_validate(table)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in ("revocation", *first["loc"]))
        raise ConfigurationError(
            where, _said(first["type"], first["msg"]), fault=FAULTS.get(first["type"], "")
        ) from None
    return _absolute(settings, base)


def _said(kind: str, message: str) -> str:
    if kind == "extra_forbidden":
        return "there is no such setting: docs/reference/settings.md lists them; correct or remove it"
    return message.removeprefix("Value error, ")


def _absolute(settings: RevocationSettings, base: Path) -> RevocationSettings:
    def source(one: SourceSettings) -> SourceSettings:
        if isinstance(one, CrlFileSettings):
            return one.model_copy(update={"directory": base / one.directory})
        if isinstance(one, OcspSourceSettings):
            return one.model_copy(update={"designated_responders": tuple(base / p for p in one.designated_responders)})
        if isinstance(one, OperatorSourceSettings):
            return one.model_copy(update={"token_file": base / one.token_file})
        return one

    return settings.model_copy(
        update={
            "anchors": tuple(base / anchor for anchor in settings.anchors),
            "state": base / settings.state,
            "sources": tuple(source(one) for one in settings.sources),
        }
    )
