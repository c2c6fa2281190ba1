"""`plugins.toml`: what a municipality enables and grants, and its policy for each service.

A file that several municipalities share has a common part and, under `[municipality.CODE]`, what differs in one.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from mykey_core.errors import ConfigurationError
from mykey_core.plugins.errors import explained
from mykey_core.tenancy.codes import is_municipality_code
from mykey_core.trust.revocation.budget import RiskClass

CLERK: Final = "clerk"
"""The role of staff who serve citizens."""
_Role = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{1,31}$")]


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
    """What the municipality says of one plugin.

    `service_points` names the service points at which it is offered; without it, wherever a point offers its service.
    `clerk_roles` are the roles of staff who are the plugin's clerks, in place of the role `clerk`.
    `local_hosts` are granted hosts of the town's own network: they may have private addresses and speak plain http.
    `manifest` is the manifest file of a plugin that runs outside the hub, relative to `plugins.toml`.
    """

    enabled: bool = True
    grants: frozenset[str] = frozenset()
    services: dict[str, ServicePolicy] = Field(default_factory=dict)
    settings: dict[str, Any] = Field(default_factory=dict)
    service_points: frozenset[str] | None = None
    clerk_roles: Annotated[frozenset[_Role], Field(min_length=1)] | None = None
    local_hosts: frozenset[str] = frozenset()
    manifest: Path | None = None

    def roles_here(self, roles: AbstractSet[str]) -> frozenset[str]:
        """What somebody with these roles is in the plugin's pages: a clerk there is who the municipality says."""
        if self.clerk_roles is None:
            return frozenset(roles)
        return (frozenset(roles) - {CLERK}) | ({CLERK} if roles & self.clerk_roles else set())


class PluginsFile(_Model):
    """The file as it holds for one municipality."""

    plugins: dict[str, PluginChoice] = Field(default_factory=dict)


class _Overlay(_Model):
    """What one municipality says in place of the common part, or beside it."""

    plugins: dict[str, dict[str, Any]] = Field(default_factory=dict)


class _Written(_Overlay):
    """The file as it is written."""

    municipality: dict[str, _Overlay] = Field(default_factory=dict)


def read_plugins_file(path: Path, municipality: str) -> PluginsFile:
    """Read `plugins.toml` for one municipality; `ConfigurationError` names the member and suggests the right name.

    The whole file is validated, other municipalities' parts included. In an overlay a table is merged into the common
    one, member by member; any other value, a list too, takes the place of the common one.
    """
    try:
        written = _Written.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError as error:
        raise ConfigurationError("plugins_file", f"{path.name} does not exist: create it or name another") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError("plugins_file", f"{path.name} is no valid TOML: {error}") from error
    except ValidationError as error:
        raise ConfigurationError("plugins_file", _explain(error)) from error
    common = _validated(written.plugins)
    towns = {code: _of_town(written, code) for code in written.municipality}
    return _below(towns.get(municipality, common), path.parent)


def _below(file: PluginsFile, folder: Path) -> PluginsFile:
    """With the manifests of remote plugins as whole paths."""
    whole = {
        name: choice if choice.manifest is None else choice.model_copy(update={"manifest": folder / choice.manifest})
        for name, choice in file.plugins.items()
    }
    return file.model_copy(update={"plugins": whole})


def _of_town(written: _Written, code: str) -> PluginsFile:
    place = f"municipality.{code}"
    if not is_municipality_code(code):
        raise ConfigurationError("plugins_file", f"{place}: it is no six-digit code with its check digit")
    return _validated(_merged(written.plugins, written.municipality[code].plugins), f"{place}.")


def _merged(common: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    both = {**common, **own}
    for name in common.keys() & own.keys():
        if isinstance(common[name], dict) and isinstance(own[name], dict):
            both[name] = _merged(common[name], own[name])
    return both


def _validated(plugins: Mapping[str, Any], place: str = "") -> PluginsFile:
    try:
        return PluginsFile.model_validate({"plugins": plugins})
    except ValidationError as error:
        raise ConfigurationError("plugins_file", place + _explain(error)) from error


_MEMBERS = [*_Written.model_fields, *PluginChoice.model_fields, *ServicePolicy.model_fields]


def _explain(error: ValidationError) -> str:
    return explained(error, _MEMBERS)
