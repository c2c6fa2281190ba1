"""What signing in, looking up and the citizen's own acts leave in the audit log."""

from __future__ import annotations

from mykey_core.audit.events import (
    CHECKS,
    CODE,
    CODES,
    INTEGER,
    ISSUER,
    OID,
    REVOCATION,
    SUBJECT,
    EventType,
    register,
)

_EVIDENCE = {"algorithm": CODE, "issuer": ISSUER, "policy": OID, "revocation": REVOCATION}

register(
    EventType("portal.signed_in", {"subject": SUBJECT, "method": CODE}, _EVIDENCE),
    EventType("portal.handed_over", {"subject": SUBJECT, **_EVIDENCE}),
    EventType("portal.refused", {"code": CODE, "audience": CODE, "checks": CHECKS}),
    EventType("portal.signed_out", {"subject": SUBJECT, "scope": CODE, "sessions": INTEGER}),
    EventType("portal.exported", {"subject": SUBJECT}),
    EventType("portal.service_deleted", {"subject": SUBJECT, "plugin": CODE, "rows": INTEGER}),
    EventType("portal.message_sent", {"subject": SUBJECT, "sender": CODE}),
    EventType("staff.signed_in", {"actor": CODE, "method": CODE}, _EVIDENCE),
    EventType("staff.signed_out", {"actor": CODE, "scope": CODE, "sessions": INTEGER}),
    EventType("staff.looked_up", {"actor": CODE, "plugin": CODE, "subject": SUBJECT, "purpose": CODE}),
    EventType("staff.member_changed", {"actor": CODE, "member": CODE, "roles": CODES, "state": CODE}),
)
