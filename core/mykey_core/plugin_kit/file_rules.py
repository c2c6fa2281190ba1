"""Rules about the plugin's files: layout, manifest, templates, migrations, wording, shredder and quality list."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from string import Formatter

from mykey_core.plugin_kit import quality
from mykey_core.plugin_kit.code_rules import hook_functions
from mykey_core.plugin_kit.findings import Finding, Level
from mykey_core.plugin_kit.repository import Repository
from mykey_core.plugins.manifest import MANIFEST_NAME
from mykey_core.translations import DEFAULT_LANGUAGE, LANGUAGES

_EXPECTED = ("README.md", "tests")
_SHORTEST_README = 200
_INLINE = re.compile(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son[a-z]+=")


def layout(repository: Repository) -> Iterator[Finding]:
    """The files that every plugin has are there, under the names that every plugin uses."""
    wanted = f"mykey_{repository.name.replace('-', '_')}"
    if repository.package != wanted:
        yield Finding("layout", "pyproject.toml", f"the package is called {repository.package}; call it {wanted}")
    for name in _EXPECTED:
        if not (repository.root / name).exists():
            yield Finding("layout", name, f"there is no {name}")
    if not (repository.folder / "py.typed").is_file():
        message = "there is no py.typed, so type checkers ignore the annotations"
        yield Finding("layout", repository.package, message, Level.WARNING)


def manifest(repository: Repository) -> Iterator[Finding]:
    """The manifest belongs to this entry point and package."""
    where = f"{repository.package}/{MANIFEST_NAME}"
    if repository.manifest.name != repository.name:
        yield Finding(
            "manifest", where, f"it is called '{repository.manifest.name}', the entry point '{repository.name}'"
        )
    if repository.manifest.package != repository.package:
        yield Finding("manifest", where, f"it names the package {repository.manifest.package}")
    for member in ("title", "description", "legal_basis", "retention"):
        missing = [language for language in LANGUAGES if language not in getattr(repository.manifest, member)]
        if missing:
            yield Finding("manifest", where, f"{member} lacks {', '.join(missing)}", Level.WARNING)


def templates(repository: Repository) -> Iterator[Finding]:
    """Templates live in a folder of the plugin's own name: Flask's search path is global, and the first one wins."""
    folder = repository.folder / "templates"
    for path in sorted(folder.rglob("*")) if folder.is_dir() else ():
        if path.is_file() and path.relative_to(folder).parts[0] != repository.package:
            yield Finding("templates", repository.relative(path), f"move it into templates/{repository.package}/")
        elif path.is_file() and _INLINE.search(path.read_text(encoding="utf-8")):
            message = "inline scripts and styles are refused by the hub's content security policy"
            yield Finding("templates", repository.relative(path), message)


def migrations(repository: Repository) -> Iterator[Finding]:
    """A plugin with tables has migrations that can go up and down, in one line."""
    folder = repository.folder / "migrations"
    if "database" not in repository.manifest.requests.capabilities:
        return
    versions = sorted((folder / "versions").glob("*.py")) if folder.is_dir() else []
    if not (folder / "env.py").is_file() or not versions:
        yield Finding("migrations", repository.package, "it has tables and no migrations/env.py with versions/")
        return
    parents: dict[object, str] = {}
    for path in versions:
        tree = repository.modules[path]
        if not _has_body(tree, "downgrade"):
            yield Finding("migrations", repository.relative(path), "it has no downgrade()")
        parent = _constant(tree, "down_revision")
        if parent in parents:
            yield Finding(
                "migrations", repository.relative(path), f"it has the same down_revision as {parents[parent]}"
            )
        parents[parent] = path.name


def _has_body(tree: ast.Module, name: str) -> bool:
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == name]
    return any(not isinstance(node, ast.Pass) for function in functions for node in function.body[-1:])


def _constant(tree: ast.Module, name: str) -> object:
    for node in tree.body:
        target = node.targets[0] if isinstance(node, ast.Assign) else getattr(node, "target", None)
        if isinstance(target, ast.Name) and target.id == name and isinstance(node, ast.Assign | ast.AnnAssign):
            return node.value.value if isinstance(node.value, ast.Constant) else None
    return None


def translations(repository: Repository) -> Iterator[Finding]:
    """All languages have the same keys and fields, and every key that the code names is there."""
    catalogues = {language: repository.catalogue(language) for language in LANGUAGES}
    for language, texts in catalogues.items():
        if texts is None:
            where = f"{repository.package}/translations/{language}.po"
            yield Finding("translations", where, "it is missing or is no valid PO file")
    reference = catalogues[DEFAULT_LANGUAGE] or {}
    for language, texts in catalogues.items():
        yield from _compared(repository, language, texts or reference, reference)
    for key, where in _keys_in_code(repository):
        if key not in reference:
            yield Finding("translations", where, f"the text '{key}' is in no catalogue")


def _compared(
    repository: Repository, language: str, texts: Mapping[str, str], reference: Mapping[str, str]
) -> Iterator[Finding]:
    where = f"{repository.package}/translations/{language}.po"
    for key in sorted(texts.keys() ^ reference.keys()):
        yield Finding("translations", where, f"'{key}' is in one of {DEFAULT_LANGUAGE} and {language} only")
    for key in sorted(texts.keys() & reference.keys()):
        if not texts[key]:
            yield Finding("translations", where, f"'{key}' has no text")
        elif _fields(texts[key]) - _fields(reference[key]):
            yield Finding("translations", where, f"'{key}' has fields that the {DEFAULT_LANGUAGE} text lacks")


def _fields(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name}


def _keys_in_code(repository: Repository) -> Iterator[tuple[str, str]]:
    """Literal keys in `context.text("…")` and in templates' `t("…")`."""
    for path, tree in repository.modules.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("context.text") and node.args:
                first = node.args[0]
                if isinstance(first, ast.Constant) and isinstance(first.value, str):
                    yield first.value, f"{repository.relative(path)}:{node.lineno}"
    folder = repository.folder / "templates"
    for path in sorted(folder.rglob("*.html")) if folder.is_dir() else ():
        for found in re.finditer(r"\bt\(\s*[\"']([^\"']+)[\"']", path.read_text(encoding="utf-8")):
            yield found[1], repository.relative(path)


def shredder(repository: Repository) -> Iterator[Finding]:
    """A plugin that keeps anything about people can export and delete it."""
    if not repository.manifest.subject_columns:
        return
    if not any(function.name == "mykey_shredder" for _, function in hook_functions(repository)):
        yield Finding("shredder", repository.package, "it keeps pairwise ids and has no mykey_shredder")


def documentation(repository: Repository) -> Iterator[Finding]:
    """The README tells a municipality what the plugin does."""
    readme = repository.root / "README.md"
    if readme.is_file() and len(readme.read_text(encoding="utf-8")) < _SHORTEST_README:
        yield Finding("documentation", "README.md", "it is too short to tell a municipality what it enables")


def quality_list(repository: Repository) -> Iterator[Finding]:
    """The quality list is there, complete and with reasons."""
    written = repository.quality()
    if written is None:
        yield Finding("quality", "quality.toml", "there is no quality list")
        return
    yield from (Finding("quality", "quality.toml", fault) for fault in quality.faults_of(written))
    for rule, state in written.items():
        if state == "todo":
            yield Finding("quality", "quality.toml", f"to do: {rule}", Level.WARNING)
