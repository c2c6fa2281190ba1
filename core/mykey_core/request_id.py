"""The id of the request that a thread is busy with. Apart from `logs`, so that the application starts without them."""

from __future__ import annotations

from contextvars import ContextVar

REQUEST_ID: ContextVar[str] = ContextVar("request_id", default="")
"""Empty between requests."""
