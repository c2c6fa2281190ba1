"""Signed documents around a signer: a PDF with a PAdES signature, and CAdES over any file.

Whose key signs is the signer's business (`card_signer`); files are read and written by the caller.
"""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING

from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.pdf_utils.misc import PdfError
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign import PdfSignatureMetadata, sign_pdf
from pyhanko.sign.fields import SigSeedSubFilter, enumerate_sig_fields
from pyhanko.sign.general import SigningError
from pyhanko.sign.signers.pdf_cms import PdfCMSSignedAttributes

from mykey_terminal.signing.errors import DocumentNotSignableError

if TYPE_CHECKING:
    from datetime import datetime

    from mykey_terminal.signing.card_signer import CardSigner


@dataclass(frozen=True, slots=True)
class PdfRemarks:
    """What the signature field says beside the signature; both may be empty and may be Japanese."""

    reason: str | None = None
    location: str | None = None


def open_pdf(content: bytes) -> IncrementalPdfFileWriter:
    """A PDF that a signature can be added to, keeping every byte that is there (and so earlier signatures).

    Raises:
        DocumentNotSignableError: `not-a-pdf`, `encrypted`, or `irregular` for a file that is signed already and
            whose structure is not quite right: with another signature the first could not be verified any more.
    """
    try:
        # Many programs write cross-reference tables that are not quite right (Pillow is one); viewers take them.
        writer = IncrementalPdfFileWriter(BytesIO(content), strict=False)
        if writer.prev.encrypted:
            raise DocumentNotSignableError("encrypted")
        if writer.prev.embedded_signatures and not _is_regular(content):
            raise DocumentNotSignableError("irregular")
        writer.root  # noqa: B018 - a file without a catalogue is no PDF; find it out before the password is asked
    except (PdfError, ValueError, KeyError, TypeError) as error:
        raise DocumentNotSignableError("not-a-pdf", type(error).__name__) from error
    return writer


def _is_regular(content: bytes) -> bool:
    try:
        PdfFileReader(BytesIO(content), strict=True)
    except PdfError:
        return False
    return True


def add_signature(writer: IncrementalPdfFileWriter, signer: CardSigner, remarks: PdfRemarks) -> bytes:
    """Add an invisible PAdES-B-B signature (ETSI EN 319 142-1) in a new field, and give the whole file.

    Raises:
        DocumentNotSignableError: `changes-forbidden` when an earlier certification allows no further signature.
    """
    metadata = PdfSignatureMetadata(
        field_name=_free_field_name(writer.prev),
        md_algorithm=signer.digest_algorithm,
        subfilter=SigSeedSubFilter.PADES,
        reason=remarks.reason,
        location=remarks.location,
        # pyHanko would write the certificate's CN here, an opaque number that helps nobody.
        name=None,
    )
    try:
        signed: BytesIO = sign_pdf(writer, metadata, signer=signer)
    except (SigningError, PdfError) as error:
        raise DocumentNotSignableError("changes-forbidden", type(error).__name__) from error
    return signed.getvalue()


async def signed_data(content: bytes, signer: CardSigner, *, now: datetime, detached: bool) -> bytes:
    """CAdES-BES SignedData (DER) over `content` (RFC 5652, RFC 5126); with the content inside unless detached."""
    signed = await signer.async_sign_general_data(
        content,
        signer.digest_algorithm,
        detached=detached,
        use_cades=True,
        signed_attr_settings=PdfCMSSignedAttributes(signing_time=now),
    )
    return bytes(signed.dump())


def _free_field_name(reader: PdfFileReader) -> str:
    taken = {name for name, _, _ in enumerate_sig_fields(reader)}
    number = 1
    while f"Signature{number}" in taken:
        number += 1
    return f"Signature{number}"
