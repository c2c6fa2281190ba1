"""The audit events of card writing. No record holds a card's serial, a key or a share; check values are public."""

from __future__ import annotations

from typing import Final

from mykey_core.audit.events import BOOLEAN, CODE, CODES, INTEGER, NAME, SUBJECT, UUID, EventType, register

_KEYS: Final = {"generation": INTEGER, "provider": CODE, "check_value": CODE}

register(
    EventType("card_keys.rehearsed", {**_KEYS, "quorum": CODE}),
    EventType("card_keys.created", {**_KEYS, "quorum": CODE}),
    EventType("card_keys.restored", _KEYS),
    EventType("card_keys.floor_raised", {"floor": INTEGER}),
    EventType("card_keys.debit_key_issued", {"generation": INTEGER, "service": INTEGER, "terminal": NAME}),
    EventType(
        "card_writing.ended",
        {"writing": UUID, "operation": CODE, "plugin": CODE, "provider": CODE, "state": CODE, "steps": CODES},
        {
            "actor": CODE,
            "subject": SUBJECT,
            "code": CODE,
            "terminal": UUID,
            "service_point": NAME,
            "approved_by": CODE,
            "dry_run": BOOLEAN,
        },
    ),
    EventType(
        "card_campaign.begun",
        {"campaign": UUID, "profile": NAME, "provider": CODE, "generation": INTEGER, "cards": INTEGER},
    ),
    EventType("card_campaign.ended", {"campaign": UUID, "states": CODES}, {"stopped": CODE}),
    EventType("card_writing.resolved", {"writing": UUID, "state": CODE}),
    EventType("card_writing.release_asked", {"writing": UUID, "evidence": CODE, "by": CODE}),
    EventType("card_writing.released", {"writing": UUID, "evidence": CODE, "by": CODE, "approved_by": CODE}),
    EventType(
        "card_tap.ended",
        {"tap": UUID, "plugin": CODE, "terminal": UUID, "state": CODE},
        {"code": CODE},
    ),
)

REGISTERED: Final = True
