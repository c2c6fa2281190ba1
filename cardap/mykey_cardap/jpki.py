"""The JPKI application (公的個人認証AP): certificates, token information, PINs and signatures.

Protocol only, in the manner of yubikit: give it any transport. Whether a certificate may be trusted is
decided elsewhere.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from enum import Enum, IntEnum, StrEnum, unique
from typing import TYPE_CHECKING, ClassVar

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from mykey_cardap.apdu import SHORT_MAX_RESPONSE, CommandApdu, Ins
from mykey_cardap.errors import BadCardDataError, PinName
from mykey_cardap.kinds import CertificateKind
from mykey_cardap.session import ApplicationSession, PinRule, PinStatus, PinVerification
from mykey_cardap.tlv import Encoding

if TYPE_CHECKING:
    from mykey_cardap.transport import Transport

JPKI_AID = bytes.fromhex("D392F000260100000001")
NEXT_GENERATION_AID = bytes.fromhex("F04D594B45594E01")
"""INVENTED by our emulator for the next-generation card, whose real name is not public (card reference §16)."""

_TOKEN_INFO_LENGTH = 160
_AVAILABILITY_LENGTH = 3
_PRESENT = 0x8F
_MAX_RAW_PAYLOAD = 245
_CLA_PROPRIETARY = 0x80
_CURRENT_EF = 0x80
_CHANGE_NEW_VALUE_ONLY = bytes((0x00, Ins.CHANGE_REFERENCE_DATA, 0x01, _CURRENT_EF))


@unique
class Ef(IntEnum):
    """File identifiers of the JPKI application (`my-number-card` reference, §3)."""

    SIGNATURE_CERTIFICATE = 0x0001
    SIGNATURE_CA_CERTIFICATE = 0x0002
    TOKEN_INFO = 0x0006
    AVAILABILITY = 0x0008
    AUTHENTICATION_CERTIFICATE = 0x000A
    AUTHENTICATION_CA_CERTIFICATE = 0x000B
    AUTHENTICATION_KEY = 0x0017
    AUTHENTICATION_PIN = 0x0018
    SIGNATURE_KEY = 0x001A
    SIGNATURE_PIN = 0x001B


@unique
class SignScheme(IntEnum):
    """P1 of the SIGN command (§12; measured by soltia48/myna-card)."""

    RAW = 0x00
    """1 to 245 bytes taken as given, padded with PKCS#1 v1.5: normally a DigestInfo."""
    BARE_HASH_OF_MESSAGE = 0x01
    PKCS1_OF_SHA256 = 0x02
    PKCS1_OF_MESSAGE = 0x03
    PSS_OF_SHA256 = 0x04
    PSS_OF_MESSAGE = 0x05


@unique
class TokenKind(StrEnum):
    """What carries the JPKI application, told by the label in its token information (§3.1)."""

    MY_NUMBER_CARD = "JPKIAPICCTOKEN2"
    RESIDENT_REGISTER_CARD = "JPKIAPICCTOKEN"
    ANDROID = "JPKIAPGPSETOKEN"
    IPHONE = "JPKIAPIOSTOKEN"
    UNKNOWN = "?"

    @classmethod
    def from_label(cls, label: str) -> TokenKind:
        """The kind with this label; UNKNOWN for a label that is not in the table."""
        return next((kind for kind in cls if kind.value == label), cls.UNKNOWN)

    @property
    def is_phone(self) -> bool:
        """A phone gives its authentication certificate only after the authentication PIN."""
        return self in {TokenKind.ANDROID, TokenKind.IPHONE}


