"""pytest fixtures that every user of the kit gets by installing it."""

from __future__ import annotations

from mykey_testkit.jpki.fixtures import _jpki_process, jpki_service

__all__ = ["_jpki_process", "jpki_service"]
