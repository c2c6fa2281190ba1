"""All tables of the core in one metadata, whichever module defines them: for migrations and back-ups, nothing else."""

from __future__ import annotations

from importlib import import_module

from mykey_core.storage.tables import metadata

MODULES = (
    "mykey_core.storage.tables",
    "mykey_core.identity.tables",
    "mykey_core.consent.tables",
    "mykey_core.audit.tables",
    "mykey_core.card_writing.tables",
    "mykey_core.plugins.tables",
    "mykey_core.uploads.tables",
    "mykey_core.terminals.tables",
    "mykey_core.portal.tables",
    "mykey_core.counter.tables",
    "mykey_core.worker.tables",
    "mykey_core.remote.tables",
    "mykey_core.administration.tables",
)

for _module in MODULES:
    import_module(_module)

__all__ = ["MODULES", "metadata"]
