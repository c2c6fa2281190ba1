"""Documents signed with the signature certificate of the card: are they genuine, and who signed them?

The verifier of documents is imported on use: it brings a whole PDF library, and a hub that starts does without.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mykey_core.trust.signatures.attributes import SignerAttributes, read_attributes

if TYPE_CHECKING:
    from mykey_core.trust.signatures.report import DocumentReport, SignatureReport
    from mykey_core.trust.signatures.verify import SignatureVerifier

__all__ = ["DocumentReport", "SignatureReport", "SignatureVerifier", "SignerAttributes", "read_attributes"]


def __getattr__(name: str) -> Any:
    """The rest of the names (PEP 562)."""
    if name == "SignatureVerifier":
        from mykey_core.trust.signatures import verify  # noqa: PLC0415 - see the module

        return verify.SignatureVerifier
    if name in {"DocumentReport", "SignatureReport"}:
        from mykey_core.trust.signatures import report  # noqa: PLC0415 - see the module

        return getattr(report, name)
    raise AttributeError(name)
