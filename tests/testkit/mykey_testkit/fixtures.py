"""pytest fixtures that every user of the kit gets by installing it."""

from __future__ import annotations

import pytest

from mykey_testkit.audit import audit_town
from mykey_testkit.hub import hub_database, hub_engine, library_hub, library_mould
from mykey_testkit.jpki.fixtures import _jpki_process, jpki_service
from mykey_testkit.pcsc_fixtures import _pcsc_directory, insert_card, private_pcscd
from mykey_testkit.plugin_hub import hub_moulds, make_hub
from mykey_testkit.postgres import postgres_server
from mykey_testkit.softhsm import softhsm


def pytest_configure(config: pytest.Config) -> None:
    """Name the marks that the kit's fixtures carry, for projects with strict marks."""
    config.addinivalue_line("markers", "postgres: needs PostgreSQL's programs (started by the test)")


__all__ = [
    "_jpki_process",
    "_pcsc_directory",
    "audit_town",
    "hub_database",
    "hub_engine",
    "hub_moulds",
    "insert_card",
    "jpki_service",
    "library_hub",
    "library_mould",
    "make_hub",
    "postgres_server",
    "private_pcscd",
    "softhsm",
]
