"""Which CRLs the general path looks into: what a broken, weak or lying CRL must not do to a verdict."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from asn1crypto import crl as asn1_crl
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from mykey_core.trust import general_crls, general_path
from mykey_core.trust.general_crls import UsableCrls
from mykey_core.trust.general_path import PathQuestion, validate_path
from mykey_testkit.jpki.mini_pki import MOMENT, Party, make, make_crl

ROOT = make("Root", ca=True)
LEAF = make("Leaf", ROOT)
OTHER = make("Other", ROOT)
GOOD = make_crl(ROOT)
QUESTION = PathQuestion(certificate=LEAF.der, anchors=(ROOT.der,), at=MOMENT, crls=(GOOD,))
UNKNOWN = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.392.1"), b"\x05\x00")


def crl_with(*entries: x509.RevokedCertificate, delta_of: int | None = None, by: Party = ROOT) -> bytes:
    """A CRL of the root with these entries; a delta when `delta_of` is the number of its base."""
    known = x509.load_der_x509_crl(make_crl(by, number=2))
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(by.certificate.subject)
        .last_update(known.last_update_utc)
        .next_update(MOMENT.replace(year=MOMENT.year + 1))
        .add_extension(x509.CRLNumber(2), critical=False)
    )
    if delta_of is not None:
        builder = builder.add_extension(x509.DeltaCRLIndicator(delta_of), critical=True)
    for entry in entries:
        builder = builder.add_revoked_certificate(entry)
    return builder.sign(by.key, hashes.SHA256()).public_bytes(Encoding.DER)


def entry(
    party: Party, extension: x509.ExtensionType | None = None, *, critical: bool = False
) -> x509.RevokedCertificate:
    """One entry, with one extension."""
    builder = x509.RevokedCertificateBuilder().serial_number(party.certificate.serial_number).revocation_date(MOMENT)
    return (builder.add_extension(extension, critical=critical) if extension else builder).build()


def sha1_crl() -> bytes:
    """A CRL with a genuine signature of ECDSA with SHA-1."""
    made = asn1_crl.CertificateList.load(GOOD)
    algorithm = {"algorithm": "sha1_ecdsa"}
    made["tbs_cert_list"]["signature"] = algorithm
    made["signature_algorithm"] = algorithm
    tbs = made["tbs_cert_list"].dump(force=True)
    made["signature"] = ROOT.key.sign(tbs, ec.ECDSA(hashes.SHA1()))  # noqa: S303 - what must be refused
    return bytes(made.dump(force=True))


def two_algorithms() -> bytes:
    """A CRL whose signed algorithm is not the one beside the signature."""
    made = asn1_crl.CertificateList.load(GOOD)
    made["tbs_cert_list"]["signature"] = {"algorithm": "sha384_ecdsa"}
    made["signature"] = ROOT.key.sign(made["tbs_cert_list"].dump(force=True), ec.ECDSA(hashes.SHA256()))
    return bytes(made.dump(force=True))


REMOVED = x509.CRLReason(x509.ReasonFlags.remove_from_crl)
UNUSABLE: list[tuple[bytes, str, str]] = [
    (sha1_crl(), "crl_algorithm", "_algorithm_problem"),
    (crl_with(entry(OTHER, UNKNOWN, critical=True)), "crl_critical_extension", "_entry_problem"),
    (crl_with(entry(LEAF, REMOVED)), "crl_entry", "_entry_problem"),
]


@pytest.mark.parametrize(("crl", "reason", "rule"), UNUSABLE)
def test_an_unusable_crl_says_nothing_good(crl: bytes, reason: str, rule: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Weak, contradictory, not understood, or releasing: such a CRL is no information; only its rule stops it."""
    verdict = validate_path(replace(QUESTION, crls=(crl,)))
    assert (verdict.accepted, verdict.reason) == (False, reason)

    def nothing(*_: Any) -> None:
        """The rule, switched off."""

    monkeypatch.setattr(general_crls, rule, nothing)
    assert validate_path(replace(QUESTION, crls=(crl,))).accepted


def test_the_algorithm_of_a_crl_is_told_once() -> None:
    """RFC 5280 5.1.1.2: inside and outside the signed part it is the same."""
    assert validate_path(replace(QUESTION, crls=(two_algorithms(),))).reason == "crl_algorithm"


def test_an_unusable_crl_beside_a_usable_one_does_no_harm() -> None:
    """It is passed over, not trusted."""
    assert validate_path(replace(QUESTION, crls=(sha1_crl(), GOOD))).accepted


@pytest.mark.parametrize(
    ("extension", "reason"),
    [(None, "revoked"), (x509.CRLReason(x509.ReasonFlags.certificate_hold), "held")],
)
def test_what_a_delta_revokes_is_revoked_although_nothing_points_to_it(
    extension: x509.ExtensionType | None, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The library leaves a delta unread where the complete CRL has no freshestCRL."""
    question = replace(QUESTION, crls=(GOOD, crl_with(entry(LEAF, extension), delta_of=1)))
    assert validate_path(question).reason == reason

    def nothing(*_: Any) -> None:
        """The rule, switched off."""

    monkeypatch.setattr(general_path, "revoked_by_delta", nothing)
    assert validate_path(question).accepted


def test_a_delta_of_another_signer_revokes_nobody() -> None:
    """Otherwise anybody could stop a certificate."""
    forger = replace(make("Root", ca=True), certificate=ROOT.certificate)
    forged = crl_with(entry(LEAF), delta_of=1, by=forger)
    assert validate_path(replace(QUESTION, crls=(GOOD, forged))).accepted
    released = crl_with(entry(LEAF, REMOVED), delta_of=1)
    assert validate_path(replace(QUESTION, crls=(GOOD, released))).accepted


def test_without_deltas_nothing_is_asked() -> None:
    """The state is None, also for an empty path."""
    assert general_crls.revoked_by_delta([], UsableCrls((), ()), MOMENT) is None
