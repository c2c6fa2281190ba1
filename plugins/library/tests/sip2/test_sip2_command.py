"""The commands over a whole hub: a machine's server in one process, our client in another, a loan that the hub sees."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from mykey_library.circulation import CheckoutRequest, ItemState, Verdict
from mykey_library.cli import library
from mykey_library.sip2.client import Peer, Sip2Connection
from mykey_library.sip2.commands import PASSWORD_VARIABLE
from mykey_library.sip2.passwords import hash_password
from mykey_library.sip2.profiles import system_profile
from mykey_library.sip2.remote import Sip2Circulation

PROGRAM = [sys.executable, "-c", "from mykey_core.cli import main; main()", "library"]


def _files(folder: Path) -> tuple[Path, Path]:
    machines, system = folder / "sip2.toml", folder / "system.toml"
    account = f'[[accounts]]\nuser = "kiosk01"\npassword_hash = "{hash_password("p4ss")}"\n'
    machines.write_text(f'institution = "HIMEJI"\n{account}')
    system.write_text('institution = "HIMEJI"\nprofile = "mykey"\nuser = "kiosk01"\n')
    return machines, system


@pytest.mark.parametrize("hub_engine", ["sqlite"], indirect=True)
def test_serve_and_client(library_hub: Any, tmp_path: Path) -> None:
    """Lines of JSON go in, a loan is made in the hub's store, and the store's own command line shows the verdicts."""
    machines, system = _files(tmp_path)
    arguments = ["--port", "0", "--config", str(library_hub.config), "--machines", str(machines)]
    server = subprocess.Popen([*PROGRAM, "sip2-serve", *arguments], stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        port = server.stdout.readline().split()[-1]
        orders = [
            {"do": "checkout", "patron": "10000017", "item": "A1000001"},
            {"do": "patron_information", "patron": "10000017", "list": "charged"},
            {"do": "checkout", "patron": "10000025", "item": "A1000001"},
            {"do": "dance"},
            {"do": "checkin", "item": "A1000001"},
        ]
        client = subprocess.run(
            [*PROGRAM, "sip2-client", "--host", "127.0.0.1", "--port", port, "--config", str(system)],
            input="\n".join(json.dumps(order) for order in orders),
            env={**os.environ, PASSWORD_VARIABLE: "p4ss"},
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
    finally:
        server.terminate()
        assert server.wait(20) == 0
        server.stdout.close() if server.stdout else None
    lent, account, refused, unknown, back = [json.loads(line) for line in client.stdout.splitlines()]
    assert (lent["answer"]["verdict"], lent["answer"]["title"]) == ("done", "銀河鉄道の夜")
    assert [entry["item"] for entry in account["answer"]["entries"]] == ["A1000001"]
    assert (refused["answer"]["verdict"], bool(refused["what_to_do"])) == ("not_done", True)
    assert "checkout" in unknown["error"]
    assert back["answer"]["was_on_loan"] is True


def test_what_is_wrong_is_said(tmp_path: Path) -> None:
    """No traceback: a missing file, an unknown profile and a system that is away are sentences."""
    machines, system = _files(tmp_path)
    run = CliRunner().invoke
    missing = run(library, ["sip2-serve", "--machines", str(tmp_path / "none.toml")])
    assert (missing.exit_code, "cannot be read" in missing.output) == (1, True)
    no_hub = run(library, ["sip2-serve", "--machines", str(machines), "--config", str(tmp_path / "hub.toml")])
    assert no_hub.exit_code == 1
    away = run(library, ["sip2-client", "--host", "127.0.0.1", "--port", "9", "--config", str(system)])
    assert (away.exit_code, "cannot be reached" in away.output) == (1, True)
    system.write_text('institution = "x"\nprofile = "atari"\n')
    unknown = run(library, ["sip2-client", "--host", "127.0.0.1", "--config", str(system)])
    assert (unknown.exit_code, "koha" in unknown.output) == (1, True)


def test_password_line() -> None:
    """The line for the machines' file holds no password."""
    made = CliRunner().invoke(library, ["sip2-password"], input="p4ss\np4ss\n")
    assert made.exit_code == 0
    assert 'password_hash = "scrypt:' in made.output
    assert "p4ss" not in made.output


@pytest.mark.parametrize("hub_engine", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    "after", [0.01, pytest.param(0.0, marks=pytest.mark.nightly), pytest.param(0.03, marks=pytest.mark.nightly)]
)
def test_the_server_is_killed_in_the_middle(library_hub: Any, tmp_path: Path, after: float) -> None:
    """SIGKILL during a checkout, a new server on the same port: what the client then says is what the store says."""
    machines, _ = _files(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    arguments = ["--port", str(port), "--config", str(library_hub.config), "--machines", str(machines)]
    servers = [_started(arguments)]
    peer = Peer("127.0.0.1", port, "HIMEJI", system_profile("mykey"), "kiosk01", "p4ss")
    connection = Sip2Connection(peer)

    def killed() -> None:
        time.sleep(after)
        servers[0].kill()

    def back_again(_: float) -> None:
        if len(servers) == 1:
            servers.append(_started(arguments))

    try:
        connection.open()
        killer = threading.Thread(target=killed)
        killer.start()
        system = Sip2Circulation(connection, now=lambda: datetime.now(UTC), sleep=back_again)
        lent = system.checkout(CheckoutRequest("10000017", "A1000001"))
        killer.join()
        if len(servers) == 1:
            back_again(0)
        assert lent.verdict is not Verdict.UNKNOWN
        state = system.item_information("A1000001").state
        assert (lent.verdict is Verdict.DONE) == (state is ItemState.CHARGED)
    finally:
        connection.close()
        for server in servers:
            server.kill()
            server.wait(20)
            if server.stdout is not None:
                server.stdout.close()


def _started(arguments: list[str]) -> subprocess.Popen[str]:
    server = subprocess.Popen([*PROGRAM, "sip2-serve", *arguments], stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    assert "SIP2" in server.stdout.readline()
    return server
