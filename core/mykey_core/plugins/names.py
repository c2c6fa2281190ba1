"""What a plugin may be called: its tables and templates begin with its name, so the name must not be anybody else's."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path

from mykey_core.plugins.errors import ManifestError
from mykey_core.plugins.manifest import Manifest

RESERVED = frozenset({"core", "hub", "mykey", "sqlite", "alembic", "pg"})


def template_folder(plugin: str) -> str:
    """The only folder below `templates/` that a plugin may have."""
    return f"mykey_{plugin.replace('-', '_')}"


def check_names(manifest: Manifest, others: Iterable[str] = ()) -> None:
    """`ManifestError` when the name reaches into others' tables, or a template would shadow another's."""
    check_name(manifest.name, others)
    foreign = _foreign_templates(manifest)
    if foreign:
        own = template_folder(manifest.name)
        raise ManifestError(manifest.name, f"the template {foreign[0]} is outside of templates/{own}/")


def check_name(plugin: str, others: Iterable[str] = ()) -> None:
    """`ManifestError` when tables of the core, or of a plugin among `others`, begin like those of `plugin`."""
    from mykey_core.storage.all_tables import metadata  # noqa: PLC0415 - they are many, and known only when all are

    if plugin in RESERVED:
        raise ManifestError(plugin, f"it cannot be called '{plugin}': the name is the hub's own")
    taken = sorted(name for name in metadata.tables if name.startswith(_prefix(plugin)))
    if taken:
        raise ManifestError(plugin, f"it cannot be called '{plugin}': the core's table {taken[0]} begins like that")
    for other in others:
        if other != plugin and (
            _prefix(other).startswith(_prefix(plugin)) or _prefix(plugin).startswith(_prefix(other))
        ):
            raise ManifestError(plugin, f"it cannot stand beside '{other}': their tables begin alike")


def _prefix(plugin: str) -> str:
    return plugin.replace("-", "_") + "_"


def _foreign_templates(manifest: Manifest) -> list[str]:
    spec = find_spec(manifest.package)
    for place in (spec.submodule_search_locations if spec else None) or ():
        folder = Path(place) / "templates"
        if folder.is_dir():
            return sorted(path.name for path in folder.iterdir() if path.name != template_folder(manifest.name))
    return []
