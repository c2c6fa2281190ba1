"""The plugin API as it is promised: generated from the code, compared with the repository, documented name by name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import mykey_core.api
from mykey_core.plugins.api_document import api_document, as_text
from mykey_core.plugins.deprecations import DEPRECATIONS, MykeyDeprecationWarning
from mykey_core.plugins.version import API_VERSION

ROOT = Path(__file__).resolve().parents[2]
HOOKS_PAGE = ROOT / "docs" / "reference" / "plugin-hooks.md"


def test_the_api_is_the_one_in_the_repository() -> None:
    """A change of the API is a change of the file: `mykey plugin api > docs/reference/plugin-api.json`."""
    assert (ROOT / "docs" / "reference" / "plugin-api.json").read_text(encoding="utf-8") == as_text()


@pytest.mark.parametrize("part", ["hooks", "context", "capabilities"])
def test_every_hook_capability_and_member_of_the_context_is_documented(part: str) -> None:
    """Each stands by its name on the reference page."""
    page = HOOKS_PAGE.read_text(encoding="utf-8")
    assert [name for name in api_document()[part] if f"`{name}`" not in page] == []


def test_every_hook_and_every_type_says_what_it_is() -> None:
    """No hook, class, enum or function of the façade is without its one-line meaning."""
    document: dict[str, Any] = api_document()
    entries = {**document["hooks"], **document["names"]}
    assert [name for name, entry in entries.items() if entry.get("kind") != "value" and not entry["meaning"]] == []


def test_deprecated_names_work_and_say_when_they_go() -> None:
    """Each warns with its successor and the version of removal, which is not past."""
    for entry in DEPRECATIONS:
        with pytest.warns(MykeyDeprecationWarning, match=entry.new) as caught:
            old = getattr(mykey_core.api, entry.old)
        assert old is getattr(mykey_core.api, entry.new)
        assert caught[0].filename == __file__
        assert tuple(map(int, entry.removed_in.split("."))) > API_VERSION


def test_an_unknown_name_is_unknown() -> None:
    """The façade does not swallow misspelt imports."""
    assert not hasattr(mykey_core.api, "PluginContex")
