"""Signatures that prove something else: AuthTokenSignatureTest, ORG and CRT-01, ALG-09 to ALG-12 (V12)."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils

OTHER = "persona/child/authentication"
P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


def test_valid_token_and_nonce(world: Any) -> None:
    """ValidTokenAndNonce: the attempt on which all others are built is accepted, and says why (V14)."""
    found = world.attempt().verify()
    details = {check.check.value: check.detail for check in found.checks}
    assert all(check.passed for check in found.checks)
    assert details["policy"] == world.policy
    assert details["token_signature"] == "RS256"
    assert details["revocation"].startswith("test, as of 2026-11-01")
    assert details["path"].startswith("CA ")


def test_wrong_challenge_nonce(world: Any, refused: Any) -> None:
    """WrongChallengeNonce: signed for another nonce than the one that was issued."""
    other = base64.b64encode(bytes(32)).decode()
    refused(world.attempt(signed_nonce=other), "signature_invalid", "algorithms.check_signature")


def test_org_01_wrong_origin(world: Any, refused: Any) -> None:
    """ORG-01, WrongOrigin: a phishing site had the card sign for its own origin."""
    attempt = world.attempt(signed_origin="https://hub.city.example.jp.evil.example")
    refused(attempt, "signature_invalid", "algorithms.check_signature")


def test_org_02_origin_in_the_token_is_not_believed(world: Any, refused: Any) -> None:
    """ORG-02: the origin is the hub's setting; a member that names another one changes nothing."""
    evil = "https://evil.example"
    refused(world.attempt(signed_origin=evil, spoil={"origin": evil, "aud": evil}), "signature_invalid")


@pytest.mark.parametrize("origin", ["https://hub.city.example.jp/", "https://hub.city.example.jp:443", "HTTPS://HUB"])
def test_org_03_other_spelling_of_the_origin_is_another_origin(world: Any, refused: Any, origin: str) -> None:
    """ORG-03: byte for byte; a trailing slash, a default port or capitals make another value."""
    refused(world.attempt(signed_origin=origin), "signature_invalid")


def test_lengths_cannot_be_shifted_between_origin_and_nonce(world: Any, refused: Any) -> None:
    """Hashing before joining: the same characters cut elsewhere are another message."""
    shifted = {"signed_origin": world.origin + world.nonce[:4], "signed_nonce": world.nonce[4:]}
    refused(world.attempt(**shifted), "signature_invalid")


def test_nonce_is_hashed_as_text(world: Any, refused: Any) -> None:
    """A client that decodes the base64 of the nonce before hashing signs something else."""
    decoded = hashlib.sha256(base64.b64decode(world.nonce)).digest()
    message = hashlib.sha256(world.origin.encode()).digest() + decoded
    refused(world.attempt(signature=world.sign("persona/adult/authentication", "RS256", message)), "signature_invalid")


def test_crt_01_signature_of_another_card(world: Any, refused: Any) -> None:
    """CRT-01, TokenWithWrongCert: signed by card A, with the certificate of card B."""
    signature = world.sign(OTHER, "RS256", world.message())
    refused(world.attempt(signature=signature), "signature_invalid", "algorithms.check_signature")


def test_key_inside_the_token_is_not_used(world: Any, refused: Any) -> None:
    """Authlib's lesson of 1.6.9: a key that the token brings along (`jwk`, `x5c`) verifies nothing."""
    signature = world.sign(OTHER, "RS256", world.message())
    card = base64.b64encode(world.card(OTHER)).decode()
    refused(world.attempt(signature=signature, spoil={"jwk": {"kty": "RSA"}, "x5c": [card]}), "signature_invalid")


@pytest.mark.parametrize("signature", [b"\x00", bytes(255), bytes(257), bytes(512)])
def test_rsa_signature_is_as_long_as_the_modulus(world: Any, refused: Any, signature: Any) -> None:
    """V12: any other length is refused before the key is asked."""
    refused(world.attempt(signature=signature), "signature_length", "algorithms.check_length", then="signature_invalid")


