"""What several tests of the core share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from mykey_testkit.identity import Register, RenewalOperator
from mykey_testkit.postgres import fresh_database


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def register(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Register]:
    """An empty register of persons, on each database."""
    url = None if request.param == "sqlite" else fresh_database(request.getfixturevalue("postgres_server")).hub
    town = Register(tmp_path, url=url)
    yield town
    town.close()


@pytest.fixture(scope="session")
def renewal_operator() -> Iterator[RenewalOperator]:
    """An operator that knows of renewals, as a process."""
    operator = RenewalOperator()
    yield operator
    operator.close()
