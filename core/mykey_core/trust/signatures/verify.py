"""One object that verifies signed documents: it knows the pinned CAs and the revocation source, and sorts by format."""

from __future__ import annotations

import logging
from datetime import datetime
from typing import Final

from asn1crypto import pem

from mykey_core.trust.signatures.cms_document import verify_cms
from mykey_core.trust.signatures.pdf_document import verify_pdf
from mykey_core.trust.signatures.report import Container, DocumentReport, Reason, refused
from mykey_core.trust.signatures.signer_info import Judges
from mykey_core.trust.store import TrustStore
from mykey_core.trust.types import RevocationSource

MAX_DOCUMENT_BYTES: Final = 100 * 1024 * 1024
_DER_SEQUENCE: Final = b"\x30"
_PDF_MAGIC: Final = b"%PDF-"
_MAGIC_WITHIN: Final = 1024  # Adobe's readers look for the header within the first 1024 bytes

# The library logs names of certificates and fields; a report says what is needed.
logging.getLogger("pyhanko").addHandler(logging.NullHandler())
logging.getLogger("pyhanko").propagate = False


class SignatureVerifier:
    """Verifies documents that were signed with the signature certificate of a card."""

    def __init__(self, *, store: TrustStore, revocation: RevocationSource) -> None:
        """`store` pins the CAs for digital signatures; `revocation` is asked last, once for each signature."""
        self._store = store
        self._revocation = revocation

    def verify(self, document: bytes, *, at: datetime, content: bytes | None = None) -> DocumentReport:
        """Judge a PDF, or a CMS in DER or PEM; `content` is the file that a detached CMS signs.

        `at` (aware) is the moment of the check: a signature time in the document is a claim and is only reported.
        Never raises for what the document contains.
        """
        judges = Judges(self._store, self._revocation, at)
        container = _container(document)
        if max(len(document), len(content or b"")) > MAX_DOCUMENT_BYTES:
            return refused(container, Reason.TOO_LARGE)
        if container is Container.PDF:
            return verify_pdf(document, judges)
        try:
            der = pem.unarmor(document)[2] if pem.detect(document) else document
        except ValueError:
            return refused(container, Reason.MALFORMED)
        return verify_cms(der, content, judges)


def _container(document: bytes) -> Container:
    """By content; a CMS may hold a PDF, so its own beginning counts first."""
    if document[:1] != _DER_SEQUENCE and _PDF_MAGIC in document[:_MAGIC_WITHIN]:
        return Container.PDF
    return Container.CMS
