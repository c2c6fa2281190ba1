"""What several tests of the core share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from mykey_testkit.identity import Register, RenewalOperator
from mykey_testkit.postgres import DatabaseUrls


@pytest.fixture
def register(hub_database: DatabaseUrls | None, tmp_path: Path) -> Iterator[Register]:
    """An empty register of persons, on each database."""
    url = None if hub_database is None else hub_database.hub
    town = Register(tmp_path, url=url)
    yield town
    town.close()


@pytest.fixture(scope="session")
def renewal_operator() -> Iterator[RenewalOperator]:
    """An operator that knows of renewals, as a process."""
    operator = RenewalOperator()
    yield operator
    operator.close()
