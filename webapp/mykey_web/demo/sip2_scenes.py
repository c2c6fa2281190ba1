"""The demo town's SIP2 server for self-check machines, and the scenes in which a strange client lends through it.

The client is the package `sip2`, written by others; where it is not installed its scene is left out.
"""

from __future__ import annotations

import importlib.util
import json
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mykey_web.demo import processes
from mykey_web.demo.town import Town

INSTITUTION, USER, BRANCH = "MIHON", "kiosk01", "main"
_PATIENCE = 20.0
_PRIVATE = 0o600
Sip2Scene = tuple[str, str, Callable[[], str]]
Step = tuple[str, Sequence[str], str]


@dataclass(frozen=True, slots=True)
class Machines:
    """Where self-check machines connect to. The password of `USER` stands in a private file."""

    port: int
    password_file: Path


def start_sip2(stack: ExitStack, town: Town) -> Machines:
    """Run `mykey library sip2-serve` over the town's library, on a free port of the loopback interface."""
    password = secrets.token_urlsafe(12)
    secret, accounts = town.folder / "sip2-password", town.folder / "sip2.toml"
    secret.touch(_PRIVATE)
    secret.write_text(password, encoding="utf-8")
    accounts.write_text(_accounts(password), encoding="utf-8")
    port = processes.free_port()
    arguments = ["library", "sip2-serve", "--port", str(port), "--config", str(town.config)]
    arguments += ["--machines", str(accounts)]
    child = stack.enter_context(processes.Child(arguments, town.folder / "sip2.log", announces=False))
    _wait_until_open(port, child)
    return Machines(port, secret)


def _accounts(password: str) -> str:
    passwords = importlib.import_module("mykey_library.sip2.passwords")  # a plugin is never imported by name
    lines = [
        f'institution = "{INSTITUTION}"',
        "[[accounts]]",
        f'user = "{USER}"',
        f'password_hash = "{passwords.hash_password(password)}"',
        f'branch = "{BRANCH}"',
    ]
    return "\n".join(lines) + "\n"


def _wait_until_open(port: int, child: processes.Child) -> None:
    until = time.monotonic() + _PATIENCE
    while time.monotonic() < until and child.running:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise processes.ProcessFailed("the SIP2 server does not answer")


def has_client() -> bool:
    """Whether the independent client is installed (the package `sip2`, in the development environment)."""
    return importlib.util.find_spec("Sip2") is not None


def sip2_scenes(
    machines: Machines, folder: Path, patron: str, item: str, seen_at_a_tap: Callable[[], str]
) -> list[Sip2Scene]:
    """(name, expected, act) of each: the loan that the strange client makes is seen at a tap, and then returned."""
    if not has_client():
        return []

    def lend() -> str:
        answers = _ask(
            machines, folder, [("checkout", [item, "", "Y"], patron), ("patron_information", ["charged"], patron)]
        )
        return f"login {_ok(answers[0])}, checkout {_ok(answers[1])}, on loan {','.join(answers[2]['variable']['AU'])}"

    def give_back() -> str:
        answers = _ask(machines, folder, [("checkin", [item], patron), ("end_patron_session", [], patron)])
        return f"checkin {_ok(answers[1])}, session ended {answers[2]['fixed']['EndSession']}"

    return [
        ("SIP2 client lends", f"login 1, checkout 1, on loan {item}", lend),
        ("tap shows what SIP2 lent", f"library.welcome, {item}", seen_at_a_tap),
        ("SIP2 client returns", "checkin 1, session ended Y", give_back),
    ]


def _ok(answer: dict[str, Any]) -> str:
    return str(answer["fixed"]["Ok"])


def _ask(machines: Machines, folder: Path, steps: Sequence[Step]) -> list[dict[str, Any]]:
    """Log in and take the steps; what the client understood of each answer. It prints, hence a process of its own."""
    answers = folder / "sip2-answers.json"
    answers.unlink(missing_ok=True)
    order = {
        "port": machines.port,
        "password": machines.password_file.read_text(encoding="utf-8"),
        "folder": str(folder),
        "steps": steps,
        "answers": str(answers),
    }
    program = [sys.executable, "-m", "mykey_web.demo.sip2_scenes"]
    subprocess.run(  # noqa: S603 - our own program
        program, input=json.dumps(order), text=True, cwd=folder, capture_output=True, check=True, timeout=60
    )
    found: list[dict[str, Any]] = json.loads(answers.read_text(encoding="utf-8"))
    return found


def _client_process(order: dict[str, Any]) -> None:
    """What the process of the client does; nothing in here knows our own SIP2."""
    client = importlib.import_module("Sip2.sip2").Sip2()
    client.hostName, client.hostPort, client.tlsEnable = "127.0.0.1", order["port"], False
    client.logfile_path, client.loglevel, client.socketTimeout = order["folder"], "CRITICAL", 10
    client.institutionId, client.scLocation = INSTITUTION, BRANCH
    client.connect()
    answers = []
    for name, arguments, patron in [("login", [USER, order["password"]], ""), *order["steps"]]:
        client.patron = patron
        raw = client.get_response(getattr(client, f"sip_{name}_request")(*arguments))
        answers.append(getattr(client, f"sip_{name}_response")(raw))
    client.disconnect()
    Path(order["answers"]).write_text(json.dumps(answers), encoding="utf-8")


if __name__ == "__main__":
    _client_process(json.load(sys.stdin))
