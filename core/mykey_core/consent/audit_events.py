"""What consents and delegations leave in the audit log: codes, ids and pairwise ids, never a value."""

from __future__ import annotations

from mykey_core.audit.events import CODE, CODES, SUBJECT, UUID, EventType, register

_CONSENT = {"consent": UUID, "plugin": CODE, "purpose": CODE, "actor": CODE}
_DELEGATION = {"delegation": UUID, "plugin": CODE, "actor": CODE}

register(
    EventType("consent.granted", _CONSENT),
    EventType("consent.withdrawn", _CONSENT),
    EventType("delegation.granted", _DELEGATION),
    EventType("delegation.ended", _DELEGATION),
    EventType(
        "attributes.read", {"plugin": CODE, "subject": SUBJECT, "purpose": CODE, "consent": UUID, "attributes": CODES}
    ),
    EventType("delegation.used", {"plugin": CODE, "subject": SUBJECT, "for": SUBJECT, "service": CODE}),
)
