"""`mykey terminal run` as a process against a hub as a process: a cab's program speaks JSON lines to it."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from mykey_terminal.cli import terminal as terminal_command
from mykey_terminal.doctor import examine
from mykey_terminal.enrolment import StateDirectory
from mykey_testkit.canaries import gives_away
from mykey_web.cli import hub as hub_command
from mykey_web.demo import processes
from mykey_web.demo.cli import new_code
from mykey_web.demo.town import make_town

MYKEY = [sys.executable, "-c", "from mykey_core.cli import main; main()"]
LOAN = {"act": "lend", "barcode": "A1000001", "patron_number": "10000017"}


class Town:
    """The demo town's hub as a process, and one enrolled terminal."""

    def __init__(self, folder: Path) -> None:
        self.log = folder / "log"
        self.state = folder / "terminal"
        self.port = processes.free_port()
        self.origin = f"http://127.0.0.1:{self.port}"
        self.town = make_town(folder / "town", self.origin, datetime.now(UTC))
        self.config = self.town.config
        self.hub = self.start_hub()
        processes.enrol_terminal(self.origin, new_code(self.town), self.state, self.log)
        point = StateDirectory(self.state).load()[0].service_point["name"]
        self.point = str(point)

    def start_hub(self) -> processes.Child:
        return processes.start_hub(self.config, self.port, self.log)

    def run(self, *options: str, **more: Any) -> subprocess.Popen[str]:
        arguments = ["terminal", "run", "--point", self.point, "--state", str(self.state), "--virtual", *options]
        pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        return subprocess.Popen([*MYKEY, *arguments], text=True, **{**pipes, **more})


@pytest.fixture
def town(tmp_path: Path) -> Iterator[Town]:
    """A hub and a terminal that this test may stop."""
    made = Town(tmp_path)
    yield made
    if made.hub.running:
        made.hub.stop()


@pytest.fixture(scope="module")
def running_town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    """A hub and a terminal for the tests that leave both as they are; only one of them records."""
    made = Town(tmp_path_factory.mktemp("running"))
    yield made
    made.hub.stop()


class Program:
    """A cab's program at the other end of the lines."""

    def __init__(self, child: subprocess.Popen[str]) -> None:
        self.child = child
        self.number = 0

    def ask(self, **request: Any) -> dict[str, Any]:
        self.number += 1
        assert self.child.stdin is not None
        assert self.child.stdout is not None
        self.child.stdin.write(json.dumps({"id": self.number, **request}) + "\n")
        self.child.stdin.flush()
        answer: dict[str, Any] = json.loads(self.child.stdout.readline())
        assert answer["id"] == self.number
        return answer

    def until(self, wanted: Callable[[dict[str, Any]], bool], seconds: float = 20, **request: Any) -> dict[str, Any]:
        end = time.monotonic() + seconds
        while not wanted(answer := self.ask(**request)):
            assert time.monotonic() < end, answer
            time.sleep(0.2)
        return answer

    def close(self) -> str:
        assert self.child.stdin is not None
        self.child.stdin.close()
        assert self.child.wait(20) == 0
        assert self.child.stderr is not None
        assert self.child.stdout is not None
        self.child.stdout.close()
        with self.child.stderr as stderr:
            return stderr.read()


def test_a_cab_records_without_the_hub_and_is_shut_out_within_seconds(town: Town) -> None:
    """Recorded while the hub is down, delivered when it is back, locked within seconds of its revocation."""
    town.hub.stop()
    program = Program(town.run("--headless", "stdio"))
    made = program.ask(op="record", service="library-desk", payload=LOAN)
    assert (made["ok"], made["seq"]) == (True, 1)
    assert program.ask(op="find", record_id=made["record_id"])["state"] == "pending"
    town.hub = town.start_hub()
    found = program.until(lambda a: a["state"] == "accepted", op="find", record_id=made["record_id"], seconds=60)
    assert found["code"] == "library.lent"
    status = program.until(lambda a: a["configuration"] is not None, op="status")
    assert program.ask(op="denied", alias="any")["denied"] is False
    assert status["problem"] == ""
    assert program.ask(op="nonsense")["problem"]["code"] == "request_malformed"
    tapped = program.ask(op="tap", service="library-desk", action="open", pin="1234")
    assert tapped["problem"]["code"] == "no_card"
    identity = StateDirectory(town.state).load()[0].terminal_id
    result = CliRunner().invoke(hub_command, ["revoke-terminal", "--config", str(town.config), identity])
    assert result.exit_code == 0, result.output
    began = time.monotonic()
    program.until(lambda a: a["locked"], op="status", seconds=12)
    assert time.monotonic() - began < 12
    refused = program.ask(op="record", service="library-desk", payload=LOAN)
    assert (refused["ok"], refused["problem"]["code"]) == (False, "terminal_locked")
    told = program.close()
    assert '"locked": true' in told
    assert not gives_away(told, "1234")


