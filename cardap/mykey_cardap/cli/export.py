"""`mykey card export`: certificates and text of an emulated card as files, without a reader."""

from __future__ import annotations

import base64
import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import click
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from mykey_cardap.emulator.contents.face import face_files
from mykey_cardap.emulator.contents.keys import card_keys
from mykey_cardap.emulator.contents.text import text_files
from mykey_cardap.emulator.epoch import today_in_japan
from mykey_cardap.emulator.jpki import EmulatedJpki
from mykey_cardap.emulator.personas import Issuer, Persona, UnknownPersonaError, load
from mykey_cardap.kinds import CertificateKind

_CERTIFICATES: Final = {
    "auth-cert": CertificateKind.AUTHENTICATION,
    "sign-cert": CertificateKind.SIGNATURE,
}
_AUTHORITIES: Final = {"auth-ca": CertificateKind.AUTHENTICATION, "sign-ca": CertificateKind.SIGNATURE}
_FORMATS: Final = ("der", "pem", "json")


@click.command("export")
@click.argument("persona")
@click.option(
    "--what",
    required=True,
    type=click.Choice([*_CERTIFICATES, *_AUTHORITIES, "text", "face"]),
    help="A certificate, a CA certificate, or the files of the text or face application.",
)
@click.option("--der", "form", flag_value="der", help="Bytes as on the card.")
@click.option("--pem", "form", flag_value="pem", help="PEM (certificates; the default for them).")
@click.option("--json", "form", flag_value="json", help="JSON (the default for text and face).")
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="Default: standard output.")
def export(persona: str, what: str, form: str | None, output: Path | None) -> None:
    """Write what is on an emulated card to a file."""
    try:
        person = load(persona)
    except UnknownPersonaError as error:
        raise click.ClickException(str(error)) from error
    _write(_export(person, what, form), output)


def _export(person: Persona, what: str, form: str | None) -> bytes:
    if what in {"text", "face"}:
        return _application(person, what, form or "json")
    return _encoded(_certificate(person, what), form or "pem")


def _certificate(person: Persona, what: str) -> x509.Certificate:
    jpki = EmulatedJpki(today_in_japan())
    if what in _AUTHORITIES:
        issuer = Issuer.GENUINE if person.issuer is Issuer.SELF else person.issuer
        return jpki.ca_certificate(_AUTHORITIES[what], person.generation, issuer=issuer)
    if not person.has(_CERTIFICATES[what]):
        raise click.ClickException(f"the card of '{person.name}' holds no signature certificate")
    return jpki.certificate(person, _CERTIFICATES[what])


def _encoded(certificate: x509.Certificate, form: str) -> bytes:
    if form == "json":
        return _json(_certificate_fields(certificate))
    return certificate.public_bytes(Encoding.DER if form == "der" else Encoding.PEM)


def _certificate_fields(certificate: x509.Certificate) -> dict[str, Any]:
    return {
        "issuer": certificate.issuer.rfc4514_string(),
        "subject": certificate.subject.rfc4514_string(),
        "serial": f"{certificate.serial_number:x}",
        "not_before": certificate.not_valid_before_utc.isoformat(),
        "not_after": certificate.not_valid_after_utc.isoformat(),
        "der": base64.b64encode(certificate.public_bytes(Encoding.DER)).decode(),
    }


_FILES: Final[Mapping[str, Callable[[Persona], Mapping[int, bytes]]]] = {
    "text": lambda person: text_files(person.holder, card_keys(person.holder.manufacture_serial)),
    "face": lambda person: face_files(person.holder, card_keys(person.holder.manufacture_serial)),
}


def _application(person: Persona, what: str, form: str) -> bytes:
    """The basic four (text EF 0002) or the card face (face EF 0002) as bytes; all files in JSON."""
    files = _FILES[what](person)
    if form == "der":
        return files[0x0002]
    if form == "pem":
        raise click.ClickException("PEM is for certificates; use --json or --der")
    fields = _holder_fields(person) if what == "text" else {}
    return _json({**fields, "files": {f"{fid:04X}": content.hex() for fid, content in files.items()}})


def _holder_fields(person: Persona) -> dict[str, Any]:
    holder = person.holder
    return {
        "number": holder.number_a,
        "name": holder.name_on_card,
        "address": holder.address,
        "birth_date": holder.birth_date.isoformat(),
        "sex": str(holder.sex),
    }


def _json(fields: Mapping[str, Any]) -> bytes:
    return (json.dumps(fields, ensure_ascii=False, indent=2) + "\n").encode()


def _write(content: bytes, output: Path | None) -> None:
    if output is None:
        sys.stdout.buffer.write(content)
        return
    try:
        output.write_bytes(content)
    except OSError as error:
        raise click.ClickException(f"cannot write {output}: {error.strerror}") from error
