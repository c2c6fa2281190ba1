"""Signed files in CMS (RFC 5652, CAdES), the content inside or in a file beside it. Every signer is checked."""

from __future__ import annotations

import hashlib

from asn1crypto import cms

from mykey_core.trust.errors import TrustError
from mykey_core.trust.signatures import signer_info
from mykey_core.trust.signatures.report import Container, DocumentReport, Reason, SignatureReport, refused, summarised
from mykey_core.trust.signatures.signer_info import Judges


def verify_cms(der: bytes, content: bytes | None, judges: Judges) -> DocumentReport:
    """Judge a SignedData (DER). `content` is what a detached signature signs; with content inside it must be None."""
    try:
        signed = signer_info.load_signed_data(der)
        inside = _content_of(signed)
        infos = list(signed["signer_infos"])
    except TrustError as error:
        return refused(Container.CMS, Reason(error.code))
    except (ValueError, TypeError, KeyError):
        return refused(Container.CMS, Reason.MALFORMED)
    if inside is not None and content is not None:
        return refused(Container.CMS, Reason.CONTENT_TWICE)
    data = content if inside is None else inside
    if data is None:
        return refused(Container.CMS, Reason.CONTENT_MISSING)
    return summarised(
        Container.CMS,
        tuple(_judge_one(index, signed, info, data, judges) for index, info in enumerate(infos, start=1)),
    )


def _content_of(signed: cms.SignedData) -> bytes | None:
    inside = signed["encap_content_info"]["content"].native
    if inside is not None and not isinstance(inside, bytes):
        raise TypeError("only content of the type 'data' is signed with a card")
    return inside


def _judge_one(
    index: int, signed: cms.SignedData, info: cms.SignerInfo, content: bytes, judges: Judges
) -> SignatureReport:
    try:
        digest = hashlib.new(signer_info.digest_name(info), content).digest()
        return signer_info.accepted_report(index, signer_info.judge(signed, info, digest, judges), info)
    except TrustError as error:
        return SignatureReport(index, accepted=False, reason=str(error.code))
    except Exception:  # noqa: BLE001 - asn1crypto decodes late: any fault inside is a malformed file, and a refusal
        return SignatureReport(index, accepted=False, reason=Reason.MALFORMED)
