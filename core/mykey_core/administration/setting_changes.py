"""Proposals for `hub.toml`: one member at a time, validated as the hub would at its start before anybody sees them."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

import tomlkit

from mykey_core.administration.files import AdministrationRefused, Proposal, read_text
from mykey_core.administration.setting_members import Member, members
from mykey_core.errors import ConfigurationError
from mykey_core.settings import HubSettings, load_settings
from mykey_core.settings_environment import given


def member_called(name: str) -> Member:
    """The member, if a page may change it; `setting_unknown` or `setting_by_environment` otherwise."""
    found = next((one for one in members() if one.name == name and one.on_pages), None)
    if found is None:
        raise AdministrationRefused("setting_unknown")
    if found.name in given(HubSettings, os.environ):
        raise AdministrationRefused("setting_by_environment", found.variable)
    return found


def value_of(settings: HubSettings, member: Member) -> Any:
    """What the running hub works with."""
    value: Any = settings
    for part in member.name.split("."):
        value = getattr(value, part)
    return value


def propose(path: Path, member: Member, text: str) -> Proposal:
    """`hub.toml` with another value of one member, or without it for an empty `text`: then the default holds.

    Comments and order stay. `setting_invalid` for a wrong value.
    """
    before = read_text(path)
    document: Any = tomlkit.parse(before)
    table = document
    *tables, last = member.name.split(".")
    for name in tables:
        if name not in table:
            table[name] = tomlkit.table()
        table = table[name]
    previous = {"value": table.unwrap()[last]} if last in table else {}
    if text.strip():
        table[last] = _parsed(member, text)
    elif previous:
        del table[last]
    after = tomlkit.dumps(document) if text.strip() or previous else before
    _check(path, after)
    return Proposal(path, member.name, before, after, previous)


def _parsed(member: Member, text: str) -> int | bool:
    wanted = text.strip()
    if member.kind is bool and wanted in ("true", "false"):
        return wanted == "true"
    if member.kind is int and wanted.isascii() and wanted.isdecimal():
        value = int(wanted)
        low, high = member.minimum, member.maximum
        if (low is None or value >= low) and (high is None or value <= high):
            return value
    raise AdministrationRefused("setting_invalid", member.name)


def _check(path: Path, text: str) -> None:
    """As the next start will read it: beside the file, because its paths are relative to its folder."""
    handle, name = tempfile.mkstemp(prefix=".hub-", suffix=".toml", dir=path.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(text)
        load_settings(Path(name))
    except ConfigurationError as error:
        raise AdministrationRefused("setting_invalid", error.setting) from error
    finally:
        Path(name).unlink()
