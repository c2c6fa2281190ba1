"""A plugin's repository as files: what a checker can know without importing or installing it."""

from __future__ import annotations

import ast
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from io import BytesIO
from pathlib import Path
from typing import Any

from babel.messages.pofile import PoFileError, read_po

from mykey_core.plugins.errors import ManifestError, PluginConfigError
from mykey_core.plugins.manifest import MANIFEST_NAME, Manifest, parse_manifest

ENTRY_POINT_GROUP = "mykey.plugins"


@dataclass(frozen=True)
class Repository:
    """One plugin in the folder `root`: `name` and `package` are those of its entry point."""

    root: Path
    name: str
    package: str

    @classmethod
    def open(cls, root: Path) -> Repository:
        """Find the plugin in a folder; `PluginConfigError` when there is none, with what is missing."""
        file = root / "pyproject.toml"
        if not file.is_file():
            raise PluginConfigError(root.name, f"there is no pyproject.toml in {root}: name the plugin's own folder")
        try:
            project = tomllib.loads(file.read_text(encoding="utf-8")).get("project", {})
        except tomllib.TOMLDecodeError as error:
            raise PluginConfigError(root.name, f"pyproject.toml is no valid TOML: {error}") from error
        points: Mapping[str, str] = project.get("entry-points", {}).get(ENTRY_POINT_GROUP, {})
        if len(points) != 1:
            raise PluginConfigError(
                root.name, f'pyproject.toml needs one entry point in [project.entry-points."{ENTRY_POINT_GROUP}"]'
            )
        name, module = next(iter(points.items()))
        return cls(root, name, module.partition(".")[0].partition(":")[0])

    @property
    def folder(self) -> Path:
        """The import package's folder (in the root, or under src/)."""
        beside, below = self.root / self.package, self.root / "src" / self.package
        return below if below.is_dir() and not beside.is_dir() else beside

    @cached_property
    def manifest(self) -> Manifest:
        """The manifest; `ManifestError` names what is wrong."""
        path = self.folder / MANIFEST_NAME
        if not path.is_file():
            raise ManifestError(self.name, f"there is no {MANIFEST_NAME} in {self.package}")
        return parse_manifest(path.read_text(encoding="utf-8"), self.name)

    @cached_property
    def modules(self) -> Mapping[Path, ast.Module]:
        """Every Python file of the package, parsed; `SyntaxError` passes through."""
        return {path: ast.parse(path.read_text(encoding="utf-8"), str(path)) for path in self.python_files()}

    def python_files(self) -> Iterator[Path]:
        """The package's Python files, sorted."""
        return iter(sorted(path for path in self.folder.rglob("*.py") if "__pycache__" not in path.parts))

    def relative(self, path: Path) -> str:
        """A path for a message."""
        return path.relative_to(self.root).as_posix()

    def catalogue(self, language: str) -> Mapping[str, str] | None:
        """The texts of one language by key; None when the file is missing or cannot be read."""
        path = self.folder / "translations" / f"{language}.po"
        if not path.is_file():
            return None
        try:
            catalogue = read_po(BytesIO(path.read_bytes()), abort_invalid=True)
        except PoFileError:
            return None
        return {str(message.id): str(message.string) for message in catalogue if message.id}

    def quality(self) -> Mapping[str, Any] | None:
        """The quality list; None when there is none."""
        path = self.root / "quality.toml"
        if not path.is_file():
            return None
        rules = tomllib.loads(path.read_text(encoding="utf-8")).get("rules", {})
        return rules if isinstance(rules, dict) else {}
