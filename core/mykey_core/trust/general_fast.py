"""Asking the fast path a general question, so that both paths can be compared on the same files.

The fast path knows one tier: the anchor must be the CA that issued the certificate, intermediates are not followed,
and a policy must be named. Revocation is answered by the hub's own CRL source. No rule is decided here.
"""

from __future__ import annotations

from cryptography import x509

from mykey_cardap.kinds import CertificateKind
from mykey_core.errors import MykeyError
from mykey_core.trust import fast_path
from mykey_core.trust.errors import CertificateRefused, TrustError
from mykey_core.trust.general_path import PathQuestion, PathVerdict
from mykey_core.trust.general_pkits import Engine
from mykey_core.trust.revocation import EveryCrl
from mykey_core.trust.store import TrustStore
from mykey_core.trust.types import RevocationState, ValidatedCertificate


def fast_engine(kind: CertificateKind) -> Engine:
    """The fast path for certificates of `kind`, as an engine that answers general questions."""

    def ask(question: PathQuestion) -> PathVerdict:
        try:
            return _ask(question, kind)
        except CertificateRefused as error:
            return PathVerdict(accepted=False, reason=str(error.code), place="certificate")
        except TrustError as error:
            return PathVerdict(accepted=False, reason=str(error.code))
        except (MykeyError, ValueError):
            return PathVerdict(accepted=False, reason="anchor_malformed", place="anchor")

    return ask


def _ask(question: PathQuestion, kind: CertificateKind) -> PathVerdict:
    store = TrustStore(x509.load_der_x509_certificate(der) for der in question.anchors)
    certificate = fast_path.validate(
        question.certificate, store=store, kind=kind, policy_oids=question.policies, now=question.at
    )
    answer = EveryCrl(question.crls, store.issuers(kind)).check(certificate, question.at)
    if answer.state is not RevocationState.GOOD:
        return PathVerdict(accepted=False, reason=str(answer.state), place="certificate")
    return _accepted(certificate)


def _accepted(certificate: ValidatedCertificate) -> PathVerdict:
    return PathVerdict(
        accepted=True,
        reason="ok",
        path=(certificate.issuer.fingerprint.hex(), certificate.fingerprint.hex()),
        policies=(certificate.policy_oid,),
    )
