"""Every single check of the verifier matters: each has a named test that sees the attack succeed without it.

The checks are found in the code, the tests in the files beside this one; a check without a test fails here. Run this
file as a program to print the list.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

import mykey_core

HERE = Path(__file__).parent
CORE = Path(mykey_core.__file__).parent
MODULES = [
    *(CORE / "trust" / f"{name}.py" for name in ("certificate_form", "end_entity", "fast_path", "store")),
    CORE / "trust" / "certificate_cache.py",
    *sorted((CORE / "authentication").glob("*.py")),
]
# Predicates and checks by the way they are named: each answers one question of rules V1 to V14.
PREFIXES = ("check_", "is_signed", "is_still", "has_", "lacks_", "may_")
NO_CHECKS = {
    "reasons.check_of": "the category of a code",
    "origin.check_origin": "switched off as verifier.check_origin, where the verifier asks",
    "certificate_form.has_known_critical_extensions": "the question inside check_critical_extensions",
}


def checks() -> set[str]:
    """Every check of the verifier, as `module.function`."""
    found = set()
    for path in MODULES:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        names = [node.name for node in tree.body if isinstance(node, ast.FunctionDef)]
        found |= {f"{path.stem}.{name}" for name in names if name.startswith(PREFIXES)}
    return found - NO_CHECKS.keys()


def switched_off() -> dict[str, list[str]]:
    """For each check the tests beside this file that switch it off."""
    tests: dict[str, list[str]] = {}
    for path in sorted(set(HERE.glob("test_*.py")) - {Path(__file__)}):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for guard, test in _mentions(tree):
            tests.setdefault(guard, []).append(f"{path.stem}::{test}")
    return tests


def _mentions(tree: ast.Module) -> list[tuple[str, str]]:
    """(check, test) for each string `module.check` in a test, or in a table that a test is parametrised with."""
    tables = {
        target.id: node
        for node in tree.body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    found = []
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
            used = {part.id for part in ast.walk(node) if isinstance(part, ast.Name)}
            parts = [node, *(tables[name] for name in used if name in tables)]
            found += [(guard, node.name) for part in parts for guard in _strings(part)]
    return found


def _strings(node: ast.AST) -> list[str]:
    """The names of checks in a piece of code: strings that look like `module.function`."""
    constants = [
        part.value for part in ast.walk(node) if isinstance(part, ast.Constant) and isinstance(part.value, str)
    ]
    return [text for text in constants if re.fullmatch(r"[a-z_0-9]+\.[a-z_]+", text)]


def test_each_check_has_a_test_that_switches_it_off() -> None:
    """No check without a test that fails when it is off; the tests themselves run elsewhere."""
    missing = checks() - switched_off().keys()
    assert not missing, f"no test switches these off: {sorted(missing)}"


def test_a_check_without_a_test_is_noticed() -> None:
    """The finder finds: a check that no test names is reported."""
    assert "end_entity.check_policy" in checks()
    assert "end_entity.check_nothing" not in switched_off()
    assert len(checks()) > 40


if __name__ == "__main__":
    by_check = switched_off()
    for check in sorted(checks()):
        print(f"{check:58} {', '.join(sorted(set(by_check.get(check, ['-']))))}")  # noqa: T201 - a list for people
