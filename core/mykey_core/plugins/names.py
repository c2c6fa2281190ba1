"""What a plugin may be called: its tables and templates begin with its name, so the name must not be anybody else's."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from mykey_core.plugins.errors import ManifestError
from mykey_core.plugins.manifest import Manifest

RESERVED = frozenset({"core", "hub", "mykey", "sqlite", "alembic", "pg"})


def template_folder(plugin: str) -> str:
    """The only folder below `templates/` that a plugin may have."""
    return f"mykey_{plugin.replace('-', '_')}"


def check_names(manifest: Manifest) -> None:
    """`ManifestError` when the name would reach into the core's tables, or a template would shadow another's."""
    from mykey_core.storage.all_tables import metadata  # noqa: PLC0415 - they are many, and known only when all are

    taken = sorted(name for name in metadata.tables if name.startswith(manifest.table_prefix))
    if manifest.name in RESERVED or taken:
        because = f"the core's table {taken[0]} begins like that" if taken else "the name is the hub's own"
        raise ManifestError(manifest.name, f"it cannot be called '{manifest.name}': {because}")
    foreign = _foreign_templates(manifest)
    if foreign:
        own = template_folder(manifest.name)
        raise ManifestError(manifest.name, f"the template {foreign[0]} is outside of templates/{own}/")


def _foreign_templates(manifest: Manifest) -> list[str]:
    spec = find_spec(manifest.package)
    for place in (spec.submodule_search_locations if spec else None) or ():
        folder = Path(place) / "templates"
        if folder.is_dir():
            return sorted(path.name for path in folder.iterdir() if path.name != template_folder(manifest.name))
    return []
