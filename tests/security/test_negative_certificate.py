"""Certificates that must not log anybody in: AuthTokenCertificateTest, CRT-02 and on, and more (V4, V5, V7 to V10)."""

from __future__ import annotations

import base64
from datetime import timedelta
from typing import Any

import pytest
from asn1crypto import core as asn1_core
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID

from mykey_core.trust.types import RevocationState

SECOND = timedelta(seconds=1)
SIGNING = "1.2.392.200149.8.5.1.1.20"
UNKNOWN_EXTENSION = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.392.999.1"), b"\x05\x00")

# (catalogue row, arguments of the card, code, the check that alone stops it, what stops it then)
CARDS = [
    ("KeyUsageMissing", {"usage": None}, "key_usage_missing", "end_entity.check_key_usage", None),
    ("PurposeWrong", {"usage": ("key_agreement",)}, "key_usage_wrong", "end_entity.check_key_usage", None),
    (
        "KeyUsageNonRepudiation (CRT-02)",
        {"usage": ("digital_signature", "content_commitment")},
        "key_usage_other_kind",
        "end_entity.check_key_usage_kind",
        None,
    ),
    ("PolicyMissing", {"policies": None}, "policy_missing", "end_entity.check_policy", None),
    ("PolicyWrong", {"policies": ("1.2.3.4",)}, "policy_not_allowed", "end_entity.check_policy", None),
    ("PolicyAny", {"policies": ("2.5.29.32.0",)}, "policy_not_allowed", "end_entity.check_policy", None),
    (
        "PolicyLongerByOneArc",
        {"policies": ("1.2.392.200149.8.5.1.3.30.1",)},
        "policy_not_allowed",
        "end_entity.check_policy",
        None,
    ),
    ("PolicyShorterByOneArc", {"policies": ("1.2.392.200149.8.5.1.3",)}, "policy_not_allowed", None, None),
    (
        "PolicyDisallowed (CRT-03)",
        {"policies": (SIGNING,)},
        "certificate_other_kind",
        "end_entity.check_kind",
        "policy_not_allowed",
    ),
    (
        "PolicyOfBothKinds (CRT-04)",
        {"policies": ("1.2.392.200149.8.5.1.3.30", SIGNING)},
        "certificate_other_kind",
        "end_entity.check_kind",
        None,
    ),
    (
        "OldMobileId (CRT-05: signing certificate of a smartphone)",
        {"policies": ("1.2.392.200149.8.5.1.1.40",), "usage": ("digital_signature", "content_commitment")},
        "certificate_other_kind",
        "end_entity.check_kind",
        "key_usage_other_kind",
    ),
    (
        "NewMobileId (CRT-05: a smartphone's policy that is not enabled)",
        {"policies": ("1.2.392.200149.8.5.1.3.40",)},
        "policy_not_allowed",
        "end_entity.check_policy",
        None,
    ),
    (
        "SigningCertificateOfTheCard (CRT-06)",
        {"policies": (SIGNING,), "usage": ("digital_signature", "content_commitment")},
        "certificate_other_kind",
        None,
        None,
    ),
    (
        "ServerAuthOnly",
        {"purposes": (ExtendedKeyUsageOID.SERVER_AUTH,)},
        "extended_key_usage_wrong",
        "end_entity.check_extended_key_usage",
        None,
    ),
    (
        "AnyExtendedKeyUsage",
        {"purposes": (ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE,)},
        "extended_key_usage_wrong",
        "end_entity.check_extended_key_usage",
        None,
    ),
    ("CertificateOfACa", {"is_ca": True}, "certificate_is_a_ca", "end_entity.check_is_no_ca", None),
    (
        "UnknownCriticalExtension",
        {"more": ((UNKNOWN_EXTENSION, True),)},
        "certificate_extension_critical",
        "certificate_form.check_critical_extensions",
        None,
    ),
    (
        "CriticalNameConstraints",
        {"more": ((x509.NameConstraints([x509.DNSName("example.jp")], None), True),)},
        "certificate_extension_critical",
        "certificate_form.check_critical_extensions",
        None,
    ),
]


@pytest.mark.parametrize(("shape", "code", "guard", "then"), [row[1:] for row in CARDS], ids=[row[0] for row in CARDS])
def test_card_is_refused(
    world: Any, refused: Any, shape: dict[str, Any], code: str, guard: str | None, then: str | None
) -> None:
    """A genuine CA signed it, the signature is right, and yet the certificate is not one for logging in."""
    refused(world.attempt(world.card(**shape)), code, guard, then=then)


