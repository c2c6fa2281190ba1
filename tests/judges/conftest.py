"""What the judges share: programs that we did not write, run against a virtual card in a private pcscd."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from mykey_testkit.pcsc import OPENSC_MODULE, PORTS, PrivatePcscd, require_programs

if TYPE_CHECKING:
    from collections.abc import Callable


DRIVER = "jpki"


@pytest.fixture
def tool(private_pcscd: PrivatePcscd) -> Callable[..., subprocess.CompletedProcess[str]]:
    """`tool(program, *arguments, probing=False)`: run a program against the private reader.

    Without `probing` OpenSC goes straight to its JPKI driver; with it, it first tries every other driver.
    """

    def run(program: str, *arguments: str | Path, probing: bool = False) -> subprocess.CompletedProcess[str]:
        require_programs(program, str(OPENSC_MODULE), "openssl")
        environment = private_pcscd.environment | ({} if probing else {"OPENSC_DRIVER": DRIVER})
        command = [program, *map(str, arguments)]
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)

    return run


@pytest.fixture
def pkcs11(
    tool: Callable[..., subprocess.CompletedProcess[str]],
) -> Callable[..., subprocess.CompletedProcess[str]]:
    """`pkcs11(*arguments)`: pkcs11-tool with OpenSC's module."""

    def run(*arguments: str | Path, probing: bool = False) -> subprocess.CompletedProcess[str]:
        return tool("pkcs11-tool", "--module", OPENSC_MODULE, *arguments, probing=probing)

    return run


@pytest.fixture
def exported(tmp_path: Path) -> Callable[[str], str]:
    """`exported(what)`: PEM of a certificate of the adult, written by `mykey card export` without any reader."""

    def export(what: str) -> str:
        target = tmp_path / f"{what}.pem"
        command = [
            sys.executable,
            "-m",
            "mykey_cardap.cli",
            "export",
            "adult",
            "--what",
            what,
            "--pem",
            "-o",
            str(target),
        ]
        subprocess.run(command, check=True, capture_output=True)
        return target.read_text()

    return export


@pytest.fixture
def openssl_verifies(tmp_path: Path) -> Callable[[str, Path, Path], bool]:
    """`openssl_verifies(certificate_pem, message, signature)`: SHA-256 and PKCS#1 v1.5, judged by openssl."""

    def verifies(certificate: str, message: Path, signature: Path) -> bool:
        pem, key = tmp_path / "judge.pem", tmp_path / "judge.pub"
        pem.write_text(certificate)
        text = subprocess.run(
            ["openssl", "x509", "-in", pem, "-noout", "-pubkey"], check=True, capture_output=True, text=True
        ).stdout
        key.write_text(text)
        command = ["openssl", "dgst", "-sha256", "-verify", *map(str, (key, "-signature", signature, message))]
        answer = subprocess.run(command, capture_output=True, text=True, check=False)
        return "Verified OK" in answer.stdout.splitlines()

    return verifies


@pytest.fixture
def second_pcscd(tmp_path: Path) -> PrivatePcscd:
    """Another pcscd, not started, for showing that several run beside each other."""
    assert PORTS
    return PrivatePcscd(tmp_path / "second")
