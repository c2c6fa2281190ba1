"""OpenSC's PKCS#11 module judges the emulated card: slots, mechanisms, log-in, signatures, its own test."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable
    from pathlib import Path

    Tool = Callable[..., subprocess.CompletedProcess[str]]

pytestmark = pytest.mark.pcsc

SIGN = ("--sign", "--mechanism", "SHA256-RSA-PKCS")


def test_slots(insert_card: Callable[..., int], pkcs11: Tool) -> None:
    """One slot for each PIN, with its label and lengths."""
    insert_card("adult")
    slots = pkcs11("-L", probing=True).stdout
    for line in (
        "JPKI (User Authentication PIN)",
        "pin min/max        : 4/4",
        "JPKI (Digital Signature PIN)",
        "pin min/max        : 6/16",
        "PKCS#15 emulated",
    ):
        assert line in slots


def test_mechanisms(insert_card: Callable[..., int], pkcs11: Tool) -> None:
    """PKCS#1 v1.5 with every hash; no PSS, as OpenSC's driver has it."""
    insert_card("adult")
    mechanisms = pkcs11("-M").stdout
    for name in ("RSA-PKCS,", "SHA1-RSA-PKCS", "SHA256-RSA-PKCS", "SHA384-RSA-PKCS", "SHA512-RSA-PKCS"):
        assert name in mechanisms
    assert "PSS" not in mechanisms


@pytest.mark.parametrize(
    ("token", "pin", "key", "what"),
    [
        ("JPKI (User Authentication PIN)", "1234", "01", "auth-cert"),
        ("JPKI (Digital Signature PIN)", "ABC123", "02", "sign-cert"),
    ],
)
def test_both_keys_sign(
    insert_card: Callable[..., int],
    pkcs11: Tool,
    exported: Callable[[str], str],
    openssl_verifies: Callable[[str, Path, Path], bool],
    tmp_path: Path,
    token: str,
    pin: str,
    key: str,
    what: str,
) -> None:
    """Log-in, C_Sign, and openssl says `Verified OK`."""
    insert_card("adult")
    message, signature = tmp_path / "message", tmp_path / "signature"
    message.write_bytes(b"judged by openssl")
    answer = pkcs11("--token-label", token, "--login", "--pin", pin, *SIGN, "--id", key, "-i", message, "-o", signature)
    assert answer.returncode == 0, answer.stderr
    assert openssl_verifies(exported(what), message, signature)


def test_a_wrong_pin(insert_card: Callable[..., int], pkcs11: Tool, tmp_path: Path) -> None:
    """CKR_PIN_INCORRECT."""
    insert_card("adult")
    (tmp_path / "message").write_bytes(b"x")
    answer = pkcs11("--login", "--pin", "9999", *SIGN, "-i", tmp_path / "message", "-o", tmp_path / "out")
    assert answer.returncode == 1
    assert "CKR_PIN_INCORRECT" in answer.stderr


@pytest.mark.parametrize(("option", "wording"), [((), "CKR_GENERAL_ERROR"), (("--blocked-6983",), "CKR_PIN_LOCKED")])
def test_a_blocked_pin(
    insert_card: Callable[..., int], pkcs11: Tool, tmp_path: Path, option: tuple[str, ...], wording: str
) -> None:
    """6984, as measured, is not known to OpenSC; 6983 is."""
    insert_card("blocked-pin", *option)
    (tmp_path / "message").write_bytes(b"x")
    answer = pkcs11("--login", "--pin", "1234", *SIGN, "-i", tmp_path / "message", "-o", tmp_path / "out")
    assert answer.returncode == 1
    assert wording in answer.stderr


def test_the_signature_key_is_hidden_until_log_in(insert_card: Callable[..., int], pkcs11: Tool) -> None:
    """Slot 1 shows its certificate after the password only."""
    insert_card("adult")
    assert "Digital Signature Certificate\n" not in pkcs11("-O").stdout
    opened = pkcs11("--slot-index", "1", "--login", "--pin", "ABC123", "-O").stdout
    assert "Digital Signature Certificate\n" in opened
    assert "Private Key Object" in opened


def test_the_test_of_pkcs11_tool(insert_card: Callable[..., int], pkcs11: Tool) -> None:
    """Every signature and verification mechanism works; a missing random generator is its only complaint."""
    insert_card("adult")
    answer = pkcs11("--login", "--pin", "1234", "--test", probing=True)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert "all 4 signature functions seem to work" in answer.stdout
    signed, _, verified = answer.stdout.partition("Verify (")
    for mechanism in ("RSA-PKCS", "SHA1-RSA-PKCS"):
        assert f"    {mechanism}: OK" in signed
        assert f"    {mechanism}: OK" in verified
    assert "    SHA256-RSA-PKCS: OK" in signed
    complaints = [line for line in answer.stdout.splitlines() if "ERR" in line]
    assert all("Random" in line for line in complaints)
