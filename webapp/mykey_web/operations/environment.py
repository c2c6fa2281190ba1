"""What a process knows of its surroundings: what `mykey serve` tells its workers, and the id of a thread's request."""

from __future__ import annotations

from contextvars import ContextVar
from typing import Final

CONFIG: Final = "MYKEY_SERVE_CONFIG"
TOWNS: Final = "MYKEY_SERVE_TOWNS"
LOGS: Final = "MYKEY_SERVE_LOGS"
REQUEST_ID: ContextVar[str] = ContextVar("request_id", default="")
