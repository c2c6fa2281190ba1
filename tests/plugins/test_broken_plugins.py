"""Plugins that are broken in every way that we know: the hub runs on beside them and says what is wrong."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from click.testing import CliRunner

from mykey_core.hub import upgrade_database
from mykey_core.plugins.cli import plugins as plugins_command
from mykey_core.plugins.guard import FAILURES_TO_OPEN, PAUSE
from mykey_core.plugins.loader import PluginState
from mykey_core.plugins.plugin_cli import plugin as plugin_command
from mykey_testkit.canaries import gives_away
from mykey_testkit.hub import HubHarness

Town = Callable[[str], HubHarness]
_TAP = "def mykey_tap(context, request, database):"
_SETUP = "\n@hookimpl\ndef mykey_setup(context):\n    {body}\n"


def tapped(hub: HubHarness, name: str) -> str:
    """What a tap at the desk of a plugin comes to: a code."""
    answer = hub.terminal().act(f"{name}-desk", "open")
    return str(answer["code"] if "code" in answer else answer["result"]["code"])


def reason(hub: HubHarness, name: str) -> tuple[PluginState, str]:
    """State and reason, as the administration page has them."""
    return next((line.state, line.reason) for line in hub.hub.plugins.status() if line.name == name)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"code": "import not_there_at_all"}, "ModuleNotFoundError: No module named 'not_there_at_all'"),
        ({"code": "def f(:"}, "SyntaxError"),
        ({"code": "raise SystemError('at import')"}, "SystemError: at import"),
        ({"api": "9.0"}, "written for plugin API 9.0, and this hub has 0.2"),
        ({"rest": 'event = ["a.b"]'}, "did you mean 'events'"),
        ({"members": "retentions = 1"}, "did you mean 'retention'"),
        ({"capabilities": ("database", "tapp")}, "capabilities"),
        ({"files": {"templates/hub/base.html": "stolen"}}, "outside of templates/mykey_broken/"),
        ({"hook": "mykey_setpu"}, "mykey_setpu"),
        ({"hook": "mykey_setup", "argument": "request"}, "request"),
        ({"setup": "raise ValueError('setting')"}, "ValueError: setting"),
        ({"migrations": ("raise RuntimeError('bad')",)}, "RuntimeError: bad"),
        (
            {"migrations": ("revision, down_revision = '0001', None\ndef upgrade():\n    raise RuntimeError\n",)},
            "run `mykey db upgrade`",
        ),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_plugin_that_cannot_start_is_quarantined(
    distributions: Any, town: Town, changes: dict[str, Any], words: str
) -> None:
    """The reason is told; the plugin beside it works at the same desk, on both databases."""
    broken = dict(changes)
    code = broken.pop("code", None)
    if "hook" in broken:
        hook, argument = broken.pop("hook"), broken.pop("argument", "context")
        code = f"from mykey_core.api import hookimpl\n@hookimpl\ndef {hook}({argument}):\n    pass\n"
    if "setup" in broken:
        code = "from mykey_core.api import hookimpl" + _SETUP.format(body=broken.pop("setup"))
    file = distributions.install("fine")
    file += distributions.install("broken", **({"code": code} if code else {}), **broken)
    hub = town(file)
    state, told = reason(hub, "broken")
    assert state is PluginState.QUARANTINED
    assert words in told
    assert tapped(hub, "fine") == "fine.done"
    assert tapped(hub, "broken") == "service_unavailable"


def test_a_bad_migration_leaves_nothing_and_stops_nobody(distributions: Any, town: Town) -> None:
    """What it had made before it failed is undone; the core and the other plugin are upgraded; it is named."""
    half = "revision, down_revision = '0001', None\ndef upgrade():\n"
    half += (
        "    from alembic import op\n    op.execute('CREATE TABLE broken_half (id INTEGER)')\n    raise RuntimeError\n"
    )
    hub = town(distributions.install("fine") + distributions.install("broken", migrations=(half,)))
    assert upgrade_database(hub.settings) == ["broken"]
    with hub.hub.engine.connect() as connection:
        from sqlalchemy import inspect

        schemas = inspect(connection).get_schema_names()
        names = {name for schema in schemas for name in inspect(connection).get_table_names(schema=schema)}
    assert "fine_thing" in names
    assert not names & {"broken_half", "alembic_version_broken"}


def test_an_exception_in_a_hook_is_undone_and_told_without_its_text(
    distributions: Any, town: Town, caplog: pytest.LogCaptureFixture
) -> None:
    """The tap is refused, its writes are undone, the log names type and place, never what the exception says."""
    raising = f"{_TAP}\n    raise ValueError('PIN 9137')"
    writing = "    return TapResult"
    code = distributions_code().replace(
        writing, "    if number == 2:\n        raise ValueError('PIN 9137')\n" + writing
    )
    assert raising not in code
    hub = town(distributions.install("shaky", code))
    with caplog.at_level(logging.DEBUG):
        assert [tapped(hub, "shaky") for _ in range(3)] == ["shaky.done", "plugin_fault", "plugin_fault"]
    assert not gives_away(caplog.text, "9137")
    assert "mykey_tap failed: ValueError __init__.py:" in caplog.text
    status = next(line for line in hub.hub.plugins.status() if line.name == "shaky")
    assert (status.faults, status.last_fault[:22]) == (2, "mykey_tap: ValueError ")


def test_the_breaker_opens_and_closes_again(distributions: Any, town: Town) -> None:
    """After five faults in a row the hook is not called; after the pause one call decides; others are untouched."""
    counting = "\ncalls = []\nbroken = [True]\n\n@hookimpl\n" + _TAP + "\n    calls.append(1)\n    if broken[0]:\n"
    counting += (
        "        raise ValueError\n    return TapResult(Outcome.DONE, 'b.done', Message(context.text('done')))\n"
    )
    code = "from mykey_core.api import *\n" + counting
    hub = town(distributions.install("b", code, capabilities=("tap",)) + distributions.install("fine"))
    module = sys.modules["stranger_b"]
    for _ in range(FAILURES_TO_OPEN + 3):
        assert tapped(hub, "b") == "plugin_fault"
    assert len(module.calls) == FAILURES_TO_OPEN
    assert reason(hub, "b") == (PluginState.ACTIVE, "suspended: mykey_tap")
    hub.clock.move(PAUSE + timedelta(seconds=1))
    assert tapped(hub, "b") == "plugin_fault"  # half-open: one call, which fails
    assert tapped(hub, "b") == "plugin_fault"
    assert len(module.calls) == FAILURES_TO_OPEN + 1
    module.broken[0] = False
    hub.clock.move(PAUSE + timedelta(seconds=1))
    assert [tapped(hub, "b"), tapped(hub, "b"), tapped(hub, "fine")] == ["b.done", "b.done", "fine.done"]
    assert reason(hub, "b") == (PluginState.ACTIVE, "")


def test_a_slow_hook_counts_as_a_failure(distributions: Any, town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its answers stand, but after five calls beyond the budget it is suspended."""
    hub = town(distributions.install("slow"))
    monkeypatch.setattr("mykey_core.plugins.guard.BUDGETS", {"mykey_tap": -1.0})
    codes = [tapped(hub, "slow") for _ in range(FAILURES_TO_OPEN + 1)]
    assert codes == ["slow.done"] * FAILURES_TO_OPEN + ["plugin_fault"]
    status = next(line for line in hub.hub.plugins.status() if line.name == "slow")
    assert status.last_fault == "mykey_tap: slow"


