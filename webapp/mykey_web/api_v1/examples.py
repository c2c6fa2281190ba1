"""An example request and reply for each operation, as a terminal of the demo town would send and get it. Data only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

_KEY = {"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}
_TERMINAL = "0199d1f0-7a43-7c1e-9a53-2f1d5f1f6b01"
_HASH = "0" * 64
EXAMPLES: Final[Mapping[str, Mapping[str, Any]]] = {
    "/api/v1/terminals/enrolments": {
        "code": "ABCD2345EFGH6789",
        "public_key": _KEY,
        "name": "library-desk-1",
        "version": "0.1.0",
    },
    "/api/v1/taps": {"service": "library-desk", "action": "open", "input": {}},
    "/api/v1/taps/{tap_id}/proof": {
        "token": {
            "format": "web-eid:1.0",
            "unverifiedCertificate": "MII…",
            "algorithm": "RS256",
            "signature": "c2lnbmF0dXJl",
        }
    },
    "/api/v1/actions": {"service": "library-desk", "action": "return", "input": {"barcode": "A1000001"}},
    "/api/v1/uploads": {
        "boot_id": "b-1",
        "wall_clock": "2026-11-23T09:00:00+09:00",
        "monotonic_ms": 120000,
        "records": [
            {
                "terminal_id": _TERMINAL,
                "seq": 1,
                "record_id": "0199d1f0-7a43-7c1e-9a53-2f1d5f1f6b02",
                "service": "taxi-ride",
                "recorded_at": "2026-11-23T08:59:00+09:00",
                "boot_id": "b-1",
                "mono_ms": 60000,
                "payload": {},
                "prev_hash": _HASH,
                "hash": _HASH,
                "sig": "c2ln",
            }
        ],
    },
    "/api/v1/terminal/report": {
        "version": "0.1.0",
        "wall_clock": "2026-11-23T09:00:00+09:00",
        "configuration": 3,
        "queue": {"pending": 0, "unsettled": 0, "last_seq": 12},
        "reader": "ready",
        "problems": [],
    },
    "/api/v1/card-writings": {"operation": "write", "plugin": "bus", "values": {}, "value": 1000},
    "/api/v1/card-writings/{writing_id}/responses": {"sequence": 1, "responses": ["9000"], "card_gone": False},
    "/api/v1/card-writings/{writing_id}/approval": {},
    "/api/v1/card-writings/{writing_id}/release": {"evidence": "card-examined"},
    "/api/v1/card-taps": {"plugin": "bus", "kind": "ride"},
    "/api/v1/remote/events": {"name": "festival.opened", "data": {"year": 2026}},
    "/api/v1/remote/audit-records": {"action": "festival.joined", "details": {"group": "dance"}},
    "/api/v1/remote/messages": {
        "subject": "k3Qx0v9mJc2Z1f7YbN8tR5wLhE4sUaGdPiOoTqWyXzA",
        "content": {"ja": {"title": "夏まつり", "text": "受付が始まりました。"}},
    },
}
"""An example body for each path that takes one."""
_SUBJECT = "k3Qx0v9mJc2Z1f7YbN8tR5wLhE4sUaGdPiOoTqWyXzA"
_WRITING_ID = "0199d1f0-7a43-7c1e-9a53-2f1d5f1f6b05"
_RESULT = {
    "outcome": "done",
    "code": "library.returned",
    "message": {"title": "Returned", "text": "Thank you.", "what_to_do": ""},
    "view": [{"kind": "facts", "rows": [{"label": "Title", "value": "吾輩は猫である"}]}],
    "offers": [],
    "visit": None,
}
_WRITING = {
    "writing_id": _WRITING_ID,
    "state": "open",
    "sequence": 0,
    "commands": ["00A4040009A0000000030000004000"],
    "plan": ["open-session", "install-service", "write-profile"],
    "steps_done": 0,
    "card": None,
    "result": None,
    "problem": None,
}
_DESK = {"name": "desk", "title": "Library desk"}
REPLIES: Final[Mapping[tuple[str, str], Any]] = {
    ("post", "/api/v1/terminals/enrolments"): {
        "terminal_id": _TERMINAL,
        "municipality": "132217",
        "service_point": _DESK,
        "services": ["library-desk"],
        "token_endpoint": "https://hub.example.jp/api/v1/oauth/token",
        "audience": "https://hub.example.jp/api/v1/oauth/token",
        "origin": "https://hub.example.jp",
        "configuration_key": _KEY,
    },
    ("get", "/api/v1/services"): {
        "municipality": {"code": "132217", "title": "Mihon City"},
        "service_point": _DESK,
        "services": [
            {
                "service": "library-desk",
                "title": "Library",
                "description": "Lending and returning",
                "needs": ["authentication-pin"],
                "actions": [
                    {
                        "name": "return",
                        "title": "Return",
                        "subject": "none",
                        "fields": [
                            {
                                "name": "barcode",
                                "title": "Barcode",
                                "type": "barcode",
                                "required": True,
                                "pattern": "^[A-Z0-9]{4,20}$",
                                "max_length": 20,
                            }
                        ],
                        "offline": True,
                    }
                ],
            }
        ],
        "next": None,
    },
    ("post", "/api/v1/taps"): {
        "tap_id": "0199d1f0-7a43-7c1e-9a53-2f1d5f1f6b03",
        "nonce": "Zm9ydHktZm91ciBjaGFyYWN0ZXJzIG9mIHJhbmRvbW5lc3M",
        "origin": "https://hub.example.jp",
        "expires_at": "2026-11-23T00:05:00+00:00",
        "needs": ["authentication-pin"],
    },
    ("post", "/api/v1/taps/{tap_id}/proof"): {
        "tap_id": "0199d1f0-7a43-7c1e-9a53-2f1d5f1f6b03",
        "state": "done",
        "result": _RESULT,
    },
    ("get", "/api/v1/taps/{tap_id}"): {
        "tap_id": "0199d1f0-7a43-7c1e-9a53-2f1d5f1f6b03",
        "state": "done",
        "result": _RESULT,
        "problem": None,
    },
    ("post", "/api/v1/actions"): {"tap_id": None, "state": "done", "result": _RESULT},
    ("post", "/api/v1/card-writings"): _WRITING,
    ("get", "/api/v1/card-writings/{writing_id}"): _WRITING,
    ("post", "/api/v1/card-writings/{writing_id}/responses"): _WRITING,
    ("post", "/api/v1/card-writings/{writing_id}/approval"): _WRITING,
    ("post", "/api/v1/card-writings/{writing_id}/release"): {"writing_id": _WRITING_ID, "state": "asked"},
    ("post", "/api/v1/card-taps"): {**_WRITING, "plan": []},
    ("get", "/api/v1/card-profiles"): {
        "profiles": [
            {
                "plugin": "bus",
                "title": "Bus pass",
                "service": "0B05",
                "label": "BUS",
                "fields": [{"name": "zone", "title": "Zone", "type": "text", "size": 4}],
                "upper": 20000,
                "allowance": 0,
                "from_plugin": True,
                "services": ["bus-desk"],
            }
        ],
        "four_eyes": ["delete"],
        "shared_with": [],
        "next": None,
    },
    ("post", "/api/v1/uploads"): {
        "records": [
            {
                "record_id": "0199d1f0-7a43-7c1e-9a53-2f1d5f1f6b02",
                "seq": 1,
                "state": "accepted",
                "code": "taxi.ride-taken",
                "receipt": {"ride": 1},
            }
        ],
        "missing": [],
    },
    ("post", "/api/v1/terminal/report"): {
        "configuration": 3,
        "now": "2026-11-23T00:00:00+00:00",
        "poll_seconds": 5,
    },
    ("get", "/api/v1/terminal/configuration"): {
        "sequence": 3,
        "configuration": "eyJhbGciOiJFZDI1NTE5In0.e30.c2ln",
        "key": _KEY,
    },
    ("get", "/api/v1/remote/people"): {
        "people": [{"subject": _SUBJECT, "linked_at": "2026-11-23T00:00:00+00:00"}],
        "next": None,
    },
    ("get", "/api/v1/remote/people/{subject}"): {"subject": _SUBJECT, "linked_at": "2026-11-23T00:00:00+00:00"},
    ("post", "/api/v1/remote/messages"): {"id": "0199d1f0-7a43-7c1e-9a53-2f1d5f1f6b04"},
}
"""An example reply for each operation that answers something."""
