"""OpenSSH judges the emulated card: keys from the PKCS#11 module, and a real log-in to a local sshd."""

from __future__ import annotations

import getpass
import os
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from mykey_testkit.pcsc import OPENSC_MODULE, PrivatePcscd, require_programs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Tool = Callable[..., subprocess.CompletedProcess[str]]

pytestmark = pytest.mark.pcsc

PORT = "2222"
SSHD = "/usr/sbin/sshd"
CONFIGURATION = """Port {port}
ListenAddress 127.0.0.1
HostKey {directory}/host_key
AuthorizedKeysFile {directory}/authorized_keys
PidFile none
UsePAM no
StrictModes no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
"""
# The account may be locked on this computer: sshd sees a private copy of /etc/shadow in which it is not.
START = """mount --bind "$1/shadow" /etc/shadow
exec /usr/sbin/sshd -D -e -f "$1/sshd_config"
"""


def ssh_key_of(certificate: str) -> str:
    key = x509.load_pem_x509_certificate(certificate.encode()).public_key()
    return key.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()


def card_key(tool: Tool) -> str:
    """The line of the authentication key; the CA's key must never go into authorized_keys."""
    lines = tool("ssh-keygen", "-D", OPENSC_MODULE, probing=True).stdout.splitlines()
    (line,) = [line for line in lines if line.endswith("User Authentication Public Key")]
    return line


def test_ssh_keygen_lists_the_authentication_key(
    insert_card: Callable[..., int], tool: Tool, exported: Callable[[str], str]
) -> None:
    """The key that OpenSSH reads is the key in the authentication certificate."""
    insert_card("adult")
    assert card_key(tool).split()[:2] == ssh_key_of(exported("auth-cert")).split()[:2]


@pytest.mark.parametrize(("pin", "succeeds"), [("1234", True), ("9999", False)])
def test_a_log_in_with_the_card(
    insert_card: Callable[..., int],
    tool: Tool,
    private_pcscd: PrivatePcscd,
    tmp_path: Path,
    pin: str,
    *,
    succeeds: bool,
) -> None:
    """With the right PIN a command runs on the other side; with a wrong one it does not."""
    require_programs(SSHD, "ssh", "ssh-keygen")
    insert_card("adult")
    (tmp_path / "authorized_keys").write_text(card_key(tool) + "\n")
    with _sshd(private_pcscd, tmp_path):
        answer = _log_in(private_pcscd, tmp_path, pin)
    assert (answer.returncode == 0) is succeeds, answer.stderr
    assert ("logged in" in answer.stdout) is succeeds


def test_the_card_of_somebody_else_is_refused(
    insert_card: Callable[..., int], tool: Tool, private_pcscd: PrivatePcscd, tmp_path: Path
) -> None:
    """The key of one card is authorised, another card is in the reader."""
    require_programs(SSHD, "ssh", "ssh-keygen")
    insert_card("adult")
    (tmp_path / "authorized_keys").write_text(card_key(tool) + "\n")
    insert_card("other-town")
    with _sshd(private_pcscd, tmp_path):
        answer = _log_in(private_pcscd, tmp_path, "1234")
    assert answer.returncode != 0
    assert "Permission denied" in answer.stderr


@contextmanager
def _sshd(pcscd: PrivatePcscd, directory: Path) -> Iterator[None]:
    """An sshd inside the private network, so that its port clashes with nobody's."""
    if os.geteuid() != 0:
        pytest.skip("a log-in server of its own needs root")
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", directory / "host_key"], check=True)
    (directory / "sshd_config").write_text(CONFIGURATION.format(port=PORT, directory=directory))
    (directory / "shadow").write_text(_unlocked_shadow())
    (directory / "shadow").chmod(0o600)
    command = pcscd.inside(["unshare", "--mount", "bash", "-c", START, "sshd", str(directory)])
    with (directory / "sshd.log").open("w") as log:
        server = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        _wait_for_line(directory / "sshd.log", "Server listening")
        yield
    finally:
        server.terminate()
        server.wait(10)


def _unlocked_shadow() -> str:
    lines = Path("/etc/shadow").read_text().splitlines()
    user = getpass.getuser()
    return "\n".join(f"{user}:*:19000:0:99999:7:::" if line.startswith(f"{user}:") else line for line in lines) + "\n"


def _log_in(pcscd: PrivatePcscd, directory: Path, pin: str) -> subprocess.CompletedProcess[str]:
    askpass = directory / "askpass"
    askpass.write_text(f"#!{sys.executable}\nprint('{pin}')\n")
    askpass.chmod(0o700)
    options = (
        *("-I", str(OPENSC_MODULE), "-p", PORT, "-F", "none"),
        *("-o", "StrictHostKeyChecking=no", "-o", f"UserKnownHostsFile={directory}/known_hosts"),
        *("-o", "IdentityFile=none", "-o", "NumberOfPasswordPrompts=1"),
    )
    return pcscd.run(
        ["ssh", *options, f"{getpass.getuser()}@127.0.0.1", "echo logged in"],
        SSH_ASKPASS=str(askpass),
        SSH_ASKPASS_REQUIRE="force",
        OPENSC_DRIVER="jpki",
    )


def _wait_for_line(log: Path, line: str) -> None:
    deadline = time.monotonic() + 10
    while line not in log.read_text():
        if time.monotonic() > deadline:
            raise TimeoutError(log.read_text())
        time.sleep(0.02)
