"""A second opinion on the test JPKI: a small JPKI made by Certomancer, judged by our paths and our OCSP reader."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from asn1crypto import ocsp as asn1_ocsp
from certomancer.registry import ArchLabel, CertLabel, CertomancerConfig, PKIArchitecture, ServiceLabel
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from mykey_cardap.emulator import keystore
from mykey_cardap.kinds import CertificateKind
from mykey_core.trust.errors import RevocationDataError
from mykey_core.trust.general_fast import fast_engine
from mykey_core.trust.general_path import PathQuestion, validate_path
from mykey_core.trust.revocation.ocsp_answer import OcspLimits, OcspQuestion, read_answer
from mykey_core.trust.types import RevocationState

AT = datetime(2026, 11, 2, 3, 4, 5, tzinfo=UTC)
POLICY = "1.2.392.200149.8.5.1.3.30"
CONFIGURATION = """
keysets:
  mini:
    path-prefix: keys
    keys:
      ca: { path: ca.pem }
      ocsp: { path: ocsp.pem }
      good: { path: good.pem }
      held: { path: held.pem }
pki-architectures:
  mini:
    keyset: mini
    entity-defaults: { country-name: JP, organization-name: MINI-JPKI }
    entities:
      ca: { common-name: Mini CA }
      ocsp: { common-name: Mini OCSP }
      good: { common-name: "0001" }
      held: { common-name: "0002" }
    certs:
      ca:
        subject: ca
        issuer: ca
        validity: { valid-from: "2023-07-16T00:00:00+0000", valid-to: "2033-07-15T00:00:00+0000" }
        extensions:
          - { id: basic_constraints, critical: true, value: { ca: true } }
          - { id: key_usage, critical: true, smart-value: { schema: key-usage, params: [key_cert_sign, crl_sign] } }
      ocsp:
        subject: ocsp
        issuer: ca
        validity: { valid-from: "2026-01-01T00:00:00+0000", valid-to: "2027-01-01T00:00:00+0000" }
        extensions:
          - { id: key_usage, critical: true, smart-value: { schema: key-usage, params: [digital_signature] } }
          - { id: extended_key_usage, critical: true, value: [ocsp_signing] }
      good: &person
        subject: good
        issuer: ca
        validity: { valid-from: "2026-01-01T00:00:00+0000", valid-to: "2031-01-01T00:00:00+0000" }
        extensions:
          - { id: key_usage, critical: true, smart-value: { schema: key-usage, params: [digital_signature] } }
          - { id: certificate_policies, critical: true, value: [{ policy_identifier: 1.2.392.200149.8.5.1.3.30 }] }
          - id: crl_distribution_points
            smart-value: { schema: crl-dist-url, params: { crl-repo-names: [crl] } }
      held:
        <<: *person
        subject: held
        revocation: { revoked-since: "2026-10-01T00:00:00+0000", reason: certificate_hold }
    services:
      crl-repo:
        crl: { for-issuer: ca, signing-key: ca, simulated-update-schedule: P1D, issuer-cert: ca }
      ocsp:
        ocsp: { for-issuer: ca, responder-cert: ocsp, signing-key: ocsp }
"""


@pytest.fixture(scope="module")
def mini(tmp_path_factory: pytest.TempPathFactory) -> PKIArchitecture:
    """The architecture, with RSA keys of the emulator."""
    folder = tmp_path_factory.mktemp("certomancer")
    (folder / "keys").mkdir()
    for number, name in enumerate(("ca", "ocsp", "good", "held"), start=1):
        key = keystore.key(f"spare/rsa/{number}")
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        Path(folder / "keys" / f"{name}.pem").write_bytes(pem)
    return CertomancerConfig.from_yaml(CONFIGURATION, str(folder)).get_pki_arch(ArchLabel("mini"))


def der(mini: PKIArchitecture, label: str) -> bytes:
    """A certificate that Certomancer made."""
    return bytes(mini.get_cert(CertLabel(label)).dump())


@pytest.mark.parametrize(("label", "reason"), [("good", "ok"), ("held", "held")])
def test_both_paths_agree_with_certomancer(mini: PKIArchitecture, label: str, reason: str) -> None:
    """Certificates and CRL of another maker: good is accepted and the hold is called a hold, by both paths."""
    crl = mini.service_registry.get_crl(ServiceLabel("crl"), at_time=AT).dump()
    question = PathQuestion(
        certificate=der(mini, label),
        anchors=(der(mini, "ca"),),
        at=AT,
        crls=(crl,),
        policies=frozenset({POLICY}),
        require_policy=True,
    )
    assert validate_path(question).reason == reason
    assert fast_engine(CertificateKind.AUTHENTICATION)(question).reason == reason


def test_a_crl_of_the_day_before_the_hold_is_stale(mini: PKIArchitecture) -> None:
    """The CRL of an earlier day still says good, and is refused as stale."""
    earlier = mini.service_registry.get_crl(ServiceLabel("crl"), at_time=AT - timedelta(days=40)).dump()
    question = PathQuestion(
        certificate=der(mini, "held"),
        anchors=(der(mini, "ca"),),
        at=AT,
        crls=(earlier,),
        policies=frozenset({POLICY}),
    )
    assert validate_path(question).reason == "crl_stale"
    assert fast_engine(CertificateKind.AUTHENTICATION)(question).reason == "crl_stale"


@pytest.mark.parametrize(("label", "state"), [("good", RevocationState.GOOD), ("held", RevocationState.HELD)])
def test_our_ocsp_reader_believes_certomancers_responder(
    mini: PKIArchitecture, label: str, state: RevocationState
) -> None:
    """Nonce, delegated responder and times of another maker's answer are understood."""
    certificate, ca = (x509.load_der_x509_certificate(der(mini, name)) for name in (label, "ca"))
    question = OcspQuestion(certificate, ca, b"n" * 32)
    responder = mini.service_registry.summon_responder(ServiceLabel("ocsp"), at_time=AT)
    answer = responder.build_ocsp_response(asn1_ocsp.OCSPRequest.load(question.request())).dump()
    assert read_answer(answer, question, now=AT, limits=OcspLimits()).state is state


def test_fractions_of_a_second_are_refused(mini: PKIArchitecture) -> None:
    """Certomancer writes the fractions of its clock into the answer, which RFC 5280 forbids."""
    certificate, ca = (x509.load_der_x509_certificate(der(mini, name)) for name in ("good", "ca"))
    question = OcspQuestion(certificate, ca, b"n" * 32)
    uneven = AT.replace(microsecond=250_000)
    responder = mini.service_registry.summon_responder(ServiceLabel("ocsp"), at_time=uneven)
    answer = responder.build_ocsp_response(asn1_ocsp.OCSPRequest.load(question.request())).dump()
    with pytest.raises(RevocationDataError, match="ocsp_malformed"):
        read_answer(answer, question, now=AT, limits=OcspLimits())
