"""What import-linter cannot say: plugins see three façades and nothing behind them, and pyscard has one door."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[1]
_FACADES = {"mykey_core.api", "mykey_web.api", "mykey_cardap.api"}
_OURS = ("mykey_core", "mykey_web", "mykey_cardap", "mykey_terminal")


def _imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module


def test_plugins_import_only_the_facades() -> None:
    """Every import of ours in every shipped plugin is one of the three façades."""
    files = list(_ROOT.glob("plugins/*/mykey_*/**/*.py"))
    wrong = {
        f"{path.relative_to(_ROOT)}: {name}"
        for path in files
        for name in _imports(path)
        if name.split(".")[0] in _OURS and name not in _FACADES
    }
    assert files
    assert not wrong


def test_pyscard_is_imported_in_one_module_only() -> None:
    """A desk computer without a compiler must work, so one module knows pyscard."""
    files = [
        path for folder in ("cardap", "core", "webapp", "plugins") for path in _ROOT.glob(f"{folder}/mykey_*/**/*.py")
    ]
    doors = {
        str(path.relative_to(_ROOT))
        for path in files
        if any(name.split(".")[0] == "smartcard" for name in _imports(path))
    }
    assert doors == {"cardap/mykey_cardap/pcsc/pyscard_backend.py"}
