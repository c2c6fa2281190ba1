"""The public façade of `mykey_cardap`: what other distributions and plugins may import.

Everything named here is kept stable; whatever is not named may change without notice.
"""

from __future__ import annotations

from mykey_cardap.common_ap import CardRecord, CommonSession, ResidentRegisterSession
from mykey_cardap.errors import (
    ApduError,
    BadCardDataError,
    CardError,
    CardRemovedError,
    CardResetError,
    FileNotFoundOnCardError,
    IssuerSignatureError,
    LastAttemptError,
    NoCardError,
    NoReaderError,
    PinBlockedError,
    PinError,
    PinFormatError,
    ReaderBusyError,
    ReaderChoiceError,
    SecurityStatusError,
    TransportError,
    WrongCardError,
)
from mykey_cardap.face_ap import AgeRecord, CardFace, FaceSession
from mykey_cardap.jpki import Availability, JpkiSession, SigningAlgorithm, TokenInfo, TokenKind
from mykey_cardap.kinds import CertificateKind
from mykey_cardap.overview import CardOverview, read_overview
from mykey_cardap.pcsc import (
    CardConnection,
    EventKind,
    ReaderEvent,
    ReaderMonitor,
    ReaderState,
    choose_reader,
    list_readers,
    open_card,
)
from mykey_cardap.service_application import (
    Order,
    Receipt,
    ServiceAdministration,
    ServiceDirectory,
    ServiceSession,
    card_keys,
    service_key,
    verify_receipt,
)
from mykey_cardap.session import PinStatus, PinVerification
from mykey_cardap.text_ap import Attributes, IndividualNumber, TextSession
from mykey_cardap.transport import SecretTransport, Transport

__all__ = [
    "AgeRecord",
    "ApduError",
    "Attributes",
    "Availability",
    "BadCardDataError",
    "CardConnection",
    "CardError",
    "CardFace",
    "CardOverview",
    "CardRecord",
    "CardRemovedError",
    "CardResetError",
    "CertificateKind",
    "CommonSession",
    "EventKind",
    "FaceSession",
    "FileNotFoundOnCardError",
    "IndividualNumber",
    "IssuerSignatureError",
    "JpkiSession",
    "LastAttemptError",
    "NoCardError",
    "NoReaderError",
    "Order",
    "PinBlockedError",
    "PinError",
    "PinFormatError",
    "PinStatus",
    "PinVerification",
    "ReaderBusyError",
    "ReaderChoiceError",
    "ReaderEvent",
    "ReaderMonitor",
    "ReaderState",
    "Receipt",
    "ResidentRegisterSession",
    "SecretTransport",
    "SecurityStatusError",
    "ServiceAdministration",
    "ServiceDirectory",
    "ServiceSession",
    "SigningAlgorithm",
    "TextSession",
    "TokenInfo",
    "TokenKind",
    "Transport",
    "TransportError",
    "WrongCardError",
    "card_keys",
    "choose_reader",
    "list_readers",
    "open_card",
    "read_overview",
    "service_key",
    "verify_receipt",
]
