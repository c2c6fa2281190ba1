"""The life of a plugin in a town: installed, upgraded, disabled, purged, installed again; and the core beside it."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from sqlalchemy import inspect, text

from mykey_core.hub import open_hub, upgrade_database
from mykey_core.plugins.cli import plugins as plugins_command
from mykey_core.plugins.loader import PluginState
from mykey_core.plugins.plugin_cli import plugin as plugin_command
from mykey_core.storage.engine import open_engine
from mykey_testkit.hub import HubHarness
from mykey_web.app import create_app

Town = Callable[[str], HubHarness]
SECOND = """
import sqlalchemy as sa
from alembic import op
revision, down_revision = "0002", "0001"

def upgrade():
    with op.batch_alter_table("{prefix}thing") as batch:
        batch.add_column(sa.Column("note", sa.String(9), nullable=True))
"""
ENABLED = '[plugins.stall]\ngrants = ["database", "tap"]\n'
DISABLED = f"# the council decided so\n{ENABLED}enabled = false\n"


def restart(hub: HubHarness, plugins: str) -> None:
    """Another `plugins.toml`, and the hub anew: a start of the web process, which never migrates."""
    hub.settings.plugins_file.write_text(plugins)
    hub.hub.close()
    hub.hub = open_hub(hub.settings, hub.clock)
    hub.app = create_app(hub.hub)


def tapped(hub: HubHarness) -> str:
    """The code and the number that a tap is answered with."""
    answer = hub.terminal().act("stall-desk", "open")
    return str(answer["code"] if "code" in answer else answer["result"]["message"]["title"])


def state(hub: HubHarness) -> tuple[PluginState, str]:
    """State and reason of the plugin."""
    return next((line.state, line.reason) for line in hub.hub.plugins.status() if line.name == "stall")


def tables(hub: HubHarness) -> set[str]:
    """All tables of the plugin, wherever they stand."""
    with hub.hub.engine.connect() as connection:
        inspector = inspect(connection)
        names = {name for schema in inspector.get_schema_names() for name in inspector.get_table_names(schema=schema)}
    return {name for name in names if name.startswith(("stall_", "alembic_version_stall"))}


def purge(hub: HubHarness, export: Path) -> Any:
    """`mykey plugin purge`."""
    arguments = ["purge", "stall", "--yes", "--export", str(export), "--config", str(hub.config)]
    return CliRunner().invoke(plugin_command, arguments)


def test_a_whole_life(distributions: Any, town: Town, tmp_path: Path) -> None:
    """Data survive an upgrade, an uninstallation and being disabled; a purge exports all of them and leaves nothing."""
    hub = town(distributions.install("stall"))
    assert [tapped(hub), tapped(hub)] == ["1", "2"]

    distributions.install("stall", version="2", migrations=(_first(), SECOND))
    restart(hub, ENABLED)
    assert state(hub) == (
        PluginState.QUARANTINED,
        "plugin 'stall': its tables are not those of this version: run `mykey db upgrade`",
    )
    assert upgrade_database(hub.settings) == []
    restart(hub, ENABLED)
    assert tapped(hub) == "3"

    distributions.remove("stall")
    restart(hub, ENABLED)
    assert state(hub)[0] is PluginState.NOT_INSTALLED
    assert upgrade_database(hub.settings) == []  # the core is upgraded without it

    distributions.install("stall", version="2", migrations=(_first(), SECOND))
    restart(hub, DISABLED)
    assert (state(hub)[0], tapped(hub)) == (PluginState.DISABLED, "service_unavailable")
    restart(hub, ENABLED)
    assert tapped(hub) == "4"

    export = tmp_path / "life.json"
    refused = purge(hub, export)
    assert "it is enabled" in refused.output
    assert not export.exists()
    restart(hub, DISABLED)
    done = purge(hub, export)
    assert done.output.startswith("4 rows written to"), done.output
    assert json.loads(export.read_text())["export"] == [1, 2, 3, 4]
    assert export.stat().st_mode & 0o777 == 0o600
    assert tables(hub) == set()
    assert [record.facts["rows"] for record in hub.audit("plugin.purged")] == [4]

    assert upgrade_database(hub.settings) == []
    restart(hub, ENABLED)
    assert tapped(hub) == "1"


def test_a_shredder_that_leaves_rows_purges_nothing(distributions: Any, town: Town, tmp_path: Path) -> None:
    """The tables that still have rows are named, and every row is where it was."""
    lazy = _code().replace("return database.execute(delete", "return 0 and database.execute(delete")
    hub = town(distributions.install("stall", lazy))
    assert tapped(hub) == "1"
    restart(hub, DISABLED)
    result = purge(hub, tmp_path / "life.json")
    assert result.exit_code == 1
    assert "leaves rows in stall_thing" in result.output
    restart(hub, ENABLED)
    assert tapped(hub) == "2"


def test_a_plugin_whose_code_is_gone_can_be_purged(distributions: Any, town: Town, tmp_path: Path) -> None:
    """Its tables are found by their prefix, written out, emptied and dropped."""
    hub = town(distributions.install("stall"))
    assert tapped(hub) == "1"
    distributions.remove("stall")
    restart(hub, DISABLED)
    result = purge(hub, tmp_path / "life.json")
    assert result.exit_code == 0, result.output
    assert json.loads((tmp_path / "life.json").read_text())["tables"] == {
        "stall_thing": [{"municipality": hub.municipality, "id": 1}]
    }
    assert tables(hub) == set()


def test_another_town_of_the_same_database_keeps_its_data(distributions: Any, town: Town, tmp_path: Path) -> None:
    """A purge takes the rows of its own municipality; the tables stay while another one has rows in them."""
    hub = town(distributions.install("stall"))
    assert tapped(hub) == "1"
    engine = open_engine(hub.settings.database_owner_url or hub.settings.database_url)
    insert = text("INSERT INTO stall_thing (municipality, id) VALUES ('102016', 7)")
    with engine.begin() as connection:
        connection.execute(insert)
    restart(hub, DISABLED)
    done = purge(hub, tmp_path / "stall.json")
    assert "another town uses them" in done.output, done.output
    assert "102016" not in (tmp_path / "stall.json").read_text()
    with engine.connect() as connection:
        assert [tuple(row) for row in connection.execute(text("SELECT * FROM stall_thing"))] == [("102016", 7)]
    engine.dispose()


def test_the_core_cannot_be_purged(distributions: Any, town: Town, tmp_path: Path) -> None:  # noqa: ARG001 - a clean path
    """A name whose prefix is that of the audit log is refused before anything is read."""
    hub = town("")
    arguments = ["purge", "audit", "--yes", "--export", str(tmp_path / "x"), "--config", str(hub.config)]
    result = CliRunner().invoke(plugin_command, arguments)
    assert result.exit_code == 1
    assert "audit_" in result.output
    assert hub.audit("municipality.created")


def test_grants_are_shown_before_they_are_written(distributions: Any, town: Town) -> None:
    """What is missing is named; the command shows the difference, and keeps the comments of the file."""
    distributions.install("stall", rest='attributes = ["name"]')
    hub = town(DISABLED)
    restart(hub, ENABLED)
    assert state(hub) == (PluginState.INACTIVE, "not granted: attribute:name")
    hub.settings.plugins_file.write_text(DISABLED)
    arguments = ["grant", "stall", "--config", str(hub.config)]
    shown = CliRunner().invoke(plugins_command, arguments, input="n\n")
    assert '+grants = ["attribute:name", "database", "tap"]' in shown.output
    assert hub.settings.plugins_file.read_text() == DISABLED
    assert CliRunner().invoke(plugins_command, [*arguments, "--yes"]).exit_code == 0
    text = hub.settings.plugins_file.read_text()
    assert "# the council decided so" in text
    restart(hub, text)
    assert state(hub) == (PluginState.ACTIVE, "")
    again = CliRunner().invoke(plugins_command, arguments)
    assert "has all that it asks for" in again.output


def _module() -> dict[str, Any]:
    from runpy import run_path

    return run_path(str(Path(__file__).with_name("conftest.py")))


def _first() -> str:
    return str(_module()["FIRST"])


def _code() -> str:
    return str(_module()["CODE"])


@pytest.mark.parametrize("settings", ['points = ["desk"]', 'service_point = ["desk"]'])
def test_an_unknown_member_of_the_file_is_an_error(distributions: Any, town: Town, settings: str) -> None:
    """The hub does not start with a file that it does not understand; a near miss is suggested."""
    from mykey_core.errors import ConfigurationError

    with pytest.raises(ConfigurationError, match="service_point"):
        town(distributions.install("stall") + settings.replace("points =", "service_pointz ="))


@pytest.mark.parametrize(("points", "code"), [('["desk"]', "stall.done"), ('["elsewhere"]', "service_not_allowed")])
def test_a_plugin_is_offered_at_the_service_points_that_the_town_names(
    distributions: Any, town: Town, points: str, code: str
) -> None:
    """`service_points` of plugins.toml narrows what a service point may offer, and what its terminals list."""
    hub = town(distributions.install("stall") + f"service_points = {points}\n")
    terminal = hub.terminal()
    answer = terminal.act("stall-desk", "open")
    assert (answer["code"] if "code" in answer else answer["result"]["code"]) == code
    listed = {one["service"] for one in terminal.get("/services").get_json()["services"]}
    assert ("stall-desk" in listed) is (code == "stall.done")
    signed = terminal.get("/terminal/configuration").get_json()["configuration"]
    told = json.loads(urlsafe_b64decode(signed.split(".")[1] + "=="))
    assert ("stall-desk" in told["services"]) is (code == "stall.done")
