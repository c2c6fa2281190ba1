"""Settings from file and environment: what wins, and what each mistake is answered with."""

from __future__ import annotations

from pathlib import Path

import pytest

from mykey_core.administration.setting_members import members
from mykey_core.errors import ConfigurationError
from mykey_core.settings import HubSettings, load_settings
from mykey_core.settings_environment import variables

_FILE = """
municipality = "132217"
municipality_title = { ja = "みほん市" }
origin = "https://hub.example.jp"
[trust]
authentication_ca = ["ca.pem"]
[revocation]
anchors = ["ca.pem"]
state = "revocation"
[[revocation.sources]]
type = "crl-file"
directory = "crl"
"""


def loaded(folder: Path, text: str = _FILE, **environment: str) -> HubSettings:
    path = folder / "hub.toml"
    path.write_text(text, encoding="utf-8")
    return load_settings(path, environment)


def test_the_environment_wins(tmp_path: Path) -> None:
    """Text, numbers, booleans, lists, tables, tables that the file does not have, and paths below its folder."""
    settings = loaded(
        tmp_path, MYKEY_DATABASE_URL="postgresql://hub@db/town", MYKEY_SESSIONS__PROXIES="1",
        MYKEY_JOBS__IN_SERVER="false", MYKEY_TRUST__AUTHENTICATION_CA='["a.pem", "b.pem"]',
        MYKEY_MUNICIPALITY_TITLE='{ ja = "みほん町" }', MYKEY_KEYS_FILE="other.json",
        MYKEY_REVOCATION__STATE="elsewhere", MYKEY_IDENTITY__RENEWAL__URL="", PATH="/bin",
    )  # fmt: skip
    assert settings.database_url == "postgresql://hub@db/town"
    assert (settings.sessions.proxies, settings.jobs.in_server) == (1, False)
    assert settings.trust.authentication_ca == (tmp_path / "a.pem", tmp_path / "b.pem")
    assert settings.municipality_title == {"ja": "みほん町"}
    assert settings.keys_file == tmp_path / "other.json"
    assert settings.revocation.state == tmp_path / "elsewhere"
    assert settings.identity.renewal is None  # an empty variable gives nothing


def test_every_member_has_its_variable() -> None:
    """The reference names a variable for each member but those of the list of sources, and no two share one."""
    named = {one.name: one.variable for one in members() if one.variable}
    assert set(named.values()) == set(variables(HubSettings))
    assert len(set(named.values())) == len(named)
    assert [one.name for one in members() if not one.variable and not one.name.startswith("revocation.sources.")] == []


WRONG = {
    "member like another": ('orgin = "x"' + _FILE, {}, "orgin: there is no such setting: did you mean `origin"),
    "unknown member of a table": (_FILE + "[sessions]\nproxy = 1\n", {}, r"sessions\.proxy: there is no such setting"),
    "missing member": (_FILE.replace("municipality =", "#"), {}, "municipality: it is missing: write `municipality"),
    "missing member of a table": (_FILE.replace("authentication_ca", "#"), {}, r"authentication_ca: .*\[trust\]"),
    "wrong type": (_FILE + "[sessions]\nproxies = 'x'\n", {}, r"sessions\.proxies: input should be a valid integer"),
    "out of range": (_FILE + "[sessions]\nproxies = 9\n", {}, r"sessions\.proxies: .* less than or equal to 5"),
    "our own rule": (_FILE.replace("132217", "132218"), {}, "municipality: it is the six-digit code with its"),
    "no TOML": ("municipality", {}, "config: it is no valid TOML"),
    "a value for a table": ("sessions = 1\n" + _FILE, {"MYKEY_SESSIONS__PROXIES": "1"}, r"sessions: it is a table"),
    "variable: wrong type": (_FILE, {"MYKEY_SESSIONS__PROXIES": "one"}, "MYKEY_SESSIONS__PROXIES: input should be"),
    "variable: unknown": (_FILE, {"MYKEY_SESSIONS__PROXY": "1"}, "MYKEY_SESSIONS__PROXY: no setting has this"),
    "variable: no list": (_FILE, {"MYKEY_TRUST__AUTHENTICATION_CA": "a.pem"}, "as in TOML"),
    "unsafe": (_FILE, {"MYKEY_SHOW_EVIDENCE": "true"}, "show_evidence is for the demo and tests only"),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_a_mistake_is_named_and_says_what_to_do(tmp_path: Path, case: str) -> None:
    """The member or the variable by the name that its writer used, and where to look."""
    text, environment, told = WRONG[case]
    with pytest.raises(ConfigurationError, match=told):
        loaded(tmp_path, text, **environment)


def test_a_value_is_never_repeated(tmp_path: Path) -> None:
    """A password in a wrong place does not reach a log by the message."""
    with pytest.raises(ConfigurationError) as found:
        loaded(tmp_path, _FILE, MYKEY_JOBS__QUEUE="https://user:canary-password@queue.example.jp")
    assert "canary" not in str(found.value)


def test_several_mistakes_are_counted(tmp_path: Path) -> None:
    """The first by name, and how many more there are."""
    with pytest.raises(ConfigurationError, match=r"\(1 more after it\)"):
        loaded(tmp_path, "a = 1\nb = 2\n" + _FILE)
