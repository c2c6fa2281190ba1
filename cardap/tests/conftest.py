"""Fixtures shared by the tests of the card code."""

from __future__ import annotations

import subprocess
from datetime import date
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from mykey_cardap.emulator.cards import make_card
from mykey_cardap.emulator.contents.holder import CardHolder, CardSex

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

    from mykey_cardap.emulator.card import VirtualCard


@pytest.fixture(scope="session")
def test_card_holder() -> CardHolder:
    """The invented person of the public test card, whose files are known byte for byte (reference §13.3)."""
    return CardHolder(
        name="黒桐　幹也",
        address="東京都清瀬市観布子南１２－７－２０２",
        birth_date=date(1980, 2, 17),
        sex=CardSex.MALE,
        number_a="537686677188",
        card_expiry=date(2035, 2, 17),
        security_code="2285",
        municipality_code="132217",
        manufacture_serial="400000012719843",
    )


@pytest.fixture
def openssl_recover(tmp_path: Path) -> Callable[[RSAPublicKey, bytes], bytes]:
    """`(key, signature) -> payload`: what a PKCS#1 v1.5 signature says, according to the openssl program."""

    def recover(key: RSAPublicKey, signature: bytes) -> bytes:
        pem, signed, payload = (tmp_path / name for name in ("key.pem", "signature", "payload"))
        pem.write_bytes(key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
        signed.write_bytes(signature)
        command: list[str | Path] = ["openssl", "pkeyutl", "-verifyrecover", "-pubin", "-inkey", pem, "-in", signed]
        subprocess.run([*command, "-out", payload], check=True, capture_output=True)
        return payload.read_bytes()

    return recover


@pytest.fixture
def openssl_verify(tmp_path: Path) -> Callable[[RSAPublicKey, bytes, bytes], bool]:
    """`(key, signed, signature) -> verified`: SHA-256 with PKCS#1 v1.5, judged by the openssl program."""

    def verify(key: RSAPublicKey, signed: bytes, signature: bytes) -> bool:
        pem, data, sig = (tmp_path / name for name in ("key.pem", "signed", "signature"))
        pem.write_bytes(key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
        data.write_bytes(signed)
        sig.write_bytes(signature)
        command: list[str | Path] = ["openssl", "dgst", "-sha256", "-verify", pem, "-signature", sig, data]
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        return done.returncode == 0 and "Verified OK" in done.stdout

    return verify


class CardTalk:
    """An emulated card under power, spoken to in hexadecimal; `pull out and back in` is `power_cycle`."""

    def __init__(self, card: VirtualCard) -> None:
        self.card = card
        self.power_cycle()

    def power_cycle(self) -> None:
        """Power off and on."""
        self.card.power_off()
        self.card.power_on()

    def __call__(self, *parts: str) -> str:
        """Send a command given in pieces; the answer in upper case, data and status word."""
        return self.card.process(bytes.fromhex("".join(parts))).hex().upper()

    def data(self, *parts: str) -> bytes:
        """Send a command that must succeed and return its data."""
        answer = self(*parts)
        assert answer.endswith("9000"), answer
        return bytes.fromhex(answer[:-4])


@pytest.fixture
def talk() -> Callable[..., CardTalk]:
    """`(persona, **options of make_card) -> CardTalk`, with the epoch of 2026."""

    def make(persona: str = "adult", **options: Any) -> CardTalk:
        return CardTalk(make_card(persona, today=date(2026, 11, 23), **options))

    return make
