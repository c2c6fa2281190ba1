"""Asking which certificate came after another: the issuer's notice of a renewal (新旧シリアル番号の紐付け).

Serial numbers pass through here in memory, on their way to the operator that may know them; nothing is stored. The
form of the question is ours (docs/explanation/identity.md), because no operator has published one.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from enum import StrEnum, unique
from typing import Final, Protocol

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from mykey_core.identity.errors import RenewalUnavailable
from mykey_core.trust.revocation.fetch import Fetcher, FetchError
from mykey_core.trust.types import ValidatedCertificate

_SERIAL: Final = r"^[0-9a-f]{1,40}$"
_SHA256: Final = r"^[0-9a-f]{64}$"


@dataclass(frozen=True, slots=True)
class CertificateId:
    """Issuer (SHA-256 of its certificate) and serial number: what the issuer knows a certificate by."""

    issuer: bytes
    serial_number: int = field(repr=False)

    @classmethod
    def of(cls, certificate: ValidatedCertificate) -> CertificateId:
        """The id of a certificate whose path has been checked; nothing else has one."""
        return cls(certificate.issuer.fingerprint, certificate.serial_number)


@unique
class Direction(StrEnum):
    """Which neighbour in the chain of renewals is asked for."""

    PREDECESSOR = "PREDECESSOR"
    SUCCESSOR = "SUCCESSOR"


class RenewalNotices(Protocol):
    """One way to ask."""

    def neighbour(self, certificate: CertificateId, direction: Direction) -> CertificateId | None:
        """The certificate directly before or after this one, None when there is none; `RenewalUnavailable`."""
        ...


@dataclass(frozen=True, slots=True)
class OperatorNoticeSettings:
    """Where a platform operator answers, and the access token that it gave to the town."""

    url: str
    token: str = field(repr=False)


class _Id(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    issuer: str = Field(alias="issuerSha256", pattern=_SHA256)
    serial: str = Field(alias="serialNumber", pattern=_SERIAL)

    def as_id(self) -> CertificateId:
        return CertificateId(bytes.fromhex(self.issuer), int(self.serial, 16))


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    asked: _Id
    direction: Direction
    found: _Id | None


class OperatorNotices:
    """`RenewalNotices` over a platform operator's service. One question, one answer, within the fetcher's limits."""

    def __init__(self, settings: OperatorNoticeSettings, fetcher: Fetcher) -> None:
        self._settings = settings
        self._fetcher = fetcher

    def neighbour(self, certificate: CertificateId, direction: Direction) -> CertificateId | None:
        """See `RenewalNotices.neighbour`. The serial travels in the body, never in the address."""
        body = json.dumps({"asked": _as_json(certificate), "direction": direction.value}).encode()
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {self._settings.token}"}
        try:
            answer = _Answer.model_validate_json(self._fetcher.post(self._settings.url, headers, body).body)
        except FetchError as error:
            raise RenewalUnavailable(error.code) from None
        except ValidationError:
            raise RenewalUnavailable("the answer is not in the agreed form") from None
        if answer.asked.as_id() != certificate or answer.direction is not direction:
            raise RenewalUnavailable("the answer is to another question")
        return None if answer.found is None else answer.found.as_id()


def _as_json(certificate: CertificateId) -> dict[str, str]:
    return {"issuerSha256": certificate.issuer.hex(), "serialNumber": f"{certificate.serial_number:x}"}
