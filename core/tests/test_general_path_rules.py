"""The general path on small hierarchies that are broken in one place each."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given, settings
from hypothesis import strategies as st
from pyhanko_certvalidator import ValidationContext

from mykey_core.trust.general_path import MAX_OFFERED_CERTIFICATES, PathQuestion, validate_path
from mykey_testkit.jpki.mini_pki import MOMENT, Party, make, make_crl

POLICY = "1.2.392.200149.8.5.1.1.20"
ROOT = make("Root", ca=True)
TOWN = make("Town CA", ROOT, ca=True, policies=[POLICY])
CITIZEN = make("Citizen", TOWN, policies=[POLICY])
QUESTION = PathQuestion(
    certificate=CITIZEN.der,
    anchors=(ROOT.der,),
    at=MOMENT,
    intermediates=(TOWN.der,),
    crls=(make_crl(ROOT), make_crl(TOWN)),
)
FAR = timedelta(days=11)


def test_a_sound_path_is_accepted_with_its_evidence() -> None:
    """The verdict names the fingerprints from the anchor to the certificate, and the valid policy."""
    verdict = validate_path(replace(QUESTION, policies=frozenset({POLICY}), require_policy=True))
    assert verdict.accepted
    assert len(verdict.path) == 3
    assert verdict.path[0] == asn1_x509.Certificate.load(ROOT.der).sha256.hex()
    assert verdict.policies == (POLICY,)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"crls": ()}, "no_revocation_information"),
        ({"crls": (make_crl(ROOT),)}, "no_revocation_information"),
        ({"crls": (make_crl(TOWN),)}, "no_revocation_information"),
        ({"crls": (make_crl(ROOT), make_crl(TOWN, CITIZEN))}, "revoked"),
        ({"crls": (make_crl(ROOT, TOWN), make_crl(TOWN))}, "revoked"),
        ({"crls": (make_crl(ROOT), make_crl(TOWN, CITIZEN, reason=x509.ReasonFlags.certificate_hold))}, "held"),
        ({"crls": (make_crl(ROOT), make_crl(replace(TOWN, key=CITIZEN.key)))}, "crl_signature"),
        ({"crls": (make_crl(ROOT), make_crl(TOWN, next_update=MOMENT - timedelta(seconds=1)))}, "crl_stale"),
        ({"intermediates": ()}, "no_path"),
        ({"anchors": (make("Root", ca=True).der,)}, "signature"),
        ({"at": MOMENT + FAR}, "expired"),
        ({"at": MOMENT - FAR}, "not_yet_valid"),
        ({"policies": frozenset({"1.2.3.4"}), "require_policy": True}, "policy"),
        ({"certificate": ROOT.der}, "certificate_is_anchor"),
        ({"certificate": CITIZEN.der + b"\x00"}, "malformed"),
        ({"crls": (b"not a CRL",)}, "malformed"),
        ({"intermediates": (TOWN.der,) * (MAX_OFFERED_CERTIFICATES + 1)}, "too_many_certificates"),
    ],
)
def test_each_fault_is_refused_with_its_reason(change: dict[str, Any], reason: str) -> None:
    """One thing is wrong at a time, and the reason names it."""
    verdict = validate_path(replace(QUESTION, **change))
    assert (verdict.accepted, verdict.reason) == (False, reason)


@pytest.mark.parametrize("edge", ["not_valid_before_utc", "not_valid_after_utc"])
def test_both_ends_of_the_validity_belong_to_it_and_nothing_beyond(edge: str) -> None:
    """V8: notBefore and notAfter are included; one second further is refused (the library would allow it)."""
    instant = getattr(CITIZEN.certificate, edge)
    outward = timedelta(seconds=1 if edge == "not_valid_after_utc" else -1)
    wide: dict[str, Any] = {"this_update": MOMENT - 30 * FAR, "next_update": MOMENT + 30 * FAR}
    crls = (make_crl(ROOT, **wide), make_crl(TOWN, **wide))
    assert validate_path(replace(QUESTION, at=instant, crls=crls)).accepted
    assert not validate_path(replace(QUESTION, at=instant + outward, crls=crls)).accepted


def test_an_expired_anchor_is_no_anchor() -> None:
    """A trusted CA certificate whose time is over no longer carries a path."""
    old_root = make("Old root", ca=True, not_after=MOMENT - timedelta(days=1))
    leaf = make("Leaf", old_root)
    verdict = validate_path(
        PathQuestion(certificate=leaf.der, anchors=(old_root.der,), at=MOMENT, crls=(make_crl(old_root),))
    )
    assert (verdict.accepted, verdict.reason) == (False, "anchor_not_valid_now")


def test_a_certificate_without_keycertsign_issues_nothing() -> None:
    """A citizen's certificate cannot be the CA of another."""
    forged = make("Forged", CITIZEN)
    question = replace(
        QUESTION,
        certificate=forged.der,
        intermediates=(TOWN.der, CITIZEN.der),
        crls=(*QUESTION.crls, make_crl(CITIZEN)),
    )
    assert validate_path(question).reason in {"not_a_ca", "key_cert_sign"}


