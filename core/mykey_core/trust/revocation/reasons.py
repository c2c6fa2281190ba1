"""Why a certificate was revoked: the reason codes of RFC 5280 5.3.1 and what they mean for a card.

A certificate on hold is refused like a revoked one, under a name of its own, because the person is told
something else (一時停止).
"""

from __future__ import annotations

from typing import Final

from cryptography import x509

from mykey_core.trust.types import RevocationState

UNSPECIFIED: Final = 0
HOLD: Final = 6
REMOVE_FROM_CRL: Final = 8
MAX_CODE: Final = 10

# By the name that RFC 5280 gives the reason, which is the value of x509.ReasonFlags.
CODE_OF: Final = {
    x509.ReasonFlags.unspecified.value: UNSPECIFIED,
    x509.ReasonFlags.key_compromise.value: 1,
    x509.ReasonFlags.ca_compromise.value: 2,
    x509.ReasonFlags.affiliation_changed.value: 3,
    x509.ReasonFlags.superseded.value: 4,
    x509.ReasonFlags.cessation_of_operation.value: 5,
    x509.ReasonFlags.certificate_hold.value: HOLD,
    x509.ReasonFlags.remove_from_crl.value: REMOVE_FROM_CRL,
    x509.ReasonFlags.privilege_withdrawn.value: 9,
    x509.ReasonFlags.aa_compromise.value: MAX_CODE,
}
NAME_OF: Final = {code: name for name, code in CODE_OF.items()}


def state_of(code: int) -> RevocationState:
    """HELD for certificateHold, REVOKED for everything else: removeFromCRL in a complete CRL is no release."""
    return RevocationState.HELD if code == HOLD else RevocationState.REVOKED
