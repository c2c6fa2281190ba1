"""CAs that must not vouch for anybody: trust rows of AuthTokenCertificateTest, RootCAMissing, CRT-07 (V11)."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from mykey_core.authentication.verifier import TokenVerifier
from mykey_core.errors import ConfigurationError
from mykey_core.trust.store import TrustStore

OURS, OLD, FORGED = "ca/authentication/3", "ca/authentication/2", "ca/authentication/forged"
SECOND = timedelta(seconds=1)


def test_ca_not_part_of_trust_chain(world: Any, refused: Any) -> None:
    """CaNotPartOfTrustChain: a CA of another name that nobody pinned; not reported as a matter of revocation."""
    other = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Some other CA")])
    revocation = world.Revocation()
    card = world.card(issuer=FORGED, issuer_name=other)
    refused(world.attempt(card, revocation=revocation), "issuer_unknown")
    assert not revocation.asked


def test_same_name_other_key(world: Any, refused: Any) -> None:
    """A CA with the genuine name and a key of its own, which the certificate names."""
    card = world.card(issuer=FORGED)
    refused(world.attempt(card), "issuer_key_unknown", "fast_path.has_named_key", then="issuer_signature_invalid")


def test_same_name_and_claimed_key(world: Any, refused: Any) -> None:
    """The forger copies the genuine key identifier: the signature alone tells."""
    card = world.card(issuer=FORGED, authority_key=OURS)
    refused(world.attempt(card), "issuer_signature_invalid", "fast_path.is_signed_by")


def test_key_identifier_of_another_generation(world: Any, refused: Any) -> None:
    """Signed by generation 3 but naming the key of generation 2: what it says of itself is not true."""
    card = world.card(authority_key=OLD)
    refused(world.attempt(card), "issuer_key_unknown", "fast_path.has_named_key")


def test_self_signed_card(world: Any, refused: Any) -> None:
    """A certificate that its own key signed, with any serial number one likes."""
    own = "persona/adult/authentication"
    refused(world.attempt(world.card(issuer=own, issuer_name=world.subject)), "issuer_unknown")


def test_certificate_signed_by_another_card(world: Any, refused: Any) -> None:
    """A citizen's key issues certificates: its owner's certificate is no anchor, and would be no CA."""
    citizen = "persona/child/authentication"
    card = world.card(issuer=citizen, issuer_name=world.subject)
    refused(world.attempt(card), "issuer_unknown")
    as_anchor = x509.load_der_x509_certificate(world.card(citizen))
    refused(world.attempt(card, cas=(world.ca(), as_anchor)), "issuer_not_a_ca")


# (row, arguments of the CA, code, check, what stops it then)
AUTHORITIES = [
    ("TrustedCANotYetValid", {"not_before": SECOND}, "issuer_not_yet_valid", "fast_path.has_begun"),
    ("TrustedCANoLongerValid", {"not_after": -SECOND}, "issuer_expired", "fast_path.has_ended"),
    ("NotACa", {"is_ca": False}, "issuer_not_a_ca", "store.lacks_ca_flag"),
    ("NoBasicConstraints", {"is_ca": None}, "issuer_not_a_ca", "store.lacks_ca_flag"),
    ("NoKeyCertSign", {"usage": ("crl_sign",)}, "issuer_key_usage", "store.lacks_key_cert_sign"),
    ("NoKeyUsage", {"usage": None}, "issuer_key_usage", "store.lacks_key_cert_sign"),
    ("WeakKey", {"key": "rsa-1024"}, "issuer_key_weak", "store.has_weak_key"),
    ("SmallExponent", {"key": "rsa-2048-exponent-3"}, "issuer_key_weak", "store.has_weak_key"),
    (
        "NameConstraints",
        {"more": ((x509.NameConstraints([x509.DNSName("example.jp")], None), True),)},
        "issuer_extension",
        "store.has_constraint",
    ),
    (
        "UnknownCriticalExtension",
        {"more": ((x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.392.999.1"), b"\x05\x00"), True),)},
        "issuer_extension",
        "store.has_constraint",
    ),
]


@pytest.mark.parametrize(
    ("shape", "code", "guard"), [row[1:] for row in AUTHORITIES], ids=[row[0] for row in AUTHORITIES]
)
def test_authority_is_refused(world: Any, refused: Any, shape: dict[str, Any], code: str, guard: str | None) -> None:
    """The pinned certificate is out of time, no CA, too weak, or limited by what this path does not follow."""
    instants = {side: world.now + shape[side] for side in ("not_before", "not_after") if side in shape}
    authority = world.ca(**(shape | instants))
    card = world.card(issuer=shape.get("key", OURS))
    refused(world.attempt(card, cas=(authority,)), code, guard)


def test_authority_of_the_other_kind(world: Any, refused: Any) -> None:
    """CRT-07: the CA for digital signature issued it; for a login it may not."""
    authority = world.ca(name=world.signing_ca_name)
    card = world.card(issuer_name=world.signing_ca_name)
    attempt = world.attempt(card, cas=(authority, world.ca(OLD)))
    refused(attempt, "issuer_other_kind", "fast_path.may_issue")


def test_unrelated_ca_expired_is_no_harm(world: Any) -> None:
    """UnrelatedCAExpired (accept): an expired generation elsewhere in the list stops nobody."""
    expired = world.ca(OLD, not_after=world.now - SECOND)
    assert world.attempt(cas=(expired, world.ca())).verify()


def test_every_generation_is_found_by_its_key(world: Any) -> None:
    """Three generations with one name: each card is traced to the one that signed it (the lesson of jpki/myna)."""
    generations = {key: world.ca(key) for key in ("ca/authentication/1", OLD, OURS)}
    for key, authority in generations.items():
        found = world.attempt(world.card(issuer=key), cas=tuple(generations.values())).verify()
        assert found.certificate.issuer.certificate == authority


def test_generations_are_told_apart_without_key_identifiers(world: Any) -> None:
    """CA certificates and cards without key identifiers: the signature finds the generation."""
    generations = tuple(world.ca(key, key_identifier=None) for key in (OLD, OURS))
    found = world.attempt(world.card(authority_key=None), cas=generations).verify()
    assert found.certificate.issuer.certificate == generations[1]


def test_expired_certificate_of_a_ca_key_beside_a_valid_one(world: Any) -> None:
    """A CA key with an old and a new certificate: the valid one vouches, in whatever order they are listed."""
    old, new = world.ca(not_after=world.now - SECOND), world.ca()
    assert world.attempt(cas=(old, new)).verify()
    assert world.attempt(cas=(new, old)).verify()


@pytest.mark.parametrize(("issuer", "key", "algorithm"), [("p384", "p384-2", "ES384"), ("p256", "p256-2", "ES256")])
def test_next_generation_on_curves(world: Any, issuer: str, key: str, algorithm: str) -> None:
    """A P-384 CA and card, as the next card generation will have: nothing assumes RSA."""
    bits = int(algorithm[2:])
    card = world.card(key, issuer=issuer, hash_bits=bits)
    assert world.attempt(card, key=key, algorithm=algorithm, cas=(world.ca(issuer),)).verify()


def test_rsa_certificate_under_a_ca_key_on_a_curve(world: Any, refused: Any) -> None:
    """The algorithm of the signature must be that of the CA's key."""
    card = world.card(authority_key="p256")
    refused(world.attempt(card, cas=(world.ca("p256"),)), "issuer_signature_invalid")


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.PEM)


