"""A new plugin's files, and the judgement of a plugin's repository."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from mykey_core.plugin_kit.check import check_plugin
from mykey_core.plugin_kit.findings import Level
from mykey_core.plugin_kit.new import PluginNames, render_plugin
from mykey_core.plugins.errors import PluginConfigError

_PACKAGE = "mykey_town_stamps"


@pytest.fixture
def plugin(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """A freshly rendered plugin."""
    folder, bare = tmp_path / "town-stamps", getattr(request, "param", False)
    render_plugin(PluginNames("town-stamps"), folder, title_ja="まちのスタンプ", bare=bare)
    return folder


def test_a_rendered_plugin_has_no_fault(plugin: Path) -> None:
    """What the template gives passes the checker; only what its author has to do is left."""
    findings = check_plugin(plugin)
    assert [finding for finding in findings if finding.level is Level.ERROR] == []
    assert {finding.message for finding in findings} == {"to do: documentation-staff", "to do: documentation-citizen"}


def test_a_bare_plugin_has_no_fault(tmp_path: Path) -> None:
    """Without the example: what is left is to do, nothing is wrong, and nothing of the example is there."""
    written = render_plugin(PluginNames("town-bus"), tmp_path / "bus", bare=True)
    assert {finding.level for finding in check_plugin(tmp_path / "bus")} == {Level.WARNING}
    assert not [path for path in written if "stamp" in path.read_text(encoding="utf-8").lower() or "<<" in path.name]
    assert len(written) == 14


@pytest.mark.parametrize("plugin", [False, True], indirect=True, ids=["example", "bare"])
def test_no_mark_of_the_template_is_left(plugin: Path) -> None:
    """Every placeholder was filled, in names of files too."""
    files = [path for path in plugin.rglob("*") if path.is_file()]
    texts = [str(path.relative_to(plugin)) + path.read_text(encoding="utf-8") for path in files]
    assert not [text for text in texts if "<<" in text or "PACKAGE" in text or "MODULE" in text or ".jinja" in text]
    assert (plugin / ".gitignore").is_file()
    assert (plugin / ".github" / "workflows" / "test.yml").is_file()


@pytest.mark.parametrize("name", ["", "x", "Stamps", "1stamps", "stamps_", "スタンプ", "core", "a" * 33, "../etc"])
def test_a_name_that_cannot_be_a_plugins_is_refused(name: str) -> None:
    """Names that would make no package, no table prefix, or a clash with the hub."""
    with pytest.raises(PluginConfigError):
        PluginNames(name)


def test_nothing_is_overwritten(plugin: Path) -> None:
    """A folder that holds anything is left as it is."""
    with pytest.raises(PluginConfigError, match="not empty"):
        render_plugin(PluginNames("other"), plugin)


def _replace(name: str, old: str, new: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        path = folder / name.replace("PACKAGE", _PACKAGE)
        text = path.read_text(encoding="utf-8")
        assert old in text
        path.write_text(text.replace(old, new), encoding="utf-8")

    return change


def _remove(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name.replace("PACKAGE", _PACKAGE)).unlink()


def _add(name: str, text: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        path = folder / name.replace("PACKAGE", _PACKAGE)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    return change


_FAULTS = [
    ("layout", _remove("README.md"), "there is no README.md"),
    ("layout", _replace("PACKAGE/desk.py", "def ", "def def "), "no valid Python"),
    ("manifest", _remove("PACKAGE/mykey-plugin.toml"), "there is no mykey-plugin.toml"),
    ("manifest", _replace("PACKAGE/mykey-plugin.toml", 'package = "mykey', 'package = "my'), "names the package"),
    ("imports", _replace("PACKAGE/desk.py", "mykey_core.api", "mykey_core.plugins.results"), "plugins import"),
    ("imports", _add("PACKAGE/other.py", "import mykey_library\n"), "another plugin"),
    ("hooks", _replace("PACKAGE/plugin.py", "def mykey_tap", "def mykey_tapp"), "did you mean mykey_tap"),
    ("tables", _replace("PACKAGE/stamps.py", '"town_stamps_stamp"', '"person"'), "'person' does not begin"),
    ("tables", _replace("PACKAGE/migrations/versions/0001_first.py", '"town_stamps_stamp"', '"x"'), "'x' does not"),
    ("capabilities", _replace("PACKAGE/mykey-plugin.toml", '"tap", "pages"', '"tap"'), "'pages'"),
    ("capabilities", _add("PACKAGE/more.py", "def f(context):\n    context.http.get('x')\n"), "'http'"),
    ("jobs", _add("PACKAGE/more.py", "job = Job('remind', print)\n"), "do not name 'remind'"),
    ("templates", _add("PACKAGE/templates/hub/base.html", "<p>mine</p>"), "move it into"),
    ("templates", _add("PACKAGE/templates/PACKAGE/x.html", '<p style="color:red">'), "inline"),
    ("migrations", _remove("PACKAGE/migrations/env.py"), "no migrations"),
    ("migrations", _replace("PACKAGE/migrations/versions/0001_first.py", "def downgrade", "def other"), "downgrade"),
    ("translations", _remove("PACKAGE/translations/en.po"), "missing"),
    ("translations", _replace("PACKAGE/translations/en.po", "{count} stamps", "{number} stamps"), "fields"),
    ("translations", _replace("PACKAGE/translations/ja.po", 'msgid "label.left"', 'msgid "label.right"'), "label.left"),
    ("shredder", _replace("PACKAGE/plugin.py", "def mykey_shredder", "def mykey_health2"), "no mykey_shredder"),
    ("documentation", _add("README.md", "# Stamps\n"), "too short"),
    ("quality", _remove("quality.toml"), "no quality list"),
    ("quality", _replace("quality.toml", 'health = "done"', 'health = "perfect"'), "neither"),
    ("quality", _replace("quality.toml", 'health = "done"\n', ""), "'health' is missing"),
    ("quality", _replace("quality.toml", "it writes nothing onto the card", "no"), "neither"),
]


@pytest.mark.parametrize(
    ("rule", "damage", "message"), _FAULTS, ids=[f"{rule}-{text[:20]}" for rule, _, text in _FAULTS]
)
def test_each_fault_is_found(plugin: Path, rule: str, damage: Callable[[Path], None], message: str) -> None:
    """One thing is broken, and the checker says which rule and what to do."""
    damage(plugin)
    found = [finding for finding in check_plugin(plugin) if finding.rule == rule and finding.level is Level.ERROR]
    assert [finding for finding in found if message in finding.message], found


def test_a_folder_without_a_plugin_is_told_so(tmp_path: Path) -> None:
    """Neither a missing pyproject.toml nor one without an entry point ends in a traceback."""
    with pytest.raises(PluginConfigError, match=r"no pyproject\.toml"):
        check_plugin(tmp_path)
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "x"\n', encoding="utf-8")
    with pytest.raises(PluginConfigError, match="entry point"):
        check_plugin(tmp_path)


def test_findings_are_json(plugin: Path) -> None:
    """`mykey plugin check --json` prints what others can read."""
    findings = [finding.as_json() for finding in check_plugin(plugin)]
    assert set(json.loads(json.dumps(findings))[0]) == {"rule", "where", "message", "level"}
