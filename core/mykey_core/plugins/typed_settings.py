"""Settings of a plugin: declared with a type in its manifest, given in `plugins.toml`, secrets by the environment."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from mykey_core.plugins.errors import PluginConfigError, suggestion

_TYPES: Mapping[str, type] = {"text": str, "integer": int, "boolean": bool, "choice": str, "secret": str}


class Setting(BaseModel):
    """One `[[settings]]` of a manifest. Without a default the municipality must give it.

    A `secret` is never in a file: it comes from the environment as `MYKEY_<PLUGIN>_<NAME>`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
    title: dict[Literal["ja", "en", "ja-Hira"], str]
    type: Literal["text", "integer", "boolean", "choice", "secret"]
    default: str | int | bool | None = None
    choices: tuple[str, ...] = ()
    minimum: int | None = None
    maximum: int | None = None

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        if (self.type == "choice") != bool(self.choices):
            raise ValueError("a choice has choices, and nothing else has")
        if self.type == "secret" and self.default is not None:
            raise ValueError("a secret has no default")
        if self.default is not None and (wrong := self.complaint(self.default)):
            raise ValueError(f"the default {wrong}")
        return self

    def complaint(self, value: object) -> str | None:
        """Why `value` is not one of this setting, or None."""
        if type(value) is not _TYPES[self.type]:
            return f"is not of the type {self.type}"
        if self.choices and value not in self.choices:
            return f"is none of {', '.join(self.choices)}"
        low, high = self.minimum, self.maximum
        if isinstance(value, int) and ((low is not None and value < low) or (high is not None and value > high)):
            return f"is not from {low} to {high}"
        return None

    def variable(self, plugin: str) -> str:
        """The environment variable of a secret."""
        return re.sub(r"[^A-Z0-9]", "_", f"MYKEY_{plugin}_{self.name}".upper())


class Settings(Mapping[str, Any]):
    """The settings of a plugin as it reads them; `repr` shows their names only."""

    __slots__ = ("_values",)

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._values = dict(values)

    def __getitem__(self, name: str) -> Any:
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return f"Settings({', '.join(sorted(self._values))})"


def typed(
    plugin: str, declared: tuple[Setting, ...], given: Mapping[str, Any], environment: Mapping[str, str] = os.environ
) -> Settings:
    """The values of all declared settings; `PluginConfigError` names the one that is unknown, missing or wrong."""
    known = {setting.name: setting for setting in declared}
    for name in given:
        if name not in known:
            raise PluginConfigError(plugin, f"settings.{name}: there is no such setting{suggestion(name, known)}")
    return Settings({setting.name: _value(plugin, setting, given, environment) for setting in declared})


def _value(plugin: str, setting: Setting, given: Mapping[str, Any], environment: Mapping[str, str]) -> Any:
    if setting.type == "secret":
        return _secret(plugin, setting, given, environment)
    value = given.get(setting.name, setting.default)
    if value is None:
        raise PluginConfigError(plugin, f"settings.{setting.name}: it is missing, and there is no default")
    if wrong := setting.complaint(value):
        raise PluginConfigError(plugin, f"settings.{setting.name}: it {wrong}")
    return value


def _secret(plugin: str, setting: Setting, given: Mapping[str, Any], environment: Mapping[str, str]) -> str:
    variable = setting.variable(plugin)
    if setting.name in given:
        raise PluginConfigError(plugin, f"settings.{setting.name}: a secret is not written here, but set as {variable}")
    if not environment.get(variable):
        raise PluginConfigError(plugin, f"settings.{setting.name}: set the environment variable {variable}")
    return environment[variable]
