"""`mykey sign pdf` and `mykey sign cms`: sign a document with the signature key of the card.

Options, asking for the password, and sentences; the signature itself is made in `documents` and `card_signer`.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import tomllib
from functools import cache
from importlib.resources import files
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import TYPE_CHECKING, Any

import click

from mykey_cardap.cli.frame import ExitCode, Frame, card_command
from mykey_cardap.jpki import JpkiSession
from mykey_cardap.kinds import CertificateKind
from mykey_cardap.session import wipe
from mykey_terminal.clock import system_clock
from mykey_terminal.signing.card_signer import CardSigner
from mykey_terminal.signing.documents import PdfRemarks, add_signature, open_pdf, signed_data
from mykey_terminal.signing.errors import DocumentNotSignableError, WrongSignatureError

if TYPE_CHECKING:
    from collections.abc import Callable

    from mykey_cardap.transport import Transport

    Make = Callable[[CardSigner], bytes]

# pyHanko logs names of certificates and fields; the sentences here say what is needed.
logging.getLogger("pyhanko").addHandler(logging.NullHandler())
logging.getLogger("pyhanko").propagate = False

_INPUT = click.Path(path_type=Path, exists=True, dir_okay=False)
_OUTPUT = click.Path(path_type=Path, dir_okay=False)


@click.group()
def sign() -> None:
    """Sign documents with the signature certificate (署名用電子証明書) of the card."""


def _signing_command(function: Callable[..., None]) -> Callable[..., None]:
    for option in (
        click.argument("output", metavar="OUT", type=_OUTPUT),
        click.argument("document", metavar="IN", type=_INPUT),
        click.option("--pin-stdin", is_flag=True, help="Take the password from standard input."),
        click.option("--use-last-try", is_flag=True, help="Use the password although only one try is left."),
    ):
        function = option(function)
    return function


@sign.command("pdf")
@click.option("--reason", help="Why the document is signed, as shown by PDF programs.")
@click.option("--location", help="Where it is signed, as shown by PDF programs.")
@_signing_command
@card_command
def sign_pdf_file(
    frame: Frame, *, document: Path, output: Path, reason: str | None, location: str | None, **how: bool
) -> None:
    """Sign the PDF file IN and write OUT (PAdES). Signatures that are in it already stay valid."""
    with _sentences(frame, document, output):
        writer = open_pdf(document.read_bytes())
        _sign(frame, output, lambda signer: add_signature(writer, signer, PdfRemarks(reason, location)), **how)
    _done(frame, "signed-pdf", document, output)


@sign.command("cms")
@click.option("--detached", is_flag=True, help="Leave the content out of OUT.")
@_signing_command
@card_command
def sign_any_file(frame: Frame, *, document: Path, output: Path, detached: bool, **how: bool) -> None:
    """Sign any file IN and write OUT (CMS SignedData in DER, CAdES)."""
    with _sentences(frame, document, output):
        content, now = document.read_bytes(), system_clock()
        _sign(
            frame,
            output,
            lambda signer: asyncio.run(signed_data(content, signer, now=now, detached=detached)),
            **how,
        )
    _done(frame, "signed-cms", document, output)


def _sign(frame: Frame, output: Path, make: Make, *, pin_stdin: bool, use_last_try: bool) -> None:
    kind = CertificateKind.SIGNATURE
    with frame.card() as card:
        if not card.perform(lambda transport: kind in JpkiSession(transport).availability()):
            raise DocumentNotSignableError("no-signature-certificate")
        status = card.perform(lambda transport: JpkiSession(transport).pin_status("signature"))
        if not frame.as_json:
            click.echo(frame.tell_status("signature", status), err=True)
        password = frame.ask_pin("signature", from_stdin=pin_stdin)
        _note(frame, "signing")
        try:
            signed = card.perform(lambda transport: _make(frame, transport, password, make, last=use_last_try))
        finally:
            wipe(password)
    _write(output, signed)


def _make(frame: Frame, transport: Transport, password: bytearray, make: Make, *, last: bool) -> bytes:
    session = JpkiSession(transport)
    verified = session.verify_pin("signature", password, allow_last_attempt=last)
    if verified.uppercased:
        _note(frame, "uppercased")
    try:
        return make(CardSigner(session))
    finally:
        session.logout()


def _write(output: Path, content: bytes) -> None:
    """All or nothing: a program that looks for OUT never finds half of it."""
    with NamedTemporaryFile(dir=output.parent, prefix=f".{output.name}.", delete=False) as part:
        temporary = Path(part.name)
        try:
            part.write(content)
            part.flush()
            os.fsync(part.fileno())
            temporary.chmod(0o644)
            temporary.replace(output)
        except OSError:
            temporary.unlink(missing_ok=True)
            raise


class _sentences:  # noqa: N801 - reads as a statement
    """Turns what may go wrong with the files into a sentence and an exit code."""

    def __init__(self, frame: Frame, document: Path, output: Path) -> None:
        self._frame = frame
        self._names = {"file": document, "output": output}
        if output.exists() and output.samefile(document):
            raise click.UsageError(_refusal(frame, "same-file"))

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, DocumentNotSignableError):
            self._fail(error.reason)
        if isinstance(error, WrongSignatureError):
            self._fail("wrong-signature")
        if isinstance(error, OSError):
            self._fail("unwritable", detail=error.strerror or "?")

    def _fail(self, key: str, **values: object) -> None:
        sentence = _refusal(self._frame, key).format(**self._names, **values)
        if self._frame.as_json:
            self._frame.answer({"error": {"code": key, "message": sentence}})
        else:
            click.echo(sentence, err=True)
        sys.exit(ExitCode.BAD_DATA)


def _done(frame: Frame, key: str, document: Path, output: Path) -> None:
    if frame.as_json:
        frame.answer({"document": str(document), "output": str(output)})
    else:
        click.echo(_table(frame)[key].format(output=output))


def _note(frame: Frame, key: str) -> None:
    if not frame.as_json:
        click.echo(_table(frame)[key], err=True)


def _refusal(frame: Frame, key: str) -> str:
    return str(_table(frame)["errors"][key])


def _table(frame: Frame) -> dict[str, Any]:
    table: dict[str, Any] = _catalogue()[frame.words.language]
    return table


@cache
def _catalogue() -> dict[str, Any]:
    text = files("mykey_terminal.signing").joinpath("messages.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)
