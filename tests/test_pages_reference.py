"""The form of `docs/reference/pages.md`, written into a new plugin as the page says, and used."""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from mykey_core.clock import tokyo_date
from mykey_core.plugin_kit.new import PluginNames, render_plugin
from mykey_testkit.plugin_hub import MakeHub

PAGE = Path(__file__).resolve().parents[1] / "docs" / "reference" / "pages.md"
_BLOCK = re.compile(r"^```\w+ (append|replace)=(\S+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PACKAGE = "mykey_town_stamps"


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A new plugin with the page's changes, on Python's path as if it had been installed."""
    folder = tmp_path / "town-stamps"
    render_plugin(PluginNames("town-stamps"), folder)
    blocks = _BLOCK.findall(PAGE.read_text(encoding="utf-8"))
    assert len(blocks) == 11
    for act, name, text in blocks:
        path = folder / name
        before = path.read_text(encoding="utf-8")
        old, _, new = text.partition("---\n")
        blank = "\n" if path.name == "stamps.py" else "\n\n"
        if act == "replace":
            assert before.count(old.rstrip("\n")) == 1, (name, old)
        after = before + blank + text if act == "append" else before.replace(old.rstrip("\n"), new.rstrip("\n"))
        path.write_text(after, encoding="utf-8")
    information = folder / f"{PACKAGE}-0.1.0.dist-info"
    information.mkdir()
    (information / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {PACKAGE}\nVersion: 0.1.0\n")
    (information / "entry_points.txt").write_text(f"[mykey.plugins]\ntown-stamps = {PACKAGE}.plugin\n")
    monkeypatch.syspath_prepend(str(folder))
    yield folder
    for name in [name for name in sys.modules if name.partition(".")[0] == PACKAGE]:
        del sys.modules[name]
    importlib.invalidate_caches()


@pytest.mark.usefixtures("plugin")
def test_the_form_of_the_page_works(make_hub: MakeHub) -> None:
    """A stamp is shown with its button, given back once, recorded, and gone; a day without one is told."""
    hub = make_hub("town-stamps")
    hub.terminal().tap("adult", "town-stamps")
    browser, today = hub.citizen("adult"), tokyo_date(hub.clock()).isoformat()
    page = browser.get("/my/town-stamps/?lang=en").get_data(as_text=True)
    assert f'value="{today}"' in page
    for day, told in (("yesterday", "no such stamp"), (today, "stamp is gone"), (today, "no such stamp")):
        answer = browser.post("/my/town-stamps/give-back", {"day": day}, follow_redirects=True)
        assert told in answer.get_data(as_text=True)
    assert len([one for one in hub.audit() if "given-back" in str(one.facts)]) == 1


@pytest.mark.usefixtures("plugin")
def test_a_form_without_its_token_is_refused(make_hub: MakeHub) -> None:
    """What another site sends does nothing."""
    hub = make_hub("town-stamps")
    hub.terminal().tap("adult", "town-stamps")
    browser, today = hub.citizen("adult"), tokyo_date(hub.clock()).isoformat()
    answer = browser.post("/my/town-stamps/give-back", {"day": today, "csrf_token": "0" * 64})
    assert answer.status_code == 403
    assert f'value="{today}"' in browser.get("/my/town-stamps/").get_data(as_text=True)
