"""OpenSC's own tools judge the emulated card (table of the `pcsc-and-desktop` reference, §7)."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable
    from pathlib import Path

    from mykey_testkit.pcsc import PrivatePcscd

    Tool = Callable[..., subprocess.CompletedProcess[str]]

pytestmark = pytest.mark.pcsc

CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----.*-----END CERTIFICATE-----", re.DOTALL)


def tries_left(tool: Tool) -> list[int]:
    answer = tool("pkcs15-tool", "--list-pins").stdout
    return [int(count) for count in re.findall(r"Tries left +: (\d+)", answer)]


def pem_of(text: str) -> str:
    found = CERTIFICATE.search(text)
    assert found, text
    return found.group()


def test_driver_and_atr_after_probing_every_other_driver(insert_card: Callable[..., int], tool: Tool) -> None:
    """OpenSC tries all its drivers on the card and comes to `jpki`."""
    insert_card("adult")
    assert tool("opensc-tool", "-a", probing=True).stdout.strip() == "3b:e0:00:ff:81:31:fe:45:14"
    assert tool("opensc-tool", "-n", probing=True).stdout.strip().splitlines()[-1] == "jpki"


@pytest.mark.parametrize("atr", ["3BDA13FF8131FB468012392F31C173C601C03B", "3B888001000005E0B381A1007F"])
def test_the_driver_is_found_with_other_atrs(insert_card: Callable[..., int], tool: Tool, atr: str) -> None:
    """By SELECT of the application, not by ATR."""
    insert_card("adult", "--atr", atr)
    assert tool("opensc-tool", "-a").stdout.strip().replace(":", "").upper() == atr
    assert tool("opensc-tool", "-n", probing=True).stdout.strip().splitlines()[-1] == "jpki"


def test_pins(insert_card: Callable[..., int], tool: Tool) -> None:
    """Two PINs with their lengths and tries, found although asking must not cost one."""
    insert_card("adult")
    answer = tool("pkcs15-tool", "--list-pins", probing=True)
    assert answer.returncode == 0
    for line in ("PIN [User Authentication PIN]", "PIN [Digital Signature PIN]"):
        assert line in answer.stdout
    assert re.findall(r"min_len:(\d+), max_len:(\d+)", answer.stdout) == [("4", "4"), ("6", "16")]
    assert re.findall(r"^\s+ID +: (\d+)$", answer.stdout, re.MULTILINE) == ["01", "02"]
    assert tries_left(tool) == [3, 5]


def test_dump(insert_card: Callable[..., int], tool: Tool) -> None:
    """Keys, certificates and where they lie."""
    insert_card("adult")
    dump = tool("pkcs15-tool", "--dump", probing=True).stdout
    assert "PKCS#15 Card [JPKI]" in dump
    assert re.search(r"Serial number *: 00000000", dump)
    assert re.search(r"Manufacturer ID *: JPKI", dump)
    assert re.findall(r"ModLength +: (\d+)", dump) == ["2048", "2048"]
    certificates = re.findall(r"X\.509 Certificate \[([^\]]+)\].*?Path +: (\w+)\s+ID +: (\d+)", dump, re.DOTALL)
    assert certificates == [
        ("User Authentication Certificate", "000a", "01"),
        ("Digital Signature Certificate", "0001", "02"),
        ("User Authentication Certificate CA", "000b", "03"),
        ("Digital Signature Certificate CA", "0002", "04"),
    ]


@pytest.mark.parametrize(("number", "what"), [("1", "auth-cert"), ("3", "auth-ca"), ("4", "sign-ca")])
def test_free_certificates_are_those_of_the_persona(
    insert_card: Callable[..., int], tool: Tool, exported: Callable[[str], str], number: str, what: str
) -> None:
    """Read by OpenSC, byte for byte what `mykey card export` writes."""
    insert_card("adult")
    read = tool("pkcs15-tool", "--read-certificate", number)
    assert read.returncode == 0
    assert pem_of(read.stdout) == pem_of(exported(what))


def test_the_signature_certificate_needs_its_password(
    insert_card: Callable[..., int], tool: Tool, exported: Callable[[str], str]
) -> None:
    """Without: refused (OpenSC 0.23 words it badly). With: the certificate."""
    insert_card("adult")
    assert tool("pkcs15-tool", "--read-certificate", "2").returncode == 1
    options = ("--verify-pin", "--auth-id", "2", "--pin", "ABC123")
    read = tool("pkcs15-tool", "--read-certificate", "2", *options)
    assert read.returncode == 0
    assert pem_of(read.stdout) == pem_of(exported("sign-cert"))


def test_tries_go_down_and_come_back(insert_card: Callable[..., int], tool: Tool) -> None:
    """A wrong PIN: 3 to 2. The right one: 3 again. The other PIN is not touched."""
    insert_card("adult")
    wrong = tool("pkcs15-tool", "--verify-pin", "--auth-id", "1", "--pin", "9999")
    assert wrong.returncode != 0
    assert "PIN code or key incorrect" in wrong.stderr
    assert tries_left(tool) == [2, 5]
    assert tool("pkcs15-tool", "--verify-pin", "--auth-id", "1", "--pin", "1234").returncode == 0
    assert tries_left(tool) == [3, 5]


def test_opensc_does_not_turn_letters_into_capitals(insert_card: Callable[..., int], tool: Tool) -> None:
    """And the card compares bytes: a try is lost (our own reader side does turn them)."""
    insert_card("adult")
    assert tool("pkcs15-tool", "--verify-pin", "--auth-id", "2", "--pin", "abc123").returncode != 0
    assert tries_left(tool) == [3, 4]


def test_three_wrong_pins_block_and_stay_blocked(insert_card: Callable[..., int], tool: Tool, tmp_path: Path) -> None:
    """The right PIN is refused afterwards, also after the card was out of the reader."""
    state = str(tmp_path / "card.json")
    insert_card("adult", "--state", state)
    for _ in range(3):
        assert tool("pkcs15-tool", "--verify-pin", "--auth-id", "1", "--pin", "9999").returncode != 0
    assert tries_left(tool) == [0, 5]
    insert_card("adult", "--state", state)
    assert tool("pkcs15-tool", "--verify-pin", "--auth-id", "1", "--pin", "1234").returncode != 0
    assert tries_left(tool) == [0, 5]


@pytest.mark.parametrize(("key", "pin", "what"), [("1", "1234", "auth-cert"), ("2", "ABC123", "sign-cert")])
def test_pkcs15_crypt_signs(
    insert_card: Callable[..., int],
    tool: Tool,
    exported: Callable[[str], str],
    openssl_verifies: Callable[[str, Path, Path], bool],
    tmp_path: Path,
    key: str,
    pin: str,
    what: str,
) -> None:
    """A hash signed by each key verifies with openssl and the exported certificate."""
    insert_card("adult")
    message, digest, signature = (tmp_path / name for name in ("message", "digest", "signature"))
    message.write_bytes(b"judged by openssl")
    digest.write_bytes(hashlib.sha256(message.read_bytes()).digest())
    options = ("--key", key, "--pkcs1", "--sha-256", "--pin", pin, "-i", digest, "-o", signature)
    answer = tool("pkcs15-crypt", "--sign", *options)
    assert answer.returncode == 0, answer.stderr
    assert openssl_verifies(exported(what), message, signature)


def test_every_foreign_probe_is_refused_with_6a82(
    insert_card: Callable[..., int], tool: Tool, private_pcscd: PrivatePcscd
) -> None:
    """What OpenSC really sends before it comes to JPKI, seen from the card: 27 SELECTs, all refused."""
    log = private_pcscd.directory / "card-0.log"
    insert_card("adult", "--trace")
    start = log.stat().st_size
    assert tool("opensc-tool", "-n", probing=True).returncode == 0
    lines = log.read_bytes()[start:].decode().splitlines()
    exchanges = list(zip(lines[::2], lines[1::2], strict=False))
    foreign = [(sent, got) for sent, got in exchanges if "> 00A404" in sent and "D392F00026" not in sent]
    assert len(foreign) >= 27
    assert {got.split("<")[1].strip() for _, got in foreign} == {"6A82"}


def test_two_private_readers_beside_each_other(
    insert_card: Callable[..., int], tool: Tool, second_pcscd: PrivatePcscd
) -> None:
    """Two pcscd at the same time, on the same port numbers, with different persons."""
    insert_card("adult")
    with second_pcscd:
        second_pcscd.insert("child")
        other = second_pcscd.run(["pkcs15-tool", "--read-certificate", "1"])
        own = tool("pkcs15-tool", "--read-certificate", "1")
    assert own.returncode == other.returncode == 0
    assert pem_of(own.stdout) != pem_of(other.stdout)
