"""`mykey trust verify-signature FILE`: judge a signed PDF or CMS, and print who signed it, as JSON.

Only reading of options and printing lives here. Exit codes: 0 accepted, 1 refused, 2 wrong usage.
"""

from __future__ import annotations

import json
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import click
from cryptography import x509

from mykey_cardap.kinds import CertificateKind
from mykey_core.clock import system_clock
from mykey_core.errors import ConfigurationError
from mykey_core.trust.cli_paths import FILE, Instant
from mykey_core.trust.errors import TrustError
from mykey_core.trust.general_files import read_certificates, read_crls
from mykey_core.trust.revocation import EveryCrl
from mykey_core.trust.signatures.attributes import SignerAttributes
from mykey_core.trust.signatures.report import DocumentReport, SignatureReport
from mykey_core.trust.signatures.verify import MAX_DOCUMENT_BYTES, SignatureVerifier
from mykey_core.trust.store import EMULATED_ORGANIZATION, TrustStore


@click.command("verify-signature")
@click.argument("document", metavar="FILE", type=FILE)
@click.option("--content", type=FILE, help="The file that was signed, when FILE is a detached CMS.")
@click.option("--anchor", "anchors", type=FILE, multiple=True, required=True, help="A CA for digital signatures.")
@click.option("--crl", "crls", type=FILE, multiple=True, help="A certificate revocation list of that CA.")
@click.option("--at", type=Instant(), default=None, help="Moment of the check (ISO 8601); now when left out.")
@click.option("--emulated", is_flag=True, help="Accept the emulator's CA as an anchor (tests and the demo only).")
@click.option("--no-attributes", is_flag=True, help="Leave name, birth date, sex and address out of the answer.")
def verify_signature(
    *,
    document: Path,
    content: Path | None,
    anchors: tuple[Path, ...],
    crls: tuple[Path, ...],
    at: datetime | None,
    emulated: bool,
    no_attributes: bool,
) -> None:
    """Verify every signature of FILE (PDF or CMS) that was made with a signature certificate (署名用電子証明書).

    The answer names the signers, so treat it as personal data. Nothing is fetched from a network.
    """
    verifier = _verifier(anchors, crls, emulated=emulated)
    signed = None if content is None else _read(content)
    report = verifier.verify(_read(document), at=at or system_clock(), content=signed)
    click.echo(json.dumps(_document_json(report, with_attributes=not no_attributes), ensure_ascii=False))
    sys.exit(0 if report.accepted else 1)


def _verifier(anchors: tuple[Path, ...], crls: tuple[Path, ...], *, emulated: bool) -> SignatureVerifier:
    try:
        store = TrustStore(x509.load_der_x509_certificate(der) for der in read_certificates(anchors))
        lists = read_crls(crls)
    except (TrustError, ConfigurationError, ValueError) as error:
        raise click.UsageError(getattr(error, "detail", "") or str(error)) from error
    if not emulated and any(EMULATED_ORGANIZATION in anchor.ca.label for anchor in store.anchors):
        raise click.UsageError("the emulator's CA is for tests and the demo: add --emulated if this is one")
    return SignatureVerifier(store=store, revocation=EveryCrl(lists, store.issuers(CertificateKind.SIGNATURE)))


def _read(path: Path) -> bytes:
    if path.stat().st_size > MAX_DOCUMENT_BYTES:
        raise click.UsageError(f"{path.name} is larger than {MAX_DOCUMENT_BYTES} bytes")
    return path.read_bytes()


def _document_json(report: DocumentReport, *, with_attributes: bool) -> dict[str, Any]:
    return {
        "verdict": "accept" if report.accepted else "reject",
        "reason": report.reason,
        "container": report.container,
        "signatures": [_signature_json(one, with_attributes=with_attributes) for one in report.signatures],
    }


def _signature_json(report: SignatureReport, *, with_attributes: bool) -> dict[str, Any]:
    certificate, revocation = report.certificate, report.revocation
    return {
        "index": report.index,
        "verdict": "accept" if report.accepted else "reject",
        "reason": report.reason,
        "field": report.field,
        "claimed_time": report.claimed_time.isoformat() if report.claimed_time else None,
        "later_changes": report.later_changes,
        "certificate": certificate.fingerprint.hex() if certificate else None,
        "policy": certificate.policy_oid if certificate else None,
        "revocation": {
            "state": revocation.state,
            "source": revocation.source,
            "this_update": revocation.this_update.isoformat(),
        }
        if revocation
        else None,
        "signer": _signer_json(report.attributes) if with_attributes and report.attributes else None,
    }


def _signer_json(attributes: SignerAttributes) -> dict[str, Any]:
    return {
        "name": attributes.name.text,
        "name_substituted": list(attributes.name.substituted),
        "birth_date": attributes.birth_date.day.isoformat() if attributes.birth_date.day else None,
        "birth_date_coded": attributes.birth_date.coded,
        "era": attributes.birth_date.era.name.lower(),
        "sex": attributes.sex.name.lower(),
        "address": attributes.address.text,
        "address_substituted": list(attributes.address.substituted),
    }