def test_rsa_signature_with_leading_zero_byte_is_refused(world: Any, refused: Any) -> None:
    """The right number in one byte more."""
    made = world.sign("persona/adult/authentication", "RS256", world.message())
    refused(world.attempt(signature=b"\x00" + made), "signature_length")


def _es256(world: Any) -> tuple[int, int]:
    raw = world.sign("p256", "ES256", world.message("ES256"))
    return int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big")


def _raw(r: int, s: int) -> bytes:
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")


# (row, the numbers; None stands for the right one)
RANGES = [
    ("ALG-09 r is zero", 0, None),
    ("ALG-09 s is zero", None, 0),
    ("ALG-09 both are zero", 0, 0),
    ("ALG-10 r is the order", P256_ORDER, None),
    ("ALG-10 s is the order", None, P256_ORDER),
    ("ALG-10 s is all ones", None, 2**256 - 1),
]


@pytest.mark.parametrize(("r", "s"), [row[1:] for row in RANGES], ids=[row[0] for row in RANGES])
def test_alg_09_10_numbers_out_of_range(world: Any, refused: Any, r: int | None, s: int | None) -> None:
    """ALG-09, ALG-10: 1 ≤ r, s < n, before any arithmetic."""
    right = _es256(world)
    signature = _raw(right[0] if r is None else r, right[1] if s is None else s)
    attempt = world.attempt(key="p256", algorithm="ES256", signature=signature)
    refused(attempt, "signature_range", "algorithms.check_range", then="signature_invalid")


def test_alg_11_der_encoded_signature_is_refused(world: Any, refused: Any) -> None:
    """ALG-11: ECDSA comes as raw R and S; the DER encoding of the same numbers is refused."""
    der = utils.encode_dss_signature(*_es256(world))
    attempt = world.attempt(key="p256", algorithm="ES256", signature=der)
    refused(attempt, "signature_length", "algorithms.check_length", then="signature_range")


@pytest.mark.parametrize("length", [0, 63, 65, 96])
def test_alg_11_raw_signature_has_the_length_of_the_curve(world: Any, refused: Any, length: int) -> None:
    """ALG-11: two coordinates of fixed length; shorter or longer is refused."""
    made = _raw(*_es256(world)).ljust(length, b"\x00")[:length] or b"\x01"
    refused(world.attempt(key="p256", algorithm="ES256", signature=made), "signature_length")


def test_alg_12_the_malleable_twin_wins_nothing(world: Any) -> None:
    """ALG-12: (r, n - s) is valid too, as ECDSA is; the nonce is what stops its second use."""
    r, s = _es256(world)
    assert world.attempt(key="p256", algorithm="ES256", signature=_raw(r, P256_ORDER - s)).verify()


def test_signature_made_with_another_hash_on_the_same_curve(world: Any, refused: Any) -> None:
    """ES256 over P-256 with SHA-384 inside is not ES256."""
    encoded = world.key("p256").sign(world.message("ES256"), ec.ECDSA(hashes.SHA384()))
    signature = _raw(*utils.decode_dss_signature(encoded))
    refused(world.attempt(key="p256", algorithm="ES256", signature=signature), "signature_invalid")


def test_worked_value_of_the_reference(world: Any) -> None:
    """The signed bytes for a known origin and nonce, as an independent calculation gave them."""
    message = world.message(origin="https://login.city.example.jp")
    assert message.hex() == (
        "35b49be63feb695b6ff38f9aa52fa1e88bb1c7737e31fba826cdace3bd324bd3"
        "cd83ecc2b41302ed7bc62c2bfe59cb04f2ff11ae16c3aa88b686cc490ab2eadf"
    )
    assert world.attempt(origin="https://login.city.example.jp", signed_origin="https://login.city.example.jp").verify()
