"""What the counter leaves in the audit log. Whatever names a subject is in that citizen's list."""

from __future__ import annotations

from mykey_core.audit.events import CODE, INTEGER, SUBJECT, UUID, EventType, register

_APPROVAL = {"approval": UUID, "act": CODE, "subject": SUBJECT, "actor": CODE}

register(
    EventType("counter.not_found", {"actor": CODE, "purpose": CODE, "method": CODE}),
    EventType("counter.identity_checked", {"actor": CODE, "subject": SUBJECT, "document": CODE}),
    EventType("counter.signed_out", {"actor": CODE, "subject": SUBJECT}),
    EventType("counter.search_allowed", {"actor": CODE, "subject": SUBJECT}),
    EventType("counter.search_ended", {"actor": CODE, "subject": SUBJECT}),
    EventType("counter.requested", _APPROVAL, {"ground": CODE, "document": CODE}),
    EventType("counter.approved", {**_APPROVAL, "requested_by": CODE}),
    EventType("counter.declined", {**_APPROVAL, "requested_by": CODE}),
    EventType("counter.queue_taken", {"actor": CODE, "terminal": UUID, "records": INTEGER}),
    EventType("passkey.added", {"actor": CODE, "passkey": UUID}),
    EventType("passkey.removed", {"actor": CODE, "passkey": UUID}),
)
