"""For every test run of this repository: a skipped test fails in CI, which has all the real parts; workers overlap."""

from __future__ import annotations

import os

import pytest

_PER_CORE = 2
"""A worker waits half of its time: for a server that starts, for PostgreSQL, for a card reader."""


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """What `-n auto` means here."""
    del config
    return _PER_CORE * (os.cpu_count() or 1)


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Fail the run when something was skipped and CI is set; the summary names what and why."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    skipped = reporter.stats.get("skipped", []) if reporter is not None else []
    if skipped and os.environ.get("CI") == "true" and exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
