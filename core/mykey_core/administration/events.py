"""What acts of administration leave in the audit log: who, what, and codes; never a value of a setting."""

from __future__ import annotations

from mykey_core.audit.events import BOOLEAN, CODE, CODES, INTEGER, NAME, SUBJECT, UUID, EventType, register

register(
    EventType("admin.settings_changed", {"actor": CODE, "change": UUID, "member": CODE}),
    EventType("admin.plugin_changed", {"actor": CODE, "change": UUID, "plugin": CODE, "enabled": BOOLEAN}),
    EventType("admin.plugin_retried", {"actor": CODE, "plugin": CODE, "crashes": INTEGER}),
    EventType("admin.staff_invited", {"actor": CODE, "member": CODE}),
    EventType("admin.job_retried", {"actor": CODE, "event": NAME, "subscriber": CODE}),
    EventType("admin.job_asked", {"actor": CODE, "plugin": CODE, "job": CODE}),
    EventType("admin.audit_searched", {"actor": CODE, "filters": CODES, "found": INTEGER}, {"subject": SUBJECT}),
    EventType("admin.audit_verified", {"actor": CODE, "intact": BOOLEAN, "findings": INTEGER, "size": INTEGER}),
    EventType("admin.crls_updated", {"actor": CODE, "problems": INTEGER}),
    EventType("admin.campaign_held", {"actor": CODE, "campaign": NAME}),
    EventType("admin.campaign_released", {"actor": CODE, "campaign": NAME}),
)
