"""The CRLs of the emulated JPKI, judged by the openssl program."""

from __future__ import annotations

import subprocess
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from mykey_cardap.emulator import personas
from mykey_cardap.emulator.jpki import EmulatedJpki
from mykey_cardap.emulator.personas import Issuer
from mykey_cardap.kinds import CertificateKind

TODAY = date(2026, 11, 23)
NOW = datetime(2026, 11, 23, tzinfo=UTC)
TOWN = "132217"
JPKI = EmulatedJpki(TODAY)


def make(kind: CertificateKind, generation: int, *, town: str = TOWN, issuer: Issuer = Issuer.GENUINE) -> bytes:
    """Today's CRL of one partition."""
    return JPKI.crl(
        kind,
        generation,
        JPKI.distribution_point(town, kind),
        revoked=JPKI.revoked_serials(kind, generation, town),
        this_update=NOW,
        next_update=NOW + timedelta(days=1),
        number=7,
        issuer=issuer,
    )


def openssl_crl(der: bytes, authority: x509.Certificate, folder: Path) -> tuple[str, str]:
    """(text, verdict) of `openssl crl` under an authority."""
    path = folder / "ca.pem"
    path.write_bytes(authority.public_bytes(Encoding.PEM))
    command = [
        "openssl",
        "crl",
        "-inform",
        "DER",
        "-noout",
        "-text",
        "-CAfile",
        path,
        "-nameopt",
        "utf8,sep_comma_plus_space",
    ]
    done = subprocess.run(command, input=der, check=False, capture_output=True)
    return done.stdout.decode(), done.stderr.decode()


@pytest.mark.parametrize("kind", CertificateKind)
@pytest.mark.parametrize("generation", [1, 2, 3, 4])
def test_openssl_verifies_the_list_of_every_authority(kind: CertificateKind, generation: int, tmp_path: Path) -> None:
    """Signed by the CA of its generation, with number and a critical distribution point."""
    text, verdict = openssl_crl(make(kind, generation), JPKI.ca_certificate(kind, generation), tmp_path)
    assert "verify OK" in verdict
    assert "X509v3 Issuing Distribution Point: critical" in text
    assert "CN = Kiyose-shi CRLDP" in text
    assert "X509v3 CRL Number: \n                7\n" in text


def test_reasons_are_those_of_the_reference(tmp_path: Path) -> None:
    """§23: hold, superseded by renewal, affiliation changed by moving, cessation by death."""
    text, _ = openssl_crl(
        make(CertificateKind.SIGNATURE, 3), JPKI.ca_certificate(CertificateKind.SIGNATURE, 3), tmp_path
    )
    for reason in ("Certificate Hold", "Affiliation Changed", "Cessation Of Operation", "Key Compromise"):
        assert reason in text
    superseded = JPKI.revoked_serials(CertificateKind.AUTHENTICATION, 2, TOWN)
    assert [entry.reason for entry in superseded] == [x509.ReasonFlags.superseded]


def test_only_the_signature_certificate_of_a_mover_is_revoked() -> None:
    """§14.1: an address change revokes the signature certificate and not the authentication certificate."""
    moved = personas.load("moved", TODAY)
    listed = {kind: {entry.serial for entry in JPKI.revoked_serials(kind, 3, TOWN)} for kind in CertificateKind}
    for kind in CertificateKind:
        assert (JPKI.serial_number(moved, kind) in listed[kind]) is (kind is CertificateKind.SIGNATURE)


def test_lists_are_partitioned_by_municipality() -> None:
    """A town's list names its own residents only."""
    assert JPKI.revoked_serials(CertificateKind.AUTHENTICATION, 3, "102016") == []
    assert JPKI.distribution_point("102016") != JPKI.distribution_point(TOWN)


def test_a_forged_list_does_not_verify(tmp_path: Path) -> None:
    """The false CA's list carries the genuine name and fails by its signature."""
    forged = make(CertificateKind.AUTHENTICATION, 3, issuer=Issuer.FORGED)
    _, verdict = openssl_crl(forged, JPKI.ca_certificate(CertificateKind.AUTHENTICATION, 3), tmp_path)
    assert "verify failure" in verdict


def test_a_distribution_point_of_the_other_kind_is_refused() -> None:
    """A mistake of the caller that would make a list nobody can use."""
    with pytest.raises(ValueError, match="distribution point"):
        JPKI.crl(
            CertificateKind.SIGNATURE,
            3,
            JPKI.distribution_point(TOWN, CertificateKind.AUTHENTICATION),
            revoked=[],
            this_update=NOW,
            next_update=NOW,
            number=1,
        )
