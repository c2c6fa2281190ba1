"""Changing `plugins.toml` by a command: what a plugin asks for is granted, and the file's comments stay."""

from __future__ import annotations

import difflib
import os
from pathlib import Path
from typing import Any

import tomlkit

from mykey_core.plugins.manifest import Manifest


def granted(text: str, manifest: Manifest, municipality: str) -> str:
    """The file with the plugin enabled and all its requests granted, where it speaks of this municipality."""
    document: Any = tomlkit.parse(text)
    place = _own_place(document, municipality, manifest.name)
    entry = place.get(manifest.name)
    if entry is None:
        entry = place[manifest.name] = tomlkit.table()
    if not entry.get("enabled", True):
        entry["enabled"] = True
    wanted = sorted(manifest.requests.grants | set(entry.get("grants", ())))
    if wanted != sorted(entry.get("grants", ())):
        entry["grants"] = wanted
    return tomlkit.dumps(document)


def _own_place(document: Any, municipality: str, plugin: str) -> Any:
    """The overlay's plugins where the municipality has one that says something of the plugin's grants."""
    overlay = document.get("municipality", {}).get(municipality, {}).get("plugins", {})
    if "grants" in overlay.get(plugin, {}):
        return overlay
    if "plugins" not in document:
        document["plugins"] = tomlkit.table(is_super_table=True)
    return document["plugins"]


def difference(before: str, after: str, name: str) -> str:
    """A unified diff of the file."""
    lines = difflib.unified_diff(before.splitlines(True), after.splitlines(True), name, f"{name} (new)")
    return "".join(lines)


def write(path: Path, text: str) -> None:
    """Put the new text in place of the old in one step."""
    part = path.with_name(f"{path.name}.part")
    with part.open("w", encoding="utf-8") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())
    part.chmod(path.stat().st_mode)
    part.replace(path)
