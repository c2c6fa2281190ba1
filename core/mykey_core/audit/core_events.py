"""The events of the core itself: towns, terminals, taps and the lives of persons. Data only; `records` registers them.

Life events are recorded by their id: whom they concern stands in the register of persons alone.
"""

from __future__ import annotations

from mykey_core.audit.events import (
    CHECKS,
    CODE,
    CODES,
    ISSUER,
    NAME,
    OID,
    REVOCATION,
    SUBJECT,
    UUID,
    EventType,
)
from mykey_core.identity.states import EventKind

_TERMINAL = {"terminal": UUID, "service_point": NAME}
_ACTION = {**_TERMINAL, "service": CODE, "action": CODE, "code": CODE}
_EVIDENCE = {"algorithm": CODE, "issuer": ISSUER, "policy": OID, "revocation": REVOCATION}
_LIFE = {"event": UUID, "evidence": CODE, "actor": CODE}
_APPROVED = {"approved_by": CODE, "reverses": UUID}

CORE_EVENTS = (
    EventType("municipality.created"),
    EventType("terminal.point_defined", {"service_point": NAME, "services": CODES}, {"actor": CODE}),
    EventType("terminal.point_closed", {"service_point": NAME}, {"actor": CODE}),
    EventType("terminal.code_made", {"service_point": NAME}, {"actor": CODE}),
    EventType("terminal.enrolled", _TERMINAL),
    EventType("terminal.revoked", {"terminal": UUID}, {"actor": CODE}),
    EventType("tap.done", {**_ACTION, "tap": UUID, "subject": SUBJECT, **_EVIDENCE}),
    EventType("tap.refused", {**_ACTION, "tap": UUID, "checks": CHECKS}, {"subject": SUBJECT}),
    EventType("action.done", _ACTION, {"subject": SUBJECT}),
    EventType("action.refused", _ACTION, {"subject": SUBJECT}),
    EventType("request.refused", {"terminal": UUID, "code": CODE, "endpoint": CODE}),
    *(EventType(f"identity.{kind.value}", _LIFE, _APPROVED) for kind in EventKind),
)
