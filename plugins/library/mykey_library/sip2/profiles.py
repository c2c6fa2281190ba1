"""What library systems do differently: one data file a system under `profiles/`, read into `SystemProfile`.

How a profile is acted on stands in `dialogue` and `remote`.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from mykey_library.sip2.charset import Charset
from mykey_library.sip2.errors import ConfigurationError
from mykey_library.sip2.framing import Terminator
from mykey_library.sip2.table import Codec


class SystemProfile(BaseModel):
    """How to speak to one kind of library system, as its client.

    `replays` is True for a system that answers a repeated message (same AY, same bytes) with its stored reply; only
    then is a request repeated after a time-out. `lists_items` is True when the lists of 64 hold item ids.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)

    title: str
    charset: Charset = Charset.UTF_8
    terminator: Terminator = Terminator.CR
    error_detection: bool = True
    replays: bool = False
    repeats_reply: bool = True  # answers 97
    leave_out_empty: bool = False
    lists_items: bool = True
    holds_counted: Literal["waiting", "all"] = "waiting"  # what the count and the list of holds (AS) contain
    blocking_flags: frozenset[int] = Field(default=frozenset({1}))  # which of the 14 positions forbid lending
    unsupported: frozenset[str] = frozenset()  # requests that the system does not know
    due_formats: tuple[str, ...] = ("sip", "%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%d", "%Y/%m/%d")
    currency: str = "JPY"
    pays_once: bool = False  # the same patron and BK are recorded once
    summary_blank: bool = True  # a 63 without any Y is understood
    keepalive_seconds: float = 300
    reply_seconds: float = 10
    obeys_timeout: bool = True  # take the time-out that the system tells (98) instead of reply_seconds
    retries: int = 3
    settle_seconds: float = 1  # how long a request of a broken connection may still be executed

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
        """The codec of a client of this system."""
        return Codec(self.charset, composed=True, unescape=True, leave_out_empty=self.leave_out_empty)


def _names() -> list[str]:
    folder = files("mykey_library.sip2") / "profiles"
    return sorted(entry.name.removesuffix(".toml") for entry in folder.iterdir() if entry.name.endswith(".toml"))


@cache
def system_profile(name: str) -> SystemProfile:
    """The shipped profile of a name: `standard`, `mykey`, `koha`, …; `ConfigurationError` lists them."""
    if name not in _names():
        raise ConfigurationError(f"there is no profile '{name}': there are {', '.join(_names())}")
    text = (files("mykey_library.sip2") / "profiles" / f"{name}.toml").read_text(encoding="utf-8")
    return _profile(f"profile {name}", tomllib.loads(text))


def profile_with(name: str, changes: Mapping[str, Any]) -> SystemProfile:
    """A shipped profile with some of its values replaced by those of a library."""
    base = system_profile(name)
    return _profile(f"profile {name}", {**base.model_dump(), **changes}) if changes else base


def _profile(where: str, values: Mapping[str, Any]) -> SystemProfile:
    try:
        return SystemProfile.model_validate(values)
    except ValidationError as error:
        raise ConfigurationError(explain(where, error)) from None


def explain(where: str | Path, error: ValidationError) -> str:
    """The first problem of a settings file, with its place, for the person who wrote it."""
    first = error.errors(include_input=False, include_url=False)[0]
    place = ".".join(str(part) for part in first["loc"])
    return f"{where}: {place}: {first['msg']}"
