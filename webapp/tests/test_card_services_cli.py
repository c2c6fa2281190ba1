"""`mykey card-services`: JSON in and out, with the folder of a hub and an emulated card."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner

from mykey_core.audit.records import records_since
from mykey_core.card_writing.services_cli import card_services
from mykey_core.hub import open_hub
from mykey_core.settings import load_settings
from mykey_testkit.clock import ManualClock
from mykey_web.demo.bus_plugin import add_cards, install_bus_plugin
from mykey_web.demo.town import make_town

DATA = {"values": {"number": "B-1", "valid_until": "2030-03-31"}, "value": 100, "rides": 2, "period": 1}


@pytest.mark.timeout(120)
def test_a_service_from_plan_to_move_out(tmp_path: Path) -> None:
    """A plan writes nothing; write, suspend; money stands in the way of a deletion; codes and exit statuses."""
    town = make_town(tmp_path / "town", "http://127.0.0.1:1", ManualClock().now)
    add_cards(town.config)
    environment = {**os.environ, **install_bus_plugin(tmp_path / "plugins")}
    card = ["--virtual", "adult", "--cards", str(tmp_path / "cards")]

    def run(*arguments: str, content: object = None, status: int = 0) -> dict[str, object]:
        done = subprocess.run(  # the program as an administrator runs it
            [sys.executable, "-m", "mykey_core", "card-services", *arguments, "--config", str(town.config), *card],
            input=json.dumps(content),
            capture_output=True,
            text=True,
            check=False,
            env=environment,
        )
        assert done.returncode == status, done.stderr
        return dict(json.loads(done.stdout)) if done.stdout else {"error": done.stderr}

    planned = run("plan", "bus", "--data", "-", content=DATA)
    assert (planned["steps_done"], len(list(planned["plan"]))) == (0, 7)  # type: ignore[call-overload]
    assert run("write", "bus", "--data", "-", content=DATA)["steps_done"] == 7
    assert run("suspend", "bus")["steps_done"] == 1
    assert run("delete", "bus", status=1)["code"] == "service_has_value"
    assert "profile_unknown" in str(run("suspend", "unknown", status=1)["error"])
    assert run("move-out", "--with-value")["state"] == "done"


@pytest.mark.timeout(120)
def test_a_lost_card_is_denied_and_allowed_again(tmp_path: Path) -> None:
    """By the plugin's alias: every terminal's configuration has it, until it is found; who said so is in the log."""
    town = make_town(tmp_path / "town", "http://127.0.0.1:1", ManualClock().now)
    config = ["--config", str(town.config)]

    def run(*arguments: str) -> tuple[int, str]:
        result = CliRunner().invoke(card_services, [*arguments, *config])
        return result.exit_code, result.output

    def facts() -> list[tuple[str, str | None, str]]:
        hub = open_hub(load_settings(town.config))
        with hub.database.reading() as session:
            records = records_since(session, hub.settings.municipality, datetime(2020, 1, 1, tzinfo=UTC))
        hub.close()
        found = [one for one in records if one.event.startswith("card.")]
        return [(one.event, one.facts.get("reason"), one.facts["actor"]) for one in found]

    assert run("deny", "alias-1", "--reason", "lost", "--by", "sato")[0] == 0
    assert run("deny", "alias-1", "--reason", "stolen", "--by", "abe")[0] == 0
    assert facts() == [("card.denied", "lost", "staff:sato")]
    assert run("allow", "alias-1", "--by", "abe")[0] == 0
    assert facts()[1:] == [("card.denial_ended", None, "staff:abe")]
    code, output = run("allow", "alias-1", "--by", "abe")
    assert (code, json.loads(output)["state"]) == (1, "was not denied")
    assert run("deny", "", "--reason", "lost", "--by", "abe")[0] == 2
    assert run("deny", "x" * 65, "--reason", "lost", "--by", "abe")[0] == 2
