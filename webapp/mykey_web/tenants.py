"""Several municipalities in one process: which of their hubs a request is for, by host name or by path prefix.

Each municipality has its own settings, keys, plugins, checkpoints and database sessions; this module only opens the
doors, and a request that names no town is answered by none.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from mykey_core.clock import Clock, system_clock
from mykey_core.errors import ConfigurationError
from mykey_core.hub import Hub, open_hub
from mykey_core.settings import load_settings
from mykey_core.tenancy.codes import is_municipality_code
from mykey_web.app import create_app
from mykey_web.problems import problem_body

Environ = dict[str, Any]
Application = Callable[[Environ, Callable[..., Any]], Iterable[bytes]]
_NOT_FOUND = "404 Not Found"


class Town(BaseModel):
    """One municipality: its settings file, the host names it is reached by, and a path prefix such as `/132217`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    config: Path
    hosts: tuple[str, ...] = ()
    path: str | None = Field(default=None, pattern=r"^/[a-z0-9-]+$")


class TownsFile(BaseModel):
    """`towns.toml`: six-digit code → town."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    town: dict[str, Town] = Field(min_length=1)


def read_towns(path: Path) -> TownsFile:
    """Read `towns.toml`; `ConfigurationError` for a code, host name or path that is wrong or given twice."""
    try:
        towns = TownsFile.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError as error:
        raise ConfigurationError("towns", f"{path.name} does not exist") from error
    except (tomllib.TOMLDecodeError, ValidationError) as error:
        raise ConfigurationError("towns", f"{path.name}: {error}") from error
    for code in towns.town:
        if not is_municipality_code(code):
            raise ConfigurationError("towns", f"'{code}' is no six-digit code with its check digit")
    _check_doors(towns)
    return towns


def _check_doors(towns: TownsFile) -> None:
    doors = [door for town in towns.town.values() for door in (*map(str.lower, town.hosts), town.path) if door]
    for door in doors:
        if doors.count(door) > 1:
            raise ConfigurationError("towns", f"'{door}' leads to two towns")
    for code, town in towns.town.items():
        if not town.hosts and town.path is None:
            raise ConfigurationError("towns", f"{code} has no host name and no path")


class TownFront:
    """WSGI in front of the towns' applications. `hubs` are theirs by code, `addresses` what terminals enrol with."""

    def __init__(self, towns: TownsFile, hubs: Mapping[str, Hub]) -> None:
        self.hubs = dict(hubs)
        applications: dict[str, Application] = {code: create_app(hub) for code, hub in hubs.items()}
        self._by_host = {host.lower(): applications[code] for code, town in towns.town.items() for host in town.hosts}
        self.addresses = {code: _address(town, hubs[code]) for code, town in towns.town.items()}
        self._by_path = {town.path: applications[code] for code, town in towns.town.items() if town.path}

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        """WSGI: the host name decides; where it is nobody's, the first part of the path."""
        application = self._by_host.get(_host(environ)) or self._by_prefix(environ)
        if application is None:
            return _nobody(start_response)
        return application(environ, start_response)

    def _by_prefix(self, environ: Environ) -> Application | None:
        path = environ.get("PATH_INFO", "")
        prefix = "/" + path[1:].partition("/")[0]
        application = self._by_path.get(prefix)
        if application is not None:
            environ["SCRIPT_NAME"] = environ.get("SCRIPT_NAME", "") + prefix
            environ["PATH_INFO"] = path[len(prefix) :] or "/"
        return application

    def close(self) -> None:
        """Close every town's database."""
        for hub in self.hubs.values():
            hub.close()


def _address(town: Town, hub: Hub) -> str:
    """The town's own origin, with the path prefix where no host name leads to it."""
    return hub.settings.origin + ("" if town.hosts else town.path or "")


def _host(environ: Environ) -> str:
    """The host name of the request without its port, in small letters."""
    name: str = environ.get("HTTP_HOST", "").lower()
    without, _, port = name.rpartition(":")
    return without if without and port.isdigit() else name


def _nobody(start_response: Callable[..., Any]) -> list[bytes]:
    body = json.dumps(problem_body("not_found", "ja"), ensure_ascii=False).encode()
    headers = [("Content-Type", "application/problem+json"), ("Content-Length", str(len(body)))]
    start_response(_NOT_FOUND, [*headers, ("Cache-Control", "no-store"), ("X-Content-Type-Options", "nosniff")])
    return [body]


def _check_origin(code: str, town: Town, origin: str) -> None:
    """Terminals come back to the hub's own origin, so it must lead to the town."""
    host = urlsplit(origin).hostname or ""
    if town.hosts and host not in map(str.lower, town.hosts):
        raise ConfigurationError("towns", f"{code}: the origin's host {host} is not among its hosts")


def open_towns(path: Path, clock: Clock = system_clock) -> TownFront:
    """Open the hubs of `towns.toml`; a town whose settings are another's is refused."""
    towns = read_towns(path)
    hubs: dict[str, Hub] = {}
    for code, town in towns.town.items():
        settings = load_settings(path.parent / town.config)
        if settings.municipality != code:
            raise ConfigurationError("towns", f"{town.config} is of {settings.municipality}, not of {code}")
        _check_origin(code, town, settings.origin)
        hubs[code] = open_hub(settings, clock)
    return TownFront(towns, hubs)
