"""The form of the certificates in a general path: what its library would let pass, and what an anchor must be."""

from __future__ import annotations

from dataclasses import replace

import pytest
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from mykey_core.trust import general_path
from mykey_core.trust.general_path import PathQuestion, validate_path
from mykey_testkit.jpki.mini_pki import MOMENT, Party, make, make_crl, name

ROOT = make("Root", ca=True)
LEAF = make("Leaf", ROOT)
QUESTION = PathQuestion(certificate=LEAF.der, anchors=(ROOT.der,), at=MOMENT, crls=(make_crl(ROOT),))


def resigned(change: asn1_x509.Certificate) -> bytes:
    """The certificate with a new signature of the root."""
    tbs = change["tbs_certificate"].dump(force=True)
    change["signature_value"] = ROOT.key.sign(tbs, ec.ECDSA(hashes.SHA256()))
    return bytes(change.dump(force=True))


def extension_twice() -> bytes:
    """Two key usages."""
    leaf = asn1_x509.Certificate.load(LEAF.der)
    leaf["tbs_certificate"]["extensions"].append(leaf["tbs_certificate"]["extensions"][0].copy())
    return resigned(leaf)


def version(number: str) -> bytes:
    """Extensions under another version than 3."""
    leaf = asn1_x509.Certificate.load(LEAF.der)
    leaf["tbs_certificate"]["version"] = number
    return resigned(leaf)


def point_beside_the_curve() -> bytes:
    """A public key that is no point of its curve."""
    leaf = asn1_x509.Certificate.load(LEAF.der)
    point = bytearray(leaf["tbs_certificate"]["subject_public_key_info"]["public_key"].native)
    point[-1] ^= 1
    leaf["tbs_certificate"]["subject_public_key_info"]["public_key"] = bytes(point)
    return resigned(leaf)


def other_curve() -> bytes:
    """A key on a curve that is not on the list."""
    return make("Leaf", ROOT, key=ec.generate_private_key(ec.SECP256K1())).der


@pytest.mark.parametrize(
    ("certificate", "reason"),
    [
        (extension_twice(), "certificate_extension_duplicate"),
        (version("v2"), "certificate_version"),
        (point_beside_the_curve(), "malformed"),
        (other_curve(), "certificate_key_type"),
    ],
)
def test_a_certificate_of_bad_form_is_refused(certificate: bytes, reason: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A genuine signature does not help, and without our rule the library would accept it."""
    verdict = validate_path(replace(QUESTION, certificate=certificate))
    assert (verdict.reason, verdict.place) == (reason, "certificate")
    monkeypatch.setattr(general_path, "form_problem", lambda *_: None)
    assert validate_path(replace(QUESTION, certificate=certificate)).accepted


def _below(anchor: Party) -> PathQuestion:
    return PathQuestion(
        certificate=make("Below", anchor).der, anchors=(anchor.der,), at=MOMENT, crls=(make_crl(anchor),)
    )


@pytest.mark.parametrize(
    ("anchor", "reason"),
    [
        (make("No CA", usage=["key_cert_sign", "crl_sign"]), "not_a_ca"),
        (make("CRLs only", ca=True, usage=["crl_sign"]), "key_cert_sign"),
    ],
)
def test_an_anchor_that_says_it_is_no_ca_issues_nothing(
    anchor: Party, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody's own certificate pinned by mistake must not make its holder a CA."""
    verdict = validate_path(_below(anchor))
    assert (verdict.accepted, verdict.reason, verdict.place) == (False, reason, "anchor")
    monkeypatch.setattr(general_path, "anchor_problem", lambda *_: None)
    assert validate_path(_below(anchor)).accepted


def test_the_name_constraints_of_an_anchor_bind_those_below_it() -> None:
    """An anchor for one country vouches for nobody elsewhere; one for ours does."""

    def question(country: str) -> PathQuestion:
        subtree = x509.DirectoryName(x509.Name([x509.NameAttribute(x509.NameOID.COUNTRY_NAME, country)]))
        return _below(make("Bound", ca=True, extensions=[(x509.NameConstraints([subtree], None), True)]))

    assert name("anybody").get_attributes_for_oid(x509.NameOID.COUNTRY_NAME)[0].value == "JP"
    assert validate_path(question("JP")).accepted
    assert validate_path(question("US")).reason == "name_constraints"


def test_the_policies_of_an_anchor_do_not_bind_those_below_it() -> None:
    """Which policies count is what is asked, not what an anchor happens to name."""
    assert validate_path(_below(make("Root with a policy", ca=True, policies=["1.2.3"]))).accepted
    assert validate_path(_below(make("Root with any policy", ca=True, policies=["2.5.29.32.0"]))).accepted
