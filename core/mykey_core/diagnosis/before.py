"""Checks that need no opened hub: settings, keys and their modes, CA certificates, disk, clock, port.

`mykey doctor` makes them first, because what is wrong here keeps a hub from starting.
"""

from __future__ import annotations

import os
import shutil
import socket
import stat
import subprocess
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from importlib.metadata import entry_points
from pathlib import Path
from typing import Final

from cryptography import x509
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from mykey_core import settings_environment
from mykey_core.diagnosis.findings import Finding, failed, ok, warning
from mykey_core.errors import ConfigurationError
from mykey_core.plugins.config import read_plugins_file
from mykey_core.settings import HubSettings
from mykey_core.settings_environment import PREFIX, given

_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO
_LITTLE_DISK: Final = 2 << 30
_FULL_DISK: Final = 200 << 20
_CA_ENDS: Final = timedelta(days=90)
_OTHER_VARIABLES: Final = (
    "MYKEY_PG_BIN", "MYKEY_SERVE_CONFIG", "MYKEY_SERVE_LOGS", "MYKEY_SERVE_TOWNS", "MYKEY_STRICT_PLUGINS",
    "MYKEY_TRUST_CONFIG", "MYKEY_HUB_OPTIONS", "MYKEY_TERMINAL_OPTIONS", "MYKEY_POINT",
)  # fmt: skip


def check_files(settings: HubSettings, now: datetime) -> list[Finding]:
    """Keys, plugins file, CA certificates and the disk that the hub writes to."""
    found = [*environment(settings, os.environ), *keys(settings), *plugins_file(settings)]
    return [*found, *residents(settings), *authorities(settings, now), *disk(settings)]


def environment(settings: HubSettings, variables: Mapping[str, str]) -> Iterator[Finding]:
    """What the environment gives, and variables of ours that nothing reads: mostly a slip of the pen."""
    plugins = tuple(f"{PREFIX}{_as_variable(name)}_" for name in _plugin_names(settings))
    own = (*settings_environment.variables(HubSettings), *_OTHER_VARIABLES)
    unknown = [name for name in sorted(variables) if name.startswith(PREFIX) and name not in own]
    unknown = [name for name in unknown if not name.startswith(plugins)]
    for name in unknown:
        yield warning("environment", "unknown", variable=name)
    if not unknown:
        yield ok("environment", count=len(given(HubSettings, variables)))


def _plugin_names(settings: HubSettings) -> set[str]:
    try:
        named = set(read_plugins_file(settings.plugins_file, settings.municipality).plugins)
    except ConfigurationError:
        named = set()
    return named | {point.name for point in entry_points(group="mykey.plugins")}


def _as_variable(name: str) -> str:
    return name.upper().replace("-", "_")


def keys(settings: HubSettings) -> Iterator[Finding]:
    """That every file with secrets is there, and is for the hub's own eyes."""
    wanted = {"audit_key_file": settings.audit_key_file}
    if settings.identity.pkcs11 is None:
        wanted["keys_file"] = settings.keys_file
    found = False
    for setting, path in wanted.items():
        if not path.is_file():
            found = True
            yield failed("keys", "missing", setting=setting, file=path.name)
    optional = [settings.terminal_key_file, settings.provider_key_file, settings.card_writing.keys_file]
    optional += [settings.metrics_token_file] if settings.metrics_token_file else []
    for path in (*wanted.values(), *optional):
        if path.is_file() and path.stat().st_mode & _OTHERS:
            found = True
            yield failed("keys", "readable", file=path.name)
    if not found:
        yield ok("keys")


def plugins_file(settings: HubSettings) -> Iterator[Finding]:
    """That `plugins.toml` can be read."""
    try:
        read_plugins_file(settings.plugins_file, settings.municipality)
    except ConfigurationError as error:
        yield failed("plugins_file", "invalid", reason=str(error))
    else:
        yield ok("plugins_file")


def residents(settings: HubSettings) -> Iterator[Finding]:
    """That the hub knows its residents' cards where a service is for residents only; else it refuses everybody."""
    if settings.resident_distribution_points:
        return
    try:
        plugins = read_plugins_file(settings.plugins_file, settings.municipality).plugins.values()
    except ConfigurationError:
        return  # `plugins_file` tells it
    for choice in plugins:
        for service, policy in choice.services.items():
            if choice.enabled and policy.residents_only:
                yield failed("residents", "unknown", service=service)


def authorities(settings: HubSettings, now: datetime) -> Iterator[Finding]:
    """That the pinned CA certificates can be read, and none ends soon."""
    fine = True
    for path in settings.trust.authentication_ca:
        try:
            ends = x509.load_pem_x509_certificate(path.read_bytes()).not_valid_after_utc
        except (OSError, ValueError):
            fine = False
            yield failed("authorities", "unreadable", file=path.name)
            continue
        if timedelta(0) < ends - now < _CA_ENDS:  # one of an earlier generation may have ended
            fine = False
            yield warning("authorities", "ends", file=path.name, days=(ends - now).days)
    if fine:
        yield ok("authorities", count=len(settings.trust.authentication_ca))


def disk(settings: HubSettings) -> Iterator[Finding]:
    """That there is room, and that the database's folder can be written."""
    folder = _database_folder(settings)
    if folder is None:
        return
    free = shutil.disk_usage(folder).free
    if free < _FULL_DISK:
        yield failed("disk", "full", megabytes=free >> 20, folder=folder.name)
    elif free < _LITTLE_DISK:
        yield warning("disk", "little", megabytes=free >> 20, folder=folder.name)
    else:
        yield ok("disk", gigabytes=free >> 30)


def _database_folder(settings: HubSettings) -> Path | None:
    try:
        url = make_url(settings.database_url)
    except ArgumentError:
        return None
    if url.get_backend_name() != "sqlite" or not url.database:
        return None
    folder = Path(url.database).parent
    return folder if folder.is_dir() else None


def clock() -> list[Finding]:
    """Whether the computer's clock is set by a time server; tokens and CRLs live by it."""
    program = shutil.which("timedatectl")
    if program is None:
        return [warning("clock", "unknown")]
    try:
        done = subprocess.run(  # noqa: S603 - a fixed command without a shell
            [program, "show", "--property=NTPSynchronized", "--value"],
            capture_output=True, text=True, timeout=5, check=False,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return [warning("clock", "unknown")]
    answer = done.stdout.strip()
    if answer == "yes":
        return [ok("clock")]
    return [warning("clock", "not_synchronised" if answer == "no" else "unknown")]


def port(host: str, number: int) -> list[Finding]:
    """Whether somebody listens where the hub does, or would."""
    try:
        with socket.create_connection((host, number), timeout=1):
            return [ok("port", port=number)]
    except OSError:
        return [failed("port", "nobody", port=number)]  # before the first start too: a hub is what answers
