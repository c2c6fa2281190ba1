"""The parts of a certificate as the bytes that they are in its DER, for the checks that a parsed object cannot answer.

A parsed certificate no longer shows whether its curve was spelt out, whether inner and outer algorithm were the same
bytes, or what exactly was signed. Nothing here decides anything; meaning is left to `cryptography`.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

BOOLEAN = 0x01
INTEGER = 0x02
BIT_STRING = 0x03
OCTET_STRING = 0x04
OBJECT_IDENTIFIER = 0x06
SEQUENCE = 0x30
_VERSION = 0xA0
_EXTENSIONS = 0xA3
_LONG_FORM = 0x80
_ONE_BYTE = 0x81
# Extensions that differ from card to card, or hold a person's name: not worth keeping, and not to be kept.
# Told by the last byte of 2.5.29.14 (subject key identifier) and 2.5.29.17 (alternative names).
_OWN_TO_ITS_HOLDER = bytes((14, 17))
_SHARED = 4096  # the others are those of a CA and a municipality
_TWO_BYTES = 0x82  # three and more would be 64 KB: no certificate on a card
_TRUE = b"\x01\x01\xff"  # the only BOOLEAN that DER lets stand before the value


class BadDer(ValueError):
    """Bytes that are no DER of the expected shape."""


class RawExtension(NamedTuple):
    """One extension: `oid` without its tag and length, `value` as it stands in the OCTET STRING."""

    oid: bytes
    critical: bool
    value: bytes


class RawCertificate(NamedTuple):
    """DER slices of one certificate; algorithms, issuer and key are whole elements with tag and length.

    `version` is the number in the certificate (2 for X.509 v3), `serial` the content of the INTEGER.
    """

    tbs: bytes
    version: int
    serial: bytes
    inner_algorithm: bytes
    issuer: bytes
    subject: bytes
    public_key_info: bytes
    extensions: tuple[RawExtension, ...]
    outer_algorithm: bytes


def _header(der: bytes, offset: int, tag: int) -> tuple[int, int]:
    """Start and end of the content of the element at `offset`; `BadDer` unless it is `tag` in minimal DER.

    The end may lie outside `der`: whoever reads a sequence to its last element sees that the ends do not meet.
    """
    if der[offset] != tag:
        raise BadDer("unexpected tag")
    length = der[offset + 1]
    if length < _LONG_FORM:
        start = offset + 2
        return start, start + length
    if length == _TWO_BYTES and der[offset + 2]:
        start = offset + 4
        return start, start + (der[offset + 2] << 8 | der[offset + 3])
    if length == _ONE_BYTE and der[offset + 2] >= _LONG_FORM:
        start = offset + 3
        return start, start + der[offset + 2]
    raise BadDer("length not minimal, or 64 KB and more")


def split(der: bytes) -> RawCertificate:
    """Cut a certificate into its parts; `BadDer` when it is none, or when bytes are left over."""
    try:
        return _split(der)
    except IndexError:
        raise BadDer("cut short") from None


def _split(der: bytes) -> RawCertificate:
    start, end = _header(der, 0, SEQUENCE)
    offset, tbs_end = _header(der, start, SEQUENCE)
    version, offset = _version(der, offset)
    serial_start, after_serial = _header(der, offset, INTEGER)
    _, after_inner = _header(der, after_serial, SEQUENCE)
    _, after_issuer = _header(der, after_inner, SEQUENCE)
    _, after_validity = _header(der, after_issuer, SEQUENCE)
    _, after_subject = _header(der, after_validity, SEQUENCE)
    _, after_key = _header(der, after_subject, SEQUENCE)
    extensions = _extensions(der, after_key, tbs_end)
    _, after_outer = _header(der, tbs_end, SEQUENCE)
    if _header(der, after_outer, BIT_STRING)[1] != end or end != len(der):
        raise BadDer("the ends do not meet")
    return RawCertificate(
        der[start:tbs_end],
        version,
        der[serial_start:after_serial],
        der[after_serial:after_inner],
        der[after_inner:after_issuer],
        der[after_validity:after_subject],
        der[after_subject:after_key],
        extensions,
        der[tbs_end:after_outer],
    )


def _version(der: bytes, offset: int) -> tuple[int, int]:
    if der[offset] != _VERSION:
        return 0, offset  # DEFAULT v1
    start, end = _header(der, offset, _VERSION)
    number_start, number_end = _header(der, start, INTEGER)
    if number_end != end or number_end - number_start != 1:
        raise BadDer("version")
    return der[number_start], end


def _extensions(der: bytes, offset: int, tbs_end: int) -> tuple[RawExtension, ...]:
    if offset == tbs_end:
        return ()
    start, end = _header(der, offset, _EXTENSIONS)  # unique identifiers ([1], [2]) are not for us: refused here
    position, last = _header(der, start, SEQUENCE)
    if end != tbs_end or last != end:
        raise BadDer("bytes after the extensions")
    found = []
    while position < last:
        content, position = _header(der, position, SEQUENCE)
        read = _extension if der[content + 4] in _OWN_TO_ITS_HOLDER else _shared_extension
        found.append(read(der[content:position]))
    if position != last:
        raise BadDer("the ends do not meet")
    return tuple(found)


def _extension(content: bytes) -> RawExtension:
    """One extension from the content of its SEQUENCE: identifier, critical flag where TRUE, value."""
    oid_start, oid_end = _header(content, 0, OBJECT_IDENTIFIER)
    critical = content[oid_end] == BOOLEAN and content.startswith(_TRUE, oid_end)
    value, end = _header(content, oid_end + len(_TRUE) if critical else oid_end, OCTET_STRING)
    if end != len(content):
        raise BadDer("bytes after an extension")
    return RawExtension(content[oid_start:oid_end], critical, content[value:end])


_shared_extension = lru_cache(maxsize=_SHARED)(_extension)
