"""`mykey agent run` as a process: a computer at home signs in to one hub, and does nothing else."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from click.testing import CliRunner
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from mykey_terminal.agent_command import agent
from mykey_testkit.canaries import gives_away

HUB = "https://hub.example.jp"
NONCE = base64.b64encode(bytes(range(44))).decode()
MYKEY = [sys.executable, "-c", "from mykey_terminal.agent_command import agent; agent()"]


@dataclass
class Home:
    """The running agent, and a page of an origin that asks it."""

    folder: Path
    address: str
    code: str
    token: str = ""

    def ask(self, method: str, path: str, body: Any = None, *, origin: str = HUB, token: str | None = None) -> Any:
        headers = {"Origin": origin, "Mykey-Pairing": self.token if token is None else token}
        return httpx.request(method, f"{self.address}/agent/v1{path}", json=body, headers=headers, trust_env=False)

    def pair(self) -> None:
        self.token = self.ask("POST", "/pair", {"code": self.code}).json()["token"]


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    """An agent for one hub, with emulated cards."""
    ready, folder = tmp_path / "ready.json", tmp_path / "folder"
    options = ["run", "--hub", HUB, "--virtual", "--port", "0", "--no-browser"]
    log = (tmp_path / "log").open("wb")
    child = subprocess.Popen(
        [*MYKEY, *options, "--folder", str(folder), "--ready-file", str(ready)], stdout=log, stderr=log
    )
    deadline = time.monotonic() + 30
    while not ready.exists():
        assert child.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)
    announced = json.loads(ready.read_text())
    yield Home(folder, announced["address"], announced["pairing_code"])
    child.terminate()
    assert child.wait(10) == 0
    log.close()
    assert not gives_away((tmp_path / "log").read_text(encoding="utf-8"), "1234")


def test_signs_in_to_its_hub(home: Home) -> None:
    """The card's signature is over the hub of the command line and the page's nonce, as `cryptography` checks it."""
    home.pair()
    assert home.ask("GET", "/status").json().keys() == {"version", "reader"}
    home.ask("PUT", "/tray/inserted", {"card": "adult"})
    assert home.ask("GET", "/card").json()["pins"]["authentication"]["attempts_remaining"] == 3
    body = {"nonce": NONCE, "pin": "1234", "allow_last_attempt": False}
    answer = home.ask("POST", "/sign-ins", body).json()
    assert answer["state"] == "done"
    token = answer["token"]
    certificate = x509.load_der_x509_certificate(base64.b64decode(token["unverifiedCertificate"]))
    signed = b"".join(_sha256(text.encode()) for text in (HUB, NONCE))
    key = certificate.public_key()
    assert isinstance(key, RSAPublicKey)
    key.verify(base64.b64decode(token["signature"]), signed, padding.PKCS1v15(), hashes.SHA256())


def _sha256(data: bytes) -> bytes:
    digest = hashes.Hash(hashes.SHA256())
    digest.update(data)
    return digest.finalize()


def test_does_nothing_else(home: Home) -> None:
    """No tap, no record, no writing, no service: whatever only a terminal may do is refused by a code that says so."""
    home.pair()
    tap = {"service": "library-desk", "action": "open", "input": {}, "pin": "1234", "allow_last_attempt": False}
    refused = [
        home.ask("GET", "/services"),
        home.ask("POST", "/taps", tap),
        home.ask("GET", "/taps/abcdef"),
        home.ask("DELETE", "/visits/abcdef"),
        home.ask("POST", "/records", {"service": "library-desk", "action": "return", "input": {}}),
        home.ask("GET", "/card-profiles"),
    ]
    assert {(one.status_code, one.json()["code"]) for one in refused} == {(403, "agent_sign_in_only")}


def test_foreign_pages_and_unpaired_pages_are_refused(home: Home) -> None:
    """A phishing page of another name, and a page of the hub that nobody paired."""
    foreign = home.ask("POST", "/pair", {"code": home.code}, origin="https://hub.example.com")
    assert (foreign.status_code, foreign.json()["code"]) == (403, "agent_origin")
    unpaired = home.ask("GET", "/status", token="x")
    assert (unpaired.status_code, unpaired.json()["code"]) == (401, "agent_not_paired")


def test_the_page_that_leads_there_is_private(home: Home) -> None:
    """It has the code that is good now, mode 0600 in a folder of mode 0700, and changes with the code."""
    page = home.folder / "open.html"
    assert f"{HUB}/sign-in/#agent=" in page.read_text()
    assert home.code in page.read_text()
    assert [path.stat().st_mode & 0o777 for path in (page, home.folder)] == [0o600, 0o700]
    home.pair()
    assert home.code not in page.read_text()


@pytest.mark.parametrize("address", ["http://hub.example.jp", "https://hub.example.jp/a/b", "hub.example.jp"])
def test_an_address_that_is_no_hubs_is_refused(address: str, tmp_path: Path) -> None:
    """Plain http to another computer, a path of two parts, no scheme: said in one line, nothing listens."""
    result = CliRunner().invoke(agent, ["run", "--hub", address, "--folder", str(tmp_path / "f"), "--no-browser"])
    assert result.exit_code == 1
    assert "[hub_address]" in result.output
