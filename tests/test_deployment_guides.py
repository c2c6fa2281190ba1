"""The guides for operators, followed to the letter: every command that needs no root is typed, in a folder of its own.

Paths of the system, ports and the database's host are those of the test; the emulated JPKI stands for the real one, by
two variables (the rehearsal's own page needs none).
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from mykey_cardap.emulator.jpki import EmulatedJpki
from mykey_cardap.kinds import CertificateKind
from mykey_core.clock import tokyo_date
from mykey_testkit.postgres import HUB_ROLE, OWNER, PostgresServer, require_postgres
from mykey_testkit.postgres import server as private_server
from mykey_web.demo.processes import free_port

pytestmark = pytest.mark.timeout(240)
_ROOT = Path(__file__).resolve().parents[1]
_GUIDES = _ROOT / "docs" / "how-to"
_BLOCK = re.compile(r"^```(\w+)[ ]?([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_REHEARSAL = {"MYKEY_ENVIRONMENT": "test", "MYKEY_REVOCATION__ENVIRONMENT": "test"}


@dataclass
class Operator:
    """Somebody in a new folder who types what a guide says. `places` are what is called otherwise here."""

    folder: Path
    places: dict[str, str]
    port: int
    environment: dict[str, str]
    stack: ExitStack = field(default_factory=ExitStack)
    printed: list[str] = field(default_factory=list)

    def follow(self, guide: str) -> None:
        """Every block, in its order; those for root are skipped."""
        for language, instruction, content in _BLOCK.findall((_GUIDES / guide).read_text(encoding="utf-8")):
            text = self._here(content)
            if instruction.startswith("file="):
                (self.folder / instruction.removeprefix("file=")).write_text(text, encoding="utf-8")
            elif language == "sh" and instruction.startswith("background"):
                self._start(text.strip(), answers=instruction == "background")
                if instruction == "background terminal":
                    self._wait_for(self.folder / "terminal" / "open.html")
            elif language == "sh" and not instruction:
                for line in text.splitlines():
                    self._type(line)

    def _here(self, text: str) -> str:
        for there, here in self.places.items():
            text = text.replace(there, here)
        return text

    def _type(self, line: str) -> None:
        if line.startswith("export "):
            name, _, value = line.removeprefix("export ").partition("=")
            self.environment[name] = value
            return
        done = subprocess.run(  # noqa: S602 - what the guide tells an operator to type
            line, shell=True, cwd=self.folder, env=self.environment, check=False, capture_output=True, text=True
        )
        assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"
        self.printed.append(done.stdout)

    def _start(self, line: str, *, answers: bool) -> None:
        log = (self.folder / "background.log").open("ab")
        process = subprocess.Popen(  # noqa: S602 - the same
            f"exec {line}", shell=True, cwd=self.folder, env=self.environment, stdout=log, stderr=log
        )
        self.stack.callback(log.close)
        self.stack.callback(process.wait, 30)
        self.stack.callback(process.terminate)
        until = time.monotonic() + 60
        while answers:
            try:
                if httpx.get(f"http://127.0.0.1:{self.port}/", timeout=5).status_code:
                    return
            except httpx.TransportError:
                assert process.poll() is None, (self.folder / "background.log").read_text()
                assert time.monotonic() < until
                time.sleep(0.1)

    @staticmethod
    def _wait_for(path: Path) -> None:
        until = time.monotonic() + 60
        while not path.exists():
            assert time.monotonic() < until, path
            time.sleep(0.1)


@pytest.fixture
def operator(tmp_path: Path) -> Iterator[Operator]:
    """An operator with CA certificates and fresh CRLs in what stands for /etc/mykey."""
    etc, backups, home = tmp_path / "etc", tmp_path / "backups", tmp_path / "home"
    for folder in (etc / "crl", backups, home):
        folder.mkdir(parents=True)
    _write_authorities(etc)
    port = free_port()
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MYKEY_", "PG"))}
    kept["PATH"] = f"{Path(sys.executable).parent}:{kept['PATH']}"
    places = {"/etc/mykey": str(etc), "/var/backups/mykey": str(backups), "--port 8000": f"--port {port}"}
    somebody = Operator(home, places, port, kept | _REHEARSAL)
    with somebody.stack:
        yield somebody


def _write_authorities(etc: Path) -> None:
    now = datetime.now(UTC).replace(microsecond=0)
    jpki, kind = EmulatedJpki(tokyo_date(now)), CertificateKind.AUTHENTICATION
    for generation in (2, 3):
        pem = jpki.ca_certificate(kind, generation).public_bytes(Encoding.PEM)
        (etc / f"auth-{generation}.pem").write_bytes(pem)
        point = jpki.distribution_point("132217")
        times = {"this_update": now - timedelta(minutes=1), "next_update": now + timedelta(days=1)}
        crl = jpki.crl(kind, generation, point, revoked=(), number=1, **times)
        (etc / "crl" / f"{generation}.crl").write_bytes(crl)


def test_a_small_town(operator: Operator) -> None:
    """From an empty folder to a hub that is ready, backed up, and restored for practice."""
    operator.follow("small-town-on-one-machine.md")
    assert httpx.get(f"http://127.0.0.1:{operator.port}/readyz").json() == {"status": "ok", "failed": []}
    token = (operator.folder / "metrics-token").read_text().strip()
    assert len(token) > 40
    spoken = "".join(operator.printed)
    assert "its audit log is intact" in spoken
    assert "×" not in spoken


def test_a_rehearsal(operator: Operator) -> None:
    """Without root: a hub, a terminal, a card that is linked, and the pages of the service point, citizen and staff."""
    for name in _REHEARSAL:
        del operator.environment[name]
    agent = free_port()
    operator.places |= {"127.0.0.1:8000": f"127.0.0.1:{operator.port}", "--port 24125": f"--port {agent}"}
    operator.follow("rehearse-a-town.ja.md")
    spoken = "".join(operator.printed)
    assert operator.printed[0].strip() in (operator.folder / "town" / "hub.toml").read_text(encoding="utf-8")
    assert spoken.index("[not_registered]") < spoken.index("[library.linked]") < spoken.index("[library.welcome]")
    assert "×" not in spoken
    assert f"#agent={agent}&amp;pair=" in (operator.folder / "terminal" / "open.html").read_text(encoding="utf-8")
    for page in ("point", "sign-in/", "sign-in/staff"):
        assert httpx.get(f"http://127.0.0.1:{operator.port}/{page}").is_success


def test_a_rehearsal_is_the_same_in_both_languages() -> None:
    """The two pages have the same commands, in the same order."""
    pages = [_BLOCK.findall((_GUIDES / f"rehearse-a-town{end}.md").read_text(encoding="utf-8")) for end in ("", ".ja")]
    assert pages[0] == pages[1]
    assert len(pages[0]) >= 7


@pytest.fixture
def town_database() -> Iterator[PostgresServer]:
    """A PostgreSQL server on which nothing has been made yet."""
    require_postgres()
    with private_server() as made:
        made.execute(f"DROP ROLE {OWNER}", f"DROP ROLE {HUB_ROLE}")
        yield made


@pytest.mark.nightly
@pytest.mark.postgres
def test_a_shared_hub(operator: Operator, town_database: PostgresServer) -> None:
    """Two towns on one PostgreSQL, two processes and a worker, and all towns restored from one back-up."""
    operator.environment |= {"PGHOST": str(town_database.folder), "PGUSER": "postgres"}
    for name in ("mykey_drill", "mykey"):
        operator.places[f"@db.example.jp/{name}\n"] = f"@/{name}?host={town_database.folder}\n"
    operator.follow("shared-hub-on-postgresql.md")
    for town in ("mihon", "tameshi"):
        address = f"http://127.0.0.1:{operator.port}/readyz"
        answer = httpx.get(address, headers={"Host": f"{town}.example.jp"})
        assert answer.json() == {"status": "ok", "failed": []}, town
    spoken = "".join(operator.printed)
    assert "its audit log is intact" in spoken
    assert "×" not in spoken


def test_the_commands_for_root_name_what_there_is() -> None:
    """Files of the repository that the guide copies or installs exist."""
    guide = (_GUIDES / "small-town-on-one-machine.md").read_text(encoding="utf-8")
    named = set(re.findall(r"packaging/[\w./*-]+|requirements-hub\.lock", guide))
    assert len(named) >= 5
    assert [name for name in named if not list(_ROOT.glob(name))] == []
