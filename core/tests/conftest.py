"""What several tests of the core share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from mykey_testkit.identity import Register, RenewalOperator


@pytest.fixture
def register(tmp_path: Path) -> Iterator[Register]:
    """An empty register of persons."""
    town = Register(tmp_path)
    yield town
    town.close()


@pytest.fixture(scope="session")
def renewal_operator() -> Iterator[RenewalOperator]:
    """An operator that knows of renewals, as a process."""
    operator = RenewalOperator()
    yield operator
    operator.close()
