"""Algorithms that are unknown, or do not fit the key: AuthTokenAlgorithmTest, ALG-01 to ALG-08, and keys (V6, V7)."""

from __future__ import annotations

import base64
import hmac
from typing import Any

import pytest
from asn1crypto import core as asn1_core
from asn1crypto import keys as asn1_keys
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding

RSA = "persona/adult/authentication"
NAMES = [
    ("AlgorithmNone (ALG-01)", "none"),
    ("AlgorithmEmpty", ""),
    ("AlgorithmInvalid", "FOO"),
    ("AlgorithmLowerCase (ALG-02)", "rs256"),
    ("AlgorithmHmac (ALG-03)", "HS256"),
    ("AlgorithmEdDsa", "EdDSA"),
    ("AlgorithmSha1", "RS1"),
    ("AlgorithmSha224", "RS224"),
    ("AlgorithmBlank", "RS256 "),
    ("AlgorithmKoblitz", "ES256K"),
]


@pytest.mark.parametrize("algorithm", [row[1] for row in NAMES], ids=[row[0] for row in NAMES])
def test_algorithm_is_not_on_the_list(world: Any, refused: Any, algorithm: str) -> None:
    """ALG-01, ALG-02: `none`, other spellings and everything else that is not one of the nine."""
    code = "algorithm_unknown" if algorithm else "token_member_type"
    refused(world.attempt(spoil={"algorithm": algorithm}), code, "token.check_algorithm" if algorithm else None)


def test_alg_03_hmac_with_the_public_key_is_refused(world: Any, refused: Any) -> None:
    """ALG-03: an HMAC whose secret is the public key, the classic confusion of asymmetric and symmetric."""
    public = world.key(RSA).public_key()
    secret = public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    forged = hmac.digest(secret, world.message(), "sha256")
    spoil = {"algorithm": "HS256", "signature": base64.b64encode(forged).decode()}
    refused(world.attempt(spoil=spoil), "algorithm_unknown", "token.check_algorithm", then="signature_length")


ACCEPTED = [
    *[(RSA, f"{scheme}{bits}") for scheme in ("RS", "PS") for bits in (256, 384, 512)],
    ("rsa-3072", "RS256"),
    ("rsa-3072", "PS512"),
    ("p256", "ES256"),
    ("p384", "ES384"),
    ("p521", "ES512"),
]


@pytest.mark.parametrize(("key", "algorithm"), ACCEPTED)
def test_every_algorithm_of_the_list_is_accepted_with_its_key(world: Any, key: str, algorithm: str) -> None:
    """The nine algorithms, each with a key that fits: ValidTokenAndNonce, ES384 accept, RS256 accept."""
    assert world.attempt(key=key, algorithm=algorithm).verify().algorithm == algorithm


@pytest.mark.parametrize(("key", "algorithm"), [(RSA, "ES256"), ("p256", "RS256"), ("p384", "PS384")])
def test_alg_04_family_must_fit_the_key(world: Any, refused: Any, key: str, algorithm: str) -> None:
    """ALG-04: ES with an RSA key, RS or PS with an EC key."""
    own = {"rsa": "RS256", "p256": "ES256", "p384": "ES384"}[key if key in {"p256", "p384"} else "rsa"]
    attempt = world.attempt(key=key, algorithm=own, spoil={"algorithm": algorithm})
    refused(attempt, "algorithm_key_mismatch")


@pytest.mark.parametrize(("key", "algorithm"), [("p384", "ES256"), ("p256", "ES384"), ("p521", "ES384")])
def test_alg_05_curve_must_fit_the_algorithm(world: Any, refused: Any, key: str, algorithm: str) -> None:
    """ALG-05: each ES algorithm has its own curve; a signature of another curve is not even tried."""
    refused(world.attempt(key=key, algorithm=algorithm), "algorithm_key_mismatch")


def test_alg_05_only_the_fit_stops_a_short_signature_on_a_long_curve(world: Any, refused: Any) -> None:
    """Without the check of the fit, a P-384 key would be asked to verify an ES256 signature."""
    signature = world.sign("p384", "ES256", world.message("ES256"))
    attempt = world.attempt(key="p384", algorithm="ES256", signature=signature)
    refused(attempt, "algorithm_key_mismatch", "algorithms.check_fits", then="signature_length")


@pytest.mark.parametrize(("signed", "claimed"), [("RS256", "PS256"), ("PS256", "RS256"), ("RS256", "RS384")])
def test_alg_06_padding_and_hash_are_those_of_the_name(world: Any, refused: Any, signed: str, claimed: str) -> None:
    """ALG-06: PKCS #1 v1.5 is not taken for PSS, nor the reverse, nor one hash for another."""
    refused(
        world.attempt(algorithm=signed, spoil={"algorithm": claimed}), "signature_invalid", "algorithms.check_signature"
    )


@pytest.mark.parametrize(("mask", "salt"), [(hashes.SHA1(), 32), (hashes.SHA256(), 20), (hashes.SHA256(), 0)])  # noqa: S303 - the attack
def test_alg_06_pss_parameters_are_fixed(world: Any, refused: Any, mask: Any, salt: int) -> None:
    """RFC 7518 3.5: MGF1 with the same hash, salt as long as the hash; other parameters do not verify."""
    key = world.key(RSA)
    signature = key.sign(world.message(), padding.PSS(padding.MGF1(mask), salt), hashes.SHA256())
    refused(world.attempt(algorithm="PS256", signature=signature), "signature_invalid", "algorithms.check_signature")


@pytest.mark.parametrize("key", ["rsa-1024", "rsa-2048-exponent-3"])
def test_alg_07_weak_rsa_keys_are_refused(world: Any, refused: Any, key: str) -> None:
    """ALG-07: RSA-1024, and an exponent of 3, although the CA certified them."""
    refused(world.attempt(key=key), "certificate_key_weak", "certificate_form.check_key_strength")


def test_alg_08_explicit_curve_parameters_are_refused(world: Any, refused: Any) -> None:
    """ALG-08: a curve that is spelt out is refused, although `cryptography` turns a known one into its name."""
    card = world.reshape(world.card("p256"), _spell_out_curve)
    refused(
        world.attempt(card, key="p256", algorithm="ES256"),
        "certificate_key_type",
        "certificate_form.check_key_algorithm",
    )


def _spell_out_curve(tbs: Any) -> None:
    """P-256 by its numbers (SEC 2, section 2.4.2)."""
    prime = 2**256 - 2**224 + 2**192 + 2**96 - 1
    tbs["subject_public_key_info"]["algorithm"]["parameters"] = asn1_keys.ECDomainParameters(
        name="specified",
        value={
            "version": "ecdpVer1",
            "field_id": {"field_type": "prime_field", "parameters": asn1_core.Integer(prime)},
            "curve": {
                "a": (prime - 3).to_bytes(32, "big"),
                "b": bytes.fromhex("5ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604b"),
            },
            "base": bytes.fromhex(
                "046b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296"
                "4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5"
            ),
            "order": 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551,
            "cofactor": 1,
        },
    )


def test_edwards_key_is_refused(world: Any, refused: Any) -> None:
    """A key type that is not on the list, whatever the token claims."""
    attempt = world.attempt(world.card("ed25519"), spoil={})
    refused(attempt, "certificate_key_type")
