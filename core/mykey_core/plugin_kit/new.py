"""`mykey plugin new`: the files of a complete, tested plugin, made from the template in this package.

The template is the small plugin of the tutorial (one stamp a day), or with `bare` one that does nothing yet. The tests
of both and the conformance suite pass as they are rendered. Where it goes and what it is called is the author's.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path, PurePosixPath

from jinja2 import Environment, StrictUndefined

from mykey_core.plugins.errors import PluginConfigError
from mykey_core.plugins.version import API_VERSION

_NAME = re.compile(r"[a-z][a-z0-9-]{0,30}[a-z0-9]")
_RESERVED = frozenset({"hub", "core", "mykey", "web", "cardap", "terminal", "testkit"})
_SUFFIX = ".jinja"
_OF_BOTH = frozenset(
    {
        "dot-gitignore",
        "dot-github/workflows/test.yml.jinja",
        "pyproject.toml.jinja",
        "PACKAGE/__init__.py.jinja",
        "PACKAGE/py.typed",
    }
)
"""Files of the template that a bare plugin has, too; its other files stand in `bare_template`."""


@dataclass(frozen=True, slots=True)
class PluginNames:
    """All the names that follow from the plugin's own name."""

    name: str

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise PluginConfigError(
                self.name, "a plugin's name has 2 to 32 small letters, digits and hyphens, and starts with a letter"
            )
        if self.name in _RESERVED:
            raise PluginConfigError(self.name, "this name belongs to the hub: choose another one")

    @property
    def module(self) -> str:
        """The name as a Python identifier."""
        return self.name.replace("-", "_")

    @property
    def package(self) -> str:
        """The import package, whose prefix keeps it apart from every other distribution."""
        return f"mykey_{self.module}"

    @property
    def distribution(self) -> str:
        """The name under which it is installed."""
        return f"mykey-{self.name}"

    @property
    def prefix(self) -> str:
        """What every table of the plugin begins with."""
        return f"{self.module}_"


def render_plugin(
    names: PluginNames, directory: Path, *, title_en: str = "", title_ja: str = "", bare: bool = False
) -> list[Path]:
    """Write the plugin into `directory`, which must be new or empty; the files that were written, sorted.

    `PluginConfigError` when the directory holds anything: nothing of yours is overwritten.
    """
    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        raise PluginConfigError(names.name, f"{directory} is not empty: name a new folder")
    values = {
        "name": names.name,
        "module": names.module,
        "package": names.package,
        "distribution": names.distribution,
        "prefix": names.prefix,
        "title": title_en or names.name.replace("-", " ").capitalize(),
        "title_ja": title_ja or names.name,
        "api": ".".join(map(str, API_VERSION)),
        "mykey_version": version("mykey"),
    }
    written = [_write(path, source, directory, values) for path, source in _template(bare=bare)]
    return sorted(written)


def _template(*, bare: bool) -> Iterator[tuple[PurePosixPath, Traversable]]:
    """Every file of the template with its path inside it."""
    for path, source in _files("template"):
        if not bare or str(path) in _OF_BOTH:
            yield path, source
    if bare:
        yield from _files("bare_template")


def _files(name: str) -> Iterator[tuple[PurePosixPath, Traversable]]:
    def walk(folder: Traversable, path: PurePosixPath) -> Iterator[tuple[PurePosixPath, Traversable]]:
        for entry in folder.iterdir():
            if entry.is_dir():
                if entry.name != "__pycache__":
                    yield from walk(entry, path / entry.name)
            else:
                yield path / entry.name, entry

    return walk(files("mykey_core.plugin_kit") / name, PurePosixPath())


def _write(path: PurePosixPath, source: Traversable, directory: Path, values: dict[str, str]) -> Path:
    target = directory / _target(path, values)
    text = source.read_text(encoding="utf-8")
    if path.suffix == _SUFFIX:
        text = _environment().from_string(text).render(values)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text, encoding="utf-8")
    return target


def _target(path: PurePosixPath, values: dict[str, str]) -> PurePosixPath:
    """The name in the new repository: no file here begins with a dot, and none is a template there."""
    text = str(path).removesuffix(_SUFFIX).replace("PACKAGE", values["package"]).replace("MODULE", values["module"])
    return PurePosixPath(*(re.sub("^dot-", ".", part) for part in PurePosixPath(text).parts))


def _environment() -> Environment:
    """Jinja with marks of its own, for the files themselves hold Jinja, TOML tables and format fields."""
    return Environment(
        variable_start_string="<<", variable_end_string=">>", block_start_string="<%", block_end_string="%>",
        undefined=StrictUndefined, keep_trailing_newline=True, autoescape=False,  # noqa: S701 - source code, not HTML
    )  # fmt: skip
