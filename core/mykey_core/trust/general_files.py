"""Certificates and CRLs from files, PEM or DER, as the DER bytes that path validation takes.

A file is judged by its content, not by its name. Whether the certificates are any good is not asked here.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Final

from asn1crypto import crl, pem, x509

from mykey_core.trust.errors import TrustError

MAX_FILE_BYTES: Final = 256 * 1024 * 1024
"""Larger files are refused: a CRL of five million entries is 185 MB (authentication-hub §12)."""


def read_certificates(paths: Iterable[Path]) -> tuple[bytes, ...]:
    """All certificates of the files, in order; a PEM file may hold several.

    Raises:
        TrustError: `not_a_certificate` or `unreadable_file`, with the name of the file.
    """
    return tuple(der for path in paths for der in _read(path, "CERTIFICATE", x509.Certificate, "certificate"))


def read_certificate(path: Path) -> bytes:
    """The one certificate of a file.

    Raises:
        TrustError: as `read_certificates`; `several_certificates` when it is not one.
    """
    found = read_certificates([path])
    if len(found) != 1:
        raise TrustError("several_certificates", f"{path.name} must hold exactly one certificate")
    return found[0]


def read_crls(paths: Iterable[Path]) -> tuple[bytes, ...]:
    """All certificate revocation lists of the files, in order.

    Raises:
        TrustError: `not_a_crl` or `unreadable_file`, with the name of the file.
    """
    return tuple(der for path in paths for der in _read(path, "X509 CRL", crl.CertificateList, "crl"))


def _read(path: Path, label: str, kind: type[x509.Certificate | crl.CertificateList], word: str) -> list[bytes]:
    content = _bytes(path)
    try:
        blocks = [der for name, _, der in pem.unarmor(content, multiple=True) if name == label]
    except ValueError:
        blocks = [content]  # no PEM in it: DER
    if not blocks:
        raise TrustError(f"not_a_{word}", f"{path.name} holds no {label}")
    for der in blocks:
        try:
            kind.load(der, strict=True)[0].native  # noqa: B018 - decoding is the check
        except (ValueError, TypeError, KeyError) as error:
            raise TrustError(f"not_a_{word}", f"{path.name} is neither PEM nor DER of a {label}") from error
    return blocks


def _bytes(path: Path) -> bytes:
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise TrustError("unreadable_file", f"{path.name} is larger than {MAX_FILE_BYTES} bytes")
        return path.read_bytes()
    except OSError as error:
        raise TrustError("unreadable_file", f"{path.name}: {error.strerror}") from error
