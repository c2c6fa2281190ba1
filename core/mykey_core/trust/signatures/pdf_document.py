"""Signed PDFs (PAdES): every signature is checked, and nothing may have been added that no signature covers.

pyHanko reads the file and compares its revisions; signers are judged in `signer_info`.
"""

from __future__ import annotations

from dataclasses import replace
from io import BytesIO
from typing import Final

from asn1crypto import parser
from pyhanko.pdf_utils.misc import PdfError
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.validation.pdf_embedded import EmbeddedPdfSignature
from pyhanko.sign.validation.status import SignatureCoverageLevel

from mykey_core.trust.errors import TrustError
from mykey_core.trust.signatures import signer_info
from mykey_core.trust.signatures.report import Container, DocumentReport, Reason, SignatureReport, refused, summarised
from mykey_core.trust.signatures.signer_info import Judges, SignatureRefused

NO_CHANGES: Final = "none"
LATER_SIGNATURES: Final = "signatures"


def verify_pdf(content: bytes, judges: Judges) -> DocumentReport:
    """Judge all signatures of a PDF."""
    try:
        reader = _reader(content)
        if reader.encrypted:
            return refused(Container.PDF, Reason.ENCRYPTED)
        found = list(reader.embedded_signatures)
    except Exception:  # noqa: BLE001 - a hostile PDF can make the parser fail in any way: it is malformed
        return refused(Container.PDF, Reason.MALFORMED)
    reports = tuple(_judge_one(number, one, judges) for number, one in enumerate(found, start=1))
    return summarised(Container.PDF, _nothing_after_the_last(reports))


def _reader(content: bytes) -> PdfFileReader:
    """Strict where the file allows it; otherwise only a signature over the whole file will be believed."""
    try:
        return PdfFileReader(BytesIO(content), strict=True)
    except PdfError:
        return PdfFileReader(BytesIO(content), strict=False)


def _judge_one(number: int, embedded: EmbeddedPdfSignature, judges: Judges) -> SignatureReport:
    try:
        if embedded.sig_object_type == "/DocTimeStamp":
            # We pin no time-stamping authority, and a signature that nobody checked must not look checked.
            raise SignatureRefused(Reason.TIMESTAMP_ONLY)
        _check_gap(embedded)
        changes = _later_changes(embedded)
        signer_info.digest_name(embedded.signer_info)
        signed = signer_info.load_signed_data(_without_filling(embedded.pkcs7_content))
        signer = signer_info.judge(signed, embedded.signer_info, embedded.compute_digest(), judges)
        report = signer_info.accepted_report(number, signer, embedded.signer_info)
        claimed = report.claimed_time or embedded.self_reported_timestamp
        return replace(report, field=embedded.field_name, claimed_time=claimed, later_changes=changes)
    except TrustError as error:
        return SignatureReport(number, accepted=False, reason=str(error.code), field=embedded.field_name)
    except Exception:  # noqa: BLE001 - see verify_pdf
        return SignatureReport(number, accepted=False, reason=Reason.MALFORMED, field=embedded.field_name)


def _without_filling(content: bytes) -> bytes:
    """The CMS within /Contents; what follows it was seen to be zeros by `_check_gap`."""
    return content[: parser.peek(content)]


def _check_gap(embedded: EmbeddedPdfSignature) -> None:
    """The one gap between the signed ranges holds exactly this signature's own /Contents (ISO 32000-2 12.8.1)."""
    ranges = [int(number) for number in embedded.byte_range]
    if len(ranges) != 4 or ranges[0] != 0 or min(ranges) < 0:  # noqa: PLR2004 - two pairs of offset and length
        raise SignatureRefused(Reason.COVERAGE)
    stream = embedded.reader.stream
    stream.seek(ranges[1])
    gap = stream.read(max(0, ranges[2] - ranges[1]))
    try:
        inside = bytes.fromhex(gap[1:-1].decode("ascii"))
    except ValueError:
        raise SignatureRefused(Reason.COVERAGE) from None
    if gap[:1] != b"<" or gap[-1:] != b">" or inside != embedded.pkcs7_content:
        raise SignatureRefused(Reason.COVERAGE)
    if any(inside[parser.peek(inside) :]):  # the room that is left over is not signed: it must be zeros
        raise SignatureRefused(Reason.COVERAGE)


def _later_changes(embedded: EmbeddedPdfSignature) -> str:
    """What came after this signature; refuses anything but further signatures and the fields they fill."""
    coverage = embedded.evaluate_signature_coverage()
    if coverage is SignatureCoverageLevel.ENTIRE_FILE:
        return NO_CHANGES
    if coverage is not SignatureCoverageLevel.ENTIRE_REVISION:
        raise SignatureRefused(Reason.COVERAGE)
    if not embedded.reader.strict:  # what a revision shows is not certain in a file whose structure is not
        raise SignatureRefused(Reason.IRREGULAR_PDF)
    embedded.compute_integrity_info()  # type: ignore[no-untyped-call]
    # False also for every change that no rule of the library explains (its SuspiciousModification).
    if not embedded.summarise_integrity_info()["docmdp_ok"]:
        raise SignatureRefused(Reason.CHANGED_LATER)
    return LATER_SIGNATURES


def _nothing_after_the_last(reports: tuple[SignatureReport, ...]) -> tuple[SignatureReport, ...]:
    """Where all are accepted, one must cover the whole file: an update that nobody signed refuses them all."""
    all_accepted = all(report.accepted for report in reports)
    if not all_accepted or any(report.later_changes == NO_CHANGES for report in reports):
        return reports
    return tuple(replace(report, accepted=False, reason=Reason.UNSIGNED_UPDATE) for report in reports)
