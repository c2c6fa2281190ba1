"""The hub's settings: one TOML file, validated at start, with unsafe combinations refused.

Relative paths are relative to the file. The environment wins (`settings_environment`): a database's address may hold
a password, and a container has no file of its own for each place.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, ValidationError, field_validator, model_validator

from mykey_core.authentication.origin import check_origin
from mykey_core.card_writing.settings import CardWritingSettings
from mykey_core.counter.settings import CounterSettings
from mykey_core.errors import ConfigurationError
from mykey_core.identity.settings import IdentitySettings
from mykey_core.portal.settings import SessionSettings
from mykey_core.settings_environment import given, overlay
from mykey_core.tenancy.codes import is_municipality_code
from mykey_core.trust.revocation.settings import FAULTS, Environment, RevocationSettings, parse_settings
from mykey_core.worker.settings import JobSettings


class TrustSettings(BaseModel):
    """Pinned CA certificates of the authentication certificates, all generations (PEM files)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    authentication_ca: tuple[Path, ...] = Field(min_length=1)


class HubSettings(BaseModel):
    """Everything that a hub process is told.

    `environment` is `demo` or `test` for synthetic cards; only these accept the anchors of the emulated JPKI, a
    loopback origin without https, and `show_evidence` (checks and audit record in every reply). `database_owner_url`
    is the PostgreSQL role that owns the tables, for `mykey db` only; the hub runs as that of `database_url`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    environment: Literal["production", "demo", "test"] = "production"
    municipality: str
    municipality_title: dict[Literal["ja", "en", "ja-Hira"], str]
    origin: str
    database_url: str = "sqlite:///hub.sqlite3"
    database_owner_url: str | None = None
    keys_file: Path = Path("keys.json")
    audit_key_file: Path = Path("audit-key.pem")
    terminal_key_file: Path = Path("terminal-key.pem")
    plugins_file: Path = Path("plugins.toml")
    resident_distribution_points: tuple[str, ...] = ()
    show_evidence: bool = False
    trust: TrustSettings
    revocation: RevocationSettings
    identity: IdentitySettings = IdentitySettings()
    card_writing: CardWritingSettings = CardWritingSettings()
    sessions: SessionSettings = SessionSettings()
    counter: CounterSettings = CounterSettings()
    jobs: JobSettings = JobSettings()
    provider_key_file: Path = Path("provider-keys.json")
    campaigns_folder: Path = Path("campaigns")
    metrics_token_file: Path | None = None
    _file: Path | None = PrivateAttr(default=None)

    @field_validator("municipality")
    @classmethod
    def _has_check_digit(cls, value: str) -> str:
        if not is_municipality_code(value):
            raise ValueError("it is the six-digit code with its check digit, such as 132217")
        return value

    @model_validator(mode="after")
    def _is_safe(self) -> Self:
        if self.environment == "production" and self.show_evidence:
            raise ValueError("show_evidence is for the demo and tests only")
        if self.environment == "production" and self.revocation.environment is not Environment.PRODUCTION:
            raise ValueError("revocation.environment must be 'production' like the hub's")
        return self

    @property
    def file(self) -> Path | None:
        """Where they were read from; None for settings that were made in a program."""
        return self._file

    @property
    def synthetic(self) -> bool:
        """True where only synthetic cards are used."""
        return self.environment != "production"


def load_settings(path: Path, environment: Mapping[str, str] = os.environ) -> HubSettings:
    """Read, complete and check the settings; `ConfigurationError` names the member or variable and what to do."""
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        message = "the file does not exist: make one with `mykey hub init`"
        raise ConfigurationError("config", message, fault="no_file") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError("config", f"it is no valid TOML: {error}") from error
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError("config", f"the file cannot be read: {type(error).__name__}") from error
    overlay(raw, HubSettings, environment)
    folder = path.resolve().parent
    if "revocation" in raw:
        raw["revocation"] = parse_settings(raw["revocation"], base=folder)
    try:
        settings = HubSettings.model_validate(raw)
    except ValidationError as error:
        raise _explained(error, given(HubSettings, environment)) from error
    check_origin(settings.origin, loopback_allowed=settings.synthetic)
    absolute = _absolute(settings, folder)
    absolute._file = path.resolve()  # noqa: SLF001 - ours: not a member that a file could name
    return absolute


def _explained(error: ValidationError, variables: Mapping[str, str]) -> ConfigurationError:
    """The first fault, by the name that its writer used, with what to do; values are never repeated."""
    first = error.errors(include_input=False)[0]
    place = ".".join(str(part) for part in first["loc"])
    more = f" ({error.error_count() - 1} more after it)" if error.error_count() > 1 else ""
    fault = FAULTS.get(first["type"], "")
    return ConfigurationError(
        variables.get(place, place) or "config", _what_to_do(dict(first), place) + more, fault=fault
    )


def _what_to_do(fault: dict[str, Any], place: str) -> str:
    table, _, member = place.rpartition(".")
    if fault["type"] == "missing":
        where = f"[{table}] of the file" if table else "the file, above its first table"
        return f"it is missing: write `{member} = …` into {where}; docs/reference/settings.md says what it means"
    if fault["type"] == "extra_forbidden":
        close = get_close_matches(member, [] if table else list(HubSettings.model_fields), n=1)
        meant = f"did you mean `{close[0]}`? " if close else ""
        return f"there is no such setting: {meant}docs/reference/settings.md lists them; correct or remove it"
    words = str(fault["msg"]).removeprefix("Value error, ")
    return f"{words[:1].lower()}{words[1:]}; docs/reference/settings.md says what it takes"


def _absolute(settings: HubSettings, folder: Path) -> HubSettings:
    trust = settings.trust.model_copy(
        update={"authentication_ca": tuple(folder / path for path in settings.trust.authentication_ca)}
    )
    url = settings.database_url
    relative = "sqlite:///"
    if url.startswith(relative) and not url.startswith("sqlite:////"):
        url = relative + str(folder / url.removeprefix(relative))
    return settings.model_copy(
        update={
            "trust": trust,
            "identity": settings.identity.below(folder),
            "card_writing": settings.card_writing.below(folder),
            "jobs": settings.jobs.below(folder),
            "provider_key_file": folder / settings.provider_key_file,
            "database_url": url,
            "keys_file": folder / settings.keys_file,
            "audit_key_file": folder / settings.audit_key_file,
            "terminal_key_file": folder / settings.terminal_key_file,
            "plugins_file": folder / settings.plugins_file,
            "campaigns_folder": folder / settings.campaigns_folder,
            "metrics_token_file": settings.metrics_token_file and folder / settings.metrics_token_file,
        }
    )
