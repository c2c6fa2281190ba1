"""What the tap service answers, and the form in which a reply is kept for a caller who sends the same request again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from mykey_core.audit.records import AuditRecord
from mykey_core.authentication.verifier import VerifiedToken
from mykey_core.trust.types import CheckResult


@dataclass(frozen=True, slots=True)
class Challenge:
    """What a terminal lets the card sign. `expires_at` is UTC; `nonce` is base64 of 32 random bytes."""

    tap_id: UUID
    nonce: str
    origin: str
    expires_at: datetime
    needs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TapReply:
    """What became of a tap or an action: the plugin's answer with texts as keys, and the evidence."""

    tap_id: UUID | None
    result: Mapping[str, Any]
    verified: VerifiedToken | None
    audit: AuditRecord

    @property
    def checks(self) -> tuple[CheckResult, ...]:
        """The checks that the token passed; none for an action without a tap."""
        return () if self.verified is None else self.verified.checks


@dataclass(frozen=True, slots=True)
class TapStatus:
    """What became of a tap, for a terminal that lost the reply: `state` is open, done, refused or expired."""

    tap_id: UUID
    state: str
    result: Mapping[str, Any] | None


def stored_answer(reply: TapReply) -> dict[str, Any]:
    """What is stored of a reply for a caller that sends the same request again."""
    return {"result": dict(reply.result), "audit": reply.audit.as_json()}


def reply_of(tap_id: UUID | None, answer: Mapping[str, Any]) -> TapReply:
    """The reply that was stored by `stored_answer`."""
    return TapReply(tap_id, answer["result"], None, AuditRecord.from_json(answer["audit"]))
