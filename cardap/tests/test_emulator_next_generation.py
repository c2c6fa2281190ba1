"""The guessed next-generation card: P-384 signatures, two applications, two PINs (§16)."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from hashlib import sha384
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import SECP384R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

Talk = Callable[..., Any]
AUTHENTICATION = "00A4040C08F04D594B45594E01"
FACE = "00A4040C08F04D594B45594E02"
MESSAGE = b"mykey"


@pytest.fixture
def card(talk: Talk) -> Any:
    """The card with its authentication application selected."""
    card = talk("next-generation")
    assert card(AUTHENTICATION) == "9000"
    return card


def openssl_accepts(folder: Path, key: EllipticCurvePublicKey, raw: bytes) -> bool:
    """Whether openssl takes r ‖ s as an ECDSA signature with SHA-384 over the message."""
    pem, signature, message = (folder / name for name in ("key.pem", "signature", "message"))
    pem.write_bytes(key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    r, s = int.from_bytes(raw[:48], "big"), int.from_bytes(raw[48:], "big")
    signature.write_bytes(encode_dss_signature(r, s))
    message.write_bytes(MESSAGE)
    command = ["openssl", "dgst", "-sha384", "-verify", pem, "-signature", signature, message]
    return subprocess.run(command, check=False, capture_output=True).returncode == 0


@pytest.mark.parametrize("scheme", ["00", "03"])
def test_openssl_verifies_p384_signatures(card: Any, scheme: str, tmp_path: Path) -> None:
    """Scheme 00 takes a SHA-384 value, 03 the message; the answer is r ‖ s of 96 bytes."""
    assert card("0020009804", "31323334") == "9000"
    data = sha384(MESSAGE).digest() if scheme == "00" else MESSAGE
    raw = card.data(f"802A{scheme}97{len(data):02X}", data.hex(), "00")
    key = x509.load_der_x509_certificate(card.data("00B08A00000000")).public_key()
    assert isinstance(key, EllipticCurvePublicKey)
    assert isinstance(key.curve, SECP384R1)
    assert len(raw) == 96
    assert openssl_accepts(tmp_path, key, raw)
    assert not openssl_accepts(tmp_path, key, raw[48:] + raw[:48])


def test_its_certificates_live_ten_years(card: Any) -> None:
    """§16: ten years instead of five, signed with ECDSA and SHA-384."""
    found = x509.load_der_x509_certificate(card.data("00B08A00000000"))
    assert found.not_valid_after_utc.year - found.not_valid_before_utc.year == 10
    assert found.signature_algorithm_oid.dotted_string == "1.2.840.10045.4.3.3"


def test_it_refuses_what_only_rsa_can_do(card: Any) -> None:
    """A DigestInfo is no SHA-384 value, and the RSA schemes do not exist."""
    card("0020009804", "31323334")
    assert card("802A009733", "AA" * 51, "00") == "6985"
    assert card("802A049720", "AA" * 32, "00") == "6A86"
    assert card("802A039700") == "6700"


def test_it_has_two_applications_and_two_pins(talk: Talk) -> None:
    """The applications of today's card are absent; the face application opens by 照合番号 only."""
    card = talk("next-generation")
    assert card("00A4040C0AD392F000260100000001") == "6A82"
    names = [pin.name for found in card.card.applications.values() for pin in found.pins()]
    assert sorted(names) == ["authentication", "number-a", "number-b", "signature"]
    assert card(FACE) == "9000"
    assert card("00B0810004") == "6982"
    number = next(pin for pin in card.card.selected.pins() if pin.name == "number-a").value
    assert card("002000930C", number.hex()) == "9000"
    assert card.data("00B0810003").hex() == "ff100c"
