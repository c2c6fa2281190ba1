"""A document signed by `mykey sign` with a virtual card is judged by `mykey trust verify-signature`, with real CRLs."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from click.testing import CliRunner
from cryptography.hazmat.primitives.serialization import Encoding

from mykey_cardap.emulator.jpki import EmulatedJpki
from mykey_cardap.kinds import CertificateKind
from mykey_core.trust.signatures.cli import verify_signature
from mykey_terminal.signing.cli import sign
from mykey_testkit.jpki.book import Partition
from mykey_testkit.jpki.client import JpkiService


@pytest.mark.parametrize(
    ("persona", "verdict", "reason"),
    [("adult", "accept", "ok"), ("moved", "reject", "revoked"), ("held", "reject", "held")],
)
def test_sign_with_the_card_then_verify_with_the_services_crl(
    jpki_service: JpkiService, tmp_path: Path, persona: str, verdict: str, reason: str
) -> None:
    """The CRL comes from the running test JPKI at the present time; the verdict is that of the persona's life."""
    now = datetime.now(UTC)
    jpki_service.set_clock(now)
    kind = CertificateKind.SIGNATURE
    with httpx.Client(trust_env=False) as client:
        crl = client.get(jpki_service.crl_url(Partition(kind, 3, "132217"))).content
    (tmp_path / "town.crl").write_bytes(crl)
    ca = EmulatedJpki(now.date()).ca_certificate(kind, 3)
    (tmp_path / "ca.pem").write_bytes(ca.public_bytes(Encoding.PEM))
    (tmp_path / "in.txt").write_text("申請書")
    files = [str(tmp_path / name) for name in ("in.txt", "out.p7m")]
    made = CliRunner().invoke(sign, ["cms", "--virtual", persona, "--pin-stdin", *files], input="ABC123\n")
    assert made.exit_code == 0, made.output
    options = ["--anchor", str(tmp_path / "ca.pem"), "--crl", str(tmp_path / "town.crl"), "--emulated"]
    judged = json.loads(CliRunner().invoke(verify_signature, [files[1], *options]).stdout)
    assert (judged["verdict"], judged["signatures"][0]["reason"]) == (verdict, reason)