# (catalogue row, arguments of the card, code, check)
TIMES = [
    ("UserCertNotYetValid", {"not_before": +SECOND}, "certificate_not_yet_valid", "end_entity.check_begun"),
    ("UserCertNoLongerValid", {"not_after": -SECOND}, "certificate_expired", "end_entity.check_not_ended"),
    ("ExpiredRsa", {"not_after": timedelta(days=-1)}, "certificate_expired", "end_entity.check_not_ended"),
    (
        "ExpiredEcdsa",
        {"not_after": timedelta(days=-1), "key": "p384"},
        "certificate_expired",
        "end_entity.check_not_ended",
    ),
    ("ClockOneDayBack", {"not_before": timedelta(days=1)}, "certificate_not_yet_valid", "end_entity.check_begun"),
]


@pytest.mark.parametrize(("shape", "code", "guard"), [row[1:] for row in TIMES], ids=[row[0] for row in TIMES])
def test_out_of_time(world: Any, refused: Any, shape: dict[str, Any], code: str, guard: str | None) -> None:
    """V8: before notBefore or after notAfter, by a second or a day."""
    key = shape.get("key", "persona/adult/authentication")
    instants = {side: world.now + shift for side, shift in shape.items() if side != "key"}
    algorithm = "ES384" if key == "p384" else "RS256"
    refused(world.attempt(world.card(key, **instants), key=key, algorithm=algorithm), code, guard)


@pytest.mark.parametrize(("side", "shift"), [("not_before", timedelta()), ("not_after", timedelta())])
def test_both_ends_of_validity_are_included(world: Any, side: str, shift: timedelta) -> None:
    """V8: notBefore ≤ now ≤ notAfter."""
    assert world.attempt(world.card(**{side: world.now + shift})).verify()


def test_half_a_second_after_the_end_is_after_the_end(world: Any, refused: Any) -> None:
    """The clock has fractions, certificates have none."""
    attempt = world.attempt(world.card(not_after=world.now), now=world.now + SECOND / 2)
    refused(attempt, "certificate_expired")


def test_leap_day_is_a_day(world: Any) -> None:
    """A certificate that begins or ends on 29 February is valid that day."""
    leap = world.now.replace(year=2028, month=2, day=29)
    card = world.card(not_before=leap - SECOND, not_after=leap + SECOND)
    assert world.attempt(card, now=leap, cas=(world.ca(),)).verify()


def test_certificate_that_is_base64_of_something_else(world: Any, refused: Any) -> None:
    """NotCertificate: base64 of other bytes, of PEM, and of a certificate with bytes before or after it."""
    good = world.card()
    pem = x509.load_der_x509_certificate(good).public_bytes(Encoding.PEM)
    for bytes_ in (
        b"x" * 200,
        pem,
        b"\x00" + good,
        good + b"\x00",
        good + good,
        good[:-1],
        b"0" * 300,
        b"0\x80" + good,
    ):
        spoil = {"unverifiedCertificate": base64.b64encode(bytes_).decode()}
        refused(world.attempt(spoil=spoil), "certificate_malformed")


def test_revoked(world: Any, refused: Any) -> None:
    """Revoked: the last check refuses, and nothing else does."""
    attempt = world.attempt(revocation=world.Revocation(RevocationState.REVOKED))
    refused(attempt, "certificate_revoked", "verifier.check_good")


def test_held(world: Any, refused: Any) -> None:
    """一時停止 (certificateHold): refused with its own code, because the person is told something else."""
    attempt = world.attempt(revocation=world.Revocation(RevocationState.HELD))
    refused(attempt, "certificate_held", "verifier.check_good")


def _version(number: Any) -> Any:
    def change(tbs: Any) -> None:
        tbs["version"] = number

    return change


def _serial(number: Any) -> Any:
    def change(tbs: Any) -> None:
        tbs["serial_number"] = number

    return change


def _twice(tbs: Any) -> None:
    tbs["extensions"].append(tbs["extensions"][0].copy())


# (row, change of the TBSCertificate, code, check, what stops it then)
SHAPES = [
    ("VersionOne", _version("v1"), "certificate_version", "certificate_form.check_version", None),
    ("VersionTwo", _version("v2"), "certificate_version", "certificate_form.check_version", "certificate_malformed"),
    ("SerialZero", _serial(0), "certificate_serial", None, None),
    ("SerialNegative", _serial(-5), "certificate_serial", None, None),
    ("SerialOf21Octets", _serial(1 << 160), "certificate_serial", "certificate_form.check_serial", None),
    ("SerialOf21OctetsForItsSign", _serial(1 << 159), "certificate_serial", "certificate_form.check_serial", None),
    ("ExtensionTwice", _twice, "certificate_extension_duplicate", "certificate_form.check_no_extension_twice", None),
]


