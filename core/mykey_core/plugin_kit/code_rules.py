"""Rules about the plugin's code, read as syntax trees: imports, hooks, tables, and capabilities that it uses."""

from __future__ import annotations

import ast
import difflib
from collections.abc import Iterator, Mapping
from pathlib import Path

from mykey_core.plugin_kit.findings import Finding, Level
from mykey_core.plugin_kit.repository import Repository
from mykey_core.plugins import hookspecs

_FACADES = frozenset({"mykey_core.api", "mykey_web.api", "mykey_cardap.api"})
_HOUSE = frozenset({"mykey_core", "mykey_web", "mykey_cardap", "mykey_terminal"})
HOOKS = frozenset(name for name in vars(hookspecs) if name.startswith("mykey_"))
_OF_HOOK: Mapping[str, str] = {
    "mykey_tap": "tap",
    "mykey_blueprints": "pages",
    "mykey_jobs": "jobs",
    "mykey_event": "events",
    "mykey_card_profile": "card-slot",
    "mykey_card_written": "card-slot",
    "mykey_offline_record": "offline",
}
_OF_MEMBER: Mapping[str, str] = {
    "events": "events",
    "jobs": "jobs",
    "http": "http",
    "card": "card-slot",
    "audit": "audit",
    "people": "people",
}


def imports(repository: Repository) -> Iterator[Finding]:
    """Only the façades of the hub are imported, and no other plugin."""
    for path, tree in repository.modules.items():
        for node, module in _imported(tree):
            top = module.partition(".")[0]
            if top in _HOUSE and module not in _FACADES:
                message = f"it imports {module}; plugins import mykey_core.api, mykey_web.api and mykey_cardap.api"
                yield Finding("imports", _at(repository, path, node), message)
            elif top.startswith("mykey_") and top not in _HOUSE and top != repository.package:
                yield Finding("imports", _at(repository, path, node), f"it imports {module}, which is another plugin's")


def _imported(tree: ast.Module) -> Iterator[tuple[ast.stmt, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            whole = {f"{node.module}.{alias.name}" for alias in node.names} & _FACADES
            yield from ((node, module) for module in whole or {node.module})


def hooks(repository: Repository) -> Iterator[Finding]:
    """Every hook implementation has the name of a hook: the hub would refuse a misspelt one."""
    for path, node in hook_functions(repository):
        if node.name not in HOOKS:
            close = difflib.get_close_matches(node.name, HOOKS, n=1)
            hint = f": did you mean {close[0]}?" if close else ""
            yield Finding("hooks", _at(repository, path, node), f"there is no hook {node.name}{hint}")


def hook_functions(repository: Repository) -> Iterator[tuple[Path, ast.FunctionDef]]:
    """All functions under `@hookimpl`."""
    for path, tree in repository.modules.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef) and any(_is_hookimpl(mark) for mark in node.decorator_list):
                yield path, node


def _is_hookimpl(node: ast.expr) -> bool:
    return "hookimpl" in ast.unparse(node.func if isinstance(node, ast.Call) else node)


def tables(repository: Repository) -> Iterator[Finding]:
    """Every table that the code names begins with the plugin's prefix."""
    prefix = repository.manifest.table_prefix
    for path, tree in repository.modules.items():
        for node in ast.walk(tree):
            name = _table_name(node)
            if name is not None and not name.startswith(prefix):
                message = f"the table '{name}' does not begin with '{prefix}'"
                yield Finding("tables", _at(repository, path, node), message)


def _table_name(node: ast.AST) -> str | None:
    if not isinstance(node, ast.Call) or not node.args:
        return None
    called = ast.unparse(node.func).rpartition(".")[2]
    first = node.args[0]
    is_table = called == "create_table" or (
        called == "Table" and len(node.args) > 1 and "metadata" in ast.unparse(node.args[1])
    )
    return first.value if is_table and isinstance(first, ast.Constant) and isinstance(first.value, str) else None


def capabilities(repository: Repository) -> Iterator[Finding]:
    """What the code uses is asked for, and nothing else is."""
    asked = set(repository.manifest.requests.capabilities)
    used = dict(_used(repository))
    for capability in sorted(used.keys() - asked):
        message = f"it uses the capability '{capability}', which requests.capabilities does not ask for"
        yield Finding("capabilities", used[capability], message)
    for capability in sorted(asked - used.keys()):
        message = f"it asks for the capability '{capability}' and does not use it: ask for less"
        yield Finding("capabilities", repository.package, message, Level.WARNING)


def jobs(repository: Repository) -> Iterator[Finding]:
    """The manifest names the jobs that the code has: another one would never run."""
    named = set(repository.manifest.jobs)
    made: dict[str, str] = {}
    for path, tree in repository.modules.items():
        for node in ast.walk(tree):
            if (
                isinstance(node, ast.Call)
                and ast.unparse(node.func).rpartition(".")[2] in {"Job", "LongJob"}
                and node.args
            ):
                first = node.args[0]
                if isinstance(first, ast.Constant) and isinstance(first.value, str):
                    made[first.value] = _at(repository, path, node)
    for name in sorted(made.keys() - named):
        yield Finding("jobs", made[name], f"the manifest's jobs do not name '{name}', so it would never run")
    if made:  # names that are put together elsewhere cannot be read here
        for name in sorted(named - made.keys()):
            yield Finding("jobs", repository.package, f"the manifest names the job '{name}', which no code makes")


def _used(repository: Repository) -> Iterator[tuple[str, str]]:
    for path, hook in hook_functions(repository):
        if hook.name in _OF_HOOK:
            yield _OF_HOOK[hook.name], _at(repository, path, hook)
    for path, tree in repository.modules.items():
        for node in ast.walk(tree):
            capability = "database" if _table_name(node) is not None else _of_context(node)
            if capability is not None:
                yield capability, _at(repository, path, node)


def _of_context(node: ast.AST) -> str | None:
    """The capability behind `context.events` and its like."""
    if isinstance(node, ast.Attribute) and ast.unparse(node.value).endswith("context"):
        return _OF_MEMBER.get(node.attr)
    return None


def _at(repository: Repository, path: Path, node: ast.AST) -> str:
    return f"{repository.relative(path)}:{getattr(node, 'lineno', 1)}"
