"""An example body for each operation that takes one: what a terminal of the demo town would send. Data only."""

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
}
