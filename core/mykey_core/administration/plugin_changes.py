"""Proposals for `plugins.toml`: whether a plugin is enabled and what it is granted, in the municipality's own part."""

from __future__ import annotations

import tomllib
from collections.abc import Collection
from pathlib import Path
from typing import Any

import tomlkit
from pydantic import ValidationError

from mykey_core.administration.files import AdministrationRefused, Proposal, read_text
from mykey_core.plugins.config import PluginsFile

_SHARED = "municipality"


def propose(path: Path, municipality: str, plugin: str, *, enabled: bool, grants: Collection[str]) -> Proposal:
    """The file with the choice for one plugin; comments stay. A file that towns share is changed for this town only."""
    before = read_text(path)
    document: Any = tomlkit.parse(before)
    place = _place(document, municipality)
    entry = place.get(plugin)
    previous = {} if entry is None else _choice(entry)
    if entry is None:
        entry = place[plugin] = tomlkit.table()
    if bool(entry.get("enabled", True)) != enabled or "enabled" not in entry:
        entry["enabled"] = enabled
    if sorted(entry.get("grants", ())) != sorted(grants):
        entry["grants"] = sorted(grants)
    after = tomlkit.dumps(document)
    _check(after)
    return Proposal(path, f"plugins.{plugin}", before, after, previous)


def _choice(entry: Any) -> dict[str, Any]:
    """What undoing needs, as plain values."""
    written = entry.unwrap()
    return {"enabled": bool(written.get("enabled", True)), "grants": sorted(written.get("grants", ()))}


def _place(document: Any, municipality: str) -> Any:
    """Where this town's choice stands: in its own part as soon as the file has parts for towns."""
    if _SHARED not in document:
        if "plugins" not in document:
            document["plugins"] = tomlkit.table(is_super_table=True)
        return document["plugins"]
    towns = document[_SHARED]
    if municipality not in towns:
        towns[municipality] = tomlkit.table(is_super_table=True)
    if "plugins" not in towns[municipality]:
        towns[municipality]["plugins"] = tomlkit.table(is_super_table=True)
    return towns[municipality]["plugins"]


def _check(text: str) -> None:
    try:
        written = tomllib.loads(text)
        PluginsFile.model_validate({"plugins": written.get("plugins", {})})
    except (tomllib.TOMLDecodeError, ValidationError) as error:
        raise AdministrationRefused("setting_invalid", "plugins.toml") from error