def test_root_ca_missing(world: Any) -> None:
    """RootCAMissing: no anchor, or none that issues this kind, stops the start."""
    with pytest.raises(ConfigurationError):
        TrustStore.from_pem([])
    only_signing = TrustStore.from_pem(_pem(world.ca(name=world.signing_ca_name)), allow_emulated=True)
    with pytest.raises(ConfigurationError, match="trust anchors"):
        TokenVerifier(trust=only_signing, revocation=world.Revocation(), origin=world.origin)


def test_emulated_anchors_are_refused_where_people_are_real(world: Any) -> None:
    """O=JPKI-EMU is refused unless tests or the demo say otherwise; the same name with O=JPKI is not."""
    with pytest.raises(ConfigurationError, match="JPKI-EMU"):
        TrustStore.from_pem(_pem(world.ca()))
    assert TrustStore.from_pem(_pem(world.ca()), allow_emulated=True).anchors
    real = x509.Name([x509.NameAttribute(x509.NameOID.ORGANIZATION_NAME, "JPKI")])
    assert TrustStore.from_pem(_pem(world.ca(name=real))).anchors


@pytest.mark.parametrize("shape", [{"is_ca": False}, {"usage": ("crl_sign",)}, {"key": "rsa-1024"}])
def test_anchor_that_cannot_issue_stops_the_start(world: Any, shape: dict[str, Any]) -> None:
    """A configured file that is no issuing CA is a mistake of the operator, said at start."""
    with pytest.raises(ConfigurationError, match="cannot issue"):
        TrustStore.from_pem(_pem(world.ca(**shape)), allow_emulated=True)


@pytest.mark.parametrize(
    "content", [b"", b"nothing", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"]
)
def test_anchor_file_that_cannot_be_read_stops_the_start(tmp_path: Path, content: bytes) -> None:
    """The message names the file and what to do."""
    file = tmp_path / "ca.pem"
    with pytest.raises(ConfigurationError, match="cannot be read"):
        TrustStore.from_pem(file)
    file.write_bytes(content)
    with pytest.raises(ConfigurationError, match=r"ca\.pem"):
        TrustStore.from_pem([file])


def test_anchor_given_twice_counts_once(world: Any) -> None:
    """The same certificate in two files is one anchor."""
    assert len(TrustStore.from_pem([_pem(world.ca()), _pem(world.ca())], allow_emulated=True).anchors) == 1
