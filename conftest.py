"""For every test run of this repository: a skipped test fails in CI, which has all the real parts; workers overlap.

What tests share is made once: they go to one worker.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from _pytest.nodeid import NodeId

_PER_CORE = 2
"""A worker waits half of its time: for a server that starts, for PostgreSQL, for a card reader."""


os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
"""Hundreds of processes are started: each would compile our sources anew, which no installation does."""


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """What `-n auto` means here."""
    del config
    return _PER_CORE * (os.cpu_count() or 1)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """With `--dist loadgroup`: one worker for an `xdist_group`, and for the tests of a file that share a fixture.

    `--dist loadgroup` reads the group at the end of a test's id. pytest-xdist 3.8 writes it where pytest 9.2 no longer
    looks, and every test went its own way (pytest-dev/pytest-xdist#1386).
    """
    if not config.getoption("loadgroup", default=False):
        return
    for item in items:
        group = "_".join(sorted(_groups(item)))
        if group and not item.nodeid.endswith(f"@{group}"):
            item._id = NodeId.parse(f"{item.nodeid}@{group}")  # noqa: SLF001 - there is no public way


def _groups(item: pytest.Item) -> Iterator[str]:
    marked = {str(mark.args[0] if mark.args else mark.kwargs["name"]) for mark in item.iter_markers("xdist_group")}
    yield from marked
    if not marked and isinstance(item, pytest.Function):
        names = item._fixtureinfo.name2fixturedefs  # noqa: SLF001 - there is no public way
        made = (definitions[-1] for definitions in names.values())
        if any(fixture.scope in {"class", "module"} for fixture in made):
            yield item.path.stem  # the basenames of this repository's test files are unique


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Fail the run when something was skipped and CI is set; the summary names what and why."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    skipped = reporter.stats.get("skipped", []) if reporter is not None else []
    if skipped and os.environ.get("CI") == "true" and exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
