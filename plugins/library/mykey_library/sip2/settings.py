"""The settings file of the SIP2 server: the library, the accounts of its machines, limits and time-outs.

Profiles of library systems that we are the client of stand in `profiles`.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from mykey_library.sip2.charset import Charset
from mykey_library.sip2.errors import ConfigurationError
from mykey_library.sip2.framing import DEFAULT_LIMIT, ErrorDetection, Terminator
from mykey_library.sip2.profiles import explain
from mykey_library.sip2.table import Codec


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)


class Account(_Model):
    """One self-check machine, or several that log in alike.

    `password_hash` comes from `mykey library sip2-password`. `exclusive`: a new login ends the earlier connection of
    the account, so that nothing of it can be executed any more; set it when each machine has an account of its own.
    """

    user: str = Field(min_length=1, max_length=64)
    password_hash: str = Field(repr=False)
    branch: str = ""
    charset: Charset = Charset.UTF_8
    terminator: Terminator = Terminator.CR
    error_detection: ErrorDetection = ErrorDetection.STICKY
    resend_with_sequence: bool = True
    hide_fields: frozenset[str] = frozenset({"AE", "BD", "BE", "BF"})
    due_format: str = "sip"
    language: Literal["ja", "en", "ja-Hira"] = "ja"
    exclusive: bool = False

    @field_validator("charset", mode="before")
    @classmethod
    def _charset(cls, value: object) -> object:
        if isinstance(value, str):
            try:
                return Charset.named(value)
            except LookupError:
                raise ValueError("write utf-8, cp932, euc-jp, ascii or iso-8859-1") from None
        return value

    @property
    def codec(self) -> Codec:
        """The codec of a server for this machine."""
        return Codec(self.charset)


class Tls(_Model):
    """Certificate chain and key as PEM files; without this table the server speaks plainly, for use behind stunnel."""

    certificate: Path
    key: Path


class ServerSettings(_Model):
    """The whole file. `institution` is AO, `library` the name that machines show (AM)."""

    institution: str = Field(min_length=1, max_length=255)
    library: str = Field(default="", max_length=255)
    currency: str = Field(default="JPY", pattern="^[A-Z]{3}$")
    status_before_login: bool = False
    message_limit: int = Field(default=DEFAULT_LIMIT, ge=512, le=1 << 20)
    connections: int = Field(default=200, ge=1, le=10_000)
    login_seconds: float = Field(default=30, gt=0)
    idle_seconds: float = Field(default=900, gt=0)
    reply_seconds: float = Field(default=10, gt=0, le=99.9)
    retries: int = Field(default=3, ge=0, le=998)
    tls: Tls | None = None
    accounts: tuple[Account, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _distinct(self) -> ServerSettings:
        users = [account.user for account in self.accounts]
        if len(set(users)) != len(users):
            raise ValueError("two accounts have the same user")
        return self


def load_server_settings(path: Path) -> ServerSettings:
    """Read the file; `ConfigurationError` names the first problem and its place."""
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be read ({error.strerror})") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path}: {error}") from None
    try:
        return ServerSettings.model_validate(values)
    except ValidationError as error:
        raise ConfigurationError(explain(path, error)) from None
