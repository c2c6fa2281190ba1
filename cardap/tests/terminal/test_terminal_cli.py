"""The commands as people run them, against the hub's double over real HTTP on loopback."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from click.testing import CliRunner

from mykey_terminal.cli import terminal
from mykey_testkit.canaries import gives_away

if TYPE_CHECKING:
    from collections.abc import Iterator

MYKEY = [sys.executable, "-c", "from mykey_terminal.cli import terminal; terminal()"]


def run(*arguments: str | Path, given: str = "") -> Any:
    """Run `mykey terminal`, its own words in English."""
    return CliRunner(env={"LC_ALL": "C"}).invoke(terminal, [str(argument) for argument in arguments], input=given)


def test_enrol_tap_and_status(tmp_path: Path, live_hub: str) -> None:
    """The three commands one after the other; code and PIN come from standard input and are not printed."""
    at_home = tmp_path / "new"
    result = run("enrol", "--hub", live_hub, "--code-stdin", "--state", at_home, given="KONNICHIWA\n")
    assert result.exit_code == 0, result.output
    assert "KONNICHIWA" not in result.output
    options = ("--state", at_home, "--service", "library", "--virtual", "adult", "--pin-stdin")
    result = run("tap", *options, "--input", "item=77001", "--json", given="1234\n")
    assert result.exit_code == 0, result.output
    assert json.loads(result.output)["result"]["code"] == "opened"
    assert not gives_away(result.output, "1234")
    wrong = run("tap", *options, given="9999\n")
    assert (wrong.exit_code, wrong.output) == (1, "not done: Wrong PIN. 2 more wrong tries block it. [pin_wrong]\n")
    status = run("status", "--state", at_home, "--json")
    assert status.exit_code == 0, status.output
    assert json.loads(status.output)["hub_origin"] == live_hub
    assert json.loads(status.output)["services"] == ["library"]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("status",), "[not_enrolled]"),
        (("tap", "--service", "library", "--virtual", "adult", "--pin-stdin"), "[not_enrolled]"),
        (("agent",), "[not_enrolled]"),
        (("enrol", "--hub", "http://hub.example.jp", "--code", "X"), "[hub_address]"),
    ],
)
def test_errors_are_one_line_with_a_code(tmp_path: Path, arguments: tuple[str, ...], told: str) -> None:
    """No traceback: one line, a code, exit status 1."""
    result = run(arguments[0], "--state", tmp_path / "terminal", *arguments[1:], given="1234\n")
    assert result.exit_code == 1
    assert told in result.output
    assert len(result.output.splitlines()) == 1


@pytest.mark.parametrize(
    ("locale", "options", "asked", "what_to_do"),
    [
        ("C", (), "One-time code", "`mykey hub enrolment-code POINT`"),
        ("ja_JP.UTF-8", (), "登録コード", "`mykey hub enrolment-code 窓口の名前`"),
        ("C", ("--language", "ja-Hira"), "登録コード", "`mykey hub enrolment-code 窓口の名前`"),
    ],
)
def test_a_wrong_code_tells_the_installer_what_to_do(
    tmp_path: Path, live_hub: str, locale: str, options: tuple[str, ...], asked: str, what_to_do: str
) -> None:
    """In the language of the question, and not what a visitor of the service would be told."""
    arguments = ["enrol", "--hub", live_hub, "--state", str(tmp_path / "new"), *options]
    result = CliRunner(env={"LC_ALL": locale}).invoke(terminal, arguments, input="SAYONARA\n")
    assert result.exit_code == 1
    assert asked in result.output
    assert what_to_do in result.output
    assert "[enrolment_code_invalid]" in result.output
    assert "SAYONARA" not in result.output


def test_empty_code_is_told(tmp_path: Path) -> None:
    """With `--code-stdin` and nothing there, no question is asked that nobody answers."""
    result = run("enrol", "--hub", "https://hub.example.jp", "--code-stdin", "--state", tmp_path / "new")
    assert (result.exit_code, "no one-time code" in result.output) == (2, True)
    assert not (tmp_path / "new").exists()


def test_unknown_card_and_bad_input_are_told(at_home: Path) -> None:
    """A persona that does not exist, and an input without a value."""
    options = ("tap", "--state", at_home, "--service", "library", "--pin-stdin")
    assert "[card_unknown]" in run(*options, "--virtual", "nobody", given="1234\n").output
    result = run(*options, "--virtual", "adult", "--input", "item", given="1234\n")
    assert (result.exit_code, "NAME=VALUE" in result.output) == (2, True)


def test_hub_that_is_away_is_told(at_home: Path, hub_double: Any) -> None:
    """Status says so with exit status 1, and a tap fails before the card is touched."""
    text = (at_home / "terminal.json").read_text()
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        (at_home / "terminal.json").write_text(
            text.replace(hub_double.origin, f"http://127.0.0.1:{unused.getsockname()[1]}")
        )
    status = run("status", "--state", at_home, "--json")
    assert (status.exit_code, json.loads(status.output)["hub"]) == (1, "hub_unreachable")
    options = ("--state", at_home, "--service", "library", "--virtual", "adult", "--pin-stdin", "--json")
    answer = json.loads(run("tap", *options, given="1234\n").output)
    assert (answer["problem"]["code"], answer["trace"]) == ("hub_unreachable", [])


@pytest.fixture
def live_agent(at_home: Path, tmp_path: Path) -> Iterator[tuple[dict[str, str], subprocess.Popen[bytes], Path]]:
    """An agent as a process of its own: what it announced, the process, and the file with its output."""
    ready, output = tmp_path / "ready.json", tmp_path / "agent.log"
    options = ["agent", "--state", str(at_home), "--virtual", "--ready-file", str(ready)]
    with output.open("wb") as stream:
        process = subprocess.Popen([*MYKEY, *options], stdout=stream, stderr=subprocess.STDOUT)
    deadline = time.monotonic() + 60
    while not ready.exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    assert ready.exists(), output.read_text()
    yield json.loads(ready.read_text()), process, output
    process.send_signal(signal.SIGTERM)
    process.wait(30)


def test_agent_process_serves_a_page(
    live_agent: tuple[dict[str, str], subprocess.Popen[bytes], Path], live_hub: str, tmp_path: Path
) -> None:
    """Pair, insert, tap over real HTTP; then what the process printed and who may read the announcement."""
    announced, process, output = live_agent
    ready = tmp_path / "ready.json"
    assert ready.stat().st_mode & 0o777 == 0o600
    headers = {"Origin": live_hub}
    with httpx.Client(base_url=announced["api"], headers=headers, trust_env=False, timeout=60) as page:
        answer = page.post("/pair", json={"code": announced["pairing_code"]})
        page.headers["Mykey-Pairing"] = answer.json()["token"]
        assert answer.headers["Access-Control-Allow-Origin"] == live_hub
        assert "Server" not in answer.headers
        assert json.loads(ready.read_text())["pairing_code"] != announced["pairing_code"]
        page.put("/tray/inserted", json={"card": "adult"})
        tap = page.post("/taps", json={"service": "library", "pin": "1234"}).json()
        assert (tap["state"], tap["result"]["code"]) == ("done", "opened")
        assert page.get("/status", headers={"Host": "evil.example"}).status_code == 421
        too_much = page.post("/taps", content=b"x" * 20_000, headers={"Content-Type": "application/json"})
        assert (too_much.status_code, too_much.json()["code"]) == (413, "agent_body_too_large")
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0
    assert output.read_bytes() == b""


def test_agent_listens_on_loopback_only(
    live_agent: tuple[dict[str, str], subprocess.Popen[bytes], Path],
) -> None:
    """The kernel's table of listening sockets of the process names 127.0.0.1 and ::1, nothing else."""
    announced, process, _ = live_agent
    port = int(announced["address"].rsplit(":", 1)[1])
    own = {str(link.readlink()) for link in Path(f"/proc/{process.pid}/fd").iterdir() if link.is_symlink()}
    hosts = set()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            host, listening = fields[1].rsplit(":", 1)
            if fields[3] == "0A" and int(listening, 16) == port and f"socket:[{fields[9]}]" in own:
                hosts.add(host)
    assert "0100007F" in hosts
    assert hosts <= {"0100007F", "00000000000000000000000001000000"}
