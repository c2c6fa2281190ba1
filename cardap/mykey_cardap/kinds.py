"""The two kinds of certificate on a My Number Card, named once for everybody.

Nothing else lives here, so that any package may import it without a cost.
"""

from __future__ import annotations

from enum import StrEnum, unique


@unique
class CertificateKind(StrEnum):
    """Which key pair of the JPKI application is meant (公的個人認証法 第3条 and 第22条).

    AUTHENTICATION is 利用者証明用 (four-digit PIN), SIGNATURE is 署名用 (password of 6 to 16 characters).
    """

    AUTHENTICATION = "authentication"
    SIGNATURE = "signature"
