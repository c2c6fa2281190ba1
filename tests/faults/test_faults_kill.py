"""Killed with SIGKILL under load: nothing acknowledged is lost, nothing is done twice."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from mykey_testkit.postgres import DatabaseUrls

_WORKER = Path(__file__).parent / "kill_worker.py"


def _kill(folder: Path, urls: DatabaseUrls | None, kills: int) -> dict[str, Any]:
    arguments = [str(folder), "--kills", str(kills)]
    if urls is not None:
        arguments += ["--hub-url", urls.hub, "--owner-url", urls.owner]
    done = subprocess.run([sys.executable, str(_WORKER), *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    counts: dict[str, Any] = json.loads(done.stdout)
    return counts


def _judge(counts: dict[str, Any]) -> None:
    assert counts["acknowledged"] >= counts["kills"], counts
    assert (counts["lost"], counts["twice"]) == (0, 0), counts
    assert counts["other_replies"] == {}, counts  # a card in order is never refused, however often the hub is killed
    assert counts["audit_findings"] == [], counts
    assert counts["audit_records"] >= counts["done"], counts


def test_a_killed_hub_loses_nothing(tmp_path: Path, hub_database: DatabaseUrls | None) -> None:
    """Ten kills at random points."""
    _judge(_kill(tmp_path, hub_database, 10))


@pytest.mark.nightly
@pytest.mark.timeout(7200)
def test_a_hub_killed_a_thousand_times_loses_nothing(
    tmp_path: Path, hub_database: DatabaseUrls | None, capsys: pytest.CaptureFixture[str]
) -> None:
    """A thousand kills; the counts are printed."""
    counts = _kill(tmp_path, hub_database, 1000)
    with capsys.disabled():
        print(f"\n{'PostgreSQL' if hub_database else 'SQLite'}: {counts}")  # noqa: T201 - the note of the night
    _judge(counts)
