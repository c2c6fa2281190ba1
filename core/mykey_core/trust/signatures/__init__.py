"""Documents signed with the signature certificate of the card: are they genuine, and who signed them?"""

from __future__ import annotations

from mykey_core.trust.signatures.attributes import SignerAttributes, read_attributes
from mykey_core.trust.signatures.report import DocumentReport, SignatureReport
from mykey_core.trust.signatures.verify import SignatureVerifier

__all__ = ["DocumentReport", "SignatureReport", "SignatureVerifier", "SignerAttributes", "read_attributes"]
