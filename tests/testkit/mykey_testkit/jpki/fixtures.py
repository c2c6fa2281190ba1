"""pytest fixtures of the test JPKI, given to everybody by `mykey_testkit.fixtures`."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from mykey_testkit.jpki.client import JpkiService, running_service

JPKI_MOMENT = datetime(2026, 11, 2, 3, 4, 5, tzinfo=UTC)
"""The clock of the test JPKI until a test sets another: noon in Japan on a Monday."""


@pytest.fixture(scope="session")
def _jpki_process() -> Iterator[JpkiService]:
    with running_service(JPKI_MOMENT) as service:
        yield service


@pytest.fixture
def jpki_service(_jpki_process: JpkiService) -> Iterator[JpkiService]:
    """A running test JPKI (CRL and OCSP over HTTP on loopback), with its clock at JPKI_MOMENT and no faults.

    The process is shared by the tests of one worker; revocations that a test adds stay, so revoke serials of its own.
    """
    _jpki_process.heal()
    _jpki_process.set_clock(JPKI_MOMENT)
    yield _jpki_process
    _jpki_process.heal()
