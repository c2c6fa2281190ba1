"""The status object of a platform operator (プラットフォーム事業者): what is asked, and what an answer means.

The form follows what such operators publish (authentication-hub §5.3) and is written down in
docs/reference/platform-operator-adapter.md. Asking over HTTP is in `operator_source`.
"""

from __future__ import annotations

import base64
import json
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from mykey_core.trust.errors import RevocationDataError
from mykey_core.trust.types import RevocationState, ValidatedCertificate

CHECK_PURPOSE: Final = "CHECK_PURPOSE_LIVENESS_CHECK"


class Status(StrEnum):
    """What an operator says of a certificate."""

    GOOD = "STATUS_GOOD"
    REVOKED = "STATUS_REVOKED"
    ON_HOLD = "STATUS_ON_HOLD"
    UNKNOWN = "STATUS_UNKNOWN"


class CheckMethod(StrEnum):
    """How the operator knows: from the daily CRL, or from the responder's fifteen-minute data."""

    CRL = "CHECK_METHOD_CRL"
    OCSP = "CHECK_METHOD_OCSP"


STATES: Final = {
    Status.GOOD: RevocationState.GOOD,
    Status.REVOKED: RevocationState.REVOKED,
    Status.ON_HOLD: RevocationState.HELD,
}


class StatusObject(BaseModel):
    """An operator's answer. Unknown members are ignored; `certificate_sha256` binds it to the question."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    status: Status
    check_method: CheckMethod = Field(alias="checkMethod")
    check_purpose: str = Field(alias="checkPurpose")
    source_updated_at: AwareDatetime = Field(alias="sourceUpdatedAt")
    certificate_sha256: str = Field(alias="certificateSha256")
    reason: str | None = Field(default=None, max_length=64, pattern=r"^[A-Za-z]+$")


def request_body(certificate: ValidatedCertificate, der: bytes) -> bytes:
    """The question as JSON. `der` is the certificate; the operator finds issuer and serial in it."""
    return json.dumps(
        {
            "certificate": base64.b64encode(der).decode("ascii"),
            "certificateSha256": certificate.fingerprint.hex(),
            "checkPurpose": CHECK_PURPOSE,
        }
    ).encode()


def read_status(body: bytes, certificate: ValidatedCertificate, now: datetime) -> StatusObject:
    """Check the form of an answer, and that it is about this certificate and not from the future.

    Raises:
        RevocationDataError: `operator_malformed`, `operator_other_certificate`, `operator_purpose`, `operator_time`.
    """
    try:
        answer = StatusObject.model_validate_json(body)
    except ValidationError as error:
        raise RevocationDataError("operator_malformed", "not a status object") from error
    if answer.certificate_sha256.lower() != certificate.fingerprint.hex():
        raise RevocationDataError("operator_other_certificate", "the answer is about another certificate")
    if answer.check_purpose != CHECK_PURPOSE:
        raise RevocationDataError("operator_purpose", "the answer was made for another purpose")
    if answer.source_updated_at > now + timedelta(minutes=15):
        raise RevocationDataError("operator_time", "sourceUpdatedAt is in the future: compare the clocks")
    return answer