def test_a_local_socket_serves_the_gate(running_town: Town) -> None:
    """The same over a private Unix socket, which is gone afterwards."""
    child = running_town.run("--headless", "socket")
    assert child.stdout is not None
    path = Path(json.loads(child.stdout.readline())["ready"])
    assert path.stat().st_mode & 0o777 == 0o600
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(path))
        with connection.makefile("rw") as lines:
            lines.write(json.dumps({"id": "a", "op": "record", "service": "library-desk", "payload": LOAN}) + "\n")
            lines.flush()
            assert json.loads(lines.readline())["seq"] == 1
    child.terminate()
    child.communicate(timeout=20)
    assert not path.exists()


def test_the_agent_runs_with_the_queue(running_town: Town) -> None:
    """Without `--headless` the page is served; the private page leads a kiosk's browser there, paired."""
    child = running_town.run("--port", "0")
    assert child.stdout is not None
    announced = json.loads(child.stdout.readline())
    page = (running_town.state / "open.html").read_text()
    assert f"{running_town.origin}/point#agent=" in page
    assert announced["pairing_code"] in page
    assert (running_town.state / "open.html").stat().st_mode & 0o777 == 0o600
    child.terminate()
    child.communicate(timeout=20)


def test_another_service_point_is_refused(running_town: Town) -> None:
    """A terminal that was enrolled for one point does not act for another."""
    arguments = ["run", "--point", "elsewhere", "--state", str(running_town.state)]
    result = CliRunner(env={"LC_ALL": "C"}).invoke(terminal_command, arguments)
    assert result.exit_code == 1
    assert running_town.point in result.output


def test_the_doctor_finds_what_is_wrong(town: Town, tmp_path: Path) -> None:
    """Each fault made on purpose is named, in Japanese and English, with what to do; a sound terminal has none."""

    def states(**more: Any) -> dict[str, str]:
        found = examine(StateDirectory(town.state), port=processes.free_port(), **{"readers": list, **more})
        assert all(len(found.text(language)) > 50 for language in ("ja", "en"))
        return {one.key: one.state for one in found.all}

    sound = states()
    assert sound["reader_missing"] == "bad"
    assert {sound[key] for key in ("enrolled", "hub", "clock", "accepted", "policy_not_needed")} == {"good"}
    assert sound["configuration_missing"] == "warning"
    assert states(readers=None)["reader_virtual"] == "good"
    assert "bad" not in states(readers=None).values()
    (town.state / "device-key.pem").chmod(0o644)
    assert states()["state_unsafe"] == "bad"
    (town.state / "device-key.pem").chmod(0o600)
    town.hub.stop()
    assert states()["hub_unreachable"] == "bad"
    terminal = json.loads((town.state / "terminal.json").read_text())
    terminal["hub_origin"] = "https://hub.example.jp"
    (town.state / "terminal.json").write_text(json.dumps(terminal))
    policies = tmp_path / "policies"
    policies.mkdir()
    assert states(policies=(policies,))["policy_missing"] == "warning"
    (policies / "mykey.json").write_text('{"LocalNetworkAccessAllowedForUrls": ["https://hub.example.jp"]}')
    assert states(policies=(policies,))["policy"] == "good"
    assert examine(StateDirectory(tmp_path / "none"), port=1, readers=list).failed


def test_the_doctor_knows_a_foreign_program_on_the_port(tmp_path: Path) -> None:
    """Something else listens where the agent should: said, and not taken for the agent."""
    with socket.create_server(("127.0.0.1", 0)) as foreign:
        found = examine(StateDirectory(tmp_path), port=foreign.getsockname()[1], readers=list)
    assert "agent_port_taken" in {one.key for one in found.all}
    assert os.environ.get("HOME")
