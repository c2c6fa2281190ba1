"""The raw parts of a certificate and the decoded extensions, against `cryptography` and OpenSSL as judges."""

from __future__ import annotations

import subprocess
from contextlib import suppress
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from hypothesis import given, settings
from hypothesis import strategies as st

from mykey_cardap.emulator import personas
from mykey_cardap.emulator.jpki.authority import EmulatedJpki
from mykey_cardap.kinds import CertificateKind
from mykey_core.trust import extension_facts, raw_certificate

JPKI = EmulatedJpki(date(2026, 11, 1))
DER = serialization.Encoding.DER
KINDS = list(CertificateKind)


def _cards() -> list[bytes]:
    people = [JPKI.persona(name) for name in personas.names()]
    made = []
    for person in people:
        for kind in KINDS:
            try:
                made.append(JPKI.certificate(person, kind).public_bytes(DER))
            except (LookupError, ValueError):  # a card without this certificate
                continue
    return [*made, *(JPKI.ca_certificate(kind, number).public_bytes(DER) for kind in KINDS for number in (1, 2, 3, 4))]


CARDS = _cards()


@pytest.mark.parametrize("der", CARDS, ids=range(len(CARDS)))
def test_parts_are_those_that_cryptography_sees(der: bytes) -> None:
    """Every certificate of the emulated JPKI, cut and parsed: the same bytes, the same meaning."""
    raw, parsed = raw_certificate.split(der), x509.load_der_x509_certificate(der)
    assert raw.tbs == parsed.tbs_certificate_bytes
    assert (raw.version, int.from_bytes(raw.serial, "big")) == (2, parsed.serial_number)
    assert (raw.issuer, raw.subject) == (parsed.issuer.public_bytes(), parsed.subject.public_bytes())
    spki = parsed.public_key().public_bytes(DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    assert raw.public_key_info == spki
    _assert_same_extensions(raw, parsed)


def _assert_same_extensions(raw: raw_certificate.RawCertificate, parsed: x509.Certificate) -> None:
    assert [extension.critical for extension in raw.extensions] == [one.critical for one in parsed.extensions]
    facts = extension_facts.read(raw.extensions)
    usage = _value(parsed, x509.KeyUsage)
    assert ("digital_signature" in (facts.key_usage or ())) is (usage is not None and usage.digital_signature)
    assert ("non_repudiation" in (facts.key_usage or ())) is (usage is not None and usage.content_commitment)
    policies = _value(parsed, x509.CertificatePolicies)
    assert facts.policies == (policies and {one.policy_identifier.dotted_string for one in policies})
    authority = _value(parsed, x509.AuthorityKeyIdentifier)
    assert facts.authority_key_identifier == (authority and authority.key_identifier)
    points = _value(parsed, x509.CRLDistributionPoints)
    assert facts.distribution_points == (points and tuple(_name(name) for point in points for name in point.full_name))


def _value(parsed: x509.Certificate, kind: Any) -> Any:
    try:
        return parsed.extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None


def _name(name: x509.GeneralName) -> bytes:
    return name.value.public_bytes() if isinstance(name, x509.DirectoryName) else name.value.encode()


@settings(max_examples=500)
@given(st.sampled_from(CARDS), st.integers(0, 1500), st.binary(min_size=1, max_size=2))
def test_both_parsers_see_the_same_in_spoilt_bytes(der: bytes, position: int, noise: bytes) -> None:
    """No difference between the two parsers to hide in: what both read, both read alike."""
    position %= len(der)
    spoilt = der[:position] + noise + der[position + len(noise) :]
    try:
        raw = raw_certificate.split(spoilt)
        if not 0 < raw.serial[0] < 128:
            return  # the parser warns about these, and our check refuses them first
        parsed = x509.load_der_x509_certificate(spoilt)
        extensions = list(parsed.extensions)
    except (ValueError, IndexError, x509.DuplicateExtension, x509.UnsupportedGeneralNameType, x509.InvalidVersion):
        return
    except UserWarning:
        return  # `cryptography` warns of names that are too long
    assert int.from_bytes(raw.serial, "big") == parsed.serial_number
    assert [one.critical for one in raw.extensions] == [one.critical for one in extensions]
    assert raw.tbs == parsed.tbs_certificate_bytes


@given(st.binary(max_size=200))
def test_any_bytes_are_cut_or_refused(raw: bytes) -> None:
    """The cutter raises `BadDer` and nothing else."""
    with suppress(raw_certificate.BadDer):
        raw_certificate.split(raw)


def test_openssl_reads_the_same_certificate(tmp_path: Path) -> None:
    """An independent judge: serial number and key usage as `openssl x509` prints them."""
    der = JPKI.certificate(JPKI.persona("adult"), CertificateKind.AUTHENTICATION).public_bytes(DER)
    file = tmp_path / "card.der"
    file.write_bytes(der)
    command = ["openssl", "x509", "-inform", "DER", "-in", str(file), "-noout", "-serial", "-ext", "keyUsage"]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    raw = raw_certificate.split(der)
    assert f"serial={raw.serial.lstrip(bytes(1)).hex().upper()}" in printed
    assert "Digital Signature" in printed
    assert extension_facts.read(raw.extensions).key_usage == {"digital_signature"}


def _points(*points: x509.DistributionPoint) -> tuple[bytes, ...]:
    return extension_facts.distribution_points(x509.CRLDistributionPoints(points).public_bytes())


def test_points_that_no_direct_crl_can_serve() -> None:
    """Indirect, relative and partial points are kept apart from absent ones: they match nothing."""
    url = x509.UniformResourceIdentifier("http://crl.example.jp/?a=%E3%81%82")
    town = x509.DirectoryName(JPKI.distribution_point("132217"))
    relative = x509.RelativeDistinguishedName([x509.NameAttribute(x509.NameOID.COMMON_NAME, "a")])
    assert _points(x509.DistributionPoint([town, url], None, None, None)) == (
        town.value.public_bytes(),
        b"http://crl.example.jp/?a=%E3%81%82",
    )
    assert _points(x509.DistributionPoint([url], None, None, [town])) == (extension_facts.UNUSABLE_POINT,)
    assert _points(x509.DistributionPoint(None, relative, None, None)) == (extension_facts.UNUSABLE_POINT,)
    reasons = frozenset({x509.ReasonFlags.key_compromise})
    assert _points(x509.DistributionPoint([url], None, reasons, None)) == (extension_facts.UNUSABLE_POINT,)
    other = x509.DistributionPoint([x509.DNSName("crl.example.jp")], None, None, None)
    assert _points(other) == (extension_facts.UNUSABLE_POINT,)
