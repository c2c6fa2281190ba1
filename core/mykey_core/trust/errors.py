"""The error tree of `mykey_core.trust`.

    TrustError
    ├── CertificateRefused       path, time, usage, policy (.code, .check)
    ├── RevocationUnavailable    no usable revocation data: the certificate is refused (fail closed)
    └── RevocationDataError      a CRL or OCSP answer that must not be used (.code); the old snapshot stays
"""

from __future__ import annotations

from mykey_core.errors import MykeyError
from mykey_core.trust.types import Check


class TrustError(MykeyError):
    """Anything that trust reports; `code` is stable and machine readable."""

    def __init__(self, code: str, detail: str = "") -> None:
        super().__init__(f"{code}: {detail}" if detail else code)
        self.code = code
        self.detail = detail


class CertificateRefused(TrustError):  # noqa: N818 - the verdict's name in the references
    """The certificate must not be accepted; `check` says at which check it failed."""

    def __init__(self, code: str, check: Check, detail: str = "") -> None:
        super().__init__(code, detail)
        self.check = check


class RevocationUnavailable(TrustError):  # noqa: N818 - a state, not a fault of the caller
    """No usable revocation data in scope (missing, stale beyond the budget, wrong distribution point)."""


class RevocationDataError(TrustError):
    """Revocation data that is forged, old, out of scope or broken, and is therefore not used."""