@dataclass(frozen=True, slots=True)
class TokenInfo:
    """The fields of file 0006 that say what the token is. `serial` is no part of `repr`."""

    kind: TokenKind
    label: str
    manufacturer: str
    model: str
    serial: str = field(repr=False)

    @classmethod
    def from_bytes(cls, raw: bytes) -> TokenInfo:
        """Parse the 160 bytes; `BadCardDataError` when they are no ASCII."""
        if len(raw) != _TOKEN_INFO_LENGTH:
            raise BadCardDataError("the token information must have 160 bytes")
        label, manufacturer = _ascii(raw[:32]), _ascii(raw[32:64])
        model, serial = _ascii(raw[64:80]), _ascii(raw[80:96])
        return cls(TokenKind.from_label(label), label, manufacturer, model, serial)


@dataclass(frozen=True, slots=True)
class Availability:
    """Which key pairs are on the card (file 0008). A child under 15 has no signature certificate."""

    signature: bool
    authentication: bool

    def __contains__(self, kind: CertificateKind) -> bool:
        return self.signature if kind is CertificateKind.SIGNATURE else self.authentication


@dataclass(frozen=True, slots=True)
class _Files:
    certificate: Ef
    ca_certificate: Ef
    key: Ef


_FILES = {
    CertificateKind.AUTHENTICATION: _Files(
        Ef.AUTHENTICATION_CERTIFICATE, Ef.AUTHENTICATION_CA_CERTIFICATE, Ef.AUTHENTICATION_KEY
    ),
    CertificateKind.SIGNATURE: _Files(Ef.SIGNATURE_CERTIFICATE, Ef.SIGNATURE_CA_CERTIFICATE, Ef.SIGNATURE_KEY),
}


class JpkiSession(ApplicationSession):
    """A session with the JPKI application.

    Never select another application between `verify_pin` and `sign`: the card forgets the PIN. Today's card
    has RSA-2048 keys and the next will have P-384: ask `signing_algorithm`, assume nothing.
    """

    aids: ClassVar[tuple[bytes, ...]] = (JPKI_AID, NEXT_GENERATION_AID)
    pins: ClassVar[dict[PinName, PinRule]] = {
        "authentication": PinRule(
            "authentication",
            Ef.AUTHENTICATION_PIN,
            re.compile(rb"[0-9]{4}"),
            "the authentication PIN has exactly four digits",
        ),
        "signature": PinRule(
            "signature",
            Ef.SIGNATURE_PIN,
            re.compile(rb"[A-Z0-9]{6,16}"),
            "the signature password has 6 to 16 letters and digits",
            uppercase=True,
        ),
    }

    def __init__(self, transport: Transport) -> None:
        super().__init__(transport)
        self._certificates: dict[CertificateKind, bytes] = {}

    # -- reading ------------------------------------------------------------------------------------------

    def read_certificate(self, kind: CertificateKind) -> bytes:
        """Read a certificate as DER.

        The signature certificate needs the signature password first, and on a phone the authentication
        certificate needs the authentication PIN: `SecurityStatusError`.
        """
        self._certificates[kind] = self._read_file(_FILES[kind].certificate, Encoding.DER)
        return self._certificates[kind]

    def read_ca_certificate(self, kind: CertificateKind) -> bytes:
        """Read the CA certificate that the card carries, as DER. It proves nothing: anchors are pinned."""
        return self._read_file(_FILES[kind].ca_certificate, Encoding.DER)

    def token_info(self) -> TokenInfo:
        """Read what carries the application: card, old card, phone."""
        return TokenInfo.from_bytes(self._read_fixed(Ef.TOKEN_INFO, _TOKEN_INFO_LENGTH))

    def availability(self) -> Availability:
        """Read which key pairs are on the card."""
        raw = self._read_fixed(Ef.AVAILABILITY, _AVAILABILITY_LENGTH)
        return Availability(signature=raw[0] == _PRESENT, authentication=raw[1] == _PRESENT)

    # -- PINs ---------------------------------------------------------------------------------------------

    def change_pin(
        self,
        pin: PinName,
        current: bytes | bytearray,
        new: bytes | bytearray,
        *,
        allow_last_attempt: bool = False,
    ) -> PinVerification:
        """Present the current PIN and set a new one; the form of both is checked before the card sees any.

        `uppercased` in the answer warns that small letters of the new password became capitals.
        """
        return self._change_pin(pin, current, new, header=_CHANGE_NEW_VALUE_ONLY, allow_last_attempt=allow_last_attempt)

    # -- signing ------------------------------------------------------------------------------------------

    def sign(self, kind: CertificateKind, payload: bytes, *, scheme: SignScheme = SignScheme.RAW) -> bytes:
        """Let the card sign `payload` under a scheme; its PIN must be verified (`SecurityStatusError`).

        The answer is the card's own: as many bytes as its key is long for RSA.
        """
        if not 1 <= len(payload) <= _MAX_RAW_PAYLOAD + 10 * (scheme is not SignScheme.RAW):
            raise ValueError("the payload does not fit one SIGN command")
        self._select_file(_FILES[kind].key)
        command = CommandApdu(
            _CLA_PROPRIETARY,
            Ins.PERFORM_SECURITY_OPERATION,
            scheme,
            _CURRENT_EF,
            payload,
            SHORT_MAX_RESPONSE,
        )
        signature = self._send(f"sign with the {kind} key", command)
        if not signature:
            raise BadCardDataError("the card answered an empty signature")
        return signature

    def sign_message(self, kind: CertificateKind, message: bytes, algorithm: str | None = None) -> bytes:
        """Hash a message and let the card sign the hash, as a JWA algorithm (RFC 7518 §3.1) says.

        RS256, RS384, RS512: a DigestInfo goes to the card. ES384: the bare hash, and r ‖ s comes back. None
        takes what the key in the certificate calls for (`signing_algorithm`).
        """
        chosen = SigningAlgorithm[algorithm or self.signing_algorithm(kind)]
        return self.sign(kind, chosen.payload(chosen.digest(message)))

    def signing_algorithm(self, kind: CertificateKind) -> str:
        """The JWA name that the public key in the certificate calls for: RS256 or ES384.

        Takes the certificate that this session has read already, or reads it.
        """
        certificate = self._certificates.get(kind) or self.read_certificate(kind)
        try:
            key = x509.load_der_x509_certificate(certificate).public_key()
        except (ValueError, UnsupportedAlgorithm) as error:
            raise BadCardDataError("the certificate on the card cannot be read") from error
        if isinstance(key, rsa.RSAPublicKey):
            return SigningAlgorithm.RS256.name
        if isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP384R1):
            return SigningAlgorithm.ES384.name
        raise BadCardDataError("the certificate holds a key of a kind that this card does not have")


