"""`mykey card-services`: JSON in and out, with the folder of a hub and an emulated card."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

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
