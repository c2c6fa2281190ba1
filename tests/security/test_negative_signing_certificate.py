"""Signing certificates in tokens of version 1.1: AuthTokenV11CertificateTest, AuthTokenAlgorithmTest (1.1 rows)."""

from __future__ import annotations

import base64
from datetime import timedelta
from typing import Any

import pytest

SIGNING = {"usage": ("digital_signature", "content_commitment"), "policies": ("1.2.392.200149.8.5.1.1.20",)}
SECOND_KEY = "persona/adult/signature"
ALGORITHM = {"cryptoAlgorithm": "RSA", "hashFunction": "SHA-256", "paddingScheme": "PKCS1.5"}
MEMBER = "unverifiedSigningCertificates"


@pytest.fixture
def version_11(world: Any) -> Any:
    """Make an attempt of version 1.1; `shape` changes the signing certificate, `entry` the list's entry."""

    def make(*, entry: Any = None, **shape: Any) -> Any:
        card = world.card(SECOND_KEY, **(SIGNING | shape))
        good = {"certificate": base64.b64encode(card).decode(), "supportedSignatureAlgorithms": [ALGORITHM]}
        members = {"format": "web-eid:1.1", MEMBER: [good | (entry or {})]}
        return world.attempt(spoil=members)

    return make


def test_version_11_is_accepted(version_11: Any) -> None:
    """RS256 v1.1 accept: a good signing certificate beside the login certificate."""
    assert version_11().verify()


@pytest.mark.parametrize("value", [..., None, [], {}, ""])
def test_signing_certificates_missing(world: Any, refused: Any, value: Any) -> None:
    """Version 1.1 without its list, or with an empty one; without the check the token would do as a 1.0 one."""
    attempt = world.attempt(spoil={"format": "web-eid:1.1", MEMBER: value})
    guard = "token.check_signing_certificates_given" if value is None or value is ... else None
    refused(attempt, "signing_certificates_missing", guard)


@pytest.mark.parametrize("version", ["web-eid:1.0", "web-eid:1"])
def test_list_is_ignored_before_version_11(world: Any, version: str) -> None:
    """In version 1.0 the member is unknown, and unknown members are ignored."""
    assert world.attempt(spoil={"format": version, MEMBER: ["nonsense"]}).verify()


def test_list_is_looked_at_in_later_minor_versions(world: Any, refused: Any) -> None:
    """A version after 1.1 may leave the list out; a wrong list is refused."""
    assert world.attempt(spoil={"format": "web-eid:1.2"}).verify()
    refused(world.attempt(spoil={"format": "web-eid:1.2", MEMBER: []}), "signing_certificates_missing")
    refused(world.attempt(spoil={"format": "web-eid:1.2", MEMBER: [1]}), "signing_certificate_malformed")


ENTRIES = [
    ("Missing", {"certificate": None}, "signing_certificate_malformed"),
    ("Empty", {"certificate": ""}, "signing_certificate_malformed"),
    ("Number", {"certificate": 1}, "signing_certificate_malformed"),
    ("NotBase64", {"certificate": "not base64"}, "signing_certificate_malformed"),
    ("NotACertificate", {"certificate": base64.b64encode(b"nothing").decode()}, "signing_certificate_malformed"),
    ("MissingSupportedAlgorithms", {"supportedSignatureAlgorithms": None}, "signing_algorithms_missing"),
    ("EmptySupportedAlgorithms", {"supportedSignatureAlgorithms": []}, "signing_algorithms_missing"),
    ("SupportedAlgorithmsNoList", {"supportedSignatureAlgorithms": ALGORITHM}, "signing_algorithms_missing"),
    ("AlgorithmNoObject", {"supportedSignatureAlgorithms": ["RS256"]}, "signing_algorithm_unknown"),
    *[
        (f"Invalid{name[0].upper()}{name[1:]}", {"supportedSignatureAlgorithms": [ALGORITHM | {name: bad}]}, code)
        for name in ALGORITHM
        for bad, code in ((("FOO"), "signing_algorithm_unknown"), (None, "signing_algorithm_unknown"))
    ],
]


@pytest.mark.parametrize(("entry", "code"), [row[1:] for row in ENTRIES], ids=[row[0] for row in ENTRIES])
def test_entry_is_refused(version_11: Any, refused: Any, entry: Any, code: str) -> None:
    """InvalidCryptoAlgorithm, InvalidHashFunction, InvalidPaddingScheme, not base64, not a certificate."""
    guard = "signing_certificates.check_supported_algorithms" if "algorithm" in code else None
    refused(version_11(entry=entry), code, guard)


CERTIFICATES = [
    (
        "KeyUsage",
        {"usage": ("digital_signature",)},
        "signing_certificate_key_usage",
        "signing_certificates.check_key_usage",
    ),
    (
        "OtherIssuer",
        {"issuer": "ca/authentication/2"},
        "signing_certificate_issuer",
        "signing_certificates.check_issuer",
    ),
    (
        "ForgedIssuer",
        {"issuer": "ca/authentication/forged", "authority_key": "ca/authentication/3"},
        "signing_certificate_issuer",
        "signing_certificates.check_issuer",
    ),
    ("NoAki", {"authority_key": None}, "signing_certificate_issuer", "signing_certificates.check_issuer"),
]


@pytest.mark.parametrize(
    ("shape", "code", "guard"), [row[1:] for row in CERTIFICATES], ids=[row[0] for row in CERTIFICATES]
)
def test_signing_certificate_is_refused(
    version_11: Any, refused: Any, shape: dict[str, Any], code: str, guard: str | None
) -> None:
    """Not suitable for signing, other issuer, no authority key identifier."""
    refused(version_11(**shape), code, guard)


def test_subject_mismatch(world: Any, version_11: Any, refused: Any) -> None:
    """The signing certificate of somebody else."""
    attempt = version_11(subject=world.ca_name)
    refused(attempt, "signing_certificate_subject", "signing_certificates.check_subject")


@pytest.mark.parametrize("side", ["not_before", "not_after"])
def test_out_of_time(world: Any, version_11: Any, refused: Any, side: str) -> None:
    """A signing certificate that is not valid now."""
    shift = timedelta(seconds=1 if side == "not_before" else -1)
    refused(version_11(**{side: world.now + shift}), "signing_certificate_time", "signing_certificates.check_time")