@unique
class SigningAlgorithm(Enum):
    """JWA algorithms: the hash of the message, and the DigestInfo header before it (RFC 8017 §9.2)."""

    RS256 = "sha256", "3031300d060960864801650304020105000420"
    RS384 = "sha384", "3041300d060960864801650304020205000430"
    RS512 = "sha512", "3051300d060960864801650304020305000440"
    ES384 = "sha384", ""

    @property
    def hash_name(self) -> str:
        """The hash function, as hashlib calls it."""
        return self.value[0]

    def digest(self, message: bytes) -> bytes:
        """The hash of a message."""
        return hashlib.new(self.hash_name, message).digest()

    def payload(self, digest: bytes) -> bytes:
        """What goes to the card for a hash: DigestInfo for RSA, the hash itself for ECDSA."""
        return bytes.fromhex(self.value[1]) + digest


def _ascii(raw: bytes) -> str:
    try:
        return raw.decode("ascii").rstrip(" \x00")
    except UnicodeDecodeError as error:
        raise BadCardDataError("the token information is no ASCII") from error


__all__ = [
    "JPKI_AID",
    "NEXT_GENERATION_AID",
    "Availability",
    "Ef",
    "JpkiSession",
    "PinStatus",
    "PinVerification",
    "SignScheme",
    "SigningAlgorithm",
    "TokenInfo",
    "TokenKind",
]
