"""Signing with the keys of the card (`80 2A`, schemes 00–05 of §12), and commands that no citizen can use.

The cryptography is the library's; here are only the schemes' input rules.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, utils
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from mykey_cardap.apdu import SHORT_MAX_DATA, SW, CommandApdu
from mykey_cardap.emulator.application import Application
from mykey_cardap.emulator.files import KeyEf
from mykey_cardap.emulator.status import Refused

PKCS1_MAX_INPUT: Final = 245  # 256 - 11 bytes of padding (RFC 8017 §9.2)
_SHA256_SIZE: Final = 32
_CURRENT: Final = 0x80
_SFI: Final = 0x1F
_RESERVED: Final = 0x60

_SHA256: Final = hashes.SHA256()
_PREHASHED: Final = utils.Prehashed(_SHA256)
_NO_DIGEST_INFO: Final = utils.NoDigestInfo()
_PKCS1: Final = padding.PKCS1v15()
_PSS: Final = padding.PSS(padding.MGF1(_SHA256), padding.PSS.DIGEST_LENGTH)

RsaScheme = Callable[[RSAPrivateKey, bytes], bytes]


def raw_pkcs1(key: RSAPrivateKey, data: bytes) -> bytes:
    """Scheme 00: PKCS#1 v1.5 over exactly these bytes, normally a DigestInfo."""
    _require_length(data, PKCS1_MAX_INPUT)
    return key.sign(data, _PKCS1, _NO_DIGEST_INFO)


def bare_hash_of_message(key: RSAPrivateKey, data: bytes) -> bytes:
    """Scheme 01: the card hashes and signs the 32 bytes without DigestInfo."""
    _require_length(data, SHORT_MAX_DATA)
    return key.sign(sha256(data), _PKCS1, _NO_DIGEST_INFO)


def pkcs1_of_hash(key: RSAPrivateKey, data: bytes) -> bytes:
    """Scheme 02: a SHA-256 value, the card adds the DigestInfo."""
    _require_hash(data)
    return key.sign(data, _PKCS1, _PREHASHED)


def pkcs1_of_message(key: RSAPrivateKey, data: bytes) -> bytes:
    """Scheme 03: the card hashes and adds the DigestInfo."""
    _require_length(data, SHORT_MAX_DATA)
    return key.sign(data, _PKCS1, _SHA256)


def pss_of_hash(key: RSAPrivateKey, data: bytes) -> bytes:
    """Scheme 04: RSASSA-PSS over a SHA-256 value, with a random salt of 32 bytes."""
    _require_hash(data)
    return key.sign(data, _PSS, _PREHASHED)


def pss_of_message(key: RSAPrivateKey, data: bytes) -> bytes:
    """Scheme 05: the card hashes, RSASSA-PSS."""
    _require_length(data, SHORT_MAX_DATA)
    return key.sign(data, _PSS, _SHA256)


RSA_SCHEMES: Final[Mapping[int, RsaScheme]] = {
    0x00: raw_pkcs1,
    0x01: bare_hash_of_message,
    0x02: pkcs1_of_hash,
    0x03: pkcs1_of_message,
    0x04: pss_of_hash,
    0x05: pss_of_message,
}


def sign(application: Application, command: CommandApdu) -> bytes:
    """`80 2A scheme key`: P2 = 80 the current key file, 80|SFI another one, 00 the application's own key."""
    scheme = RSA_SCHEMES.get(command.p1)
    if scheme is None:
        raise Refused(SW.WRONG_P1_P2)
    file = named_key(application, command.p2)
    application.require(file.access)
    key = file.load()
    if not isinstance(key, RSAPrivateKey):
        raise Refused(SW.WRONG_P1_P2)
    return scheme(key, command.data)


def named_key(application: Application, p2: int) -> KeyEf:
    """The key file that P2 names: 6986 no current file, 6981 not a key, 6A82 no such short identifier."""
    if p2 == 0:
        return application.own_key_file()
    if not p2 & _CURRENT or p2 & _RESERVED:
        raise Refused(SW.WRONG_P1_P2)
    sfi = p2 & _SFI
    file = application.by_short_identifier(sfi) if sfi else application.current_file()
    if not isinstance(file, KeyEf):
        raise Refused(SW.FILE_STRUCTURE)
    return file


def sha256(data: bytes) -> bytes:
    """The SHA-256 value of `data`."""
    digest = hashes.Hash(_SHA256)
    digest.update(data)
    return digest.finalize()


def _require_length(data: bytes, longest: int) -> None:
    if not data:
        raise Refused(SW.WRONG_LENGTH)
    if len(data) > longest:
        raise Refused(SW.CONDITIONS_OF_USE)


def _require_hash(data: bytes) -> None:
    if len(data) != _SHA256_SIZE:
        raise Refused(SW.CONDITIONS_OF_USE)


def refuse_security_status(application: Application, command: CommandApdu) -> bytes:  # noqa: ARG001
    """6982: the command exists, but only the municipality or the issuer holds its key."""
    raise Refused(SW.SECURITY_STATUS)


def refuse_conditions(application: Application, command: CommandApdu) -> bytes:  # noqa: ARG001
    """6985: INTERNAL AUTHENTICATE outside the common AP."""
    raise Refused(SW.CONDITIONS_OF_USE)


def refuse_security_environment(application: Application, command: CommandApdu) -> bytes:  # noqa: ARG001
    """66F1: SET SESSION KEY outside the text AP."""
    raise Refused(SW.SECURITY_ENVIRONMENT)


def refuse_length(application: Application, command: CommandApdu) -> bytes:  # noqa: ARG001
    """6700: the last-command indicator on a plastic card."""
    raise Refused(SW.WRONG_LENGTH)