@pytest.mark.parametrize(
    ("change", "code", "guard", "then"), [row[1:] for row in SHAPES], ids=[row[0] for row in SHAPES]
)
def test_form_is_refused(world: Any, refused: Any, change: Any, code: str, guard: str | None, then: str | None) -> None:
    """V4, V5: what no builder makes, signed by the genuine CA all the same."""
    card = world.reshape(world.card(), change)
    refused(world.attempt(card), code, guard, then=then)


@pytest.mark.parametrize("serial", [0, -5])
def test_bad_serials_would_only_cause_a_warning(world: Any, switch_off: Any, serial: int) -> None:
    """Without the check of the serial number the parser warns, and nobody refuses."""
    switch_off("certificate_form.check_serial")
    attempt = world.attempt(world.reshape(world.card(), _serial(serial)))
    with pytest.warns(match="serial number"):
        assert attempt.verify()


def test_serial_of_20_octets_is_accepted(world: Any) -> None:
    """RFC 5280 4.1.2.2 allows 20 octets."""
    found = world.attempt(world.card(serial=(1 << 159) - 1)).verify()
    assert found.certificate.serial_number == (1 << 159) - 1


def test_sha_1_certificate_is_refused(world: Any, refused: Any) -> None:
    """V7: sha1WithRSAEncryption; the signature itself is made with SHA-256, so only the name counts."""
    algorithm = bytes.fromhex("300d06092a864886f70d0101050500")
    tbs = asn1_x509.Certificate.load(world.card())["tbs_certificate"]
    tbs["signature"] = {"algorithm": "sha1_rsa", "parameters": asn1_core.Null()}
    card = world.sign_raw(tbs.dump(force=True), algorithm)
    guard = "certificate_form.check_signature_algorithm"
    refused(world.attempt(card), "certificate_signature_algorithm", guard, then="issuer_signature_invalid")


def test_inner_and_outer_algorithm_must_be_equal(world: Any, refused: Any) -> None:
    """V7: signed as SHA-512, labelled SHA-256 outside."""
    tbs = asn1_x509.Certificate.load(world.card())["tbs_certificate"]
    tbs["signature"] = {"algorithm": "sha512_rsa", "parameters": asn1_core.Null()}
    card = world.sign_raw(tbs.dump(force=True), bytes.fromhex("300d06092a864886f70d01010b0500"))
    guard = "certificate_form.check_same_signature_algorithm"
    refused(world.attempt(card), "certificate_signature_algorithm_differs", guard)


@pytest.mark.parametrize("bits", [384, 512])
def test_longer_hashes_are_accepted(world: Any, bits: int) -> None:
    """V7: SHA-384 and SHA-512 are on the list."""
    assert world.attempt(world.card(hash_bits=bits)).verify()


def test_policy_named_twice_is_malformed(world: Any, refused: Any) -> None:
    """RFC 5280 4.2.1.4: a policy identifier must not appear more than once."""
    policy = x509.PolicyInformation(x509.ObjectIdentifier(world.policy), None)
    card = world.card(policies=None, more=((x509.CertificatePolicies([policy, policy]), True),))
    refused(world.attempt(card), "certificate_extension_malformed")


def test_extension_that_is_no_der_is_malformed(world: Any, refused: Any) -> None:
    """An extension that the verdict needs and that cannot be read refuses; it is not taken for absent."""
    broken = x509.UnrecognizedExtension(x509.ObjectIdentifier("2.5.29.15"), b"\x30\x03\x01")
    card = world.card(usage=None, more=((broken, True),))
    refused(world.attempt(card), "certificate_extension_malformed")


def test_extra_policies_and_purposes_are_no_reason_to_refuse(world: Any) -> None:
    """More policies beside the right one, clientAuth among other purposes, CA:FALSE, critical point: accepted."""
    point = x509.DistributionPoint([x509.UniformResourceIdentifier("http://crl.example.jp/a.crl")], None, None, None)
    card = world.card(
        policies=(world.policy, "1.2.3"),
        purposes=(ExtendedKeyUsageOID.EMAIL_PROTECTION, ExtendedKeyUsageOID.CLIENT_AUTH),
        is_ca=False,
        more=((UNKNOWN_EXTENSION, False), (x509.CRLDistributionPoints([point]), True)),
    )
    found = world.attempt(card).verify().certificate
    assert found.distribution_point == b"http://crl.example.jp/a.crl"


def test_sha_256_fingerprint_is_that_of_the_certificate(world: Any) -> None:
    """The fingerprint that the hub keeps is calculated over the bytes that came."""
    digest = hashes.Hash(hashes.SHA256())
    digest.update(world.card())
    assert world.attempt().verify().certificate.fingerprint == digest.finalize()
