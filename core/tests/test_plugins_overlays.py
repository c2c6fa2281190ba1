"""One `plugins.toml` for several municipalities: the common part, and what differs in one of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from mykey_core.errors import ConfigurationError
from mykey_core.plugins.config import PluginsFile, ServicePolicy, read_plugins_file
from mykey_core.trust.revocation.budget import RiskClass

ONE, OTHER, THIRD = "132217", "102016", "011002"
_FILE = """
[plugins.library]
grants = ["database", "tap"]
[plugins.library.services.library-desk]
residents_only = true
risk = "low"
[plugins.library.settings]
loan_days = 14
rooms = { quiet = 2, loud = 1 }

[municipality."132217".plugins.library]
grants = ["tap"]
[municipality."132217".plugins.library.services.library-desk]
residents_only = false
[municipality."132217".plugins.library.settings]
rooms = { quiet = 5 }
[municipality."132217".plugins.taxi]
grants = ["tap"]

[municipality."102016".plugins.library]
enabled = false
"""


def _read(folder: Path, town: str, text: str = _FILE) -> PluginsFile:
    path = folder / "plugins.toml"
    path.write_text(text, encoding="utf-8")
    return read_plugins_file(path, town)


def test_a_town_without_an_overlay_has_the_common_part(tmp_path: Path) -> None:
    """Nothing of the other towns reaches it."""
    file = _read(tmp_path, THIRD)
    assert list(file.plugins) == ["library"]
    library = file.plugins["library"]
    assert (library.enabled, library.grants) == (True, {"database", "tap"})
    assert library.settings == {"loan_days": 14, "rooms": {"quiet": 2, "loud": 1}}


def test_an_overlay_changes_what_it_names_and_nothing_else(tmp_path: Path) -> None:
    """Tables are merged member by member; a list of grants takes the place of the common one."""
    file = _read(tmp_path, ONE)
    library = file.plugins["library"]
    assert library.services["library-desk"] == ServicePolicy(residents_only=False, risk=RiskClass.LOW)
    assert library.grants == {"tap"}
    assert library.settings == {"loan_days": 14, "rooms": {"quiet": 5, "loud": 1}}
    assert file.plugins["taxi"].grants == {"tap"}


def test_a_town_can_leave_a_plugin_out(tmp_path: Path) -> None:
    """And has none that only another town names."""
    file = _read(tmp_path, OTHER)
    assert not file.plugins["library"].enabled
    assert "taxi" not in file.plugins


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('[municipality."132218".plugins.library]', "municipality.132218: it is no six-digit code"),
        ('[municipality."102016".plugins.library]\ngrant = []', "102016.*did you mean 'grants'"),
        ('[municipality."102016".plugin.library]', "did you mean 'plugins'"),
        ('[municipality."102016".plugins]\nlibrary = 1', "municipality.102016.plugins.library"),
        ('[municipalty."102016".plugins.library]', "did you mean 'municipality'"),
    ],
)
def test_a_wrong_overlay_is_refused_in_every_town(tmp_path: Path, text: str, words: str) -> None:
    """A misspelt member or code is found when any town starts, with its place."""
    with pytest.raises(ConfigurationError, match=words):
        _read(tmp_path, ONE, f"{_FILE.partition('[municipality')[0]}\n{text}\n")
