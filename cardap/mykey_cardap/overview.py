"""Everything that a card tells without a PIN and without costing a try, for `mykey card show` and status pages.

Reading only; wording and layout belong to whoever shows it.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum, unique
from typing import TYPE_CHECKING, Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from mykey_cardap.common_ap import CardRecord, CommonSession, ResidentRegisterSession
from mykey_cardap.errors import (
    ApduError,
    BadCardDataError,
    FileNotFoundOnCardError,
    PinName,
    SecurityStatusError,
)
from mykey_cardap.face_ap import FaceSession
from mykey_cardap.jpki import JpkiSession, TokenKind
from mykey_cardap.kinds import CertificateKind
from mykey_cardap.text_ap import TextSession

if TYPE_CHECKING:
    from datetime import datetime

    from mykey_cardap.session import ApplicationSession, PinStatus
    from mykey_cardap.transport import Transport


@unique
class ApplicationName(StrEnum):
    """The applications of a My Number Card (card reference §2)."""

    JPKI = "jpki"
    TEXT = "text"
    FACE = "face"
    RESIDENT_REGISTER = "juki"
    COMMON = "common"


_SESSIONS: Final[dict[ApplicationName, type[ApplicationSession]]] = {
    ApplicationName.JPKI: JpkiSession,
    ApplicationName.TEXT: TextSession,
    ApplicationName.FACE: FaceSession,
    ApplicationName.RESIDENT_REGISTER: ResidentRegisterSession,
    ApplicationName.COMMON: CommonSession,
}


@unique
class CertificateState(StrEnum):
    """What could be found out about a certificate without a PIN."""

    READ = "read"
    NEEDS_PIN = "needs-pin"
    ABSENT = "absent"
    UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True)
class CertificateOverview:
    """One certificate. The fields after `state` are None unless it was read; times are UTC."""

    kind: CertificateKind
    state: CertificateState
    not_before: datetime | None = None
    not_after: datetime | None = None
    key: str | None = None
    issuer: str | None = None


@dataclass(frozen=True, slots=True)
class PinOverview:
    """One PIN of one application and what the card says about it."""

    application: ApplicationName
    pin: PinName
    status: PinStatus


@dataclass(frozen=True, slots=True)
class CardOverview:
    """What the card tells freely. `record` is None on phones and next-generation cards."""

    applications: tuple[ApplicationName, ...]
    token: TokenKind | None
    record: CardRecord | None
    certificates: tuple[CertificateOverview, ...]
    pins: tuple[PinOverview, ...]


def read_overview(transport: Transport) -> CardOverview:
    """Visit each application once. No PIN is presented and no try is consumed; nothing stays open."""
    applications: list[ApplicationName] = []
    pins: list[PinOverview] = []
    certificates: tuple[CertificateOverview, ...] = ()
    token = record = None
    for name, session_class in _SESSIONS.items():
        try:
            session = session_class(transport)
        except FileNotFoundOnCardError:
            continue
        applications.append(name)
        pins += _pins(name, session)
        if isinstance(session, JpkiSession):
            token = _token(session)
            certificates = _certificates(session)
        elif isinstance(session, CommonSession):
            record = _record(session)
    return CardOverview(tuple(applications), token, record, certificates, tuple(pins))


def _pins(name: ApplicationName, session: ApplicationSession) -> list[PinOverview]:
    found = []
    for pin in session.pins:
        with suppress(ApduError):
            found.append(PinOverview(name, pin, session.pin_status(pin)))
    return found


def _token(session: JpkiSession) -> TokenKind | None:
    try:
        return session.token_info().kind
    except (ApduError, BadCardDataError):
        return None


def _record(session: CommonSession) -> CardRecord | None:
    try:
        return session.card_record()
    except (ApduError, BadCardDataError):
        return None


def _certificates(session: JpkiSession) -> tuple[CertificateOverview, ...]:
    try:
        present = session.availability()
    except (ApduError, BadCardDataError):
        return ()
    absent = CertificateState.ABSENT
    return tuple(
        _certificate(session, kind) if kind in present else CertificateOverview(kind, absent)
        for kind in CertificateKind
    )


def _certificate(session: JpkiSession, kind: CertificateKind) -> CertificateOverview:
    try:
        certificate = x509.load_der_x509_certificate(session.read_certificate(kind))
        return CertificateOverview(
            kind,
            CertificateState.READ,
            certificate.not_valid_before_utc,
            certificate.not_valid_after_utc,
            _key_wording(certificate),
            certificate.issuer.rfc4514_string(),
        )
    except SecurityStatusError:
        return CertificateOverview(kind, CertificateState.NEEDS_PIN)
    except (ApduError, BadCardDataError, ValueError, UnsupportedAlgorithm):
        return CertificateOverview(kind, CertificateState.UNREADABLE)


def _key_wording(certificate: x509.Certificate) -> str:
    key = certificate.public_key()
    if isinstance(key, rsa.RSAPublicKey):
        return f"RSA {key.key_size}"
    if isinstance(key, ec.EllipticCurvePublicKey):
        return f"EC {key.curve.name}"
    return type(key).__name__
