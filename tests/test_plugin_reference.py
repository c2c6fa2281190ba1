"""The reference for authors of plugins is made from the code, and leaves nothing out."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest

from mykey_core.cli import main
from mykey_core.plugin_kit.code_rules import HOOKS
from mykey_core.plugin_kit.reference import manifest_markdown, quality_markdown
from mykey_core.plugins.context import PluginContext

_DOCS = Path(__file__).resolve().parents[1] / "docs"


@pytest.mark.parametrize(("name", "made"), [("manifest", manifest_markdown), ("quality", quality_markdown)])
def test_reference_pages_are_up_to_date(name: str, made: object) -> None:
    """Each page is what `mykey plugin reference` prints; a new member, setting or capability is in it by itself."""
    assert callable(made)
    page = (_DOCS / "reference" / f"plugin-{name}.md").read_text(encoding="utf-8")
    assert page == made(), f"run `mykey plugin reference {name} > docs/reference/plugin-{name}.md`"


def test_every_hook_and_every_member_of_the_context_is_explained() -> None:
    """The page of hooks names each hook and each public member of the context."""
    page = (_DOCS / "reference" / "plugin-hooks.md").read_text(encoding="utf-8")
    members = {name for name in dir(PluginContext) if not name.startswith("_")}
    missing = sorted(name for name in HOOKS if name not in page)
    missing += sorted(name for name in members if not re.search(rf"`(context)?\.?{name}\b", page))
    assert missing == []


def test_every_command_for_plugins_is_in_the_docs() -> None:
    """Each subcommand of `mykey plugin` and `mykey plugins` is named on some page."""
    pages = "".join(path.read_text(encoding="utf-8") for path in _DOCS.rglob("*.md"))
    context = click.Context(main)
    wanted = []
    for name in ("plugin", "plugins"):
        group = main.get_command(context, name)
        assert isinstance(group, click.Group)
        wanted += [f"mykey {name} {command}" for command in group.list_commands(context)]
    assert [command for command in wanted if command not in pages] == []
