"""`plugins.toml`: what a municipality enables and grants, and its policy for each service."""

from __future__ import annotations

import difflib
import tomllib
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from mykey_core.errors import ConfigurationError
from mykey_core.trust.revocation.budget import RiskClass


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ServicePolicy(_Model):
    """The municipality's rules for one service.

    `residents_only` refuses cards that another town has issued. `risk` says how bad it would be to let a revoked card
    through, and so whether an outage of the revocation sources may be bridged (`[revocation.budget]` of the hub).
    """

    residents_only: bool = False
    risk: RiskClass = RiskClass.HIGH


class PluginChoice(_Model):
    """What the municipality says of one plugin."""

    enabled: bool = True
    grants: frozenset[str] = frozenset()
    services: dict[str, ServicePolicy] = Field(default_factory=dict)
    settings: dict[str, Any] = Field(default_factory=dict)


class PluginsFile(_Model):
    """The whole file."""

    plugins: dict[str, PluginChoice] = Field(default_factory=dict)


def read_plugins_file(path: Path) -> PluginsFile:
    """Read and validate `plugins.toml`; `ConfigurationError` names the member and suggests the right name."""
    try:
        return PluginsFile.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError as error:
        raise ConfigurationError("plugins_file", f"{path.name} does not exist: create it or name another") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError("plugins_file", f"{path.name} is no valid TOML: {error}") from error
    except ValidationError as error:
        raise ConfigurationError("plugins_file", _explain(error)) from error


def _explain(error: ValidationError) -> str:
    first = error.errors()[0]
    place = ".".join(str(part) for part in first["loc"])
    message = f"{place}: {first['msg']}"
    if first["type"] == "extra_forbidden":
        known = [*PluginsFile.model_fields, *PluginChoice.model_fields, *ServicePolicy.model_fields]
        close = difflib.get_close_matches(str(first["loc"][-1]), known, n=1)
        message += f" (did you mean '{close[0]}'?)" if close else ""
    return message
