"""Fixtures for tests with readers: a private pcscd for the whole run, and cards that are inserted into it.

No test ever reaches the computer's own readers: the PC/SC library of this process looks into a private directory
from the start, whether a service runs there or not.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from mykey_testkit.pcsc import PrivatePcscd, require_pcsc

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture(scope="session", autouse=True)
def _pcsc_directory() -> Iterator[Path]:
    # pcsc-lite remembers the name of its socket from the first call, so it is set once for the process.
    directory = Path(tempfile.gettempdir()) / f"mykey-pcsc-{os.getpid()}"
    service = PrivatePcscd(directory)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PCSCLITE_CSOCK_NAME", str(service.socket))
        yield directory
    shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture(scope="session")
def private_pcscd(_pcsc_directory: Path) -> Iterator[PrivatePcscd]:
    """A private pcscd with two virtual readers, for all tests of this process.

    Skips where pcscd or the virtual reader driver is missing; fails instead where `CI` is set.
    """
    require_pcsc()
    with PrivatePcscd(_pcsc_directory) as service:
        yield service


@pytest.fixture
def insert_card(private_pcscd: PrivatePcscd) -> Iterator[Callable[..., int]]:
    """`insert_card(persona, *options, slot=0)`: a fresh virtual card in a reader, taken out after the test."""
    yield private_pcscd.insert
    for slot in (0, 1):
        private_pcscd.remove(slot)