def _ca_with_the_signature_of(original: Party, key: ec.EllipticCurvePrivateKey) -> bytes:
    """A certificate that names `original`'s subject, carries another key, and copies `original`'s signature bytes."""
    forged = asn1_x509.Certificate.load(make("Town CA", ROOT, ca=True, key=key).der)
    forged["signature_value"] = asn1_x509.Certificate.load(original.der)["signature_value"].native
    return bytes(forged.dump(force=True))


def test_a_copied_signature_does_not_lend_its_validity_to_another_key() -> None:
    """An offered certificate with the copied signature of the CA must not sign that CA's CRL (library 0.33.0)."""
    thief = ec.generate_private_key(ec.SECP256R1())
    impostor = _ca_with_the_signature_of(TOWN, thief)
    clean_crl = make_crl(replace(TOWN, key=thief))
    attacked = replace(QUESTION, intermediates=(TOWN.der, impostor), crls=(make_crl(ROOT), clean_crl))
    assert not validate_path(attacked).accepted


def test_the_algorithm_outside_the_signed_part_must_equal_the_one_inside() -> None:
    """RFC 5280 4.1.1.2: a certificate that says two different things is refused."""
    leaf = asn1_x509.Certificate.load(make("Leaf", ROOT).der)
    leaf["tbs_certificate"]["signature"] = {"algorithm": "sha384_ecdsa"}
    tbs = leaf["tbs_certificate"].dump(force=True)
    leaf["signature_value"] = ROOT.key.sign(tbs, ec.ECDSA(hashes.SHA256()))
    verdict = validate_path(
        PathQuestion(certificate=leaf.dump(), anchors=(ROOT.der,), at=MOMENT, crls=(make_crl(ROOT),))
    )
    assert (verdict.accepted, verdict.reason) == (False, "algorithm_mismatch")


def test_a_certificate_has_one_encoding_only() -> None:
    """The unused-bits count of the signature is not signed, and must be zero: no second fingerprint."""
    leaves = (make("Leaf", ROOT) for _ in range(64))
    leaf = next(leaf.der for leaf in leaves if not leaf.der[-1] & 1)  # a last bit of 0 may be called unused
    position = len(leaf) - len(asn1_x509.Certificate.load(leaf)["signature_value"].contents)
    changed = leaf[:position] + b"\x01" + leaf[position + 1 :]
    question = PathQuestion(certificate=leaf, anchors=(ROOT.der,), at=MOMENT, crls=(make_crl(ROOT),))
    assert validate_path(question).accepted
    assert not validate_path(replace(question, certificate=changed)).accepted


@settings(max_examples=150, deadline=None)
@given(st.integers(0, len(CITIZEN.der) - 1), st.integers(1, 255))
def test_no_changed_byte_is_accepted_and_none_raises(position: int, difference: int) -> None:
    """Any one changed byte of a certificate makes it refused, never a crash."""
    changed = bytearray(CITIZEN.der)
    changed[position] ^= difference
    assert not validate_path(replace(QUESTION, certificate=bytes(changed))).accepted


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=200))
def test_arbitrary_bytes_are_refused(junk: bytes) -> None:
    """Bytes that are no certificate or CRL give a refusal."""
    assert not validate_path(replace(QUESTION, certificate=junk)).accepted
    assert not validate_path(replace(QUESTION, crls=(junk,))).accepted


def test_the_library_still_needs_our_correction() -> None:
    """While this passes, the library remembers validated certificates by signature bytes, and we must not."""
    context = ValidationContext(trust_roots=[asn1_x509.Certificate.load(ROOT.der)], crls=[])
    genuine = asn1_x509.Certificate.load(TOWN.der)
    impostor = asn1_x509.Certificate.load(_ca_with_the_signature_of(TOWN, CITIZEN.key))
    context.record_validation(genuine, "a path")
    assert context.check_validation(impostor) == "a path"
