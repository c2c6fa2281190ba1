"""pytest fixtures that every user of the kit gets by installing it."""

from __future__ import annotations

from mykey_testkit.audit import audit_town
from mykey_testkit.hub import hub_database, library_hub
from mykey_testkit.jpki.fixtures import _jpki_process, jpki_service
from mykey_testkit.pcsc_fixtures import _pcsc_directory, insert_card, private_pcscd
from mykey_testkit.postgres import postgres_server
from mykey_testkit.softhsm import softhsm

__all__ = [
    "_jpki_process",
    "_pcsc_directory",
    "audit_town",
    "hub_database",
    "insert_card",
    "jpki_service",
    "library_hub",
    "postgres_server",
    "private_pcscd",
    "softhsm",
]
