"""What the audit keeps of a verification: the checks, and why the hub accepted."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from mykey_core.authentication.verifier import VerifiedToken
from mykey_core.trust.types import CheckResult


def lines_of(checks: Iterable[CheckResult]) -> list[dict[str, Any]]:
    """The checks that were made, in their order, as JSON."""
    return [{"check": line.check.value, "passed": line.passed, "detail": line.detail} for line in checks]


def evidence_of(verified: VerifiedToken) -> dict[str, Any]:
    """Why the hub accepted (authentication-hub V14): path, policy, and the revocation answer with its age."""
    answer = verified.revocation
    return {
        "algorithm": verified.algorithm,
        "issuer": verified.certificate.issuer.label,
        "policy": verified.certificate.policy_oid,
        "revocation": {
            "source": answer.source,
            "mode": answer.mode.value,
            "this_update": answer.this_update.isoformat(),
        },
    }
