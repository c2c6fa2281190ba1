"""The parts of a certificate as the bytes that they are in its DER, for the checks that a parsed object cannot answer.

A parsed certificate no longer shows whether its curve was spelt out, whether inner and outer algorithm were the same
bytes, or what exactly was signed. Nothing here decides anything; meaning is left to `cryptography`.
"""

from __future__ import annotations

from typing import NamedTuple

INTEGER = 0x02
OCTET_STRING = 0x04
OBJECT_IDENTIFIER = 0x06
SEQUENCE = 0x30
_VERSION = 0xA0
_EXTENSIONS = 0xA3
_LONG_FORM = 0x80
_TRUE = b"\x01\x01\xff"  # the only BOOLEAN that DER lets stand before the value
_MAX_LENGTH_BYTES = 3  # 16 MB: far above any certificate


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
    signature: bytes


def _header(der: bytes, offset: int, tag: int) -> tuple[int, int]:
    """Start and end of the content of the element at `offset`; `BadDer` unless it is `tag` in minimal DER."""
    try:
        if der[offset] != tag:
            raise BadDer("unexpected tag")
        length = der[offset + 1]
        start = offset + 2
        if length >= _LONG_FORM:
            start, length = _long_length(der, start, length & 0x7F)
    except IndexError:
        raise BadDer("cut short") from None
    end = start + length
    if end > len(der):
        raise BadDer("cut short")
    return start, end


def _long_length(der: bytes, start: int, count: int) -> tuple[int, int]:
    end = start + count
    length = int.from_bytes(der[start:end], "big")
    if not 0 < count <= _MAX_LENGTH_BYTES or end > len(der) or length < _LONG_FORM or der[start] == 0:
        raise BadDer("length not minimal")
    return end, length


def split(der: bytes) -> RawCertificate:
    """Cut a certificate into its parts; `BadDer` when it is none, or when bytes are left over."""
    start, end = _header(der, 0, SEQUENCE)
    if end != len(der):
        raise BadDer("bytes after the certificate")
    offset, tbs_end = _header(der, start, SEQUENCE)
    version, offset = _version(der, offset)
    serial_start, after_serial = _header(der, offset, INTEGER)
    after_inner = _header(der, after_serial, SEQUENCE)[1]
    after_issuer = _header(der, after_inner, SEQUENCE)[1]
    after_validity = _header(der, after_issuer, SEQUENCE)[1]
    after_subject = _header(der, after_validity, SEQUENCE)[1]
    after_key = _header(der, after_subject, SEQUENCE)[1]
    after_outer = _header(der, tbs_end, SEQUENCE)[1]
    return RawCertificate(
        tbs=der[start:tbs_end],
        version=version,
        serial=der[serial_start:after_serial],
        inner_algorithm=der[after_serial:after_inner],
        issuer=der[after_inner:after_issuer],
        subject=der[after_validity:after_subject],
        public_key_info=der[after_subject:after_key],
        extensions=_extensions(der, after_key, tbs_end),
        outer_algorithm=der[tbs_end:after_outer],
        signature=der[after_outer:end],
    )


def _version(der: bytes, offset: int) -> tuple[int, int]:
    if der[offset : offset + 1] != b"\xa0":
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
        extension, position = _extension(der, position)
        found.append(extension)
    return tuple(found)


def _extension(der: bytes, position: int) -> tuple[RawExtension, int]:
    start, end = _header(der, position, SEQUENCE)
    oid_start, oid_end = _header(der, start, OBJECT_IDENTIFIER)
    value_at = oid_end
    critical = der.startswith(_TRUE, oid_end)
    if critical:
        value_at += len(_TRUE)
    value_start, value_end = _header(der, value_at, OCTET_STRING)
    if value_end != end:
        raise BadDer("bytes after an extension")
    return RawExtension(der[oid_start:oid_end], critical, der[value_start:value_end]), end
