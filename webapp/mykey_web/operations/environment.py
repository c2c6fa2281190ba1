"""What `mykey serve` tells its worker processes, by environment variables."""

from __future__ import annotations

from typing import Final

CONFIG: Final = "MYKEY_SERVE_CONFIG"
TOWNS: Final = "MYKEY_SERVE_TOWNS"
LOGS: Final = "MYKEY_SERVE_LOGS"
