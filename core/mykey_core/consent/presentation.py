"""Reading what a terminal presents beside the token of a tap: a second token, by the card's signature certificate."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from mykey_core.authentication.verifier import TokenVerifier
from mykey_core.consent.attributes import VerifiedAttributes, from_certificate
from mykey_core.consent.errors import ConsentCode, ConsentDenied
from mykey_core.trust.signatures.attributes import AttributesError


@dataclass(frozen=True, slots=True)
class AttributeReader:
    """`verifier` accepts tokens by signature certificates; it has its own pinned CAs and revocation source."""

    verifier: TokenVerifier

    def read(self, presented: Mapping[str, Any], nonce: str, now: datetime) -> VerifiedAttributes:
        """`presented` is `{"signature_token": {…}}`: a token of the same form, over the same nonce as the tap's.

        `TokenRefused` for a token that does not hold, `ConsentDenied` for one without attributes.
        """
        token = presented.get("signature_token")
        if not isinstance(token, dict):
            raise ConsentDenied(ConsentCode.NOT_PRESENTED, "signature_token is missing")
        verified = self.verifier.verify_members(token, nonce, now)
        try:
            return from_certificate(verified.certificate, now)
        except AttributesError as error:
            raise ConsentDenied(ConsentCode.NOT_PRESENTED, error.code) from None
