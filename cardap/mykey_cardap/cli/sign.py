"""`mykey card sign FILE`: a bare signature of the card over a file, and the certificate for it.

Signed documents (PDF, CMS) are made elsewhere; this is the raw signature.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mykey_cardap.cli.frame import Frame, card_command
from mykey_cardap.jpki import JpkiSession, SigningAlgorithm
from mykey_cardap.kinds import CertificateKind
from mykey_cardap.session import wipe

if TYPE_CHECKING:
    from mykey_cardap.transport import Transport


@dataclass(frozen=True, slots=True)
class _Signed:
    signature: bytes
    certificate: bytes
    algorithm: SigningAlgorithm
    uppercased: bool


_READABLE = click.Path(path_type=Path, exists=True, dir_okay=False)
_WRITABLE = click.Path(path_type=Path, dir_okay=False)


@click.command("sign")
@click.argument("file", type=_READABLE)
@click.option(
    "--kind",
    type=click.Choice([kind.value for kind in CertificateKind]),
    default=CertificateKind.SIGNATURE.value,
    show_default=True,
    help="Which key signs. Never let the authentication key sign what somebody else chose.",
)
@click.option("-o", "--output", type=_WRITABLE, help="Where the signature goes (default: FILE.sig).")
@click.option("--certificate", type=_WRITABLE, help="Where the certificate goes, as DER.")
@click.option("--pin-stdin", is_flag=True, help="Take the PIN from standard input.")
@click.option("--use-last-try", is_flag=True, help="Use the PIN although only one try is left.")
@card_command
def sign(
    frame: Frame,
    *,
    file: Path,
    kind: str,
    output: Path | None,
    certificate: Path | None,
    pin_stdin: bool,
    use_last_try: bool,
) -> None:
    """Sign FILE with the card. Asks for the signature password (or the authentication PIN)."""
    chosen = CertificateKind(kind)
    output = output or file.with_name(file.name + ".sig")
    with frame.card() as card:
        status = card.perform(lambda transport: JpkiSession(transport).pin_status(chosen.value))
        if not frame.as_json:
            click.echo(frame.tell_status(chosen.value, status), err=True)
        pin = frame.ask_pin(chosen.value, from_stdin=pin_stdin)
        frame.note("signing")
        try:
            signed = card.perform(lambda transport: _sign(transport, chosen, pin, file, last=use_last_try))
        finally:
            wipe(pin)
    output.write_bytes(signed.signature)
    if certificate is not None:
        certificate.write_bytes(signed.certificate)
    _report(frame, signed, chosen, file, output)


def _sign(transport: Transport, kind: CertificateKind, pin: bytearray, file: Path, *, last: bool) -> _Signed:
    session = JpkiSession(transport)
    verification = session.verify_pin(kind.value, pin, allow_last_attempt=last)
    certificate = session.read_certificate(kind)
    algorithm = SigningAlgorithm[session.signing_algorithm(kind)]
    with file.open("rb") as content:
        digest = hashlib.file_digest(content, algorithm.hash_name).digest()
    signature = session.sign(kind, algorithm.payload(digest))
    session.logout()
    return _Signed(signature, certificate, algorithm, verification.uppercased)


def _report(frame: Frame, signed: _Signed, kind: CertificateKind, file: Path, output: Path) -> None:
    if frame.as_json:
        frame.answer(
            {
                "file": str(file),
                "signature": str(output),
                "algorithm": signed.algorithm.name,
                "kind": str(kind),
                "password_uppercased": signed.uppercased,
            }
        )
        return
    if signed.uppercased:
        frame.note("uppercased")
    wording = frame.words(f"certificate-{kind}")
    frame.say("signed", file=file, output=output, algorithm=signed.algorithm.name, kind=wording)
