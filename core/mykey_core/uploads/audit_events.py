"""What is recorded about uploads: every record and its state, every contradiction, every clerk's decision."""

from __future__ import annotations

from mykey_core.audit.events import CODE, INTEGER, NAME, UUID, EventType, register

_RECORD = {"terminal": UUID, "sequence": INTEGER}
_SPAN = {"terminal": UUID, "first": INTEGER, "last": INTEGER, "actor": CODE}

register(
    EventType(
        "upload.record",
        {**_RECORD, "service_point": NAME, "service": CODE, "record": UUID, "state": CODE, "code": CODE},
    ),
    EventType("upload.conflict", {**_RECORD, "reason": CODE}),
    EventType("upload.gap_waived", _SPAN),
    EventType("upload.decided", {**_RECORD, "state": CODE, "code": CODE, "actor": CODE}),
)
