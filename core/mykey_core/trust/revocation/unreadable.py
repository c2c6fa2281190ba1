"""What `cryptography` raises when bytes from outside are not the structure that they should be. Data only."""

from __future__ import annotations

from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm

# x509's own exceptions do not share a base, and most fields are parsed only when they are first read.
UNREADABLE: Final = (
    ValueError,
    TypeError,
    OverflowError,
    NotImplementedError,
    UnsupportedAlgorithm,
    x509.DuplicateExtension,
    x509.InvalidVersion,
    x509.UnsupportedGeneralNameType,
)