def test_a_crash_at_start_twice_leads_to_safe_mode(distributions: Any, town: Town) -> None:
    """The process really ends, twice; the third start leaves the plugin out; `retry` lets it start again."""
    hub = town(distributions.install("fine"))
    crash = "from mykey_core.api import hookimpl" + _SETUP.format(body="import os; os._exit(86)")
    hub.settings.plugins_file.write_text(hub.plugins + distributions.install("crashing", crash, capabilities=("tap",)))
    command = [sys.executable, "-m", "mykey_core", "plugins", "--json", "--config", str(hub.config)]
    environment = {**os.environ, "PYTHONPATH": str(distributions.folder)}
    runs = [
        subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)
        for _ in range(3)
    ]
    assert [run.returncode for run in runs] == [86, 86, 0]
    states = {line["name"]: line for line in json.loads(runs[2].stdout)}
    assert states["fine"]["state"] == "active"
    assert states["crashing"]["state"] == "quarantined"
    assert "safe mode" in states["crashing"]["reason"]
    retried = CliRunner().invoke(plugin_command, ["retry", "crashing", "--config", str(hub.config)])
    assert retried.output == "2 crashes forgotten: restart the hub\n"
    distributions.install("crashing", "", capabilities=("tap",))
    listed = CliRunner().invoke(plugins_command, ["--json", "--config", str(hub.config)])
    assert {line["name"]: line["state"] for line in json.loads(listed.output)}["crashing"] == "active"


def test_a_developer_sees_the_fault_itself(distributions: Any, town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    """With MYKEY_STRICT_PLUGINS=1 the hub does not start beside a broken plugin."""
    monkeypatch.setenv("MYKEY_STRICT_PLUGINS", "1")
    with pytest.raises(ModuleNotFoundError, match="not_there_at_all"):
        town(distributions.install("broken", "import not_there_at_all", migrations=()))


@pytest.mark.parametrize("name", ["audit", "card", "service", "core"])
def test_a_name_that_reaches_into_the_core_is_refused(distributions: Any, town: Town, name: str) -> None:
    """A plugin called 'audit' would own `audit_record` by its prefix: it is quarantined, whatever it asks for."""
    hub = town(distributions.install(name))
    assert reason(hub, name)[0] is PluginState.QUARANTINED
    assert "cannot be called" in reason(hub, name)[1]
    assert upgrade_database(hub.settings) == [name]


def test_two_plugins_whose_tables_begin_alike_do_not_stand_together(distributions: Any, town: Town) -> None:
    """'bus' would own the tables of 'bus-night': the second is set aside."""
    hub = town(distributions.install("bus") + distributions.install("bus_night"))
    assert reason(hub, "bus")[0] is PluginState.ACTIVE
    assert "cannot stand beside 'bus'" in reason(hub, "bus_night")[1]


def distributions_code() -> str:
    """The code of the plugin that works."""
    from pathlib import Path
    from runpy import run_path

    return str(run_path(str(Path(__file__).with_name("conftest.py")))["CODE"])
